//! The store: owns the shared parts and the threads.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use highwater_store::{
    BoxFuture, LogStore, NewPartition, Partition, SpaceState, StoreError, StoreState, StoreStatistics,
};
use highwater_types::{ProducerId, TopicId, TopicIdPartition};

use crate::budget::{BACKLOG_BYTES, StagedBudget};
use crate::checkpoint::{self, Entries, Found};
use crate::checkpoints::Checkpoints;
use crate::close::Closing;
use crate::committer::Committer;
use crate::journal::{self, Replayed};
use crate::layout::{self, Layout};
use crate::maintenance::Maintenance;
use crate::partition::{Begin, LocalPartition};
use crate::pool::{PoolClosed, ReaderPool};
use crate::recovery::{Recovery, RecoveryProgress};
use crate::removal::{Removal, Removals};
use crate::scrub::{Scrub, Step};
use crate::shared::{PartitionMap, Shared};
use crate::space::Space;
use crate::synced_ends::{SyncedEnd, SyncedEnds, ToldJournal};
use crate::{DataDirectory, LocalOptions, OpenError};
use crate::{names, threads, topics};

/// Threads for what is done to many partitions in one call: each waits for the device.
const THREADS_PER_CALL: usize = 8;

/// The store on the local disk. Dropping it without [`LogStore::close`] stops its threads and leaves the directory as
/// the death of the process would.
#[derive(Debug)]
pub struct LocalStore {
    pub(crate) engine: Arc<Engine>,
    pub(crate) closing: Arc<Closing>,
    pub(crate) close_timeout_ms: u64,
    /// Without, the caller takes the steps.
    pub(crate) has_threads: bool,
    strays: Vec<String>,
}

/// What the store's threads and its closing need.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) directory: DataDirectory,
    pub(crate) sync_threads: usize,
    recovery: Arc<Recovery>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl LocalStore {
    /// Opens the partitions that the metadata knows. Returns at once: they are recovered in the background, and each
    /// says that it is recovering until it is.
    ///
    /// # Errors
    /// [`OpenError::Disk`] when the directory itself cannot be read or written; [`OpenError::Thread`]. What is wrong
    /// with a single partition is that partition's state.
    pub fn open(directory: DataDirectory, options: LocalOptions) -> Result<Arc<Self>, OpenError> {
        directory.remove_marker()?;
        let (disk, path) = (Arc::clone(directory.disk()), directory.path().to_path_buf());
        let (entries, checkpoint_known) = load_checkpoint(&directory, &options)?;
        let ids: HashSet<_> = options.partitions.iter().map(|partition| partition.id).collect();
        let (synced_ends, told) = SyncedEnds::open(disk.as_ref(), &path, |id| ids.contains(id))?;
        let layout = settle(&directory, &options)?;
        let now = options.clock.now();
        let shared = Arc::new(Shared {
            partitions: RwLock::default(),
            budget: StagedBudget::new(options.staged_bytes_max),
            committer: Committer::new(options.journal, Arc::clone(&disk)),
            maintenance: Maintenance::new(now, options.checkpoint_interval_ms, options.retention_interval_ms),
            readers: ReaderPool::start("reader", options.reader_threads).map_err(OpenError::Thread)?,
            admin: ReaderPool::start("admin", usize::from(options.has_threads()))
                .map_err(OpenError::Thread)?,
            checkpoints: Checkpoints::new(entries),
            synced_ends,
            removals: Removals::new(Arc::clone(&options.removed)),
            space: Space::new(Arc::clone(&options.free_space_floor)),
            scrub: Scrub::new(
                Arc::clone(&options.scrub_bytes_per_second),
                Arc::clone(&options.scrub_interval_ms),
            ),
            threads_per_call: if options.has_threads() { THREADS_PER_CALL } else { 1 },
            clock: options.clock.clone(),
            disk,
            path,
        });
        if !directory.was_stopped_cleanly() {
            shared.checkpoints.set_all_unclean();
        }
        // It goes before the marker is written: what is told of it then is of another day.
        let journal = if directory.was_stopped_cleanly() { ToldJournal::Nothing } else { told.journal };
        let replayed = replay_journal(&shared, &options.partitions, &told.ends, journal)?;
        if options.journal.partitions_min == 0 && shared.committer.journal.is_wanted(0) {
            shared.committer.journal.make(
                shared.disk.as_ref(),
                &shared.path,
                &shared.synced_ends,
                options.clock.wall(),
            );
        }
        shared.committer.statistics.journal_replayed.add(replayed.ends.len() as u64);
        let known = Known {
            clean: directory.was_stopped_cleanly(),
            checkpoint_known,
            slots: told.ends,
            layout: &layout,
            replayed,
        };
        let waiting = make_partitions(&shared, options.partitions.clone(), &known);
        shared.look_at_space();
        let engine = Engine {
            recovery: Recovery::new(waiting, options.clock.clone()),
            directory,
            threads: Mutex::default(),
            sync_threads: options.sync_threads.max(1),
            shared,
        };
        let store = Self {
            engine: Arc::new(engine),
            closing: Arc::default(),
            close_timeout_ms: options.close_timeout_ms,
            has_threads: options.has_threads(),
            strays: layout.strays,
        };
        store.engine.begin_removals(layout.removals, &options.tombstones);
        if store.has_threads {
            store.engine.start_threads(&options).map_err(OpenError::Thread)?;
        }
        Ok(Arc::new(store))
    }

    /// How far the recovery of the partitions is.
    pub fn recovery(&self) -> RecoveryProgress {
        self.engine.recovery.progress()
    }

    /// Resolves when no partition is being recovered.
    pub fn recovered(&self) -> impl Future<Output = ()> + Send + 'static {
        Arc::clone(&self.engine.recovery).finished()
    }

    /// Directories in the data directory that the metadata does not know, set aside at this start or earlier.
    pub fn strays(&self) -> &[String] {
        &self.strays
    }

    /// The largest producer id in the checkpoint and in every partition recovered so far; [`ProducerId::NONE`] when
    /// there is none.
    pub fn max_producer_id(&self) -> ProducerId {
        let partitions = self.shared().all_partitions();
        let logs = partitions.iter().map(|partition| partition.max_producer_id());
        logs.fold(self.shared().checkpoints.max_producer_id(), ProducerId::max)
    }

    /// The threads for what may wait for the device.
    pub fn readers(&self) -> &Arc<ReaderPool> {
        &self.shared().readers
    }

    /// Bytes that are staged in memory.
    pub fn staged_bytes(&self) -> u64 {
        self.shared().budget.used()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.engine.shared
    }
}

