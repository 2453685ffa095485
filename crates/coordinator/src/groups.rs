//! The table of groups: which group a request is for, what is due, what became of a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_store::meta::{GroupRecord, GroupStateRecord, OffsetRecord};
use highwater_store::{MetaChange, MetaKey};
use highwater_types::{Instant, TimerQueue, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::classic::{ClassicGroup, left};
use crate::offsets::{CommittedOffset, Offsets, removal};
use crate::turn::{Commit, Commits, Due, Pending, Turn};
use crate::{
    Answer, CommitId, Effect, GroupConfig, GroupDescription, GroupListing, GroupState, Heartbeat, Join,
    JoinAnswer, LeaveAnswer, OffsetCommit, Request, SyncAnswer, Ticket, expiry,
};

/// Both clocks, read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For timeouts.
    pub instant: Instant,
    /// For what is stored.
    pub timestamp: Timestamp,
}

/// A group and its offsets.
#[derive(Debug)]
struct Entry {
    group: ClassicGroup,
    offsets: Offsets,
    /// While its removal is on the way to the store: the requests that wait for what comes of it.
    held: Option<Vec<(Ticket, Request)>>,
}

impl Entry {
    fn new(id: Arc<str>) -> Self {
        Self { group: ClassicGroup::new(id), offsets: Offsets::default(), held: None }
    }
}

/// Groups with their committed offsets.
#[derive(Debug)]
pub struct Groups {
    config: GroupConfig,
    table: BTreeMap<Arc<str>, Entry>,
    timers: TimerQueue<Due>,
    commits: Commits,
    is_sweep_set: bool,
}

impl Groups {
    /// No groups.
    pub fn new(config: GroupConfig) -> Self {
        let (timers, commits) = (TimerQueue::new(), Commits::default());
        Self { config, table: BTreeMap::new(), timers, commits, is_sweep_set: false }
    }

    /// Changes the rules from now on.
    pub fn configure(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Takes in what the store held at start, once, before anything else. Every member gets a fresh session.
    /// Each offset comes with its topic's name.
    pub fn load(&mut self, now: Now, groups: Vec<GroupRecord>, offsets: Vec<(OffsetRecord, Arc<str>)>) {
        self.turn(now, |table, turn| {
            for GroupRecord { group_id, state: GroupStateRecord::Classic(record) } in groups {
                let group = ClassicGroup::load(turn, Arc::clone(&group_id), record);
                table.insert(group_id, Entry { group, offsets: Offsets::default(), held: None });
            }
            for (record, topic) in offsets {
                let group_id = Arc::clone(&record.group_id);
                entry_or_new(table, &group_id).offsets.load(record, topic);
            }
        });
    }

    /// Takes a request. Its answer comes now or later, once.
    pub fn handle(&mut self, now: Now, ticket: Ticket, request: Request) -> Vec<Effect> {
        self.turn(now, |table, turn| handle(table, turn, ticket, request))
    }

    /// Takes the outcome of a commit. Outcomes may be told in any order, and take effect in the order of the commits; each must be told.
    pub fn committed(&mut self, now: Now, id: CommitId, outcome: Result<(), ErrorCode>) -> Vec<Effect> {
        self.turn(now, |table, turn| {
            turn.commits.resolve(id, outcome);
            while let Some((commit, outcome)) = turn.commits.take_resolved() {
                conclude(table, turn, commit, outcome);
            }
        })
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Now) -> Vec<Effect> {
        let mut is_swept = false;
        let effects = self.turn(now, |table, turn| {
            while let Some(due) = turn.timers.take_due(now.instant) {
                is_swept |= due == Due::Sweep;
                on_due(table, turn, due);
            }
        });
        if is_swept {
            self.is_sweep_set = false;
            self.set_sweep(now);
        }
        effects
    }

    /// When [`Groups::advance`] has something to do; `None` while nothing is awaited.
    pub fn next_due(&self) -> Option<Instant> {
        self.timers.next_due()
    }

    /// Forgets the offsets of a topic that was deleted. Called when no new commit for the topic can come any more.
    pub fn forget_topic(&mut self, now: Now, topic: TopicId) -> Vec<Effect> {
        self.turn(now, |table, turn| {
            for Entry { group, offsets, held } in table.values_mut() {
                match held {
                    Some(held) => refuse_commits(turn, held, topic),
                    None => offsets.remove(turn, &group.id, &offsets.partitions_of(topic), None),
                }
            }
        })
    }

    /// The durable offset of a group for a partition. Classic groups check neither member nor epoch of an OffsetFetch.
    pub fn fetch_offset(&self, group_id: &str, partition: TopicIdPartition) -> Option<&CommittedOffset> {
        self.table.get(group_id)?.offsets.get(partition)
    }

    /// All durable offsets of a group, in the order of their partitions.
    pub fn offsets(&self, group_id: &str) -> impl Iterator<Item = (TopicIdPartition, &CommittedOffset)> {
        self.table.get(group_id).into_iter().flat_map(|entry| entry.offsets.iter())
    }

    /// A group; `None` when there is none of that id.
    pub fn describe(&self, group_id: &str) -> Option<GroupDescription> {
        self.table.get(group_id).map(|entry| entry.group.describe())
    }

    /// Every group, in the order of their ids.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> {
        self.table.values().map(|entry| entry.group.list())
    }

