//! DeleteGroups v0–2: groups without members, with their offsets.

use std::sync::Arc;

use highwater_coordinator::{Answer, DeleteGroup, Request};
use highwater_wire::messages::delete_groups_request::DeleteGroupsRequest;
use highwater_wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use highwater_wire::{ErrorCode, Str};

use super::group::owned;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Deletes groups, each by itself.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    for group_id in &request.groups_names {
        let code = delete(broker, context, group_id).await.unwrap_or_else(|code| code);
        results.push(DeletableGroupResult {
            group_id: group_id.clone(),
            error_code: code.code(),
            ..DeletableGroupResult::default()
        });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}

async fn delete(
    broker: &Arc<Broker>,
    context: &RequestContext,
    group_id: &Str,
) -> Result<ErrorCode, ErrorCode> {
    context.authorize(Operation::Delete, Resource::Group(group_id))?;
    let delete = DeleteGroup { group_id: owned(group_id) };
    match broker.groups.call(group_id, Request::Delete(delete)).await? {
        Answer::Code(code) => Ok(code),
        _ => Err(ErrorCode::UnknownServerError),
    }
}