impl Engine {
    /// Starts the removal of directories; a tombstone without any may go at once.
    fn begin_removals(&self, removals: Vec<(TopicId, String)>, tombstones: &[TopicId]) {
        let shared = &self.shared;
        let mut topics: BTreeSet<TopicId> = tombstones.iter().copied().collect();
        for (topic_id, _) in &removals {
            shared.removals.begin(*topic_id);
            topics.remove(topic_id);
        }
        for (topic_id, name) in removals {
            let removal = Removal::new(topic_id, shared.path.join(name), Vec::new());
            shared.maintenance.remove(removal, shared.clock.now());
        }
        if !topics.is_empty() {
            let shared = Arc::clone(shared);
            self.shared
                .admin
                .submit(move || topics.into_iter().for_each(|topic_id| shared.removals.done(topic_id)));
        }
    }

    fn start_threads(&self, options: &LocalOptions) -> io::Result<()> {
        let shared = &self.shared;
        let writer = Arc::clone(shared);
        self.spawn("writer", move || writer.committer.run_writer())?;
        for _ in 0..options.sync_threads.max(1) {
            let syncer = Arc::clone(shared);
            self.spawn("sync", move || syncer.committer.run_syncer())?;
        }
        let journal = Arc::clone(shared);
        self.spawn("journal", move || journal.committer.run_journal())?;
        let maintenance = Arc::clone(shared);
        self.spawn("maintenance", move || maintenance.maintenance.run(&maintenance))?;
        let scrub = Arc::clone(shared);
        self.spawn("scrub", move || scrub.scrub.run(&scrub))?;
        for _ in 0..options.recovery_threads.max(1) {
            let recovery = Arc::clone(&self.recovery);
            self.spawn("recovery", move || recovery.run())?;
        }
        Ok(())
    }

    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        self.lock_threads().push(thread);
        Ok(())
    }

    /// Stops every thread but the readers and waits for them.
    pub(crate) fn stop_threads(&self) {
        self.shared.admin.close();
        self.recovery.stop();
        self.shared.scrub.stop();
        self.shared.maintenance.stop();
        self.shared.committer.stop();
        let threads = std::mem::take(&mut *self.lock_threads());
        threads::join(threads);
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The steps, for a store without threads.
impl LocalStore {
    /// One write round. Returns whether there was anything to do, as do the others.
    pub fn write_round(&self) -> bool {
        self.shared().committer.write_round()
    }

    /// Syncs what is queued for it.
    pub fn sync_round(&self) -> bool {
        self.shared().committer.sync_round()
    }

    /// Recovers one partition.
    pub fn recovery_step(&self) -> bool {
        self.engine.recovery.step()
    }

    /// Creates, renames or repairs one thing.
    pub fn admin_step(&self) -> bool {
        self.shared().admin.step()
    }

    /// Does one read.
    pub fn reader_step(&self) -> bool {
        self.shared().readers.step()
    }

    /// Reads one piece of a sealed segment, or finds what is to be read; false when no segment is due.
    pub fn scrub_step(&self) -> bool {
        matches!(self.shared().scrub.step(self.shared()), Step::Read(_))
    }

    /// Does what is due by the clock; the answer is when something is next.
    pub fn maintenance_step(&self) -> Option<highwater_types::Instant> {
        self.shared().maintenance.step(self.shared())
    }
}

impl LogStore for LocalStore {
    fn create(&self, partitions: Vec<NewPartition>) -> BoxFuture<'_, Result<(), StoreError>> {
        let shared = Arc::clone(self.shared());
        let created = self.shared().admin.run(move || topics::create(&shared, partitions));
        Box::pin(async move { created.await.unwrap_or_else(|PoolClosed| Err(closed())) })
    }

    fn delete(&self, partitions: Vec<TopicIdPartition>) -> BoxFuture<'_, Result<(), StoreError>> {
        let retired = topics::retire(self.shared(), &partitions);
        let shared = Arc::clone(self.shared());
        let removed = self.shared().admin.run(move || topics::remove(&shared, retired));
        Box::pin(async move { removed.await.unwrap_or_else(|PoolClosed| Err(closed())) })
    }

    fn partition(&self, id: TopicIdPartition) -> Option<Arc<dyn Partition>> {
        self.shared().partitions().get(&id).map(|partition| Arc::clone(partition) as Arc<dyn Partition>)
    }

    fn partitions(&self) -> Vec<Arc<dyn Partition>> {
        self.shared()
            .partitions()
            .values()
            .map(|partition| Arc::clone(partition) as Arc<dyn Partition>)
            .collect()
    }

    fn backpressure(
        &self,
        mut to: &mut dyn Iterator<Item = TopicIdPartition>,
    ) -> Option<BoxFuture<'static, ()>> {
        let shared = self.shared();
        let has_backlog = || {
            Iterator::any(&mut to, |id| {
                let partition = shared.partitions().get(&id).cloned();
                partition.is_some_and(|partition| partition.staged_bytes() > BACKLOG_BYTES)
            })
        };
        let wait = shared.budget.backpressure(has_backlog);
        wait.map(|wait| Box::pin(wait) as BoxFuture<'static, ()>)
    }

    fn statistics(&self) -> &StoreStatistics {
        &self.shared().committer.statistics
    }

    fn status(&self) -> StoreState {
        let progress = self.recovery();
        let found = progress
            .notable
            .into_iter()
            .map(|partition| (format!("{}-{}", partition.topic, partition.id.partition), partition.found));
        StoreState {
            staged_bytes: self.staged_bytes(),
            recovering_total: progress.total,
            recovering_done: progress.done,
            recovery_scanned_bytes: progress.scanned_bytes,
            recovery_ns: progress.took_ns,
            recovery_found: found.collect(),
            scrub: self.shared().scrub.state(),
        }
    }

    fn space(&self) -> Option<SpaceState> {
        self.shared().space.state(self.shared().disk.as_ref(), &self.shared().path)
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.close_store()
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.engine.stop_threads();
        let shared = self.shared();
        shared.readers.close();
        // These hold each other.
        shared.maintenance.clear();
        shared.committer.clear();
        shared.partitions_mut().clear();
    }
}