    fn turn(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut BTreeMap<Arc<str>, Entry>, &mut Turn<'_>),
    ) -> Vec<Effect> {
        let Self { config, table, timers, commits, .. } = self;
        let mut turn = Turn { now, config, timers, commits, effects: Vec::new() };
        act(table, &mut turn);
        let effects = turn.effects;
        self.set_sweep(now);
        effects
    }

    /// Looks for what expired from time to time, as long as there is something that may.
    fn set_sweep(&mut self, now: Now) {
        if !self.is_sweep_set && !self.table.is_empty() {
            let interval_ms = self.config.offsets_retention_check_interval_ms;
            self.timers.set(now.instant.plus_ms(interval_ms), Due::Sweep);
            self.is_sweep_set = true;
        }
    }
}

type Table = BTreeMap<Arc<str>, Entry>;

fn entry_or_new<'a>(table: &'a mut Table, group_id: &Arc<str>) -> &'a mut Entry {
    table.entry(Arc::clone(group_id)).or_insert_with(|| Entry::new(Arc::clone(group_id)))
}

/// Takes a request, or has it wait while its group is being removed.
fn handle(table: &mut Table, turn: &mut Turn<'_>, ticket: Ticket, request: Request) {
    let group_id = group_of(&request);
    if let Some(held) = table.get_mut(group_id).and_then(|entry| entry.held.as_mut()) {
        held.push((ticket, request));
        return;
    }
    match request {
        Request::Heartbeat(heartbeat) => on_heartbeat(table, turn, ticket, &heartbeat),
        Request::Commit(commit) => on_commit(table, turn, ticket, commit),
        Request::Join(join) => on_join(table, turn, ticket, &join),
        Request::Sync(sync) => match table.get_mut(&sync.group_id) {
            Some(entry) => entry.group.sync(turn, ticket, sync),
            None => turn.answer(ticket, Answer::Sync(SyncAnswer::failed(ErrorCode::UnknownMemberId))),
        },
        Request::Leave(leave) => match table.get_mut(&leave.group_id) {
            Some(entry) => entry.group.leave(turn, ticket, &leave),
            None => turn.answer(ticket, left(&leave, |_| ErrorCode::UnknownMemberId)),
        },
        Request::Delete(delete) => on_delete(table, turn, ticket, &delete.group_id),
        Request::DeleteOffsets(delete) => match table.get_mut(&delete.group_id) {
            Some(Entry { group, offsets, .. }) => offsets.delete(turn, ticket, group, &delete),
            None => turn.answer(ticket, Answer::Code(ErrorCode::GroupIdNotFound)),
        },
    }
}

