//! FindCoordinator v0–6. v1: kinds of coordinators; v4: several keys (KIP-699); v6: share groups.
//!
//! This node coordinates every group. There are no transactions and no share groups yet: asking for their coordinator fails for
//! good, never with an error that makes a client ask again for ever.

use std::sync::Arc;

use highwater_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use highwater_wire::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code::Failure;
use crate::request::RequestContext;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// Names coordinators.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version >= 4 {
        let found = request.coordinator_keys.iter().map(|key| find(broker, context, request.key_type, key));
        return FindCoordinatorResponse {
            coordinators: found.collect(),
            ..FindCoordinatorResponse::default()
        };
    }
    let found = find(broker, context, request.key_type, &request.key);
    let none = "NONE";
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message.filter(|message| !message.is_empty()).or(Some(Str::from(none))),
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn find(broker: &Broker, context: &RequestContext, kind: i8, key: &Str) -> Coordinator {
    let endpoint = &context.listener().advertised;
    match check(context, kind, key) {
        Ok(()) => Coordinator {
            key: key.clone(),
            node_id: broker.node.node_id,
            host: Str::from(endpoint.host.as_str()),
            port: endpoint.port.into(),
            error_message: Some(Str::default()),
            ..Coordinator::default()
        },
        Err(failure) => Coordinator {
            key: key.clone(),
            node_id: -1,
            port: -1,
            error_code: failure.code.code(),
            error_message: failure.text(),
            ..Coordinator::default()
        },
    }
}

fn check(context: &RequestContext, kind: i8, key: &str) -> Result<(), Failure> {
    let invalid = |message: &str| Failure::new(ErrorCode::InvalidRequest, message);
    match kind {
        GROUP => Ok(context.authorize(Operation::Describe, Resource::Group(key))?),
        TRANSACTION => Err(invalid("Transactions are not supported")),
        SHARE => Err(invalid("Share groups are not supported")),
        _ => Err(invalid("Unknown coordinator type")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;

    #[test]
    fn this_node_coordinates_groups_and_nothing_else() {
        let test = broker();
        let one = |version, key_type| {
            let request =
                FindCoordinatorRequest { key: "g".into(), key_type, ..FindCoordinatorRequest::default() };
            handle(&test.broker, &context(ApiKey::FindCoordinator, version), &request)
        };
        let group = one(3, GROUP);
        assert_eq!((group.error_code, group.node_id, group.host.as_str()), (0, 1, "a.example"));
        assert_eq!(group.error_message.as_deref(), Some("NONE"));
        for kind in [TRANSACTION, SHARE, 9] {
            let refused = one(2, kind);
            assert_eq!((refused.error_code, refused.node_id, refused.port), (42, -1, -1));
            assert!(!ErrorCode::InvalidRequest.is_retriable());
        }
    }

    #[test]
    fn several_keys_are_answered_each_by_itself() {
        let test = broker();
        let coordinator_keys = vec!["a".into(), "b".into()];
        let request = FindCoordinatorRequest { coordinator_keys, ..FindCoordinatorRequest::default() };
        let answer = handle(&test.broker, &context(ApiKey::FindCoordinator, 4), &request);
        let shown: Vec<_> = answer.coordinators.iter().map(|c| (c.key.as_str(), c.error_code)).collect();
        assert_eq!(shown, [("a", 0), ("b", 0)]);
    }
}
