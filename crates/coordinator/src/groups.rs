//! The table of groups.

use std::sync::Arc;

use highwater_store::meta::{GroupRecord, OffsetRecord};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::{Answer, CommitId, Effect, GroupConfig, GroupDescription, GroupListing, Request, Ticket};

/// Both clocks, read at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For timeouts.
    pub instant: Instant,
    /// For what is stored.
    pub timestamp: Timestamp,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The next offset to be consumed.
    pub offset: i64,
    /// Leader epoch of the last record consumed, -1 when not given.
    pub leader_epoch: i32,
    /// What the client wants to remember.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it expires, if the commit said so itself.
    pub expires_at: Option<Timestamp>,
}

/// Groups with their committed offsets.
#[derive(Debug)]
pub struct Groups {
    config: GroupConfig,
}

impl Groups {
    /// No groups.
    pub fn new(config: GroupConfig) -> Self {
        Self { config }
    }

    /// Changes the rules from now on.
    pub fn configure(&mut self, config: GroupConfig) {
        self.config = config;
    }

    /// Takes in what the store held at start, once, before anything else. Every member gets a fresh session.
    /// Each offset comes with its topic's name.
    pub fn load(&mut self, _now: Now, _groups: Vec<GroupRecord>, _offsets: Vec<(OffsetRecord, Arc<str>)>) {}

    /// Takes a request.
    pub fn handle(&mut self, _now: Now, ticket: Ticket, _request: Request) -> Vec<Effect> {
        vec![Effect::Answer(ticket, Answer::Code(ErrorCode::CoordinatorNotAvailable))]
    }

    /// Takes the outcome of a commit; outcomes may come in any order.
    pub fn committed(&mut self, _now: Now, _id: CommitId, _outcome: Result<(), ErrorCode>) -> Vec<Effect> {
        Vec::new()
    }

    /// Does what is due.
    pub fn advance(&mut self, _now: Now) -> Vec<Effect> {
        Vec::new()
    }

    /// When [`Groups::advance`] has something to do; `None` while nothing is awaited.
    pub fn next_due(&self) -> Option<Instant> {
        None
    }

    /// Forgets the offsets of a topic that was deleted.
    pub fn forget_topic(&mut self, _now: Now, _topic: TopicId) -> Vec<Effect> {
        Vec::new()
    }

    /// The durable offset of a group for a partition. Classic groups check neither member nor epoch of an OffsetFetch.
    pub fn fetch_offset(&self, _group_id: &str, _partition: TopicIdPartition) -> Option<&CommittedOffset> {
        None
    }

    /// All durable offsets of a group, in the order of their partitions.
    pub fn offsets(&self, _group_id: &str) -> impl Iterator<Item = (TopicIdPartition, &CommittedOffset)> {
        std::iter::empty()
    }

    /// A group; `None` when there is none of that id.
    pub fn describe(&self, _group_id: &str) -> Option<GroupDescription> {
        None
    }

    /// Every group, in the order of their ids.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> {
        std::iter::empty()
    }
}
