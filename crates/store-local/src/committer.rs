//! The committer: one per data directory. It decides nothing about records; it carries the work of all partitions to
//! the disk in rounds.
//!
//! A *write round* takes each partition that has staged bytes once, in the order in which they became so, until
//! [`ROUND_BYTES_MAX`] are written; a partition writes at most what its log puts into one job (1 MiB), so that one
//! firehose does not stretch everybody's answer. Partitions that were not reached come first in the next round, those
//! with more to write come last. At the end of the round, everything whose policy wants it is handed to the sync
//! threads. They sync partitions in parallel, each covering all that its partition has written by then, while the next
//! write round runs. A slow sync delays its own partition and one thread; of that partition no more than a mebibyte is written before it
//! ends, where answers wait for it.
//!
//! Small pieces go into the [`journal`](crate::journal) instead, which makes those of all partitions durable together.
//!
//! Written bytes hold their file open until it is synced. While the disk is short of descriptors, what is written is therefore
//! synced at once, whatever its policy says, nothing goes into the journal, and the writer helps the sync threads before it
//! opens another file.
//!
//! Not here: the steps of one partition ([`crate::partition`]), threads' ownership ([`crate::store`]).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use highwater_disk::Disk;
use highwater_store::StoreStatistics;

use crate::journal::{Journal, JournalOptions, Round};
use crate::partition::{LocalPartition, WriteStep};

/// A write round ends when so many bytes were written.
pub(crate) const ROUND_BYTES_MAX: u64 = 16 << 20;

/// What the round has for the journal does not wait for a write of so many bytes.
const LARGE_WRITE_BYTES: u64 = 256 << 10;

/// The two queues.
#[derive(Debug)]
pub(crate) struct Committer {
    disk: Arc<dyn Disk>,
    /// Partitions with staged bytes; each at most once.
    writes: Queue,
    /// Partitions with written bytes whose sync is due; each at most once.
    syncs: Queue,
    /// What is made durable together.
    pub(crate) journal: Journal,
    /// What it and its partitions have done.
    pub(crate) statistics: StoreStatistics,
}

