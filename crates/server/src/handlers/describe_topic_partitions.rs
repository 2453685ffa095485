//! DescribeTopicPartitions v0 (KIP-966): topics by name, in pages of at most `max.request.partition.size.limit` partitions; a
//! cursor says where the next page begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use highwater_wire::messages::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use highwater_wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use highwater_wire::{ErrorCode, Str};

use super::metadata::PartitionView;
use crate::authorize::{Operation, Resource, TOPIC_OPERATIONS};
use crate::broker::Broker;
use crate::request::RequestContext;
use crate::topic_name;
use crate::topics::Topic;

/// Describes topics.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let all = request.topics.is_empty();
    let mut names: BTreeSet<String> = if all {
        broker.topics.all().iter().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    let (mut start_topic, mut start_index) = (String::new(), 0);
    if let Some(cursor) = &request.cursor {
        let known = all || names.contains(cursor.topic_name.as_str());
        if cursor.partition_index < 0 || !known {
            return refused(request);
        }
        (start_topic, start_index) = (cursor.topic_name.to_string(), cursor.partition_index);
        names.retain(|name| *name >= start_topic);
    }
    let most = broker.settings.count("max.request.partition.size.limit");
    let asked = u64::try_from(request.response_partition_limit).unwrap_or(0);
    let mut left = i32::try_from(asked.min(most).max(1)).unwrap_or(i32::MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let first = if name == start_topic { start_index } else { 0 };
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: Str::from(name), partition_index: 0 });
            break;
        }
        let Ok(topic) = find(broker, context, &name) else {
            response.topics.extend(unknown(context, &name, all));
            continue;
        };
        let end = topic.partitions.min(first.saturating_add(left));
        left -= (end - first).max(0);
        response.topics.push(describe(broker, &topic, first..end));
        if end < topic.partitions {
            response.next_cursor = Some(Cursor { topic_name: Str::from(name), partition_index: end });
            break;
        }
    }
    response
}

fn find(broker: &Broker, context: &RequestContext, name: &str) -> Result<Arc<Topic>, ErrorCode> {
    context.authorize(Operation::Describe, Resource::Topic(name))?;
    broker.topics.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// What is said of a topic that is not there; nothing when all topics were asked for.
fn unknown(context: &RequestContext, name: &str, all: bool) -> Option<DescribeTopicPartitionsResponseTopic> {
    let code = match context.authorize(Operation::Describe, Resource::Topic(name)) {
        Err(code) => code,
        Ok(()) if topic_name::check(name).is_err() => ErrorCode::InvalidTopicException,
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
    };
    (!all).then(|| failed(name, code, TOPIC_OPERATIONS))
}

fn failed(
    name: &str,
    code: ErrorCode,
    topic_authorized_operations: i32,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: code.code(),
        name: Some(Str::from(name)),
        topic_authorized_operations,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// A cursor that points nowhere: every topic is answered with INVALID_REQUEST.
fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let operations = DescribeTopicPartitionsResponseTopic::default().topic_authorized_operations;
    let topics =
        request.topics.iter().map(|topic| failed(&topic.name, ErrorCode::InvalidRequest, operations));
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

fn describe(
    broker: &Broker,
    topic: &Topic,
    indexes: std::ops::Range<i32>,
) -> DescribeTopicPartitionsResponseTopic {
    let partitions = indexes.map(|index| {
        let view = PartitionView::new(broker, topic, index);
        DescribeTopicPartitionsResponsePartition {
            error_code: view.code.code(),
            partition_index: index,
            leader_id: view.leader_id,
            leader_epoch: view.leader_epoch,
            replica_nodes: vec![broker.node.node_id],
            isr_nodes: view.in_sync,
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            offline_replicas: view.offline,
        }
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(Str::from(topic.name.as_ref())),
        topic_id: topic.id,
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use highwater_wire::messages::describe_topic_partitions_request::{Cursor as From, TopicRequest};
    use std::time::Duration;

    #[tokio::test]
    async fn pages_follow_one_another_without_gaps() {
        let test = broker();
        for (name, count) in [("b", 2), ("a", 3)] {
            let made = test.broker.changes.create(
                name.into(),
                Ok(Plan { partitions: count, configs: Default::default() }),
                Duration::from_secs(10),
            );
            made.await.unwrap();
        }
        for limit in [-1, 0, 1, 2, 3, 4, 5, 2000] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let topics = ["b", "a", "a"].map(|name| TopicRequest { name: name.into() }).to_vec();
                let request =
                    DescribeTopicPartitionsRequest { topics, response_partition_limit: limit, cursor };
                let answer = handle(&test.broker, &context(ApiKey::DescribeTopicPartitions, 0), &request);
                for topic in answer.topics {
                    let name = topic.name.unwrap().to_string();
                    seen.extend(
                        topic.partitions.iter().map(|partition| (name.clone(), partition.partition_index)),
                    );
                }
                match answer.next_cursor {
                    Some(next) => {
                        cursor =
                            Some(From { topic_name: next.topic_name, partition_index: next.partition_index });
                    }
                    None => break,
                }
            }
            let expected = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)].map(|(n, i)| (n.to_owned(), i));
            assert_eq!(seen, expected, "limit {limit}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_by_name_or_left_out_of_all() {
        let test = broker();
        let ask = |names: &[&str]| {
            let topics = names.iter().map(|name| TopicRequest { name: (*name).into() }).collect();
            let request = DescribeTopicPartitionsRequest { topics, ..Default::default() };
            let answer = handle(&test.broker, &context(ApiKey::DescribeTopicPartitions, 0), &request);
            let shown =
                answer.topics.into_iter().map(|topic| (topic.name.unwrap().to_string(), topic.error_code));
            shown.collect::<Vec<_>>()
        };
        assert_eq!(ask(&["nowhere", "a b"]), [("a b".to_owned(), 17), ("nowhere".to_owned(), 3)]);
        assert!(ask(&[]).is_empty());
    }

    #[test]
    fn a_cursor_to_nowhere_is_refused() {
        let test = broker();
        let cursor = Some(From { topic_name: "z".into(), partition_index: 0 });
        let topics = vec![TopicRequest { name: "a".into() }];
        let request = DescribeTopicPartitionsRequest { topics, response_partition_limit: 10, cursor };
        let answer = handle(&test.broker, &context(ApiKey::DescribeTopicPartitions, 0), &request);
        assert_eq!(answer.topics[0].error_code, 42);
    }
}
