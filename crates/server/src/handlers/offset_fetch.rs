//! OffsetFetch v1–10. v2: all partitions of a group; v5: the leader epoch; v7: `require_stable`, which is always so without
//! transactions; v8: several groups (KIP-709); v9: member id and epoch, for KIP-848 groups; v10: topic ids.

use std::sync::Arc;

use highwater_coordinator::{CommittedOffset, Groups};
use highwater_types::{TopicId, TopicIdPartition};
use highwater_wire::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use highwater_wire::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use highwater_wire::{ErrorCode, Str};

use super::group::{Room, find_topic, shared};
use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;

/// About how many bytes a partition takes in memory, without its metadata.
const PARTITION_SIZE: usize = size_of::<OffsetFetchResponsePartitions>();
/// First version with several groups.
const GROUPS: i16 = 8;
/// First version with topic ids.
const TOPIC_IDS: i16 = 10;

/// Tells committed offsets; only durable ones are seen.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if context.version >= GROUPS {
        let mut room = Room::new();
        let groups = request.groups.iter().map(|group| fetch(broker, context, group, &mut room));
        return OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| {
        let topic = |topic: highwater_wire::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics {
                name: topic.name,
                partition_indexes: topic.partition_indexes,
                ..OffsetFetchRequestTopics::default()
            }
        };
        topics.into_iter().map(topic).collect()
    });
    let group =
        OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() };
    one_group(fetch(broker, context, &group, &mut Room::new()))
}

/// The answer as it was before there could be several groups.
fn one_group(group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let partition = |partition: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    };
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}

fn fetch(
    broker: &Broker,
    context: &RequestContext,
    asked: &OffsetFetchRequestGroup,
    room: &mut Room,
) -> OffsetFetchResponseGroup {
    let group_id = &asked.group_id;
    let answer =
        OffsetFetchResponseGroup { group_id: group_id.clone(), ..OffsetFetchResponseGroup::default() };
    if let Err(code) = context.authorize(Operation::Describe, Resource::Group(group_id)) {
        return OffsetFetchResponseGroup { error_code: code.code(), ..answer };
    }
    let topics = match &asked.topics {
        None => broker.groups.read(group_id, |groups| Some(all(broker, context, groups, group_id))),
        Some(topics) => {
            let found: Vec<_> = topics.iter().map(|topic| find(broker, context, topic)).collect();
            broker.groups.read(group_id, |groups| {
                let named = topics.iter().zip(&found);
                // Named again and again, one offset would fill the memory.
                named.map(|(topic, id)| named_topic(groups, group_id, topic, *id, room).ok()).collect()
            })
        }
    };
    match topics {
        Some(topics) => OffsetFetchResponseGroup { topics, ..answer },
        None => OffsetFetchResponseGroup { error_code: ErrorCode::UnknownServerError.code(), ..answer },
    }
}

/// The id of a topic that is asked for. One that does not exist has no offsets: by name that is no error.
fn find(
    broker: &Broker,
    context: &RequestContext,
    topic: &OffsetFetchRequestTopics,
) -> Result<Option<TopicId>, ErrorCode> {
    match find_topic(broker, context, (&topic.name, topic.topic_id), context.version >= TOPIC_IDS) {
        Ok(topic) => Ok(Some(topic.id)),
        Err(ErrorCode::UnknownTopicOrPartition) => Ok(None),
        Err(code) => Err(code),
    }
}

fn named_topic(
    groups: &Groups,
    group_id: &str,
    asked: &OffsetFetchRequestTopics,
    id: Result<Option<TopicId>, ErrorCode>,
    room: &mut Room,
) -> Result<OffsetFetchResponseTopics, ErrorCode> {
    let partitions = asked.partition_indexes.iter().map(|&partition| {
        let committed = id
            .ok()
            .flatten()
            .and_then(|topic_id| groups.fetch_offset(group_id, TopicIdPartition { topic_id, partition }));
        let code = id.err().unwrap_or(ErrorCode::None);
        room.take(PARTITION_SIZE + committed.map_or(0, |committed| committed.metadata.len()))?;
        Ok(OffsetFetchResponsePartitions { error_code: code.code(), ..answer(partition, committed) })
    });
    let partitions: Result<_, ErrorCode> = partitions.collect();
    Ok(OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: partitions?,
    })
}

/// Everything that the group has committed for topics that exist.
fn all(
    broker: &Broker,
    context: &RequestContext,
    groups: &Groups,
    group_id: &str,
) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    let mut current = None;
    for (partition, committed) in groups.offsets(group_id) {
        if current != Some(partition.topic_id) {
            let is_visible = broker.topics.by_id(partition.topic_id).is_some()
                && context.authorize(Operation::Describe, Resource::Topic(&committed.topic)).is_ok();
            if !is_visible {
                continue;
            }
            current = Some(partition.topic_id);
            let (name, topic_id) = if context.version >= TOPIC_IDS {
                (Str::default(), partition.topic_id)
            } else {
                (shared(&committed.topic), TopicId::ZERO)
            };
            topics.push(OffsetFetchResponseTopics { name, topic_id, partitions: Vec::new() });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(answer(partition.partition, Some(committed)));
        }
    }
    topics
}

