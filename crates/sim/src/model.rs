//! What one partition must hold: the batches that it accepted, how much of them was promised to survive what, and what
//! follows from them for producers and transactions.

use bytes::Bytes;
use highwater_partition_log::{Isolation, LogConfig, SyncPolicy, TimestampType};

use crate::{Verdict, configs, require};

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
    /// The end of a transaction: whether it was committed, and the coordinator's epoch.
    pub(crate) marker: Option<(bool, i32)>,
    /// The timestamps of its records, as they were sent.
    pub(crate) times: Vec<i64>,
    /// The time that the broker gave all of them, if it did.
    pub(crate) stamped: Option<i64>,
}

/// Places within the bytes that the broker keeps (see `PAYLOAD_START`): those that change when the broker stamps a batch.
const ATTRIBUTES: usize = 4;
const MAX_TIMESTAMP: std::ops::Range<usize> = 18..26;
const STAMPED_BY_BROKER: u16 = 8;

impl Batch {
    /// Whether these are the bytes that must be stored of it, the checksum aside, which the caller checks.
    pub(crate) fn is_stored_as(&self, bytes: &[u8]) -> bool {
        let Some(stamped) = self.stamped else { return self.payload[..] == *bytes };
        let mut expected = self.payload.to_vec();
        let attributes = u16::from_be_bytes([expected[ATTRIBUTES], expected[ATTRIBUTES + 1]]);
        let stamped_attributes = (attributes | STAMPED_BY_BROKER).to_be_bytes();
        expected[ATTRIBUTES..ATTRIBUTES + 2].copy_from_slice(&stamped_attributes);
        expected[MAX_TIMESTAMP].copy_from_slice(&stamped.to_be_bytes());
        bytes.len() == expected.len() && bytes[ATTRIBUTES..] == expected[ATTRIBUTES..]
    }

    /// Offsets and timestamps of its records, as readers have them.
    fn stamps(&self) -> impl Iterator<Item = (i64, i64)> {
        let time = |(index, time): (usize, &i64)| (self.base + index as i64, self.stamped.unwrap_or(*time));
        self.times.iter().enumerate().map(time)
    }
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
    /// The settings in force.
    pub(crate) config: LogConfig,
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

    /// Other settings are in force.
    pub(crate) fn configure(&mut self, config: LogConfig) {
        self.lets_go |= configs::lets_go(&config);
        self.config = config;
    }

    /// Whether readers see only what is durable.
    pub(crate) fn waits_for_sync(&self) -> bool {
        self.config.sync_policy.waits_for_sync()
    }

    /// Whether every answer waits for the sync.
    pub(crate) fn is_always_synced(&self) -> bool {
        self.config.sync_policy == SyncPolicy::Always
    }

    /// The power failed.
    pub(crate) fn power_lost(&mut self) {
        self.kill_floor = self.power_floor;
    }

    /// The log ends here now: what lay behind is lost, if it may be.
    pub(crate) fn ends_at(&mut self, end: i64) -> Verdict {
        require!(end >= self.kill_floor, "the log ends at {end}; {} was promised", self.kill_floor);
        require!(end <= self.end(), "the log ends at {end}; only {} were sent", self.end());
        let keep = self.index_of(end);
        let cut = self.branch.get(keep).is_some_and(|batch| batch.base < end);
        require!(!cut, "the log ends at {end}, within a batch");
        for batch in self.branch.drain(keep..) {
            if batch.stamp.is_some() && batch.marker.is_none() && self.lost.len() < 50 {
                self.lost.push(batch);
            }
        }
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

    /// Whether a client's batch is refused whoever sends it.
    pub(crate) fn is_inadmissible(&self, size: usize, times: &[i64], now: i64) -> bool {
        let config = &self.config;
        let is_far = |time: &i64| {
            let age = now - time;
            let bound = if age > 0 { config.timestamp_before_max_ms } else { config.timestamp_after_max_ms };
            bound.is_some_and(|bound| age.unsigned_abs() > bound)
        };
        let stamped = config.timestamp_type == TimestampType::LogAppendTime;
        size as u64 > config.max_message_bytes || !stamped && times.iter().any(is_far)
    }

    /// The time that the broker gives a batch that comes now; `None` where the producer's stays.
    pub(crate) fn stamp_at(&self, now: i64) -> Option<i64> {
        (self.config.timestamp_type == TimestampType::LogAppendTime).then_some(now)
    }

    /// The first record at or after a time that a reader may see: offset, timestamp, epoch.
    pub(crate) fn first_at(&self, time: i64, isolation: Isolation) -> Option<(i64, i64, i32)> {
        let end = match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset(self.log_start, self.high_watermark),
        };
        self.visible_stamps(end).find(|(_, stamp, _)| *stamp >= time)
    }

    /// The first record with the largest timestamp that readers see.
    pub(crate) fn largest(&self) -> Option<(i64, i64, i32)> {
        let largest = self.visible_stamps(self.high_watermark).map(|(_, stamp, _)| stamp).max()?;
        self.first_at(largest, Isolation::ReadUncommitted)
    }

    fn visible_stamps(&self, end: i64) -> impl Iterator<Item = (i64, i64, i32)> {
        let batches = &self.branch[self.index_of(self.log_start)..];
        let stamps = |batch: &Batch| {
            let epoch = batch.leader_epoch;
            batch.stamps().map(move |(offset, stamp)| (offset, stamp, epoch)).collect::<Vec<_>>()
        };
        let start = self.log_start;
        batches.iter().flat_map(stamps).filter(move |(offset, ..)| (start..end).contains(offset))
    }

    /// The epoch of the coordinator that ended a producer's last transaction; -1: none has.
    pub(crate) fn coordinator_epoch(&self, id: i64) -> i32 {
        let of_producer = |batch: &&Batch| batch.stamp.is_some_and(|stamp| stamp.id == id);
        let markers = self.branch.iter().filter(of_producer).filter_map(|batch| batch.marker);
        markers.last().map_or(-1, |(_, epoch)| epoch)
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
        end.and_then(|marker| marker.marker).is_some_and(|(committed, _)| committed)
    }
}
