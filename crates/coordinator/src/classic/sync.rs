//! SyncGroup: followers wait for the leader, everybody waits until the leader's assignment is durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highwater_wire::ErrorCode;

use super::ClassicGroup;
use crate::turn::{Pending, Turn};
use crate::{Answer, CommitId, GroupState, Sync, SyncAnswer, Ticket};

impl ClassicGroup {
    /// SyncGroup.
    pub(crate) fn sync(&mut self, turn: &mut Turn<'_>, ticket: Ticket, sync: Sync) {
        if let Err(code) = self.validate_sync(&sync) {
            turn.answer(ticket, Answer::Sync(SyncAnswer::failed(code)));
            return;
        }
        self.pending_syncs.remove(&sync.member_id);
        if self.pending_syncs.is_empty() {
            self.drop_timer(turn);
        }
        if self.state == GroupState::Stable {
            let assignment = self.members.get(&sync.member_id).map(|member| member.assignment.clone());
            turn.answer(ticket, Answer::Sync(self.synced(assignment.unwrap_or_default())));
            return;
        }
        self.await_sync(turn, &sync.member_id, ticket);
        if self.is_leader(&sync.member_id) && self.assigning.is_none() {
            self.assign(turn, sync.assignments);
        }
    }

    fn validate_sync(&self, sync: &Sync) -> Result<(), ErrorCode> {
        if self.state == GroupState::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.validate_member(&sync.member_id, sync.instance_id.as_deref())?;
        let differs = |given: &Option<Arc<str>>, own: &Option<Arc<str>>| given.is_some() && given != own;
        if sync.generation != self.generation {
            Err(ErrorCode::IllegalGeneration)
        } else if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol)
        {
            Err(ErrorCode::InconsistentGroupProtocol)
        } else if self.state == GroupState::PreparingRebalance {
            Err(ErrorCode::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// Has a SyncGroup wait. An earlier one of the same member is answered: its client has given up on it.
    fn await_sync(&mut self, turn: &mut Turn<'_>, member_id: &str, ticket: Ticket) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(earlier) = member.sync.replace(ticket) {
            turn.answer(earlier, Answer::Sync(SyncAnswer::failed(ErrorCode::RebalanceInProgress)));
        }
    }

    /// Sends the leader's assignment to the store. Members that it does not name get an empty one.
    fn assign(&mut self, turn: &mut Turn<'_>, assignments: Vec<(Arc<str>, Bytes)>) {
        let own = assignments.into_iter().filter(|(member_id, _)| self.members.contains_key(member_id));
        let assignments: BTreeMap<_, _> =
            own.map(|(id, bytes)| (id, Bytes::copy_from_slice(&bytes))).collect();
        let record = self.record(Some(&assignments));
        let pending = Pending::Assignment(assignments.into_iter().collect());
        self.assigning = Some(turn.commit(&self.id, vec![record], pending));
    }

    /// The assignment is durable: the group is stable, unless a rebalance began meanwhile.
    pub(crate) fn assigned(
        &mut self,
        turn: &mut Turn<'_>,
        id: CommitId,
        assignments: Vec<(Arc<str>, Bytes)>,
    ) {
        if self.assigning != Some(id) {
            return;
        }
        self.assigning = None;
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (member_id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.assignment = assignment;
            }
        }
        self.enter(turn, GroupState::Stable);
        for member_id in self.member_ids() {
            let assignment = self.members.get(&member_id).map(|member| member.assignment.clone());
            let answer = self.synced(assignment.unwrap_or_default());
            self.answer_sync(turn, &member_id, answer);
        }
    }

