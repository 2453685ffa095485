//! Produce v3–13. v8 added record errors (KIP-467); from v13 on topics are named by id (KIP-516).
//!
//! Stage one gives every batch its offsets, in the order of the request, before the connection's next request starts.
//! Stage two waits until each is as safe as `acks` asks, at most `timeout_ms`; what is not by then is answered
//! REQUEST_TIMED_OUT and stays appended. Before stage one the partitions are recovered (`recovery`) and memory has room for what comes.

pub(crate) mod recovery;

use std::sync::Arc;
use std::time::Duration;

use highwater_partition_log::{Appended, Origin, Refusal, requires_produce_v7};
use highwater_store::{Acknowledgement, AppendError, BoxFuture, Partition};
use highwater_types::{Offset, Timestamp, TopicId};
use highwater_wire::messages::ProduceRequest;
use highwater_wire::messages::ProduceResponse;
use highwater_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use highwater_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use highwater_wire::{ErrorCode, Str};
use tokio::time::{Instant, timeout_at};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code::Failure;
use crate::request::{Reply, RequestContext};
use crate::topics::{Topic, is_reserved};

/// The first version that names topics by id.
const BY_TOPIC_ID: i16 = 13;
/// The first version that may carry zstd (KIP-110).
const ZSTD: i16 = 7;
/// Kafka's own tools may write to internal topics under this client id.
const ADMIN_CLIENT_ID: &str = "__admin_client";

/// A batch that has its offsets, and the wait for its safety, which began with it. acks=0 waits for nothing.
struct Placed {
    appended: Appended,
    acknowledged: Option<BoxFuture<'static, Result<(), AppendError>>>,
}

/// A batch that was not taken.
struct Rejection {
    failure: Failure,
    /// Told where the log itself refused the records.
    log_start_offset: Option<Offset>,
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self { failure, log_start_offset: None }
    }
}

/// One partition of the request after stage one.
struct StagedPartition {
    index: i32,
    outcome: Result<Placed, Rejection>,
}

/// One topic of the request after stage one.
struct StagedTopic {
    name: Str,
    topic_id: TopicId,
    partitions: Vec<StagedPartition>,
}

/// Resolves when so little is staged that `request` may be appended.
pub(crate) async fn room(broker: &Broker, version: i16, request: &ProduceRequest) {
    let room = broker.store.backpressure(&mut partitions(broker, version, request).map(|one| one.id()));
    if let Some(room) = room {
        room.await;
    }
}

/// The partitions of `request` that exist.
fn partitions(
    broker: &Broker,
    version: i16,
    request: &ProduceRequest,
) -> impl Iterator<Item = Arc<dyn Partition>> {
    request.topic_data.iter().flat_map(move |data| {
        let topic = if version >= BY_TOPIC_ID {
            broker.topics.by_id(data.topic_id)
        } else {
            broker.topics.by_name(&data.name)
        };
        data.partition_data.iter().filter_map(move |one| broker.partition(topic.as_ref()?, one.index))
    })
}

/// Appends every batch of `request`.
pub(crate) fn handle(broker: &Arc<Broker>, context: &RequestContext, request: ProduceRequest) -> Reply {
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let now = broker.clock.timestamp();
    let acks = request.acks;
    let level = match acks {
        0 => None,
        1 => Some(Acknowledgement::Written),
        _ => Some(Acknowledgement::Durable),
    };
    let topics =
        request.topic_data.into_iter().map(|topic| stage_topic(broker, context, (acks, level), topic, now));
    let topics: Vec<StagedTopic> = topics.collect();
    if acks == 0 {
        let failed = topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .find_map(|staged| staged.outcome.as_ref().err());
        return match failed {
            Some(rejection) => {
                Reply::close(format!("produce with acks=0 failed: {}", rejection.failure.code))
            }
            None => Reply::Nothing,
        };
    }
    Reply::later(context, move || answer(topics, deadline))
}

fn stage_topic(
    broker: &Broker,
    context: &RequestContext,
    (acks, level): (i16, Option<Acknowledgement>),
    request: TopicProduceData,
    now: Timestamp,
) -> StagedTopic {
    let topic = resolve(broker, context, acks, &request);
    let stage = |data: PartitionProduceData| {
        let index = data.index;
        let outcome = match &topic {
            Ok(topic) => stage_partition(broker, context, topic, data, level, now),
            Err(code) => Err(Failure::of(*code).into()),
        };
        StagedPartition { index, outcome }
    };
    let partitions = request.partition_data.into_iter().map(stage).collect();
    StagedTopic { name: request.name, topic_id: request.topic_id, partitions }
}

/// The topic, or why none of its partitions takes records.
fn resolve(
    broker: &Broker,
    context: &RequestContext,
    acks: i16,
    request: &TopicProduceData,
) -> Result<Arc<Topic>, ErrorCode> {
    let topic = if context.version >= BY_TOPIC_ID {
        broker.topics.by_id(request.topic_id).ok_or(ErrorCode::UnknownTopicId)?
    } else {
        if is_reserved(&request.name) && context.client_id.as_deref() != Some(ADMIN_CLIENT_ID) {
            return Err(ErrorCode::InvalidTopicException);
        }
        broker.topics.by_name(&request.name).ok_or(ErrorCode::UnknownTopicOrPartition)?
    };
    context.authorize(Operation::Write, Resource::Topic(&topic.name))?;
    if matches!(acks, -1..=1) { Ok(topic) } else { Err(ErrorCode::InvalidRequiredAcks) }
}

