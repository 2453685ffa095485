//! OffsetCommit v2–10. v2–4: a retention of its own; v6: the leader epoch; v7: static members; v9: KIP-848 groups; v10: topic ids.
//!
//! Partitions that do not exist are answered here; the group only hears of the others, and of none if there are none.

use std::sync::Arc;

use highwater_coordinator::{Answer, CommitOffset, OffsetAnswer, OffsetCommit, Request};
use highwater_types::TopicIdPartition;
use highwater_wire::ErrorCode;
use highwater_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use highwater_wire::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};

use super::group::{find_topic, optional, owned};
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;
use crate::topics::Topic;

/// What is wrong with each partition, in the order of the request; `None` where the group has the word.
type Decided = Vec<Option<ErrorCode>>;

/// Commits offsets; they are durable when it is answered.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    if let Err(code) = context.authorize(Operation::Read, Resource::Group(&request.group_id)) {
        return response(&request.topics, || code);
    }
    let (decided, offsets) = sort(broker, context, &request.topics);
    let told = if offsets.is_empty() {
        Ok(Vec::new())
    } else {
        commit(broker, &request, offsets).await.map_err(|code| code_in_version(code, context.version))
    };
    let (mut decided, mut told) = (decided.into_iter(), told.map(Vec::into_iter));
    response(&request.topics, || match (decided.next(), &mut told) {
        (Some(Some(code)), _) => code,
        (_, Err(code)) => *code,
        (_, Ok(answers)) => answers.next().map_or(ErrorCode::UnknownServerError, |answer| answer.error),
    })
}

/// Tells partitions that exist from those that do not.
fn sort(
    broker: &Broker,
    context: &RequestContext,
    topics: &[OffsetCommitRequestTopic],
) -> (Decided, Vec<CommitOffset>) {
    let (mut decided, mut offsets) = (Vec::new(), Vec::new());
    for asked in topics {
        let found = find_topic(broker, context, (&asked.name, asked.topic_id), context.version >= 10);
        for partition in &asked.partitions {
            let offset = found.as_ref().map_err(|code| *code).and_then(|topic| offset_of(topic, partition));
            decided.push(offset.as_ref().err().copied());
            offsets.extend(offset);
        }
    }
    (decided, offsets)
}

fn offset_of(topic: &Topic, asked: &OffsetCommitRequestPartition) -> Result<CommitOffset, ErrorCode> {
    if !(0..topic.partitions).contains(&asked.partition_index) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    Ok(CommitOffset {
        partition: TopicIdPartition { topic_id: topic.id, partition: asked.partition_index },
        topic: Arc::clone(&topic.name),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: optional(asked.committed_metadata.as_ref()).unwrap_or_default(),
    })
}

async fn commit(
    broker: &Arc<Broker>,
    request: &OffsetCommitRequest,
    offsets: Vec<CommitOffset>,
) -> Result<Vec<OffsetAnswer>, ErrorCode> {
    let commit = OffsetCommit {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        instance_id: optional(request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        // -1 and above v4 nothing: the broker's.
        retention_ms: Some(request.retention_time_ms).filter(|ms| *ms >= 0),
        offsets,
    };
    match broker.groups.call(&request.group_id, Request::Commit(commit)).await? {
        Answer::Offsets(answers) => Ok(answers),
        Answer::Code(code) => Err(code),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Clients know GROUP_ID_NOT_FOUND here from v9 on.
fn code_in_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::GroupIdNotFound if version < 9 => ErrorCode::IllegalGeneration,
        code => code,
    }
}

fn response(
    topics: &[OffsetCommitRequestTopic],
    mut code: impl FnMut() -> ErrorCode,
) -> OffsetCommitResponse {
    let topics = topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: code().code(),
            })
            .collect(),
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use std::time::Duration;

    /// Commits 5 for these partitions of `t`, of which there are two; the codes.
    async fn commit(test: &TestBroker, version: i16, generation: i32, partitions: &[i32]) -> Vec<i16> {
        let partition = |index: &i32| OffsetCommitRequestPartition {
            partition_index: *index,
            committed_offset: 5,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: partitions.iter().map(partition).collect(),
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".into(),
            generation_id_or_member_epoch: generation,
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let answer = handle(&test.broker, &context(ApiKey::OffsetCommit, version), request).await;
        answer.topics[0].partitions.iter().map(|partition| partition.error_code).collect()
    }

    async fn broker_with_topic() -> TestBroker {
        let test = broker();
        let plan = Plan { partitions: 2, ..Plan::default() };
        test.broker.changes.create("t".into(), Ok(plan), Duration::from_secs(60)).await.unwrap();
        test
    }

    fn groups(test: &TestBroker) -> usize {
        let mut count = 0;
        test.broker.groups.for_each_shard(|groups| count += groups.list().count());
        count
    }

    #[tokio::test]
    async fn partitions_that_do_not_exist_are_refused_and_the_others_committed() {
        let test = broker_with_topic().await;
        assert_eq!(commit(&test, 8, -1, &[2, -1]).await, [3, 3]);
        assert_eq!(groups(&test), 0, "a group of which nothing is asked does not come into being");
        assert_eq!(commit(&test, 8, -1, &[0, 2, 1, 0]).await, [0, 3, 0, 0]);
        assert_eq!(groups(&test), 1);
        assert_eq!(commit(&test, 10, -1, &[0]).await, [ErrorCode::UnknownTopicId.code()]);
    }

    #[tokio::test]
    async fn a_group_that_is_not_there_has_a_code_of_its_own_from_v9_on() {
        let test = broker_with_topic().await;
        assert_eq!(commit(&test, 8, 3, &[0]).await, [ErrorCode::IllegalGeneration.code()]);
        assert_eq!(commit(&test, 9, 3, &[0, 1]).await, [ErrorCode::GroupIdNotFound.code(); 2]);
    }
}
