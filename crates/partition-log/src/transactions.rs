//! Transactions as one partition sees them: which are open, where readers of committed records must stop, and the
//! list of aborted ones (`.txnindex`, `TransactionIndex`).
//!
//! An entry of a `.txnindex` file, 34 bytes, big-endian, back to back in the order of `last_offset`:
//!
//! | at | field | type | |
//! |---|---|---|---|
//! | 0 | version | i16 | 0 |
//! | 2 | producer_id | i64 | |
//! | 10 | first_offset | i64 | first offset of the transaction |
//! | 18 | last_offset | i64 | offset of its abort marker |
//! | 26 | last_stable_offset | i64 | last stable offset right after the marker |
//!
//! Not here: which batches belong to a transaction (`producer_state`), reading and writing the file.

use std::collections::BTreeMap;
use std::fmt;

use highwater_types::{Offset, ProducerId};

use crate::AbortedTransaction;

/// Size of an entry in bytes.
pub const ABORTED_TXN_SIZE: usize = 34;
const VERSION: i16 = 0;

/// A transaction that a marker has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompletedTransaction {
    /// Its producer.
    pub producer_id: ProducerId,
    /// First offset of its first batch.
    pub first_offset: Offset,
    /// Offset of the marker.
    pub last_offset: Offset,
    /// Whether the marker says abort; such a transaction goes into the `.txnindex`.
    pub aborted: bool,
    /// Start of the first transaction of another producer that is still open, or else the offset after the marker.
    pub last_stable_offset: Offset,
}

/// An aborted transaction as the `.txnindex` keeps it. See the module for the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// The producer.
    pub producer_id: ProducerId,
    /// First offset of the transaction.
    pub first_offset: Offset,
    /// Offset of the abort marker.
    pub last_offset: Offset,
    /// Last stable offset right after the marker.
    pub last_stable_offset: Offset,
}

/// Why bytes are no `.txnindex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxnIndexError {
    /// The file ends inside an entry.
    Truncated {
        /// Size of the file in bytes.
        size: u64,
    },
    /// An entry of a version that does not exist.
    Version {
        /// 0-based index of the entry.
        index: usize,
        /// Its version.
        version: i16,
    },
    /// An entry whose offsets contradict each other or the entry before it.
    Order {
        /// 0-based index of the entry.
        index: usize,
    },
}

impl fmt::Display for TxnIndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { size } => {
                write!(f, "transaction index of {size} bytes is no multiple of {ABORTED_TXN_SIZE}")
            }
            Self::Version { index, version } => {
                write!(f, "transaction index entry {index}: version {version}")
            }
            Self::Order { index } => write!(f, "transaction index entry {index}: offsets out of order"),
        }
    }
}

impl std::error::Error for TxnIndexError {}

impl From<CompletedTransaction> for AbortedTxn {
    fn from(completed: CompletedTransaction) -> Self {
        Self {
            producer_id: completed.producer_id,
            first_offset: completed.first_offset,
            last_offset: completed.last_offset,
            last_stable_offset: completed.last_stable_offset,
        }
    }
}

impl AbortedTxn {
    /// The entry's bytes.
    pub fn encode(&self) -> [u8; ABORTED_TXN_SIZE] {
        let mut bytes = [0; ABORTED_TXN_SIZE];
        let (version, numbers) = bytes.split_at_mut(2);
        version.copy_from_slice(&VERSION.to_be_bytes());
        let values = [self.producer_id.0, self.first_offset.0, self.last_offset.0, self.last_stable_offset.0];
        for (target, value) in numbers.chunks_exact_mut(8).zip(values) {
            target.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; ABORTED_TXN_SIZE]) -> Result<Self, i16> {
        let number =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(-1, |n| i64::from_be_bytes(*n));
        let version = i16::from_be_bytes([bytes[0], bytes[1]]);
        if version != VERSION {
            return Err(version);
        }
        Ok(Self {
            producer_id: ProducerId(number(2)),
            first_offset: Offset(number(10)),
            last_offset: Offset(number(18)),
            last_stable_offset: Offset(number(26)),
        })
    }
}

