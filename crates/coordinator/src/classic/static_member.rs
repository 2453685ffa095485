//! A static member that comes back without its id (KIP-345): it gets a new one, and the old one is fenced.
//!
//! In a stable group it goes on with its assignment and nobody else notices, unless the chosen protocol would change. A leader of v9+
//! is told everybody and that it need not assign (KIP-814). One before v9 is told that its old id leads: were it told that it leads,
//! it would assign anew, which only a rebalance may bring about.

use std::sync::Arc;

use highwater_wire::ErrorCode;

use super::{ClassicGroup, Member};
use crate::turn::{Pending, Turn};
use crate::{GroupState, Join, JoinAnswer, SyncAnswer, Ticket};

/// A new id on its way to the store.
#[derive(Debug)]
pub(crate) struct StaticReplacement {
    new_id: Arc<str>,
    old: Member,
    old_leader: Option<Arc<str>>,
    generation: i32,
    can_skip_assignment: bool,
}

impl ClassicGroup {
    /// JoinGroup without an id of an instance that is a member.
    pub(super) fn replace_static_member(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: Ticket,
        old_id: &str,
        new_id: Arc<str>,
        join: &Join,
    ) {
        let old_leader = self.leader.clone();
        let Some(old) = self.rename(turn, old_id, Arc::clone(&new_id)) else { return };
        self.update(turn, &new_id, ticket, join);
        match self.state {
            GroupState::Stable if self.select_protocol() == self.protocol => {
                let can_skip_assignment = join.can_skip_assignment;
                let generation = self.generation;
                let replacement =
                    StaticReplacement { new_id, old, old_leader, generation, can_skip_assignment };
                let record = self.record(None);
                turn.commit(&self.id, vec![record], Pending::Replaced(Box::new(replacement)));
            }
            // The assignment that is awaited may name the old id.
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(turn);
            }
            GroupState::Empty | GroupState::PreparingRebalance => {
                self.maybe_complete_join(turn);
            }
        }
    }

    /// Gives a static member another id. What waits under the old one is fenced. The member as it was is returned.
    fn rename(&mut self, turn: &mut Turn<'_>, old_id: &str, new_id: Arc<str>) -> Option<Member> {
        let fenced = ErrorCode::FencedInstanceId;
        self.answer_join(turn, old_id, JoinAnswer::failed(fenced, old_id.into()));
        self.answer_sync(turn, old_id, SyncAnswer::failed(fenced));
        let mut old = self.members.remove(old_id)?;
        old.cancel_timer(turn);
        let mut member = old.renamed(Arc::clone(&new_id));
        member.touch(turn, &self.id);
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(Arc::clone(instance_id), Arc::clone(&new_id));
        }
        if self.is_leader(old_id) {
            self.leader = Some(Arc::clone(&new_id));
        }
        if self.pending_syncs.remove(old_id) {
            self.pending_syncs.insert(Arc::clone(&new_id));
        }
        self.members.insert(new_id, member);
        Some(old)
    }

    /// The new id is durable: its member is told where it stands. In a rebalance that began meanwhile it goes on waiting.
    pub(crate) fn replaced(&mut self, turn: &mut Turn<'_>, replacement: &StaticReplacement) {
        if !self.still_stands(replacement) {
            return;
        }
        let new_id = &replacement.new_id;
        let mut answer = self.joined(new_id);
        if replacement.can_skip_assignment {
            answer.skip_assignment = self.is_leader(new_id);
        } else {
            answer.members = Vec::new();
            answer.leader = replacement.old_leader.clone().unwrap_or_default();
        }
        self.answer_join(turn, new_id, answer);
    }

    /// The new id could not be stored: the old one stands again.
    pub(crate) fn not_replaced(
        &mut self,
        turn: &mut Turn<'_>,
        replacement: StaticReplacement,
        code: ErrorCode,
    ) {
        if !self.still_stands(&replacement) {
            return;
        }
        let StaticReplacement { new_id, old, .. } = replacement;
        self.answer_join(turn, &new_id, JoinAnswer::failed(code, "".into()));
        let old_id = Arc::clone(&old.id);
        let Some(new) = self.rename(turn, &new_id, Arc::clone(&old_id)) else { return };
        self.uncount_protocols(&new);
        self.count_protocols(&old);
        if let Some(member) = self.members.get_mut(&old_id) {
            member.restore(old);
            member.touch(turn, &self.id);
        }
    }

    fn still_stands(&self, replacement: &StaticReplacement) -> bool {
        self.state == GroupState::Stable
            && self.generation == replacement.generation
            && self.members.get(&replacement.new_id).is_some_and(|member| member.join.is_some())
    }
}

