//! DescribeCluster v0–2. v1: endpoint types (KIP-919); v2: fenced brokers (KIP-1073), of which there are none.

use std::sync::Arc;

use highwater_wire::messages::describe_cluster_request::DescribeClusterRequest;
use highwater_wire::messages::describe_cluster_response::{DescribeClusterBroker, DescribeClusterResponse};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Describes the cluster.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if let Err(code) = context.authorize(Operation::Describe, Resource::Cluster) {
        return failed(code, code.message());
    }
    match request.endpoint_type {
        _ if context.version == 0 => {}
        BROKERS => {}
        CONTROLLERS => {
            let message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            return failed(ErrorCode::MismatchedEndpointType, message);
        }
        _ => return failed(ErrorCode::UnsupportedEndpointType, "Unsupported endpoint type"),
    }
    let endpoint = &context.listener().advertised;
    let this = DescribeClusterBroker {
        broker_id: broker.node.node_id,
        host: Str::from(endpoint.host.as_str()),
        port: endpoint.port.into(),
        rack: broker.settings.text("broker.rack").map(Str::from),
        ..DescribeClusterBroker::default()
    };
    DescribeClusterResponse {
        cluster_id: Str::from(broker.node.cluster_id.as_str()),
        controller_id: broker.node.node_id,
        brokers: vec![this],
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        },
        ..DescribeClusterResponse::default()
    }
}

fn failed(code: ErrorCode, message: &str) -> DescribeClusterResponse {
    DescribeClusterResponse {
        error_code: code.code(),
        error_message: Some(Str::from(message)),
        controller_id: -1,
        cluster_authorized_operations: OPERATIONS_NOT_ASKED,
        ..DescribeClusterResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;

    #[test]
    fn only_brokers_are_described() {
        let test = broker();
        let answer = |version, endpoint_type| {
            let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
            handle(&test.broker, &context(ApiKey::DescribeCluster, version), &request)
        };
        assert_eq!((answer(0, 1).error_code, answer(0, 1).brokers[0].host.as_str()), (0, "a.example"));
        assert_eq!((answer(1, 2).error_code, answer(2, 9).error_code), (114, 115));
        assert_eq!(answer(1, 1).cluster_authorized_operations, OPERATIONS_NOT_ASKED);
    }
}
