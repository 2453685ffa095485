//! Record batches as other implementations write and read them, and as nobody should.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;

use bytes::{Bytes, BytesMut};
use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{
    BatchBuilder, BatchError, Compression, EndTxnMarker, HEADER_SIZE, Record, Records, RecordsError, batches,
    crc32c, default_output_limit, empty_batch, end_transaction_batch, end_transaction_marker, verify,
};
use kafka_protocol::records as oracle;

const LIMIT: u64 = 64 << 20;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap() % bound
    }

    fn bytes(&mut self, size_max: usize) -> Bytes {
        let size = self.below(size_max + 1);
        let alphabet = [3, 256][self.below(2)];
        (0..size).map(|_| u8::try_from(self.below(alphabet)).unwrap()).collect()
    }

    fn nullable(&mut self, size_max: usize) -> Option<Bytes> {
        (self.below(4) > 0).then(|| self.bytes(size_max))
    }

    fn record(&mut self) -> Record {
        let value_max = if self.below(20) == 0 { 100_000 } else { 300 };
        Record {
            timestamp: Timestamp(1_700_000_000_000 + i64::try_from(self.below(100_000)).unwrap()),
            key: self.nullable(40),
            value: self.nullable(value_max),
            headers: (0..self.below(4))
                .map(|index| (format!("h{index}").into(), self.nullable(20)))
                .collect(),
        }
    }

    fn records(&mut self) -> Vec<Record> {
        (0..1 + self.below(40)).map(|_| self.record()).collect()
    }
}

fn build(builder: BatchBuilder, records: &[Record]) -> Bytes {
    let mut builder = builder;
    for record in records {
        builder.push(record);
    }
    builder.build().unwrap()
}

/// What our decoder sees.
fn read(batch: &[u8], limit: u64) -> Result<Vec<Record>, RecordsError> {
    let header = verify(batch).unwrap();
    let mut reader = Records::new(batch, &header, limit)?;
    let mut records = Vec::new();
    while let Some((record, _)) = reader.next_record()? {
        assert_eq!(usize::try_from(record.offset_delta).unwrap(), records.len());
        let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        assert_eq!(record.headers().count(), usize::try_from(record.header_count).unwrap());
        records.push(Record {
            timestamp: Timestamp(header.base_timestamp.0 + record.timestamp_delta),
            key: record.key.map(copy),
            value: record.value.map(copy),
            headers: record.headers().map(|header| (copy(header.key), header.value.map(copy))).collect(),
        });
    }
    Ok(records)
}

/// A batch around a payload that is already compressed.
fn around(codec: Compression, count: u32, payload: &[u8]) -> Bytes {
    let mut template = BatchBuilder::new();
    for _ in 0..count.min(1) {
        template.push(&Record::default());
    }
    let mut header = verify(&template.build().unwrap()).unwrap();
    header.batch_length = u32::try_from(payload.len() + HEADER_SIZE - 12).unwrap();
    header.record_count = count;
    header.last_offset_delta = count.saturating_sub(1);
    header.attributes = header.attributes.with_compression(codec);
    sealed([&header.to_bytes()[..], payload].concat())
}

fn sealed(mut batch: Vec<u8>) -> Bytes {
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(batch)
}

fn theirs(codec: Compression) -> oracle::Compression {
    match codec {
        Compression::None => oracle::Compression::None,
        Compression::Gzip => oracle::Compression::Gzip,
        Compression::Snappy => oracle::Compression::Snappy,
        Compression::Lz4 => oracle::Compression::Lz4,
        Compression::Zstd => oracle::Compression::Zstd,
    }
}

fn as_ours(record: &oracle::Record) -> Record {
    Record {
        timestamp: Timestamp(record.timestamp),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record
            .headers
            .iter()
            .map(|(key, value)| (Bytes::copy_from_slice(key.as_bytes()), value.clone()))
            .collect(),
    }
}

