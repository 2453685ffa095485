//! Idempotence and transactions on one partition: what each producer appended last, and the rules by which its next
//! batch is new, a duplicate or refused (`ProducerStateManager`, `ProducerAppendInfo`).
//!
//! - An exact repeat (epoch, first and last sequence) of one of the last five batches is a duplicate.
//! - A sequence must follow the last one; after 2147483647 comes 0. Anything else is OUT_OF_ORDER_SEQUENCE_NUMBER.
//! - A lower epoch is INVALID_PRODUCER_EPOCH; a higher one must begin at sequence 0.
//! - A producer of which nothing is known may begin anywhere, except in a transaction of version 2.
//! - The first transactional batch opens a transaction at its base offset; a marker ends it.
//!
//! Invariant: a producer has an open transaction exactly when `OpenTransactions` has one of it. Not here: batches without
//! a producer id (never checked), control records other than markers, when state expires (the caller says so).

use std::collections::BTreeMap;

use highwater_types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{BatchHeader, EndTxnMarker};

use crate::transactions::OpenTransactions;
use crate::{AdmittedBatch, CompletedTransaction, Origin, Refusal};

/// Batches remembered of each producer; no client has more in flight.
pub const WINDOW_SIZE: usize = 5;

/// The finalized `transaction.version` under which a batch is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransactionVersion {
    /// 0 or 1: markers carry the producer's epoch.
    Classic,
    /// 2 (KIP-890): a marker carries a higher epoch than its transaction, and a transactional producer without state
    /// begins at sequence 0.
    V2,
}

/// What is remembered of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchEntry {
    /// Sequence of its last record.
    pub last_sequence: Sequence,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Last offset minus first, which is also last sequence minus first.
    pub offset_delta: u32,
    /// Its max timestamp.
    pub timestamp: Timestamp,
}

impl BatchEntry {
    /// Sequence of its first record.
    pub fn first_sequence(&self) -> Sequence {
        let delta = i64::from(self.offset_delta);
        let first = i64::from(self.last_sequence.0) - delta;
        let wrapped = if first < 0 { first + i64::from(i32::MAX) + 1 } else { first };
        Sequence(i32::try_from(wrapped).unwrap_or(Sequence::NONE.0))
    }

    /// Offset of its first record.
    pub fn first_offset(&self) -> Offset {
        Offset(self.last_offset.0.saturating_sub(i64::from(self.offset_delta)))
    }
}

/// What is remembered of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its newest epoch; [`ProducerEpoch::NONE`] is never stored.
    pub epoch: ProducerEpoch,
    /// Epoch of the coordinator of the last marker; -1: none yet.
    pub coordinator_epoch: i32,
    /// Max timestamp of the last batch, or the marker's timestamp. Expiry counts from here.
    pub last_timestamp: Timestamp,
    /// First offset of the open transaction.
    pub transaction_start: Option<Offset>,
    /// The last batches of this epoch, oldest first, at most [`WINDOW_SIZE`].
    batches: Vec<BatchEntry>,
}

impl ProducerEntry {
    /// A producer of which nothing is known.
    pub(crate) fn empty(producer_id: ProducerId) -> Self {
        Self {
            producer_id,
            epoch: ProducerEpoch::NONE,
            coordinator_epoch: -1,
            last_timestamp: Timestamp::NONE,
            transaction_start: None,
            batches: Vec::new(),
        }
    }

    /// The remembered batches of this epoch, oldest first.
    pub fn batches(&self) -> &[BatchEntry] {
        &self.batches
    }

    /// Sequence of the last record; [`Sequence::NONE`] when no batch of this epoch is known.
    pub fn last_sequence(&self) -> Sequence {
        self.batches.last().map_or(Sequence::NONE, |batch| batch.last_sequence)
    }

    /// Remembers a batch; the oldest one goes when there are more than [`WINDOW_SIZE`].
    pub(crate) fn push(&mut self, batch: BatchEntry) {
        if self.batches.len() == WINDOW_SIZE {
            self.batches.remove(0);
        } else if self.batches.capacity() == 0 {
            self.batches.reserve_exact(WINDOW_SIZE);
        }
        self.batches.push(batch);
    }

