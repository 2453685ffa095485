//! What a log should hold, kept as plainly as possible.

use bytes::Bytes;
use highwater_partition_log::{AbortedTransaction, ReadRequest};
use highwater_types::{LeaderEpoch, Offset, ProducerId, Timestamp};
use highwater_wire::record::{
    BatchHeader, HEADER_SIZE, Records, default_output_limit, end_transaction_marker, patch_position,
};

/// A batch in the log.
#[derive(Clone)]
pub struct Stored {
    pub base: Offset,
    pub last: Offset,
    /// As the client sent it.
    pub sent: Bytes,
    /// As it must be in the log.
    pub bytes: Vec<u8>,
    pub header: BatchHeader,
    /// Of a marker: whether it commits.
    pub marker: Option<bool>,
    pub timestamps: Vec<Timestamp>,
}

#[derive(Default)]
pub struct Model {
    pub batches: Vec<Stored>,
    pub log_start: Offset,
}

struct Transaction {
    producer: i64,
    first: Offset,
    /// Offset and kind of the marker.
    marker: Option<(Offset, bool)>,
}

impl Model {
    pub fn end(&self) -> Offset {
        self.batches.last().map_or(Offset::ZERO, |batch| batch.last.next())
    }

    pub fn append(&mut self, sent: &Bytes, base: Offset, epoch: LeaderEpoch) {
        let header = BatchHeader::parse(sent).unwrap();
        let mut bytes = sent.to_vec();
        let mut head: [u8; HEADER_SIZE] = *bytes.first_chunk().unwrap();
        patch_position(&mut head, base, epoch);
        bytes[..HEADER_SIZE].copy_from_slice(&head);
        let mut records = Records::new(sent, &header, default_output_limit(header.size())).unwrap();
        let mut timestamps = Vec::new();
        while let Some((record, _)) = records.next_record().unwrap() {
            timestamps.push(Timestamp(header.base_timestamp.0 + record.timestamp_delta));
        }
        let control = header.attributes.is_control();
        let marker = control.then(|| end_transaction_marker(sent, &header).unwrap().committed);
        let last = Offset(base.0 + i64::from(header.last_offset_delta));
        self.batches.push(Stored { base, last, sent: sent.clone(), bytes, header, marker, timestamps });
    }

    pub fn truncate(&mut self, end: Offset) {
        self.batches.retain(|batch| batch.last < end);
    }

    fn data_of(&self, producer: i64) -> impl DoubleEndedIterator<Item = &Stored> {
        let of =
            move |batch: &&Stored| batch.header.producer_id == ProducerId(producer) && batch.marker.is_none();
        self.batches.iter().filter(of)
    }

    pub fn next_sequence(&self, producer: i64) -> i32 {
        self.data_of(producer).next_back().map_or(0, |batch| batch.header.last_sequence().next().0)
    }

    /// The last five batches of a producer.
    pub fn window(&self, producer: i64) -> Vec<Stored> {
        let mut window: Vec<Stored> = self.data_of(producer).rev().take(5).cloned().collect();
        window.reverse();
        window
    }

    fn transactions(&self) -> Vec<Transaction> {
        let mut all: Vec<Transaction> = Vec::new();
        for batch in self.batches.iter().filter(|batch| batch.header.attributes.is_transactional()) {
            let producer = batch.header.producer_id.0;
            let open = all.iter_mut().find(|known| known.producer == producer && known.marker.is_none());
            match (open, batch.marker) {
                (Some(open), Some(committed)) => open.marker = Some((batch.base, committed)),
                (None, None) => all.push(Transaction { producer, first: batch.base, marker: None }),
                _ => {}
            }
        }
        all
    }

    pub fn open_transaction(&self, producer: i64) -> Option<Offset> {
        let transactions = self.transactions();
        let open = transactions.iter().find(|known| known.producer == producer && known.marker.is_none());
        open.map(|open| open.first)
    }

    pub fn last_stable(&self, high_watermark: Offset) -> Offset {
        let transactions = self.transactions();
        let unstable = transactions
            .iter()
            .filter(|known| known.marker.is_none_or(|(marker, _)| marker >= high_watermark));
        let first = unstable.map(|known| known.first).min();
        first.map_or(high_watermark, |first| first.max(self.log_start).min(high_watermark))
    }

    /// The bytes that a read returns, and where they end.
    pub fn read(&self, request: ReadRequest, bound: Offset) -> (Vec<u8>, Offset) {
        let mut found = Vec::new();
        let mut end = request.offset;
        let inside = |batch: &&Stored| batch.last >= request.offset && batch.last < bound;
        if request.offset >= bound {
            return (found, end);
        }
        for batch in self.batches.iter().filter(inside) {
            let size = (found.len() + batch.bytes.len()) as u64;
            if size > request.max_bytes && !(found.is_empty() && request.at_least_one_batch) {
                break;
            }
            found.extend_from_slice(&batch.bytes);
            end = batch.last.next();
            if size >= request.max_bytes {
                break;
            }
        }
        (found, end)
    }

    pub fn check_aborted(&self, found: &[AbortedTransaction], from: Offset, end: Offset, context: &str) {
        for known in self.transactions() {
            let Some((marker, committed)) = known.marker else { continue };
            let entry =
                AbortedTransaction { producer_id: ProducerId(known.producer), first_offset: known.first };
            let there = found.contains(&entry);
            if committed {
                assert!(!there, "{context}: {entry:?} was committed");
            } else if marker >= from && known.first < end {
                assert!(there, "{context}: {entry:?} is missing in {found:?}, end {end}");
            }
        }
        let distinct: std::collections::HashSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), found.len(), "{context}: {found:?}");
    }

    fn records(&self, bound: Offset) -> impl Iterator<Item = (Offset, Timestamp)> {
        let start = self.log_start;
        let each = |batch: &Stored| {
            let base = batch.base.0;
            let stamps: Vec<_> = batch.timestamps.clone();
            stamps.into_iter().enumerate().map(move |(at, stamp)| (Offset(base + at as i64), stamp))
        };
        self.batches.iter().flat_map(each).filter(move |(offset, _)| *offset >= start && *offset < bound)
    }

    pub fn first_at_or_after(&self, timestamp: Timestamp, bound: Offset) -> Option<(Offset, Timestamp)> {
        self.records(bound).find(|(_, stamp)| *stamp >= timestamp)
    }

    pub fn largest(&self, bound: Offset) -> Option<(Offset, Timestamp)> {
        let largest = self.records(bound).map(|(_, stamp)| stamp).max()?;
        self.first_at_or_after(largest, bound)
    }

    /// The end of the batch that holds `offset`.
    pub fn next_after(&self, offset: Offset) -> Option<Offset> {
        self.batches.iter().find(|batch| batch.last >= offset).map(|batch| batch.last.next())
    }
}
