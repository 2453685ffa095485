//! DescribeConfigs v1–4. v1: sources and synonyms; v3: types and documentation.

use std::collections::HashMap;
use std::sync::Arc;

use highwater_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use highwater_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::config::{ConfigTarget, Entry, broker_entries, cluster_default_entries, topic_entries};
use crate::error_code::Failure;
use crate::request::RequestContext;
use crate::topic_name;

/// How often one request may name a resource: an answer is thousands of times as long as its question, and only with
/// repetitions longer than what there is to say.
const REPEATS_MAX: u32 = 16;

/// Describes settings.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let mut times: HashMap<(i8, &str), u32> = HashMap::new();
    let results = request.resources.iter().map(|resource| {
        let times = times.entry((resource.resource_type, resource.resource_name.as_str())).or_default();
        *times = times.saturating_add(1);
        let described = if *times > REPEATS_MAX {
            let message = "The same resource is named too often in one request.";
            Err(Failure::new(ErrorCode::InvalidRequest, message))
        } else {
            describe(broker, context, resource)
        };
        let (code, message, configs) = match described {
            Ok(entries) => {
                let shown = entries.into_iter().map(|entry| show(entry, request));
                (ErrorCode::None, Some(Str::default()), shown.collect())
            }
            Err(failure) => {
                (failure.code, Some(failure.message.map(Str::from).unwrap_or_default()), Vec::new())
            }
        };
        DescribeConfigsResult {
            error_code: code.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

fn describe(
    broker: &Broker,
    context: &RequestContext,
    resource: &DescribeConfigsResource,
) -> Result<Vec<Entry>, Failure> {
    let layers = broker.settings.layers();
    let mut entries = match ConfigTarget::new(resource.resource_type, &resource.resource_name, &broker.node)?
    {
        ConfigTarget::Topic(name) => {
            context.authorize(Operation::DescribeConfigs, Resource::Topic(name))?;
            topic_name::check(name)
                .map_err(|problem| Failure::new(ErrorCode::InvalidTopicException, problem))?;
            let topic = broker.topics.by_name(name).ok_or(Failure::of(ErrorCode::UnknownTopicOrPartition))?;
            topic_entries(&layers, &topic.configs)
        }
        ConfigTarget::Broker => {
            context.authorize(Operation::DescribeConfigs, Resource::Cluster)?;
            broker_entries(&layers)
        }
        ConfigTarget::ClusterDefault => {
            context.authorize(Operation::DescribeConfigs, Resource::Cluster)?;
            cluster_default_entries(&layers)
        }
    };
    // No keys at all is all of them, and so is an empty list.
    if let Some(keys) = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty()) {
        entries.retain(|entry| keys.iter().any(|key| *key == entry.name));
    }
    Ok(entries)
}

fn show(entry: Entry, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
    let synonyms = entry.synonyms.into_iter().filter(|_| request.include_synonyms).map(|synonym| {
        DescribeConfigsSynonym {
            name: Str::from(synonym.name),
            value: Some(Str::from(synonym.value)),
            source: synonym.source.code(),
        }
    });
    DescribeConfigsResourceResult {
        name: Str::from(entry.name),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source.code(),
        is_sensitive: false,
        synonyms: synonyms.collect(),
        config_type: entry.kind.code(),
        documentation: request.include_documentation.then(|| Str::from(entry.documentation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestBroker, broker_with, context};
    use crate::topic_changes::Plan;
    use highwater_wire::ApiKey;
    use std::time::Duration;

    async fn test_broker() -> TestBroker {
        let test = broker_with(&[("log.segment.bytes", "2000000")]);
        let configs = [("retention.ms".to_owned(), "5".to_owned())].into();
        test.broker
            .changes
            .create("a".into(), Ok(Plan { partitions: 1, configs }), Duration::from_secs(10))
            .await
            .unwrap();
        test
    }

    fn ask(test: &TestBroker, kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResult {
        let keys = keys.map(|keys| keys.iter().map(|key| Str::from(*key)).collect());
        let resource = DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: keys,
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
        };
        handle(&test.broker, &context(ApiKey::DescribeConfigs, 4), &request).results.remove(0)
    }

    #[tokio::test]
    async fn a_topic_has_its_own_and_inherited_values() {
        let test = test_broker().await;
        assert_eq!(ask(&test, 2, "a", None).configs.len(), 33);
        assert_eq!(ask(&test, 2, "a", Some(&[])).configs.len(), 33);
        let configs = ask(&test, 2, "a", Some(&["retention.ms", "segment.bytes", "no.such"])).configs;
        let shown: Vec<_> =
            configs.iter().map(|c| (c.name.as_str(), c.value.as_deref(), c.config_source)).collect();
        assert_eq!(shown, [("retention.ms", Some("5"), 1), ("segment.bytes", Some("2000000"), 4)]);
        assert_eq!((configs[1].synonyms.len(), configs[1].config_type), (2, 3));
        assert!(configs[1].documentation.is_some());
    }

    #[tokio::test]
    async fn brokers_are_described_by_number_and_the_cluster_by_no_name() {
        let test = test_broker().await;
        assert!(ask(&test, 4, "1", None).configs.len() > 40);
        assert!(ask(&test, 4, "", None).configs.is_empty());
    }

    #[tokio::test]
    async fn repetitions_do_not_make_an_endless_answer() {
        let test = test_broker().await;
        let resource =
            DescribeConfigsResource { resource_type: 2, resource_name: "a".into(), configuration_keys: None };
        let resources = vec![resource; 1000];
        let request = DescribeConfigsRequest { resources, ..DescribeConfigsRequest::default() };
        let results = handle(&test.broker, &context(ApiKey::DescribeConfigs, 4), &request).results;
        let described = results.iter().filter(|result| result.error_code == 0).count();
        assert_eq!((results.len(), described), (1000, 16));
        assert_eq!((results[999].error_code, results[999].configs.len()), (42, 0));
    }

    #[tokio::test]
    async fn what_is_not_there_has_kafkas_codes() {
        let test = test_broker().await;
        for (kind, name, code) in
            [(2, "nowhere", 3), (2, "a b", 17), (2, "", 17), (4, "77", 42), (4, "one", 42), (99, "x", 42)]
        {
            assert_eq!(ask(&test, kind, name, None).error_code, code, "{name}");
        }
    }
}
