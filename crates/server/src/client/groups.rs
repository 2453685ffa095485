//! What the tools ask coordinators about groups.

use std::time::Duration;

use highwater_wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use highwater_wire::messages::list_groups_response::ListedGroup;
use highwater_wire::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};
use highwater_wire::{ErrorCode, Request};

use super::cluster::Node;
use super::consumer_protocol::{Assignment, PROTOCOL_TYPE, decode_assignment};
use super::{ClientError, Cluster, refuse};

/// The state of a group that is not there, below DescribeGroups v6.
const DEAD: &str = "Dead";

/// A group as its coordinator describes it.
#[derive(Debug)]
pub(crate) struct Group {
    /// Its id.
    pub(crate) id: String,
    /// Who answered.
    pub(crate) coordinator: Node,
    /// Kafka's name of the state.
    pub(crate) state: String,
    /// `consumer` for consumer groups; empty for groups of offsets only.
    pub(crate) protocol_type: String,
    /// The assignor in use; empty without members.
    pub(crate) protocol: String,
    /// In the coordinator's order.
    pub(crate) members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug)]
pub(crate) struct Member {
    /// The coordinator's id for it.
    pub(crate) id: String,
    /// Its own name, if it is a static member.
    pub(crate) instance_id: Option<String>,
    /// What it calls itself in its requests.
    pub(crate) client_id: String,
    /// Where it is connected from.
    pub(crate) host: String,
    /// What it was assigned; `None` when the bytes are not those of a consumer.
    pub(crate) assignment: Option<Assignment>,
}

/// Groups of every broker, by id. With versions that know no filter the broker answers with all, so the caller filters.
pub(crate) fn list(cluster: &mut Cluster) -> Result<Vec<ListedGroup>, ClientError> {
    let mut groups = Vec::new();
    for node in cluster.nodes()? {
        let answer = cluster.broker(&node)?.call(&ListGroupsRequest::default())?;
        refuse(answer.error_code, "ListGroups", None)?;
        groups.extend(answer.groups);
    }
    groups.sort_by(|one, other| one.group_id.cmp(&other.group_id));
    groups.dedup_by(|one, other| one.group_id == other.group_id);
    Ok(groups)
}

/// One group.
///
/// # Errors
/// [`ClientError::NoSuchGroup`]; [`ClientError::NotClassic`] for a group of another protocol than the classic one.
pub(crate) fn describe(cluster: &mut Cluster, id: &str) -> Result<Group, ClientError> {
    let request = DescribeGroupsRequest { groups: vec![id.into()], ..DescribeGroupsRequest::default() };
    let first = |answer: &<DescribeGroupsRequest as Request>::Response| {
        answer.groups.first().map_or(0, |group| group.error_code)
    };
    let answer = cluster.ask_coordinator(id, &request, (i16::MAX, Duration::ZERO), first)?;
    let found = answer.groups.into_iter().next();
    let found = found.filter(|group| group.error_code != ErrorCode::GroupIdNotFound.code());
    match found.filter(|group| group.group_state.as_str() != DEAD) {
        Some(group) => {
            refuse(group.error_code, "DescribeGroups", group.error_message.as_deref())?;
            Ok(shape(group, cluster.coordinator(id)?))
        }
        None => Err(absent(cluster, id)?),
    }
}

/// Why a group cannot be described: it is of another protocol, or not there.
fn absent(cluster: &mut Cluster, id: &str) -> Result<ClientError, ClientError> {
    let listed = list(cluster)?.into_iter().find(|group| group.group_id.as_str() == id);
    Ok(match listed {
        Some(group) => ClientError::NotClassic { group: id.to_owned(), kind: group.group_type.to_string() },
        None => ClientError::NoSuchGroup(id.to_owned()),
    })
}

fn shape(group: DescribedGroup, coordinator: Node) -> Group {
    let is_consumer = group.protocol_type.as_str() == PROTOCOL_TYPE;
    Group {
        id: group.group_id.to_string(),
        coordinator,
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: group.members.iter().map(|member| shape_member(member, is_consumer)).collect(),
    }
}

fn shape_member(member: &DescribedGroupMember, is_consumer: bool) -> Member {
    Member {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: if is_consumer { decode_assignment(&member.member_assignment) } else { None },
    }
}

/// Deletes a group that has no members, with its offsets.
///
/// # Errors
/// [`ClientError::NoSuchGroup`]; [`ClientError::Refused`], also for a group with members.
pub(crate) fn delete(cluster: &mut Cluster, id: &str) -> Result<(), ClientError> {
    let request = DeleteGroupsRequest { groups_names: vec![id.into()] };
    let first = |answer: &<DeleteGroupsRequest as Request>::Response| {
        answer.results.first().map_or(0, |group| group.error_code)
    };
    let answer = cluster.ask_coordinator(id, &request, (i16::MAX, Duration::ZERO), first)?;
    match answer.results.first() {
        Some(result) if result.error_code == ErrorCode::GroupIdNotFound.code() => {
            Err(ClientError::NoSuchGroup(id.to_owned()))
        }
        Some(result) => refuse(result.error_code, "DeleteGroups", Some(&format!("group {id}"))),
        None => Err(ClientError::NoSuchGroup(id.to_owned())),
    }
}