impl LocalOptions {
    fn has_threads(&self) -> bool {
        self.sync_threads + self.reader_threads + self.recovery_threads > 0
    }
}

/// What is known of the partitions before they are recovered.
struct Known<'a> {
    clean: bool,
    checkpoint_known: bool,
    slots: HashMap<TopicIdPartition, SyncedEnd>,
    layout: &'a Layout,
    replayed: Replayed,
}

impl Known<'_> {
    /// The end of what is known to be durable.
    fn synced_end(&self, id: TopicIdPartition) -> Option<SyncedEnd> {
        let slot = self.slots.get(&id).copied();
        self.replayed.ends.get(&id).map_or(slot, |end| Some(SyncedEnd::at_least(slot, *end)))
    }
}

/// Puts what the journal holds into the logs.
fn replay_journal(
    shared: &Shared,
    partitions: &[NewPartition],
    slots: &HashMap<TopicIdPartition, SyncedEnd>,
    journal: ToldJournal,
) -> Result<Replayed, OpenError> {
    let names: HashMap<TopicIdPartition, String> = partitions
        .iter()
        .map(|partition| (partition.id, names::partition(&partition.topic, partition.id.partition)))
        .collect();
    let name_of = |id| names.get(&id).cloned();
    let known = journal::Known { ends: &shared.synced_ends, slots, journal };
    Ok(journal::replay(&shared.disk, &shared.path, name_of, known, shared.threads_per_call)?)
}

