//! A group of the classic protocol: who is in it and where its rebalance stands. The rules are one file an API:
//! `join`, `static_member`, `sync`, `heartbeat`, `leave`; what they share of a rebalance is `rebalance`.
//!
//! Invariants: `leader` is a member or the group has no leader; `awaiting_joins` counts the members whose JoinGroup waits;
//! `supported` counts for each protocol the members that support it; a JoinGroup waits only in `PreparingRebalance`, or in `Stable`
//! for the commit of a static member's new id; a SyncGroup waits only in `CompletingRebalance`.

mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod record;
mod static_member;
mod sync;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use highwater_types::{TimerId, Timestamp};
use highwater_wire::ErrorCode;

use crate::subscription;
use crate::turn::Turn;
use crate::{Answer, CommitId, GroupState, Join, JoinAnswer, JoinedMember, Protocol, SyncAnswer, Ticket};

pub(crate) use leave::left;
pub(crate) use member::Member;
pub(crate) use static_member::StaticReplacement;

/// The type of groups of consumers.
const CONSUMER: &str = "consumer";

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(crate) id: Arc<str>,
    state: GroupState,
    previous_state: GroupState,
    /// When it came into its state; `None` when that was never noted.
    since: Option<Timestamp>,
    protocol_type: Option<Arc<str>>,
    generation: i32,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: BTreeMap<Arc<str>, Member>,
    /// Member ids by `group.instance.id`.
    static_members: BTreeMap<Arc<str>, Arc<str>>,
    supported: BTreeMap<Arc<str>, usize>,
    awaiting_joins: usize,
    /// Members that were given an id and are to come again with it (KIP-394).
    pending_joins: BTreeMap<Arc<str>, TimerId>,
    /// Members of this generation that have not asked for their assignment.
    pending_syncs: BTreeSet<Arc<str>>,
    /// Whether someone joined since the initial delay last began.
    member_added: bool,
    /// What its members subscribe to; `None` when that is not known.
    subscribed: Option<BTreeSet<Arc<str>>>,
    /// The wait of this rebalance: for members to rejoin, or to ask for their assignment.
    timer: Option<TimerId>,
    /// The leader's assignment on its way to the store.
    assigning: Option<CommitId>,
    /// Whether the store may hold a record of it.
    recorded: bool,
}

impl ClassicGroup {
    /// A group of nobody.
    pub(crate) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            previous_state: GroupState::Empty,
            since: None,
            protocol_type: None,
            generation: 0,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            supported: BTreeMap::new(),
            awaiting_joins: 0,
            pending_joins: BTreeMap::new(),
            pending_syncs: BTreeSet::new(),
            member_added: false,
            subscribed: None,
            timer: None,
            assigning: None,
            recorded: false,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    pub(crate) fn protocol_type(&self) -> Option<&Arc<str>> {
        self.protocol_type.as_ref()
    }

    pub(crate) fn protocol(&self) -> Option<&Arc<str>> {
        self.protocol.as_ref()
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Whether the store may hold a record of it.
    pub(crate) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Whether nobody is in it. Ids that were given do not count.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state == GroupState::Empty
    }

    /// Whether it is one of consumers.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// Whether it is known what its members subscribe to.
    pub(crate) fn knows_subscriptions(&self) -> bool {
        self.subscribed.is_some()
    }

