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
    /// beside it; one that does not agree with its entry in epoch and last batch is ignored.
    pub fn restore(entries: Vec<ProducerEntry>, windows: Vec<ProducerEntry>) -> Self {
        let mut state = Self::default();
        // Of a producer that is there twice the last entry counts, as in Kafka.
        state.producers.extend(entries.into_iter().map(|entry| (entry.producer_id, entry)));
        for entry in state.producers.values() {
            if let Some(start) = entry.transaction_start {
                state.transactions.begin(start, entry.producer_id);
            }
        }
        for window in windows {
            if let Some(entry) = state.producers.get_mut(&window.producer_id)
                && entry.epoch == window.epoch
                && last_range(entry) == last_range(&window)
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

/// Which records the last batch holds. A snapshot does not know its timestamp once a marker followed.
fn last_range(entry: &ProducerEntry) -> Option<(Sequence, Offset, u32)> {
    entry.batches.last().map(|batch| (batch.last_sequence, batch.last_offset, batch.offset_delta))
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

#[cfg(test)]
mod tests {
    use highwater_types::LeaderEpoch;
    use highwater_wire::record::Attributes;

    use super::*;

    const PRODUCER: ProducerId = ProducerId(7);

    fn batch(epoch: i16, first_sequence: i32, count: u32) -> AdmittedBatch {
        let header = BatchHeader {
            base_offset: Offset::ZERO,
            batch_length: 49,
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: count - 1,
            base_timestamp: Timestamp(1000),
            max_timestamp: Timestamp(1000),
            producer_id: PRODUCER,
            producer_epoch: ProducerEpoch(epoch),
            base_sequence: Sequence(first_sequence),
            record_count: count,
        };
        AdmittedBatch { header, marker: None, log_append_time: Timestamp::NONE }
    }

    fn transactional(mut batch: AdmittedBatch) -> AdmittedBatch {
        batch.header.attributes = batch.header.attributes.with_transactional(true);
        batch
    }

    fn marker(epoch: i16, committed: bool, coordinator_epoch: i32) -> AdmittedBatch {
        let mut batch = transactional(batch(epoch, -1, 1));
        batch.header.attributes = batch.header.attributes.with_control(true);
        batch.marker = Some(EndTxnMarker { committed, coordinator_epoch });
        batch
    }

    /// A log of which only the end and the producers are kept.
    #[derive(Default)]
    struct Log {
        state: ProducerState,
        end: i64,
    }

    impl Log {
        fn check(&self, batch: &AdmittedBatch) -> Check {
            self.state.check(batch, Offset(self.end), Origin::Client, TransactionVersion::Classic)
        }

        fn check_as(&self, batch: &AdmittedBatch, transactions: TransactionVersion) -> Check {
            self.state.check(batch, Offset(self.end), Origin::Coordinator, transactions)
        }

        fn append(&mut self, batch: &AdmittedBatch) -> Option<CompletedTransaction> {
            let completed = self.state.apply(batch, Offset(self.end));
            self.end += i64::from(batch.header.last_offset_delta) + 1;
            completed
        }

        fn with(batches: &[AdmittedBatch]) -> Self {
            let mut log = Self::default();
            for batch in batches {
                assert_eq!(log.check(batch), Check::New);
                log.append(batch);
            }
            log
        }
    }

    fn is_out_of_order(check: &Check) -> bool {
        matches!(check, Check::Refuse(Refusal::OutOfOrderSequence(_)))
    }

    #[test]
    fn each_of_the_last_five_batches_is_a_duplicate_at_its_first_place() {
        let sent: Vec<_> = (0..6).map(|index| batch(0, index * 10, 10)).collect();
        let log = Log::with(&sent);
        for (index, again) in sent.iter().enumerate().skip(1) {
            let base = i64::try_from(index).unwrap() * 10;
            let expected = Check::Duplicate {
                base_offset: Offset(base),
                last_offset: Offset(base + 9),
                timestamp: Timestamp(1000),
            };
            assert_eq!(log.check(again), expected, "batch {index}");
        }
        assert!(is_out_of_order(&log.check(&sent[0])), "the sixth from the end is forgotten");
    }

    #[test]
    fn a_repeat_with_another_length_is_no_duplicate() {
        let log = Log::with(&[batch(0, 0, 10), batch(0, 10, 10)]);
        assert!(is_out_of_order(&log.check(&batch(0, 10, 9))));
        assert!(is_out_of_order(&log.check(&batch(0, 0, 20))));
        assert!(is_out_of_order(&log.check(&batch(0, 11, 9))));
    }

    #[test]
    fn a_gap_is_out_of_order_and_names_what_was_expected() {
        let log = Log::with(&[batch(0, 0, 10)]);
        let Check::Refuse(Refusal::OutOfOrderSequence(message)) = log.check(&batch(0, 11, 1)) else {
            panic!("accepted")
        };
        assert_eq!(
            message,
            "Out of order sequence number for producer 7 at offset 10: 11 (incoming seq. number), 10 (expected)"
        );
        assert_eq!(log.check(&batch(0, 10, 1)), Check::New);
    }

    #[test]
    fn an_unknown_producer_may_begin_anywhere_except_in_a_version_two_transaction() {
        let state = ProducerState::default();
        let check = |batch, version| state.check(&batch, Offset::ZERO, Origin::Client, version);
        assert_eq!(check(batch(3, 500, 1), TransactionVersion::Classic), Check::New);
        assert_eq!(check(batch(3, 500, 1), TransactionVersion::V2), Check::New);
        assert!(is_out_of_order(&check(transactional(batch(3, 500, 1)), TransactionVersion::V2)));
        assert_eq!(check(transactional(batch(3, 0, 1)), TransactionVersion::V2), Check::New);
    }

    #[test]
    fn sequences_go_on_at_zero_after_the_largest() {
        let mut log = Log::with(&[batch(0, i32::MAX - 1, 2)]);
        assert_eq!(log.check(&batch(0, 0, 1)), Check::New);
        log.append(&batch(0, 0, 1));
        assert!(matches!(log.check(&batch(0, i32::MAX - 1, 2)), Check::Duplicate { .. }));

        let log = Log::with(&[batch(0, i32::MAX - 1, 5)]);
        assert_eq!(log.check(&batch(0, 3, 1)), Check::New, "the batch itself wrapped");
        let Check::Duplicate { base_offset, .. } = log.check(&batch(0, i32::MAX - 1, 5)) else {
            panic!("no duplicate")
        };
        assert_eq!(base_offset, Offset::ZERO);
    }

    #[test]
    fn a_lower_epoch_is_invalid_and_a_higher_one_begins_at_zero() {
        let mut log = Log::with(&[batch(5, 0, 10)]);
        assert!(matches!(log.check(&batch(4, 10, 1)), Check::Refuse(Refusal::InvalidProducerEpoch(_))));
        assert!(is_out_of_order(&log.check(&batch(6, 10, 1))));
        assert_eq!(log.check(&batch(6, 0, 10)), Check::New);
        log.append(&batch(6, 0, 10));
        assert!(matches!(log.check(&batch(5, 0, 10)), Check::Refuse(Refusal::InvalidProducerEpoch(_))));
        let again = log.check(&batch(6, 0, 10));
        assert!(matches!(again, Check::Duplicate { base_offset: Offset(10), .. }), "{again:?}");
    }

    #[test]
    fn batches_without_a_producer_id_are_neither_checked_nor_remembered() {
        let mut plain = batch(-1, -1, 3);
        plain.header.producer_id = ProducerId::NONE;
        let mut log = Log::with(&[plain, plain]);
        log.append(&plain);
        assert!(log.state.is_empty());
        assert_eq!(log.state.max_producer_id(), ProducerId::NONE);
    }

    #[test]
    fn an_import_is_not_checked_and_still_remembered() {
        let log = Log::with(&[batch(5, 0, 10)]);
        let old = batch(4, 77, 1);
        let check = log.state.check(&old, Offset(10), Origin::Import, TransactionVersion::Classic);
        assert_eq!(check, Check::New);
        let mut log = log;
        log.append(&old);
        let entry = log.state.get(PRODUCER).unwrap();
        assert_eq!((entry.epoch, entry.batches().len()), (ProducerEpoch(4), 1));
        assert_eq!(entry.last_sequence(), Sequence(77));
    }

    #[test]
    fn idle_producers_expire_unless_their_transaction_is_open() {
        let mut log = Log::with(&[batch(0, 0, 1)]);
        log.state.expire(Timestamp(1999), 1000);
        assert_eq!(log.state.len(), 1);
        log.state.expire(Timestamp(2000), 1000);
        assert!(log.state.is_empty());
        let mut log = Log::with(&[transactional(batch(0, 0, 1))]);
        log.state.expire(Timestamp(1_000_000), 1000);
        assert_eq!(log.state.len(), 1);
        log.append(&marker(0, true, 0));
        log.state.expire(Timestamp(1_000_000), 1000);
        assert!(log.state.is_empty());
        let mut log = Log::with(&[batch(0, 0, 1)]);
        log.state.expire(Timestamp(i64::MIN), 0);
        assert_eq!(log.state.len(), 1, "the clock went back");
    }

    #[test]
    fn the_first_transactional_batch_opens_and_a_marker_ends_a_transaction() {
        let mut log = Log::with(&[batch(0, 0, 3)]);
        log.append(&transactional(batch(0, 3, 2)));
        log.append(&transactional(batch(0, 5, 2)));
        assert_eq!(log.state.get(PRODUCER).unwrap().transaction_start, Some(Offset(3)));
        assert_eq!(log.state.last_stable_offset(Offset::ZERO, Offset(7)), Offset(3));
        assert_eq!(
            log.state.last_stable_offset(Offset(4), Offset(7)),
            Offset(4),
            "not below the log's start"
        );
        assert_eq!(log.state.last_stable_offset(Offset::ZERO, Offset(2)), Offset(2));
        let completed = log.append(&marker(0, false, 1)).unwrap();
        let expected = CompletedTransaction {
            producer_id: PRODUCER,
            first_offset: Offset(3),
            last_offset: Offset(7),
            aborted: true,
            last_stable_offset: Offset(8),
        };
        assert_eq!(completed, expected);
        assert_eq!(
            log.state.last_stable_offset(Offset::ZERO, Offset(7)),
            Offset(3),
            "marker not yet visible"
        );
        log.state.on_high_watermark(Offset(8));
        assert_eq!(log.state.last_stable_offset(Offset::ZERO, Offset(8)), Offset(8));
        assert_eq!(log.append(&marker(0, true, 1)), None, "nothing to end");
    }

    #[test]
    fn a_plain_batch_inside_a_transaction_is_an_invalid_state() {
        let log = Log::with(&[transactional(batch(0, 0, 1))]);
        let check = log.check(&batch(0, 1, 1));
        assert!(matches!(check, Check::Refuse(Refusal::InvalidTransactionState(_))), "{check:?}");
        assert_eq!(log.check(&transactional(batch(0, 1, 1))), Check::New);
    }

    #[test]
    fn a_marker_of_an_older_coordinator_is_fenced() {
        let mut log = Log::with(&[transactional(batch(0, 0, 1))]);
        log.append(&marker(0, true, 5));
        let check = log.check_as(&marker(0, true, 4), TransactionVersion::Classic);
        assert!(matches!(check, Check::Refuse(Refusal::CoordinatorFenced(_))), "{check:?}");
        assert_eq!(log.check_as(&marker(0, true, 5), TransactionVersion::Classic), Check::New);
    }

    #[test]
    fn classic_markers_carry_the_epoch_and_version_two_markers_a_higher_one() {
        use TransactionVersion::{Classic, V2};
        let mut log = Log::with(&[transactional(batch(3, 0, 1))]);
        let stale = |check: &Check| matches!(check, Check::Refuse(Refusal::InvalidProducerEpoch(_)));
        assert!(stale(&log.check_as(&marker(2, true, 0), Classic)));
        assert_eq!(log.check_as(&marker(3, true, 0), Classic), Check::New);
        assert_eq!(log.check_as(&marker(4, true, 0), Classic), Check::New);
        assert!(stale(&log.check_as(&marker(3, true, 0), V2)));
        assert_eq!(log.check_as(&marker(4, true, 0), V2), Check::New);
        log.append(&marker(4, true, 0));
        assert_eq!(log.check_as(&marker(4, true, 0), V2), Check::New, "a retried marker");
        assert!(stale(&log.check_as(&marker(3, true, 0), V2)));
        assert_eq!(log.check(&transactional(batch(4, 0, 1))), Check::New);
        assert!(is_out_of_order(&log.check(&transactional(batch(4, 1, 1)))));
    }

    #[test]
    fn of_a_producer_that_a_snapshot_names_twice_the_last_entry_counts() {
        let entry = |start| ProducerEntry {
            transaction_start: Some(Offset(start)),
            ..ProducerEntry::empty(PRODUCER)
        };
        let twice = ProducerState::restore(vec![entry(3), entry(7)], Vec::new());
        assert_eq!(twice, ProducerState::restore(vec![entry(7)], Vec::new()));
    }

    #[test]
    fn a_control_batch_without_a_marker_changes_nothing() {
        let mut log = Log::with(&[transactional(batch(0, 0, 1))]);
        let before = log.state.clone();
        let mut other = marker(9, true, 0);
        other.marker = None;
        assert_eq!(log.append(&other), None);
        assert_eq!(log.state, before);
    }
}
