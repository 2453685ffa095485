//! DescribeGroups v0–6. v3: authorized operations (KIP-430); v4: static members; v6: an unknown group is an error (KIP-1043), below it
//! is one in state Dead.

use std::sync::Arc;

use highwater_coordinator::{GroupDescription, MemberDescription};
use highwater_wire::messages::describe_groups_request::DescribeGroupsRequest;
use highwater_wire::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use highwater_wire::{ErrorCode, Str};

use super::group::{Room, shared};
use crate::authorize::{GROUP_OPERATIONS, OPERATIONS_NOT_ASKED, Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Describes groups.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let asks_operations = request.include_authorized_operations;
    let mut room = Room::new();
    let groups = request.groups.iter().map(|group_id| {
        let group = describe(broker, context, group_id, &mut room);
        let tells_operations = asks_operations && group.error_code == ErrorCode::None.code();
        let authorized_operations = if tells_operations { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
        DescribedGroup { group_id: group_id.clone(), authorized_operations, ..group }
    });
    DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() }
}

fn describe(broker: &Broker, context: &RequestContext, group_id: &Str, room: &mut Room) -> DescribedGroup {
    if let Err(code) = context.authorize(Operation::Describe, Resource::Group(group_id)) {
        return DescribedGroup { error_code: code.code(), ..DescribedGroup::default() };
    }
    match broker.groups.read(group_id, |groups| groups.describe(group_id)) {
        Some(group) => match room.take(size(&group)) {
            Ok(()) => described(&group),
            Err(code) => DescribedGroup { error_code: code.code(), ..DescribedGroup::default() },
        },
        None => unknown(context.version, group_id),
    }
}

/// About how many bytes of the answer a group takes.
fn size(group: &GroupDescription) -> usize {
    let member = |member: &MemberDescription| {
        let instance_id = member.instance_id.as_ref().map_or(0, |id| id.len());
        let names = member.member_id.len() + instance_id + member.client_id.len() + member.client_host.len();
        names + member.metadata.len() + member.assignment.len()
    };
    group.members.iter().map(member).sum()
}

fn unknown(version: i16, group_id: &str) -> DescribedGroup {
    let dead = DescribedGroup { group_state: Str::from("Dead"), ..DescribedGroup::default() };
    if version < 6 {
        return dead;
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound.code(),
        error_message: Some(Str::from(format!("Group {group_id} not found."))),
        ..dead
    }
}

fn described(group: &GroupDescription) -> DescribedGroup {
    DescribedGroup {
        group_state: Str::from(group.state.name()),
        protocol_type: shared(&group.protocol_type),
        protocol_data: shared(&group.protocol),
        members: group.members.iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn member(member: &MemberDescription) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: shared(&member.member_id),
        group_instance_id: member.instance_id.as_ref().map(shared),
        client_id: shared(&member.client_id),
        client_host: shared(&member.client_host),
        member_metadata: member.metadata.clone(),
        member_assignment: member.assignment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;

    #[test]
    fn an_unknown_group_is_dead_and_from_v6_on_an_error() {
        let test = broker();
        let request =
            DescribeGroupsRequest { groups: vec![Str::from("g")], include_authorized_operations: true };
        let one = |version| {
            let context = context(ApiKey::DescribeGroups, version);
            let group = handle(&test.broker, &context, &request).groups.remove(0);
            (group.error_code, group.group_state.to_string(), group.authorized_operations)
        };
        assert_eq!(one(5), (0, "Dead".to_owned(), GROUP_OPERATIONS));
        assert_eq!(one(6), (69, "Dead".to_owned(), OPERATIONS_NOT_ASKED));
    }
}
