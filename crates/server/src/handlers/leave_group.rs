//! LeaveGroup v0–5. v3: several members, static ones by their instance (KIP-345); v5: a reason.

use std::sync::Arc;

use highwater_coordinator::{Answer, Leave, LeaveAnswer, Leaving, Request};
use highwater_wire::ErrorCode;
use highwater_wire::messages::leave_group_request::LeaveGroupRequest;
use highwater_wire::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

use super::group::{check_member_of, optional, owned, shared};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Takes members out of their group.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let failed = |error| LeaveAnswer { error, members: Vec::new() };
    let mut answer = leave(broker, context, request).await.unwrap_or_else(failed);
    if context.version < 3 {
        // One member, whose code is that of the whole.
        if let (ErrorCode::None, Some(only)) = (answer.error, answer.members.first()) {
            answer.error = only.error;
        }
        answer.members.clear();
    }
    let members = answer.members.iter().map(|left| MemberResponse {
        member_id: shared(&left.member_id),
        group_instance_id: left.instance_id.as_ref().map(shared),
        error_code: left.error.code(),
    });
    LeaveGroupResponse {
        error_code: answer.error.code(),
        members: members.collect(),
        ..LeaveGroupResponse::default()
    }
}

async fn leave(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: LeaveGroupRequest,
) -> Result<LeaveAnswer, ErrorCode> {
    check_member_of(context, &request.group_id)?;
    let members = if context.version < 3 {
        vec![Leaving { member_id: owned(&request.member_id), instance_id: None, reason: None }]
    } else {
        let leaving = request.members.iter().map(|leaving| Leaving {
            member_id: owned(&leaving.member_id),
            instance_id: optional(leaving.group_instance_id.as_ref()),
            reason: optional(leaving.reason.as_ref()),
        });
        leaving.collect()
    };
    let leave = Leave { group_id: owned(&request.group_id), members };
    match broker.groups.call(&request.group_id, Request::Leave(leave)).await? {
        Answer::Leave(answer) => Ok(answer),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;
    use highwater_wire::messages::leave_group_request::MemberIdentity;

    #[tokio::test]
    async fn the_code_of_the_only_member_is_that_of_the_whole_before_v3() {
        let test = broker();
        for (version, expected) in [(2, (25, 0)), (3, (0, 2))] {
            let member = |id: &str| MemberIdentity { member_id: id.into(), ..MemberIdentity::default() };
            let request = LeaveGroupRequest {
                group_id: "g".into(),
                member_id: "a".into(),
                members: vec![member("a"), member("b")],
            };
            let answer = handle(&test.broker, &context(ApiKey::LeaveGroup, version), request).await;
            assert_eq!((answer.error_code, answer.members.len()), expected, "v{version}");
            assert!(answer.members.iter().all(|left| left.error_code == 25));
        }
    }
}
