//! What one partition must hold: the batches that it accepted, how much of them was promised to survive what, and what
//! follows from them for producers and transactions.

use bytes::Bytes;
use highwater_partition_log::SyncPolicy;

use crate::{Verdict, require};

/// Batches of each producer that a partition remembers.
const WINDOW: usize = 5;

/// Producer fields of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) transactional: bool,
}

/// A batch that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) base: i64,
    pub(crate) last: i64,
    /// Everything that the broker never changes.
    pub(crate) payload: Bytes,
    /// As it was sent, to be sent again.
    pub(crate) sent: Bytes,
    pub(crate) leader_epoch: i32,
    pub(crate) stamp: Option<Stamp>,
    /// The end of a transaction: whether it was committed.
    pub(crate) marker: Option<bool>,
}

/// What the rules say of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prediction {
    New,
    Duplicate { base: i64, last: i64 },
    Refused,
}

/// A producer as the batches tell of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    /// First sequence, last sequence and index in the branch of the last batches of this epoch.
    pub(crate) window: Vec<(i32, i32, usize)>,
}

/// One partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// All batches, from offset 0 on, without gaps; those below the log's start too.
    pub(crate) branch: Vec<Batch>,
    /// Batches that were accepted, sent by a producer with sequences, and lost.
    pub(crate) lost: Vec<Batch>,
    /// Everything below survives the death of the process.
    pub(crate) kill_floor: i64,
    /// Everything below survives a power loss.
    pub(crate) power_floor: i64,
    /// The high watermark last seen since the log was opened.
    pub(crate) high_watermark: i64,
    /// The log start last seen since the log was opened.
    pub(crate) log_start: i64,
    /// The highest high watermark that anybody saw, in this leader epoch.
    pub(crate) visible: i64,
    /// The leader epoch last seen.
    pub(crate) leader_epoch: i32,
    /// The log starts here or later: somebody was told so.
    pub(crate) start_floor: i64,
    /// The log starts here or earlier, unless retention is at work.
    pub(crate) start_ceiling: i64,
    /// Retention was at work at some time.
    pub(crate) lets_go: bool,
    /// The sync policy in force.
    pub(crate) policy: Option<SyncPolicy>,
    /// What was visible before it was durable may be gone after a change to a policy under which nothing is. No epoch
    /// tells of that: the stack knows the policy in force alone.
    pub(crate) unsettled: bool,
    /// The log was lost, all of it, and began anew where it was told to begin: what it knows of producers depends on
    /// snapshots that may or may not have been made. No more of that is compared.
    pub(crate) forgotten: bool,
    /// It was seen open since the last start.
    pub(crate) open: bool,
}

impl Model {
    pub(crate) fn end(&self) -> i64 {
        self.branch.last().map_or(0, |batch| batch.last + 1)
    }

    /// Index of the batch that holds an offset.
    pub(crate) fn index_of(&self, offset: i64) -> usize {
        self.branch.partition_point(|batch| batch.last < offset)
    }

    /// An answer or a high watermark told that everything below `end` is there.
    pub(crate) fn promise(&mut self, end: i64, survives_power_loss: bool) {
        self.kill_floor = self.kill_floor.max(end);
        if survives_power_loss {
            self.power_floor = self.power_floor.max(end);
        }
    }

    /// Another policy is in force.
    pub(crate) fn set_policy(&mut self, policy: SyncPolicy) {
        let waited = self.policy.is_none() || self.waits_for_sync();
        self.unsettled |= !waited && policy.waits_for_sync() && self.visible > self.power_floor;
        self.policy = Some(policy);
    }

    /// Whether readers see only what is durable.
    pub(crate) fn waits_for_sync(&self) -> bool {
        self.policy.is_some_and(SyncPolicy::waits_for_sync)
    }

    /// The power failed. A log start above what is left falls with the end.
    pub(crate) fn power_lost(&mut self) {
        self.kill_floor = self.power_floor;
        self.start_floor = self.start_floor.min(self.power_floor);
    }

