//! What is told of a group to who asks, without changing it.

use std::sync::Arc;

use bytes::Bytes;

use crate::classic::{ClassicGroup, Member};

/// State of a group, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// Nobody is in it; there may be offsets.
    Empty,
    /// Members are awaited.
    PreparingRebalance,
    /// The leader's assignment is awaited.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
}

impl GroupState {
    /// As DescribeGroups and ListGroups write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A group, as DescribeGroups tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Where it stands.
    pub state: GroupState,
    /// Such as `consumer`; empty for a group that only has offsets.
    pub protocol_type: Arc<str>,
    /// The chosen protocol; empty unless it is stable.
    pub protocol: Arc<str>,
    /// The number of its last rebalance.
    pub generation: i32,
    /// Its members, in the order of their ids.
    pub members: Vec<MemberDescription>,
}

/// A member, as DescribeGroups tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberDescription {
    /// Its id.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<Arc<str>>,
    /// `client.id`.
    pub client_id: Arc<str>,
    /// Where it joined from.
    pub client_host: Arc<str>,
    /// Its metadata for the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// What it was last assigned.
    pub assignment: Bytes,
}

/// A group, as ListGroups tells it. Its type is `classic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// Such as `consumer`; empty for a group that only has offsets.
    pub protocol_type: Arc<str>,
    /// Where it stands.
    pub state: GroupState,
    /// How many members it has.
    pub member_count: usize,
}

impl ClassicGroup {
    /// What DescribeGroups tells of it.
    pub(crate) fn describe(&self) -> GroupDescription {
        let is_stable = self.state() == GroupState::Stable;
        let protocol = self.protocol().filter(|_| is_stable);
        GroupDescription {
            state: self.state(),
            protocol_type: self.protocol_type().cloned().unwrap_or_default(),
            protocol: protocol.cloned().unwrap_or_default(),
            generation: self.generation(),
            members: self.members().map(|member| describe_member(member, protocol)).collect(),
        }
    }

    /// What ListGroups tells of it.
    pub(crate) fn list(&self) -> GroupListing {
        GroupListing {
            group_id: Arc::clone(&self.id),
            protocol_type: self.protocol_type().cloned().unwrap_or_default(),
            state: self.state(),
            member_count: self.members().count(),
        }
    }
}

fn describe_member(member: &Member, protocol: Option<&Arc<str>>) -> MemberDescription {
    MemberDescription {
        member_id: Arc::clone(&member.id),
        instance_id: member.instance_id.clone(),
        client_id: Arc::clone(&member.client_id),
        client_host: Arc::clone(&member.client_host),
        metadata: member.metadata(protocol.map(|name| &**name)),
        assignment: member.assignment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{GROUP, World, join};

    #[test]
    fn metadata_is_told_of_a_stable_group_alone() {
        let mut world = World::new();
        assert_eq!(world.groups.describe(GROUP), None);
        let members = world.stable(2);
        let described = world.groups.describe(GROUP).unwrap();
        assert_eq!(
            (described.state, &*described.protocol_type, &*described.protocol),
            (GroupState::Stable, "consumer", "range")
        );
        let second = &described.members[1];
        assert_eq!(
            (&second.member_id, &*second.client_id, &*second.client_host),
            (&members[1], "client", "/127.0.0.1")
        );
        assert!(!second.metadata.is_empty() && &second.assignment[..] == b"a1");
        world.send(join(&members[0], 0));
        let described = world.groups.describe(GROUP).unwrap();
        assert_eq!((described.state, &*described.protocol), (GroupState::PreparingRebalance, ""));
        assert!(described.members[1].metadata.is_empty());
        assert_eq!(&described.members[1].assignment[..], b"a1", "the last one is told in every state");
    }

    #[test]
    fn groups_that_only_have_offsets_are_listed_without_a_type() {
        let mut world = World::new();
        world.commit("", -1, 5);
        let listed: Vec<_> = world.groups.list().collect();
        let expected = GroupListing {
            group_id: GROUP.into(),
            protocol_type: "".into(),
            state: GroupState::Empty,
            member_count: 0,
        };
        assert_eq!(listed, [expected]);
        assert_eq!(GroupState::Empty.name(), "Empty");
    }
}
