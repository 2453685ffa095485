//! Every API in every version that is announced is answered, by the real binary, to a real encoded request.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod groups;
#[path = "../support/mod.rs"]
mod support;

use highwater_types::{Offset, TopicId};
use highwater_wire::messages::*;
use highwater_wire::record::{BatchBuilder, Record};
use highwater_wire::{ApiKey, Records, Str};
use support::{Broker, Client};

/// A topic with two partitions.
struct Topic {
    name: &'static str,
    id: TopicId,
}

#[test]
fn every_announced_version_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(
        directory.path(),
        &["--set", "num.partitions=2", "--set", "group.initial.rebalance.delay.ms=0"],
    );
    let mut client = broker.connect();
    let topic = make_topic(&mut client);
    let announced = client.ask(0, &ApiVersionsRequest::default()).api_keys;
    assert!(announced.len() >= 26);
    let mut offset = 0;
    for api in announced {
        let key = ApiKey::from_code(api.api_key).unwrap();
        // Produce 0 to 2 are announced as Kafka does, and served by neither.
        let first = if key == ApiKey::Produce { 3 } else { api.min_version };
        for version in first..=api.max_version {
            check(&mut client, key, version, &topic, &mut offset);
        }
    }
    assert!(broker.stop().success());
}

fn make_topic(client: &mut Client) -> Topic {
    let name = "every-version";
    let topic = metadata_request::MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
    let answer = client.ask(12, &MetadataRequest { topics: Some(vec![topic]), ..Default::default() });
    assert_eq!((answer.topics[0].error_code, answer.topics[0].partitions.len()), (0, 2));
    Topic { name, id: answer.topics[0].topic_id }
}

/// Asks one API in one version and checks that the answer is a success with the right content. `offset` is the end of
/// partition 0.
fn check(client: &mut Client, key: ApiKey, version: i16, topic: &Topic, offset: &mut i64) {
    match key {
        ApiKey::Produce => produce(client, version, topic, offset),
        ApiKey::Fetch => fetch(client, version, topic, *offset),
        ApiKey::ListOffsets => list_offsets(client, version, topic, *offset),
        ApiKey::Metadata => {
            let named = metadata_request::MetadataRequestTopic {
                name: Some(topic.name.into()),
                ..Default::default()
            };
            let answer =
                client.ask(version, &MetadataRequest { topics: Some(vec![named]), ..Default::default() });
            assert_eq!(
                (answer.topics[0].error_code, answer.topics[0].partitions.len()),
                (0, 2),
                "v{version}"
            );
            assert_eq!(answer.brokers.len(), 1);
        }
        ApiKey::FindCoordinator => {
            let (key, keys) =
                if version < 4 { ("g".into(), Vec::new()) } else { (Str::default(), vec!["g".into()]) };
            let request = FindCoordinatorRequest { key, coordinator_keys: keys, ..Default::default() };
            let answer = client.ask(version, &request);
            let node_id = answer.coordinators.first().map_or(answer.node_id, |found| found.node_id);
            assert_eq!(node_id, 1, "v{version}");
        }
        ApiKey::ApiVersions => {
            let request = ApiVersionsRequest {
                client_software_name: "test".into(),
                client_software_version: "1".into(),
                ..Default::default()
            };
            let answer = client.ask(version, &request);
            assert_eq!(
                (answer.error_code, answer.supported_features.is_empty()),
                (0, version < 3),
                "v{version}"
            );
        }
        ApiKey::CreateTopics => create_topics(client, version),
        ApiKey::DeleteTopics => delete_topics(client, version),
        ApiKey::InitProducerId => {
            let answer =
                client.ask(version, &InitProducerIdRequest { transactional_id: None, ..Default::default() });
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0), "v{version}");
        }
        ApiKey::OffsetForLeaderEpoch => offset_for_leader_epoch(client, version, topic, *offset),
        ApiKey::JoinGroup
        | ApiKey::SyncGroup
        | ApiKey::Heartbeat
        | ApiKey::LeaveGroup
        | ApiKey::OffsetCommit
        | ApiKey::OffsetFetch
        | ApiKey::DescribeGroups
        | ApiKey::ListGroups
        | ApiKey::DeleteGroups
        | ApiKey::OffsetDelete => groups::check(client, key, version, topic),
        other => check_settings(client, other, version, topic),
    }
}