    /// Whether its members subscribe to a topic. Where that is not known: consumers may.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.as_ref().map_or(self.is_of_consumers(), |topics| topics.contains(topic))
    }

    /// Whether a request may speak for a member.
    pub(crate) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            let known = self.static_members.get(instance_id).ok_or(ErrorCode::UnknownMemberId)?;
            if **known != *member_id {
                return Err(ErrorCode::FencedInstanceId);
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }

    /// A member gave a sign of life.
    pub(crate) fn touch(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.touch(turn, &self.id);
        }
    }

    fn enter(&mut self, turn: &Turn<'_>, state: GroupState) {
        self.previous_state = std::mem::replace(&mut self.state, state);
        self.since = Some(turn.now.timestamp);
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// The longest time that a member may take to rejoin.
    fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(Member::rebalance_timeout_ms).max().unwrap_or(0)
    }

    fn have_all_joined(&self) -> bool {
        self.members.len() == self.awaiting_joins && self.pending_joins.is_empty()
    }

    /// Whether a member of that type with these protocols, of which there is one, has one in common with all others.
    fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == GroupState::Empty {
            return true;
        }
        let by_all = |own: &Protocol| self.supported_by(&own.name) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(by_all)
    }

    fn supported_by(&self, protocol: &str) -> usize {
        self.supported.get(protocol).copied().unwrap_or(0)
    }

    /// The protocol that most members vote for: each for the first of its own that all support. Of several, the first
    /// in the order of their names.
    fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let is_candidate = |own: &&Protocol| self.supported_by(&own.name) == self.members.len();
            if let Some(Protocol { name, .. }) = member.protocols.iter().find(is_candidate) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max()?;
        votes.iter().find(|(_, count)| *count == most).map(|(name, _)| Arc::clone(name))
    }

    /// The topics of all subscriptions to the chosen protocol.
    fn subscriptions(&self) -> Option<BTreeSet<Arc<str>>> {
        let mut topics = BTreeSet::new();
        if !self.is_of_consumers() {
            return None;
        }
        for member in self.members.values() {
            subscription::add_topics(&member.metadata(Some(self.protocol.as_deref()?)), &mut topics)?;
        }
        Some(topics)
    }

    /// Puts a member in.
    fn insert(&mut self, member: Member, protocol_type: Option<&Arc<str>>) {
        if self.members.is_empty() && protocol_type.is_some() {
            self.protocol_type = protocol_type.cloned();
        }
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(Arc::clone(instance_id), Arc::clone(&member.id));
        }
        if self.leader.is_none() {
            self.leader = Some(Arc::clone(&member.id));
        }
        self.count_protocols(&member);
        self.awaiting_joins += usize::from(member.join.is_some());
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Takes a member out and answers what it waits for with that code; its leadership goes to another.
    fn remove(&mut self, turn: &mut Turn<'_>, member_id: &str, code: ErrorCode) -> Option<Member> {
        self.answer_join(turn, member_id, JoinAnswer::failed(code, "".into()));
        self.answer_sync(turn, member_id, SyncAnswer::failed(code));
        let mut member = self.members.remove(member_id)?;
        member.cancel_timer(turn);
        self.uncount_protocols(&member);
        if let Some(instance_id) = &member.instance_id
            && self.static_members.get(instance_id) == Some(&member.id)
        {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_syncs.remove(member_id);
        Some(member)
    }

    /// Forgets an id that was given; whether it was given.
    fn remove_pending(&mut self, turn: &mut Turn<'_>, member_id: &str) -> bool {
        let timer = self.pending_joins.remove(member_id);
        turn.cancel(timer);
        timer.is_some()
    }

    /// Forgets all ids that were given.
    pub(crate) fn forget_pending(&mut self, turn: &mut Turn<'_>) {
        for timer in std::mem::take(&mut self.pending_joins).into_values() {
            turn.cancel(Some(timer));
        }
    }

    fn count_protocols(&mut self, member: &Member) {
        for Protocol { name, .. } in &member.protocols {
            *self.supported.entry(Arc::clone(name)).or_default() += 1;
        }
    }

    fn uncount_protocols(&mut self, member: &Member) {
        for Protocol { name, .. } in &member.protocols {
            let count = self.supported_by(name).saturating_sub(1);
            if count == 0 {
                self.supported.remove(name);
            } else {
                self.supported.insert(Arc::clone(name), count);
            }
        }
    }

    /// A member's later JoinGroup: takes over what it says, and has it wait in place of an earlier one.
    fn update(&mut self, turn: &mut Turn<'_>, member_id: &str, ticket: Ticket, join: &Join) {
        if let Some(mut member) = self.members.remove(member_id) {
            self.uncount_protocols(&member);
            member.update(join);
            self.count_protocols(&member);
            self.members.insert(Arc::clone(&member.id), member);
        }
        self.await_join(turn, member_id, ticket);
    }

    /// Has a JoinGroup wait. An earlier one of the same member is answered: its client has given up on it.
    fn await_join(&mut self, turn: &mut Turn<'_>, member_id: &str, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        match member.join.replace(ticket) {
            Some(earlier) => {
                let answer = JoinAnswer::failed(ErrorCode::RebalanceInProgress, Arc::clone(&member.id));
                turn.answer(earlier, Answer::Join(answer));
            }
            None => self.awaiting_joins += 1,
        }
    }

    /// Answers a member's JoinGroup, if one waits; its session begins.
    fn answer_join(&mut self, turn: &mut Turn<'_>, member_id: &str, answer: JoinAnswer) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(ticket) = member.join.take() {
            self.awaiting_joins = self.awaiting_joins.saturating_sub(1);
            turn.answer(ticket, Answer::Join(answer));
            member.touch(turn, &self.id);
        }
    }

    /// Answers a member's SyncGroup, if one waits; its session begins.
    fn answer_sync(&mut self, turn: &mut Turn<'_>, member_id: &str, answer: SyncAnswer) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(ticket) = member.sync.take() {
            turn.answer(ticket, Answer::Sync(answer));
            member.touch(turn, &self.id);
        }
    }

    /// What a member of this generation is told; the leader sees everybody.
    fn joined(&self, member_id: &str) -> JoinAnswer {
        let everybody = || self.members.values().map(|member| self.shown(member)).collect();
        JoinAnswer {
            error: ErrorCode::None,
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.into(),
            members: if self.is_leader(member_id) { everybody() } else { Vec::new() },
            skip_assignment: false,
        }
    }

    fn shown(&self, member: &Member) -> JoinedMember {
        JoinedMember {
            member_id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            metadata: member.metadata(self.protocol.as_deref()),
        }
    }

    /// What a member is told of its assignment.
    fn synced(&self, assignment: Bytes) -> SyncAnswer {
        SyncAnswer {
            error: ErrorCode::None,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    fn member_ids(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }
}