fn answer(partition: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: partition,
        committed_offset: committed.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(committed.map_or_else(Str::default, |committed| shared(&committed.metadata))),
        ..OffsetFetchResponsePartitions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use crate::topic_changes::Plan;
    use highwater_coordinator::{CommitOffset, OffsetCommit, Request};
    use highwater_wire::ApiKey;
    use std::time::Duration;

    /// A broker with two topics; group `g` has committed offset 7 for partition 1 of `a`. And the topics' ids.
    async fn broker_with_offset() -> (TestBroker, [TopicId; 2]) {
        let test = broker();
        let mut ids = [TopicId::ZERO; 2];
        for (id, name) in ids.iter_mut().zip(["a", "b"]) {
            let plan = Plan { partitions: 2, ..Plan::default() };
            let made = test.broker.changes.create(name.into(), Ok(plan), Duration::from_secs(60)).await;
            *id = made.unwrap().id;
        }
        let offset = CommitOffset {
            partition: TopicIdPartition { topic_id: ids[0], partition: 1 },
            topic: "a".into(),
            offset: 7,
            leader_epoch: 2,
            metadata: "noted".into(),
        };
        let commit = OffsetCommit {
            group_id: "g".into(),
            member_id: "".into(),
            instance_id: None,
            generation: -1,
            retention_ms: None,
            offsets: vec![offset],
        };
        test.broker.groups.call("g", Request::Commit(commit)).await.unwrap();
        (test, ids)
    }

    fn topics(version: i16, id: TopicId, name: &str, partitions: &[i32]) -> OffsetFetchRequestTopics {
        let by_id = version >= TOPIC_IDS;
        OffsetFetchRequestTopics {
            name: if by_id { Str::default() } else { name.into() },
            topic_id: if by_id { id } else { TopicId::ZERO },
            partition_indexes: partitions.to_vec(),
        }
    }

    /// `(partition, offset, code)` of each topic.
    type Told = Vec<Vec<(i32, i64, i16)>>;

    fn fetch_one(
        test: &TestBroker,
        version: i16,
        group_id: &str,
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    ) -> Told {
        let group = OffsetFetchRequestGroup {
            group_id: group_id.into(),
            topics,
            ..OffsetFetchRequestGroup::default()
        };
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        let answer = handle(&test.broker, &context(ApiKey::OffsetFetch, version), request).groups.remove(0);
        assert_eq!((answer.error_code, answer.group_id.as_str()), (0, group_id));
        let told = |topic: &OffsetFetchResponseTopics| {
            let partitions = topic.partitions.iter();
            partitions.map(|one| (one.partition_index, one.committed_offset, one.error_code)).collect()
        };
        answer.topics.iter().map(told).collect()
    }

    #[tokio::test]
    async fn what_is_not_committed_is_no_error_and_the_order_is_that_of_the_request() {
        let (test, [a, b]) = broker_with_offset().await;
        for version in [9, 10] {
            let asked = || Some(vec![topics(version, b, "b", &[0]), topics(version, a, "a", &[1, 9, 1])]);
            let expected = vec![vec![(0, -1, 0)], vec![(1, 7, 0), (9, -1, 0), (1, 7, 0)]];
            assert_eq!(fetch_one(&test, version, "g", asked()), expected, "v{version}");
            let nothing = vec![vec![(0, -1, 0)], vec![(1, -1, 0), (9, -1, 0), (1, -1, 0)]];
            assert_eq!(fetch_one(&test, version, "none", asked()), nothing, "v{version}");
        }
    }

    #[tokio::test]
    async fn an_unknown_topic_is_an_error_only_by_id() {
        let (test, _) = broker_with_offset().await;
        let asked = |version| Some(vec![topics(version, TopicId([9; 16]), "nowhere", &[0])]);
        assert_eq!(fetch_one(&test, 9, "g", asked(9)), [[(0, -1, 0)]]);
        assert_eq!(fetch_one(&test, 10, "g", asked(10)), [[(0, -1, 100)]]);
    }

    #[tokio::test]
    async fn all_is_what_is_committed_for_topics_that_exist() {
        let (test, [a, _]) = broker_with_offset().await;
        assert_eq!(fetch_one(&test, 9, "g", None), [[(1, 7, 0)]]);
        assert_eq!(fetch_one(&test, 9, "g", Some(Vec::new())), Told::new());
        let request =
            OffsetFetchRequest { group_id: "g".into(), topics: None, ..OffsetFetchRequest::default() };
        let answer = handle(&test.broker, &context(ApiKey::OffsetFetch, 7), request);
        let one = &answer.topics[0].partitions[0];
        assert_eq!((answer.topics[0].name.as_str(), one.committed_leader_epoch), ("a", 2));
        assert_eq!(one.metadata.as_deref(), Some("noted"));
        test.broker.topics.remove(a);
        assert_eq!(fetch_one(&test, 9, "g", None), Told::new(), "also while its offsets are being removed");
    }
}
