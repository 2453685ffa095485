//! Metadata v0–13. v1: null topics are all, empty ones none; v4: auto-creation by request; v7: leader epochs; v8–10: authorized
//! operations of the cluster; v10: topic ids, v12: asking by them; v13: an error of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_store::{Partition, PartitionProblem, PartitionState};
use highwater_types::TopicId;
use highwater_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use highwater_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, Operation, Resource, TOPIC_OPERATIONS};
use crate::broker::Broker;
use crate::request::RequestContext;
use crate::topic_changes::{Plan, check_name};
use crate::topics::Topic;

/// How long a request waits for the topics that it makes.
const AUTO_CREATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Describes the cluster and topics.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let version = context.version;
    let asked = match request.topics.as_deref() {
        Some([]) if version == 0 => None,
        topics => topics,
    };
    if let Some(code) = asked.and_then(|topics| refusal(version, topics)) {
        return refused(version, asked.unwrap_or_default(), code);
    }
    let topics = match asked {
        None => broker.topics.all().iter().filter_map(|topic| describe(broker, context, topic)).collect(),
        Some(asked) => {
            let may_create = version < 4 || request.allow_auto_topic_creation;
            let mut topics = Vec::with_capacity(asked.len());
            for topic in distinct(asked) {
                topics.push(describe_asked(broker, context, topic, may_create).await);
            }
            topics
        }
    };
    let operations = if request.include_topic_authorized_operations && version >= 8 {
        TOPIC_OPERATIONS
    } else {
        OPERATIONS_NOT_ASKED
    };
    let topics = topics.into_iter().map(|topic| {
        let exists = topic.error_code == ErrorCode::None.code();
        let topic_authorized_operations = if exists { operations } else { OPERATIONS_NOT_ASKED };
        MetadataResponseTopic { topic_authorized_operations, ..topic }
    });
    MetadataResponse {
        brokers: vec![this_broker(broker, context)],
        cluster_id: Some(Str::from(broker.node.cluster_id.as_str())),
        controller_id: broker.node.node_id,
        topics: topics.collect(),
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        },
        ..MetadataResponse::default()
    }
}

/// Why the whole request is refused: topics named by id before v12, or not named at all.
fn refusal(version: i16, topics: &[MetadataRequestTopic]) -> Option<ErrorCode> {
    let by_id = |topic: &MetadataRequestTopic| topic.topic_id != TopicId::ZERO;
    if version < 12 && topics.iter().any(|topic| by_id(topic) || topic.name.is_none()) {
        return Some(ErrorCode::InvalidRequest);
    }
    topics.iter().any(|topic| !by_id(topic) && topic.name.is_none()).then_some(ErrorCode::UnknownServerError)
}

/// Says nothing of the cluster, and the same of each topic (`MetadataRequest.getErrorResponse`).
fn refused(version: i16, topics: &[MetadataRequestTopic], code: ErrorCode) -> MetadataResponse {
    let topics = topics.iter().map(|topic| MetadataResponseTopic {
        error_code: code.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        topic_authorized_operations: OPERATIONS_NOT_ASKED,
        ..MetadataResponseTopic::default()
    });
    MetadataResponse {
        controller_id: -1,
        topics: topics.collect(),
        cluster_authorized_operations: OPERATIONS_NOT_ASKED,
        error_code: if version >= 13 { code.code() } else { 0 },
        ..MetadataResponse::default()
    }
}

/// Each topic once, in the order of the request.
fn distinct(asked: &[MetadataRequestTopic]) -> impl Iterator<Item = &MetadataRequestTopic> {
    let mut seen = std::collections::HashSet::new();
    asked.iter().filter(move |topic| seen.insert((topic.topic_id, topic.name.clone())))
}

