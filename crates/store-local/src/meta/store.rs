//! The store with its thread: group commit.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use highwater_disk::Disk;
use highwater_store::{BoxFuture, MetaChange, MetaError, MetaRecord, MetaStatistics, MetaStore};

use super::core::MetaCore;
use super::engine::{EncodedChange, encode};
use crate::oneshot;

/// Commits that may wait. More callers than this are told so.
const WAITING_MAX: usize = 16_384;
/// After this time without a commit, a store that was out of space tries an empty one.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// Commits that share one transaction.
const GROUP_MAX: usize = 4_096;

/// Metadata on the local disk. One thread commits what waits; [`RedbMetaStore::close`] ends it.
pub struct RedbMetaStore {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    statistics: MetaStatistics,
    core: Mutex<Option<MetaCore>>,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    closed: bool,
}

struct Waiting {
    changes: Vec<EncodedChange>,
    answer: oneshot::Sender<Result<(), MetaError>>,
}

impl RedbMetaStore {
    /// Opens the file `path`, making it when it is not there, and starts the thread.
    ///
    /// # Errors
    /// As [`MetaCore::open`]; [`MetaError::Failed`] also when something in a file of up to 32 MiB is damaged, and when the
    /// thread cannot be started.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Arc<Self>, MetaError> {
        let core = Mutex::new(Some(MetaCore::open_checked(disk, path)?));
        let shared = Arc::new(Shared {
            statistics: MetaStatistics::default(),
            core,
            queue: Mutex::default(),
            wake: Condvar::new(),
        });
        let thread = std::thread::Builder::new().name("metadata".to_string()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run()
        });
        let thread = thread.map_err(|error| MetaError::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Commits what waits, takes nothing more, ends the thread and closes the file cleanly. Idempotent.
    pub fn close(&self) {
        self.shared.close_queue();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the metadata thread panicked");
        }
        *lock(&self.shared.core) = None;
    }
}

impl Drop for RedbMetaStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl MetaStore for RedbMetaStore {
    fn load(&self) -> Result<Vec<MetaRecord>, MetaError> {
        lock(&self.shared.core).as_mut().ok_or_else(closed)?.load()
    }

    fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>> {
        let answer = self.shared.enqueue(&changes);
        Box::pin(async move { answer?.await.unwrap_or_else(|oneshot::Dropped| Err(closed())) })
    }

    fn statistics(&self) -> Option<&MetaStatistics> {
        Some(&self.shared.statistics)
    }
}

impl Shared {
    fn enqueue(&self, changes: &[MetaChange]) -> Result<oneshot::Receiver<Result<(), MetaError>>, MetaError> {
        let changes = encode(changes)?;
        let (answer, receiver) = oneshot::channel();
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(closed());
        }
        if queue.waiting.len() >= WAITING_MAX {
            return Err(MetaError::Busy);
        }
        queue.waiting.push_back(Waiting { changes, answer });
        self.wake.notify_one();
        Ok(receiver)
    }

    fn run(&self) {
        // However the thread ends, nobody waits for it in vain.
        let _close = CloseOnDrop(self);
        let mut retry = None;
        while let Some(group) = self.next_group(retry) {
            let (changes, answers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.changes, waiting.answer)).unzip();
            let began = std::time::Instant::now();
            let result = match lock(&self.core).as_mut() {
                Some(core) => core.commit_encoded(&changes),
                None => Err(closed()),
            };
            // On a full disk the next success tells that there is space again, even if nobody commits anything.
            retry = matches!(result, Err(MetaError::OutOfSpace)).then_some(RETRY_DELAY);
            self.statistics.commits.add(answers.len() as u64);
            self.statistics.writes.record(began.elapsed());
            let was_failing = self.statistics.is_failing.swap(result.is_err(), Ordering::Relaxed);
            match &result {
                Ok(()) if was_failing => tracing::info!("metadata is committed again"),
                Ok(()) => {}
                Err(error) => {
                    self.statistics.refused.add(answers.len() as u64);
                    // Once: on a full disk every commit fails until there is space.
                    if !was_failing {
                        tracing::error!(commits = answers.len(), %error, "metadata was not committed");
                    }
                }
            }
            answers.into_iter().for_each(|answer| answer.send(result.clone()));
        }
    }

    /// Waits for commits and takes them, none when there were none for the time of `retry`; `None` when the queue is
    /// closed and empty.
    fn next_group(&self, retry: Option<Duration>) -> Option<Vec<Waiting>> {
        let until = retry.map(|delay| std::time::Instant::now() + delay);
        let mut queue = lock(&self.queue);
        while queue.waiting.is_empty() {
            if queue.closed {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(std::time::Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            let left = left.unwrap_or(Duration::MAX);
            (queue, _) = self.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
        }
        let count = queue.waiting.len().min(GROUP_MAX);
        Some(queue.waiting.drain(..count).collect())
    }

    fn close_queue(&self) {
        lock(&self.queue).closed = true;
        self.wake.notify_one();
    }
}

struct CloseOnDrop<'a>(&'a Shared);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close_queue();
        lock(&self.0.queue).waiting.clear();
    }
}

fn closed() -> MetaError {
    MetaError::Failed("the metadata store is closed".to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for RedbMetaStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbMetaStore")
    }
}
