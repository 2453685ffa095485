//! What the server asks of a partition.

use std::sync::Arc;

use bytes::Bytes;
use highwater_partition_log::{
    Appended, EpochEnd, Isolation, LogConfig, LogOffsets, Origin, OutOfRange, PartitionLog, PlanError,
    ReadMode, ReadOutcome, ReadPlan, ReadRequest, TimestampPlan, TimestampedOffset,
};
use highwater_store::{
    Acknowledgement, AppendError, BoxFuture, Partition, PartitionProblem, PartitionState, ReadError, Watch,
    WatchSet,
};
use highwater_types::{LeaderEpoch, Offset, Timestamp, TopicIdPartition};

use super::{Full, LocalPartition, Mode};
use crate::pool::PoolClosed;
use crate::waiters::Wakers;

impl Partition for LocalPartition {
    fn id(&self) -> TopicIdPartition {
        self.id
    }

    fn state(&self) -> PartitionState {
        Self::state_of(&self.lock())
    }

    fn offsets(&self) -> LogOffsets {
        let inner = self.lock();
        inner.log.as_ref().map_or(inner.offsets, PartitionLog::offsets)
    }

    fn size(&self) -> u64 {
        self.lock().log.as_ref().map_or(0, PartitionLog::size)
    }

    fn append_problem(&self) -> Option<PartitionProblem> {
        let problem = self.lock().mode.append_problem();
        problem.or_else(|| self.shared.space.is_low().then_some(PartitionProblem::OutOfSpace))
    }

    fn unsynced_bytes(&self) -> u64 {
        let inner = self.lock();
        inner.staged.saturating_add(inner.unsynced)
    }

    fn segment_count(&self) -> usize {
        self.lock().log.as_ref().map_or(0, |log| log.segments().len())
    }

    fn append(&self, records: Bytes, origin: Origin, now: Timestamp) -> Result<Appended, AppendError> {
        let statistics = &self.shared.committer.statistics;
        let size = records.len() as u64;
        let appended = {
            let mut inner = self.lock();
            let problem = inner.mode.append_problem().or_else(|| {
                let refused = origin == Origin::Client && !self.shared.take_space(size);
                refused.then_some(PartitionProblem::OutOfSpace)
            });
            if let Some(problem) = problem {
                if problem == PartitionProblem::OutOfSpace {
                    statistics.refused_for_space.increment();
                }
                return Err(AppendError::Unavailable(problem));
            }
            let Some(log) = inner.log.as_mut() else {
                return Err(AppendError::Unavailable(PartitionProblem::Recovering));
            };
            let appended = log.append(records, origin, now).map_err(|refusal| {
                statistics.refused_batches.increment();
                AppendError::Refused(refusal)
            })?;
            self.count_staged(&mut inner);
            appended
        };
        if appended.duplicate {
            statistics.duplicate_batches.increment();
        } else {
            let records = appended.last_offset.0.saturating_sub(appended.base_offset.0).saturating_add(1);
            statistics.appended_batches.increment();
            statistics.appended_records.add(u64::try_from(records).unwrap_or(0));
            statistics.appended_bytes.add(size);
        }
        if !appended.duplicate {
            self.request_write();
        }
        Ok(appended)
    }

    fn acknowledged(
        &self,
        appended: &Appended,
        level: Acknowledgement,
    ) -> BoxFuture<'static, Result<(), AppendError>> {
        let Some(me) = self.me.upgrade() else {
            return ready(Err(AppendError::Unavailable(PartitionProblem::Gone)));
        };
        match me.wait_for(level.into(), appended.last_offset.next()) {
            Ok(wait) => Box::pin(wait),
            Err(answer) => ready(answer),
        }
    }

    fn read(&self, request: ReadRequest) -> BoxFuture<'static, Result<ReadOutcome, ReadError>> {
        let Some(me) = self.me.upgrade() else { return ready(Err(gone())) };
        Box::pin(async move {
            let plan = me.plan(|log| log.read_plan(request).map_err(out_of_range))?;
            me.run_plan(plan, ReadPlan::run).await
        })
    }

    fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        isolation: Isolation,
    ) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>> {
        let Some(me) = self.me.upgrade() else { return ready(Err(gone())) };
        Box::pin(async move {
            let plan = me.plan(|log| Ok(log.timestamp_plan(timestamp, isolation)))?;
            me.run_plan(plan, TimestampPlan::run).await
        })
    }

    fn max_timestamp(&self) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>> {
        let Some(me) = self.me.upgrade() else { return ready(Err(gone())) };
        Box::pin(async move {
            let plan = me.plan(|log| Ok(log.max_timestamp_plan()))?;
            me.run_plan(plan, TimestampPlan::run).await
        })
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        let none = EpochEnd { leader_epoch: LeaderEpoch::NONE, end_offset: Offset(-1) };
        self.lock().log.as_ref().map_or(none, |log| log.end_of_epoch(epoch))
    }

    fn earliest_epoch(&self) -> LeaderEpoch {
        self.lock().log.as_ref().map_or(LeaderEpoch::NONE, |log| log.earliest_epoch())
    }

    fn watch(self: Arc<Self>, set: &Arc<WatchSet>, token: u32) -> Watch {
        let number = self.waiters().watch(Arc::clone(set), token);
        Watch::new(move || self.waiters().unwatch(number))
    }

    fn configure(&self, config: LogConfig) {
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        inner.config = config.clone();
        let Some(log) = inner.log.as_mut() else { return };
        log.configure(config);
        let due = log.sync_due(self.shared.clock.now());
        // A stricter policy takes back what may be answered; what is unsynced is synced for those who ask again.
        self.publish(&inner, &mut wakers);
        drop(inner);
        if self.take_due(due) {
            self.request_sync();
        }
    }

    fn synced(&self) -> BoxFuture<'static, Result<(), PartitionProblem>> {
        match self.me.upgrade() {
            Some(me) => Box::pin(me.sync_visible()),
            None => ready(Err(PartitionProblem::Gone)),
        }
    }

    fn delete_records(&self, before: Offset) -> BoxFuture<'static, Result<Offset, ReadError>> {
        let Some(me) = self.me.upgrade() else { return ready(Err(gone())) };
        Box::pin(async move { me.raise_start(before).await })
    }
}