fn stage_partition(
    broker: &Broker,
    context: &RequestContext,
    topic: &Topic,
    data: PartitionProduceData,
    level: Option<Acknowledgement>,
    now: Timestamp,
) -> Result<Placed, Rejection> {
    let partition =
        broker.partition(topic, data.index).ok_or_else(|| Failure::of(ErrorCode::UnknownTopicOrPartition))?;
    let records = data.records.map(highwater_wire::Records::into_bytes).unwrap_or_default();
    if shape::is_transactional(&records) {
        // Transactions are not served: for good, so that no client tries again.
        return Err(Failure::of(ErrorCode::InvalidTxnState).into());
    }
    if context.version < ZSTD && requires_produce_v7(&records) {
        let message = "Produce requests with version below 7 may not use zstd compression".to_owned();
        let refusal = Refusal::UnsupportedCompression(message);
        return Err(Failure::from(AppendError::Refused(refusal)).into());
    }
    let well_shaped = shape::is_one_batch(&records);
    let appended = partition.append(records, Origin::Client, now).map_err(|error| {
        let known = well_shaped && is_validation(&error);
        let log_start_offset = known.then(|| partition.offsets().log_start_offset);
        Rejection { failure: Failure::from(error), log_start_offset }
    })?;
    let acknowledged = level.map(|level| partition.acknowledged(&appended, level));
    Ok(Placed { appended, acknowledged })
}

/// Stage two: waits for each batch and says what became of it.
async fn answer(topics: Vec<StagedTopic>, deadline: Instant) -> ProduceResponse {
    let mut responses = Vec::with_capacity(topics.len());
    for topic in topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for staged in topic.partitions {
            let outcome = match staged.outcome {
                Ok(placed) => acknowledged(placed, deadline).await,
                Err(rejection) => Err(rejection),
            };
            partitions.push(response(staged.index, outcome));
        }
        responses.push(TopicProduceResponse {
            name: topic.name,
            topic_id: topic.topic_id,
            partition_responses: partitions,
        });
    }
    ProduceResponse { responses, ..ProduceResponse::default() }
}

async fn acknowledged(placed: Placed, deadline: Instant) -> Result<Appended, Rejection> {
    let Some(wait) = placed.acknowledged else { return Ok(placed.appended) };
    match timeout_at(deadline, wait).await {
        Ok(outcome) => outcome.map(|()| placed.appended).map_err(|error| Failure::from(error).into()),
        Err(_) => Err(Failure::of(ErrorCode::RequestTimedOut).into()),
    }
}

/// Whether the log's validation refused the records; Kafka then tells the log's start.
fn is_validation(error: &AppendError) -> bool {
    let AppendError::Refused(refusal) = error else { return false };
    matches!(
        refusal,
        Refusal::InvalidRecord { .. }
            | Refusal::InvalidTimestamp { .. }
            | Refusal::UnsupportedCompression(_)
            | Refusal::OutOfOrderSequence(_)
            | Refusal::InvalidProducerEpoch(_)
    )
}

fn response(index: i32, outcome: Result<Appended, Rejection>) -> PartitionProduceResponse {
    match outcome {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset.0,
            log_append_time_ms: appended.log_append_time.0,
            log_start_offset: appended.log_start_offset.0,
            ..PartitionProduceResponse::default()
        },
        Err(Rejection { failure, log_start_offset }) => {
            // As Kafka, only what is wrong with records is told in words.
            let told = !failure.records.is_empty() || failure.code == ErrorCode::InvalidTimestamp;
            let record_errors = failure.records.into_iter().map(|(batch_index, message)| {
                BatchIndexAndErrorMessage { batch_index, batch_index_error_message: Some(Str::from(message)) }
            });
            PartitionProduceResponse {
                index,
                error_code: failure.code.code(),
                base_offset: -1,
                log_append_time_ms: -1,
                log_start_offset: log_start_offset.unwrap_or(Offset(-1)).0,
                record_errors: record_errors.collect(),
                error_message: failure.message.filter(|_| told).map(Str::from),
                ..PartitionProduceResponse::default()
            }
        }
    }
}

/// What the first bytes of a request's records say, before anything was checked.
mod shape {
    const LENGTH: std::ops::Range<usize> = 8..12;
    const LENGTH_OVERHEAD: i64 = 12;
    const MAGIC: usize = 16;
    const ATTRIBUTES_LOW: usize = 22;
    const TRANSACTIONAL: u8 = 1 << 4;

    /// Whether they are one batch of format 2, by its length. What is not never reaches Kafka's log.
    pub(super) fn is_one_batch(records: &[u8]) -> bool {
        let length =
            records.get(LENGTH).and_then(|bytes| bytes.first_chunk()).map(|bytes| i32::from_be_bytes(*bytes));
        let whole = length.map(|length| i64::from(length) + LENGTH_OVERHEAD);
        records.get(MAGIC) == Some(&2)
            && whole.is_some_and(|whole| u64::try_from(whole) == Ok(records.len() as u64))
    }

    /// Whether the batch says that it belongs to a transaction.
    pub(super) fn is_transactional(records: &[u8]) -> bool {
        let attributes = records.get(ATTRIBUTES_LOW).filter(|_| records.get(MAGIC) == Some(&2));
        attributes.is_some_and(|attributes| attributes & TRANSACTIONAL != 0)
    }
}
