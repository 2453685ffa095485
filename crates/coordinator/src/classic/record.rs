//! A group as the store keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use highwater_store::meta::{ClassicGroupRecord, GroupRecord, GroupStateRecord};
use highwater_store::{MetaChange, MetaRecord};
use highwater_types::Timestamp;

use super::{ClassicGroup, Member};
use crate::GroupState;
use crate::turn::Turn;

impl ClassicGroup {
    /// The group as it stands, with other assignments than the members' own where they are given.
    pub(super) fn record(&mut self, assignments: Option<&BTreeMap<Arc<str>, Bytes>>) -> MetaChange {
        self.recorded = true;
        let member_record = |member: &Member| match assignments {
            Some(assignments) => member.record(assignments.get(&member.id).map_or(&[], |bytes| bytes)),
            None => member.record(&member.assignment),
        };
        let record = ClassicGroupRecord {
            protocol_type: self.protocol_type.clone(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since_ms: self.since.map_or(-1, |since| since.0),
            members: self.members.values().map(member_record).collect(),
        };
        let state = GroupStateRecord::Classic(record);
        MetaChange::Put(MetaRecord::Group(GroupRecord { group_id: Arc::clone(&self.id), state }))
    }

    /// The group as it was stored: stable, or empty. Its members get a fresh session.
    pub(crate) fn load(turn: &mut Turn<'_>, id: Arc<str>, record: ClassicGroupRecord) -> Self {
        let mut group = Self::new(id);
        group.recorded = true;
        group.protocol_type = record.protocol_type.filter(|name| !name.is_empty());
        group.generation = record.generation;
        group.protocol = record.protocol;
        group.since = (record.since_ms >= 0).then_some(Timestamp(record.since_ms));
        for member in record.members {
            let mut member = Member::from_record(member);
            member.touch(turn, &group.id);
            group.insert(member, None);
        }
        if let Some(leader) = record.leader.filter(|leader| group.members.contains_key(leader)) {
            group.leader = Some(leader);
        }
        group.subscribed = group.subscriptions();
        if !group.members.is_empty() {
            group.state = GroupState::Stable;
            if group.members.len() > turn.config.max_size {
                group.prepare_rebalance(turn);
            }
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use highwater_wire::ErrorCode;

    use crate::testing::{World, heartbeat, join_static, sync};
    use crate::{GroupConfig, GroupState};

    #[test]
    fn members_that_come_back_within_their_session_go_on_without_a_rebalance() {
        let mut world = World::new();
        let tickets = vec![world.send(join_static("s", 0)), world.send(crate::testing::join("", 1))];
        let members = world.finish_rebalance(tickets);
        world.pass_ms(9_000);
        let described = world.groups.describe("g");
        world.restart(GroupConfig::default());
        assert_eq!(world.groups.describe("g"), described);
        world.pass_ms(9_999);
        let ticket = world.send(heartbeat(&members[0], Some("s"), 1));
        assert_eq!(world.code(ticket), Some(ErrorCode::None));
        let again = world.send(sync(&members[1], 1, Vec::new()));
        assert_eq!(&world.synced(again).unwrap().assignment[..], b"a1");
        world.pass_ms(1);
        let described = world.groups.describe("g").unwrap();
        assert_eq!((described.state, described.members.len()), (GroupState::PreparingRebalance, 1));
    }

    #[test]
    fn a_group_that_is_too_large_for_a_lowered_limit_rebalances_after_the_start() {
        let mut world = World::new();
        let members = world.stable(2);
        world.restart(GroupConfig { max_size: 1, ..GroupConfig::default() });
        assert_eq!(world.heartbeat(&members[0], 1), ErrorCode::RebalanceInProgress);
    }
}
