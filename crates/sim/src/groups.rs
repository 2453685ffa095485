//! Groups and their clients: members that join, synchronise, heartbeat, commit offsets and leave, and what they were told.
//! The coordinator is `Groups` over the metadata store of the stack; its commits wait in a queue, several of them become
//! durable at once, and everything else goes on meanwhile.
//!
//! Compared: an offset that a commit was answered for, or that anybody saw, is there or a later one is; an assignment is the
//! leader's of that generation; a member's generation never falls; members who were all told the same generation, and none
//! of whom was silent too long, go on in it after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use highwater_coordinator::{
    Answer, CommitId, CommitOffset, DeleteGroup, Effect, Heartbeat, Join, JoinAnswer, Leave, Leaving, Now,
    OffsetAnswer, OffsetCommit, Protocol, Request, Sync, SyncAnswer, Ticket,
};
use highwater_disk::Operation;
use highwater_store::MetaChange;
use highwater_types::{Instant, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::run::Run;
use crate::stack::{Stack, Ticks, wall};
use crate::{Verdict, require};

const GROUPS: usize = 2;
const MEMBERS: usize = 3;
/// Session timeout of every member.
const SESSION_MS: u64 = 30_000;
const REBALANCE_MS: i32 = 60_000;
const NANOS_PER_MS: u64 = 1_000_000;

/// Where a member stands, as it knows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    /// A request of its own is on the way.
    Waiting,
    /// It has a generation and, as leader, everybody's ids.
    Joined(Option<Vec<Arc<str>>>),
    Stable,
}

#[derive(Debug, Clone)]
struct Member {
    group: usize,
    member_id: Arc<str>,
    instance_id: Option<Arc<str>>,
    /// The generation it was told last; -1: none.
    generation: i32,
    /// The generation it was told last with an assignment, which is durable; -1: none.
    assigned: i32,
    phase: Phase,
    /// When it was heard of last.
    heard: u64,
}

/// A request whose answer is awaited.
#[derive(Debug, Clone)]
enum Asked {
    Join(usize),
    Sync(usize),
    Leave(usize),
    /// Of a member; whether it must be told that all is well.
    Heartbeat(usize, bool),
    /// The partition and number of each offset.
    Commit(usize, Vec<(TopicIdPartition, u64)>),
    /// The number of the removal.
    Delete(usize, u64),
}

/// Offsets that were sent for one partition, rising by number; `None` is none, as in the beginning.
#[derive(Debug, Clone)]
struct Sent {
    offsets: Vec<(u64, Option<i64>)>,
    /// The number of the last one that somebody was told of.
    settled: u64,
}

impl Default for Sent {
    fn default() -> Self {
        Self { offsets: vec![(0, None)], settled: 0 }
    }
}

/// What the clients of all groups know, over all lives.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    members: Vec<Member>,
    offsets: BTreeMap<(usize, TopicIdPartition), Sent>,
    asked: BTreeMap<Ticket, Asked>,
    next: u64,
}

impl Default for Clients {
    fn default() -> Self {
        let member = |index: usize| Member {
            group: index / MEMBERS,
            member_id: "".into(),
            instance_id: (index % MEMBERS == 2).then(|| format!("static-{index}").into()),
            generation: -1,
            assigned: -1,
            phase: Phase::Idle,
            heard: 0,
        };
        let members = (0..GROUPS * MEMBERS).map(member).collect();
        Self { members, offsets: BTreeMap::new(), asked: BTreeMap::new(), next: 0 }
    }
}

/// What the coordinator has to do for its clients' requests.
pub(crate) type Commits = Vec<(CommitId, Vec<MetaChange>)>;

fn name(group: usize) -> Arc<str> {
    format!("g{group}").into()
}

/// Both clocks.
pub(crate) fn now(ticks: &Ticks) -> Now {
    Now { instant: Instant(ticks.load(Ordering::Relaxed)), timestamp: wall(ticks) }
}

/// What a leader gives a member: whoever gets it can tell whether it is meant.
fn assignment(generation: i32, member_id: &str) -> Bytes {
    format!("{generation} {member_id}").into()
}