fn as_theirs(record: &Record, offset: i64, sequence: i32) -> oracle::Record {
    oracle::Record {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 4,
        producer_id: 9,
        producer_epoch: 2,
        timestamp_type: oracle::TimestampType::Creation,
        offset,
        sequence,
        timestamp: record.timestamp.0,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record
            .headers
            .iter()
            .map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap().into(), value.clone()))
            .collect(),
    }
}

#[test]
fn records_come_back_from_every_codec_and_level() {
    let mut random = Random(1);
    for round in 0..10 {
        let records = random.records();
        for codec in Compression::ALL {
            for level in [None, Some(1), Some(9), Some(i32::MIN), Some(if round == 0 { i32::MAX } else { 5 })]
            {
                let batch = build(BatchBuilder::new().compression(codec, level), &records);
                assert_eq!(read(&batch, LIMIT).as_ref(), Ok(&records), "round {round} {codec:?} {level:?}");
            }
        }
    }
}

#[test]
fn kafka_protocol_reads_what_we_build() {
    let mut random = Random(2);
    for round in 0..10 {
        let records = random.records();
        for codec in Compression::ALL {
            let builder = BatchBuilder::new()
                .compression(codec, None)
                .position(Offset(1000), LeaderEpoch(4))
                .producer(ProducerId(9), ProducerEpoch(2), Sequence(77))
                .transactional();
            let mut batch = build(builder, &records);
            let decoded = oracle::RecordBatchDecoder::decode(&mut batch).unwrap();
            assert_eq!(decoded.compression, theirs(codec));
            for (index, record) in decoded.records.iter().enumerate() {
                let delta = i32::try_from(index).unwrap();
                let expected = as_theirs(&records[index], 1000 + i64::from(delta), 77 + delta);
                assert_eq!(*record, expected, "round {round} {codec:?} record {index}");
            }
            assert_eq!(decoded.records.len(), records.len());
        }
    }
}

#[test]
fn we_read_what_kafka_protocol_builds() {
    let mut random = Random(3);
    for round in 0..10 {
        let records = random.records();
        let foreign: Vec<_> = (0i32..)
            .zip(&records)
            .map(|(delta, record)| as_theirs(record, 1000 + i64::from(delta), 77 + delta))
            .collect();
        for codec in Compression::ALL {
            let options = oracle::RecordEncodeOptions { version: 2, compression: theirs(codec) };
            let mut buffer = BytesMut::new();
            oracle::RecordBatchEncoder::encode(&mut buffer, &foreign, &options).unwrap();
            let all: Vec<_> = batches(buffer.freeze()).map(Result::unwrap).collect();
            let [(header, batch)] = &all[..] else { panic!("{} batches", all.len()) };
            assert_eq!(verify(batch), Ok(*header));
            assert_eq!((header.base_offset, header.leader_epoch), (Offset(1000), LeaderEpoch(4)));
            assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(9), ProducerEpoch(2)));
            assert_eq!(header.base_sequence, Sequence(77));
            assert!(header.attributes.is_transactional());
            let ours: Vec<Record> = foreign.iter().map(as_ours).collect();
            assert_eq!(read(batch, LIMIT), Ok(ours), "round {round} {codec:?}");
        }
    }
}

#[test]
fn a_batch_has_kafkas_bytes() {
    // MemoryRecords.withRecords of kafka-clients 4.3.1: base offset 0, one record (timestamp 5, key "k", value "v",
    // header h=1), no producer.
    let golden = b"\0\0\0\0\0\0\0\0\0\0\0\x3e\xff\xff\xff\xff\x02\xf9\x76\x1c\x4e\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\0\
        \0\0\0\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\x18\0\0\0\x02k\x02v\x02\x02h\x021";
    let record = Record {
        timestamp: Timestamp(5),
        key: Some("k".into()),
        value: Some("v".into()),
        headers: vec![("h".into(), Some("1".into()))],
    };
    assert_eq!(build(BatchBuilder::new().position(Offset(0), LeaderEpoch(-1)), &[record])[..], golden[..]);
}