fn make_partitions(
    shared: &Arc<Shared>,
    partitions: Vec<NewPartition>,
    known: &Known<'_>,
) -> VecDeque<(Arc<LocalPartition>, Begin)> {
    let mut map = PartitionMap::with_capacity(partitions.len());
    let mut waiting = VecDeque::with_capacity(partitions.len());
    for new in partitions {
        let id = new.id;
        let partition = LocalPartition::new(new, Arc::clone(shared));
        let begin = Begin {
            entry: shared.checkpoints.get(id),
            slot: known.synced_end(id),
            clean: known.clean,
            checkpoint_known: known.checkpoint_known,
            directory_exists: known.layout.present.contains(partition.name()),
            journal_problem: known.replayed.failed.get(&id).cloned(),
        };
        map.insert(id, Arc::clone(&partition));
        waiting.push_back((partition, begin));
    }
    *shared.partitions_mut() = map;
    waiting
}

/// The checkpoint's entries of the partitions that are known, and whether the checkpoint could be read.
fn load_checkpoint(directory: &DataDirectory, options: &LocalOptions) -> Result<(Entries, bool), OpenError> {
    match checkpoint::load(directory.disk().as_ref(), directory.path())? {
        Found::Entries(mut entries) => {
            let ids: HashSet<_> = options.partitions.iter().map(|partition| partition.id).collect();
            entries.retain(|id, _| ids.contains(id));
            Ok((entries, true))
        }
        Found::Nothing => Ok((Entries::new(), true)),
        Found::Unusable(error) => {
            tracing::error!(%error, "the checkpoint cannot be used: every log is read from its start");
            Ok((Entries::new(), false))
        }
    }
}

fn settle(directory: &DataDirectory, options: &LocalOptions) -> Result<Layout, OpenError> {
    let known: HashMap<String, TopicId> = options
        .partitions
        .iter()
        .map(|partition| (names::partition(&partition.topic, partition.id.partition), partition.id.topic_id))
        .collect();
    let tombstones = options.tombstones.iter().copied().collect();
    let layout = layout::settle(
        directory.disk().as_ref(),
        directory.path(),
        |name| known.get(name).copied(),
        &tombstones,
    )?;
    for stray in &layout.strays {
        tracing::warn!(directory = stray, "the metadata does not know this directory: it was set aside");
    }
    Ok(layout)
}

fn closed() -> StoreError {
    StoreError::Storage("the store is closed".to_owned())
}