/// The entries of a `.txnindex` file.
///
/// # Errors
/// [`TxnIndexError`]; the file is a hint and is then rebuilt from the log.
pub fn decode_index(bytes: &[u8]) -> Result<Vec<AbortedTxn>, TxnIndexError> {
    let (entries, rest) = bytes.as_chunks::<ABORTED_TXN_SIZE>();
    if !rest.is_empty() {
        return Err(TxnIndexError::Truncated { size: bytes.len() as u64 });
    }
    let mut decoded: Vec<AbortedTxn> = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let entry = AbortedTxn::decode(entry).map_err(|version| TxnIndexError::Version { index, version })?;
        let after_previous = decoded.last().is_none_or(|previous| previous.last_offset < entry.last_offset);
        if !after_previous || entry.first_offset.0 < 0 || entry.last_offset < entry.first_offset {
            return Err(TxnIndexError::Order { index });
        }
        decoded.push(entry);
    }
    Ok(decoded)
}

/// Adds to `found` the aborted transactions that overlap the records from `fetch_offset` to `upper_bound` (exclusive).
/// Returns whether the search is complete: `false` says that the entries of the next segment must be looked at too.
/// The rule is that of `TransactionIndex.collectAbortedTxns`: an entry whose last stable offset is at or above the bound
/// proves that every transaction below the bound was decided before it.
pub fn collect_aborted<'a>(
    entries: impl IntoIterator<Item = &'a AbortedTxn>,
    fetch_offset: Offset,
    upper_bound: Offset,
    found: &mut Vec<AbortedTransaction>,
) -> bool {
    for entry in entries {
        if entry.last_offset >= fetch_offset && entry.first_offset < upper_bound {
            found.push(AbortedTransaction {
                producer_id: entry.producer_id,
                first_offset: entry.first_offset,
            });
        }
        if entry.last_stable_offset >= upper_bound {
            return true;
        }
    }
    false
}

/// The transactions of a partition that readers of committed records must not pass: open ones, and decided ones whose
/// marker is not yet below the high watermark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OpenTransactions {
    /// First offset → producer.
    open: BTreeMap<Offset, ProducerId>,
    /// First offset → offset of the marker (Kafka's `unreplicatedTxns`).
    decided: BTreeMap<Offset, Offset>,
}

impl OpenTransactions {
    /// A producer's transaction begins.
    pub(crate) fn begin(&mut self, first_offset: Offset, producer_id: ProducerId) {
        self.open.insert(first_offset, producer_id);
    }

    /// A marker at `last_offset` ends the transaction that began at `first_offset`.
    pub(crate) fn complete(
        &mut self,
        producer_id: ProducerId,
        first_offset: Offset,
        last_offset: Offset,
        aborted: bool,
    ) -> CompletedTransaction {
        let next_open = self.open.iter().find(|(_, owner)| **owner != producer_id).map(|(offset, _)| *offset);
        self.open.remove(&first_offset);
        self.decided.insert(first_offset, last_offset);
        CompletedTransaction {
            producer_id,
            first_offset,
            last_offset,
            aborted,
            last_stable_offset: next_open.unwrap_or_else(|| last_offset.next()),
        }
    }

    /// Lets go of decided transactions whose marker is below `offset` (the high watermark or the log start).
    pub(crate) fn settle_below(&mut self, offset: Offset) {
        self.decided.retain(|_, last_offset| *last_offset >= offset);
    }

    /// Start of the first transaction that is open or not yet settled.
    pub(crate) fn first_unstable(&self) -> Option<Offset> {
        let open = self.open.keys().next();
        let decided = self.decided.keys().next();
        open.into_iter().chain(decided).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first: i64, last: i64, stable: i64) -> AbortedTxn {
        AbortedTxn {
            producer_id: ProducerId(producer_id),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(stable),
        }
    }

