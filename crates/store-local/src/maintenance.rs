//! What is due by time: one thread, which sleeps until something is.
//!
//! | due | what |
//! |---|---|
//! | 100 ms after a partition was written or synced | its background work: preparing segments, indexes, snapshots |
//! | `checkpoint_interval_ms` after a change, 250 ms after a recovery point moved, at once after a failure | the checkpoint |
//! | 1 s after the first synced end was noted | the sync of `synced-ends` |
//! | `retention_interval_ms` | segments rolled and let go by age and size |
//! | as the log says | the sync of a partition under an interval policy |
//! | 1 s while records come in or space is short, else 10 s | a look at the free space; descriptors released where they are short |
//! | 1 s | whether a partition that ran out of space may go on |
//! | `file.delete.delay.ms` | unlinking what retention let go |
//! | at once, then in steps | removing directories of deleted topics |
//!
//! Nothing is due in an idle store but the looks at the free space and for retention.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_partition_log::RemovedSegment;
use highwater_types::Instant;

use crate::files;
use crate::partition::LocalPartition;
use crate::removal::{Progress, Removal};
use crate::shared::Shared;
use crate::space::{IDLE_LOOK_INTERVAL_MS, LOOK_INTERVAL_MS};

const UPKEEP_DELAY_MS: u64 = 100;
const SYNC_ENDS_DELAY_MS: u64 = 1000;
const CHECKPOINT_DELAY_MS: u64 = 250;
const SPACE_DELAY_MS: u64 = 1000;
const RETRY_DELAY_MS: u64 = 60_000;
const REMOVAL_STEP_DELAY_MS: u64 = 10;
const FIRST_RETENTION_MS: u64 = 30_000;

/// The list of what is due, and when.
#[derive(Debug)]
pub(crate) struct Maintenance {
    agenda: Mutex<Agenda>,
    changed: Condvar,
    checkpoint_interval_ms: u64,
    retention_interval_ms: u64,
}

#[derive(Debug, Default)]
struct Agenda {
    touched: Vec<Arc<LocalPartition>>,
    upkeep: Option<Instant>,
    checkpoint: Option<Instant>,
    sync_ends: Option<Instant>,
    space: Option<Instant>,
    retention: Option<Instant>,
    tasks: BTreeMap<(Instant, u64), Task>,
    number: u64,
    parked: bool,
    stopped: bool,
}

#[derive(Debug)]
enum Task {
    Sync(Arc<LocalPartition>),
    Space(Arc<LocalPartition>),
    Retain(Arc<LocalPartition>),
    /// Taken off its log; the files go once the checkpoint is of this generation.
    Rename {
        partition: Arc<LocalPartition>,
        segment: RemovedSegment,
        generation: u64,
        delay_ms: u64,
    },
    Unlink(Arc<LocalPartition>, RemovedSegment),
    Remove(Removal),
}

impl Maintenance {
    pub(crate) fn new(now: Instant, checkpoint_interval_ms: u64, retention_interval_ms: u64) -> Self {
        let first = now.plus_ms(FIRST_RETENTION_MS.min(retention_interval_ms));
        let space = Some(now.plus_ms(IDLE_LOOK_INTERVAL_MS));
        let agenda = Agenda { retention: Some(first), space, ..Agenda::default() };
        Self {
            agenda: Mutex::new(agenda),
            changed: Condvar::new(),
            checkpoint_interval_ms,
            retention_interval_ms,
        }
    }

    /// A partition was written or synced.
    pub(crate) fn touched(&self, partition: Arc<LocalPartition>, now: Instant) {
        self.change(|agenda| {
            agenda.touched.push(partition);
            earlier(&mut agenda.upkeep, now.plus_ms(UPKEEP_DELAY_MS))
        });
    }

    /// A synced end was noted and is not durable.
    pub(crate) fn sync_ends_soon(&self, now: Instant) {
        self.change(|agenda| earlier(&mut agenda.sync_ends, now.plus_ms(SYNC_ENDS_DELAY_MS)));
    }

    /// The checkpoint is to be written at this time.
    pub(crate) fn checkpoint_at(&self, at: Instant) {
        self.change(|agenda| earlier(&mut agenda.checkpoint, at));
    }

    /// A partition's sync may be due at this time.
    pub(crate) fn sync_at(&self, at: Instant, partition: Arc<LocalPartition>) {
        self.schedule(at, Task::Sync(partition));
    }

    /// A partition waits for space.
    pub(crate) fn look_for_space(&self, partition: Arc<LocalPartition>, now: Instant) {
        self.schedule(now.plus_ms(SPACE_DELAY_MS), Task::Space(partition));
    }