    fn enter_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.batches.clear();
            self.epoch = epoch;
        }
    }

    fn find_duplicate(&self, header: &BatchHeader) -> Option<&BatchEntry> {
        let range = (header.base_sequence, header.last_sequence());
        let same = |batch: &&BatchEntry| (batch.first_sequence(), batch.last_sequence) == range;
        if header.producer_epoch == self.epoch { self.batches.iter().find(same) } else { None }
    }

    fn is_expired(&self, now: Timestamp, expiration_ms: u64) -> bool {
        let idle_ms = now.0.saturating_sub(self.last_timestamp.0);
        self.transaction_start.is_none() && u64::try_from(idle_ms).is_ok_and(|idle| idle >= expiration_ms)
    }
}

/// What is to be done with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Append it, then call [`ProducerState::apply`].
    New,
    /// It is there already: answer with these, append nothing.
    Duplicate {
        /// Offset of the original's first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// Its max timestamp.
        timestamp: Timestamp,
    },
    /// Refuse it.
    Refuse(Refusal),
}

/// The producers of one partition and their open transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerState {
    producers: BTreeMap<ProducerId, ProducerEntry>,
    transactions: OpenTransactions,
}

impl ProducerState {
    /// The state that a snapshot describes. `windows` are the same producers with all their batches, from the file
    /// beside it; one that does not agree with its entry in the last batch and epoch is ignored.
    pub fn restore(entries: Vec<ProducerEntry>, windows: Vec<ProducerEntry>) -> Self {
        let mut state = Self::default();
        for entry in entries {
            if let Some(start) = entry.transaction_start {
                state.transactions.begin(start, entry.producer_id);
            }
            state.producers.insert(entry.producer_id, entry);
        }
        for window in windows {
            if let Some(entry) = state.producers.get_mut(&window.producer_id)
                && entry.epoch == window.epoch
                && entry.batches.last() == window.batches.last()
            {
                entry.batches = window.batches;
            }
        }
        state
    }

    /// Says what is to be done with a batch that would get `base_offset`. Changes nothing. Only clients are held to
    /// sequences; an import is not checked at all.
    pub fn check(
        &self,
        batch: &AdmittedBatch,
        base_offset: Offset,
        origin: Origin,
        transactions: TransactionVersion,
    ) -> Check {
        let header = &batch.header;
        if !header.has_producer_id() || origin == Origin::Import {
            return Check::New;
        }
        let empty = ProducerEntry::empty(header.producer_id);
        let entry = self.producers.get(&header.producer_id).unwrap_or(&empty);
        let rules = Rules { entry, header, base_offset, transactions };
        let result = match batch.marker {
            Some(marker) => rules.check_marker(marker),
            None if header.attributes.is_control() => Ok(()),
            None => {
                if origin == Origin::Client
                    && let Some(original) = entry.find_duplicate(header)
                {
                    return Check::Duplicate {
                        base_offset: original.first_offset(),
                        last_offset: original.last_offset,
                        timestamp: original.timestamp,
                    };
                }
                rules.check_data(origin)
            }
        };
        result.map_or_else(Check::Refuse, |()| Check::New)
    }

    /// Takes in a batch that was appended at `base_offset`: after [`ProducerState::check`], or unchecked from a log that is
    /// read again. Returns the transaction that it ended.
    pub fn apply(&mut self, batch: &AdmittedBatch, base_offset: Offset) -> Option<CompletedTransaction> {
        let header = &batch.header;
        if !header.has_producer_id() || (header.attributes.is_control() && batch.marker.is_none()) {
            return None;
        }
        let entry = self
            .producers
            .entry(header.producer_id)
            .or_insert_with(|| ProducerEntry::empty(header.producer_id));
        entry.enter_epoch(header.producer_epoch);
        entry.last_timestamp = header.max_timestamp;
        if let Some(marker) = batch.marker {
            entry.coordinator_epoch = marker.coordinator_epoch;
            let start = entry.transaction_start.take()?;
            let id = header.producer_id;
            return Some(self.transactions.complete(id, start, base_offset, !marker.committed));
        }
        entry.push(BatchEntry {
            last_sequence: header.last_sequence(),
            last_offset: Offset(base_offset.0.saturating_add(i64::from(header.last_offset_delta))),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        if header.attributes.is_transactional() && entry.transaction_start.is_none() {
            entry.transaction_start = Some(base_offset);
            self.transactions.begin(base_offset, header.producer_id);
        }
        None
    }

    /// End of what readers of committed records may see: the start of the first transaction that is open, or decided
    /// by a marker not yet below the high watermark; at least `log_start`, at most `high_watermark`.
    pub fn last_stable_offset(&self, log_start: Offset, high_watermark: Offset) -> Offset {
        let unstable = self.transactions.first_unstable();
        unstable.map_or(high_watermark, |offset| offset.max(log_start).min(high_watermark))
    }

    /// The high watermark rose: transactions decided below it no longer hold readers back.
    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.transactions.settle_below(high_watermark);
    }

    /// The log begins later: transactions decided below it no longer hold readers back. Producers stay known until they
    /// expire.
    pub fn on_log_start(&mut self, log_start: Offset) {
        self.transactions.settle_below(log_start);
    }

    /// Forgets producers that appended nothing for `expiration_ms` (`producer.id.expiration.ms`) and have no open
    /// transaction. The time of a batch is what its producer wrote into it, as in Kafka.
    pub fn expire(&mut self, now: Timestamp, expiration_ms: u64) {
        self.producers.retain(|_, entry| !entry.is_expired(now, expiration_ms));
    }

    /// What is known of a producer.
    pub fn get(&self, producer_id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&producer_id)
    }