    /// The assignment could not be stored: nobody gets it, and a rebalance begins.
    pub(crate) fn not_assigned(&mut self, turn: &mut Turn<'_>, id: CommitId, code: ErrorCode) {
        if self.assigning == Some(id) {
            self.refuse_syncs(turn, code);
            self.prepare_rebalance(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, join, leave, sync};

    /// Two members of generation 1, the first leads.
    fn joined_pair(world: &mut World) -> [Arc<str>; 2] {
        let tickets = [0, 1].map(|seed| world.send(join("", seed)));
        world.pass_ms(6_000);
        tickets.map(|ticket| world.joined(ticket).unwrap().member_id)
    }

    fn assignments(to: &[Arc<str>]) -> Vec<(Arc<str>, Bytes)> {
        to.iter().map(|member| (Arc::clone(member), Bytes::from_static(b"mine"))).collect()
    }

    #[test]
    fn followers_wait_for_the_leader_and_all_wait_for_the_store() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let members = joined_pair(&mut world);
        let follower = world.send(sync(&members[1], 1, Vec::new()));
        assert!(world.commits.is_empty());
        let leader = world.send(sync(&members[0], 1, assignments(&members[1..])));
        assert_eq!((world.commits.len(), world.answers.len()), (1, 0));
        world.settle();
        let answer = world.synced(follower).unwrap();
        assert_eq!((answer.error, &answer.assignment[..]), (ErrorCode::None, &b"mine"[..]));
        assert_eq!(
            (answer.protocol_type.as_deref(), answer.protocol.as_deref()),
            (Some("consumer"), Some("range"))
        );
        let answer = world.synced(leader).unwrap();
        assert_eq!((answer.error, &answer.assignment[..]), (ErrorCode::None, &b""[..]));
    }

    #[test]
    fn a_repeated_sync_of_the_leader_waits_for_the_first_assignment() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let members = joined_pair(&mut world);
        let first = world.send(sync(&members[0], 1, assignments(&members)));
        let again = world.send(sync(&members[0], 1, Vec::new()));
        assert_eq!(world.synced(first).unwrap().error, ErrorCode::RebalanceInProgress);
        assert_eq!(world.commits.len(), 1);
        world.settle();
        assert_eq!(&world.synced(again).unwrap().assignment[..], b"mine");
    }

    #[test]
    fn an_assignment_that_cannot_be_stored_is_nobodys_and_a_rebalance_begins() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let members = joined_pair(&mut world);
        let tickets = [
            world.send(sync(&members[1], 1, Vec::new())),
            world.send(sync(&members[0], 1, assignments(&members))),
        ];
        world.fail(ErrorCode::CoordinatorNotAvailable);
        for ticket in tickets {
            assert_eq!(world.synced(ticket).unwrap(), SyncAnswer::failed(ErrorCode::CoordinatorNotAvailable));
        }
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::RebalanceInProgress);
        let late = world.send(sync(&members[0], 1, Vec::new()));
        assert_eq!(world.synced(late).unwrap().error, ErrorCode::RebalanceInProgress);
    }

    #[test]
    fn an_assignment_of_a_generation_that_is_over_changes_nothing() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let members = joined_pair(&mut world);
        let leader = world.send(sync(&members[0], 1, assignments(&members)));
        world.send(leave(&[(&members[1], None)]));
        assert_eq!(world.synced(leader).unwrap().error, ErrorCode::RebalanceInProgress);
        let rejoin = world.send(join(&members[0], 0));
        assert_eq!(world.joined(rejoin).unwrap().generation, 2);
        world.settle();
        assert_eq!(world.groups.describe("g").unwrap().state, GroupState::CompletingRebalance);
    }

    #[test]
    fn a_stable_group_tells_the_assignment_again() {
        let mut world = World::new();
        let members = world.stable(2);
        let again = world.send(sync(&members[1], 1, Vec::new()));
        assert_eq!(&world.synced(again).unwrap().assignment[..], b"a1");
    }

    #[test]
    fn a_sync_must_name_member_generation_and_protocol() {
        let mut world = World::new();
        let refused = |world: &mut World, request| {
            let ticket = world.send(request);
            world.synced(ticket).unwrap().error
        };
        assert_eq!(refused(&mut world, sync("m", 1, Vec::new())), ErrorCode::UnknownMemberId);
        let members = world.stable(1);
        assert_eq!(refused(&mut world, sync("m", 1, Vec::new())), ErrorCode::UnknownMemberId);
        assert_eq!(refused(&mut world, sync(&members[0], 0, Vec::new())), ErrorCode::IllegalGeneration);
        assert_eq!(refused(&mut world, sync(&members[0], 2, Vec::new())), ErrorCode::IllegalGeneration);
        for (protocol_type, protocol) in [(Some("connect"), None), (None, Some("other"))] {
            let crate::Request::Sync(request) = sync(&members[0], 1, Vec::new()) else { panic!() };
            let (protocol_type, protocol) = (protocol_type.map(Into::into), protocol.map(Into::into));
            let request = crate::Request::Sync(Sync { protocol_type, protocol, ..request });
            assert_eq!(refused(&mut world, request), ErrorCode::InconsistentGroupProtocol);
        }
        world.send(leave(&[(&members[0], None)]));
        assert_eq!(refused(&mut world, sync(&members[0], 1, Vec::new())), ErrorCode::UnknownMemberId);
    }
}