    /// The free space is to be looked at by this time.
    pub(crate) fn look_at_space(&self, at: Instant) {
        self.change(|agenda| earlier(&mut agenda.space, at));
    }

    /// A partition's log start was raised.
    pub(crate) fn retain_now(&self, partition: Arc<LocalPartition>, now: Instant) {
        self.schedule(now, Task::Retain(partition));
    }

    /// A directory is to be removed.
    pub(crate) fn remove(&self, removal: Removal, now: Instant) {
        self.schedule(now, Task::Remove(removal));
    }

    /// Does what is due. Returns when something is next.
    pub(crate) fn step(&self, shared: &Shared) -> Option<Instant> {
        let now = shared.clock.now();
        if let Some(touched) =
            self.take(|agenda| due(&mut agenda.upkeep, now).then(|| std::mem::take(&mut agenda.touched)))
        {
            touched.iter().for_each(|partition| partition.maintain());
            self.checkpoint_soon(shared, now);
            self.look_at_space(now.plus_ms(LOOK_INTERVAL_MS));
        }
        if self.take(|agenda| due(&mut agenda.space, now).then_some(())).is_some() {
            let used = shared.space.is_used();
            shared.look_at_space();
            shared.release_descriptors();
            let soon = used || shared.space.is_low();
            let delay_ms = if soon { LOOK_INTERVAL_MS } else { IDLE_LOOK_INTERVAL_MS };
            self.look_at_space(now.plus_ms(delay_ms));
        }
        while let Some(task) = self.take(|agenda| agenda.next_task(now)) {
            self.run_task(task, shared, now);
        }
        if self.take(|agenda| due(&mut agenda.retention, now).then_some(())).is_some() {
            self.retention(shared, now);
        }
        if self.take(|agenda| due(&mut agenda.sync_ends, now).then_some(())).is_some()
            && let Err(error) = shared.synced_ends.sync()
        {
            tracing::warn!(%error, "the synced ends were not made durable");
        }
        if self.take(|agenda| due(&mut agenda.checkpoint, now).then_some(())).is_some() {
            self.write_checkpoint(shared, now);
        }
        self.take(|agenda| agenda.next_due())
    }

    /// The maintenance thread.
    pub(crate) fn run(&self, shared: &Shared) {
        loop {
            // A panic has poisoned what it was about; the rest is still due.
            let _ = catch_unwind(AssertUnwindSafe(|| self.step(shared)));
            let mut agenda = self.lock();
            loop {
                if agenda.stopped {
                    return;
                }
                let now = shared.clock.now();
                let wait = match agenda.next_due() {
                    Some(at) if at <= now => break,
                    Some(at) => Duration::from_nanos(at.0.saturating_sub(now.0)),
                    None => Duration::MAX,
                };
                agenda.parked = true;
                (agenda, _) = self.changed.wait_timeout(agenda, wait).unwrap_or_else(PoisonError::into_inner);
                agenda.parked = false;
            }
        }
    }

    /// Ends the thread after what it is doing.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Forgets everything that is due.
    pub(crate) fn clear(&self) {
        let agenda = std::mem::take(&mut *self.lock());
        self.lock().stopped = agenda.stopped;
    }

    fn run_task(&self, task: Task, shared: &Shared, now: Instant) {
        match task {
            Task::Sync(partition) => partition.sync_timer(),
            Task::Space(partition) => partition.space_timer(),
            Task::Retain(partition) => self.let_go(&partition, now),
            Task::Rename { partition, segment, generation, delay_ms } => {
                self.rename(partition, segment, (generation, delay_ms), shared, now);
            }
            Task::Unlink(partition, segment) => {
                // Files of a deleted partition go with its directory.
                if let Some(Err(error)) = partition.in_directory(|| segment.unlink()) {
                    tracing::warn!(%error, "a segment that was let go could not be removed");
                    self.schedule(now.plus_ms(RETRY_DELAY_MS), Task::Unlink(partition, segment));
                }
            }
            Task::Remove(removal) => self.removal_step(removal, shared, now),
        }
    }

    /// Makes the log's new start durable, then gives the files of a segment their `.deleted` names.
    fn rename(
        &self,
        partition: Arc<LocalPartition>,
        segment: RemovedSegment,
        (generation, delay_ms): (u64, u64),
        shared: &Shared,
        now: Instant,
    ) {
        let written = shared.checkpoints.write_covering(generation, shared.disk.as_ref(), &shared.path);
        let renamed = written.and_then(|()| partition.in_directory(|| segment.rename()).transpose());
        match renamed {
            Ok(Some(())) => self.schedule(now.plus_ms(delay_ms), Task::Unlink(partition, segment)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a segment that was let go could not be renamed");
                let again = Task::Rename { partition, segment, generation, delay_ms };
                self.schedule(now.plus_ms(RETRY_DELAY_MS), again);
            }
        }
    }

