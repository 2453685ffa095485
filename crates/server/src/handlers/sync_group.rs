//! SyncGroup v0–5. v3: static members (KIP-345); v5: the member says what it takes type and protocol to be (KIP-559).

use std::sync::Arc;

use highwater_coordinator::{Answer, Request, Sync, SyncAnswer};
use highwater_wire::ErrorCode;
use highwater_wire::messages::sync_group_request::SyncGroupRequest;
use highwater_wire::messages::sync_group_response::SyncGroupResponse;

use super::group::{check_member_of, copied, optional, owned, shared};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Answers with the member's assignment when the leader has made one.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let answer = sync(broker, context, request).await.unwrap_or_else(SyncAnswer::failed);
    SyncGroupResponse {
        error_code: answer.error.code(),
        protocol_type: answer.protocol_type.as_ref().map(shared).filter(|_| context.version >= 5),
        protocol_name: answer.protocol.as_ref().map(shared).filter(|_| context.version >= 5),
        assignment: answer.assignment,
        ..SyncGroupResponse::default()
    }
}

async fn sync(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: SyncGroupRequest,
) -> Result<SyncAnswer, ErrorCode> {
    check_member_of(context, &request.group_id)?;
    let names_both = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.version >= 5 && !names_both {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let assignments = request.assignments.into_iter();
    let sync = Sync {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        instance_id: optional(request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: optional(request.protocol_type.as_ref()),
        protocol: optional(request.protocol_name.as_ref()),
        assignments: assignments.map(|given| (owned(&given.member_id), copied(&given.assignment))).collect(),
    };
    match broker.groups.call(&request.group_id, Request::Sync(sync)).await? {
        Answer::Sync(answer) => Ok(answer),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::{ApiKey, Str};

    #[tokio::test]
    async fn from_v5_on_a_member_says_type_and_protocol_before_anything_else_is_looked_at() {
        let test = broker();
        let code = async |version, group_id: &str, protocol_type: Option<&str>| {
            let request = SyncGroupRequest {
                group_id: group_id.into(),
                protocol_type: protocol_type.map(Str::from),
                protocol_name: Some("range".into()),
                ..SyncGroupRequest::default()
            };
            handle(&test.broker, &context(ApiKey::SyncGroup, version), request).await.error_code
        };
        assert_eq!(code(5, "g", None).await, ErrorCode::InconsistentGroupProtocol.code());
        assert_eq!(code(5, "g", Some("consumer")).await, ErrorCode::UnknownMemberId.code());
        assert_eq!(code(4, "g", None).await, ErrorCode::UnknownMemberId.code());
        assert_eq!(code(4, "", None).await, ErrorCode::InvalidGroupId.code());
    }
}
