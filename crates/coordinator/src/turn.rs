//! One call of [`Groups`](crate::Groups): the time, the rules, and where effects, timers and commits go.
//!
//! Commits are numbered as they are made, and their outcomes take effect in that order even if they are told in another:
//! what waits for a commit waits for all before it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use highwater_store::MetaChange;
use highwater_types::{Instant, TimerId, TimerQueue, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::classic::StaticReplacement;
use crate::offsets::CommittedOffset;
use crate::{Answer, CommitId, Effect, GroupConfig, Now, Ticket};

/// What comes due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A member's session, or the wait for a member that was given an id.
    Session { group_id: Arc<str>, member_id: Arc<str> },
    /// The first rebalance of a group: `remaining_ms` is what it may still be put off by.
    InitialDelay { group_id: Arc<str>, delay_ms: u64, remaining_ms: u64 },
    /// The wait for members to rejoin.
    Rejoin { group_id: Arc<str> },
    /// The wait for members to ask for their assignment.
    Resync { group_id: Arc<str> },
    /// The look for expired offsets and abandoned groups.
    Sweep,
}

/// What a commit changes in memory when it is durable, or takes back when it failed.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Offsets that are set, or removed where there is `None`.
    Offsets(Vec<(TopicIdPartition, Option<CommittedOffset>)>),
    /// The leader's assignment.
    Assignment(Vec<(Arc<str>, Bytes)>),
    /// A group that has no members left.
    Emptied,
    /// A static member that came back under a new id.
    Replaced(Box<StaticReplacement>),
    /// A group that goes with its offsets.
    Removal,
}

/// A commit whose outcome is awaited.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) id: CommitId,
    pub(crate) group_id: Arc<str>,
    pub(crate) pending: Pending,
    /// What is told when it is durable.
    pub(crate) answer: Option<(Ticket, Answer)>,
    outcome: Option<Result<(), ErrorCode>>,
}

/// Commits in flight, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    queue: VecDeque<Commit>,
    next_id: u64,
}

impl Commits {
    /// Notes an outcome; of an unknown commit, nothing.
    pub(crate) fn resolve(&mut self, id: CommitId, outcome: Result<(), ErrorCode>) {
        if let Some(commit) = self.find(id) {
            commit.outcome = Some(outcome);
        }
    }

    /// Takes the first commit if its outcome is known.
    pub(crate) fn take_resolved(&mut self) -> Option<(Commit, Result<(), ErrorCode>)> {
        let outcome = self.queue.front()?.outcome?;
        self.queue.pop_front().map(|commit| (commit, outcome))
    }

    fn find(&mut self, id: CommitId) -> Option<&mut Commit> {
        let first = self.queue.front()?.id.0;
        let index = usize::try_from(id.0.checked_sub(first)?).ok()?;
        self.queue.get_mut(index)
    }
}

/// One call.
pub(crate) struct Turn<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupConfig,
    pub(crate) timers: &'a mut TimerQueue<Due>,
    pub(crate) commits: &'a mut Commits,
    pub(crate) effects: Vec<Effect>,
}

impl Turn<'_> {
    /// Answers a request.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.effects.push(Effect::Answer(ticket, answer));
    }

    /// Asks for a commit.
    pub(crate) fn commit(
        &mut self,
        group_id: &Arc<str>,
        changes: Vec<MetaChange>,
        pending: Pending,
    ) -> CommitId {
        let id = CommitId(self.commits.next_id);
        self.commits.next_id += 1;
        let group_id = Arc::clone(group_id);
        self.commits.queue.push_back(Commit { id, group_id, pending, answer: None, outcome: None });
        self.effects.push(Effect::Commit(id, changes));
        id
    }

    /// Answers a request when `after` is durable, or at once when there is nothing to wait for.
    pub(crate) fn answer_after(&mut self, after: Option<CommitId>, ticket: Ticket, answer: Answer) {
        match after.and_then(|id| self.commits.find(id)) {
            Some(commit) => commit.answer = Some((ticket, answer)),
            None => self.answer(ticket, answer),
        }
    }

    /// The instant `ms` milliseconds from now.
    pub(crate) fn in_ms(&self, ms: u64) -> Instant {
        self.now.instant.plus_ms(ms)
    }

    /// Takes a timer back.
    pub(crate) fn cancel(&mut self, timer: Option<TimerId>) {
        if let Some(id) = timer {
            self.timers.cancel(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_turn<R>(commits: &mut Commits, act: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Vec<Effect>) {
        let now = Now { instant: Instant(0), timestamp: highwater_types::Timestamp(0) };
        let (config, mut timers) = (GroupConfig::default(), TimerQueue::new());
        let mut turn = Turn { now, config: &config, timers: &mut timers, commits, effects: Vec::new() };
        let result = act(&mut turn);
        (result, turn.effects)
    }

    #[test]
    fn outcomes_take_effect_in_the_order_of_their_commits() {
        let mut commits = Commits::default();
        let group: Arc<str> = "g".into();
        let (ids, _) =
            in_turn(&mut commits, |turn| [0; 3].map(|_| turn.commit(&group, Vec::new(), Pending::Emptied)));
        commits.resolve(ids[1], Ok(()));
        assert!(commits.take_resolved().is_none());
        commits.resolve(ids[0], Err(ErrorCode::UnknownServerError));
        let taken = [commits.take_resolved(), commits.take_resolved()]
            .map(|next| next.map(|(commit, how)| (commit.id, how)));
        assert_eq!(taken, [Some((ids[0], Err(ErrorCode::UnknownServerError))), Some((ids[1], Ok(())))]);
        assert!(commits.take_resolved().is_none());
        commits.resolve(ids[0], Ok(()));
        commits.resolve(CommitId(99), Ok(()));
        assert!(commits.take_resolved().is_none(), "an outcome told twice changes nothing");
    }

    #[test]
    fn an_answer_waits_for_its_commit() {
        let mut commits = Commits::default();
        let group: Arc<str> = "g".into();
        let (_, effects) = in_turn(&mut commits, |turn| {
            let id = turn.commit(&group, Vec::new(), Pending::Emptied);
            turn.answer_after(Some(id), Ticket(1), Answer::Code(ErrorCode::None));
            turn.answer_after(None, Ticket(2), Answer::Code(ErrorCode::None));
        });
        assert_eq!(effects.len(), 2);
        assert_eq!(effects[1], Effect::Answer(Ticket(2), Answer::Code(ErrorCode::None)));
    }
}
