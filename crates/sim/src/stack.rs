//! The stack under test: metadata and log store over one simulated disk, without threads, with a clock that is turned by
//! hand. It does what the server does when it starts, creates and deletes topics.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use highwater_coordinator::{GroupConfig, Groups};
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_partition_log::LogConfig;
use highwater_store::meta::TopicRecord;
use highwater_store::{MetaChange, MetaKey, MetaRecord, NewPartition};
use highwater_store_local::meta::MetaCore;
use highwater_store_local::{Clock, DataDirectory, JournalOptions, LocalOptions, LocalStore};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};

use crate::configs;
use crate::groups::{Commits, now};

/// The data directory on the simulated disk.
pub(crate) const DATA: &str = "/data";
const METADATA: &str = "/data/meta.redb";
const START_OF_TIME_MS: i64 = 1_700_000_000_000;
/// Polls after which a future counts as one that never resolves.
const POLLS_MAX: usize = 10_000;

/// Time, in nanoseconds, across all lives of a run.
pub(crate) type Ticks = Arc<AtomicU64>;

pub(crate) fn wall(ticks: &Ticks) -> Timestamp {
    Timestamp(START_OF_TIME_MS + (ticks.load(Ordering::Relaxed) / 1_000_000) as i64)
}

pub(crate) struct Stack {
    pub(crate) core: MetaCore,
    pub(crate) store: Arc<LocalStore>,
    /// Topics whose last directory is gone.
    pub(crate) removed: Arc<Mutex<Vec<TopicId>>>,
    pub(crate) records: Vec<MetaRecord>,
    pub(crate) groups: Groups,
    /// Commits of groups that are still to be made.
    pub(crate) commits: Commits,
    /// Offsets of topics that are gone, still to be removed.
    pub(crate) orphans: Vec<MetaChange>,
}

impl Stack {
    /// Opens everything, as the server does at its start; `floor` is the free space below which appends are refused, in
    /// bytes.
    ///
    /// # Errors
    /// In words, whatever could not be opened.
    pub(crate) fn open(
        disk: &Arc<SimDisk>,
        ticks: &Ticks,
        floor: Option<u64>,
        journal: JournalOptions,
    ) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::clone(disk) as _;
        let directory =
            DataDirectory::open(Arc::clone(&disk), Path::new(DATA)).map_err(|error| error.to_string())?;
        let mut core = MetaCore::open(disk, Path::new(METADATA)).map_err(|error| error.to_string())?;
        let records = core.load().map_err(|error| error.to_string())?;
        let (instant, timestamp) = (Arc::clone(ticks), Arc::clone(ticks));
        let clock = Clock {
            instant: Arc::new(move || Instant(instant.load(Ordering::Relaxed))),
            timestamp: Arc::new(move || wall(&timestamp)),
        };
        let removed: Arc<Mutex<Vec<TopicId>>> = Arc::default();
        let told = Arc::clone(&removed);
        let options = LocalOptions {
            partitions: records.iter().flat_map(partitions_of).collect(),
            tombstones: records.iter().filter_map(tombstone).collect(),
            removed: Arc::new(move |topic| told.lock().unwrap_or_else(PoisonError::into_inner).push(topic)),
            sync_threads: 0,
            reader_threads: 0,
            recovery_threads: 0,
            journal,
            free_space_floor: Arc::new(move || floor),
            scrub_interval_ms: Arc::new(|| 0),
            retention_interval_ms: 5_000,
            checkpoint_interval_ms: 1_000,
            ..LocalOptions::new(clock)
        };
        let store = LocalStore::open(directory, options).map_err(|error| error.to_string())?;
        let (groups, orphans) = load_groups(&records, ticks);
        Ok(Self { core, store, removed, records, groups, commits: Vec::new(), orphans })
    }

    /// Takes the steps that nothing but threads would wait for.
    pub(crate) fn settle(&self) {
        let store = &self.store;
        while store.recovery_step()
            || store.admin_step()
            || store.reader_step()
            || store.write_round()
            || store.sync_round()
        {}
    }

    /// Takes reader's and admin's steps until the future resolves; `None` when it does not.
    pub(crate) fn drive<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        for _ in 0..POLLS_MAX {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Some(value);
            }
            if !self.store.reader_step() && !self.store.admin_step() {
                self.settle();
            }
        }
        None
    }
}

/// The groups as the metadata has them, and the removals of offsets whose topics are gone.
fn load_groups(records: &[MetaRecord], ticks: &Ticks) -> (Groups, Vec<MetaChange>) {
    let topics: Vec<TopicId> = records
        .iter()
        .filter_map(|record| match record {
            MetaRecord::Topic(topic) => Some(TopicId(topic.id)),
            _ => None,
        })
        .collect();
    let (mut groups, mut offsets, mut orphans) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match record {
            MetaRecord::Group(group) => groups.push(group.clone()),
            MetaRecord::Offset(offset) if topics.contains(&TopicId(offset.topic_id)) => {
                offsets.push((offset.clone(), "topic".into()));
            }
            MetaRecord::Offset(offset) => orphans.push(MetaChange::Remove(MetaKey::Offset(offset.key()))),
            _ => {}
        }
    }
    let config = GroupConfig { initial_rebalance_delay_ms: 100, ..GroupConfig::default() };
    let mut loaded = Groups::new(config);
    loaded.load(now(ticks), groups, offsets);
    (loaded, orphans)
}

/// The partitions of a topic's record.
pub(crate) fn partitions_of(record: &MetaRecord) -> Vec<NewPartition> {
    let MetaRecord::Topic(topic) = record else { return Vec::new() };
    let config = config_of(topic);
    let partition = |partition| NewPartition {
        id: TopicIdPartition { topic_id: TopicId(topic.id), partition },
        topic: Arc::clone(&topic.name),
        config: config.clone(),
    };
    (0..topic.partitions).map(partition).collect()
}

/// The settings of a topic's record.
pub(crate) fn config_of(topic: &TopicRecord) -> LogConfig {
    configs::settings(configs::from_record(&topic.configs))
}

fn tombstone(record: &MetaRecord) -> Option<TopicId> {
    match record {
        MetaRecord::Tombstone(tombstone) => Some(TopicId(tombstone.id)),
        _ => None,
    }
}
