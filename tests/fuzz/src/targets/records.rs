//! Record batches. Whatever a header claims, reading the records ends, takes bounded memory and yields exactly what the header
//! counts. What is admitted verifies and holds the records that came.

use bytes::Bytes;
use highwater_partition_log::{
    Admission, AdmissionContext, AdmittedBatch, LogConfig, Origin, TimestampType, TopicCompression, admit,
    requires_produce_v7,
};
use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{self, *};

use crate::memory::Budget;
use crate::mend;

/// A bomb may decompress to 64 MiB, all of which may be one record, in a vector that doubles; recompression holds all of it.
pub(crate) const BUDGET: Budget = Budget { fixed: 208 << 20, factor: 64 };
/// Decompressed bytes that a batch is read up to here: what lies beyond the limit is the same again.
const OUTPUT_LIMIT: u64 = 4 << 20;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn batches(input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    let mut end = 0;
    for item in record::batches(bytes) {
        let Ok((header, batch)) = item else { return };
        assert_eq!(header.size(), batch.len() as u64);
        assert_eq!(&batch[..], &input[end..end + batch.len()], "a batch is not where it stands");
        end += batch.len();
        assert_eq!(header.to_bytes()[..], batch[..HEADER_SIZE], "the header is written differently");
        check_batch(&header, &batch);
    }
    assert_eq!(end, input.len());
}

fn check_batch(header: &BatchHeader, batch: &[u8]) {
    let verified = verify(batch);
    assert!(verify(&batch[..batch.len() - 1]).is_err(), "a batch without its last byte verifies");
    if let Ok(verified) = verified {
        assert_eq!(verified, *header);
        let _ = AdmittedBatch::read(batch).expect("its header was read");
    }
    let _ = (header.last_offset(), header.next_offset(), header.last_sequence(), requires_produce_v7(batch));
    if let Some(marker) = end_transaction_marker(batch, header) {
        assert_eq!(EndTxnMarker::parse(&marker.key(), &marker.value()), Some(marker));
    }
    let _ = read(header, batch);
}

/// Every record as its bytes; `None` when they cannot be read.
fn read(header: &BatchHeader, batch: &[u8]) -> Option<Vec<u8>> {
    let mut records = Records::new(batch, header, OUTPUT_LIMIT).ok()?;
    let (mut count, mut plain) = (0, Vec::new());
    while let Some((view, raw)) = records.next_record().ok()? {
        count += 1;
        let headers: Vec<_> = view.headers().collect();
        assert_eq!(headers.len(), usize::try_from(view.header_count).unwrap(), "headers are missing");
        let parts = [view.key, view.value].into_iter().flatten().map(<[u8]>::len).sum::<usize>();
        assert!(parts < raw.len(), "a record is longer than its bytes");
        plain.extend_from_slice(raw);
    }
    assert_eq!(count, header.record_count);
    if header.attributes.compression() == Some(Compression::None) {
        assert_eq!(plain, batch[HEADER_SIZE..], "records that are not compressed are the payload");
    }
    Some(plain)
}

/// The first byte chooses the settings.
pub(crate) fn admission(input: &[u8]) {
    let Some((&choice, batch)) = input.split_first() else { return };
    let (config, origin) = (settings(choice), origin(choice));
    let records = Bytes::copy_from_slice(batch);
    let context = AdmissionContext { config: &config, now: NOW };
    match admit(&records, origin, &context) {
        Admission::Refuse(_) => {}
        Admission::Keep(admitted) => {
            assert_eq!(verify(&records), Ok(admitted.header));
        }
        Admission::Rewrite(bytes, admitted) => {
            let before = verify(&records).expect("what is rewritten was whole");
            check_rewritten((&before, &records), (&admitted.header, &bytes), &context);
        }
    }
}

