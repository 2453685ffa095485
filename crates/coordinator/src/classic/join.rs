//! JoinGroup.
//!
//! | who | in | is |
//! |---|---|---|
//! | new, dynamic, v4+ | any | given an id and told MEMBER_ID_REQUIRED |
//! | new, or back with the given id | any | put in; a rebalance begins or goes on |
//! | new, with an instance that is known | any | `static_member` |
//! | member | PreparingRebalance | waits |
//! | member | CompletingRebalance | told the generation again; with other metadata, a rebalance begins |
//! | leader, or a member with other metadata | Stable | a rebalance begins |
//! | another member | Stable | told the generation again |

use std::fmt::Write;
use std::sync::Arc;

use highwater_wire::ErrorCode;

use super::{ClassicGroup, Member};
use crate::turn::{Due, Turn};
use crate::{Answer, GroupState, Join, JoinAnswer, Ticket};

/// How long a new member's JoinGroup may wait. Its client cannot be missed by its heartbeats, which need the id that is to come.
const NEW_MEMBER_TIMEOUT_MS: u64 = 5 * 60 * 1_000;

impl ClassicGroup {
    /// JoinGroup, of a session timeout within the bounds.
    pub(crate) fn join(&mut self, turn: &mut Turn<'_>, ticket: Ticket, join: &Join) {
        if !self.has_room_for(turn, &join.member_id) {
            self.remove_pending(turn, &join.member_id);
            self.remove(turn, &join.member_id, ErrorCode::GroupMaxSizeReached);
            refuse(turn, ticket, ErrorCode::GroupMaxSizeReached, "".into());
            self.maybe_complete_join(turn);
        } else if !self.supports(&join.protocol_type, &join.protocols) {
            refuse(turn, ticket, ErrorCode::InconsistentGroupProtocol, Arc::clone(&join.member_id));
        } else if join.member_id.is_empty() {
            self.join_new(turn, ticket, join);
        } else if join.instance_id.is_none() && self.remove_pending(turn, &join.member_id) {
            self.join_with_id(turn, ticket, Arc::clone(&join.member_id), join);
        } else {
            match self.validate_member(&join.member_id, join.instance_id.as_deref()) {
                Ok(()) => self.rejoin(turn, ticket, join),
                Err(code) => refuse(turn, ticket, code, Arc::clone(&join.member_id)),
            }
        }
    }

    /// Whether `group.max.size` leaves room. While members are awaited those count that are here, so that a limit that was lowered
    /// keeps out who comes last.
    fn has_room_for(&self, turn: &Turn<'_>, member_id: &str) -> bool {
        let member = self.members.get(member_id);
        match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.join.is_some())
                    || self.awaiting_joins < turn.config.max_size
            }
            _ => member.is_some() || self.members.len() < turn.config.max_size,
        }
    }

    fn join_new(&mut self, turn: &mut Turn<'_>, ticket: Ticket, join: &Join) {
        let member_id = new_member_id(join);
        let known = join.instance_id.as_ref().and_then(|id| self.static_members.get(id)).cloned();
        if let Some(old_id) = known {
            self.replace_static_member(turn, ticket, &old_id, member_id, join);
        } else if join.instance_id.is_none() && join.id_required {
            self.give_id(turn, Arc::clone(&member_id), join);
            refuse(turn, ticket, ErrorCode::MemberIdRequired, member_id);
        } else {
            self.join_with_id(turn, ticket, member_id, join);
        }
    }

    /// Has a member come again with the id that it is given, within its session timeout.
    fn give_id(&mut self, turn: &mut Turn<'_>, member_id: Arc<str>, join: &Join) {
        let due = Due::Session { group_id: Arc::clone(&self.id), member_id: Arc::clone(&member_id) };
        let timeout_ms = u64::try_from(join.session_timeout_ms).unwrap_or(0);
        let timer = turn.timers.set(turn.in_ms(timeout_ms), due);
        self.pending_joins.insert(member_id, timer);
    }

    fn join_with_id(&mut self, turn: &mut Turn<'_>, ticket: Ticket, member_id: Arc<str>, join: &Join) {
        if self.state == GroupState::PreparingRebalance && self.previous_state == GroupState::Empty {
            self.member_added = true;
        }
        let mut member = Member::new(member_id, join);
        member.expect_within(turn, &self.id, NEW_MEMBER_TIMEOUT_MS);
        member.join = Some(ticket);
        self.insert(member, Some(&join.protocol_type));
        self.rebalance_or_complete_join(turn);
    }

    fn rejoin(&mut self, turn: &mut Turn<'_>, ticket: Ticket, join: &Join) {
        let member_id = &*join.member_id;
        let Some(member) = self.members.get(member_id) else { return };
        let is_changed = !member.matches(&join.protocols);
        let begins_rebalance = match self.state {
            GroupState::Empty | GroupState::PreparingRebalance => true,
            GroupState::CompletingRebalance => is_changed,
            GroupState::Stable => is_changed || self.is_leader(member_id),
        };
        if begins_rebalance {
            self.update(turn, member_id, ticket, join);
            self.rebalance_or_complete_join(turn);
        } else if member.join.is_some() {
            self.await_join(turn, member_id, ticket);
        } else {
            turn.answer(ticket, Answer::Join(self.joined(member_id)));
        }
    }
}

