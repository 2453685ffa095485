//! One partition's log: its state, and what can be asked of it without I/O. Writing, reading, recovery, maintenance and
//! removal are in the modules of these names.
//!
//! Invariants:
//! - `slots` has one entry for each segment that holds staged or written batches, ascending; the last is the active one.
//! - log start offset ≤ last stable offset ≤ high watermark ≤ written end ≤ log end offset.
//! - The recovery point is never beyond what is synced, indexed in files and covered by a snapshot or by batches that
//!   are still there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use highwater_disk::Disk;
use highwater_types::{LeaderEpoch, Offset, ProducerId, Timestamp, TopicIdPartition};
use highwater_wal::{EntryFormat, LogPoint, Segment, Wal, WalOptions};

use crate::leader_epochs::LeaderEpochs;
use crate::producer_state::ProducerState;
use crate::segment::{IndexSource, SegmentIndex, Stored};
use crate::{EpochEnd, KafkaFormat, LogConfig, LogError, LogFailure, LogOffsets, holes, metadata_file};

/// Where a log lives and whose it is.
#[derive(Debug, Clone)]
pub struct LogEnvironment {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The partition's directory, which exists.
    pub directory: PathBuf,
    /// The partition.
    pub id: TopicIdPartition,
    /// The topic's name, for messages.
    pub topic: Arc<str>,
}

/// What must be known of a log to start it again: part of the data directory's checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// Everything below it is synced, indexed and covered by a snapshot.
    pub recovery_point: LogPoint,
    /// First offset that may be read; never falls.
    pub log_start_offset: Offset,
    /// The current leader epoch; never falls.
    pub leader_epoch: LeaderEpoch,
    /// Bytes from here on were written before a sync or write that failed: they must be read from the device again.
    pub suspect: Option<LogPoint>,
    /// Largest producer id ever seen in this log.
    pub max_producer_id: ProducerId,
}

/// One segment as the log keeps it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) index: Arc<SegmentIndex>,
    pub(crate) stored: Stored,
    /// The `.txnindex` file lacks something.
    pub(crate) aborted_changed: bool,
}

/// What decides when the active segment is rolled by time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ActiveAge {
    /// Max timestamp of the segment's first batch; `None` when it has none.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// When its first batch was appended, or it was recovered.
    pub(crate) created: Timestamp,
}

/// One partition's log. Owned behind one lock; no method waits for the disk unless it says so.
#[derive(Debug)]
pub struct PartitionLog {
    pub(crate) environment: LogEnvironment,
    /// Offsets may be missing between batches.
    pub(crate) holes: bool,
    pub(crate) config: LogConfig,
    pub(crate) wal: Wal,
    pub(crate) source: IndexSource,
    pub(crate) slots: Vec<Slot>,
    pub(crate) age: ActiveAge,
    pub(crate) producers: ProducerState,
    pub(crate) max_producer_id: ProducerId,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) epochs_changed: bool,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) log_start_offset: Offset,
    /// End of what readers see; never falls.
    pub(crate) high_watermark: LogPoint,
    pub(crate) recovery_point: LogPoint,
    /// Where open transactions begin, as far as that was seen.
    pub(crate) unstable: BTreeMap<Offset, LogPoint>,
    /// Snapshot files that are there.
    pub(crate) snapshots: BTreeSet<Offset>,
    /// Nanoseconds of the instant at which unsynced bytes were first noticed; `u64::MAX`: there are none.
    pub(crate) unsynced_since: AtomicU64,
    pub(crate) maintaining: bool,
    /// Retention waits for the recovery point to move.
    pub(crate) flush_wanted: bool,
    pub(crate) failure: Option<LogFailure>,
    pub(crate) suspect: Option<LogPoint>,
}

impl PartitionLog {
    /// Makes an empty log in a directory that exists: writes `partition.metadata` and makes it durable with its name.
    /// No segment is made before the first write.
    ///
    /// # Errors
    /// [`LogError::Disk`]; [`LogError::OtherTopic`] when the directory is another topic's.
    pub fn create(environment: LogEnvironment, config: LogConfig) -> Result<Self, LogError> {
        metadata_file::create(environment.disk.as_ref(), &environment.directory, environment.id.topic_id)?;
        let wal = Wal::create(
            environment.disk.clone(),
            environment.directory.clone(),
            Arc::new(KafkaFormat),
            wal_options(&config),
            Offset::ZERO,
        );
        Ok(Self::assemble(environment, config, wal))
    }

    /// Lets offsets be missing between batches from now on, for an import or compaction. Waits for the disk: the
    /// permission is durable before the first hole can be.
    ///
    /// # Errors
    /// [`LogError::Disk`]; nothing has changed.
    pub fn allow_holes(&mut self) -> Result<(), LogError> {
        holes::allow(self.environment.disk.as_ref(), &self.environment.directory)?;
        self.holes = true;
        Ok(())
    }

