//! One run: an empty disk, then several lives of a process on it. A life begins with a start, which may meet planned
//! faults and a planned crash, and ends with a crash, a kill, a power loss or a clean stop. The last life has none of
//! these, and everything is looked at.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use highwater_disk::Operation;
use highwater_disk::sim::{Fault, Random, SimDisk};
use highwater_store::{Acknowledgement, AppendError, BoxFuture, LogStore};
use highwater_types::TopicIdPartition;

use crate::configs;
use crate::metadata::Metadata;
use crate::model::Model;
use crate::stack::{Stack, Ticks, partitions_of};
use crate::{Verdict, Violation, require, rot};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// Lives at most; each has a few dozen steps. Default 8.
    pub lives: u64,
    /// Whether a trace is kept, of the run's steps and the disk's operations.
    pub trace: bool,
}

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Crashes, kills and power losses.
    pub crashes: u64,
    /// Steps of clients and broker.
    pub steps: u64,
    /// Operations of the disk that change something.
    pub operations: u64,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

/// A run that found a promise broken.
#[derive(Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// Which promise.
    pub violation: Violation,
    /// What happened until then, if it was asked for.
    pub trace: Vec<String>,
}

/// Does one run.
///
/// # Errors
/// The first promise that was found broken; a panic of the stack counts as one.
pub fn run(options: &Options) -> Result<Report, Failure> {
    let mut run = Run::new(options);
    let result = catch_unwind(AssertUnwindSafe(|| run.lives(options.lives)));
    let verdict = result.unwrap_or_else(|_| Err(Violation("the stack panicked".to_owned())));
    run.collect_disk_trace();
    let trace = run.trace.take().unwrap_or_default();
    match verdict {
        Ok(()) => Ok(Report { trace, ..run.report }),
        Err(violation) => Err(Failure { seed: options.seed, violation, trace }),
    }
}

/// An append whose answer is awaited.
pub(crate) struct Pending {
    pub(crate) id: TopicIdPartition,
    pub(crate) base: i64,
    pub(crate) last: i64,
    pub(crate) level: Acknowledgement,
    pub(crate) wait: BoxFuture<'static, Result<(), AppendError>>,
}

/// The state of a run.
pub(crate) struct Run {
    pub(crate) random: Random,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) ticks: Ticks,
    pub(crate) metadata: Metadata,
    pub(crate) models: BTreeMap<TopicIdPartition, Model>,
    pub(crate) pending: Vec<Pending>,
    /// Something was ordered to fail in this life.
    pub(crate) faulty: bool,
    /// A commit of metadata failed in this life: none is taken any more.
    pub(crate) metadata_failed: bool,
    /// Makes topic ids, payloads and names that are used once.
    pub(crate) counter: u64,
    pub(crate) report: Report,
    pub(crate) trace: Option<Vec<String>>,
}

impl Run {
    fn new(options: &Options) -> Self {
        let mut random = Random::new(options.seed ^ 0x5109_8a0f_31c2_77e5);
        let disk = SimDisk::new(random.number());
        disk.set_tracing(options.trace);
        disk.set_short_writes(if random.one_in(3) { 4 } else { 0 });
        disk.set_interruptions(if random.one_in(3) { 8 } else { 0 });
        Self {
            random,
            disk,
            ticks: Ticks::default(),
            metadata: Metadata::default(),
            models: BTreeMap::new(),
            pending: Vec::new(),
            faulty: false,
            metadata_failed: false,
            counter: 0,
            report: Report::default(),
            trace: options.trace.then(Vec::new),
        }
    }

    fn lives(&mut self, lives_max: u64) -> Verdict {
        let lives = 2 + self.random.below(lives_max.saturating_sub(1));
        for _ in 1..lives {
            self.plan();
            self.life()?;
        }
        self.last_life()?;
        if self.random.one_in(4) { rot::damage(self) } else { Ok(()) }
    }

    /// Decides when the machine dies in the coming life, and what fails.
    fn plan(&mut self) {
        let at = match self.random.below(10) {
            0..=2 => Some(1 + self.random.below(60)),
            3..=6 => Some(1 + self.random.below(900)),
            _ => None,
        };
        if let Some(at) = at {
            self.disk.crash_at(at);
            self.note(|| format!("the machine will die in operation {at}"));
        }
        self.faulty = self.random.one_in(4);
        if self.faulty {
            for _ in 0..=self.random.below(2) {
                self.plan_fault();
            }
        }
    }

    fn plan_fault(&mut self) {
        let fault = if self.random.coin() { Fault::Io } else { Fault::OutOfSpace };
        if self.random.one_in(3) {
            let at = 1 + self.random.below(500);
            self.disk.fail_at(at, fault);
            self.note(|| format!("operation {at} will fail: {fault:?}"));
            return;
        }
        let (operation, pattern) = match self.random.below(9) {
            0 | 1 => (Operation::Sync, ".log"),
            2 => (Operation::Write, ".log"),
            3 => (Operation::Sync, ""),
            4 => (Operation::SyncDirectory, "/t"),
            5 => (Operation::Rename, ""),
            6 => (Operation::Allocate, ""),
            7 => (Operation::Sync, "meta.redb"),
            _ => (Operation::Read, ".log"),
        };
        self.disk.fail_next(operation, pattern, fault);
        self.note(|| format!("the next {operation:?} of {pattern:?} will fail: {fault:?}"));
    }

