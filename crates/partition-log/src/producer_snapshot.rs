//! The producer state as files: Kafka's `<offset>.snapshot` and our `<offset>.producers` beside it. Only bytes; the files
//! are somebody else's. All numbers are big-endian. Both are hints: what cannot be read is rebuilt from the log.
//!
//! Kafka's snapshot, version 1, keeps the last batch of each producer:
//!
//! | at | field | type | |
//! |---|---|---|---|
//! | 0 | version | i16 | 1 |
//! | 2 | crc | u32 | CRC-32C of everything from 6 on |
//! | 6 | count | i32 | entries of 46 bytes that follow |
//! | +0 | producer_id | i64 | |
//! | +8 | epoch | i16 | |
//! | +10 | last_sequence | i32 | -1 without a batch |
//! | +14 | last_offset | i64 | -1 without a batch |
//! | +22 | offset_delta | i32 | last minus first of that batch |
//! | +26 | timestamp | i64 | of the last batch or marker |
//! | +34 | coordinator_epoch | i32 | -1: no marker yet |
//! | +38 | current_txn_first_offset | i64 | -1: no open transaction |
//!
//! Ours keeps the whole window, so that a retry of any of the last batches is recognised after a restart too:
//!
//! | at | field | type | |
//! |---|---|---|---|
//! | 0 | magic | 4 bytes | `HWPW` |
//! | 4 | version | u16 | 1 |
//! | 6 | crc | u32 | CRC-32C of everything from 10 on |
//! | 10 | producer_id | i64 | this and the rest once per producer |
//! | +8 | epoch | i16 | |
//! | +10 | count | u8 | batches that follow, 1 to 5, oldest first |
//! | +0 | last_sequence | i32 | |
//! | +4 | last_offset | i64 | |
//! | +12 | offset_delta | i32 | |
//! | +16 | timestamp | i64 | |

use std::fmt;

use highwater_types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::crc32c;

use crate::{BatchEntry, ProducerEntry, ProducerState, WINDOW_SIZE};

/// Suffix of our file, as `.snapshot` is of Kafka's.
pub const WINDOWS_SUFFIX: &str = ".producers";

const SNAPSHOT_VERSION: i16 = 1;
const SNAPSHOT_COVERED: usize = 6;
const SNAPSHOT_ENTRY_SIZE: usize = 46;
const WINDOWS_MAGIC: &[u8; 4] = b"HWPW";
const WINDOWS_VERSION: u16 = 1;
const WINDOWS_COVERED: usize = 10;

/// Why bytes are no snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotError {
    /// They end too early, or too late.
    Size {
        /// Bytes at hand.
        size: u64,
    },
    /// Another magic or version.
    Version,
    /// The checksum does not fit.
    Checksum {
        /// In the file.
        stored: u32,
        /// Of its bytes.
        computed: u32,
    },
    /// A producer's numbers cannot be.
    Entry {
        /// Its id.
        producer_id: ProducerId,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { size } => write!(f, "producer snapshot of impossible size {size}"),
            Self::Version => f.write_str("producer snapshot of an unknown version"),
            Self::Checksum { stored, computed } => {
                write!(f, "producer snapshot: bad CRC: stored {stored:#010x}, computed {computed:#010x}")
            }
            Self::Entry { producer_id } => {
                write!(f, "producer snapshot: bad entry of producer {producer_id}")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Kafka's snapshot of the state.
pub fn encode_snapshot(state: &ProducerState) -> Vec<u8> {
    let count = i32::try_from(state.len()).unwrap_or(i32::MAX);
    let mut covered = count.to_be_bytes().to_vec();
    for entry in state.iter() {
        let last = entry.batches().last();
        covered.extend_from_slice(&entry.producer_id.0.to_be_bytes());
        covered.extend_from_slice(&entry.epoch.0.to_be_bytes());
        covered.extend_from_slice(&entry.last_sequence().0.to_be_bytes());
        covered.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset.0).to_be_bytes());
        covered.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        covered.extend_from_slice(&entry.last_timestamp.0.to_be_bytes());
        covered.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        covered.extend_from_slice(&entry.transaction_start.map_or(-1, |start| start.0).to_be_bytes());
    }
    let mut bytes = SNAPSHOT_VERSION.to_be_bytes().to_vec();
    seal(bytes.as_mut(), &covered);
    bytes
}