    /// The log ends here now: what lay behind is lost, if it may be. An empty log begins and ends where it was told to
    /// begin, wherever that is.
    pub(crate) fn ends_at(&mut self, start: i64, end: i64) -> Verdict {
        require!(end >= self.kill_floor, "the log ends at {end}; {} was promised", self.kill_floor);
        require!(end <= self.end(), "the log ends at {end}; only {} were sent", self.end());
        let keep = self.index_of(end);
        let cut = self.branch.get(keep).filter(|batch| batch.base < end).cloned();
        require!(cut.is_none() || start == end, "the log ends at {end}, within a batch");
        for batch in self.branch.drain(keep..) {
            if batch.stamp.is_some() && batch.marker.is_none() && self.lost.len() < 50 {
                self.lost.push(batch);
            }
        }
        self.forgotten |= start == end && end > self.kill_floor;
        // Nobody will see it: it stands for offsets below the log's start.
        self.branch.extend(cut.map(|batch| Batch { last: end - 1, stamp: None, ..batch }));
        Ok(())
    }

    /// What is known of a producer; `None`: nothing.
    pub(crate) fn producer(&self, id: i64) -> Option<Producer> {
        let mut known: Option<Producer> = None;
        for (index, batch) in self.branch.iter().enumerate() {
            let Some(stamp) = batch.stamp.filter(|stamp| stamp.id == id) else { continue };
            let producer = known.get_or_insert_with(|| Producer { epoch: stamp.epoch, window: Vec::new() });
            if producer.epoch != stamp.epoch {
                *producer = Producer { epoch: stamp.epoch, window: Vec::new() };
            }
            if batch.marker.is_none() {
                let count = (batch.last - batch.base) as i32;
                producer.window.push((stamp.sequence, stamp.sequence + count, index));
                if producer.window.len() > WINDOW {
                    producer.window.remove(0);
                }
            }
        }
        known
    }

    /// What must become of a client's batch of `count` records.
    pub(crate) fn predict(&self, stamp: Stamp, count: i32) -> Prediction {
        let Some(producer) = self.producer(stamp.id) else { return Prediction::New };
        let wanted = (stamp.sequence, stamp.sequence + count - 1);
        if stamp.epoch == producer.epoch
            && let Some((.., index)) =
                producer.window.iter().find(|(first, last, _)| (*first, *last) == wanted)
        {
            let original = &self.branch[*index];
            return Prediction::Duplicate { base: original.base, last: original.last };
        }
        let follows = match stamp.epoch.cmp(&producer.epoch) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => stamp.sequence == 0,
            std::cmp::Ordering::Equal => {
                stamp.sequence == producer.window.last().map_or(-1, |(_, last, _)| *last) + 1
            }
        };
        if follows { Prediction::New } else { Prediction::Refused }
    }

    /// The producers with a transaction that is open at the log's end, and their epochs.
    pub(crate) fn open_transactions(&self) -> Vec<(i64, i16)> {
        let mut open: Vec<(i64, i16)> = Vec::new();
        for batch in &self.branch {
            let Some(stamp) = batch.stamp.filter(|stamp| stamp.transactional) else { continue };
            open.retain(|(id, _)| *id != stamp.id);
            if batch.marker.is_none() {
                open.push((stamp.id, stamp.epoch));
            }
        }
        open
    }

    /// Where readers of committed records stop.
    pub(crate) fn last_stable_offset(&self, log_start: i64, high_watermark: i64) -> i64 {
        let mut open: Vec<(i64, i64)> = Vec::new();
        for batch in self.branch.iter().take_while(|batch| batch.base < high_watermark) {
            let Some(stamp) = batch.stamp.filter(|stamp| stamp.transactional) else { continue };
            if batch.marker.is_some() {
                open.retain(|(id, _)| *id != stamp.id);
            } else if open.iter().all(|(id, _)| *id != stamp.id) {
                open.push((stamp.id, batch.base));
            }
        }
        let first = open.iter().map(|(_, base)| *base).min();
        first.map_or(high_watermark, |first| first.max(log_start).min(high_watermark))
    }

    /// Whether a reader of committed records gets this batch.
    pub(crate) fn is_committed(&self, index: usize) -> bool {
        let batch = &self.branch[index];
        if batch.marker.is_some() {
            return false;
        }
        let Some(stamp) = batch.stamp.filter(|stamp| stamp.transactional) else { return true };
        let end = self.branch[index..]
            .iter()
            .find(|later| later.marker.is_some() && later.stamp.is_some_and(|other| other.id == stamp.id));
        end.and_then(|marker| marker.marker).unwrap_or(false)
    }
}
