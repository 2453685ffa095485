//! Bytes that the message classes of Apache Kafka 4.4.0 (`kafka-clients`) wrote for the same messages.

use std::fmt::Write;

use bytes::Bytes;
use highwater_types::TopicId;
use highwater_wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use highwater_wire::messages::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState,
};
use highwater_wire::messages::metadata_request::MetadataRequestTopic;
use highwater_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use highwater_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use highwater_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use highwater_wire::messages::{
    ApiVersionsRequest, MetadataRequest, ProduceRequest, ProduceResponse, fetch_response, produce_response,
};
use highwater_wire::{Message, Records};

use crate::{decode, encode};

const TOPIC_ID: TopicId = TopicId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

fn check<M: Message>(message: &M, version: i16, expected: &str) {
    let bytes = encode(message, version).unwrap();
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    assert_eq!(hex, expected.replace(' ', ""), "{} v{version}", M::NAME);
    assert_eq!(decode::<M>(bytes, version).unwrap(), (message.clone(), 0), "{} v{version}", M::NAME);
}

/// The name in versions before topic ids, the id after.
fn name_or_id(has_id: bool) -> (highwater_wire::Str, TopicId) {
    if has_id { ("".into(), TOPIC_ID) } else { ("orders".into(), TopicId::ZERO) }
}

#[test]
fn api_versions_requests() {
    for (version, expected) in [(0, ""), (3, "03687704312e3000"), (5, "03687704312e30046162630000000300")] {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = "hw".into();
            request.client_software_version = "1.0".into();
        }
        if version >= 5 {
            request.cluster_id = Some("abc".into());
            request.node_id = 3;
        }
        check(&request, version, expected);
    }
}

#[test]
fn api_versions_responses() {
    for (version, expected) in [
        (0, "002300000001001200000005"),
        (
            3,
            "0023020012000000050000000007030014020e6b726166742e76657273696f6e0000000100010800000000000000090214020e6b726166742e76657273696f6e0001000100",
        ),
        (
            5,
            "0023020012000000050000000007030014020e6b726166742e76657273696f6e0000000100010800000000000000090214020e6b726166742e76657273696f6e0001000100",
        ),
    ] {
        let mut response = ApiVersionsResponse {
            error_code: 35,
            api_keys: vec![ApiVersion { api_key: 18, min_version: 0, max_version: 5 }],
            ..ApiVersionsResponse::default()
        };
        if version >= 3 {
            let name = || "kraft.version".into();
            response.throttle_time_ms = 7;
            response.supported_features =
                vec![SupportedFeatureKey { name: name(), min_version: 0, max_version: 1 }];
            response.finalized_features_epoch = 9;
            response.finalized_features =
                vec![FinalizedFeatureKey { name: name(), max_version_level: 1, min_version_level: 1 }];
        }
        check(&response, version, expected);
    }
}

#[test]
fn produce_requests() {
    for (version, expected) in [
        (3, "ffffffff000005dc0000000100066f7264657273000000020000000200000004deadbeef00000003ffffffff"),
        (9, "037478ffff000005dc02076f7264657273030000000205deadbeef000000000300000000"),
        (13, "037478ffff000005dc020102030405060708090a0b0c0d0e0f10030000000205deadbeef000000000300000000"),
    ] {
        let (name, topic_id) = name_or_id(version >= 13);
        let records = Some(Records::from(Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef])));
        let partition_data = vec![
            PartitionProduceData { index: 2, records },
            PartitionProduceData { index: 3, records: None },
        ];
        let request = ProduceRequest {
            transactional_id: (version > 3).then(|| "tx".into()),
            acks: -1,
            timeout_ms: 1500,
            topic_data: vec![TopicProduceData { name, topic_id, partition_data }],
        };
        check(&request, version, expected);
    }
}