async fn describe_asked(
    broker: &Arc<Broker>,
    context: &RequestContext,
    asked: &MetadataRequestTopic,
    may_create: bool,
) -> MetadataResponseTopic {
    if asked.topic_id != TopicId::ZERO {
        let found = broker.topics.by_id(asked.topic_id).and_then(|topic| describe(broker, context, &topic));
        return found.unwrap_or_else(|| MetadataResponseTopic {
            error_code: ErrorCode::UnknownTopicId.code(),
            name: None,
            topic_id: asked.topic_id,
            ..MetadataResponseTopic::default()
        });
    }
    let name = asked.name.clone().unwrap_or_default();
    let failed = |code: ErrorCode| MetadataResponseTopic {
        error_code: code.code(),
        name: Some(name.clone()),
        ..MetadataResponseTopic::default()
    };
    if let Err(code) = context.authorize(Operation::Describe, Resource::Topic(&name)) {
        return failed(code);
    }
    if let Some(topic) = broker.topics.by_name(&name) {
        return describe(broker, context, &topic)
            .unwrap_or_else(|| failed(ErrorCode::TopicAuthorizationFailed));
    }
    match create(broker, context, &name, may_create).await {
        Ok(topic) => {
            describe(broker, context, &topic).unwrap_or_else(|| failed(ErrorCode::TopicAuthorizationFailed))
        }
        Err(code) => failed(code),
    }
}

/// Makes a topic with the default number of partitions, if request and settings allow it.
async fn create(
    broker: &Arc<Broker>,
    context: &RequestContext,
    name: &str,
    may_create: bool,
) -> Result<Arc<Topic>, ErrorCode> {
    check_name(name).map_err(|failure| failure.code)?;
    if !may_create || !broker.settings.boolean("auto.create.topics.enable") {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    context.authorize(Operation::Create, Resource::Topic(name))?;
    let partitions = i32::try_from(broker.settings.count("num.partitions")).unwrap_or(1);
    let made = broker
        .changes
        .create(name.into(), Ok(Plan { partitions, configs: BTreeMap::new() }), AUTO_CREATION_TIMEOUT)
        .await;
    match made {
        Ok(topic) => Ok(topic),
        // Another connection was faster.
        Err(failure) if failure.code == ErrorCode::TopicAlreadyExists => {
            broker.topics.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)
        }
        Err(failure) => Err(failure.code),
    }
}

/// A topic that exists; `None` when the client may not know of it.
fn describe(broker: &Broker, context: &RequestContext, topic: &Topic) -> Option<MetadataResponseTopic> {
    context.authorize(Operation::Describe, Resource::Topic(&topic.name)).ok()?;
    let partitions = (0..topic.partitions).map(|index| {
        let state = PartitionView::new(broker, topic, index);
        MetadataResponsePartition {
            error_code: state.code.code(),
            partition_index: index,
            leader_id: state.leader_id,
            leader_epoch: state.leader_epoch,
            replica_nodes: vec![broker.node.node_id],
            isr_nodes: state.in_sync,
            offline_replicas: state.offline,
        }
    });
    Some(MetadataResponseTopic {
        name: Some(Str::from(topic.name.as_ref())),
        topic_id: topic.id,
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    })
}

/// Who leads a partition, as clients are told.
pub(super) struct PartitionView {
    /// LEADER_NOT_AVAILABLE when nobody does.
    pub(super) code: ErrorCode,
    /// -1 when nobody does.
    pub(super) leader_id: i32,
    /// The leader epoch.
    pub(super) leader_epoch: i32,
    /// Replicas in sync.
    pub(super) in_sync: Vec<i32>,
    /// Replicas that are offline.
    pub(super) offline: Vec<i32>,
}

impl PartitionView {
    /// The state of one partition. One that is still recovering has its leader: clients ask it again.
    pub(super) fn new(broker: &Broker, topic: &Topic, index: i32) -> Self {
        let node_id = broker.node.node_id;
        let partition = broker.partition(topic, index);
        let offline = |partition: &Arc<dyn Partition>| match partition.state() {
            PartitionState::Online => false,
            PartitionState::Unavailable(problem) => {
                !matches!(problem, PartitionProblem::Recovering | PartitionProblem::OutOfSpace)
            }
        };
        match partition {
            Some(partition) if !offline(&partition) => Self {
                code: ErrorCode::None,
                leader_id: node_id,
                leader_epoch: partition.offsets().leader_epoch.0,
                in_sync: vec![node_id],
                offline: Vec::new(),
            },
            other => Self {
                code: ErrorCode::LeaderNotAvailable,
                leader_id: -1,
                leader_epoch: other.map_or(-1, |partition| partition.offsets().leader_epoch.0),
                in_sync: Vec::new(),
                offline: vec![node_id],
            },
        }
    }
}