    fn life(&mut self) -> Verdict {
        let mut stack = match self.start()? {
            Some(stack) => stack,
            None => return self.end_life(None),
        };
        if self.random.coin() {
            while stack.store.recovery_step() {}
        }
        self.look(&stack)?;
        let steps = 10 + self.random.below(140);
        for _ in 0..steps {
            if self.disk.has_crashed() {
                break;
            }
            self.report.steps += 1;
            self.step(&mut stack)?;
            self.look(&stack)?;
        }
        if !self.disk.has_crashed() && self.random.one_in(6) {
            self.stop(&stack)?;
        }
        self.end_life(Some(stack))
    }

    /// Starts once more without faults, checks everything, stops cleanly, and starts again.
    fn last_life(&mut self) -> Verdict {
        self.faulty = false;
        for _ in 0..2 {
            let Some(stack) = self.start()? else { return Err(Violation("it did not start".to_owned())) };
            stack.settle();
            self.look(&stack)?;
            self.require_all_open()?;
            self.stop(&stack)?;
            self.end_life(Some(stack))?;
        }
        Ok(())
    }

    pub(crate) fn require_all_open(&self) -> Verdict {
        for (id, model) in &self.models {
            require!(model.open, "{id} is not served after a start on a healthy disk");
        }
        Ok(())
    }

    /// Starts the stack; `None` when it could not, and had a reason.
    pub(crate) fn start(&mut self) -> Verdict<Option<Stack>> {
        self.disk.set_capacity(None);
        self.metadata_failed = false;
        let stack = match Stack::open(&self.disk, &self.ticks) {
            Ok(stack) => stack,
            Err(cause) => {
                self.note(|| format!("it does not start: {cause}"));
                require!(self.faulty || self.disk.has_crashed(), "it does not start: {cause}");
                return Ok(None);
            }
        };
        self.note(|| "started".to_owned());
        self.metadata.found(&stack.records)?;
        let strays = stack.store.strays();
        require!(strays.is_empty(), "directories that nobody made were set aside: {strays:?}");
        self.know_topics();
        Ok(Some(stack))
    }

    /// Makes the models those of the topics that there are.
    fn know_topics(&mut self) {
        let partitions: BTreeMap<_, _> = self
            .metadata
            .records()
            .flat_map(partitions_of)
            .map(|partition| (partition.id, partition.config))
            .collect();
        self.models.retain(|id, _| partitions.contains_key(id));
        for (id, config) in partitions {
            let model = self.models.entry(id).or_default();
            model.lets_go |= configs::lets_go(&config);
            model.set_policy(config.sync_policy);
            model.open = false;
        }
    }

    /// A clean stop.
    fn stop(&mut self, stack: &Stack) -> Verdict {
        self.note(|| "stopping".to_owned());
        let result = stack.drive(stack.store.close());
        self.look_at_answers()?;
        match result {
            Some(Ok(())) if !self.faulty => {
                for (id, model) in &mut self.models {
                    if model.open {
                        model.promise(model.end(), true);
                        self.pending.retain(|pending| pending.id != *id);
                    }
                }
                require!(self.pending.is_empty(), "a clean stop leaves answers open");
            }
            Some(Ok(())) => {}
            Some(Err(error)) => {
                require!(self.faulty || self.disk.has_crashed(), "it does not stop: {error}");
            }
            None => return Err(Violation("stopping does not come to its end".to_owned())),
        }
        Ok(())
    }

    /// Death of the process or loss of power, whatever happened before.
    pub(crate) fn end_life(&mut self, stack: Option<Stack>) -> Verdict {
        self.collect_disk_trace();
        self.report.operations += self.disk.operations();
        self.report.crashes += 1;
        let power = self.random.coin();
        let next = if power { self.disk.power_loss(self.random.number()) } else { self.disk.kill() };
        self.pending.clear();
        drop(stack);
        for model in self.models.values_mut() {
            // What a device lost in a failed sync is lost to the next process too.
            if power || self.faulty {
                model.power_lost();
            }
            model.open = false;
        }
        self.disk = next;
        self.collect_disk_trace();
        Ok(())
    }

    // --- the trace ------------------------------------------------------------------------------------------------

    /// Adds a line to the trace, behind what the disk did until now.
    pub(crate) fn note<T: Display>(&mut self, line: impl FnOnce() -> T) {
        if self.trace.is_some() {
            self.collect_disk_trace();
            let line = format!("{:5} {}", self.report.steps, line());
            self.trace.get_or_insert_default().push(line);
        }
    }

    fn collect_disk_trace(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.extend(self.disk.take_trace().into_iter().map(|line| format!("            disk {line}")));
        }
    }
}
