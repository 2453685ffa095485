//! A member of a classic consumer group: joins, takes or makes the assignment, sends heartbeats, leaves.
//!
//! It offers the assignor [`range`](super::range) only, in the bytes that every other client understands, so that it can share a group
//! with any of them. It does nothing between its calls: the caller sends a heartbeat in time and joins again when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use highwater_wire::ErrorCode;
use highwater_wire::messages::join_group_request::JoinGroupRequestProtocol;
use highwater_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use highwater_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::consumer_protocol::{
    Assignment, PROTOCOL_TYPE, decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use super::offsets::Committer;
use super::range::{self, Subscriber};
use super::{ClientError, Cluster, refuse};

/// How often a member shows that it is there.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// Kafka's default.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// How long the others wait for this member to join again.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long this member waits for the others: as long as slow ones may ask for.
const JOIN_WAIT: Duration = Duration::from_secs(600);
/// A group that keeps moving for so many rounds does so for good.
const ROUNDS_MAX: usize = 1000;
const ROUND_PAUSE: Duration = Duration::from_millis(20);
/// Newer versions name several members.
const LAST_LEAVE_OF_ONE: i16 = 2;

/// One member. What it is told of the group stands here between the calls.
#[derive(Debug)]
pub(crate) struct Member {
    group: String,
    topics: Vec<String>,
    member_id: String,
    generation_id: i32,
}

/// What a heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// All is well.
    Steady,
    /// Others come or go: commit, then join again.
    Rebalance,
    /// The coordinator has given this member up; what it has not committed, it cannot commit any more.
    Lost,
}

impl Beat {
    /// What a code of the coordinator means for a member; `None` when it is about something else.
    pub(crate) fn of(code: i16) -> Option<Self> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => Some(Self::Steady),
            Some(ErrorCode::RebalanceInProgress) => Some(Self::Rebalance),
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration | ErrorCode::FencedInstanceId) => {
                Some(Self::Lost)
            }
            _ => None,
        }
    }
}

impl Member {
    /// A member that has not joined yet.
    pub(crate) fn new(group: &str, topics: &[String]) -> Self {
        Self {
            group: group.to_owned(),
            topics: topics.to_vec(),
            member_id: String::new(),
            generation_id: Committer::default().generation_id,
        }
    }

    /// The generation that was joined last.
    pub(crate) fn generation_id(&self) -> i32 {
        self.generation_id
    }

    /// As what this member commits.
    pub(crate) fn committer(&self) -> Committer {
        Committer { generation_id: self.generation_id, member_id: self.member_id.clone() }
    }

    /// Joins, or joins again; returns what this member is to consume.
    ///
    /// # Errors
    /// [`ClientError::BadGroup`] when the coordinator's answers make no sense; what asking says.
    pub(crate) fn join(&mut self, cluster: &mut Cluster) -> Result<Assignment, ClientError> {
        for _ in 0..ROUNDS_MAX {
            if let Some(joined) = self.join_once(cluster)?
                && let Some(assignment) = self.sync(cluster, &joined)?
            {
                return Ok(assignment);
            }
        }
        Err(self.bad("it does not come to rest"))
    }

