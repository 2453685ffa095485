//! DeleteTopics v1–6. v5: messages; v6: by name or id. The name is free when the answer comes; the data goes in the background.

use std::collections::HashMap;
use std::sync::Arc;

use highwater_types::TopicId;
use highwater_wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use highwater_wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::error_code::Failure;
use crate::request::RequestContext;
use crate::topic_changes::timeout;
use crate::topics::Topic;

/// One topic of the request: how it was named, and what it is.
struct Target {
    name: Option<Str>,
    topic_id: TopicId,
    found: Result<Arc<Topic>, Failure>,
}

/// Deletes topics.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let named = request
        .topic_names
        .into_iter()
        .map(|name| DeleteTopicState { name: Some(name), topic_id: TopicId::ZERO });
    let asked = if context.version >= 6 { request.topics } else { named.collect() };
    let mut responses = Vec::with_capacity(asked.len());
    for target in targets(broker, asked) {
        responses.push(delete(broker, context, target, request.timeout_ms).await);
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

/// Resolves what was named; a topic that was named twice, in whatever way, stands there once and is refused.
fn targets(broker: &Broker, asked: Vec<DeleteTopicState>) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::with_capacity(asked.len());
    let mut places: HashMap<(Option<TopicId>, Option<Str>), usize> = HashMap::new();
    for state in asked {
        let target = resolve(broker, state);
        let key = match &target.found {
            Ok(topic) => (Some(topic.id), None),
            Err(_) => (Some(target.topic_id), target.name.clone()),
        };
        let place = *places.entry(key).or_insert(targets.len());
        match targets.get_mut(place) {
            Some(first) => {
                let message = "Duplicate topic name or topic id.";
                first.name = first.name.take().or(target.name);
                first.found = Err(Failure::new(ErrorCode::InvalidRequest, message));
            }
            None => targets.push(target),
        }
    }
    targets
}

fn resolve(broker: &Broker, state: DeleteTopicState) -> Target {
    let DeleteTopicState { name, topic_id } = state;
    match name {
        Some(_) if topic_id != TopicId::ZERO => {
            let message = "You may not specify both topic name and topic id.";
            Target { name, topic_id, found: Err(Failure::new(ErrorCode::InvalidRequest, message)) }
        }
        None if topic_id == TopicId::ZERO => {
            let message = "Neither topic name nor id were specified.";
            Target { name, topic_id, found: Err(Failure::new(ErrorCode::InvalidRequest, message)) }
        }
        Some(name) => match broker.topics.by_name(&name) {
            Some(topic) => Target { name: Some(name), topic_id: topic.id, found: Ok(topic) },
            None => {
                let found = Err(Failure::of(ErrorCode::UnknownTopicOrPartition));
                Target { name: Some(name), topic_id, found }
            }
        },
        None => match broker.topics.by_id(topic_id) {
            Some(topic) => Target { name: Some(Str::from(topic.name.as_ref())), topic_id, found: Ok(topic) },
            None => Target { name: None, topic_id, found: Err(Failure::of(ErrorCode::UnknownTopicId)) },
        },
    }
}

async fn delete(
    broker: &Arc<Broker>,
    context: &RequestContext,
    target: Target,
    timeout_ms: i32,
) -> DeletableTopicResult {
    let done = match target.found {
        Ok(topic) => delete_found(broker, context, &topic, timeout_ms).await,
        Err(failure) => Err(failure),
    };
    let (code, error_message) = match done {
        Ok(()) => (ErrorCode::None, None),
        Err(failure) => (failure.code, failure.text()),
    };
    DeletableTopicResult {
        name: target.name,
        topic_id: target.topic_id,
        error_code: code.code(),
        error_message,
    }
}

async fn delete_found(
    broker: &Arc<Broker>,
    context: &RequestContext,
    topic: &Topic,
    timeout_ms: i32,
) -> Result<(), Failure> {
    context.authorize(Operation::Delete, Resource::Topic(&topic.name))?;
    if !broker.settings.boolean("delete.topic.enable") {
        let code =
            if context.version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
        return Err(Failure::of(code));
    }
    broker.changes.delete(topic.id, timeout(timeout_ms)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, broker_with, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use std::time::Duration;

    async fn make(test: &TestBroker, name: &str) -> TopicId {
        let made = test
            .broker
            .changes
            .create(
                name.into(),
                Ok(Plan { partitions: 2, configs: Default::default() }),
                Duration::from_secs(10),
            )
            .await;
        made.unwrap().id
    }

    async fn send(test: &TestBroker, asked: &[(Option<&str>, TopicId)]) -> Vec<(Option<String>, i16)> {
        let state = |(name, topic_id): &(Option<&str>, TopicId)| DeleteTopicState {
            name: name.map(Str::from),
            topic_id: *topic_id,
        };
        let topics = asked.iter().map(state).collect();
        let request = DeleteTopicsRequest { topics, timeout_ms: 10_000, ..Default::default() };
        let answer = handle(&test.broker, &context(ApiKey::DeleteTopics, 6), request).await;
        answer
            .responses
            .into_iter()
            .map(|one| (one.name.map(|name| name.to_string()), one.error_code))
            .collect()
    }

    #[tokio::test]
    async fn the_name_is_free_at_once_and_the_next_topic_has_another_id() {
        let test = broker();
        let first = make(&test, "a").await;
        assert_eq!(send(&test, &[(Some("a"), TopicId::ZERO)]).await, [(Some("a".to_owned()), 0)]);
        assert_eq!(test.logs.count(), 0);
        assert_eq!(send(&test, &[(Some("a"), TopicId::ZERO)]).await, [(Some("a".to_owned()), 3)]);
        assert_ne!(make(&test, "a").await, first);
        assert_eq!(send(&test, &[(None, first)]).await, [(None, 100)]);
    }

    #[tokio::test]
    async fn a_topic_named_twice_is_not_deleted() {
        let test = broker();
        let id = make(&test, "a").await;
        let twice = [(Some("a"), TopicId::ZERO), (None, id)];
        assert_eq!(send(&test, &twice).await, [(Some("a".to_owned()), 42)]);
        assert_eq!(send(&test, &[(Some("a"), id)]).await, [(Some("a".to_owned()), 42)]);
        assert_eq!(send(&test, &[(None, TopicId::ZERO)]).await, [(None, 42)]);
        assert!(test.broker.topics.by_name("a").is_some());
        assert_eq!(send(&test, &[(None, id)]).await, [(Some("a".to_owned()), 0)]);
    }

    #[tokio::test]
    async fn deletion_can_be_forbidden() {
        let test = broker_with(&[("delete.topic.enable", "false")]);
        make(&test, "a").await;
        assert_eq!(send(&test, &[(Some("a"), TopicId::ZERO)]).await[0].1, 73);
    }
}