impl Committer {
    pub(crate) fn new(journal: JournalOptions, disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            writes: Queue::default(),
            syncs: Queue::default(),
            journal: Journal::new(journal),
            statistics: StoreStatistics::default(),
        }
    }

    /// Queues a partition that has staged bytes.
    pub(crate) fn staged(&self, partition: Arc<LocalPartition>) {
        self.writes.push([partition]);
    }

    /// Queues partitions to be synced.
    pub(crate) fn written(&self, partitions: impl IntoIterator<Item = Arc<LocalPartition>>) {
        self.syncs.push(partitions);
    }

    /// One write round. Returns whether anything was in the queue.
    pub(crate) fn write_round(&self) -> bool {
        let mut bytes = 0;
        let mut due = Vec::new();
        let mut unfinished = Vec::new();
        let count = self.writes.lock().list.len();
        if count == 0 {
            return false;
        }
        let mut round = self.journal.begin_round(count, self.disk.as_ref());
        let mut journal_wanted = round.is_none() && self.journal.is_wanted(count);
        for _ in 0..count {
            let Some(partition) = self.writes.pop() else { break };
            if std::mem::take(&mut journal_wanted) {
                partition.make_journal();
            }
            if let Some(round) = &mut round
                && partition.staged_bytes() >= LARGE_WRITE_BYTES
            {
                self.journal.hand_over(round);
            }
            let short = self.disk.is_short_of_descriptors();
            let step = write(&partition, round.as_mut().filter(|_| !short));
            bytes += step.bytes;
            if step.more && partition.mark_write_queued() {
                unfinished.push(Arc::clone(&partition));
            }
            if (step.sync_due || short) && partition.mark_sync_queued() {
                due.push(partition);
            }
            if short {
                self.sync_for_descriptors(&mut due);
            }
            if bytes >= ROUND_BYTES_MAX {
                break;
            }
        }
        self.writes.push(unfinished);
        self.syncs.push(due);
        if let Some(round) = round {
            self.journal.end_round(round);
        }
        self.statistics.write_rounds.increment();
        true
    }

    /// Hands over what is due and syncs until the disk has descriptors again or nothing is left to be synced.
    fn sync_for_descriptors(&self, due: &mut Vec<Arc<LocalPartition>>) {
        self.syncs.push(due.drain(..));
        while self.disk.is_short_of_descriptors() && self.sync_step() {}
    }

    /// Syncs the partition that has waited longest. Returns whether there was one.
    pub(crate) fn sync_step(&self) -> bool {
        let Some(partition) = self.syncs.pop() else { return false };
        sync(&partition);
        true
    }

    /// Syncs every partition that is queued now, one after the other, and what the journal has been given. Returns whether there was one.
    pub(crate) fn sync_round(&self) -> bool {
        let count = self.syncs.lock().list.len();
        for _ in 0..count {
            self.sync_step();
        }
        self.journal_step() || count > 0
    }

    /// Makes durable what the journal has been given. Returns whether there was anything.
    pub(crate) fn journal_step(&self) -> bool {
        self.journal.step(&self.statistics)
    }

    /// The journal's thread.
    pub(crate) fn run_journal(&self) {
        while self.journal.wait() {
            self.journal_step();
        }
    }

    /// The writer thread.
    pub(crate) fn run_writer(&self) {
        while self.writes.wait() {
            self.write_round();
        }
    }

    /// A sync thread.
    pub(crate) fn run_syncer(&self) {
        while let Some(partition) = self.syncs.wait_pop() {
            sync(&partition);
        }
    }

    /// Ends the threads after what they are doing; the queues keep what is in them.
    pub(crate) fn stop(&self) {
        self.writes.stop();
        self.syncs.stop();
        self.journal.stop();
    }

    /// Forgets what is queued.
    pub(crate) fn clear(&self) {
        self.writes.lock().list.clear();
        self.syncs.lock().list.clear();
        self.journal.clear();
    }
}

fn write(partition: &Arc<LocalPartition>, mut round: Option<&mut Round>) -> WriteStep {
    let before = round.as_ref().map(|round| round.mark());
    let step = guarded(|| partition.write_step(round.as_deref_mut()));
    if let (None, Some(round), Some(before)) = (&step, round, before) {
        round.rewind(before);
    }
    step.unwrap_or_default()
}

fn sync(partition: &LocalPartition) {
    // A panic has poisoned the partition's lock, which takes that partition offline.
    let _ = guarded(|| partition.sync_step());
}

/// Keeps a thread alive through a panic of ours; the panic hook reports it.
fn guarded<T>(step: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(step)).ok()
}

/// A list that threads wait for. Pushing costs a system call only when somebody sleeps.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    list: VecDeque<Arc<LocalPartition>>,
    parked: usize,
    stopped: bool,
}

impl Queue {
    fn push(&self, partitions: impl IntoIterator<Item = Arc<LocalPartition>>) {
        let mut state = self.lock();
        let before = state.list.len();
        state.list.extend(partitions);
        let wake = (state.list.len() - before).min(state.parked);
        drop(state);
        for _ in 0..wake {
            self.filled.notify_one();
        }
    }

    fn pop(&self) -> Option<Arc<LocalPartition>> {
        self.lock().list.pop_front()
    }

    /// Waits until there is something; false when stopped.
    fn wait(&self) -> bool {
        self.wait_filled().is_some()
    }

    /// Waits for something and takes it; `None` when stopped.
    fn wait_pop(&self) -> Option<Arc<LocalPartition>> {
        self.wait_filled()?.list.pop_front()
    }

    fn wait_filled(&self) -> Option<MutexGuard<'_, QueueState>> {
        let mut state = self.lock();
        while !state.stopped && state.list.is_empty() {
            state.parked += 1;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.parked -= 1;
        }
        (!state.stopped).then_some(state)
    }

    fn stop(&self) {
        self.lock().stopped = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