#[test]
fn produce_responses() {
    for (version, expected) in [
        (3, "0000000100066f726465727300000001000000020006000000000000004dffffffffffffffff00000003"),
        (
            9,
            "02076f726465727302000000020006000000000000004dffffffffffffffff000000000000000502000000010000036e6f00000000000300",
        ),
        (
            13,
            "020102030405060708090a0b0c0d0e0f1002000000020006000000000000004dffffffffffffffff000000000000000502000000010000036e6f010009000000010000000400000000000301000d02000000010268000023840000",
        ),
    ] {
        let (name, topic_id) = name_or_id(version >= 13);
        let mut partition = PartitionProduceResponse {
            index: 2,
            error_code: 6,
            base_offset: 77,
            ..PartitionProduceResponse::default()
        };
        if version >= 9 {
            partition.log_start_offset = 5;
            partition.error_message = Some("no".into());
            partition.record_errors =
                vec![BatchIndexAndErrorMessage { batch_index: 1, batch_index_error_message: None }];
        }
        let mut response = ProduceResponse { throttle_time_ms: 3, ..ProduceResponse::default() };
        if version >= 13 {
            partition.current_leader = produce_response::LeaderIdAndEpoch { leader_id: 1, leader_epoch: 4 };
            let endpoint =
                produce_response::NodeEndpoint { node_id: 1, host: "h".into(), port: 9092, rack: None };
            response.node_endpoints = vec![endpoint];
        }
        response.responses =
            vec![TopicProduceResponse { name, topic_id, partition_responses: vec![partition] }];
        check(&response, version, expected);
    }
}

#[test]
fn fetch_requests() {
    for (version, expected) in [
        (
            4,
            "ffffffff000001f40000000103200000010000000100066f7264657273000000010000000100000000000001f400100000",
        ),
        (
            12,
            "ffffffff000001f40000000103200000010000000b0000000c02076f726465727302000000010000000200000000000001f400000001ffffffffffffffff00100000000002046f6c640300000003000000040003723101000404616263",
        ),
        (
            18,
            "000001f40000000103200000010000000b0000000c020102030405060708090a0b0c0d0e0f1002000000010000000200000000000001f400000001ffffffffffffffff00100000010108000000000000025800020102030405060708090a0b0c0d0e0f100300000003000000040003723102000404616263010d00000005000000000000000600",
        ),
    ] {
        let (topic, topic_id) = name_or_id(version >= 13);
        let mut partition = FetchPartition {
            partition: 1,
            fetch_offset: 500,
            partition_max_bytes: 1_048_576,
            ..FetchPartition::default()
        };
        let mut request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 52_428_800,
            isolation_level: 1,
            ..FetchRequest::default()
        };
        if version >= 12 {
            partition.current_leader_epoch = 2;
            partition.last_fetched_epoch = 1;
            (request.session_id, request.session_epoch) = (11, 12);
            request.rack_id = "r1".into();
            request.cluster_id = Some("abc".into());
            let topic = if version >= 13 { "".into() } else { "old".into() };
            request.forgotten_topics_data = vec![ForgottenTopic { topic, topic_id, partitions: vec![3, 4] }];
        }
        if version >= 18 {
            partition.high_watermark = 600;
            request.replica_state = ReplicaState { replica_id: 5, replica_epoch: 6 };
        }
        request.topics = vec![FetchTopic { topic, topic_id, partitions: vec![partition] }];
        check(&request, version, expected);
    }
}