#[test]
fn a_marker_batch_reads_back() {
    let marker = EndTxnMarker { committed: false, coordinator_epoch: 12 };
    let mut batch = end_transaction_batch(marker, ProducerId(9), ProducerEpoch(2), Timestamp(7)).unwrap();
    // MemoryRecords.withEndTransactionMarker of kafka-clients 4.3.1, but for the offset.
    let golden = b"\0\0\0\0\0\0\0\0\0\0\0\x42\xff\xff\xff\xff\x02\x7c\x99\xa9\xb3\0\x30\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\0\
        \0\0\0\x07\0\0\0\0\0\0\0\x09\0\x02\xff\xff\xff\xff\0\0\0\x01\x20\0\0\0\x08\0\0\0\0\x0c\0\0\0\0\0\x0c\0";
    assert_eq!(batch[..], golden[..]);
    let header = verify(&batch).unwrap();
    assert_eq!(end_transaction_marker(&batch, &header), Some(marker));
    let decoded = oracle::RecordBatchDecoder::decode(&mut batch).unwrap();
    assert!(decoded.records[0].control && decoded.records[0].transactional);
}

#[test]
fn snappy_without_framing_and_gzip_in_pieces_are_read() {
    let records = [Record { value: Some(vec![7; 50_000].into()), ..Record::default() }];
    let plain = build(BatchBuilder::new(), &records);
    let raw = snap::raw::Encoder::new().compress_vec(&plain[HEADER_SIZE..]).unwrap();
    assert_eq!(read(&around(Compression::Snappy, 1, &raw), LIMIT).as_deref(), Ok(&records[..]));
    let mut pieces = Vec::new();
    for piece in plain[HEADER_SIZE..].chunks(20_000) {
        let mut encoder = flate2::write::GzEncoder::new(&mut pieces, flate2::Compression::fast());
        encoder.write_all(piece).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(read(&around(Compression::Gzip, 1, &pieces), LIMIT).as_deref(), Ok(&records[..]));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let records = vec![Record { value: Some(vec![0; 100_000].into()), ..Record::default() }; 200];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let batch = build(BatchBuilder::new().compression(codec, None), &records);
        assert!(batch.len() < 2_000_000, "{codec:?}");
        let limit = 1 << 20;
        assert_eq!(read(&batch, limit), Err(RecordsError::OutputLimit { limit }), "{codec:?}");
        assert_eq!(read(&batch, LIMIT).map(|records| records.len()), Ok(200), "{codec:?}");
    }
    assert_eq!(default_output_limit(1 << 20), 64 << 20);
    assert_eq!(default_output_limit(100 << 20), 1600 << 20);
}

