//! CreatePartitions v0–3: adds partitions to topics. v3 only knows one more error, THROTTLING_QUOTA_EXCEEDED.

use std::collections::HashMap;
use std::sync::Arc;

use highwater_wire::ErrorCode;
use highwater_wire::messages::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use highwater_wire::messages::create_partitions_response::{
    CreatePartitionsResponse, CreatePartitionsTopicResult,
};

use super::create_topics::check_assignment;
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code::Failure;
use crate::request::RequestContext;
use crate::topic_changes::{check_growth, timeout};

/// Adds partitions.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let mut results: Vec<CreatePartitionsTopicResult> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let done = match times.insert(&topic.name, 0) {
            // Answered at its first place.
            Some(0) | None => continue,
            Some(1) => grow(broker, context, topic, &request).await,
            Some(_) => Err(Failure::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
        };
        let (code, error_message) = match done {
            Ok(()) => (ErrorCode::None, None),
            Err(failure) => (failure.code, failure.message.map(Into::into)),
        };
        let name = topic.name.clone();
        results.push(CreatePartitionsTopicResult { name, error_code: code.code(), error_message });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn grow(
    broker: &Arc<Broker>,
    context: &RequestContext,
    asked: &CreatePartitionsTopic,
    request: &CreatePartitionsRequest,
) -> Result<(), Failure> {
    context.authorize(Operation::Alter, Resource::Topic(&asked.name))?;
    let topic = broker.topics.by_name(&asked.name).ok_or(Failure::of(ErrorCode::UnknownTopicOrPartition))?;
    check_growth(&topic, asked.count)?;
    if let Some(assignments) = &asked.assignments {
        let invalid = |message: String| Failure::new(ErrorCode::InvalidReplicaAssignment, message);
        let added = asked.count.saturating_sub(topic.partitions);
        if usize::try_from(added).ok() != Some(assignments.len()) {
            let message = format!(
                "Attempted to add {added} additional partition(s), but {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(invalid(message));
        }
        for assignment in assignments {
            check_assignment(broker, &assignment.broker_ids).map_err(invalid)?;
        }
    }
    if request.validate_only {
        return Ok(());
    }
    broker.changes.grow(topic.id, asked.count, timeout(request.timeout_ms)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use highwater_wire::messages::create_partitions_request::CreatePartitionsAssignment;
    use std::time::Duration;

    async fn send(test: &TestBroker, counts: &[i32], nodes: Option<&[i32]>, validate_only: bool) -> Vec<i16> {
        let assignments = nodes.map(|nodes| {
            nodes
                .iter()
                .map(|node| CreatePartitionsAssignment { broker_ids: vec![*node] })
                .collect::<Vec<_>>()
        });
        let topic = |count: &i32| CreatePartitionsTopic {
            name: "a".into(),
            count: *count,
            assignments: assignments.clone(),
        };
        let topics = counts.iter().map(topic).collect();
        let request = CreatePartitionsRequest { topics, timeout_ms: 10_000, validate_only };
        let answer = handle(&test.broker, &context(ApiKey::CreatePartitions, 3), request).await;
        answer.results.iter().map(|result| result.error_code).collect()
    }

    #[tokio::test]
    async fn a_topic_only_grows() {
        let test = broker();
        assert_eq!(send(&test, &[3], None, false).await, [3]);
        test.broker
            .changes
            .create(
                "a".into(),
                Ok(Plan { partitions: 1, configs: Default::default() }),
                Duration::from_secs(10),
            )
            .await
            .unwrap();
        assert_eq!(send(&test, &[2], None, true).await, [0]);
        assert_eq!(test.logs.count(), 1);
        assert_eq!(send(&test, &[3], None, false).await, [0]);
        assert_eq!((test.logs.count(), test.meta.topics()[0].partitions), (3, 3));
        for count in [3, 2, 0, -1] {
            assert_eq!(send(&test, &[count], None, false).await, [37]);
        }
        assert_eq!(send(&test, &[4, 5], None, false).await, [42]);
        assert_eq!(send(&test, &[10_003], None, true).await, [0]);
        assert_eq!(send(&test, &[10_004], None, true).await, [44]);
    }

    #[tokio::test]
    async fn assignments_name_this_node_once_for_each_new_partition() {
        let test = broker();
        test.broker
            .changes
            .create(
                "a".into(),
                Ok(Plan { partitions: 1, configs: Default::default() }),
                Duration::from_secs(10),
            )
            .await
            .unwrap();
        assert_eq!(send(&test, &[3], Some(&[1]), false).await, [39]);
        assert_eq!(send(&test, &[2], Some(&[9]), false).await, [39]);
        assert_eq!(send(&test, &[2], Some(&[1]), false).await, [0]);
    }
}
