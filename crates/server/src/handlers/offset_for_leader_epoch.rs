//! OffsetForLeaderEpoch v2–4 (KIP-320): how a client finds out that records it has seen are gone.

use std::sync::Arc;

use highwater_partition_log::EpochEnd;
use highwater_store::PartitionState;
use highwater_types::LeaderEpoch;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use highwater_wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use highwater_wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::fetch::check_epoch;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code;
use crate::request::RequestContext;
use crate::topics::Topic;

/// Answers where each asked epoch ends.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let found = broker.topics.by_name(&topic.topic).ok_or(ErrorCode::UnknownTopicOrPartition);
        let found = found.and_then(|found| {
            context.authorize(Operation::Describe, Resource::Topic(&found.name))?;
            Ok(found)
        });
        let partitions = topic.partitions.iter().map(|asked| {
            let end = match &found {
                Ok(found) => look_up(broker, found, asked),
                Err(code) => Err(*code),
            };
            response(asked.partition, end)
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult { topic: topic.topic, partitions }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}

fn look_up(broker: &Broker, topic: &Topic, asked: &OffsetForLeaderPartition) -> Result<EpochEnd, ErrorCode> {
    let partition = broker.partition(topic, asked.partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    if let PartitionState::Unavailable(problem) = partition.state() {
        return Err(error_code::of_problem(&problem));
    }
    check_epoch(LeaderEpoch(asked.current_leader_epoch), partition.offsets().leader_epoch)?;
    Ok(partition.end_of_epoch(LeaderEpoch(asked.leader_epoch)))
}

fn response(partition: i32, end: Result<EpochEnd, ErrorCode>) -> EpochEndOffset {
    match end {
        Ok(end) => EpochEndOffset {
            partition,
            leader_epoch: end.leader_epoch.0,
            end_offset: end.end_offset.0,
            ..EpochEndOffset::default()
        },
        Err(code) => EpochEndOffset { partition, error_code: code.code(), ..EpochEndOffset::default() },
    }
}