impl LocalPartition {
    /// Makes a plan under the lock, if reads are served.
    fn plan<T>(&self, make: impl FnOnce(&PartitionLog) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let inner = self.lock();
        if let Some(problem) = inner.mode.read_problem() {
            return Err(ReadError::Unavailable(problem));
        }
        let Some(log) = inner.log.as_ref() else {
            return Err(ReadError::Unavailable(PartitionProblem::Recovering));
        };
        // A repair that broke off may have shown that the device lacks what was visible.
        if inner.mode == Mode::Full(Full::Unrepaired) && log.suspect().is_some() {
            return Err(ReadError::Unavailable(PartitionProblem::OutOfSpace));
        }
        make(log)
    }

    /// Runs a plan here if its bytes are in memory, otherwise on a reader thread.
    async fn run_plan<P, T>(
        self: Arc<Self>,
        plan: P,
        run: fn(&P, ReadMode) -> Result<T, PlanError>,
    ) -> Result<T, ReadError>
    where
        P: Send + 'static,
        T: Send + 'static,
    {
        let result = match run(&plan, ReadMode::Resident) {
            Err(PlanError::WouldBlock) => {
                let waited = self.shared.readers.run(move || run(&plan, ReadMode::Blocking)).await;
                waited.map_err(|PoolClosed| closed())?
            }
            result => result,
        };
        result.map_err(|error| self.read_failed(&error))
    }

    /// A read that failed leaves the partition as it is: other bytes may well be readable.
    fn read_failed(&self, error: &PlanError) -> ReadError {
        let cause = error.to_string();
        let mut logged = self.read_problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *logged != cause {
            tracing::error!(partition = %self, cause, "a read failed");
            logged.clone_from(&cause);
        }
        ReadError::Unavailable(PartitionProblem::Storage(cause))
    }

    /// Raises the log's start; resolves when the new one is in the checkpoint. What lies below it is synced first,
    /// whatever the policy: a start that a power loss leaves above the end would take the end, or itself, back.
    async fn raise_start(self: Arc<Self>, before: Offset) -> Result<Offset, ReadError> {
        let offsets = self.offsets();
        if before > offsets.synced_end && before <= offsets.high_watermark {
            Arc::clone(&self).sync_up_to(before).await.map_err(ReadError::Unavailable)?;
        }
        let (start, generation) = {
            let mut inner = self.lock();
            if let Some(problem) = inner.mode.change_problem() {
                return Err(ReadError::Unavailable(problem));
            }
            let Some(log) = inner.log.as_mut() else {
                return Err(ReadError::Unavailable(PartitionProblem::Recovering));
            };
            let start = log.delete_records(before).map_err(out_of_range)?;
            (start, self.shared.checkpoints.set(self.id, log.checkpoint(), false))
        };
        let me = Arc::clone(&self);
        let write = move || {
            me.shared.checkpoints.write_covering(generation, me.shared.disk.as_ref(), &me.shared.path)
        };
        match self.shared.admin.run(write).await {
            Ok(Ok(())) => {
                self.shared.maintenance.retain_now(Arc::clone(&self), self.shared.clock.now());
                Ok(start)
            }
            Ok(Err(error)) if error.is_out_of_space() => {
                Err(ReadError::Unavailable(PartitionProblem::OutOfSpace))
            }
            Ok(Err(error)) => Err(ReadError::Unavailable(PartitionProblem::Storage(error.to_string()))),
            Err(PoolClosed) => Err(closed()),
        }
    }
}

fn ready<T: Send + 'static>(value: T) -> BoxFuture<'static, T> {
    Box::pin(std::future::ready(value))
}

fn gone() -> ReadError {
    ReadError::Unavailable(PartitionProblem::Gone)
}

fn closed() -> ReadError {
    ReadError::Unavailable(PartitionProblem::Storage(super::CLOSED.to_owned()))
}

fn out_of_range(error: OutOfRange) -> ReadError {
    ReadError::OutOfRange { log_start_offset: error.log_start_offset, high_watermark: error.high_watermark }
}
