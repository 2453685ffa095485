//! LeaveGroup: a batch whose members each have their own outcome, and one rebalance for all.

use std::sync::Arc;

use highwater_wire::ErrorCode;

use super::ClassicGroup;
use crate::turn::Turn;
use crate::{Answer, GroupState, Leave, LeaveAnswer, Leaving, LeftMember, Ticket};

impl ClassicGroup {
    /// LeaveGroup. Answered when the group that it leaves empty is stored as such.
    pub(crate) fn leave(&mut self, turn: &mut Turn<'_>, ticket: Ticket, leave: &Leave) {
        let outcomes: Vec<_> = leave.members.iter().map(|leaving| self.leave_one(turn, leaving)).collect();
        let has_left = outcomes.contains(&ErrorCode::None);
        let commit = if has_left && self.state != GroupState::Empty {
            self.rebalance_or_complete_join(turn)
        } else {
            None
        };
        let answer = left(leave, |index| outcomes.get(index).copied().unwrap_or(ErrorCode::UnknownMemberId));
        turn.answer_after(commit, ticket, answer);
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, leaving: &Leaving) -> ErrorCode {
        let instance_id = leaving.instance_id.as_deref();
        let member_id = if leaving.member_id.is_empty() {
            // An administrator names a static member by its instance alone.
            match instance_id.and_then(|id| self.static_members.get(id)) {
                Some(member_id) => Arc::clone(member_id),
                None => return ErrorCode::UnknownMemberId,
            }
        } else if self.remove_pending(turn, &leaving.member_id) {
            return ErrorCode::None;
        } else if let Err(code) = self.validate_member(&leaving.member_id, instance_id) {
            return code;
        } else {
            Arc::clone(&leaving.member_id)
        };
        self.remove(turn, &member_id, ErrorCode::UnknownMemberId);
        ErrorCode::None
    }
}

/// The answer that tells each member its code.
pub(crate) fn left(leave: &Leave, code: impl Fn(usize) -> ErrorCode) -> Answer {
    let members = leave.members.iter().enumerate().map(|(index, leaving)| LeftMember {
        member_id: Arc::clone(&leaving.member_id),
        instance_id: leaving.instance_id.clone(),
        error: code(index),
    });
    Answer::Leave(LeaveAnswer { error: ErrorCode::None, members: members.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, join, join_request, join_static, leave};
    use crate::{Join, Request};

    fn codes(answer: &LeaveAnswer) -> Vec<ErrorCode> {
        answer.members.iter().map(|member| member.error).collect()
    }

    #[test]
    fn each_member_of_a_batch_has_its_own_outcome() {
        let mut world = World::new();
        let mut tickets =
            vec![world.send(join("", 0)), world.send(join_static("s", 1)), world.send(join_static("u", 2))];
        tickets.push(world.send(join("", 3)));
        let members = world.finish_rebalance(tickets);
        let ticket = world.send(leave(&[
            (&members[0], None),
            ("", Some("s")),
            ("", Some("unknown")),
            ("m", None),
            ("m", Some("u")),
            ("", None),
        ]));
        let answer = world.left(ticket).unwrap();
        let unknown = ErrorCode::UnknownMemberId;
        let none = ErrorCode::None;
        assert_eq!(codes(&answer), [none, none, unknown, unknown, ErrorCode::FencedInstanceId, unknown]);
        assert_eq!(
            (&*answer.members[1].member_id, answer.members[1].instance_id.as_deref()),
            ("", Some("s"))
        );
        assert_eq!(world.heartbeat(&members[3], 1), ErrorCode::RebalanceInProgress);
        assert_eq!(world.groups.describe("g").unwrap().members.len(), 2);
    }

    #[test]
    fn of_an_unknown_group_every_member_is_unknown() {
        let mut world = World::new();
        let ticket = world.send(leave(&[("a", None), ("", Some("s"))]));
        let answer = world.left(ticket).unwrap();
        assert_eq!((answer.error, codes(&answer)), (ErrorCode::None, vec![ErrorCode::UnknownMemberId; 2]));
    }

    #[test]
    fn a_member_that_was_given_an_id_may_leave_with_it() {
        let mut world = World::new();
        let given = world.send(Request::Join(Join { id_required: true, ..join_request("", 7) }));
        let member_id = world.joined(given).unwrap().member_id;
        let ticket = world.send(leave(&[(&member_id, None)]));
        assert_eq!(codes(&world.left(ticket).unwrap()), [ErrorCode::None]);
        let again = world.send(join(&member_id, 0));
        assert_eq!(world.joined(again).unwrap().error, ErrorCode::UnknownMemberId);
    }

    #[test]
    fn the_last_to_leave_is_answered_when_the_empty_group_is_durable() {
        let mut world = World::new();
        let members = world.stable(2);
        world.is_durable_at_once = false;
        let ticket = world.send(leave(&[(&members[0], None), (&members[1], None)]));
        assert_eq!((world.left(ticket), world.commits.len()), (None, 1));
        world.settle();
        assert_eq!(codes(&world.left(ticket).unwrap()), [ErrorCode::None; 2]);
        world.restart(crate::GroupConfig::default());
        let described = world.groups.describe("g").unwrap();
        assert_eq!(
            (described.state, described.generation, &*described.protocol_type),
            (GroupState::Empty, 2, "consumer")
        );
    }

    #[test]
    fn the_waiting_requests_of_who_leaves_are_answered() {
        let mut world = World::new();
        let members = world.stable(2);
        let waiting = world.send(join(&members[0], 0));
        world.send(leave(&[(&members[0], None)]));
        assert_eq!(world.joined(waiting).unwrap().error, ErrorCode::UnknownMemberId);
    }

    #[test]
    fn when_the_last_that_is_awaited_leaves_the_others_go_on() {
        let mut world = World::new();
        let members = world.stable(2);
        let waiting = world.send(join(&members[0], 0));
        world.send(leave(&[(&members[1], None)]));
        assert_eq!(world.joined(waiting).unwrap().members.len(), 1);
    }

    #[test]
    fn who_leaves_leaves_no_timer_behind() {
        let mut world = World::new();
        let members = world.stable(3);
        world.send(leave(&[(&members[0], None), (&members[1], None), (&members[2], None)]));
        let sweep_ms = crate::GroupConfig::default().offsets_retention_check_interval_ms;
        assert_eq!(world.groups.next_due(), Some(highwater_types::Instant(0).plus_ms(sweep_ms)));
    }
}