fn this_broker(broker: &Broker, context: &RequestContext) -> MetadataResponseBroker {
    let endpoint = &context.listener().advertised;
    MetadataResponseBroker {
        node_id: broker.node.node_id,
        host: Str::from(endpoint.host.as_str()),
        port: endpoint.port.into(),
        rack: broker.settings.text("broker.rack").map(Str::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, broker_with, context};
    use highwater_wire::ApiKey;

    fn by_name(names: &[&str]) -> MetadataRequest {
        let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        MetadataRequest { topics: Some(names.iter().map(topic).collect()), ..Default::default() }
    }

    #[tokio::test]
    async fn a_topic_is_made_only_if_request_and_setting_allow_it() {
        for (setting, asked, code) in [("true", true, 0), ("true", false, 3), ("false", true, 3)] {
            let test = broker_with(&[("auto.create.topics.enable", setting), ("num.partitions", "3")]);
            let request = MetadataRequest { allow_auto_topic_creation: asked, ..by_name(&["new"]) };
            let answer = handle(&test.broker, &context(ApiKey::Metadata, 12), request).await;
            assert_eq!(answer.topics[0].error_code, code);
            assert_eq!(answer.topics[0].partitions.len(), if code == 0 { 3 } else { 0 });
            assert_eq!(test.meta.topics().len(), usize::from(code == 0));
        }
    }

    #[tokio::test]
    async fn null_is_all_and_empty_is_none_except_in_v0() {
        let test = broker();
        handle(&test.broker, &context(ApiKey::Metadata, 4), by_name(&["a", "b", "a"])).await;
        let count = async |version, topics: Option<Vec<MetadataRequestTopic>>| {
            let request = MetadataRequest { topics, ..Default::default() };
            handle(&test.broker, &context(ApiKey::Metadata, version), request).await.topics.len()
        };
        assert_eq!(count(1, None).await, 2);
        assert_eq!(count(1, Some(Vec::new())).await, 0);
        assert_eq!(count(0, Some(Vec::new())).await, 2);
    }

    #[tokio::test]
    async fn the_listener_that_was_asked_is_named() {
        let test = broker();
        let answer = handle(&test.broker, &context(ApiKey::Metadata, 9), by_name(&[])).await;
        assert_eq!((answer.brokers[0].host.as_str(), answer.brokers[0].port), ("a.example", 9092));
        assert_eq!((answer.controller_id, answer.cluster_authorized_operations), (1, OPERATIONS_NOT_ASKED));
    }

    #[tokio::test]
    async fn ids_are_refused_before_v12_and_found_from_it_on() {
        let test = broker();
        handle(&test.broker, &context(ApiKey::Metadata, 9), by_name(&["a"])).await;
        let id = test.broker.topics.by_name("a").unwrap().id;
        let ask = async |version, topic_id| {
            let topic = MetadataRequestTopic { topic_id, name: None };
            let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
            let answer = handle(&test.broker, &context(ApiKey::Metadata, version), request).await;
            (answer.topics[0].error_code, answer.brokers.len())
        };
        assert_eq!(ask(11, id).await, (42, 0));
        assert_eq!(ask(12, id).await, (0, 1));
        assert_eq!(ask(12, TopicId([9; 16])).await, (100, 1));
        assert_eq!(ask(12, TopicId::ZERO).await, (-1, 0));
    }

    #[tokio::test]
    async fn illegal_and_reserved_names_are_refused() {
        let test = broker();
        let answer =
            handle(&test.broker, &context(ApiKey::Metadata, 9), by_name(&["a b", "__consumer_offsets"]))
                .await;
        assert!(answer.topics.iter().all(|topic| topic.error_code == 17));
    }
}
