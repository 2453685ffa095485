//! OffsetDelete v0 (KIP-496): forgets committed offsets of topics that no member of the group subscribes to.

use std::sync::Arc;

use highwater_coordinator::{Answer, DeleteOffsets, OffsetAnswer, Request};
use highwater_types::TopicIdPartition;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_delete_request::{OffsetDeleteRequest, OffsetDeleteRequestTopic};
use highwater_wire::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};

use super::group::{find_topic, owned};
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// A partition that exists, with its topic's name.
type Known = (TopicIdPartition, Arc<str>);

/// Deletes offsets; they are gone for good when it is answered.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    match delete(broker, context, request).await {
        Ok(topics) => OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() },
        Err(code) => OffsetDeleteResponse { error_code: code.code(), ..OffsetDeleteResponse::default() },
    }
}

async fn delete(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &OffsetDeleteRequest,
) -> Result<Vec<OffsetDeleteResponseTopic>, ErrorCode> {
    context.authorize(Operation::Delete, Resource::Group(&request.group_id))?;
    if request.group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let asked: Vec<Vec<_>> = request.topics.iter().map(|topic| sort(broker, context, topic)).collect();
    let partitions = asked.iter().flatten().filter_map(|found| found.as_ref().ok().cloned()).collect();
    let delete = DeleteOffsets { group_id: owned(&request.group_id), partitions };
    let mut answers = match broker.groups.call(&request.group_id, Request::DeleteOffsets(delete)).await? {
        Answer::Offsets(answers) => answers.into_iter(),
        Answer::Code(code) => return Err(code),
        _ => return Err(ErrorCode::UnknownServerError),
    };
    let topics = request.topics.iter().zip(&asked).map(|(topic, found)| OffsetDeleteResponseTopic {
        name: topic.name.clone(),
        partitions: partitions_of(topic, found, &mut answers),
    });
    Ok(topics.collect())
}

/// Tells partitions that exist from those that do not.
fn sort(
    broker: &Broker,
    context: &RequestContext,
    asked: &OffsetDeleteRequestTopic,
) -> Vec<Result<Known, ErrorCode>> {
    let found = find_topic(broker, context, (&asked.name, highwater_types::TopicId::ZERO), false);
    let known = |partition: i32| {
        let topic = found.as_ref().map_err(|code| *code)?;
        if !(0..topic.partitions).contains(&partition) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        Ok((TopicIdPartition { topic_id: topic.id, partition }, Arc::clone(&topic.name)))
    };
    asked.partitions.iter().map(|partition| known(partition.partition_index)).collect()
}

/// The answer for one topic: what was decided before, else the group's next answer.
fn partitions_of(
    topic: &OffsetDeleteRequestTopic,
    found: &[Result<Known, ErrorCode>],
    answers: &mut impl Iterator<Item = OffsetAnswer>,
) -> Vec<OffsetDeleteResponsePartition> {
    let asked = topic.partitions.iter().zip(found);
    let partition = asked.map(|(partition, found)| {
        let code = match found {
            Err(code) => *code,
            Ok(_) => answers.next().map_or(ErrorCode::UnknownServerError, |answer| answer.error),
        };
        OffsetDeleteResponsePartition { partition_index: partition.partition_index, error_code: code.code() }
    });
    partition.collect()
}
