//! AlterConfigs v0–2: replaces all settings of a resource. Also what it shares with IncrementalAlterConfigs.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use highwater_wire::messages::alter_configs_request::{AlterConfigsRequest, AlterConfigsResource};
use highwater_wire::messages::alter_configs_response::{AlterConfigsResourceResponse, AlterConfigsResponse};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::config::{ConfigTarget, Update, broker_setting, check_topic};
use crate::error_code::Failure;
use crate::request::RequestContext;
use crate::topic_changes::EditConfigs;
use crate::topic_name;

/// Replaces settings.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let repeated =
        repeated(request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())));
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
        let done = if repeated.contains(&(resource_type, resource_name.clone())) {
            Err(Failure::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
        } else {
            replace(broker, context, resource, request.validate_only).await
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
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

async fn replace(
    broker: &Arc<Broker>,
    context: &RequestContext,
    resource: AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Failure> {
    let mut replaced = BTreeMap::new();
    for config in &resource.configs {
        let value = config.value.as_ref().ok_or_else(|| {
            Failure::new(ErrorCode::InvalidRequest, format!("Null value not supported for : {}", config.name))
        })?;
        if replaced.insert(config.name.to_string(), value.trim().to_owned()).is_some() {
            let message = format!("Error due to duplicate config keys: {}", config.name);
            return Err(Failure::new(ErrorCode::InvalidRequest, message));
        }
    }
    let alteration =
        Alteration { kind: resource.resource_type, name: &resource.resource_name, validate_only };
    alter(broker, context, alteration, Box::new(move |_| Ok(replaced))).await
}

/// Resources that a request names more than once: none of them is changed.
pub(super) fn repeated(named: impl Iterator<Item = (i8, Str)>) -> HashSet<(i8, Str)> {
    let mut seen = HashSet::new();
    named.filter(|resource| !seen.insert(resource.clone())).collect()
}

/// Whose settings are changed.
pub(super) struct Alteration<'a> {
    /// Kafka's number of the kind of resource.
    pub(super) kind: i8,
    /// Its name.
    pub(super) name: &'a str,
    /// Only say whether it would be done.
    pub(super) validate_only: bool,
}

/// Changes settings by `edit`, and checks what comes out of it.
pub(super) async fn alter(
    broker: &Arc<Broker>,
    context: &RequestContext,
    alteration: Alteration<'_>,
    edit: EditConfigs,
) -> Result<(), Failure> {
    match ConfigTarget::new(alteration.kind, alteration.name, &broker.node)? {
        ConfigTarget::Topic(name) => alter_topic(broker, context, name, alteration.validate_only, edit).await,
        ConfigTarget::Broker => alter_broker(broker, context, true, alteration.validate_only, edit).await,
        ConfigTarget::ClusterDefault => {
            alter_broker(broker, context, false, alteration.validate_only, edit).await
        }
    }
}

async fn alter_topic(
    broker: &Arc<Broker>,
    context: &RequestContext,
    name: &str,
    validate_only: bool,
    edit: EditConfigs,
) -> Result<(), Failure> {
    context.authorize(Operation::AlterConfigs, Resource::Topic(name))?;
    if name.is_empty() {
        return Err(Failure::new(ErrorCode::InvalidRequest, "Default topic resources are not allowed."));
    }
    topic_name::check(name).map_err(|problem| Failure::new(ErrorCode::InvalidTopicException, problem))?;
    let topic = broker.topics.by_name(name).ok_or_else(|| {
        Failure::new(ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist."))
    })?;
    let layers = broker.settings.layers();
    let checked = move |current: &BTreeMap<String, String>| {
        let edited = edit(current)?;
        check_topic(&layers, &edited)
            .map_err(|error| Failure::new(ErrorCode::InvalidConfig, error.to_string()))?;
        Ok(edited)
    };
    if validate_only {
        return checked(&topic.configs).map(|_| ());
    }
    broker.changes.configure(topic.id, Box::new(checked)).await
}

async fn alter_broker(
    broker: &Arc<Broker>,
    context: &RequestContext,
    this_broker: bool,
    validate_only: bool,
    edit: EditConfigs,
) -> Result<(), Failure> {
    context.authorize(Operation::AlterConfigs, Resource::Cluster)?;
    let checked = move |current: &BTreeMap<String, String>| {
        let edited = edit(current)?;
        check_broker(&edited).map_err(|problem| Failure::new(ErrorCode::InvalidRequest, problem))?;
        Ok(edited)
    };
    if validate_only {
        let layers = broker.settings.layers();
        let current = if this_broker { &layers.dynamic_broker } else { &layers.dynamic_default };
        return checked(current).map(|_| ());
    }
    broker.changes.configure_broker(this_broker, Box::new(checked)).await
}

/// Whether these can be a broker's settings at run time.
fn check_broker(configs: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in configs {
        let Some(setting) = broker_setting(name) else {
            return Err(format!("Cannot change {name}: it has no meaning here"));
        };
        if setting.update == Update::ReadOnly {
            return Err(format!("Cannot update these configs dynamically: [{name}]"));
        }
        setting.parse(value).map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use highwater_wire::messages::alter_configs_request::AlterableConfig;
    use std::time::Duration;

    async fn send(
        test: &TestBroker,
        names: &[&str],
        configs: &[(&str, Option<&str>)],
        validate_only: bool,
    ) -> Vec<i16> {
        let config = |(name, value): &(&str, Option<&str>)| AlterableConfig {
            name: (*name).into(),
            value: value.map(Into::into),
        };
        let resource = |name: &&str| AlterConfigsResource {
            resource_type: 2,
            resource_name: (*name).into(),
            configs: configs.iter().map(config).collect(),
        };
        let request = AlterConfigsRequest { resources: names.iter().map(resource).collect(), validate_only };
        let answer = handle(&test.broker, &context(ApiKey::AlterConfigs, 2), request).await;
        answer.responses.iter().map(|response| response.error_code).collect()
    }

    #[tokio::test]
    async fn what_is_not_named_goes_back_to_its_default() {
        let test = broker();
        let own = [("retention.ms".to_owned(), "5".to_owned())].into();
        test.broker
            .changes
            .create("a".into(), Ok(Plan { partitions: 1, configs: own }), Duration::from_secs(10))
            .await
            .unwrap();
        let configs = || test.broker.topics.by_name("a").unwrap().configs.clone();
        assert_eq!(send(&test, &["a"], &[("segment.bytes", Some("2097152"))], true).await, [0]);
        assert!(configs().contains_key("retention.ms"));
        assert_eq!(send(&test, &["a"], &[("segment.bytes", Some("2097152"))], false).await, [0]);
        assert_eq!(configs().keys().collect::<Vec<_>>(), ["segment.bytes"]);
        assert_eq!(test.meta.topics()[0].configs, configs());
    }

    #[tokio::test]
    async fn errors_are_kafkas() {
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
        assert_eq!(send(&test, &["nowhere"], &[("retention.ms", Some("1"))], false).await, [3]);
        assert_eq!(send(&test, &["a"], &[("no.such", Some("1"))], false).await, [40]);
        assert_eq!(send(&test, &["a"], &[("retention.ms", None)], false).await, [42]);
        assert_eq!(send(&test, &["a", "a"], &[("retention.ms", Some("1"))], false).await, [42, 42]);
    }
}
