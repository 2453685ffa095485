//! What is asked of a group. Versions are gone: what a version means to the rules is a field here.

use std::sync::Arc;

use bytes::Bytes;
use highwater_types::TopicIdPartition;

/// Names a request that waits for its answer. Chosen by the owner, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A request to one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup.
    Join(Join),
    /// SyncGroup.
    Sync(Sync),
    /// Heartbeat.
    Heartbeat(Heartbeat),
    /// LeaveGroup.
    Leave(Leave),
    /// OffsetCommit.
    Commit(OffsetCommit),
    /// DeleteGroups, one of its groups.
    Delete(DeleteGroup),
    /// OffsetDelete.
    DeleteOffsets(DeleteOffsets),
}

/// A protocol that a member supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    /// Its name, such as `range`.
    pub name: Arc<str>,
    /// What the leader gets to see; of type `consumer`, a subscription.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// Empty for a member without an id.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member (v5+).
    pub instance_id: Option<Arc<str>>,
    /// 16 random bytes, for the id of a new member.
    pub fresh_id: [u8; 16],
    /// `client.id`, empty when there is none.
    pub client_id: Arc<str>,
    /// The address it comes from, as Kafka prints it: `/127.0.0.1`.
    pub client_host: Arc<str>,
    /// Such as `consumer`.
    pub protocol_type: Arc<str>,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Milliseconds that it may be silent.
    pub session_timeout_ms: i32,
    /// Milliseconds that it may take to rejoin; v0 has none and uses the session's.
    pub rebalance_timeout_ms: i32,
    /// Whether a new dynamic member first gets an id and has to come again with it (KIP-394, v4+).
    pub id_required: bool,
    /// Whether a leader may be told to skip the assignment (v9+).
    pub can_skip_assignment: bool,
    /// Why it joins (v8+), for the log.
    pub reason: Option<Arc<str>>,
}

/// SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// The member's id.
    pub member_id: Arc<str>,
    /// `group.instance.id` (v3+).
    pub instance_id: Option<Arc<str>>,
    /// The generation that JoinGroup told.
    pub generation: i32,
    /// What the member takes the group's type to be (v5+).
    pub protocol_type: Option<Arc<str>>,
    /// What the member takes the chosen protocol to be (v5+).
    pub protocol: Option<Arc<str>>,
    /// Of the leader: who gets what.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// Heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// The member's id.
    pub member_id: Arc<str>,
    /// `group.instance.id` (v3+).
    pub instance_id: Option<Arc<str>>,
    /// The member's generation.
    pub generation: i32,
}

/// LeaveGroup; before v3 it has one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// Who leaves.
    pub members: Vec<Leaving>,
}

/// A member that leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Its id; empty when an administrator names a static member only by its instance.
    pub member_id: Arc<str>,
    /// `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// Why (v5+), for the log.
    pub reason: Option<Arc<str>>,
}

/// OffsetCommit, of partitions that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommit {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// Empty for a client that is not a member.
    pub member_id: Arc<str>,
    /// `group.instance.id` (v7+).
    pub instance_id: Option<Arc<str>>,
    /// -1 for a client that is not a member.
    pub generation: i32,
    /// Milliseconds until these offsets expire (v2–4); `None` for the broker's `offsets.retention.minutes`.
    pub retention_ms: Option<i64>,
    /// What to commit.
    pub offsets: Vec<CommitOffset>,
}

/// One offset of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitOffset {
    /// The partition.
    pub partition: TopicIdPartition,
    /// Its topic's name.
    pub topic: Arc<str>,
    /// The next offset to be consumed.
    pub offset: i64,
    /// Leader epoch of the last record consumed, -1 when not given.
    pub leader_epoch: i32,
    /// What the client wants to remember.
    pub metadata: Arc<str>,
}

/// DeleteGroups, one of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteGroup {
    /// `group.id`.
    pub group_id: Arc<str>,
}

/// OffsetDelete, of partitions that exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteOffsets {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// What to forget, each with its topic's name.
    pub partitions: Vec<(TopicIdPartition, Arc<str>)>,
}