    fn removal_step(&self, mut removal: Removal, shared: &Shared, now: Instant) {
        let delay_ms = match removal.step(shared.disk.as_ref()) {
            Ok(Progress::More) => REMOVAL_STEP_DELAY_MS,
            Ok(Progress::InUse) => SPACE_DELAY_MS,
            Ok(Progress::Done) => {
                // The tombstone goes only when the directory's end is durable.
                match files::sync_directory(shared.disk.as_ref(), &shared.path) {
                    Ok(()) => return shared.removals.done(removal.topic_id),
                    Err(error) => tracing::warn!(%error, "the removal of a directory was not made durable"),
                }
                RETRY_DELAY_MS
            }
            Err(error) => {
                tracing::warn!(%error, "a deleted topic's directory could not be removed");
                RETRY_DELAY_MS
            }
        };
        self.schedule(now.plus_ms(delay_ms), Task::Remove(removal));
    }

    fn retention(&self, shared: &Shared, now: Instant) {
        for partition in shared.all_partitions() {
            partition.maintain();
            self.let_go(&partition, now);
        }
        self.change(|agenda| earlier(&mut agenda.retention, now.plus_ms(self.retention_interval_ms)));
        self.checkpoint_at(now.plus_ms(self.checkpoint_interval_ms));
    }

    /// Takes segments off a log; their files go after the checkpoint is written.
    fn let_go(&self, partition: &Arc<LocalPartition>, now: Instant) {
        let (removed, generation) = partition.retain();
        let delay_ms = partition.file_delete_delay_ms();
        for segment in removed {
            let partition = Arc::clone(partition);
            self.schedule(now, Task::Rename { partition, segment, generation, delay_ms });
        }
    }

    fn checkpoint_soon(&self, shared: &Shared, now: Instant) {
        let interval_ms = self.checkpoint_interval_ms;
        let is_behind = shared.checkpoints.is_behind();
        let delay_ms = if is_behind { interval_ms.min(CHECKPOINT_DELAY_MS) } else { interval_ms };
        self.checkpoint_at(now.plus_ms(delay_ms));
    }

    fn write_checkpoint(&self, shared: &Shared, now: Instant) {
        if let Err(error) = shared.checkpoints.write(shared.disk.as_ref(), &shared.path) {
            tracing::warn!(%error, "the checkpoint was not written");
            self.checkpoint_at(now.plus_ms(self.checkpoint_interval_ms.max(SPACE_DELAY_MS)));
        }
    }

    fn schedule(&self, at: Instant, task: Task) {
        self.change(|agenda| {
            agenda.number += 1;
            let key = (at, agenda.number);
            agenda.tasks.insert(key, task);
            agenda.tasks.first_key_value().is_some_and(|(first, _)| *first == key)
        });
    }

    /// Changes the agenda; wakes the thread if the change says that something is due earlier than it knew.
    fn change(&self, change: impl FnOnce(&mut Agenda) -> bool) {
        let mut agenda = self.lock();
        if change(&mut agenda) && agenda.parked {
            drop(agenda);
            self.changed.notify_one();
        }
    }

    fn take<T>(&self, take: impl FnOnce(&mut Agenda) -> Option<T>) -> Option<T> {
        take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Agenda> {
        // Nothing that can panic half-way runs under this lock.
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agenda {
    fn next_task(&mut self, now: Instant) -> Option<Task> {
        let first = self.tasks.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn next_due(&self) -> Option<Instant> {
        let task = self.tasks.first_key_value().map(|((at, _), _)| *at);
        [self.upkeep, self.checkpoint, self.sync_ends, self.space, self.retention, task]
            .into_iter()
            .flatten()
            .min()
    }
}

/// Sets a time unless an earlier one is set. Returns whether it did.
fn earlier(slot: &mut Option<Instant>, at: Instant) -> bool {
    let sets = slot.is_none_or(|known| at < known);
    if sets {
        *slot = Some(at);
    }
    sets
}

/// Clears a time that has come. Returns whether it had.
fn due(slot: &mut Option<Instant>, now: Instant) -> bool {
    let is_due = slot.is_some_and(|at| at <= now);
    if is_due {
        *slot = None;
    }
    is_due
}
