//! A rebalance: members are awaited, a generation begins, the leader's assignment is awaited.
//!
//! A rebalance that begins in an empty group waits `group.initial.rebalance.delay.ms` for members, again and again while
//! some come, at most for the members' rebalance timeout. Any other waits until all members have rejoined, at most for the
//! rebalance timeout. Dynamic members that did not rejoin are dropped then, static ones kept.

use std::sync::Arc;

use highwater_types::Instant;
use highwater_wire::ErrorCode;

use super::ClassicGroup;
use crate::turn::{Due, Pending, Turn};
use crate::{CommitId, GroupState, SyncAnswer};

impl ClassicGroup {
    /// Begins a rebalance, or ends one for which nobody else is awaited. A commit that this makes is returned.
    pub(super) fn rebalance_or_complete_join(&mut self, turn: &mut Turn<'_>) -> Option<CommitId> {
        match self.state {
            GroupState::PreparingRebalance => self.maybe_complete_join(turn),
            _ => self.prepare_rebalance(turn),
        }
    }

    /// Ends the wait for members if none is awaited. An initial delay is waited out.
    pub(super) fn maybe_complete_join(&mut self, turn: &mut Turn<'_>) -> Option<CommitId> {
        let is_awaiting =
            self.state == GroupState::PreparingRebalance && self.previous_state != GroupState::Empty;
        if is_awaiting && self.have_all_joined() { self.complete_join(turn) } else { None }
    }

