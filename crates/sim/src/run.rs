//! One run: an empty disk, then several lives of a process on it. A life begins with a start, which may meet planned
//! faults and a planned crash, and ends with a crash, a kill, a power loss or a clean stop. The last life has none of
//! these, and everything is looked at.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use highwater_disk::Operation;
use highwater_disk::sim::{Fault, Random, SimDisk};
use highwater_store::{Acknowledgement, AppendError, BoxFuture, LogStore};
use highwater_store_local::JournalOptions;
use highwater_types::TopicIdPartition;

use crate::groups::Clients;
use crate::metadata::Metadata;
use crate::model::Model;
use crate::stack::{Stack, Ticks, partitions_of};
use crate::tally::{self, Counts};
use crate::{Verdict, Violation, block, require, rot};

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
    /// How often what happened.
    pub counts: Counts,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// Adds another run's figures.
    pub fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.steps += other.steps;
        self.operations += other.operations;
        tally::add(&mut self.counts, &other.counts);
    }
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

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    BeforeServing,
    Killed,
    PowerLost,
}

/// The state of a run.
pub(crate) struct Run {
    pub(crate) random: Random,
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) ticks: Ticks,
    /// The free space below which appends are refused, in bytes.
    floor: Option<u64>,
    pub(crate) journal: JournalOptions,
    pub(crate) metadata: Metadata,
    pub(crate) models: BTreeMap<TopicIdPartition, Model>,
    pub(crate) pending: Vec<Pending>,
    /// The members of all groups.
    pub(crate) clients: Clients,
    /// What happens now, in the words of the tally.
    pub(crate) phase: &'static str,
    /// How the lives before this one ended, newest last.
    ends: Vec<End>,
    /// Markers carry it; each life has a higher one.
    pub(crate) coordinator_epoch: i32,
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
        if random.one_in(4) {
            disk.set_descriptor_limits(Some((6, usize::MAX)));
        }
        let floor = Some(if random.coin() { 0 } else { 10_000 });
        let journal = JournalOptions {
            half_bytes: if random.one_in(4) { 0 } else { [16 << 10, 48 << 10][random.index(2)] },
            partitions_min: random.index(4).saturating_sub(1),
        };
        Self {
            random,
            disk,
            ticks: Ticks::default(),
            floor,
            journal,
            metadata: Metadata::default(),
            models: BTreeMap::new(),
            pending: Vec::new(),
            clients: Clients::default(),
            phase: "died at start",
            ends: Vec::new(),
            coordinator_epoch: 0,
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
        match self.random.below(8) {
            0 | 1 => rot::damage(self),
            2 | 3 => block::destroy(self),
            4 => rot::under_cache(self),
            _ => Ok(()),
        }
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
        let (operation, pattern) = match self.random.below(11) {
            0 | 1 => (Operation::Sync, ".log"),
            2 => (Operation::Write, ".log"),
            3 => (Operation::Sync, ""),
            4 => (Operation::SyncDirectory, "/t"),
            5 => (Operation::Rename, ""),
            6 => (Operation::Allocate, ""),
            7 => (Operation::Sync, "meta.redb"),
            8 => (Operation::Open, ""),
            9 => (Operation::SetLength, ""),
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
        self.phase = "died in recovery";
        if self.random.coin() {
            while stack.store.recovery_step() {}
        }
        self.look(&stack)?;
        if !self.disk.has_crashed() {
            self.look_at_groups(&mut stack)?;
        }
        self.coordinator_epoch += 1;
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
            self.phase = "died while stopping";
            self.stop(&stack)?;
        }
        self.end_life(Some(stack))
    }

    /// Starts once more without faults, checks everything, stops cleanly, and starts again.
    fn last_life(&mut self) -> Verdict {
        self.faulty = false;
        for _ in 0..2 {
            let Some(mut stack) = self.start()? else { return Err(Violation("it did not start".to_owned())) };
            stack.settle();
            self.look(&stack)?;
            self.look_at_groups(&mut stack)?;
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
        self.phase = "died at start";
        let mut stack = match Stack::open(&self.disk, &self.ticks, self.floor, self.journal) {
            Ok(stack) => stack,
            Err(cause) => {
                self.note(|| format!("it does not start: {cause}"));
                require!(self.faulty || self.disk.has_crashed(), "it does not start: {cause}");
                return Ok(None);
            }
        };
        self.note(|| "started".to_owned());
        if stack.store.statistics().journal_replayed.get() > 0 {
            self.count("files completed from the journal");
        }
        self.metadata.found(&stack.records)?;
        let strays = stack.store.strays();
        require!(strays.is_empty(), "directories that nobody made were set aside: {strays:?}");
        self.know_topics();
        let orphans = std::mem::take(&mut stack.orphans);
        if !orphans.is_empty() {
            self.commit(&mut stack, orphans)?;
        }
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
        self.clients.keep_topics(|topic| partitions.keys().any(|id| id.topic_id == topic));
        for (id, config) in partitions {
            let model = self.models.entry(id).or_default();
            model.configure(config);
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
                *self.report.counts.entry("clean stop".to_owned()).or_default() += 1;
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
        if self.disk.has_crashed() {
            self.count(self.phase);
        }
        let journaled = stack.as_ref().map_or(0, |stack| stack.store.statistics().journal_batches.get());
        if journaled > 0 {
            self.count("records made durable by the journal");
        }
        let power = self.random.coin();
        self.count_end(power, stack.is_some());
        self.clients.lose_answers(self.ticks.load(Ordering::Relaxed));
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

    fn count_end(&mut self, power: bool, served: bool) {
        self.count(if power { "power lost" } else { "killed" });
        let at_start = !served || self.phase == "died in recovery";
        if at_start && self.disk.has_crashed() && self.ends.last() == Some(&End::BeforeServing) {
            self.count("died at start or in recovery twice in a row");
        }
        if power && served && self.ends.last() == Some(&End::Killed) {
            self.count("killed, recovered, served, power lost");
        }
        self.ends.push(match (at_start, power) {
            (true, _) => End::BeforeServing,
            (false, true) => End::PowerLost,
            (false, false) => End::Killed,
        });
    }

    /// Counts for the tally.
    pub(crate) fn count(&mut self, what: &str) {
        match self.report.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.report.counts.insert(what.to_owned(), 1)),
        }
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
        for (event, count) in self.disk.take_events() {
            *self.report.counts.entry(event.to_string()).or_default() += count;
        }
        if let Some(trace) = &mut self.trace {
            trace.extend(self.disk.take_trace().into_iter().map(|line| format!("            disk {line}")));
        }
    }
}
