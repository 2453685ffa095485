//! What is told of a group to who asks, without changing it.

use std::sync::Arc;

use bytes::Bytes;

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
    /// What it was assigned; empty unless the group is stable.
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
}