    /// All producers, by id.
    pub fn iter(&self) -> impl Iterator<Item = &ProducerEntry> {
        self.producers.values()
    }

    /// How many producers are known.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is known.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// The largest id known; [`ProducerId::NONE`] when there is none.
    pub fn max_producer_id(&self) -> ProducerId {
        self.producers.last_key_value().map_or(ProducerId::NONE, |(id, _)| *id)
    }
}

/// The rules for one batch of one producer.
struct Rules<'a> {
    entry: &'a ProducerEntry,
    header: &'a BatchHeader,
    base_offset: Offset,
    transactions: TransactionVersion,
}

impl Rules<'_> {
    fn check_data(&self, origin: Origin) -> Result<(), Refusal> {
        self.check_epoch(self.header.producer_epoch < self.entry.epoch, "<")?;
        if origin == Origin::Client {
            self.check_sequence()?;
        }
        if self.entry.transaction_start.is_some() && !self.header.attributes.is_transactional() {
            let message = format!("Expected transactional write from {}", self.place());
            return Err(Refusal::InvalidTransactionState(message));
        }
        Ok(())
    }

    fn check_marker(&self, marker: EndTxnMarker) -> Result<(), Refusal> {
        let (epoch, current) = (self.header.producer_epoch, self.entry.epoch);
        match self.transactions {
            TransactionVersion::Classic => self.check_epoch(epoch < current, "<")?,
            // A repeated marker of a transaction that is over is written again.
            TransactionVersion::V2 if epoch == current && self.entry.transaction_start.is_none() => {}
            TransactionVersion::V2 => self.check_epoch(epoch <= current, "<=")?,
        }
        if self.entry.coordinator_epoch > marker.coordinator_epoch {
            return Err(Refusal::CoordinatorFenced(format!(
                "Invalid coordinator epoch for {}: {} (zombie), {} (current)",
                self.place(),
                marker.coordinator_epoch,
                self.entry.coordinator_epoch
            )));
        }
        Ok(())
    }

    fn check_epoch(&self, stale: bool, comparison: &str) -> Result<(), Refusal> {
        if !stale {
            return Ok(());
        }
        Err(Refusal::InvalidProducerEpoch(format!(
            "Epoch of {} is {}, which is {comparison} the last seen epoch {}",
            self.place(),
            self.header.producer_epoch,
            self.entry.epoch
        )))
    }

    fn check_sequence(&self) -> Result<(), Refusal> {
        let first = self.header.base_sequence;
        let known = self.entry.epoch != ProducerEpoch::NONE;
        let (accepted, expected) = if !known {
            let must_begin =
                self.transactions >= TransactionVersion::V2 && self.header.attributes.is_transactional();
            (!must_begin || first == Sequence::ZERO, Sequence::ZERO)
        } else if self.header.producer_epoch != self.entry.epoch {
            (first == Sequence::ZERO, Sequence::ZERO)
        } else {
            let expected = self.entry.last_sequence().next();
            (first == expected, expected)
        };
        if accepted {
            return Ok(());
        }
        Err(Refusal::OutOfOrderSequence(format!(
            "Out of order sequence number for {}: {first} (incoming seq. number), {expected} (expected)",
            self.place()
        )))
    }

    fn place(&self) -> String {
        format!("producer {} at offset {}", self.header.producer_id, self.base_offset)
    }
}