/// Refuses what waits for a group's removal and would then commit offsets of a topic that is gone.
fn refuse_commits(turn: &mut Turn<'_>, held: &mut Vec<(Ticket, Request)>, topic: TopicId) {
    held.retain(|(ticket, request)| {
        let Request::Commit(commit) = request else { return true };
        let is_gone = commit.offsets.iter().any(|offset| offset.partition.topic_id == topic);
        if is_gone {
            turn.answer(*ticket, Answer::Code(ErrorCode::UnknownTopicOrPartition));
        }
        !is_gone
    });
}

fn group_of(request: &Request) -> &Arc<str> {
    match request {
        Request::Join(join) => &join.group_id,
        Request::Sync(sync) => &sync.group_id,
        Request::Heartbeat(heartbeat) => &heartbeat.group_id,
        Request::Leave(leave) => &leave.group_id,
        Request::Commit(commit) => &commit.group_id,
        Request::Delete(delete) => &delete.group_id,
        Request::DeleteOffsets(delete) => &delete.group_id,
    }
}

fn on_heartbeat(table: &mut Table, turn: &mut Turn<'_>, ticket: Ticket, heartbeat: &Heartbeat) {
    let code = match table.get_mut(&heartbeat.group_id) {
        Some(entry) => entry.group.heartbeat(turn, heartbeat),
        None => ErrorCode::UnknownMemberId,
    };
    turn.answer(ticket, Answer::Code(code));
}

/// A group comes into being when a client without an id joins it.
fn on_join(table: &mut Table, turn: &mut Turn<'_>, ticket: Ticket, join: &Join) {
    let bounds = turn.config.min_session_timeout_ms..=turn.config.max_session_timeout_ms;
    let code = if !bounds.contains(&join.session_timeout_ms) {
        ErrorCode::InvalidSessionTimeout
    } else if join.protocol_type.is_empty() || join.protocols.is_empty() {
        ErrorCode::InconsistentGroupProtocol
    } else if !join.member_id.is_empty() && !table.contains_key(&join.group_id) {
        ErrorCode::UnknownMemberId
    } else {
        entry_or_new(table, &join.group_id).group.join(turn, ticket, join);
        return;
    };
    turn.answer(ticket, Answer::Join(JoinAnswer::failed(code, Arc::clone(&join.member_id))));
}

/// A group comes into being when a client commits that is no member.
fn on_commit(table: &mut Table, turn: &mut Turn<'_>, ticket: Ticket, commit: OffsetCommit) {
    let instance_id = commit.instance_id.as_deref();
    let accepted = if commit.generation < 0 || table.contains_key(&commit.group_id) {
        let group = &mut entry_or_new(table, &commit.group_id).group;
        group.accept_commit(turn, &commit.member_id, instance_id, commit.generation)
    } else {
        Err(ErrorCode::GroupIdNotFound)
    };
    match (accepted, table.get_mut(&commit.group_id)) {
        (Ok(()), Some(entry)) => entry.offsets.commit(turn, ticket, commit),
        (Err(code), _) => turn.answer(ticket, Answer::Code(code)),
        (Ok(()), None) => turn.answer(ticket, Answer::Code(ErrorCode::GroupIdNotFound)),
    }
}

fn on_delete(table: &mut Table, turn: &mut Turn<'_>, ticket: Ticket, group_id: &str) {
    let code = match table.get_mut(group_id) {
        None => ErrorCode::GroupIdNotFound,
        Some(entry) if entry.group.state() != GroupState::Empty => ErrorCode::NonEmptyGroup,
        Some(entry) => {
            entry.group.forget_pending(turn);
            let mut changes = removals(entry);
            if changes.is_empty() {
                // A commit that failed may be in the store all the same: the answer waits for it to take another.
                changes.push(MetaChange::Remove(MetaKey::Group(Arc::clone(&entry.group.id))));
            }
            let commit = remove(turn, entry, changes);
            turn.answer_after(Some(commit), ticket, Answer::Code(ErrorCode::None));
            return;
        }
    };
    turn.answer(ticket, Answer::Code(code));
}