#[test]
fn fetch_responses() {
    use fetch_response::{
        AbortedTransaction, EpochEndOffset, FetchResponse, FetchableTopicResponse, NodeEndpoint,
        PartitionData,
    };
    for (version, expected) in [
        (
            4,
            "000000010000000100066f72646572730000000200000001000000000000000001fe00000000000001f9000000010000000000000fa000000000000001f500000002cafe000000020001ffffffffffffffffffffffffffffffffffffffffffffffff",
        ),
        (
            12,
            "0000000100000000000b02076f72646572730300000001000000000000000001fe00000000000001f90000000000000003020000000000000fa000000000000001f500ffffffff03cafe01000d0000000200000000000001f300000000020001ffffffffffffffffffffffffffffffffffffffffffffffff00ffffffff00000000",
        ),
        (
            18,
            "0000000100000000000b020102030405060708090a0b0c0d0e0f100300000001000000000000000001fe00000000000001f90000000000000003020000000000000fa000000000000001f500ffffffff03cafe01000d0000000200000000000001f300000000020001ffffffffffffffffffffffffffffffffffffffffffffffff00ffffffff00000001000f020000000102680000238403723100",
        ),
    ] {
        let (topic, topic_id) = name_or_id(version >= 13);
        let mut partition = PartitionData {
            partition_index: 1,
            high_watermark: 510,
            last_stable_offset: 505,
            aborted_transactions: Some(vec![AbortedTransaction { producer_id: 4000, first_offset: 501 }]),
            records: Some(Records::from(Bytes::from_static(&[0xca, 0xfe]))),
            ..PartitionData::default()
        };
        let failed = PartitionData {
            partition_index: 2,
            error_code: 1,
            high_watermark: -1,
            aborted_transactions: None,
            ..PartitionData::default()
        };
        let mut response = FetchResponse { throttle_time_ms: 1, ..FetchResponse::default() };
        if version >= 12 {
            partition.log_start_offset = 3;
            partition.diverging_epoch = EpochEndOffset { epoch: 2, end_offset: 499 };
            response.session_id = 11;
        }
        if version >= 16 {
            let rack = Some("r1".into());
            response.node_endpoints = vec![NodeEndpoint { node_id: 1, host: "h".into(), port: 9092, rack }];
        }
        response.responses =
            vec![FetchableTopicResponse { topic, topic_id, partitions: vec![partition, failed] }];
        check(&response, version, expected);
    }
}

#[test]
fn metadata_requests() {
    for (version, expected) in [
        (0, "0000000100066f7264657273"),
        (12, "00000100"),
        (13, "020102030405060708090a0b0c0d0e0f100000000100"),
    ] {
        let topic = match version {
            13 => MetadataRequestTopic { topic_id: TOPIC_ID, name: None },
            _ => MetadataRequestTopic { topic_id: TopicId::ZERO, name: Some("orders".into()) },
        };
        let mut request =
            MetadataRequest { topics: (version != 12).then(|| vec![topic]), ..MetadataRequest::default() };
        if version >= 12 {
            request.allow_auto_topic_creation = false;
            request.include_topic_authorized_operations = true;
        }
        check(&request, version, expected);
    }
}

#[test]
fn metadata_responses() {
    for (version, expected) in [
        (
            0,
            "000000010000000100096c6f63616c686f73740000238400000001000000066f726465727300000001000500000001000000010000000200000001000000020000000100000001",
        ),
        (
            12,
            "0000000202000000010a6c6f63616c686f737400002384037231000461626300000001020000076f72646572730102030405060708090a0b0c0d0e0f10010200050000000100000001000000040300000001000000020200000001020000000200000000f80000",
        ),
        (
            13,
            "0000000202000000010a6c6f63616c686f737400002384037231000461626300000001020000076f72646572730102030405060708090a0b0c0d0e0f10010200050000000100000001000000040300000001000000020200000001020000000200000000f800008100",
        ),
    ] {
        let later = version >= 12;
        let rack = later.then(|| "r1".into());
        let mut partition = MetadataResponsePartition {
            error_code: 5,
            partition_index: 1,
            leader_id: 1,
            replica_nodes: vec![1, 2],
            isr_nodes: vec![1],
            ..MetadataResponsePartition::default()
        };
        let mut topic =
            MetadataResponseTopic { name: Some("orders".into()), ..MetadataResponseTopic::default() };
        let mut response = MetadataResponse {
            brokers: vec![MetadataResponseBroker { node_id: 1, host: "localhost".into(), port: 9092, rack }],
            ..MetadataResponse::default()
        };
        if later {
            partition.leader_epoch = 4;
            partition.offline_replicas = vec![2];
            (topic.topic_id, topic.is_internal, topic.topic_authorized_operations) = (TOPIC_ID, true, 248);
            (response.controller_id, response.throttle_time_ms) = (1, 2);
            response.cluster_id = Some("abc".into());
        }
        if version >= 13 {
            response.error_code = 129;
        }
        topic.partitions = vec![partition];
        response.topics = vec![topic];
        check(&response, version, expected);
    }
}
