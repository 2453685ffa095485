//! DeleteGroups v0–2: groups without members, with their offsets.

use std::collections::HashSet;
use std::sync::Arc;

use highwater_coordinator::{Answer, DeleteGroup, Request};
use highwater_wire::messages::delete_groups_request::DeleteGroupsRequest;
use highwater_wire::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use highwater_wire::{ErrorCode, Str};

use super::group::owned;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Deletes groups, each by itself. One that is named twice is answered once, as by Kafka.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let (mut results, mut named) = (Vec::new(), HashSet::new());
    for group_id in request.groups_names.iter().filter(|group_id| named.insert(*group_id)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;

    #[tokio::test]
    async fn a_group_named_twice_is_answered_once() {
        let test = broker();
        let groups_names = ["b", "a", "b"].map(Str::from).into();
        let context = context(ApiKey::DeleteGroups, 2);
        let answer = handle(&test.broker, &context, &DeleteGroupsRequest { groups_names }).await;
        let codes: Vec<_> =
            answer.results.iter().map(|one| (one.group_id.as_str(), one.error_code)).collect();
        assert_eq!(codes, [("b", 69), ("a", 69)]);
    }
}