    /// Begins a rebalance: those who wait for an assignment are to rejoin.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) -> Option<CommitId> {
        if self.state == GroupState::CompletingRebalance {
            self.refuse_syncs(turn, ErrorCode::RebalanceInProgress);
        }
        self.assigning = None;
        let is_initial = self.state == GroupState::Empty;
        self.enter(turn, GroupState::PreparingRebalance);
        if is_initial {
            self.member_added = false;
            let delay_ms = u64::from(turn.config.initial_rebalance_delay_ms);
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms);
            self.delay_initial(turn, delay_ms, remaining_ms);
            return None;
        }
        if self.have_all_joined() {
            return self.complete_join(turn);
        }
        let group_id = Arc::clone(&self.id);
        self.set_timer(turn, turn.in_ms(self.rebalance_timeout_ms()), Due::Rejoin { group_id });
        None
    }

    /// The initial delay is over: once more if members came meanwhile and there is time.
    pub(crate) fn initial_delay_over(&mut self, turn: &mut Turn<'_>, delay_ms: u64, remaining_ms: u64) {
        self.timer = None;
        if self.member_added && remaining_ms != 0 {
            self.member_added = false;
            let next_ms = u64::from(turn.config.initial_rebalance_delay_ms).min(remaining_ms);
            self.delay_initial(turn, next_ms, remaining_ms.saturating_sub(delay_ms));
        } else {
            self.complete_join(turn);
        }
    }

    fn delay_initial(&mut self, turn: &mut Turn<'_>, delay_ms: u64, remaining_ms: u64) {
        let group_id = Arc::clone(&self.id);
        self.set_timer(turn, turn.in_ms(delay_ms), Due::InitialDelay { group_id, delay_ms, remaining_ms });
    }

    /// The time to rejoin is over.
    pub(crate) fn rejoin_over(&mut self, turn: &mut Turn<'_>) {
        self.timer = None;
        self.complete_join(turn);
    }

    /// Ends the wait for members: the next generation begins with those who are here.
    fn complete_join(&mut self, turn: &mut Turn<'_>) -> Option<CommitId> {
        self.drop_timer(turn);
        for member_id in self.member_ids() {
            let is_absent = |member: &super::Member| member.join.is_none() && member.instance_id.is_none();
            if self.members.get(&member_id).is_some_and(is_absent) {
                self.remove(turn, &member_id, ErrorCode::UnknownMemberId);
            }
        }
        if self.members.is_empty() {
            return Some(self.become_empty(turn));
        }
        if !self.elect_joined_leader() {
            // Only absent static members are left. They have until their sessions end.
            let group_id = Arc::clone(&self.id);
            self.set_timer(turn, turn.in_ms(self.rebalance_timeout_ms()), Due::Rejoin { group_id });
            return None;
        }
        self.begin_generation(turn);
        None
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) -> CommitId {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = None;
        self.leader = None;
        self.subscribed = self.subscriptions();
        self.enter(turn, GroupState::Empty);
        self.pending_syncs.clear();
        let record = self.record(None);
        turn.commit(&self.id, vec![record], Pending::Emptied)
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.generation = self.generation.wrapping_add(1).max(0);
        self.protocol = self.select_protocol();
        self.subscribed = self.subscriptions();
        self.enter(turn, GroupState::CompletingRebalance);
        self.pending_syncs = self.members.keys().cloned().collect();
        for member_id in self.member_ids() {
            let answer = self.joined(&member_id);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
                member.touch(turn, &self.id);
            }
            self.answer_join(turn, &member_id, answer);
        }
        let group_id = Arc::clone(&self.id);
        self.set_timer(turn, turn.in_ms(self.rebalance_timeout_ms()), Due::Resync { group_id });
    }

    /// The leader stays leader if it rejoined; else the first who did leads. Whether there is one.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |id: &Arc<str>| self.members.get(id).is_some_and(|member| member.join.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            let Some(joined) = self.members.values().find(|member| member.join.is_some()) else {
                return false;
            };
            self.leader = Some(Arc::clone(&joined.id));
        }
        true
    }

    /// The time to ask for assignments is over: who did not is removed, and the others rebalance.
    pub(crate) fn resync_over(&mut self, turn: &mut Turn<'_>) {
        self.timer = None;
        for member_id in std::mem::take(&mut self.pending_syncs) {
            self.remove(turn, &member_id, ErrorCode::UnknownMemberId);
        }
        self.prepare_rebalance(turn);
    }

    /// A member's timer came.
    pub(crate) fn session_timer_came(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if self.remove_pending(turn, member_id) {
            self.maybe_complete_join(turn);
        } else if let Some(member) = self.members.get_mut(member_id)
            && member.timer_came(turn, &self.id)
        {
            self.remove(turn, member_id, ErrorCode::UnknownMemberId);
            self.rebalance_or_complete_join(turn);
        }
    }

    /// Takes the assignments back and tells those who wait for them.
    pub(super) fn refuse_syncs(&mut self, turn: &mut Turn<'_>, code: ErrorCode) {
        for member_id in self.member_ids() {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = bytes::Bytes::new();
            }
            self.answer_sync(turn, &member_id, SyncAnswer::failed(code));
        }
    }

    pub(super) fn set_timer(&mut self, turn: &mut Turn<'_>, at: Instant, due: Due) {
        self.drop_timer(turn);
        self.timer = Some(turn.timers.set(at, due));
    }

    pub(super) fn drop_timer(&mut self, turn: &mut Turn<'_>) {
        turn.cancel(self.timer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, join, join_request, join_static, leave, protocol, sync};
    use crate::{GroupConfig, Join, Request};

    #[test]
    fn the_first_rebalance_waits_for_the_initial_delay_and_again_while_members_come() {
        let mut world = World::new();
        let first = world.send(join("", 0));
        world.pass_ms(2_999);
        let second = world.send(join("", 1));
        world.pass_ms(3_000);
        assert!(world.answers.is_empty());
        world.pass_ms(1);
        assert_eq!(world.joined(first).unwrap().members.len(), 2);
        assert_eq!(world.joined(second).unwrap().members.len(), 0);
    }

    #[test]
    fn the_initial_delay_is_put_off_no_longer_than_the_rebalance_timeout() {
        let mut world = World::new();
        let request = |seed| Request::Join(Join { rebalance_timeout_ms: 8_000, ..join_request("", seed) });
        let first = world.send(request(0));
        for seed in 1..4 {
            world.pass_ms(2_500);
            world.send(request(seed));
        }
        world.pass_ms(499);
        assert_eq!(world.joined(first), None);
        world.pass_ms(1);
        assert_eq!(world.joined(first).unwrap().members.len(), 4);
    }

    #[test]
    fn without_an_initial_delay_the_first_member_is_answered_when_due_at_once() {
        let mut world = World::with(GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() });
        let first = world.send(join("", 0));
        world.pass_ms(0);
        assert_eq!(world.joined(first).unwrap().generation, 1);
    }

    #[test]
    fn a_rebalance_ends_when_all_have_rejoined() {
        let mut world = World::new();
        let members = world.stable(2);
        let new = world.send(join("", 9));
        let rejoins = [0, 1].map(|index| world.send(join(&members[index], 0)));
        assert_eq!(world.joined(new).unwrap().generation, 2);
        assert!(rejoins.map(|ticket| world.joined(ticket).unwrap().generation) == [2, 2]);
    }

    #[test]
    fn after_the_longest_rebalance_timeout_dynamic_members_that_did_not_rejoin_are_dropped_and_static_ones_kept()
     {
        let mut world = World::new();
        let request = |id: Option<&str>, seed| {
            let instance_id = id.map(Into::into);
            let patient = Join { session_timeout_ms: 100_000, instance_id, ..join_request("", seed) };
            Request::Join(patient)
        };
        let tickets = vec![
            world.send(request(None, 0)),
            world.send(request(None, 1)),
            world.send(request(Some("s"), 2)),
        ];
        let members = world.finish_rebalance(tickets);
        let changed = vec![protocol("range", &["x"])];
        let rejoin = world.send(Request::Join(Join { protocols: changed, ..join_request(&members[1], 0) }));
        world.pass_ms(59_999);
        assert_eq!(world.joined(rejoin), None);
        world.pass_ms(1);
        let joined = world.joined(rejoin).unwrap();
        assert_eq!((joined.generation, &joined.leader), (2, &members[1]));
        let left: Vec<_> = joined.members.iter().map(|member| &member.member_id).collect();
        assert_eq!(left, [&members[1], &members[2]]);
    }

    #[test]
    fn a_leader_that_does_not_rejoin_is_replaced() {
        let mut world = World::new();
        let members = world.stable(3);
        let rejoins = [1, 2].map(|index: usize| {
            let changed = vec![protocol("range", &["x"])];
            world.send(Request::Join(Join { protocols: changed, ..join_request(&members[index], 0) }))
        });
        world.pass_ms(60_000);
        assert_eq!(rejoins.map(|ticket| world.joined(ticket).unwrap().leader == members[1]), [true, true]);
    }

    #[test]
    fn a_group_of_absent_static_members_waits_until_their_sessions_end() {
        let mut world = World::new();
        let request =
            Join { instance_id: Some("s".into()), session_timeout_ms: 200_000, ..join_request("", 0) };
        let tickets = vec![world.send(Request::Join(request)), world.send(join("", 1))];
        let members = world.finish_rebalance(tickets);
        world.send(leave(&[(&members[1], None)]));
        world.pass_ms(199_999);
        assert_eq!(world.groups.describe("g").unwrap().state, GroupState::PreparingRebalance);
        world.pass_ms(60_001);
        let described = world.groups.describe("g").unwrap();
        assert_eq!((described.state, described.generation), (GroupState::Empty, 2));
    }

    #[test]
    fn a_silent_member_is_removed_with_its_session_and_the_others_rebalance() {
        let mut world = World::new();
        let members = world.stable(2);
        world.pass_ms(9_000);
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::None);
        world.pass_ms(999);
        assert_eq!(world.groups.describe("g").unwrap().state, GroupState::Stable);
        world.pass_ms(1);
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::RebalanceInProgress);
        assert_eq!(world.heartbeat(&members[1], 1), ErrorCode::UnknownMemberId);
        let rejoin = world.send(join(&members[0], 0));
        assert_eq!(world.joined(rejoin).unwrap().generation, 2);
    }

    #[test]
    fn a_member_that_waits_for_others_is_not_missed() {
        let mut world = World::new();
        let members = world.stable(2);
        let rejoin = world.send(join(&members[0], 0));
        for _ in 0..5 {
            world.pass_ms(9_000);
            assert_eq!(world.heartbeat(&members[1], 1), ErrorCode::RebalanceInProgress);
        }
        world.send(join(&members[1], 0));
        assert_eq!(world.joined(rejoin).unwrap().generation, 2);
    }

    #[test]
    fn members_that_do_not_ask_for_their_assignment_are_removed_after_the_rebalance_timeout() {
        let mut world = World::new();
        let tickets = [0, 1].map(|seed| world.send(join("", seed)));
        world.pass_ms(6_000);
        let members = tickets.map(|ticket| world.joined(ticket).unwrap().member_id);
        let synced = world.send(sync(&members[1], 1, Vec::new()));
        for _ in 0..59 {
            world.heartbeat(&members[0], 1);
            world.pass_ms(1_000);
        }
        assert_eq!(world.synced(synced), None);
        world.heartbeat(&members[0], 1);
        world.pass_ms(1_000);
        assert_eq!(world.synced(synced).unwrap().error, ErrorCode::RebalanceInProgress);
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::UnknownMemberId);
        let rejoin = world.send(join(&members[1], 0));
        assert_eq!(world.joined(rejoin).unwrap().leader, members[1]);
    }

    #[test]
    fn who_left_during_the_initial_delay_leaves_an_empty_group_when_it_is_over() {
        let mut world = World::new();
        let first = world.send(join_static("s", 0));
        world.send(leave(&[("", Some("s"))]));
        assert_eq!(world.joined(first).unwrap().error, ErrorCode::UnknownMemberId);
        world.pass_ms(3_000);
        let described = world.groups.describe("g").unwrap();
        assert_eq!(
            (described.state, described.generation, described.members.len()),
            (GroupState::Empty, 1, 0)
        );
    }
}