    fn aborted_in(entries: &[AbortedTxn], from: i64, to: i64) -> (Vec<i64>, bool) {
        let mut found = Vec::new();
        let complete = collect_aborted(entries, Offset(from), Offset(to), &mut found);
        (found.iter().map(|transaction| transaction.producer_id.0).collect(), complete)
    }

    #[test]
    fn an_entry_has_kafkas_thirty_four_bytes() {
        let bytes = entry(1, 2, 3, 4).encode();
        let mut expected = [0u8; ABORTED_TXN_SIZE];
        (expected[9], expected[17], expected[25], expected[33]) = (1, 2, 3, 4);
        assert_eq!(bytes, expected);
        assert_eq!(decode_index(&bytes), Ok(vec![entry(1, 2, 3, 4)]));
    }

    #[test]
    fn damaged_indexes_are_refused() {
        let good = [entry(1, 0, 5, 6).encode(), entry(2, 3, 9, 10).encode()].concat();
        assert_eq!(decode_index(&good).map(|entries| entries.len()), Ok(2));
        for end in (0..good.len()).filter(|end| end % ABORTED_TXN_SIZE != 0) {
            assert_eq!(decode_index(&good[..end]), Err(TxnIndexError::Truncated { size: end as u64 }));
        }
        let mut other_version = good.clone();
        other_version[ABORTED_TXN_SIZE + 1] = 1;
        assert_eq!(decode_index(&other_version), Err(TxnIndexError::Version { index: 1, version: 1 }));
        let backwards = [entry(2, 3, 9, 10).encode(), entry(1, 0, 5, 6).encode()].concat();
        assert_eq!(decode_index(&backwards), Err(TxnIndexError::Order { index: 1 }));
        assert_eq!(decode_index(&entry(1, 7, 5, 6).encode()), Err(TxnIndexError::Order { index: 0 }));
    }

    #[test]
    fn aborted_transactions_that_overlap_a_range_are_found_and_the_search_stops_when_it_may() {
        // Kafka's own test of `collectAbortedTxns`.
        let index = [entry(0, 0, 10, 11), entry(1, 5, 15, 13), entry(2, 18, 35, 25), entry(3, 32, 50, 40)];
        assert_eq!(aborted_in(&index, 0, 100), (vec![0, 1, 2, 3], false));
        assert_eq!(aborted_in(&index[..3], 0, 25), (vec![0, 1, 2], true), "stable up to the bound");
        assert_eq!(aborted_in(&index, 0, 32), (vec![0, 1, 2], true));
        assert_eq!(aborted_in(&index, 0, 35), (vec![0, 1, 2, 3], true));
        assert_eq!(aborted_in(&index, 10, 35), (vec![0, 1, 2, 3], true));
        assert_eq!(aborted_in(&index, 11, 35), (vec![1, 2, 3], true));
        assert_eq!(aborted_in(&index, 20, 41), (vec![2, 3], false));
    }

    #[test]
    fn readers_stop_at_the_first_transaction_that_is_open_or_not_settled() {
        let mut transactions = OpenTransactions::default();
        assert_eq!(transactions.first_unstable(), None);
        transactions.begin(Offset(3), ProducerId(1));
        transactions.begin(Offset(7), ProducerId(2));
        let first = transactions.complete(ProducerId(1), Offset(3), Offset(9), true);
        assert_eq!(first.last_stable_offset, Offset(7));
        assert_eq!(
            transactions.first_unstable(),
            Some(Offset(3)),
            "its marker is not below the high watermark"
        );
        transactions.settle_below(Offset(9));
        assert_eq!(transactions.first_unstable(), Some(Offset(3)), "the marker is at the high watermark");
        transactions.settle_below(Offset(10));
        assert_eq!(transactions.first_unstable(), Some(Offset(7)));
        let second = transactions.complete(ProducerId(2), Offset(7), Offset(12), false);
        assert_eq!(second.last_stable_offset, Offset(13));
        transactions.settle_below(Offset(13));
        assert_eq!(transactions.first_unstable(), None);
    }
}
