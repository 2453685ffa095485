//! Recovery of all partitions at start, in the background, and what is told of it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use highwater_partition_log::LogRecovery;
use highwater_types::{Instant, TopicIdPartition};

use crate::Clock;
use crate::partition::{Begin, LocalPartition, Started};

/// How far recovery is.
#[derive(Debug, Clone, Default)]
pub struct RecoveryProgress {
    /// Partitions that were there at start.
    pub total: usize,
    /// Those that are recovered or have failed.
    pub done: usize,
    /// Those that are offline.
    pub failed: usize,
    /// Bytes of log that were read to find the logs' ends.
    pub scanned_bytes: u64,
    /// Nanoseconds from the start to the last partition that is done.
    pub took_ns: u64,
    /// What was found where more than a clean end was found.
    pub notable: Vec<PartitionRecovery>,
}

/// What was found in one partition.
#[derive(Debug, Clone)]
pub struct PartitionRecovery {
    /// The partition.
    pub id: TopicIdPartition,
    /// Its topic's name.
    pub topic: Arc<str>,
    /// In words: what was cut or finished, or why the partition is offline.
    pub found: String,
    /// Whether it is offline.
    pub failed: bool,
}

/// Partitions that wait for their recovery.
#[derive(Debug)]
pub(crate) struct Recovery {
    state: Mutex<State>,
    clock: Clock,
    began: Instant,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Arc<LocalPartition>, Begin)>,
    progress: RecoveryProgress,
    wakers: Vec<Waker>,
}

impl Recovery {
    pub(crate) fn new(waiting: VecDeque<(Arc<LocalPartition>, Begin)>, clock: Clock) -> Arc<Self> {
        let progress = RecoveryProgress { total: waiting.len(), ..RecoveryProgress::default() };
        let state = Mutex::new(State { waiting, progress, wakers: Vec::new() });
        let began = clock.now();
        Arc::new(Self { state, clock, began })
    }

    /// Recovers the next partition. Returns whether there was one.
    pub(crate) fn step(&self) -> bool {
        let Some((partition, begin)) = self.lock().waiting.pop_front() else { return false };
        // A panic has poisoned the partition's lock, which takes it offline.
        let started = catch_unwind(AssertUnwindSafe(|| partition.start(&begin)));
        let started =
            started.unwrap_or_else(|_| Started::Failed("a fault of the broker ended recovery".to_owned()));
        let wakers = {
            let mut state = self.lock();
            state.progress.add(&partition, &started);
            state.progress.took_ns = self.clock.now().0.saturating_sub(self.began.0);
            if state.progress.done < state.progress.total {
                Vec::new()
            } else {
                std::mem::take(&mut state.wakers)
            }
        };
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// A recovery thread.
    pub(crate) fn run(&self) {
        while self.step() {}
    }

    /// Leaves what has not begun.
    pub(crate) fn stop(&self) {
        self.lock().waiting.clear();
    }

    pub(crate) fn progress(&self) -> RecoveryProgress {
        self.lock().progress.clone()
    }

    /// Resolves when every partition is recovered or has failed.
    pub(crate) async fn finished(self: Arc<Self>) {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.progress.done >= state.progress.total {
                return Poll::Ready(());
            }
            state.wakers.retain(|waker| !waker.will_wake(context.waker()));
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecoveryProgress {
    fn add(&mut self, partition: &LocalPartition, started: &Started) {
        self.done += 1;
        let found = match started {
            Started::Recovered(recovery) => {
                self.scanned_bytes = self.scanned_bytes.saturating_add(recovery.segments.scanned_bytes);
                describe(recovery)
            }
            Started::Made => Some("its directory was missing; it was empty, and was made again".to_owned()),
            Started::Failed(cause) => {
                self.failed += 1;
                Some(cause.clone())
            }
            Started::Abandoned => None,
        };
        let failed = matches!(started, Started::Failed(_));
        if let Some(found) = found {
            if !failed {
                tracing::warn!(%partition, found, "recovery");
            }
            let (id, topic) = (partition.key(), Arc::clone(partition.topic()));
            self.notable.push(PartitionRecovery { id, topic, found, failed });
        }
    }
}

/// What people should know of a recovery; `None` when it found a clean end.
fn describe(recovery: &LogRecovery) -> Option<String> {
    let mut found = Vec::new();
    if let Some(cut) = &recovery.segments.cut {
        let kept: Vec<_> = cut.kept_as.iter().map(|path| path.display().to_string()).collect();
        found.push(format!(
            "{} bytes behind position {} of the segment at offset {} were cut off ({}) and kept as {}",
            cut.bytes,
            cut.position,
            cut.segment,
            cut.reason,
            kept.join(", ")
        ));
    }
    for path in &recovery.kept {
        found.push(format!("a directory stood in the place of a file; it is {} now", path.display()));
    }
    if !recovery.segments.finished.is_empty() {
        found.push(format!("finished or removed: {}", recovery.segments.finished.join(", ")));
    }
    if recovery.epoch_raised {
        found.push(format!("the leader epoch rose to {}", recovery.leader_epoch));
    }
    (!found.is_empty()).then(|| found.join("; "))
}