#[cfg(test)]
mod tests {
    use highwater_store::{MetaKey, MetaRecord};

    use super::*;
    use crate::Request;
    use crate::testing::{World, heartbeat, join, join_request, join_static, protocol, sync};

    /// A stable group of two static members `s0`, the leader, and `s1`.
    fn stable_pair(world: &mut World) -> Vec<Arc<str>> {
        let tickets = vec![world.send(join_static("s0", 0)), world.send(join_static("s1", 1))];
        world.finish_rebalance(tickets)
    }

    #[test]
    fn an_instance_that_comes_back_keeps_its_assignment_and_nobody_rebalances() {
        let mut world = World::new();
        let members = stable_pair(&mut world);
        let back = world.send(join_static("s1", 9));
        let joined = world.joined(back).unwrap();
        assert_eq!((joined.error, joined.generation, &joined.leader), (ErrorCode::None, 1, &members[0]));
        assert!(
            joined.member_id.starts_with("s1-09090909-")
                && joined.members.is_empty()
                && !joined.skip_assignment
        );
        let synced = world.send(sync(&joined.member_id, 1, Vec::new()));
        assert_eq!(&world.synced(synced).unwrap().assignment[..], b"a1");
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::None);
        let MetaRecord::Group(record) = &world.store[&MetaKey::Group("g".into())] else { panic!() };
        assert!(format!("{record:?}").contains(&*joined.member_id), "the new id is durable");
    }

    #[test]
    fn the_old_id_is_fenced() {
        let mut world = World::new();
        let members = stable_pair(&mut world);
        world.send(join_static("s1", 9));
        let ticket = world.send(heartbeat(&members[1], Some("s1"), 1));
        assert_eq!(world.code(ticket), Some(ErrorCode::FencedInstanceId));
        let ticket = world.send(heartbeat("any", Some("unknown"), 1));
        assert_eq!(world.code(ticket), Some(ErrorCode::UnknownMemberId));
        assert_eq!(world.heartbeat(&members[1], 1), ErrorCode::UnknownMemberId);
        let join = Join { instance_id: Some("s1".into()), ..join_request(&members[1], 0) };
        let ticket = world.send(Request::Join(join));
        assert_eq!(world.joined(ticket).unwrap().error, ErrorCode::FencedInstanceId);
    }

    #[test]
    fn what_waits_under_the_old_id_is_fenced() {
        let mut world = World::new();
        let first = world.send(join_static("s0", 0));
        let second = world.send(join_static("s0", 1));
        assert_eq!(world.joined(first).unwrap().error, ErrorCode::FencedInstanceId);
        world.pass_ms(6_000);
        let joined = world.joined(second).unwrap();
        assert_eq!((joined.members.len(), &joined.leader), (1, &joined.member_id));

        let follower = world.send(join_static("s1", 2));
        world.send(Request::Join(Join {
            instance_id: Some("s0".into()),
            ..join_request(&joined.member_id, 0)
        }));
        let follower = world.joined(follower).unwrap();
        let waiting = world.send(sync(&follower.member_id, 2, Vec::new()));
        world.send(join_static("s1", 3));
        assert_eq!(world.synced(waiting).unwrap().error, ErrorCode::FencedInstanceId);
        assert_eq!(world.heartbeat(&joined.member_id, 2), ErrorCode::RebalanceInProgress);
    }

    #[test]
    fn a_leader_that_comes_back_may_skip_the_assignment_or_is_told_that_its_old_id_leads() {
        for can_skip_assignment in [true, false] {
            let mut world = World::new();
            let members = stable_pair(&mut world);
            let join = Join { instance_id: Some("s0".into()), can_skip_assignment, ..join_request("", 9) };
            let back = world.send(Request::Join(join));
            let joined = world.joined(back).unwrap();
            assert_eq!((joined.error, joined.skip_assignment), (ErrorCode::None, can_skip_assignment));
            if can_skip_assignment {
                assert_eq!((&joined.leader, joined.members.len()), (&joined.member_id, 2));
            } else {
                assert_eq!((&joined.leader, joined.members.len()), (&members[0], 0));
            }
        }
    }

    #[test]
    fn an_instance_that_comes_back_with_another_protocol_begins_a_rebalance() {
        let mut world = World::new();
        let both = |id: &str, seed, names: [&str; 2]| {
            let protocols = names.map(|name| protocol(name, &["t"])).to_vec();
            Request::Join(Join { instance_id: Some(id.into()), protocols, ..join_request("", seed) })
        };
        let tickets = vec![world.send(both("s0", 0, ["a", "b"])), world.send(both("s1", 1, ["a", "b"]))];
        let members = world.finish_rebalance(tickets);
        let protocols = vec![protocol("b", &["t"])];
        let back = world.send(Request::Join(Join {
            instance_id: Some("s1".into()),
            protocols,
            ..join_request("", 9)
        }));
        assert_eq!(world.joined(back), None);
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::RebalanceInProgress);
        world.send(Request::Join(Join {
            protocols: vec![protocol("b", &["t"])],
            ..join_request(&members[0], 0)
        }));
        assert_eq!(world.joined(back).unwrap().protocol.as_deref(), Some("b"));
    }

    #[test]
    fn an_instance_that_comes_back_is_answered_after_its_new_id_is_durable() {
        let mut world = World::new();
        stable_pair(&mut world);
        world.is_durable_at_once = false;
        let back = world.send(join_static("s1", 9));
        assert_eq!(world.joined(back), None);
        world.settle();
        assert_eq!(world.joined(back).unwrap().generation, 1);
    }

    #[test]
    fn when_the_new_id_cannot_be_stored_the_old_one_stands() {
        let mut world = World::new();
        let members = stable_pair(&mut world);
        world.is_durable_at_once = false;
        let request =
            Join { instance_id: Some("s0".into()), session_timeout_ms: 20_000, ..join_request("", 9) };
        let back = world.send(Request::Join(request));
        world.fail(ErrorCode::CoordinatorNotAvailable);
        assert_eq!(world.joined(back).unwrap().error, ErrorCode::CoordinatorNotAvailable);
        let ticket = world.send(heartbeat(&members[0], Some("s0"), 1));
        assert_eq!(world.code(ticket), Some(ErrorCode::None));
        world.is_durable_at_once = true;
        let rejoins = [world.send(join(&members[0], 0)), world.send(join(&members[1], 0))];
        assert_eq!(rejoins.map(|ticket| world.joined(ticket).unwrap().leader == members[0]), [true, true]);
    }

    #[test]
    fn a_rebalance_that_begins_before_the_new_id_is_durable_answers_instead() {
        let mut world = World::new();
        let members = stable_pair(&mut world);
        world.is_durable_at_once = false;
        let back = world.send(join_static("s1", 9));
        world.send(join(&members[0], 0));
        assert_eq!(world.joined(back).unwrap().generation, 2);
        world.settle();
        assert!(!world.answers.contains_key(&back));
    }
}
