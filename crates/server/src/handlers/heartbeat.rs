//! Heartbeat v0–4. v3: static members (KIP-345).

use std::sync::Arc;

use highwater_coordinator::{Answer, Heartbeat, Request};
use highwater_wire::ErrorCode;
use highwater_wire::messages::heartbeat_request::HeartbeatRequest;
use highwater_wire::messages::heartbeat_response::HeartbeatResponse;

use super::group::{check_member_of, optional, owned};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Keeps a member in its group.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &HeartbeatRequest,
) -> HeartbeatResponse {
    let code = heartbeat(broker, context, request).await.unwrap_or_else(|code| code);
    HeartbeatResponse { error_code: code.code(), ..HeartbeatResponse::default() }
}

async fn heartbeat(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &HeartbeatRequest,
) -> Result<ErrorCode, ErrorCode> {
    check_member_of(context, &request.group_id)?;
    let heartbeat = Heartbeat {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        instance_id: optional(request.group_instance_id.as_ref()),
        generation: request.generation_id,
    };
    match broker.groups.call(&request.group_id, Request::Heartbeat(heartbeat)).await? {
        Answer::Code(code) => Ok(code),
        _ => Err(ErrorCode::UnknownServerError),
    }
}