impl Clients {
    /// The process is gone, and with it every answer.
    pub(crate) fn lose_answers(&mut self, ticks: u64) {
        self.expire(ticks);
        self.asked.clear();
        for member in self.members.iter_mut().filter(|member| member.phase != Phase::Stable) {
            member.phase = Phase::Idle;
        }
    }

    /// Topics were deleted: those that are there still.
    pub(crate) fn keep_topics(&mut self, is_there: impl Fn(TopicId) -> bool) {
        self.offsets.retain(|(_, partition), _| is_there(partition.topic_id));
    }

    fn ticket(&mut self, asked: Asked) -> Ticket {
        self.next += 1;
        self.asked.insert(Ticket(self.next), asked);
        Ticket(self.next)
    }

    /// Whether all members of a group who have an id were told the same generation.
    fn is_settled(&self, group: usize) -> bool {
        let members = || self.members.iter().filter(|member| member.group == group);
        let generation = members().map(|member| member.generation).max();
        members().any(|member| member.phase == Phase::Stable)
            && members().all(|member| match member.phase {
                Phase::Idle => member.member_id.is_empty(),
                Phase::Stable => Some(member.generation) == generation,
                _ => false,
            })
    }

    /// Who was silent for longer than a session does not know where it stands.
    fn expire(&mut self, ticks: u64) {
        for member in &mut self.members {
            let silent_ms = ticks.saturating_sub(member.heard) / NANOS_PER_MS;
            if member.phase == Phase::Stable && silent_ms >= SESSION_MS {
                member.phase = Phase::Idle;
            }
        }
    }
}

impl Run {
    // --- requests -------------------------------------------------------------------------------------------------

    /// Something that a client of a group does.
    pub(crate) fn client_step(&mut self, stack: &mut Stack) -> Verdict {
        self.advance_groups(stack)?;
        let index = self.random.index(GROUPS * MEMBERS);
        let group = index / MEMBERS;
        if self.random.one_in(8) {
            return self.commit_offsets(stack, group, None);
        }
        if self.random.one_in(25) {
            return self.delete_group(stack, group);
        }
        match self.clients.members[index].phase.clone() {
            Phase::Waiting => Ok(()),
            Phase::Idle => self.join(stack, index),
            Phase::Joined(members) => self.synchronise(stack, index, members),
            Phase::Stable => match self.random.below(12) {
                0 => self.join(stack, index),
                1 => self.leave(stack, index),
                2..=6 => self.heartbeat(stack, index, false),
                _ => self.commit_offsets(stack, group, Some(index)),
            },
        }
    }

    fn join(&mut self, stack: &mut Stack, index: usize) -> Verdict {
        self.counter += 1;
        let mut fresh_id = [0; 16];
        fresh_id[8..].copy_from_slice(&self.counter.to_be_bytes());
        let id_required = self.random.coin();
        let member = &mut self.clients.members[index];
        member.phase = Phase::Waiting;
        let request = Request::Join(Join {
            group_id: name(member.group),
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            fresh_id,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            protocol_type: "consumer".into(),
            protocols: vec![Protocol {
                name: "range".into(),
                metadata: self.counter.to_be_bytes().to_vec().into(),
            }],
            session_timeout_ms: SESSION_MS as i32,
            rebalance_timeout_ms: REBALANCE_MS,
            id_required,
            can_skip_assignment: false,
            reason: None,
        });
        self.ask(stack, Asked::Join(index), request)
    }

    fn synchronise(&mut self, stack: &mut Stack, index: usize, members: Option<Vec<Arc<str>>>) -> Verdict {
        let member = &mut self.clients.members[index];
        member.phase = Phase::Waiting;
        let generation = member.generation;
        let assign = |id: Arc<str>| (Arc::clone(&id), assignment(generation, &id));
        let request = Request::Sync(Sync {
            group_id: name(member.group),
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            generation,
            protocol_type: None,
            protocol: None,
            assignments: members.into_iter().flatten().map(assign).collect(),
        });
        self.ask(stack, Asked::Sync(index), request)
    }

    fn heartbeat(&mut self, stack: &mut Stack, index: usize, must_go_on: bool) -> Verdict {
        let member = &self.clients.members[index];
        let request = Request::Heartbeat(Heartbeat {
            group_id: name(member.group),
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            generation: member.generation,
        });
        self.ask(stack, Asked::Heartbeat(index, must_go_on), request)
    }