/// The producers of Kafka's snapshot, each with at most one batch.
///
/// # Errors
/// Any [`SnapshotError`].
pub fn decode_snapshot(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let mut reader = Reader { bytes, rest: bytes };
    if i16::from_be_bytes(reader.take()?) != SNAPSHOT_VERSION {
        return Err(SnapshotError::Version);
    }
    reader.check_crc(SNAPSHOT_COVERED)?;
    let count = u64::from(u32::from_be_bytes(reader.take()?));
    if reader.rest.len() as u64 != count * SNAPSHOT_ENTRY_SIZE as u64 {
        return Err(reader.size_error());
    }
    let mut entries = Vec::new();
    while !reader.rest.is_empty() {
        entries.push(reader.snapshot_entry()?);
    }
    Ok(entries)
}

/// Our file of the state: all batches of all producers that have any.
pub fn encode_windows(state: &ProducerState) -> Vec<u8> {
    let mut covered = Vec::new();
    for entry in state.iter().filter(|entry| !entry.batches().is_empty()) {
        covered.extend_from_slice(&entry.producer_id.0.to_be_bytes());
        covered.extend_from_slice(&entry.epoch.0.to_be_bytes());
        covered.push(u8::try_from(entry.batches().len()).unwrap_or(u8::MAX));
        for batch in entry.batches() {
            covered.extend_from_slice(&batch.last_sequence.0.to_be_bytes());
            covered.extend_from_slice(&batch.last_offset.0.to_be_bytes());
            covered.extend_from_slice(&batch.offset_delta.to_be_bytes());
            covered.extend_from_slice(&batch.timestamp.0.to_be_bytes());
        }
    }
    let mut bytes = WINDOWS_MAGIC.to_vec();
    bytes.extend_from_slice(&WINDOWS_VERSION.to_be_bytes());
    seal(&mut bytes, &covered);
    bytes
}

/// The producers of our file, for [`ProducerState::restore`]; only id, epoch and batches are set.
///
/// # Errors
/// Any [`SnapshotError`].
pub fn decode_windows(bytes: &[u8]) -> Result<Vec<ProducerEntry>, SnapshotError> {
    let mut reader = Reader { bytes, rest: bytes };
    if &reader.take()? != WINDOWS_MAGIC || u16::from_be_bytes(reader.take()?) != WINDOWS_VERSION {
        return Err(SnapshotError::Version);
    }
    reader.check_crc(WINDOWS_COVERED)?;
    let mut entries = Vec::new();
    while !reader.rest.is_empty() {
        entries.push(reader.window()?);
    }
    Ok(entries)
}

fn seal(head: &mut Vec<u8>, covered: &[u8]) {
    head.extend_from_slice(&crc32c(covered).to_be_bytes());
    head.extend_from_slice(covered);
}

