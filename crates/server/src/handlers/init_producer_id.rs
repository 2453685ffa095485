//! InitProducerId v0–5 for idempotent producers. v3 lets a producer name its current id and epoch (KIP-360).
//!
//! A request with a transactional id fails for good, never with an error that a client would retry for ever.

use std::sync::Arc;

use highwater_types::{ProducerEpoch, ProducerId};
use highwater_wire::ErrorCode;
use highwater_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Hands out a producer id of a durable block.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match init(broker, context, &request).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id: producer_id.0,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(code) => InitProducerIdResponse {
            error_code: code.code(),
            producer_id: ProducerId::NONE.0,
            producer_epoch: ProducerEpoch::NONE.0,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn init(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &InitProducerIdRequest,
) -> Result<ProducerId, ErrorCode> {
    match &request.transactional_id {
        // `TransactionCoordinator.handleInitProducerId` makes of an empty id the same answer.
        Some(id) if id.is_empty() => return Err(ErrorCode::InvalidRequest),
        Some(_) => return Err(ErrorCode::UnsupportedVersion),
        None => {}
    }
    if (request.producer_id == ProducerId::NONE.0) != (request.producer_epoch == ProducerEpoch::NONE.0) {
        return Err(ErrorCode::InvalidRequest);
    }
    context.authorize(Operation::IdempotentWrite, Resource::Cluster)?;
    broker.producer_ids.next().await
}
