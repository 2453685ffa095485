//! Some of the groups, and who waits for their answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_coordinator::{Answer, Effect, GroupConfig, Groups, Now, Request, Ticket};
use highwater_store::meta::{ClassicMemberRecord, GroupRecord, GroupStateRecord, OffsetRecord};
use highwater_store::{BoxFuture, MetaChange, MetaError, MetaRecord, MetaStore};
use highwater_types::{Instant, TopicId};
use highwater_wire::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::topics::Topics;

/// Groups behind a lock, which is never held across an await.
pub(super) struct Shard {
    topics: Arc<Topics>,
    meta: Arc<dyn MetaStore>,
    clock: Clock,
    /// Most bytes of a group's record.
    group_bytes_max: usize,
    state: Mutex<State>,
    /// Told when something is due earlier than the keeper of time believes, and when it shall end.
    earlier: Notify,
}

struct State {
    groups: Groups,
    waiting: HashMap<Ticket, Waiting>,
    next_ticket: u64,
    /// Until when the keeper of time sleeps; `None` while it sleeps for ever.
    sleeps_until: Option<Instant>,
    is_stopping: bool,
}

/// A request without an answer.
struct Waiting {
    answer: oneshot::Sender<Answer>,
    /// Whether it waits for other members, not only for a commit.
    for_others: bool,
}

/// What became of a request.
pub(super) enum Submitted {
    /// It has its answer.
    Answered(Answer),
    /// Its answer will come there; no more after a stop.
    Waiting(oneshot::Receiver<Answer>),
    /// It was not taken.
    Refused(ErrorCode),
}

impl Shard {
    /// No groups yet.
    pub(super) fn new(
        config: GroupConfig,
        topics: Arc<Topics>,
        meta: Arc<dyn MetaStore>,
        clock: Clock,
        group_bytes_max: usize,
    ) -> Self {
        let state = State {
            groups: Groups::new(config),
            waiting: HashMap::new(),
            next_ticket: 0,
            sleeps_until: None,
            is_stopping: false,
        };
        Self { topics, meta, clock, group_bytes_max, state: Mutex::new(state), earlier: Notify::new() }
    }

    /// Takes in what the store held.
    pub(super) fn load(&self, groups: Vec<GroupRecord>, offsets: Vec<(OffsetRecord, Arc<str>)>) {
        self.state.lock().groups.load(self.now(), groups, offsets);
    }

    /// Takes a request.
    pub(super) fn submit(self: &Arc<Self>, request: Request) -> Submitted {
        let for_others = matches!(request, Request::Join(_) | Request::Sync(_));
        let mut state = self.state.lock();
        if state.is_stopping && for_others {
            return Submitted::Refused(ErrorCode::CoordinatorNotAvailable);
        }
        if !self.topics_exist(&request) {
            return Submitted::Answered(Answer::Code(ErrorCode::UnknownTopicOrPartition));
        }
        let ticket = Ticket(state.next_ticket);
        state.next_ticket += 1;
        let effects = state.groups.handle(self.now(), ticket, request);
        if let Some(answer) = self.carry_out(&mut state, effects, Some(ticket)) {
            return Submitted::Answered(answer);
        }
        let (answer, receiver) = oneshot::channel();
        state.waiting.insert(ticket, Waiting { answer, for_others });
        Submitted::Waiting(receiver)
    }

    /// Whether every topic of a commit is there still. A topic is taken out of the table before it is forgotten under this lock,
    /// so that no offset of it stays.
    fn topics_exist(&self, request: &Request) -> bool {
        let Request::Commit(commit) = request else { return true };
        commit.offsets.iter().all(|offset| self.topics.by_id(offset.partition.topic_id).is_some())
    }