struct Reader<'a> {
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(self.size_error())?;
        self.rest = rest;
        Ok(*field)
    }

    fn size_error(&self) -> SnapshotError {
        SnapshotError::Size { size: self.bytes.len() as u64 }
    }

    fn check_crc(&mut self, covered_from: usize) -> Result<(), SnapshotError> {
        let stored = u32::from_be_bytes(self.take()?);
        let computed = crc32c(self.bytes.get(covered_from..).ok_or(self.size_error())?);
        if stored == computed { Ok(()) } else { Err(SnapshotError::Checksum { stored, computed }) }
    }

    fn snapshot_entry(&mut self) -> Result<ProducerEntry, SnapshotError> {
        let producer_id = ProducerId(i64::from_be_bytes(self.take()?));
        let bad = SnapshotError::Entry { producer_id };
        let mut entry = ProducerEntry::empty(producer_id);
        entry.epoch = ProducerEpoch(i16::from_be_bytes(self.take()?));
        let last_sequence = Sequence(i32::from_be_bytes(self.take()?));
        let last_offset = Offset(i64::from_be_bytes(self.take()?));
        let offset_delta = i32::from_be_bytes(self.take()?);
        entry.last_timestamp = Timestamp(i64::from_be_bytes(self.take()?));
        entry.coordinator_epoch = i32::from_be_bytes(self.take()?);
        let start = i64::from_be_bytes(self.take()?);
        entry.transaction_start = (start >= 0).then_some(Offset(start));
        if last_offset.0 >= 0 {
            let offset_delta = u32::try_from(offset_delta).map_err(|_| bad)?;
            entry.push(BatchEntry {
                last_sequence,
                last_offset,
                offset_delta,
                timestamp: entry.last_timestamp,
            });
        }
        if producer_id.0 < 0 || entry.batches().iter().any(|batch| batch.first_offset().0 < 0) {
            return Err(bad);
        }
        Ok(entry)
    }

    fn window(&mut self) -> Result<ProducerEntry, SnapshotError> {
        let producer_id = ProducerId(i64::from_be_bytes(self.take()?));
        let mut entry = ProducerEntry::empty(producer_id);
        entry.epoch = ProducerEpoch(i16::from_be_bytes(self.take()?));
        let count = usize::from(u8::from_be_bytes(self.take()?));
        if producer_id.0 < 0 || !(1..=WINDOW_SIZE).contains(&count) {
            return Err(SnapshotError::Entry { producer_id });
        }
        for _ in 0..count {
            entry.push(BatchEntry {
                last_sequence: Sequence(i32::from_be_bytes(self.take()?)),
                last_offset: Offset(i64::from_be_bytes(self.take()?)),
                offset_delta: u32::from_be_bytes(self.take()?),
                timestamp: Timestamp(i64::from_be_bytes(self.take()?)),
            });
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use highwater_types::LeaderEpoch;
    use highwater_wire::record::{Attributes, BatchHeader};

    use super::*;
    use crate::{AdmittedBatch, Check, Origin, TransactionVersion};

    fn entry(id: i64, epoch: i16, batches: &[(i32, i64, u32, i64)]) -> ProducerEntry {
        let mut entry = ProducerEntry::empty(ProducerId(id));
        entry.epoch = ProducerEpoch(epoch);
        for &(last_sequence, last_offset, offset_delta, timestamp) in batches {
            entry.push(BatchEntry {
                last_sequence: Sequence(last_sequence),
                last_offset: Offset(last_offset),
                offset_delta,
                timestamp: Timestamp(timestamp),
            });
            entry.last_timestamp = Timestamp(timestamp);
        }
        entry
    }

    /// What `ProducerSnapshot` of kafka-storage 4.3.1 writes, but for the checksum.
    fn golden() -> (ProducerState, Vec<u8>) {
        let mut first = entry(1, 2, &[(3, 4, 1, 6)]);
        first.coordinator_epoch = 7;
        first.transaction_start = Some(Offset(3));
        let state = ProducerState::restore(vec![first, entry(9, 0, &[])], Vec::new());
        let covered = "0000000200000000000000010002000000030000000000000004000000010000000000000006\
                       00000007000000000000000300000000000000090000ffffffffffffffffffffffff00000000\
                       ffffffffffffffffffffffffffffffffffffffff";
        let covered: Vec<u8> = (0..covered.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&covered[at..at + 2], 16).unwrap())
            .collect();
        let bytes = [&[0, 1][..], &crc32c(&covered).to_be_bytes(), &covered].concat();
        (state, bytes)
    }

    #[test]
    fn a_snapshot_has_kafkas_bytes() {
        let (state, bytes) = golden();
        assert_eq!(encode_snapshot(&state), bytes);
        assert_eq!(ProducerState::restore(decode_snapshot(&bytes).unwrap(), Vec::new()), state);
    }

    #[test]
    fn the_window_has_its_documented_bytes() {
        let state = ProducerState::restore(vec![entry(1, 2, &[(3, 4, 1, 6)]), entry(9, 0, &[])], Vec::new());
        let covered =
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]
                .iter()
                .chain(&[0, 0, 0, 0, 6])
                .copied()
                .collect::<Vec<u8>>();
        let expected = [b"HWPW\0\x01", &crc32c(&covered).to_be_bytes()[..], &covered].concat();
        assert_eq!(encode_windows(&state), expected);
    }

    #[test]
    fn all_five_batches_come_back_from_both_files() {
        let window = [(9, 9, 9, 1), (19, 19, 9, 2), (29, 29, 9, 3), (39, 39, 9, 4), (49, 49, 9, 5)];
        let state = ProducerState::restore(vec![entry(5, 1, &window), entry(6, 0, &window[..1])], Vec::new());
        let snapshot = decode_snapshot(&encode_snapshot(&state)).unwrap();
        assert_eq!(snapshot[0].batches().len(), 1);
        let windows = decode_windows(&encode_windows(&state)).unwrap();
        assert_eq!(ProducerState::restore(snapshot, windows), state);
    }

    #[test]
    fn after_a_restart_each_of_five_retried_batches_is_a_duplicate() {
        let header = |first: i32| BatchHeader {
            base_offset: Offset::ZERO,
            batch_length: 49,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: 9,
            base_timestamp: Timestamp(1),
            max_timestamp: Timestamp(1),
            producer_id: ProducerId(5),
            producer_epoch: ProducerEpoch(1),
            base_sequence: Sequence(first),
            record_count: 10,
        };
        let in_flight = [0, 10, 20, 30, 40].map(|first| AdmittedBatch {
            header: header(first),
            marker: None,
            log_append_time: Timestamp::NONE,
        });
        let mut before = ProducerState::default();
        for (batch, base) in in_flight.iter().zip((100..).step_by(10)) {
            before.apply(batch, Offset(base));
        }
        let (snapshot, windows) = (encode_snapshot(&before), encode_windows(&before));
        let restarted =
            ProducerState::restore(decode_snapshot(&snapshot).unwrap(), decode_windows(&windows).unwrap());
        for (batch, base) in in_flight.iter().zip((100..).step_by(10)) {
            let check = restarted.check(batch, Offset(150), Origin::Client, TransactionVersion::Classic);
            let expected = Check::Duplicate {
                base_offset: Offset(base),
                last_offset: Offset(base + 9),
                timestamp: Timestamp(1),
            };
            assert_eq!(check, expected);
        }
    }

    #[test]
    fn a_window_of_another_moment_is_ignored() {
        let older = ProducerState::restore(vec![entry(5, 1, &[(1, 1, 1, 1), (3, 3, 1, 1)])], Vec::new());
        let newer = ProducerState::restore(vec![entry(5, 1, &[(5, 5, 1, 1)])], Vec::new());
        let windows = decode_windows(&encode_windows(&older)).unwrap();
        let snapshot = decode_snapshot(&encode_snapshot(&newer)).unwrap();
        assert_eq!(ProducerState::restore(snapshot, windows), newer);
        let other_epoch = ProducerState::restore(vec![entry(5, 2, &[(3, 3, 1, 1)])], Vec::new());
        let windows = decode_windows(&encode_windows(&older)).unwrap();
        let snapshot = decode_snapshot(&encode_snapshot(&other_epoch)).unwrap();
        assert_eq!(ProducerState::restore(snapshot, windows), other_epoch);
    }

    #[test]
    fn damaged_files_are_refused() {
        let (state, snapshot) = golden();
        let windows = encode_windows(&state);
        for end in 0..snapshot.len() {
            assert!(decode_snapshot(&snapshot[..end]).is_err(), "snapshot cut at {end}");
        }
        for end in 0..windows.len() {
            assert!(decode_windows(&windows[..end]).is_err(), "windows cut at {end}");
        }
        for bit in 0..snapshot.len() * 8 {
            let mut damaged = snapshot.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_snapshot(&damaged).is_err(), "bit {bit}");
        }
        for bit in 0..windows.len() * 8 {
            let mut damaged = windows.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode_windows(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_even_under_a_good_checksum() {
        let sealed = |mut bytes: Vec<u8>, from: usize| {
            let crc = crc32c(&bytes[from..]);
            bytes[from - 4..from].copy_from_slice(&crc.to_be_bytes());
            bytes
        };
        let (state, snapshot) = golden();
        let mut many = snapshot.clone();
        many[6..10].fill(0xff);
        assert!(matches!(decode_snapshot(&sealed(many, 6)), Err(SnapshotError::Size { .. })));
        let mut negative_delta = snapshot.clone();
        negative_delta[10 + 22] = 0x80;
        let bad = SnapshotError::Entry { producer_id: ProducerId(1) };
        assert_eq!(decode_snapshot(&sealed(negative_delta, 6)), Err(bad));
        let mut windows = encode_windows(&state);
        windows[20] = 6;
        assert_eq!(decode_windows(&sealed(windows, 10)), Err(bad));
    }
}