/// The removal of a group and of all that the store is known to have of it.
fn removals(entry: &Entry) -> Vec<MetaChange> {
    let group_id = &entry.group.id;
    let mut changes: Vec<_> =
        entry.offsets.partitions().map(|partition| removal(group_id, partition)).collect();
    if entry.group.is_recorded() {
        changes.push(MetaChange::Remove(MetaKey::Group(Arc::clone(group_id))));
    }
    changes
}

/// Sends the removal of a group of nobody to the store.
fn remove(turn: &mut Turn<'_>, entry: &mut Entry, changes: Vec<MetaChange>) -> CommitId {
    entry.held = Some(Vec::new());
    turn.commit(&entry.group.id, changes, Pending::Removal)
}

/// Does what a commit's outcome brings, then answers who waited for it.
fn conclude(table: &mut Table, turn: &mut Turn<'_>, commit: Commit, outcome: Result<(), ErrorCode>) {
    let Commit { id, group_id, pending, answer, .. } = commit;
    let mut held = None;
    if let Some(entry) = table.get_mut(&group_id) {
        let Entry { group, offsets, .. } = entry;
        match (pending, outcome) {
            (Pending::Offsets(changes), _) => offsets.end(changes, outcome.is_ok()),
            (Pending::Assignment(assignments), Ok(())) => group.assigned(turn, id, assignments),
            (Pending::Assignment(_), Err(code)) => group.not_assigned(turn, id, code),
            (Pending::Replaced(replacement), Ok(())) => group.replaced(turn, &replacement),
            (Pending::Replaced(replacement), Err(code)) => group.not_replaced(turn, *replacement, code),
            (Pending::Emptied, _) => {}
            (Pending::Removal, _) => held = entry.held.take(),
        }
    }
    if held.is_some() && outcome.is_ok() {
        table.remove(&group_id);
    }
    if let Some((ticket, answer)) = answer {
        turn.answer(ticket, outcome.map_or_else(|code| failed(&answer, code), |()| answer.clone()));
    }
    for (ticket, request) in held.into_iter().flatten() {
        handle(table, turn, ticket, request);
    }
}

/// The answer of a request whose commit failed.
fn failed(answer: &Answer, code: ErrorCode) -> Answer {
    match answer {
        Answer::Leave(_) => Answer::Leave(LeaveAnswer { error: code, members: Vec::new() }),
        _ => Answer::Code(code),
    }
}

fn on_due(table: &mut Table, turn: &mut Turn<'_>, due: Due) {
    match due {
        Due::Sweep => sweep(table, turn),
        Due::Session { group_id, member_id } => {
            with_group(table, &group_id, |group| group.session_timer_came(turn, &member_id));
        }
        Due::InitialDelay { group_id, delay_ms, remaining_ms } => {
            with_group(table, &group_id, |group| group.initial_delay_over(turn, delay_ms, remaining_ms));
        }
        Due::Rejoin { group_id } => with_group(table, &group_id, |group| group.rejoin_over(turn)),
        Due::Resync { group_id } => with_group(table, &group_id, |group| group.resync_over(turn)),
    }
}

fn with_group(table: &mut Table, group_id: &str, act: impl FnOnce(&mut ClassicGroup)) {
    if let Some(entry) = table.get_mut(group_id) {
        act(&mut entry.group);
    }
}

/// Removes expired offsets, and groups of nobody that have no others.
fn sweep(table: &mut Table, turn: &mut Turn<'_>) {
    table.retain(|_, entry| {
        if entry.held.is_some() {
            return true;
        }
        let expired = expiry::expired(&entry.group, &entry.offsets, turn.now.timestamp, turn.config);
        if entry.group.is_abandoned() && expired.len() == entry.offsets.partitions().count() {
            entry.group.forget_pending(turn);
            let changes = removals(entry);
            let is_stored = !changes.is_empty();
            if is_stored {
                remove(turn, entry, changes);
            }
            return is_stored;
        }
        entry.offsets.remove(turn, &entry.group.id, &expired, None);
        true
    });
}