/// As [`check`], for the APIs that describe and change what is there.
fn check_settings(client: &mut Client, key: ApiKey, version: i16, topic: &Topic) {
    match key {
        ApiKey::DescribeConfigs => {
            let request = DescribeConfigsRequest { resources: vec![describe(topic)], ..Default::default() };
            let answer = client.ask(version, &request);
            assert_eq!(
                (answer.results[0].error_code, answer.results[0].configs.len()),
                (0, 33),
                "v{version}"
            );
        }
        ApiKey::AlterConfigs => {
            let resource = alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: topic.name.into(),
                configs: Vec::new(),
            };
            let answer =
                client.ask(version, &AlterConfigsRequest { resources: vec![resource], validate_only: false });
            assert_eq!(answer.responses[0].error_code, 0, "v{version}");
        }
        ApiKey::IncrementalAlterConfigs => {
            let config = incremental_alter_configs_request::AlterableConfig {
                name: "retention.ms".into(),
                config_operation: 0,
                value: Some("3600000".into()),
            };
            let resource = incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: topic.name.into(),
                configs: vec![config],
            };
            let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
            assert_eq!(client.ask(version, &request).responses[0].error_code, 0, "v{version}");
        }
        ApiKey::CreatePartitions => {
            let asked = create_partitions_request::CreatePartitionsTopic {
                name: topic.name.into(),
                count: 3,
                assignments: None,
            };
            let request =
                CreatePartitionsRequest { topics: vec![asked], timeout_ms: 30_000, validate_only: true };
            assert_eq!(client.ask(version, &request).results[0].error_code, 0, "v{version}");
        }
        ApiKey::DescribeCluster => {
            let answer = client.ask(version, &DescribeClusterRequest::default());
            assert_eq!(
                (answer.error_code, answer.controller_id, answer.cluster_id.len()),
                (0, 1, 22),
                "v{version}"
            );
        }
        ApiKey::DescribeTopicPartitions => {
            let named = describe_topic_partitions_request::TopicRequest { name: topic.name.into() };
            let answer = client
                .ask(version, &DescribeTopicPartitionsRequest { topics: vec![named], ..Default::default() });
            assert_eq!(
                (answer.topics[0].error_code, answer.topics[0].partitions.len()),
                (0, 2),
                "v{version}"
            );
        }
        other => panic!("{} is announced and not checked here", other.name()),
    }
}

fn produce(client: &mut Client, version: i16, topic: &Topic, offset: &mut i64) {
    let mut batch = BatchBuilder::new();
    batch.push(&Record { value: Some("value".into()), ..Record::default() });
    let data = produce_request::PartitionProduceData {
        index: 0,
        records: Some(Records::from(batch.build().unwrap())),
    };
    let asked = produce_request::TopicProduceData {
        name: if version < 13 { topic.name.into() } else { Str::default() },
        topic_id: if version < 13 { TopicId::ZERO } else { topic.id },
        partition_data: vec![data],
    };
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data: vec![asked] };
    let answer = client.ask(version, &request);
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!((partition.error_code, partition.base_offset), (0, *offset), "v{version}");
    *offset += 1;
}

fn fetch(client: &mut Client, version: i16, topic: &Topic, end: i64) {
    let asked = fetch_request::FetchTopic {
        topic: if version < 13 { topic.name.into() } else { Str::default() },
        topic_id: if version < 13 { TopicId::ZERO } else { topic.id },
        partitions: vec![fetch_request::FetchPartition {
            partition: 0,
            fetch_offset: 0,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        }],
    };
    let request = FetchRequest { max_wait_ms: 0, min_bytes: 0, topics: vec![asked], ..Default::default() };
    let answer = client.ask(version, &request);
    let partition = &answer.responses[0].partitions[0];
    assert_eq!((partition.error_code, partition.high_watermark), (0, end), "v{version}");
    assert!(partition.records.as_ref().is_some_and(|records| records.size() > 0), "v{version}");
}

fn list_offsets(client: &mut Client, version: i16, topic: &Topic, end: i64) {
    for (timestamp, expected) in [(-2, 0), (-1, end)] {
        let partition = list_offsets_request::ListOffsetsPartition {
            partition_index: 0,
            timestamp,
            ..Default::default()
        };
        let asked =
            list_offsets_request::ListOffsetsTopic { name: topic.name.into(), partitions: vec![partition] };
        let answer = client
            .ask(version, &ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() });
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset), (0, expected), "v{version} {timestamp}");
    }
}

fn offset_for_leader_epoch(client: &mut Client, version: i16, topic: &Topic, end: i64) {
    let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition {
        partition: 0,
        current_leader_epoch: -1,
        leader_epoch: 0,
    };
    let asked = offset_for_leader_epoch_request::OffsetForLeaderTopic {
        topic: topic.name.into(),
        partitions: vec![partition],
    };
    let answer =
        client.ask(version, &OffsetForLeaderEpochRequest { topics: vec![asked], ..Default::default() });
    let found = &answer.topics[0].partitions[0];
    assert_eq!((found.error_code, Offset(found.end_offset)), (0, Offset(end)), "v{version}");
}

fn create_topics(client: &mut Client, version: i16) {
    let asked = create_topics_request::CreatableTopic {
        name: format!("created-{version}").into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![asked], timeout_ms: 30_000, validate_only: false };
    let answer = client.ask(version, &request);
    assert_eq!(answer.topics[0].error_code, 0, "v{version}");
    assert_eq!(answer.topics[0].topic_id != TopicId::ZERO, version >= 7, "v{version}");
}

fn delete_topics(client: &mut Client, version: i16) {
    let name = format!("created-{}", version + 1);
    let mut request = DeleteTopicsRequest { timeout_ms: 30_000, ..Default::default() };
    if version < 6 {
        request.topic_names = vec![name.into()];
    } else {
        let state =
            delete_topics_request::DeleteTopicState { name: Some(name.into()), topic_id: TopicId::ZERO };
        request.topics = vec![state];
    }
    let answer = client.ask(version, &request);
    assert_eq!(answer.responses[0].error_code, 0, "v{version}");
}

fn describe(topic: &Topic) -> describe_configs_request::DescribeConfigsResource {
    describe_configs_request::DescribeConfigsResource {
        resource_type: 2,
        resource_name: topic.name.into(),
        configuration_keys: None,
    }
}