    /// A log around a write-ahead log, with nothing else known.
    pub(crate) fn assemble(environment: LogEnvironment, config: LogConfig, wal: Wal) -> Self {
        let source = IndexSource {
            disk: environment.disk.clone(),
            directory: Arc::from(environment.directory.as_path()),
            format: Arc::new(KafkaFormat),
            interval_bytes: config.index_interval_bytes,
        };
        let mut epochs = LeaderEpochs::default();
        epochs.assign(LeaderEpoch::ZERO, wal.staged_end().offset);
        Self {
            recovery_point: wal.synced_end(),
            high_watermark: wal.synced_end(),
            log_start_offset: wal.staged_end().offset,
            environment,
            holes: false,
            config,
            wal,
            source,
            slots: Vec::new(),
            age: ActiveAge::default(),
            producers: ProducerState::default(),
            max_producer_id: ProducerId::NONE,
            epochs,
            epochs_changed: true,
            leader_epoch: LeaderEpoch::ZERO,
            unstable: BTreeMap::new(),
            snapshots: BTreeSet::new(),
            unsynced_since: AtomicU64::new(u64::MAX),
            maintaining: false,
            flush_wanted: false,
            failure: None,
            suspect: None,
        }
    }

    /// Where the log begins and ends.
    pub fn offsets(&self) -> LogOffsets {
        let high_watermark = self.high_watermark.offset;
        LogOffsets {
            log_start_offset: self.log_start_offset,
            high_watermark,
            last_stable_offset: self.producers.last_stable_offset(self.log_start_offset, high_watermark),
            log_end_offset: self.wal.staged_end().offset,
            synced_end: self.wal.synced_end().offset,
            leader_epoch: self.leader_epoch,
        }
    }

    /// Raises the high watermark to the synced end, or to the written end where no answer waits for a sync.
    pub(crate) fn raise_high_watermark(&mut self) {
        let waits = self.config.sync_policy.waits_for_sync();
        let end = if waits { self.wal.synced_end() } else { self.wal.written_end() };
        if end.offset > self.high_watermark.offset {
            self.high_watermark = end;
            self.producers.on_high_watermark(end.offset);
            let unstable = self.producers.last_stable_offset(Offset::ZERO, end.offset);
            self.unstable = self.unstable.split_off(&unstable);
        }
    }

    /// What a waiting answer compares its last offset with: `durable` for acks=all, else for acks=1. An answer may go
    /// when its last offset is below.
    pub fn acknowledged_end(&self, durable: bool) -> Offset {
        if durable && self.config.sync_policy.waits_for_sync() {
            // Under another policy more may have become visible than is durable.
            self.high_watermark.offset.min(self.wal.synced_end().offset)
        } else if durable {
            self.high_watermark.offset
        } else if self.config.sync_policy == crate::SyncPolicy::Always {
            self.wal.synced_end().offset
        } else {
            self.wal.written_end().offset
        }
    }

    /// Where an epoch ends. The newest one ends at the log's end.
    pub fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        self.epochs.end_of(epoch, self.wal.staged_end().offset)
    }

    /// The epoch of the log's first record; the current one while it is empty.
    pub fn earliest_epoch(&self) -> LeaderEpoch {
        let offsets = self.offsets();
        self.epochs.epoch_at(offsets.log_start_offset).unwrap_or(offsets.leader_epoch)
    }

    /// Takes new settings from the next append on.
    pub fn configure(&mut self, config: LogConfig) {
        self.wal.set_options(wal_options(&config));
        self.source.interval_bytes = config.index_interval_bytes;
        self.config = config;
        self.raise_high_watermark();
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Bytes of all segments up to their logical ends, staged bytes included.
    pub fn size(&self) -> u64 {
        let written: u64 = self.wal.segments().iter().map(|segment| segment.end().0).sum();
        written.saturating_add(self.wal.staged_bytes())
    }

    /// Largest producer id ever seen in this log; [`ProducerId::NONE`] when there is none.
    pub fn max_producer_id(&self) -> ProducerId {
        self.max_producer_id
    }

    /// What is to be written into the data directory's checkpoint.
    pub fn checkpoint(&self) -> LogCheckpoint {
        LogCheckpoint {
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_offset,
            leader_epoch: self.leader_epoch,
            suspect: self.suspect,
            max_producer_id: self.max_producer_id,
        }
    }

    /// End of what is synced: what goes into the data directory's slot of synced ends after each sync.
    pub fn synced_point(&self) -> LogPoint {
        self.wal.synced_end()
    }

    /// From where bytes are doubtful, after a sync or write that failed.
    pub fn suspect(&self) -> Option<LogPoint> {
        self.suspect
    }

    /// Why the log takes no writes until it is recovered; `None` while it does.
    pub fn failure(&self) -> Option<&LogFailure> {
        self.failure.as_ref()
    }

    /// Bytes accepted and not yet taken by a write job.
    pub fn staged_bytes(&self) -> u64 {
        self.wal.staged_bytes()
    }

    /// The segments with written bytes, ascending; the last is the active one.
    pub fn segments(&self) -> &[Arc<Segment>] {
        self.wal.segments()
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.environment.directory
    }

    /// The slot of the segment that begins at `base_offset`.
    pub(crate) fn slot(&self, base_offset: Offset) -> Option<&Slot> {
        let at = self.slots.binary_search_by_key(&base_offset, |slot| slot.index.base_offset()).ok()?;
        self.slots.get(at)
    }
}

pub(crate) fn wal_options(config: &LogConfig) -> WalOptions {
    WalOptions { segment_bytes: config.segment_bytes, ..WalOptions::default() }
}

pub(crate) fn kafka_format() -> Arc<dyn EntryFormat> {
    Arc::new(KafkaFormat)
}