fn refuse(turn: &mut Turn<'_>, ticket: Ticket, code: ErrorCode, member_id: Arc<str>) {
    turn.answer(ticket, Answer::Join(JoinAnswer::failed(code, member_id)));
}

/// `<instance or client id>-<version 4 UUID>`, as Kafka names members.
fn new_member_id(join: &Join) -> Arc<str> {
    let mut id = String::from(&**join.instance_id.as_ref().unwrap_or(&join.client_id));
    for (index, byte) in join.fresh_id.iter().enumerate() {
        let byte = match index {
            6 => byte & 0x0f | 0x40,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        let dash = if matches!(index, 0 | 4 | 6 | 8 | 10) { "-" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(id, "{dash}{byte:02x}");
    }
    id.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{INITIAL_DELAY_MS, World, heartbeat, join, join_request, protocol, sync};
    use crate::{GroupConfig, Request};

    #[test]
    fn a_new_member_of_v4_gets_an_id_and_joins_with_it() {
        let mut world = World::new();
        let first = world.send(Request::Join(Join { id_required: true, ..join_request("", 7) }));
        let refused = world.joined(first).unwrap();
        assert_eq!(refused.error, ErrorCode::MemberIdRequired);
        assert_eq!(&*refused.member_id, "client-07070707-0707-4707-8707-070707070707");
        assert_eq!((refused.generation, &*refused.leader), (-1, ""));
        let again =
            world.send(Request::Join(Join { id_required: true, ..join_request(&refused.member_id, 8) }));
        world.pass_ms(INITIAL_DELAY_MS);
        let joined = world.joined(again).unwrap();
        assert_eq!((joined.error, joined.generation), (ErrorCode::None, 1));
        assert_eq!((&joined.leader, &joined.member_id), (&refused.member_id, &refused.member_id));
        assert_eq!(joined.members.len(), 1);
    }

    #[test]
    fn an_id_that_was_given_is_forgotten_with_the_session_timeout() {
        let mut world = World::new();
        let first = world.send(Request::Join(Join { id_required: true, ..join_request("", 7) }));
        let member_id = world.joined(first).unwrap().member_id;
        world.pass_ms(10_000);
        let again = world.send(join(&member_id, 0));
        assert_eq!(world.joined(again).unwrap().error, ErrorCode::UnknownMemberId);
    }

    #[test]
    fn a_rebalance_waits_for_a_member_that_was_given_an_id() {
        let mut world = World::new();
        let members = world.stable(1);
        let given = world.send(Request::Join(Join { id_required: true, ..join_request("", 7) }));
        let given = world.joined(given).unwrap().member_id;
        let rejoin = world.send(join(&members[0], 0));
        assert_eq!(world.joined(rejoin), None);
        let with_id = world.send(join(&given, 0));
        assert_eq!(world.joined(rejoin).unwrap().members.len(), 2);
        assert_eq!(world.joined(with_id).unwrap().generation, 2);
    }

    #[test]
    fn a_session_timeout_out_of_bounds_and_an_unknown_group_or_member_are_refused() {
        let mut world = World::new();
        for session_timeout_ms in [5_999, 1_800_001, -1] {
            let ticket = world.send(Request::Join(Join { session_timeout_ms, ..join_request("m", 0) }));
            let answer = world.joined(ticket).unwrap();
            assert_eq!((answer.error, &*answer.member_id), (ErrorCode::InvalidSessionTimeout, "m"));
        }
        let ticket = world.send(join("m", 0));
        assert_eq!(world.joined(ticket).unwrap().error, ErrorCode::UnknownMemberId);
        assert!(world.groups.describe("g").is_none());
        world.stable(1);
        let ticket = world.send(join("m", 0));
        assert_eq!(world.joined(ticket).unwrap(), JoinAnswer::failed(ErrorCode::UnknownMemberId, "m".into()));
    }

    #[test]
    fn a_member_must_share_type_and_a_protocol_with_all() {
        let mut world = World::new();
        let mut refused = |request: Join| {
            let ticket = world.send(Request::Join(request));
            world.joined(ticket).map(|answer| answer.error)
        };
        let inconsistent = Some(ErrorCode::InconsistentGroupProtocol);
        assert_eq!(refused(Join { protocol_type: "".into(), ..join_request("", 1) }), inconsistent);
        assert_eq!(refused(Join { protocols: Vec::new(), ..join_request("", 1) }), inconsistent);
        assert_eq!(
            refused(Join { protocols: Vec::new(), ..join_request("m", 1) }),
            inconsistent,
            "of an unknown group"
        );
        assert_eq!(refused(join_request("", 1)), None);
        assert_eq!(refused(Join { protocol_type: "connect".into(), ..join_request("", 2) }), inconsistent);
        assert_eq!(
            refused(Join { protocols: vec![protocol("other", &[])], ..join_request("", 2) }),
            inconsistent
        );
    }

    #[test]
    fn the_protocol_with_most_votes_among_those_that_all_support_is_chosen() {
        let mut world = World::new();
        let votes: [&[&str]; 3] = [&["mine", "a", "b"], &["b", "a"], &["b", "a", "mine"]];
        let tickets = votes.iter().zip(0..).map(|(names, seed)| {
            let protocols = names.iter().map(|name| protocol(name, &["t"])).collect();
            world.send(Request::Join(Join { protocols, ..join_request("", seed) }))
        });
        let tickets: Vec<_> = tickets.collect();
        world.pass_ms(INITIAL_DELAY_MS);
        for ticket in tickets {
            assert_eq!(world.joined(ticket).unwrap().protocol.as_deref(), Some("b"));
        }
    }

    #[test]
    fn of_protocols_with_as_many_votes_the_first_by_name_is_chosen() {
        for names in [["b", "a"], ["a", "b"]] {
            let mut world = World::new();
            let tickets = [0, 1].map(|seed| {
                let mut protocols = names.map(|name| protocol(name, &["t"])).to_vec();
                protocols.rotate_left(seed);
                let seed = u8::try_from(seed).unwrap();
                world.send(Request::Join(Join { protocols, ..join_request("", seed) }))
            });
            world.pass_ms(INITIAL_DELAY_MS);
            assert_eq!(world.joined(tickets[0]).unwrap().protocol.as_deref(), Some("a"));
        }
    }

    #[test]
    fn a_full_group_refuses_new_members_and_keeps_its_own() {
        let mut world = World::with(GroupConfig { max_size: 2, ..GroupConfig::default() });
        let members = world.stable(2);
        let third = world.send(join("", 9));
        let answer = world.joined(third).unwrap();
        assert_eq!((answer.error, &*answer.member_id), (ErrorCode::GroupMaxSizeReached, ""));
        let rejoin = world.send(join(&members[1], 0));
        assert_eq!(world.joined(rejoin).unwrap().error, ErrorCode::None);
    }

    #[test]
    fn of_a_group_that_is_too_large_who_rejoins_last_is_out() {
        let mut world = World::new();
        let members = world.stable(3);
        world.groups.configure(GroupConfig { max_size: 2, ..GroupConfig::default() });
        let tickets: Vec<_> = members.iter().map(|member| world.send(join(member, 0))).collect();
        assert_eq!(world.joined(tickets[2]).unwrap().error, ErrorCode::GroupMaxSizeReached);
        assert_eq!(world.joined(tickets[0]).unwrap().members.len(), 2);
        assert_eq!(world.heartbeat(&members[2], 1), ErrorCode::UnknownMemberId);
    }

    #[test]
    fn a_follower_of_a_stable_group_that_changed_nothing_is_told_the_generation() {
        let mut world = World::new();
        let members = world.stable(2);
        let ticket = world.send(join(&members[1], 0));
        let answer = world.joined(ticket).unwrap();
        assert_eq!((answer.generation, answer.members.len(), &answer.leader), (1, 0, &members[0]));
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::None);
    }

    #[test]
    fn a_leader_that_rejoins_and_a_member_with_other_metadata_begin_a_rebalance() {
        for index in 0..2 {
            let mut world = World::new();
            let members = world.stable(2);
            let protocols =
                if index == 0 { vec![protocol("range", &["t"])] } else { vec![protocol("range", &["u"])] };
            let ticket = world.send(Request::Join(Join { protocols, ..join_request(&members[index], 0) }));
            assert_eq!(world.joined(ticket), None);
            assert_eq!(world.heartbeat(&members[1 - index], 1), ErrorCode::RebalanceInProgress);
            let other = world.send(join(&members[1 - index], 0));
            assert_eq!(world.joined(ticket).unwrap().generation, 2);
            assert_eq!(world.joined(other).unwrap().leader, members[0]);
        }
    }

    #[test]
    fn while_the_assignment_is_awaited_a_member_that_changed_nothing_is_told_the_same_again() {
        let mut world = World::new();
        let tickets = [world.send(join("", 0)), world.send(join("", 1))];
        world.pass_ms(INITIAL_DELAY_MS);
        for ticket in tickets {
            let joined = world.joined(ticket).unwrap();
            let again = world.send(join(&joined.member_id, 0));
            assert_eq!(world.joined(again), Some(joined));
        }
    }

    #[test]
    fn while_the_assignment_is_awaited_other_metadata_begin_a_rebalance_and_refuse_the_waiting_sync() {
        let mut world = World::new();
        let tickets = [world.send(join("", 0)), world.send(join("", 1))];
        world.pass_ms(INITIAL_DELAY_MS);
        let members = tickets.map(|ticket| world.joined(ticket).unwrap().member_id);
        let waiting = world.send(sync(&members[1], 1, Vec::new()));
        let protocols = vec![protocol("range", &["u"])];
        world.send(Request::Join(Join { protocols, ..join_request(&members[0], 0) }));
        assert_eq!(world.synced(waiting).unwrap().error, ErrorCode::RebalanceInProgress);
    }

    #[test]
    fn a_repeated_join_takes_the_place_of_the_one_that_waits() {
        let mut world = World::new();
        let members = world.stable(2);
        let first = world.send(join(&members[0], 0));
        let second = world.send(join(&members[0], 0));
        assert_eq!(world.joined(first).unwrap().error, ErrorCode::RebalanceInProgress);
        world.send(join(&members[1], 0));
        assert_eq!(world.joined(second).unwrap().generation, 2);
    }

    #[test]
    fn a_new_member_that_waits_five_minutes_is_given_up() {
        let mut world = World::new();
        let members = world.stable(1);
        let request = Join { rebalance_timeout_ms: 1_000_000, ..join_request(&members[0], 0) };
        let rejoin = world.send(Request::Join(request.clone()));
        assert_eq!(world.joined(rejoin).unwrap().generation, 2);
        world.assign(&[JoinAnswer {
            member_id: members[0].clone(),
            leader: members[0].clone(),
            generation: 2,
            ..JoinAnswer::failed(ErrorCode::None, "".into())
        }]);
        let new = world.send(join("", 5));
        for _ in 0..NEW_MEMBER_TIMEOUT_MS / 5_000 {
            assert_eq!(world.joined(new), None);
            world.send(heartbeat(&members[0], None, 2));
            world.pass_ms(5_000);
        }
        assert_eq!(world.joined(new).unwrap().error, ErrorCode::UnknownMemberId);
        assert_eq!(world.groups.describe("g").unwrap().members.len(), 1);
    }
}
