//! Heartbeat, and the sign of life that an OffsetCommit gives: a deadline moves, nothing else.

use highwater_wire::ErrorCode;

use super::ClassicGroup;
use crate::turn::Turn;
use crate::{GroupState, Heartbeat};

impl ClassicGroup {
    /// Heartbeat.
    pub(crate) fn heartbeat(&mut self, turn: &mut Turn<'_>, heartbeat: &Heartbeat) -> ErrorCode {
        if let Err(code) = self.validate_member(&heartbeat.member_id, heartbeat.instance_id.as_deref()) {
            return code;
        }
        if heartbeat.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        self.touch(turn, &heartbeat.member_id);
        match self.state {
            GroupState::Empty => ErrorCode::UnknownMemberId,
            GroupState::PreparingRebalance => ErrorCode::RebalanceInProgress,
            GroupState::CompletingRebalance | GroupState::Stable => ErrorCode::None,
        }
    }

    /// Whether a member, or a client that is none, may commit offsets. A member's session begins anew.
    ///
    /// # Errors
    /// What the whole request is refused with.
    pub(crate) fn accept_commit(
        &mut self,
        turn: &mut Turn<'_>,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        let is_empty = self.state == GroupState::Empty;
        if generation < 0 && is_empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.validate_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        self.touch(turn, member_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, commit, commit_request, join, leave};
    use crate::{OffsetCommit, Request};

    #[test]
    fn a_heartbeat_is_answered_by_the_state_of_the_group() {
        let mut world = World::new();
        assert_eq!(world.heartbeat("m", 1), ErrorCode::UnknownMemberId);
        let tickets = [0, 1].map(|seed| world.send(join("", seed)));
        world.pass_ms(6_000);
        let joins = tickets.map(|ticket| world.joined(ticket).unwrap());
        let member = &joins[0].member_id;
        assert_eq!(world.heartbeat(member, 1), ErrorCode::None, "the assignment is awaited");
        world.assign(&joins);
        assert_eq!(world.heartbeat(member, 1), ErrorCode::None);
        assert_eq!(world.heartbeat(member, 0), ErrorCode::IllegalGeneration);
        assert_eq!(world.heartbeat("m", 1), ErrorCode::UnknownMemberId);
        world.send(join("", 5));
        assert_eq!(world.heartbeat(member, 1), ErrorCode::RebalanceInProgress);
        world.send(leave(&[(member, None)]));
        assert_eq!(world.heartbeat(member, 1), ErrorCode::UnknownMemberId);
    }

    #[test]
    fn a_commit_is_accepted_by_the_state_of_the_group() {
        let mut world = World::new();
        let try_commit = |world: &mut World, request| {
            let ticket = world.send(request);
            world.code(ticket).unwrap()
        };
        assert_eq!(try_commit(&mut world, commit("", 1, 5)), ErrorCode::GroupIdNotFound);
        assert_eq!(try_commit(&mut world, commit("", -1, 5)), ErrorCode::None, "a simple group");
        assert_eq!(try_commit(&mut world, commit("", 1, 5)), ErrorCode::UnknownMemberId);
        let tickets = [0, 1].map(|seed| world.send(join("", seed)));
        world.pass_ms(6_000);
        let joins = tickets.map(|ticket| world.joined(ticket).unwrap());
        let member = &joins[0].member_id;
        assert_eq!(try_commit(&mut world, commit(member, 1, 5)), ErrorCode::RebalanceInProgress);
        world.assign(&joins);
        assert_eq!(try_commit(&mut world, commit(member, 1, 5)), ErrorCode::None);
        assert_eq!(try_commit(&mut world, commit(member, 0, 5)), ErrorCode::IllegalGeneration);
        assert_eq!(try_commit(&mut world, commit(member, -1, 5)), ErrorCode::IllegalGeneration);
        assert_eq!(try_commit(&mut world, commit("", -1, 5)), ErrorCode::UnknownMemberId);
        assert_eq!(try_commit(&mut world, commit("m", 1, 5)), ErrorCode::UnknownMemberId);
        let fenced = OffsetCommit { instance_id: Some("s".into()), ..commit_request(member, 1, 5) };
        assert_eq!(try_commit(&mut world, Request::Commit(fenced)), ErrorCode::UnknownMemberId);
        world.send(join("", 5));
        assert_eq!(try_commit(&mut world, commit(member, 1, 5)), ErrorCode::None, "others are awaited");
    }

    #[test]
    fn heartbeats_and_commits_keep_a_member_in() {
        let mut world = World::new();
        let members = world.stable(1);
        for round in 0..20 {
            world.pass_ms(9_999);
            let code = if round % 2 == 0 {
                world.heartbeat(&members[0], 1)
            } else {
                let ticket = world.commit(&members[0], 1, round);
                world.code(ticket).unwrap()
            };
            assert_eq!(code, ErrorCode::None, "round {round}");
        }
        world.pass_ms(10_000);
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::UnknownMemberId);
    }

    #[test]
    fn a_heartbeat_sets_no_timer() {
        let mut world = World::new();
        let members = world.stable(1);
        let due = world.groups.next_due();
        for _ in 0..6 {
            world.pass_ms(1_000);
            world.heartbeat(&members[0], 1);
            assert_eq!(world.groups.next_due(), due);
        }
        world.pass_ms(1_000);
        assert_eq!(
            world.groups.next_due(),
            due.map(|due| due.plus_ms(9_000)),
            "set again when it came too early"
        );
    }
}