    fn leave(&mut self, stack: &mut Stack, index: usize) -> Verdict {
        let member = &mut self.clients.members[index];
        member.phase = Phase::Waiting;
        let leaving = Leaving {
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            reason: None,
        };
        let request = Request::Leave(Leave { group_id: name(member.group), members: vec![leaving] });
        self.ask(stack, Asked::Leave(index), request)
    }

    /// Commits offsets, as a member or as nobody.
    fn commit_offsets(&mut self, stack: &mut Stack, group: usize, member: Option<usize>) -> Verdict {
        let known: Vec<_> = self.models.keys().copied().collect();
        if known.is_empty() {
            return Ok(());
        }
        let (mut offsets, mut numbers) = (Vec::new(), Vec::new());
        for _ in 0..=self.random.below(2) {
            let partition = known[self.random.index(known.len())];
            if numbers.iter().any(|(other, _)| *other == partition) {
                continue;
            }
            self.counter += 1;
            let (number, offset) = (self.counter, self.counter as i64);
            let sent = self.clients.offsets.entry((group, partition)).or_default();
            sent.offsets.push((number, Some(offset)));
            numbers.push((partition, number));
            let (topic, metadata) = ("topic".into(), "".into());
            offsets.push(CommitOffset { partition, topic, offset, leader_epoch: -1, metadata });
        }
        let (member_id, instance_id, generation) = match member.map(|index| &self.clients.members[index]) {
            Some(member) => (Arc::clone(&member.member_id), member.instance_id.clone(), member.generation),
            None => ("".into(), None, -1),
        };
        let group_id = name(group);
        let commit =
            OffsetCommit { group_id, member_id, instance_id, generation, retention_ms: None, offsets };
        self.ask(stack, Asked::Commit(group, numbers), Request::Commit(commit))
    }

    fn delete_group(&mut self, stack: &mut Stack, group: usize) -> Verdict {
        self.counter += 1;
        let number = self.counter;
        for ((_, _), sent) in self.clients.offsets.iter_mut().filter(|((of, _), _)| *of == group) {
            sent.offsets.push((number, None));
        }
        let request = Request::Delete(DeleteGroup { group_id: name(group) });
        self.ask(stack, Asked::Delete(group, number), request)
    }

    fn ask(&mut self, stack: &mut Stack, asked: Asked, request: Request) -> Verdict {
        let ticket = self.clients.ticket(asked.clone());
        self.note(|| format!("group request {}: {asked:?}", ticket.0));
        let effects = stack.groups.handle(now(&self.ticks), ticket, request);
        self.carry_out(stack, effects)
    }

    // --- the coordinator's owner ----------------------------------------------------------------------------------

    /// Does what is due, and notes who was silent too long.
    pub(crate) fn advance_groups(&mut self, stack: &mut Stack) -> Verdict {
        self.clients.expire(self.ticks.load(Ordering::Relaxed));
        let effects = stack.groups.advance(now(&self.ticks));
        self.carry_out(stack, effects)
    }