fn check_rewritten(
    (before, records): (&BatchHeader, &[u8]),
    (after, bytes): (&BatchHeader, &Bytes),
    context: &AdmissionContext<'_>,
) {
    assert_eq!(verify(bytes), Ok(*after), "what was rewritten does not verify");
    assert!(bytes.len() as u64 <= context.config.max_message_bytes);
    assert_eq!(
        (after.base_offset, after.last_offset_delta, after.record_count, after.base_sequence),
        (before.base_offset, before.last_offset_delta, before.record_count, before.base_sequence)
    );
    if let TopicCompression::Codec(codec, _) = context.config.compression {
        assert_eq!(after.attributes.compression(), Some(codec));
    }
    if let Some(plain) = read(before, records) {
        assert_eq!(read(after, bytes), Some(plain), "the records changed");
    }
    // A log's own batch is kept as it is by an import.
    let imported = admit(bytes, Origin::Import, context);
    assert!(matches!(imported, Admission::Keep(_)), "an import does not keep it: {imported:?}");
}

fn settings(choice: u8) -> LogConfig {
    let bit = |number: u8| choice >> number & 1 == 1;
    let compression = match choice & 7 {
        code @ 0..=4 => TopicCompression::Codec(Compression::from_code(code).unwrap(), None),
        _ => TopicCompression::Producer,
    };
    LogConfig {
        compression,
        compact: bit(3),
        timestamp_type: if bit(4) { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
        timestamp_before_max_ms: bit(5).then_some(1000),
        ..LogConfig::default()
    }
}

fn origin(choice: u8) -> Origin {
    match choice >> 6 {
        0 | 1 => Origin::Client,
        2 => Origin::Coordinator,
        _ => Origin::Import,
    }
}

pub(crate) fn mend_admission(bytes: &mut [u8]) {
    let Some((choice, batch)) = bytes.split_first_mut() else { return };
    // One batch, at offset 0 when it is a client's: others are refused at once.
    if batch.len() >= HEADER_SIZE {
        let length = u32::try_from(batch.len() - LENGTH_OVERHEAD).unwrap_or(u32::MAX);
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        if *choice < 0x80 {
            batch[..8].fill(0);
        }
        mend::batches(batch);
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> =
        Compression::ALL.into_iter().map(|codec| batch(codec, 3).to_vec()).collect();
    let marker = EndTxnMarker { committed: false, coordinator_epoch: 3 };
    let control = end_transaction_batch(marker, ProducerId(7), ProducerEpoch(1), NOW).unwrap();
    seeds.push(control.to_vec());
    seeds.push([batch(Compression::None, 1), batch(Compression::Lz4, 2), control].concat());
    seeds.push(raw_snappy());
    seeds.push(bomb(Compression::Gzip));
    seeds.push(bomb(Compression::Zstd));
    seeds
}

pub(crate) fn admission_seeds() -> Vec<Vec<u8>> {
    let choices = [0, 1, 2, 3, 4, 7, 0b1111, 0b1_0111, 0b10_0111, 0x87, 0xc7];
    let batches = || seeds().into_iter().chain([batch(Compression::None, 2).to_vec()]);
    choices
        .into_iter()
        .flat_map(|choice| batches().map(move |batch| [&[choice], &batch[..]].concat()))
        .collect()
}

fn batch(codec: Compression, count: usize) -> Bytes {
    let mut builder = BatchBuilder::new()
        .compression(codec, None)
        .position(Offset::ZERO, LeaderEpoch(0))
        .producer(ProducerId(7), ProducerEpoch(1), Sequence(0));
    for index in 0..count {
        builder.push(&Record {
            timestamp: NOW,
            key: (index != 1).then(|| Bytes::from_static(b"key")),
            value: (index != 2).then(|| Bytes::from(vec![b'v'; 40])),
            headers: vec![
                (Bytes::from_static(b"h"), Some(Bytes::from_static(b"1"))),
                (Bytes::from_static(b"n"), None),
            ],
        });
    }
    builder.build().unwrap()
}

/// Snappy without xerial's framing, as some clients send it: the one block of the framed stream.
fn raw_snappy() -> Vec<u8> {
    const FRAMING: usize = 16 + 4;
    let mut bytes = batch(Compression::Snappy, 2).to_vec();
    bytes.drain(HEADER_SIZE..HEADER_SIZE + FRAMING);
    let length = u32::try_from(bytes.len() - LENGTH_OVERHEAD).unwrap();
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    mend::batches(&mut bytes);
    bytes
}

/// Few bytes that become many.
fn bomb(codec: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new().compression(codec, None);
    builder.push(&Record { timestamp: NOW, value: Some(vec![0; 100_000].into()), ..Record::default() });
    builder.build().unwrap().to_vec()
}