    /// `None`: once more.
    fn join_once(&mut self, cluster: &mut Cluster) -> Result<Option<JoinGroupResponse>, ClientError> {
        let protocol = JoinGroupRequestProtocol {
            name: range::NAME.into(),
            metadata: encode_subscription(&self.topics).into(),
        };
        let request = JoinGroupRequest {
            group_id: self.group.as_str().into(),
            session_timeout_ms: milliseconds(SESSION_TIMEOUT),
            rebalance_timeout_ms: milliseconds(REBALANCE_TIMEOUT),
            member_id: self.member_id.as_str().into(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        let code = |answer: &JoinGroupResponse| answer.error_code;
        let answer = cluster.ask_coordinator(&self.group, &request, (i16::MAX, JOIN_WAIT), code)?;
        if answer.error_code == ErrorCode::MemberIdRequired.code() {
            self.member_id = answer.member_id.to_string();
            return Ok(None);
        }
        if !self.is_steady(answer.error_code, "JoinGroup")? {
            return Ok(None);
        }
        self.member_id = answer.member_id.to_string();
        self.generation_id = answer.generation_id;
        Ok(Some(answer))
    }

    /// `None`: join once more.
    fn sync(
        &mut self,
        cluster: &mut Cluster,
        joined: &JoinGroupResponse,
    ) -> Result<Option<Assignment>, ClientError> {
        let is_leader = joined.leader.as_str() == self.member_id && !joined.skip_assignment;
        let request = SyncGroupRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation_id,
            member_id: self.member_id.as_str().into(),
            protocol_type: Some(PROTOCOL_TYPE.into()),
            protocol_name: Some(range::NAME.into()),
            assignments: if is_leader { self.lead(cluster, joined)? } else { Vec::new() },
            ..SyncGroupRequest::default()
        };
        let code = |answer: &SyncGroupResponse| answer.error_code;
        let answer = cluster.ask_coordinator(&self.group, &request, (i16::MAX, JOIN_WAIT), code)?;
        if !self.is_steady(answer.error_code, "SyncGroup")? {
            return Ok(None);
        }
        let assignment = decode_assignment(&answer.assignment);
        assignment.map(Some).ok_or_else(|| self.bad("the assignment is not a consumer's"))
    }

    /// Decides who gets what.
    fn lead(
        &self,
        cluster: &mut Cluster,
        joined: &JoinGroupResponse,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut subscribers = Vec::new();
        for member in &joined.members {
            let topics = decode_subscription(&member.metadata);
            subscribers.push(Subscriber {
                member_id: member.member_id.to_string(),
                instance_id: member.group_instance_id.as_deref().map(str::to_owned),
                topics: topics.ok_or_else(|| self.bad("a member's subscription is not a consumer's"))?,
            });
        }
        let partitions = existing(cluster, subscribers.iter().flat_map(|one| &one.topics))?;
        let assigned = range::assign(&subscribers, &partitions);
        let told = subscribers.iter().zip(&assigned).map(|(one, assignment)| SyncGroupRequestAssignment {
            member_id: one.member_id.as_str().into(),
            assignment: encode_assignment(assignment).into(),
        });
        Ok(told.collect())
    }

    /// Shows the coordinator that this member is there.
    ///
    /// # Errors
    /// What asking says; codes that are no [`Beat`].
    pub(crate) fn heartbeat(&self, cluster: &mut Cluster) -> Result<Beat, ClientError> {
        let request = HeartbeatRequest {
            group_id: self.group.as_str().into(),
            generation_id: self.generation_id,
            member_id: self.member_id.as_str().into(),
            ..HeartbeatRequest::default()
        };
        let code = |answer: &HeartbeatResponse| answer.error_code;
        let answer = cluster.ask_coordinator(&self.group, &request, (i16::MAX, Duration::ZERO), code)?;
        match Beat::of(answer.error_code) {
            Some(beat) => Ok(beat),
            None => refuse(answer.error_code, "Heartbeat", None).map(|()| Beat::Steady),
        }
    }

    /// Leaves, so that the others need not wait for the session to run out. Nothing to do when it never joined.
    ///
    /// # Errors
    /// What asking says; that the coordinator no longer knows this member is none.
    pub(crate) fn leave(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        if self.member_id.is_empty() {
            return Ok(());
        }
        let request = LeaveGroupRequest {
            group_id: self.group.as_str().into(),
            member_id: std::mem::take(&mut self.member_id).as_str().into(),
            ..LeaveGroupRequest::default()
        };
        let code = |answer: &LeaveGroupResponse| answer.error_code;
        let answer =
            cluster.ask_coordinator(&self.group, &request, (LAST_LEAVE_OF_ONE, Duration::ZERO), code)?;
        match answer.error_code {
            code if code == ErrorCode::UnknownMemberId.code() => Ok(()),
            code => refuse(code, "LeaveGroup", None),
        }
    }

    /// Whether an answer holds; if not, joining starts over, as a new member where the coordinator does not know this one.
    fn is_steady(&mut self, code: i16, api: &'static str) -> Result<bool, ClientError> {
        match Beat::of(code) {
            Some(Beat::Steady) => return Ok(true),
            Some(Beat::Rebalance) => {}
            Some(Beat::Lost) => self.member_id.clear(),
            None => refuse(code, api, None)?,
        }
        std::thread::sleep(ROUND_PAUSE);
        Ok(false)
    }

    fn bad(&self, cause: &'static str) -> ClientError {
        ClientError::BadGroup { group: self.group.clone(), cause }
    }
}

/// The partitions of those topics that exist.
fn existing<'a>(
    cluster: &mut Cluster,
    topics: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, Vec<i32>>, ClientError> {
    let topics: BTreeSet<&str> = topics.map(String::as_str).collect();
    let topics: Vec<&str> = topics.into_iter().collect();
    let mut existing = BTreeMap::new();
    for topic in cluster.metadata(Some(&topics))?.topics {
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|one| one.partition_index).collect();
        partitions.sort_unstable();
        partitions.dedup();
        if let Some(name) = topic.name.filter(|_| topic.error_code == 0) {
            existing.insert(name.to_string(), partitions);
        }
    }
    Ok(existing)
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