    pub(crate) fn carry_out(&mut self, stack: &mut Stack, effects: Vec<Effect>) -> Verdict {
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) => self.answered(ticket, &answer)?,
                Effect::Commit(id, changes) => stack.commits.push((id, changes)),
            }
        }
        Ok(())
    }

    /// Makes some of the commits that wait durable, all in one write.
    pub(crate) fn commit_round(&mut self, stack: &mut Stack) -> Verdict {
        let count = 1 + self.random.index(stack.commits.len());
        self.commit_groups(stack, count)
    }

    /// As [`Run::commit_round`], the first `count` of them.
    pub(crate) fn commit_groups(&mut self, stack: &mut Stack, count: usize) -> Verdict {
        let count = count.min(stack.commits.len());
        if count == 0 {
            return Ok(());
        }
        let (ids, changes): (Vec<_>, Vec<_>) = stack.commits.drain(..count).unzip();
        if self.random.one_in(4) {
            self.others_go_on(stack, Operation::Sync, "meta.redb");
        }
        let committed = self.commit_many(stack, &changes)?;
        self.disk.forget_slow_operations();
        for id in ids {
            let outcome = if committed { Ok(()) } else { Err(ErrorCode::CoordinatorNotAvailable) };
            let effects = stack.groups.committed(now(&self.ticks), id, outcome);
            self.carry_out(stack, effects)?;
        }
        Ok(())
    }

    // --- answers --------------------------------------------------------------------------------------------------

    fn answered(&mut self, ticket: Ticket, answer: &Answer) -> Verdict {
        self.note(|| format!("group request {} answered: {answer:?}", ticket.0));
        match (self.clients.asked.remove(&ticket), answer) {
            (None, _) => require!(false, "request {} to a group is answered twice: {answer:?}", ticket.0),
            (Some(Asked::Join(index)), Answer::Join(joined)) => self.joined(index, joined)?,
            (Some(Asked::Sync(index)), Answer::Sync(synced)) => self.synced(index, synced)?,
            (Some(Asked::Heartbeat(index, must_go_on)), Answer::Code(code)) => {
                let member = &self.clients.members[index];
                require!(
                    !must_go_on || *code == ErrorCode::None,
                    "{} was told generation {} and is told {code:?} after a restart",
                    member.member_id,
                    member.generation
                );
                if must_go_on {
                    self.count("group went on after a restart");
                }
                self.told(index, *code);
            }
            (Some(Asked::Leave(index)), Answer::Leave(left)) => {
                let failed = left.error != ErrorCode::None
                    || left.members.iter().any(|member| member.error != ErrorCode::None);
                let member = &mut self.clients.members[index];
                member.phase = Phase::Idle;
                if !failed {
                    (member.member_id, member.generation, member.assigned) = ("".into(), -1, -1);
                }
            }
            (Some(Asked::Leave(index)), Answer::Code(_)) => {
                self.clients.members[index].phase = Phase::Idle;
            }
            (Some(Asked::Commit(group, numbers)), Answer::Offsets(answers)) => {
                self.offsets_answered(group, &numbers, answers)?;
            }
            (Some(Asked::Commit(group, numbers)), Answer::Code(code)) => {
                numbers
                    .iter()
                    .for_each(|(partition, number)| self.refused(group, *partition, *number, *code));
            }
            (Some(Asked::Delete(group, number)), Answer::Code(code)) => {
                self.group_deleted(group, number, *code)
            }
            (Some(asked), _) => require!(false, "{asked:?} is answered {answer:?}"),
        }
        Ok(())
    }

    fn joined(&mut self, index: usize, joined: &JoinAnswer) -> Verdict {
        let heard = self.ticks.load(Ordering::Relaxed);
        let member = &mut self.clients.members[index];
        match joined.error {
            ErrorCode::None => {
                let same = member.member_id == joined.member_id;
                require!(
                    !same || joined.generation >= member.assigned,
                    "{} falls from generation {} to {}",
                    member.member_id,
                    member.assigned,
                    joined.generation
                );
                let members = joined.members.iter().map(|other| Arc::clone(&other.member_id)).collect();
                let leads = joined.leader == joined.member_id;
                if !same {
                    member.assigned = -1;
                }
                (member.member_id, member.generation) = (Arc::clone(&joined.member_id), joined.generation);
                member.heard = heard;
                member.phase = Phase::Joined(leads.then_some(members));
            }
            ErrorCode::MemberIdRequired => {
                (member.member_id, member.generation) = (Arc::clone(&joined.member_id), -1);
                member.assigned = -1;
                member.phase = Phase::Idle;
            }
            code => self.told(index, code),
        }
        Ok(())
    }

    fn synced(&mut self, index: usize, synced: &SyncAnswer) -> Verdict {
        if synced.error != ErrorCode::None {
            self.told(index, synced.error);
            return Ok(());
        }
        // In a group that is stable already this is no sign of life, as in Kafka.
        let member = &mut self.clients.members[index];
        let expected = assignment(member.generation, &member.member_id);
        // A static member that came back with another id is given what it had.
        let kept = member.instance_id.is_some()
            && synced.assignment.starts_with(format!("{} ", member.generation).as_bytes());
        require!(
            synced.assignment == expected || kept,
            "{} gets {:?} in generation {}",
            member.member_id,
            synced.assignment,
            member.generation
        );
        (member.phase, member.assigned) = (Phase::Stable, member.generation);
        let group = member.group;
        if self.clients.is_settled(group) {
            self.count("group stable after a rebalance");
        }
        Ok(())
    }

    /// A member is told a code.
    fn told(&mut self, index: usize, code: ErrorCode) {
        let heard = self.ticks.load(Ordering::Relaxed);
        let member = &mut self.clients.members[index];
        match code {
            ErrorCode::None => member.heard = heard,
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                (member.member_id, member.generation, member.phase) = ("".into(), -1, Phase::Idle);
                member.assigned = -1;
            }
            _ => member.phase = Phase::Idle,
        }
    }

    fn offsets_answered(
        &mut self,
        group: usize,
        numbers: &[(TopicIdPartition, u64)],
        answers: &[OffsetAnswer],
    ) -> Verdict {
        require!(answers.len() == numbers.len(), "{} offsets, answered {answers:?}", numbers.len());
        for ((partition, number), answer) in numbers.iter().zip(answers) {
            require!(answer.partition == *partition, "the answer for {partition} is {answer:?}");
            if answer.error == ErrorCode::None {
                self.count("offset commit answered");
                if let Some(sent) = self.clients.offsets.get_mut(&(group, *partition)) {
                    sent.settled = sent.settled.max(*number);
                }
            } else {
                self.refused(group, *partition, *number, answer.error);
            }
        }
        Ok(())
    }

    /// What the rules refuse is never seen; of what the store failed to take nobody knows.
    fn refused(&mut self, group: usize, partition: TopicIdPartition, number: u64, code: ErrorCode) {
        if code != ErrorCode::CoordinatorNotAvailable
            && let Some(sent) = self.clients.offsets.get_mut(&(group, partition))
        {
            sent.offsets.retain(|(known, _)| *known != number);
        }
    }

    fn group_deleted(&mut self, group: usize, number: u64, code: ErrorCode) {
        if code == ErrorCode::None {
            self.count("group deleted");
        }
        for ((_, _), sent) in self.clients.offsets.iter_mut().filter(|((of, _), _)| *of == group) {
            match code {
                ErrorCode::None if sent.offsets.iter().any(|(known, _)| *known == number) => {
                    sent.settled = sent.settled.max(number);
                }
                ErrorCode::None | ErrorCode::CoordinatorNotAvailable => {}
                _ => sent.offsets.retain(|(known, _)| *known != number),
            }
        }
    }

    // --- what is seen ---------------------------------------------------------------------------------------------

    /// The offsets that anybody may ask for are those that were answered, or later ones.
    pub(crate) fn look_at_offsets(&mut self, stack: &Stack, started: bool) -> Verdict {
        let mut survived = false;
        for ((group, partition), sent) in &mut self.clients.offsets {
            let found = stack.groups.fetch_offset(&name(*group), *partition).map(|offset| offset.offset);
            let later = sent.offsets.iter().filter(|(number, _)| *number >= sent.settled);
            let place = later.filter(|(_, offset)| *offset == found).map(|(number, _)| *number).min();
            require!(
                place.is_some(),
                "g{group} has {found:?} for {partition}; sent were {:?}, told of was {}",
                sent.offsets,
                sent.settled
            );
            survived |= started && sent.settled > 0 && found.is_some();
            if let Some(place) = place {
                sent.settled = sent.settled.max(place);
            }
            sent.offsets.retain(|(number, _)| *number >= sent.settled);
        }
        if survived {
            self.count("offset survived a restart");
        }
        Ok(())
    }

    /// After a start: what was answered is there, and members go on.
    pub(crate) fn look_at_groups(&mut self, stack: &mut Stack) -> Verdict {
        self.look_at_offsets(stack, true)?;
        let heard = self.ticks.load(Ordering::Relaxed);
        for group in 0..GROUPS {
            let settled = self.clients.is_settled(group);
            for index in (0..self.clients.members.len()).filter(|index| index / MEMBERS == group) {
                // Whoever was loaded has a fresh session.
                if settled && self.clients.members[index].phase == Phase::Stable {
                    self.clients.members[index].heard = heard;
                    self.heartbeat(stack, index, true)?;
                }
            }
        }
        Ok(())
    }
}
