//! Stopping cleanly: what was accepted becomes durable, files end at their last batch, the marker is left.
//!
//! 1. nothing new begins: admin, maintenance, recovery and committer threads end after what they are doing;
//! 2. appends are refused;
//! 3. what is staged is written, what is written is synced, whatever the policy;
//! 4. each log is closed, in parallel, and its entry in the checkpoint marked clean;
//! 5. the checkpoint is written, and only then the marker; the directory is unlocked.
//!
//! A log that cannot be closed keeps an entry that is not clean and is recovered at the next start; so is a partition
//! that was offline. A device that does not answer ends the wait, not the work: then there is no marker.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use highwater_disk::DiskError;
use highwater_store::{BoxFuture, StoreError};

use crate::partition::LocalPartition;
use crate::store::{Engine, LocalStore};
use crate::threads;

/// Whether the store is being closed, and what that came to.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: bool,
    result: Option<Result<(), StoreError>>,
    wakers: Vec<Waker>,
}

impl LocalStore {
    pub(crate) fn close_store(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        if !std::mem::replace(&mut self.closing.lock().begun, true) {
            self.begin_close();
        }
        let closing = Arc::clone(&self.closing);
        Box::pin(async move { closing.finished().await })
    }

    /// Closes on a thread of its own, watched by another that gives up in time. Without threads, here.
    fn begin_close(&self) {
        let (engine, closing) = (Arc::clone(&self.engine), Arc::clone(&self.closing));
        let timeout = Duration::from_millis(self.close_timeout_ms);
        let watch = move || closing.finish(close_in_time(&engine, timeout));
        if !self.has_threads {
            return self.closing.finish(self.engine.close());
        }
        if let Err(error) = std::thread::Builder::new().name("close".to_owned()).spawn(watch) {
            tracing::warn!(%error, "closing without a thread of its own");
            self.closing.finish(self.engine.close());
        }
    }
}

fn close_in_time(engine: &Arc<Engine>, timeout: Duration) -> Result<(), StoreError> {
    let (sender, receiver) = mpsc::channel();
    let worker = Arc::clone(engine);
    let work = move || {
        // Nobody listens any more when it took too long.
        let _ = sender.send(worker.close());
    };
    if let Err(error) = std::thread::Builder::new().name("close".to_owned()).spawn(work) {
        return Err(StoreError::Storage(format!(
            "a thread to close the store could not be started: {error}"
        )));
    }
    receiver.recv_timeout(timeout).unwrap_or_else(|_| {
        Err(StoreError::Storage(format!("the store was not closed within {} ms", timeout.as_millis())))
    })
}

impl Closing {
    fn finish(&self, result: Result<(), StoreError>) {
        let wakers = {
            let mut state = self.lock();
            state.result = Some(result);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    async fn finished(&self) -> Result<(), StoreError> {
        poll_fn(|context| {
            let mut state = self.lock();
            if let Some(result) = &state.result {
                return Poll::Ready(result.clone());
            }
            state.wakers.retain(|waker| !waker.will_wake(context.waker()));
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Closes everything; see the module.
    fn close(&self) -> Result<(), StoreError> {
        self.stop_threads();
        let shared = &self.shared;
        let partitions = shared.all_partitions();
        partitions.iter().for_each(|partition| partition.refuse_appends());
        self.drain(&partitions);
        threads::for_each(&partitions, shared.threads_per_call, |partition| {
            if let Some(checkpoint) = partition.close() {
                shared.checkpoints.set(partition.key(), checkpoint, true);
            }
        });
        let result = self.write_ends();
        shared.readers.close();
        self.directory.unlock();
        result.map_err(|error| match error.is_out_of_space() {
            true => StoreError::OutOfSpace,
            false => StoreError::Storage(error.to_string()),
        })
    }

    /// Writes and syncs until nothing is left that can be. A partition that fails is no longer dirty.
    fn drain(&self, partitions: &[Arc<LocalPartition>]) {
        loop {
            while self.shared.committer.write_round() || self.shared.committer.journal_step() {}
            let progress = AtomicBool::new(false);
            threads::for_each(partitions, self.sync_threads, |partition| {
                if partition.is_dirty() {
                    // The queue may have lost it to a thread that was stopped.
                    partition.write_step(None);
                    partition.sync_step();
                    progress.store(true, Ordering::Relaxed);
                }
            });
            if !progress.into_inner() {
                return;
            }
        }
    }

    fn write_ends(&self) -> Result<(), DiskError> {
        let shared = &self.shared;
        if let Err(error) = shared.synced_ends.sync() {
            tracing::warn!(%error, "the synced ends were not made durable");
        }
        shared.checkpoints.write(shared.disk.as_ref(), &shared.path)?;
        shared.committer.journal.remove(shared.disk.as_ref(), &shared.path, &shared.synced_ends)?;
        self.directory.write_marker()
    }
}