#[test]
fn a_stated_size_is_not_believed() {
    // A snappy block of a few bytes that claims 1 GiB of output.
    let claim = [0x80, 0x80, 0x80, 0x80, 0x04, 0xfe, 0x01, 0x00];
    let framed = [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", &[0, 0, 0, 8][..], &claim].concat();
    for payload in [&claim[..], &framed] {
        let refused = read(&around(Compression::Snappy, 1, payload), LIMIT);
        assert!(
            matches!(refused, Err(RecordsError::Decompression { codec: Compression::Snappy, .. })),
            "{refused:?}"
        );
    }
    // A record that claims 2 GiB, in every codec, and a batch that claims four billion records.
    let length = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    let refused = read(&around(Compression::None, 1, &length), LIMIT);
    assert_eq!(refused, Err(RecordsError::Malformed { index: 0, what: "longer than the batch" }));
    let zstd = zstd::bulk::compress(&length, 3).unwrap();
    let refused = read(&around(Compression::Zstd, 1, &zstd), LIMIT);
    assert_eq!(refused, Err(RecordsError::Malformed { index: 0, what: "longer than the batch" }));
    let one = build(BatchBuilder::new(), &[Record::default()]);
    let stated = 0x7fff_ffff;
    let refused = read(&around(Compression::None, stated, &one[HEADER_SIZE..]), LIMIT);
    assert_eq!(refused, Err(RecordsError::TooFew { found: 1, stated }));
    let refused = read(&around(Compression::None, 0, &one[HEADER_SIZE..]), LIMIT);
    assert_eq!(refused, Err(RecordsError::Remaining { stated: 0 }));
}

#[test]
fn batches_without_records_are_read_as_empty() {
    assert_eq!(read(&around(Compression::None, 0, &[]), LIMIT), Ok(Vec::new()));
}

#[test]
fn a_payload_cut_anywhere_is_an_error() {
    let mut random = Random(4);
    // The batch around a cut payload has base timestamp 0.
    let records: Vec<Record> =
        (0..3).map(|_| Record { timestamp: Timestamp(0), ..random.record() }).collect();
    for codec in Compression::ALL {
        let batch = build(BatchBuilder::new().compression(codec, None), &records);
        let payload = &batch[HEADER_SIZE..];
        let step = 1 + payload.len() / 500;
        for end in (0..payload.len()).step_by(step) {
            let cut = around(codec, 3, &payload[..end]);
            match read(&cut, LIMIT) {
                Err(_) => {}
                // What follows the last record is only the stream's own end mark or checksum.
                Ok(found) => {
                    assert!(codec != Compression::None && found == records, "{codec:?} cut at {end}")
                }
            }
        }
        for end in 0..batch.len().min(4000) {
            assert!(
                matches!(verify(&batch[..end]), Err(BatchError::Truncated { .. })),
                "{codec:?} cut at {end}"
            );
        }
    }
}

#[test]
fn random_bytes_and_flipped_bits_never_panic() {
    let mut random = Random(5);
    let records: Vec<Record> = (0..5).map(|_| random.record()).collect();
    for round in 0..1000 {
        let codec = Compression::ALL[round % 5];
        let payload = if round % 3 == 0 {
            random.bytes(400).to_vec()
        } else {
            let batch = build(BatchBuilder::new().compression(codec, None), &records[..1 + round % 5]);
            let mut payload = batch[HEADER_SIZE..].to_vec();
            for _ in 0..1 + random.below(4) {
                let at = random.below(payload.len());
                payload[at] ^= 1 << random.below(8);
            }
            payload
        };
        let batch = around(codec, 1 + u32::try_from(round % 5).unwrap(), &payload);
        let header = verify(&batch).unwrap();
        let _ = end_transaction_marker(&batch, &header);
        if let Ok(mut reader) = Records::new(&batch, &header, LIMIT) {
            while let Ok(Some((record, raw))) = reader.next_record() {
                assert!(raw.len() > record.key.map_or(0, <[u8]>::len));
                let _ = record.headers().count();
            }
        }
        let garbage = random.bytes(300);
        assert!(batches(garbage.clone()).count() <= garbage.len());
        assert!(verify(&garbage).is_err());
    }
}

#[test]
fn an_empty_batch_covers_its_offsets_and_has_no_records() {
    let (epoch, time) = (LeaderEpoch(4), Timestamp(1_700_000_000_000));
    let batch = empty_batch(Offset(19), Offset(25), epoch, time).unwrap();
    let header = verify(&batch).unwrap();
    assert_eq!((header.base_offset, header.last_offset(), header.record_count), (Offset(19), Offset(24), 0));
    assert_eq!((header.leader_epoch, header.max_timestamp), (epoch, time));
    assert!(!header.has_producer_id() && batch.len() == HEADER_SIZE);
    assert!(Records::new(&batch, &header, LIMIT).unwrap().next_record().unwrap().is_none());
    let decoded = oracle::RecordBatchDecoder::decode_all(&mut batch.clone()).unwrap();
    assert!(decoded.iter().all(|set| set.records.is_empty()));
    for end in [19, 18, i64::MIN, i64::MAX] {
        assert_eq!(empty_batch(Offset(19), Offset(end), epoch, time), None);
    }
}
