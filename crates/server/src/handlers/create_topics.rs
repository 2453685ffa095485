//! CreateTopics v2–7. v4: -1 stands for the default number of partitions and replicas; v5: the answer tells counts and settings; v7: the
//! topic's id. Each topic is made or refused by itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use highwater_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use highwater_wire::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsResponse,
};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::config::{InvalidTopicConfig, check_topic, topic_entries};
use crate::error_code::Failure;
use crate::request::RequestContext;
use crate::topic_changes::{Plan, check_name, check_number, timeout};
use crate::topics::Topic;

/// Makes topics.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut times: HashMap<&str, usize> = HashMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let allowed = check_number(asked_partitions(broker, &request.topics));
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let made = match times.insert(&topic.name, 0) {
            // Answered at its first place.
            Some(0) | None => continue,
            Some(1) => match &allowed {
                Ok(()) => create(broker, context, topic, &request).await,
                Err(failure) => Err(failure.clone()),
            },
            Some(_) => Err(Failure::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
        };
        results.push(made.unwrap_or_else(|failure| failed(topic, &failure)));
    }
    CreateTopicsResponse { topics: results, ..CreateTopicsResponse::default() }
}

/// Partitions that a request asks for, all topics together.
fn asked_partitions(broker: &Broker, topics: &[CreatableTopic]) -> i64 {
    let of = |topic: &CreatableTopic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => i64::try_from(topic.assignments.len()).unwrap_or(i64::MAX),
        -1 => broker.settings.number("num.partitions").unwrap_or(1),
        count => i64::from(count.max(0)),
    };
    topics.iter().map(of).fold(0, i64::saturating_add)
}

async fn create(
    broker: &Arc<Broker>,
    context: &RequestContext,
    topic: &CreatableTopic,
    request: &CreateTopicsRequest,
) -> Result<CreatableTopicResult, Failure> {
    context.authorize(Operation::Create, Resource::Topic(&topic.name))?;
    check_name(&topic.name)?;
    let (name, plan) = (topic.name.as_str().into(), plan(broker, topic));
    let (changes, timeout) = (&broker.changes, timeout(request.timeout_ms));
    let made = if request.validate_only {
        changes.try_create(name, plan, timeout).await?
    } else {
        changes.create(name, plan, timeout).await?
    };
    Ok(succeeded(broker, &made))
}

/// Checks counts, assignments and settings (`ReplicationControlManager.createTopic`).
fn plan(broker: &Broker, topic: &CreatableTopic) -> Result<Plan, Failure> {
    let configs = configs(topic)?;
    check_topic(&broker.settings.layers(), &configs)
        .map_err(|error| Failure::new(ErrorCode::InvalidConfig, error.to_string()))?;
    let partitions =
        if topic.assignments.is_empty() { counted(broker, topic)? } else { assigned(broker, topic)? };
    Ok(Plan { partitions, configs })
}

fn configs(topic: &CreatableTopic) -> Result<BTreeMap<String, String>, Failure> {
    let mut configs = BTreeMap::new();
    for config in &topic.configs {
        let value = config.value.as_ref().ok_or_else(|| {
            let error = InvalidTopicConfig::Null(config.name.to_string());
            Failure::new(ErrorCode::InvalidConfig, error.to_string())
        })?;
        configs.insert(config.name.to_string(), value.to_string());
    }
    Ok(configs)
}

fn counted(broker: &Broker, topic: &CreatableTopic) -> Result<i32, Failure> {
    let replicas = match topic.replication_factor {
        -1 => broker.settings.number("default.replication.factor").unwrap_or(1),
        replicas => replicas.into(),
    };
    if replicas < 1 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(Failure::new(ErrorCode::InvalidReplicationFactor, message));
    }
    if replicas > 1 {
        let message = format!(
            "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} cannot \
             be reached because only 1 broker(s) are registered."
        );
        return Err(Failure::new(ErrorCode::InvalidReplicationFactor, message));
    }
    match topic.num_partitions {
        -1 => Ok(i32::try_from(broker.settings.count("num.partitions")).unwrap_or(1)),
        count if count < 1 => {
            let message = "Number of partitions was set to an invalid non-positive value.";
            Err(Failure::new(ErrorCode::InvalidPartitions, message))
        }
        count => Ok(count),
    }
}

