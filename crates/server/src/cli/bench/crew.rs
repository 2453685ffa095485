//! Members of many groups on few connections: they join, settle, do what is to be measured, and leave.
//!
//! Each connection has a thread, which holds one member of each of its groups. While a group settles, its members must be on different
//! connections, because a join is answered only when the others have joined; so groups settle in waves of
//! `connections / members`. Every thread goes through the groups in the same order: the earliest wave that is not settled
//! has all its members at work, so no wave waits for a later one.

use std::time::{Duration, Instant};

use super::gate::{Gate, Phase, Progress};
use super::tally::Tally;
use super::topic;
use super::usage::{Probe, Usage};
use crate::client::member::{Beat, Member};
use crate::client::{ClientError, Cluster, groups};

/// How many, where and how fast.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Where the cluster is.
    pub(super) bootstrap: String,
    /// Groups.
    pub(super) groups: usize,
    /// Members of each group.
    pub(super) members: usize,
    /// Connections, each with a thread; at least `members`.
    pub(super) connections: usize,
    /// Partitions of the topic that all groups consume.
    pub(super) partitions: usize,
    /// Time from one heartbeat of a member to its next.
    pub(super) heartbeat: Duration,
    /// The same until the groups are settled: how fast a member learns that it is to join again.
    pub(super) join_heartbeat: Duration,
    /// How long the measured work lasts.
    pub(super) duration: Duration,
    /// The broker's process, if it runs on this machine.
    pub(super) pid: Option<u32>,
}

/// What came out.
#[derive(Debug)]
pub(super) struct Outcome {
    /// From the first join until every member of every group had its part of one generation.
    pub(super) settled: Duration,
    /// Heartbeats during the measured work.
    pub(super) beats: Tally,
    /// What the work itself has counted.
    pub(super) work: Tally,
    /// How long it took.
    pub(super) during: Duration,
    /// What broker and machine used meanwhile.
    pub(super) usage: Usage,
}

const POLL: Duration = Duration::from_millis(50);

impl Plan {
    /// The topic's name; of this process only.
    pub(super) fn topic(&self) -> String {
        format!("highwater-bench-{}", std::process::id())
    }

    /// A group's id.
    pub(super) fn group(&self, number: usize) -> String {
        format!("highwater-bench-{}-{number}", std::process::id())
    }

    /// Groups that settle at the same time.
    fn wave(&self) -> usize {
        self.connections / self.members
    }
}

/// Lets the members of `plan` settle, then has each connection do `work` until the time is over, and takes everything away
/// again.
///
/// # Errors
/// [`ClientError::Usage`] for a plan that cannot be; what went wrong first.
pub(super) fn run(
    plan: &Plan,
    work: impl Fn(&mut Worker<'_>, Instant) -> Result<(), ClientError> + Sync,
) -> Result<Outcome, ClientError> {
    if plan.members == 0 || plan.groups == 0 || plan.partitions == 0 || plan.wave() == 0 {
        let message =
            "groups, members and partitions: at least 1; connections: at least as many as members of a group";
        return Err(ClientError::Usage(message.to_owned()));
    }
    let mut cluster = Cluster::connect(&plan.bootstrap)?;
    topic::make(&mut cluster, &plan.topic(), plan.partitions, &[])?;
    let outcome = measure(plan, &work);
    for number in 0..plan.groups {
        match groups::delete(&mut cluster, &plan.group(number)) {
            // After a failure there may be groups that were never made, or that wait for their members' sessions to run out.
            Ok(()) | Err(ClientError::NoSuchGroup(_)) => {}
            Err(_) if outcome.is_err() => {}
            Err(error) => return Err(error),
        }
    }
    topic::delete(&mut cluster, &plan.topic())?;
    outcome
}

fn measure(
    plan: &Plan,
    work: &(impl Fn(&mut Worker<'_>, Instant) -> Result<(), ClientError> + Sync),
) -> Result<Outcome, ClientError> {
    let shared = Shared {
        plan,
        gate: Gate::default(),
        progress: (0..plan.groups).map(|_| Progress::default()).collect(),
    };
    let threads = plan.wave() * plan.members;
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for index in 0..threads {
            let shared = &shared;
            handles.push(std::thread::Builder::new().name(format!("bench-{index}")).spawn_scoped(
                scope,
                move || {
                    let result = Worker::new(shared, index).and_then(|mut worker| worker.go(work));
                    result.map_err(|error| shared.gate.fail(error)).unwrap_or_default()
                },
            )?);
        }
        let measured = conduct(&shared, threads);
        let (mut beats, mut work) = (Tally::default(), Tally::default());
        for handle in handles {
            let (its_beats, its_work) = handle.join().unwrap_or_default();
            beats.merge(&its_beats);
            work.merge(&its_work);
        }
        match (measured, shared.gate.take_failure()) {
            (Some((settled, during, usage)), None) => {
                Ok(Outcome { settled, beats, work, during, usage: usage? })
            }
            (_, Some(error)) => Err(error),
            (None, None) => Err(ClientError::Usage("a thread of the measurement ended early".to_owned())),
        }
    })
}

type Measured = (Duration, Duration, Result<Usage, ClientError>);

/// Opens the gate for one phase after the other, when all have arrived. `None` after a failure.
fn conduct(shared: &Shared<'_>, threads: usize) -> Option<Measured> {
    shared.gate.await_all(threads)?;
    let began = Instant::now();
    shared.gate.open(Phase::Join);
    shared.gate.await_all(threads)?;
    let (settled, probe, work_began) = (began.elapsed(), Probe::start(shared.plan.pid), Instant::now());
    shared.gate.open(Phase::Work);
    shared.gate.await_all(threads)?;
    let during = work_began.elapsed();
    let usage = probe.and_then(Probe::finish);
    shared.gate.open(Phase::Leave);
    Some((settled, during, usage))
}

/// One connection and the members on it.
pub(super) struct Worker<'a> {
    /// The connection; with several brokers one to each coordinator.
    pub(super) cluster: Cluster,
    /// Which of the connections it is.
    pub(super) index: usize,
    /// What the work counts.
    pub(super) work: Tally,
    beats: Tally,
    shared: &'a Shared<'a>,
    held: Vec<Held>,
}

