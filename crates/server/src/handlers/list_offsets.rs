//! ListOffsets v1–11. Special timestamps arrived one by one: -3 in v7 (KIP-734), -4 in v8 (KIP-405), -5 in v9 (KIP-1005), -6 in
//! v11 (KIP-1023). Without tiered storage the earliest local offset is the log's start, and there is no tiered one.

use std::collections::HashSet;
use std::sync::Arc;

use highwater_partition_log::{Isolation, TimestampedOffset};
use highwater_store::{Partition, PartitionState};
use highwater_types::{LeaderEpoch, Offset, Timestamp};
use highwater_wire::ErrorCode;
use highwater_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use highwater_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use highwater_wire::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::fetch::check_epoch;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code;
use crate::request::RequestContext;
use crate::topics::Topic;

/// The first version whose answer carries the leader epoch.
const LEADER_EPOCH: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Looks up an offset for each partition.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let isolation =
        if request.isolation_level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
    let repeated = repeated(&request);
    let mut topics = Vec::with_capacity(request.topics.len());
    // As Kafka, a topic without partitions is not answered.
    for asked in request.topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        topics.push(topic(broker, context, asked, isolation, &repeated).await);
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

async fn topic(
    broker: &Arc<Broker>,
    context: &RequestContext,
    asked: ListOffsetsTopic,
    isolation: Isolation,
    repeated: &HashSet<(String, i32)>,
) -> ListOffsetsTopicResponse {
    let topic = broker.topics.by_name(&asked.name).ok_or(ErrorCode::UnknownTopicOrPartition);
    let topic = topic.and_then(|topic| {
        context.authorize(Operation::Describe, Resource::Topic(&topic.name))?;
        Ok(topic)
    });
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    let mut refused = HashSet::new();
    for partition in &asked.partitions {
        let index = partition.partition_index;
        let found = match &topic {
            _ if repeated.contains(&(asked.name.to_string(), index)) => {
                if !refused.insert(index) {
                    continue;
                }
                Err(ErrorCode::InvalidRequest)
            }
            Ok(topic) => look_up(broker, context.version, topic, partition, isolation).await,
            Err(code) => Err(*code),
        };
        partitions.push(response(context.version, index, found));
    }
    ListOffsetsTopicResponse { name: asked.name, partitions }
}

/// Partitions that the request names more than once: each is answered once, INVALID_REQUEST, as Kafka does.
fn repeated(request: &ListOffsetsRequest) -> HashSet<(String, i32)> {
    let mut seen = HashSet::new();
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|asked| (topic.name.to_string(), asked.partition_index))
    });
    named.filter(|name| !seen.insert(name.clone())).collect()
}

async fn look_up(
    broker: &Broker,
    version: i16,
    topic: &Topic,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<TimestampedOffset, ErrorCode> {
    let since = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        _ => 1,
    };
    if version < since || asked.timestamp < EARLIEST_PENDING_UPLOAD {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let partition =
        broker.partition(topic, asked.partition_index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let found = find(partition.as_ref(), asked, isolation).await?;
    Ok(found.unwrap_or(NOTHING))
}

/// What is answered when no record fits.
const NOTHING: TimestampedOffset =
    TimestampedOffset { offset: Offset(-1), timestamp: Timestamp::NONE, leader_epoch: LeaderEpoch::NONE };

async fn find(
    partition: &dyn Partition,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>, ErrorCode> {
    // What a partition that does not serve says of its offsets means nothing.
    if let PartitionState::Unavailable(problem) = partition.state() {
        return Err(error_code::of_problem(&problem));
    }
    let offsets = partition.offsets();
    check_epoch(LeaderEpoch(asked.current_leader_epoch), offsets.leader_epoch)?;
    let bound = match isolation {
        Isolation::ReadUncommitted => offsets.high_watermark,
        Isolation::ReadCommitted => offsets.last_stable_offset,
    };
    let at = |offset: Offset, leader_epoch: LeaderEpoch| {
        Ok(Some(TimestampedOffset { offset, timestamp: Timestamp::NONE, leader_epoch }))
    };
    match asked.timestamp {
        LATEST => at(bound, offsets.leader_epoch),
        EARLIEST | EARLIEST_LOCAL => at(offsets.log_start_offset, partition.earliest_epoch()),
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => Ok(None),
        MAX_TIMESTAMP => partition.max_timestamp().await.map_err(|error| error_code::of_read(&error)),
        _ => partition
            .offset_for_timestamp(Timestamp(asked.timestamp), isolation)
            .await
            .map_err(|error| error_code::of_read(&error)),
    }
}

fn response(
    version: i16,
    partition_index: i32,
    found: Result<TimestampedOffset, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let (error_code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, NOTHING),
    };
    ListOffsetsPartitionResponse {
        partition_index,
        error_code: error_code.code(),
        timestamp: found.timestamp.0,
        offset: found.offset.0,
        leader_epoch: if version >= LEADER_EPOCH { found.leader_epoch.0 } else { LeaderEpoch::NONE.0 },
    }
}
