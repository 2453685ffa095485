//! What is to be done, and what is answered.

use std::sync::Arc;

use bytes::Bytes;
use highwater_store::MetaChange;
use highwater_types::TopicIdPartition;
use highwater_wire::ErrorCode;

use crate::request::Ticket;

/// Names a commit, so that its outcome finds its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// What the owner has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Answer a request.
    Answer(Ticket, Answer),
    /// Make all of these changes durable or none, after those of earlier commits, and tell the outcome to
    /// `Groups::committed`.
    Commit(CommitId, Vec<MetaChange>),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To JoinGroup.
    Join(JoinAnswer),
    /// To SyncGroup.
    Sync(SyncAnswer),
    /// To Heartbeat, or a whole request that failed with one code.
    Code(ErrorCode),
    /// To LeaveGroup.
    Leave(LeaveAnswer),
    /// To OffsetCommit and OffsetDelete: for each partition, in the order of the request.
    Offsets(Vec<OffsetAnswer>),
}

/// The answer to JoinGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinAnswer {
    /// `None` (0) when the member has joined.
    pub error: ErrorCode,
    /// -1 on an error.
    pub generation: i32,
    /// The group's type (v7+).
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol. On an error `None` (v7+), which older versions write as empty.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; empty on an error.
    pub leader: Arc<str>,
    /// The member's id: with MEMBER_ID_REQUIRED the one to come again with.
    pub member_id: Arc<str>,
    /// Of the leader: everybody.
    pub members: Vec<JoinedMember>,
    /// Whether the leader need not assign anything (v9+).
    pub skip_assignment: bool,
}

impl JoinAnswer {
    /// What is told of an error: the member's id, or an empty one, and nothing of the group.
    pub fn failed(error: ErrorCode, member_id: Arc<str>) -> Self {
        Self {
            error,
            generation: -1,
            protocol_type: None,
            protocol: None,
            leader: "".into(),
            member_id,
            members: Vec::new(),
            skip_assignment: false,
        }
    }
}

/// A member, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// `group.instance.id`.
    pub instance_id: Option<Arc<str>>,
    /// Its metadata for the chosen protocol.
    pub metadata: Bytes,
}

/// The answer to SyncGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncAnswer {
    /// `None` (0) when there is an assignment.
    pub error: ErrorCode,
    /// The group's type (v5+).
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol (v5+).
    pub protocol: Option<Arc<str>>,
    /// What the member was assigned.
    pub assignment: Bytes,
}

impl SyncAnswer {
    /// What is told of an error.
    pub fn failed(error: ErrorCode) -> Self {
        Self { error, protocol_type: None, protocol: None, assignment: Bytes::new() }
    }
}

/// The answer to LeaveGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveAnswer {
    /// Of the whole request.
    pub error: ErrorCode,
    /// For each member, in the order of the request.
    pub members: Vec<LeftMember>,
}

/// What became of a member that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftMember {
    /// The id that the request gave.
    pub member_id: Arc<str>,
    /// The instance that the request gave.
    pub instance_id: Option<Arc<str>>,
    /// `None` (0) when it is gone.
    pub error: ErrorCode,
}

/// What became of one partition of OffsetCommit or OffsetDelete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAnswer {
    /// The partition.
    pub partition: TopicIdPartition,
    /// `None` (0) when it is done.
    pub error: ErrorCode,
}