/// A member that has settled.
struct Held {
    member: Member,
    due: Instant,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>, index: usize) -> Result<Self, ClientError> {
        let cluster = Cluster::connect(&shared.plan.bootstrap)?;
        Ok(Self { cluster, index, work: Tally::default(), beats: Tally::default(), shared, held: Vec::new() })
    }

    fn go(
        &mut self,
        work: impl Fn(&mut Self, Instant) -> Result<(), ClientError>,
    ) -> Result<(Tally, Tally), ClientError> {
        let worked = self.settle_and_work(work);
        // Whatever happened, the broker need not wait for these members.
        let left = self.held.iter_mut().try_for_each(|held| held.member.leave(&mut self.cluster));
        worked.and(left)?;
        Ok((std::mem::take(&mut self.beats), std::mem::take(&mut self.work)))
    }

    fn settle_and_work(
        &mut self,
        work: impl Fn(&mut Self, Instant) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        if !self.pass(Phase::Join)? {
            return Ok(());
        }
        let plan = self.shared.plan;
        for number in (self.index / plan.members..plan.groups).step_by(plan.wave()) {
            self.settle(number)?;
        }
        if !self.pass(Phase::Work)? {
            return Ok(());
        }
        self.beats = Tally::default();
        self.spread();
        work(self, Instant::now() + plan.duration)?;
        self.pass(Phase::Leave).map(|_| ())
    }

    /// Waits for the others, with heartbeats as long as there is work. `false` when one has failed.
    fn pass(&mut self, phase: Phase) -> Result<bool, ClientError> {
        self.shared.gate.arrive();
        while !self.shared.gate.wait(phase, POLL) {
            if self.shared.gate.has_failed() {
                return Ok(false);
            }
            // When the work is done the others may leave at any moment, which is no rebalance to count.
            if phase < Phase::Leave {
                self.beat_due()?;
            }
        }
        Ok(true)
    }

    /// Joins a group and stays at it until all its members have their parts.
    fn settle(&mut self, number: usize) -> Result<(), ClientError> {
        let plan = self.shared.plan;
        let Some(progress) = self.shared.progress.get(number) else { return Ok(()) };
        let member = Member::new(&plan.group(number), &[plan.topic()]);
        self.held.push(Held { member, due: Instant::now() });
        let mut beat = Beat::Rebalance;
        while !self.shared.gate.has_failed() {
            let Some(held) = self.held.last_mut() else { return Ok(()) };
            if beat != Beat::Steady {
                let assignment = held.member.join(&mut self.cluster)?;
                progress.synced(held.member.generation_id(), assignment.values().map(Vec::len).sum());
            }
            if progress.wait(plan.members, plan.join_heartbeat) {
                return progress.check(plan.partitions, &plan.group(number));
            }
            beat = held.member.heartbeat(&mut self.cluster)?;
            held.due = Instant::now() + plan.heartbeat;
            self.beat_due()?;
        }
        Ok(())
    }

    /// Spreads the heartbeats of all members evenly.
    fn spread(&mut self) {
        let (heartbeat, now) = (self.shared.plan.heartbeat, Instant::now());
        let count = u32::try_from(self.held.len()).unwrap_or(u32::MAX).max(1);
        for (held, place) in self.held.iter_mut().zip(1u32..) {
            held.due = now + heartbeat * place / count;
        }
    }

    /// When the next heartbeat is due; `None` without members.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.due).min()
    }

    /// Sends what heartbeats are due and counts them.
    pub(super) fn beat_due(&mut self) -> Result<(), ClientError> {
        for held in &mut self.held {
            if held.due > Instant::now() {
                continue;
            }
            let began = Instant::now();
            let beat = held.member.heartbeat(&mut self.cluster)?;
            self.beats.add(began.elapsed());
            held.due = held.due.max(began.checked_sub(self.shared.plan.heartbeat).unwrap_or(began));
            held.due += self.shared.plan.heartbeat;
            if beat != Beat::Steady {
                self.beats.rejoins += 1;
                held.member.join(&mut self.cluster)?;
            }
        }
        Ok(())
    }

    /// The member of the group that this connection settled last.
    pub(super) fn member(&self) -> Option<&Member> {
        self.held.last().map(|held| &held.member)
    }

    /// What is to be done.
    pub(super) fn plan(&self) -> &Plan {
        self.shared.plan
    }
}

/// What the threads share.
struct Shared<'a> {
    plan: &'a Plan,
    gate: Gate,
    progress: Vec<Progress>,
}