    /// Looks at the groups.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Groups) -> T) -> T {
        look(&self.state.lock().groups)
    }

    /// Forgets the offsets of a topic that is in the table no more.
    pub(super) fn forget_topic(self: &Arc<Self>, topic: TopicId) {
        let mut state = self.state.lock();
        let effects = state.groups.forget_topic(self.now(), topic);
        self.carry_out(&mut state, effects, None);
    }

    /// Lets nobody wait for other members any more, and ends the keeper of time.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopping = true;
        // Who waited is told so by the sender's end.
        state.waiting.retain(|_, waiting| !waiting.for_others);
        self.earlier.notify_one();
    }

    /// Does what is due when it is due, until told to stop.
    pub(super) async fn keep_time(self: Arc<Self>) {
        while let Some(sleep) = self.do_due() {
            match sleep {
                None => self.earlier.notified().await,
                Some(time) => {
                    tokio::select! {
                        () = tokio::time::sleep(time) => {}
                        () = self.earlier.notified() => {}
                    }
                }
            }
        }
    }

    /// Does what is due now. How long nothing will be, for ever when that is `None` itself; `None` at the stop.
    fn do_due(self: &Arc<Self>) -> Option<Option<Duration>> {
        let mut state = self.state.lock();
        if state.is_stopping {
            return None;
        }
        let now = self.now();
        if state.groups.next_due().is_some_and(|due| due <= now.instant) {
            let effects = state.groups.advance(now);
            self.carry_out(&mut state, effects, None);
        }
        state.sleeps_until = state.groups.next_due();
        let until = |due: Instant| Duration::from_nanos(due.0.saturating_sub(now.instant.0));
        Some(state.sleeps_until.map(until))
    }

    /// Carries out effects in their order. The answer to `asking`, if it is among them, is given back.
    fn carry_out(
        self: &Arc<Self>,
        state: &mut State,
        effects: Vec<Effect>,
        asking: Option<Ticket>,
    ) -> Option<Answer> {
        let mut asked = None;
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) if Some(ticket) == asking => asked = Some(answer),
                Effect::Answer(ticket, answer) => {
                    if let Some(waiting) = state.waiting.remove(&ticket) {
                        // Fails when the client is gone, who then asks again.
                        let _ = waiting.answer.send(answer);
                    }
                }
                Effect::Commit(id, changes) => {
                    let (shard, outcome) = (Arc::clone(self), self.commit(changes));
                    tokio::spawn(async move {
                        let outcome = outcome.await;
                        let mut state = shard.state.lock();
                        let effects = state.groups.committed(shard.now(), id, outcome);
                        shard.carry_out(&mut state, effects, None);
                    });
                }
            }
        }
        self.wake_if_earlier(state);
        asked
    }

    /// Begins a commit, unless it has a record that Kafka could not write either.
    fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), ErrorCode>> {
        if changes.iter().any(|change| group_size(change) > self.group_bytes_max) {
            return Box::pin(async { Err(ErrorCode::UnknownServerError) });
        }
        let committed = self.meta.commit(changes);
        Box::pin(async { committed.await.map_err(|error| commit_error(&error)) })
    }

    fn wake_if_earlier(&self, state: &mut State) {
        let Some(due) = state.groups.next_due() else { return };
        if state.sleeps_until.is_none_or(|until| due < until) {
            state.sleeps_until = Some(due);
            self.earlier.notify_one();
        }
    }

    /// How many requests wait for an answer.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    fn now(&self) -> Now {
        Now { instant: self.clock.instant(), timestamp: self.clock.timestamp() }
    }
}

/// Bytes of what members gave for the record of a group; 0 for other changes.
fn group_size(change: &MetaChange) -> usize {
    let MetaChange::Put(MetaRecord::Group(record)) = change else { return 0 };
    let GroupStateRecord::Classic(group) = &record.state;
    let of_member = |member: &ClassicMemberRecord| {
        let protocols = member.protocols.iter().map(|(name, metadata)| name.len() + metadata.len());
        protocols.sum::<usize>() + member.assignment.len() + member.member_id.len()
    };
    group.members.iter().map(of_member).sum()
}

/// What a group is told of a commit that failed: what Kafka makes of a write to `__consumer_offsets` that failed, which clients
/// answer by asking for the coordinator and trying again.
fn commit_error(error: &MetaError) -> ErrorCode {
    match error {
        MetaError::Failed(_) | MetaError::OutOfSpace | MetaError::Busy => ErrorCode::CoordinatorNotAvailable,
        MetaError::Corrupt(_) => ErrorCode::UnknownServerError,
    }
}
