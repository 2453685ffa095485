//! Producer state against a naive oracle that keeps the whole log and looks everything up in it.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use highwater_partition_log::{
    AbortedTxn, AdmittedBatch, Check, Origin, ProducerState, Refusal, TransactionVersion, collect_aborted,
    decode_snapshot, decode_windows, encode_snapshot, encode_windows,
};
use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{Attributes, BatchHeader, EndTxnMarker};

const EXPIRATION_MS: i64 = 500;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn number(&mut self, bound: i64) -> i64 {
        i64::try_from(self.below(bound.unsigned_abs())).unwrap()
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

#[derive(Debug, Clone, Copy)]
struct Item {
    producer: i64,
    epoch: i16,
    base: i64,
    timestamp: i64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Data { first: i32, count: i64, transactional: bool },
    Marker { committed: bool, coordinator: i32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    New,
    Duplicate(i64),
    OutOfOrder,
    OldEpoch,
    InvalidState,
    Fenced,
}

fn last_sequence(first: i32, count: i64) -> i32 {
    i32::try_from((i64::from(first) + count - 1) % (1 << 31)).unwrap()
}

/// Everything ever appended that was not forgotten, and the slow way to know things.
#[derive(Default)]
struct Oracle {
    log: Vec<Item>,
    /// (producer, first offset, marker's offset, aborted)
    completed: Vec<(i64, i64, i64, bool)>,
    end: i64,
}

impl Oracle {
    fn of(&self, producer: i64) -> Vec<Item> {
        self.log.iter().filter(|item| item.producer == producer).copied().collect()
    }

    fn open_transaction(&self, producer: i64) -> Option<i64> {
        let items = self.of(producer);
        let after =
            items.iter().rposition(|item| matches!(item.kind, Kind::Marker { .. })).map_or(0, |at| at + 1);
        let open =
            items[after..].iter().find(|item| matches!(item.kind, Kind::Data { transactional: true, .. }));
        open.map(|item| item.base)
    }

    fn data_of_epoch(&self, producer: i64) -> Vec<(i32, i64, i64)> {
        let items = self.of(producer);
        let Some(epoch) = items.last().map(|item| item.epoch) else { return Vec::new() };
        let from = items.iter().rposition(|item| item.epoch != epoch).map_or(0, |at| at + 1);
        let data = items[from..].iter().filter_map(|item| match item.kind {
            Kind::Data { first, count, .. } => Some((first, count, item.base)),
            Kind::Marker { .. } => None,
        });
        data.collect()
    }

    fn answer(&self, item: &Item, version: TransactionVersion) -> Answer {
        let known = self.of(item.producer);
        let Some(current) = known.last().map(|last| last.epoch) else {
            return match item.kind {
                Kind::Data { first, transactional: true, .. }
                    if version == TransactionVersion::V2 && first != 0 =>
                {
                    Answer::OutOfOrder
                }
                _ => Answer::New,
            };
        };
        let open = self.open_transaction(item.producer);
        match item.kind {
            Kind::Data { first, count, transactional } => {
                let data = self.data_of_epoch(item.producer);
                let recent = data.iter().rev().take(5);
                if item.epoch == current
                    && let Some(original) = recent.rev().find(|known| (known.0, known.1) == (first, count))
                {
                    return Answer::Duplicate(original.2);
                }
                let expected = match data.last() {
                    Some(last) if item.epoch == current => {
                        last_sequence(last.0, last.1).checked_add(1).unwrap_or(0)
                    }
                    _ => 0,
                };
                if item.epoch < current {
                    Answer::OldEpoch
                } else if first != expected {
                    Answer::OutOfOrder
                } else if open.is_some() && !transactional {
                    Answer::InvalidState
                } else {
                    Answer::New
                }
            }
            Kind::Marker { coordinator, .. } => {
                let last = known.iter().rev().find_map(|item| match item.kind {
                    Kind::Marker { coordinator, .. } => Some(coordinator),
                    Kind::Data { .. } => None,
                });
                let too_old = match version {
                    TransactionVersion::Classic => item.epoch < current,
                    TransactionVersion::V2 => item.epoch < current || item.epoch == current && open.is_some(),
                };
                if too_old {
                    Answer::OldEpoch
                } else if last.is_some_and(|last| last > coordinator) {
                    Answer::Fenced
                } else {
                    Answer::New
                }
            }
        }
    }

    fn append(&mut self, item: Item) {
        if let Kind::Marker { committed, .. } = item.kind
            && let Some(first) = self.open_transaction(item.producer)
        {
            self.completed.push((item.producer, first, item.base, !committed));
        }
        self.log.push(item);
        self.end = item.base
            + match item.kind {
                Kind::Data { count, .. } => count,
                Kind::Marker { .. } => 1,
            };
    }

    fn producers(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.log.iter().map(|item| item.producer).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn last_stable(&self, high_watermark: i64) -> i64 {
        let open = self.producers().into_iter().filter_map(|producer| self.open_transaction(producer));
        let unsettled = self.completed.iter().filter(|done| done.2 >= high_watermark).map(|done| done.1);
        open.chain(unsettled).chain([high_watermark]).min().unwrap()
    }

    fn expire(&mut self, now: i64) {
        for producer in self.producers() {
            let last = self.of(producer).last().unwrap().timestamp;
            if self.open_transaction(producer).is_none() && now - last >= EXPIRATION_MS {
                self.log.retain(|item| item.producer != producer);
            }
        }
    }
}

fn batch_of(item: &Item) -> AdmittedBatch {
    let (sequence, count, transactional, marker) = match item.kind {
        Kind::Data { first, count, transactional } => (first, count, transactional, None),
        Kind::Marker { committed, coordinator } => {
            (-1, 1, true, Some(EndTxnMarker { committed, coordinator_epoch: coordinator }))
        }
    };
    let header = BatchHeader {
        base_offset: Offset::ZERO,
        batch_length: 49,
        leader_epoch: LeaderEpoch::NONE,
        crc: 0,
        attributes: Attributes::default().with_transactional(transactional).with_control(marker.is_some()),
        last_offset_delta: u32::try_from(count - 1).unwrap(),
        base_timestamp: Timestamp(item.timestamp),
        max_timestamp: Timestamp(item.timestamp),
        producer_id: ProducerId(item.producer),
        producer_epoch: ProducerEpoch(item.epoch),
        base_sequence: Sequence(sequence),
        record_count: u32::try_from(count).unwrap(),
    };
    AdmittedBatch { header, marker, log_append_time: Timestamp::NONE }
}

fn answer_of(check: &Check) -> Answer {
    match check {
        Check::New => Answer::New,
        Check::Duplicate { base_offset, .. } => Answer::Duplicate(base_offset.0),
        Check::Refuse(Refusal::OutOfOrderSequence(_)) => Answer::OutOfOrder,
        Check::Refuse(Refusal::InvalidProducerEpoch(_)) => Answer::OldEpoch,
        Check::Refuse(Refusal::InvalidTransactionState(_)) => Answer::InvalidState,
        Check::Refuse(Refusal::CoordinatorFenced(_)) => Answer::Fenced,
        Check::Refuse(other) => panic!("unexpected {other:?}"),
    }
}

/// A batch that mostly fits, sometimes repeats an older one and sometimes is wrong.
fn draw(random: &mut Random, oracle: &Oracle, now: i64) -> Item {
    let producer = random.number(3);
    let known = oracle.of(producer);
    let current = known.last().map_or(0, |last| last.epoch);
    let epoch = match random.below(12) {
        0 => (current - 1).max(0),
        1 => current + 1,
        _ => current,
    };
    let base = oracle.end;
    let item = |kind| Item { producer, epoch, base, timestamp: now, kind };
    if random.chance(6) {
        let committed = random.chance(2);
        return item(Kind::Marker { committed, coordinator: i32::try_from(random.number(3)).unwrap() });
    }
    let data = oracle.data_of_epoch(producer);
    if !data.is_empty() && random.chance(4) {
        let back = usize::try_from(random.below(7)).unwrap().min(data.len() - 1);
        let (first, count, _) = data[data.len() - 1 - back];
        return item(Kind::Data { first, count, transactional: random.chance(2) });
    }
    let next = match data.last() {
        Some(last) if epoch == current => last_sequence(last.0, last.1).checked_add(1).unwrap_or(0),
        // An unknown producer may begin shortly before the wrap.
        None if known.is_empty() && random.chance(2) => i32::MAX - i32::try_from(random.number(20)).unwrap(),
        _ => 0,
    };
    let first = if random.chance(10) { next.wrapping_add(1).max(0) } else { next };
    let transactional = oracle.open_transaction(producer).is_some() ^ random.chance(8);
    item(Kind::Data { first, count: 1 + random.number(5), transactional })
}

fn check_aborted(oracle: &Oracle, index: &[AbortedTxn], random: &mut Random, context: &str) {
    let from = random.number(oracle.end + 1);
    let to = from + random.number(oracle.end - from + 1);
    let mut found = Vec::new();
    collect_aborted(index, Offset(from), Offset(to), &mut found);
    let mut found: Vec<_> = found.iter().map(|one| (one.producer_id.0, one.first_offset.0)).collect();
    let aborted = oracle.completed.iter().filter(|done| done.3 && done.1 < to && done.2 >= from);
    let mut expected: Vec<_> = aborted.map(|done| (done.0, done.1)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{context}: aborted in {from}..{to}");
}

/// One random run; returns the answers that occurred.
fn run(seed: u64) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut random = Random(seed);
    let (mut oracle, mut state) = (Oracle::default(), ProducerState::default());
    let (mut high_watermark, mut now) = (0, 1000);
    let mut index = Vec::new();
    let version = if random.chance(2) { TransactionVersion::Classic } else { TransactionVersion::V2 };
    for step in 0..300 {
        let context = format!("seed {seed} step {step}");
        now += random.number(60);
        let item = draw(&mut random, &oracle, now);
        let batch = batch_of(&item);
        let origin = if batch.marker.is_some() { Origin::Coordinator } else { Origin::Client };
        let check = state.check(&batch, Offset(item.base), origin, version);
        let answer = answer_of(&check);
        assert_eq!(answer, oracle.answer(&item, version), "{context}: {item:?}");
        answers.push(answer);
        if check == Check::New {
            let completed = state.apply(&batch, Offset(item.base));
            index.extend(completed.filter(|completed| completed.aborted).map(AbortedTxn::from));
            oracle.append(item);
        }
        if random.chance(3) {
            high_watermark += random.number(oracle.end - high_watermark + 1);
            state.on_high_watermark(Offset(high_watermark));
        }
        let stable = state.last_stable_offset(Offset::ZERO, Offset(high_watermark));
        assert_eq!(stable.0, oracle.last_stable(high_watermark), "{context}: last stable offset");
        check_aborted(&oracle, &index, &mut random, &context);
        if random.chance(20) {
            state.expire(Timestamp(now), EXPIRATION_MS.unsigned_abs());
            oracle.expire(now);
        }
        if random.chance(20) {
            high_watermark = oracle.end;
            state.on_high_watermark(Offset(high_watermark));
            let snapshot = decode_snapshot(&encode_snapshot(&state)).unwrap();
            let windows = decode_windows(&encode_windows(&state)).unwrap();
            let restored = ProducerState::restore(snapshot, windows);
            assert_eq!(restored, state, "{context}: restored");
            state = restored;
        }
    }
    answers
}

#[test]
fn producer_state_answers_as_the_whole_log_would() {
    let answers: Vec<Answer> = (0..150).flat_map(run).collect();
    let often = |wanted: fn(&Answer) -> bool| answers.iter().filter(|answer| wanted(answer)).count() > 100;
    assert!(often(|answer| *answer == Answer::New));
    assert!(often(|answer| matches!(answer, Answer::Duplicate(_))));
    assert!(often(|answer| *answer == Answer::OutOfOrder));
    assert!(often(|answer| *answer == Answer::OldEpoch));
    assert!(often(|answer| *answer == Answer::InvalidState));
    assert!(often(|answer| *answer == Answer::Fenced));
}
