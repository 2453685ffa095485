//! IncrementalAlterConfigs v0–1 (KIP-339): sets, deletes, appends to and takes from single settings.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use highwater_wire::ErrorCode;
use highwater_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use highwater_wire::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use super::alter_configs::{Alteration, alter, repeated};
use crate::broker::Broker;
use crate::config::{Kind, broker_setting, topic_setting};
use crate::error_code::Failure;
use crate::request::RequestContext;

/// What is done to one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(String),
    Delete,
    Append(Vec<String>),
    Subtract(Vec<String>),
}

/// Changes settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let repeated =
        repeated(request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())));
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
        let done = if repeated.contains(&(resource_type, resource_name.clone())) {
            Err(Failure::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
        } else {
            apply(broker, context, resource, request.validate_only).await
        };
        let (code, message) = match done {
            Ok(()) => (ErrorCode::None, None),
            Err(failure) => (failure.code, failure.message.map(Into::into)),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code: code.code(),
            error_message: message,
            resource_type,
            resource_name,
        });
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

async fn apply(
    broker: &Arc<Broker>,
    context: &RequestContext,
    resource: AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Failure> {
    let changes = changes(&resource.configs)?;
    let edit = move |current: &BTreeMap<String, String>| edit(current, changes);
    let alteration =
        Alteration { kind: resource.resource_type, name: &resource.resource_name, validate_only };
    alter(broker, context, alteration, Box::new(edit)).await
}

fn changes(configs: &[AlterableConfig]) -> Result<Vec<(String, Change)>, Failure> {
    let mut seen = HashSet::new();
    if let Some(twice) = configs.iter().find(|config| !seen.insert(config.name.as_str())) {
        let message = format!("Error due to duplicate config keys: {}", twice.name);
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    let nulls: Vec<_> =
        configs.iter().filter(|config| config.value.is_none() && config.config_operation != 1).collect();
    if let Some(first) = nulls.first() {
        let message = format!("Null value not supported for : {}", first.name);
        return Err(Failure::new(ErrorCode::InvalidRequest, message));
    }
    configs.iter().map(|config| Ok((config.name.to_string(), change(config)?))).collect()
}

/// `AlterConfigOp.OpType`: 0 sets, 1 deletes, 2 appends, 3 subtracts.
fn change(config: &AlterableConfig) -> Result<Change, Failure> {
    let value = config.value.as_deref().unwrap_or_default();
    let items =
        || value.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect();
    match config.config_operation {
        0 => Ok(Change::Set(value.trim().to_owned())),
        1 => Ok(Change::Delete),
        2 => Ok(Change::Append(items())),
        3 => Ok(Change::Subtract(items())),
        // Kafka stumbles over it and answers this, without a message.
        _ => Err(Failure::of(ErrorCode::UnknownServerError)),
    }
}

fn edit(
    current: &BTreeMap<String, String>,
    changes: Vec<(String, Change)>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut edited = current.clone();
    for (name, change) in changes {
        match change {
            Change::Set(value) => {
                edited.insert(name, value);
            }
            Change::Delete => {
                edited.remove(&name);
            }
            Change::Append(added) => {
                let mut items = list(&edited, &name)?;
                let new: Vec<_> = added.into_iter().filter(|item| !items.contains(item)).collect();
                items.extend(new);
                edited.insert(name, items.join(","));
            }
            Change::Subtract(taken) => {
                let mut items = list(&edited, &name)?;
                items.retain(|item| !taken.contains(item));
                edited.insert(name, items.join(","));
            }
        }
    }
    Ok(edited)
}

/// The items of a list setting: its own, or those of its default.
fn list(current: &BTreeMap<String, String>, name: &str) -> Result<Vec<String>, Failure> {
    let setting = topic_setting(name).map(|known| &known.setting).or_else(|| broker_setting(name));
    let setting = setting.filter(|setting| setting.kind == Kind::List).ok_or_else(|| {
        let message = format!("Can't APPEND or SUBTRACT to key {name} because its type is not LIST.");
        Failure::new(ErrorCode::InvalidConfig, message)
    })?;
    let text = current.get(name).map(String::as_str).or(setting.default).unwrap_or_default();
    Ok(text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use crate::topic_changes::Plan;
    use highwater_types::TopicIdPartition;
    use highwater_wire::ApiKey;
    use std::time::Duration;

    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;

    async fn test_broker() -> TestBroker {
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
        test
    }

    async fn send(test: &TestBroker, kind: i8, name: &str, changes: &[(&str, i8, Option<&str>)]) -> i16 {
        let config = |(name, config_operation, value): &(&str, i8, Option<&str>)| AlterableConfig {
            name: (*name).into(),
            config_operation: *config_operation,
            value: value.map(Into::into),
        };
        let configs = changes.iter().map(config).collect();
        let resource = AlterConfigsResource { resource_type: kind, resource_name: name.into(), configs };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let context = context(ApiKey::IncrementalAlterConfigs, 1);
        handle(&test.broker, &context, request).await.responses[0].error_code
    }

    fn policy(test: &TestBroker) -> Option<String> {
        test.broker.topics.by_name("a").unwrap().configs.get("cleanup.policy").cloned()
    }

    #[tokio::test]
    async fn lists_grow_and_shrink() {
        let test = test_broker().await;
        assert_eq!(send(&test, 2, "a", &[("cleanup.policy", APPEND, Some("compact"))]).await, 0);
        assert_eq!(policy(&test).as_deref(), Some("delete,compact"));
        assert_eq!(send(&test, 2, "a", &[("cleanup.policy", APPEND, Some("compact"))]).await, 0);
        assert_eq!(send(&test, 2, "a", &[("cleanup.policy", SUBTRACT, Some("delete"))]).await, 0);
        assert_eq!(policy(&test).as_deref(), Some("compact"));
        assert_eq!(send(&test, 2, "a", &[("cleanup.policy", DELETE, None)]).await, 0);
        assert_eq!(policy(&test), None);
    }

    #[tokio::test]
    async fn a_change_reaches_the_log_and_a_refused_one_changes_nothing() {
        let test = test_broker().await;
        let id = TopicIdPartition { topic_id: test.broker.topics.by_name("a").unwrap().id, partition: 0 };
        assert_eq!(send(&test, 2, "a", &[("retention.ms", SET, Some("7"))]).await, 0);
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(7));
        let half = [("retention.ms", SET, Some("8")), ("segment.bytes", SET, Some("x"))];
        assert_eq!(send(&test, 2, "a", &half).await, 40);
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(7));
    }

    #[tokio::test]
    async fn a_broker_setting_reaches_every_topic_that_has_none() {
        let test = test_broker().await;
        let id = TopicIdPartition { topic_id: test.broker.topics.by_name("a").unwrap().id, partition: 0 };
        assert_eq!(send(&test, 4, "", &[("log.retention.ms", SET, Some("9"))]).await, 0);
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(9));
        assert_eq!(send(&test, 4, "1", &[("log.retention.ms", SET, Some("10"))]).await, 0);
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(10));
        assert_eq!(send(&test, 4, "1", &[("log.retention.ms", DELETE, None)]).await, 0);
        assert_eq!(test.logs.config(id).unwrap().retention_ms, Some(9));
    }

    #[tokio::test]
    async fn errors_are_kafkas() {
        let test = test_broker().await;
        type Case<'a> = (i8, &'a str, &'a [(&'a str, i8, Option<&'a str>)], i16);
        let cases: [Case<'_>; 17] = [
            (2, "nowhere", &[("retention.ms", SET, Some("1"))], 3),
            (2, "a b", &[("retention.ms", SET, Some("1"))], 17),
            (2, "", &[("retention.ms", SET, Some("1"))], 42),
            (2, "a", &[("no.such", SET, Some("1"))], 40),
            (2, "a", &[("retention.ms", SET, Some("soon"))], 40),
            (2, "a", &[("retention.ms", SET, None)], 42),
            (2, "a", &[("retention.ms", APPEND, Some("1"))], 40),
            (2, "a", &[("retention.ms", 9, Some("1"))], -1),
            (2, "a", &[("retention.ms", SET, Some("1")), ("retention.ms", SET, Some("2"))], 42),
            (2, "a", &[("remote.storage.enable", SET, Some("true"))], 40),
            (2, "a", &[], 0),
            (99, "x", &[("retention.ms", SET, Some("1"))], 42),
            (4, "77", &[("log.retention.ms", SET, Some("1"))], 42),
            (4, "one", &[("log.retention.ms", SET, Some("1"))], 42),
            (4, "1", &[("node.id", SET, Some("5"))], 42),
            (4, "1", &[("log.retention.ms", SET, Some("soon"))], 42),
            (4, "1", &[("no.such", SET, Some("5"))], 42),
        ];
        for (kind, name, changes, code) in cases {
            assert_eq!(send(&test, kind, name, changes).await, code, "{kind} {name} {changes:?}");
        }
    }
}