fn assigned(broker: &Broker, topic: &CreatableTopic) -> Result<i32, Failure> {
    if topic.replication_factor != -1 {
        let message =
            "A manual partition assignment was specified, but replication factor was not set to -1.";
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    if topic.num_partitions != -1 {
        let message = "A manual partition assignment was specified, but numPartitions was not set to -1.";
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    let invalid = |message: String| Failure::new(ErrorCode::InvalidReplicaAssignment, message);
    let mut indexes: Vec<_> = topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let contiguous = indexes.iter().zip(0..).all(|(index, expected)| *index == expected);
    if !contiguous {
        let message = "partitions should be a consecutive 0-based integer sequence, each of them once.";
        return Err(invalid(message.to_owned()));
    }
    for assignment in &topic.assignments {
        check_assignment(broker, &assignment.broker_ids).map_err(invalid)?;
    }
    i32::try_from(indexes.len()).map_err(|_| Failure::of(ErrorCode::InvalidPartitions))
}

/// Whether a partition's replicas can be where a client wants them: on this node, once.
///
/// # Errors
/// What is wrong.
pub(super) fn check_assignment(broker: &Broker, replicas: &[i32]) -> Result<(), String> {
    let node_id = broker.node.node_id;
    match replicas {
        [] => Err("The manual partition assignment includes an empty replica list.".to_owned()),
        [replica] if *replica == node_id => Ok(()),
        [first, rest @ ..] if rest.contains(first) => {
            Err(format!("The manual partition assignment includes the broker {first} more than once."))
        }
        replicas => {
            let unknown = replicas.iter().find(|replica| **replica != node_id).unwrap_or(&node_id);
            Err(format!(
                "The manual partition assignment includes broker {unknown}, but no such broker is registered."
            ))
        }
    }
}

fn succeeded(broker: &Broker, topic: &Topic) -> CreatableTopicResult {
    let entries = topic_entries(&broker.settings.layers(), &topic.configs);
    let configs = entries.into_iter().map(|entry| CreatableTopicConfigs {
        name: Str::from(entry.name),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: false,
    });
    CreatableTopicResult {
        name: Str::from(&*topic.name),
        topic_id: topic.id,
        error_message: None,
        num_partitions: topic.partitions,
        replication_factor: 1,
        configs: Some(configs.collect()),
        ..CreatableTopicResult::default()
    }
}

fn failed(topic: &CreatableTopic, failure: &Failure) -> CreatableTopicResult {
    CreatableTopicResult {
        name: topic.name.clone(),
        error_code: failure.code.code(),
        error_message: failure.text(),
        num_partitions: -1,
        replication_factor: -1,
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use highwater_types::TopicIdPartition;
    use highwater_wire::ApiKey;
    use highwater_wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};

    fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
        CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: replicas,
            ..CreatableTopic::default()
        }
    }

    async fn send(
        test: &TestBroker,
        topics: Vec<CreatableTopic>,
        validate_only: bool,
    ) -> Vec<CreatableTopicResult> {
        let request = CreateTopicsRequest { topics, timeout_ms: 10_000, validate_only };
        handle(&test.broker, &context(ApiKey::CreateTopics, 7), request).await.topics
    }

    async fn code(test: &TestBroker, topic: CreatableTopic) -> i16 {
        send(test, vec![topic], true).await[0].error_code
    }

    #[tokio::test]
    async fn a_created_topic_is_committed_and_has_its_settings() {
        let test = broker();
        let config = CreatableTopicConfig { name: "retention.ms".into(), value: Some("5".into()) };
        let made =
            send(&test, vec![CreatableTopic { configs: vec![config], ..topic("a", 2, 1) }], false).await;
        assert_eq!((made[0].error_code, made[0].num_partitions, made[0].replication_factor), (0, 2, 1));
        assert_eq!(made[0].configs.as_ref().unwrap().len(), 33);
        let id = TopicIdPartition { topic_id: made[0].topic_id, partition: 1 };
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(5));
        assert_eq!(test.meta.topics()[0].partitions, 2);
        assert_eq!(send(&test, vec![topic("a", 1, 1)], false).await[0].error_code, 36);
    }

    #[tokio::test]
    async fn nothing_is_made_when_only_asked_to_validate() {
        let test = broker();
        assert_eq!(code(&test, topic("a", -1, -1)).await, 0);
        assert_ne!(
            send(&test, vec![topic("a", 1, 1)], true).await[0].topic_id,
            highwater_types::TopicId::ZERO
        );
        assert!(test.meta.topics().is_empty() && test.logs.count() == 0);
    }

    #[tokio::test]
    async fn bad_counts_names_and_assignments_have_kafkas_codes() {
        let test = broker();
        for (partitions, replicas, expected) in [(0, 1, 37), (-2, 1, 37), (1, 0, 38), (1, 3, 38), (0, 0, 38)]
        {
            assert_eq!(code(&test, topic("a", partitions, replicas)).await, expected);
        }
        for name in ["", ".", "a b", "__consumer_offsets"] {
            assert_eq!(code(&test, topic(name, 1, 1)).await, 17);
        }
        type Case<'a> = (&'a [(i32, &'a [i32])], i16);
        let pairs: [Case<'_>; 6] = [
            (&[(0, &[1]), (1, &[1])], 0),
            (&[(0, &[7])], 39),
            (&[(0, &[1]), (2, &[1])], 39),
            (&[(0, &[1, 1])], 39),
            (&[(0, &[])], 39),
            (&[(1, &[1])], 39),
        ];
        for (assignments, expected) in pairs {
            let one = |(partition_index, broker_ids): &(i32, &[i32])| CreatableReplicaAssignment {
                partition_index: *partition_index,
                broker_ids: broker_ids.to_vec(),
            };
            let assignments: Vec<_> = assignments.iter().map(one).collect();
            let assigned = CreatableTopic { assignments: assignments.clone(), ..topic("a", -1, -1) };
            assert_eq!(code(&test, assigned).await, expected);
            let counted = CreatableTopic { assignments, ..topic("a", 2, 1) };
            assert_eq!(code(&test, counted).await, 42);
        }
    }

    #[tokio::test]
    async fn a_name_given_twice_is_answered_once_and_not_made() {
        let test = broker();
        let results = send(&test, vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 1, 1)], false).await;
        let codes: Vec<_> =
            results.iter().map(|result| (result.name.to_string(), result.error_code)).collect();
        assert_eq!(codes, [("a".to_owned(), 42), ("b".to_owned(), 0)]);
    }

    #[tokio::test]
    async fn colliding_names_are_refused() {
        let test = broker();
        send(&test, vec![topic("a.b", 1, 1)], false).await;
        assert_eq!(send(&test, vec![topic("a_b", 1, 1)], false).await[0].error_code, 17);
    }

    #[tokio::test]
    async fn a_topic_that_is_there_is_said_before_what_is_wrong_with_the_request() {
        let test = broker();
        send(&test, vec![topic("a", 1, 1)], false).await;
        assert_eq!(code(&test, topic("a", 0, 1)).await, 36);
        assert_eq!(send(&test, vec![topic("a", 0, 1)], false).await[0].error_code, 36);
    }

    #[tokio::test]
    async fn a_request_makes_10000_partitions_at_most() {
        let test = broker();
        let codes = async |topics| {
            send(&test, topics, true).await.iter().map(|result| result.error_code).collect::<Vec<_>>()
        };
        assert_eq!(codes(vec![topic("a", 9_999, 1), topic("b", -1, 1), topic("c", -5, 1)]).await, [0, 0, 37]);
        assert_eq!(codes(vec![topic("a", 9_999, 1), topic("b", 2, 1)]).await, [44, 44]);
        assert_eq!(codes(vec![topic("a", i32::MAX, 1), topic("b", i32::MAX, 1)]).await, [44, 44]);
    }

    #[tokio::test]
    async fn a_creation_that_is_not_committed_is_not_there() {
        let test = broker();
        test.meta.fail(true);
        assert_eq!(send(&test, vec![topic("a", 1, 1)], false).await[0].error_code, 56);
        test.meta.fail(false);
        assert!(test.broker.topics.by_name("a").is_none());
        assert_eq!(send(&test, vec![topic("a", 1, 1)], false).await[0].error_code, 0);
    }
}
