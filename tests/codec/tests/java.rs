//! Every generated message, in every version, against Kafka's own Java classes.
//!
//! `scripts/test codec` lets the Java classes write messages with random content into a file, one a line: name, version,
//! bytes in hex. The environment variable `CODEC_VECTORS` names it; without it there is nothing to compare with.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use highwater_wire::messages::*;
use highwater_wire::{Decoder, Encoder, Message};

/// Decodes and encodes again. `None` when the version is not ours.
fn again<M: Message + Debug>(version: i16, bytes: &Bytes) -> Option<Vec<u8>> {
    if !(M::VERSIONS.0..=M::VERSIONS.1).contains(&version) {
        return None;
    }
    let mut input = Decoder::new(bytes.clone());
    let message =
        M::decode(&mut input, version).unwrap_or_else(|error| panic!("{} v{version}: {error}", M::NAME));
    assert_eq!(input.remaining(), 0, "{} v{version}: bytes left over behind {message:?}", M::NAME);
    let mut output = Encoder::new();
    message.encode(&mut output, version).unwrap_or_else(|error| panic!("{} v{version}: {error}", M::NAME));
    Some(output.finish().unwrap().read().unwrap().split_off(4))
}

/// Picks the type by its name; `None` when it is not one of ours.
fn again_by_name(name: &str, version: i16, bytes: &Bytes) -> Option<Vec<u8>> {
    macro_rules! pick {
        ($($message:ident)*) => {
            match name {
                $(stringify!($message) => again::<$message>(version, bytes),)*
                _ => None,
            }
        };
    }
    pick!(
        AlterConfigsRequest AlterConfigsResponse ApiVersionsRequest ApiVersionsResponse
        CreatePartitionsRequest CreatePartitionsResponse CreateTopicsRequest CreateTopicsResponse
        DeleteGroupsRequest DeleteGroupsResponse DeleteRecordsRequest DeleteRecordsResponse
        DeleteTopicsRequest DeleteTopicsResponse DescribeClusterRequest DescribeClusterResponse
        DescribeConfigsRequest DescribeConfigsResponse DescribeGroupsRequest DescribeGroupsResponse
        DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse FetchRequest FetchResponse
        FindCoordinatorRequest FindCoordinatorResponse HeartbeatRequest HeartbeatResponse
        IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse InitProducerIdRequest
        InitProducerIdResponse JoinGroupRequest JoinGroupResponse LeaveGroupRequest LeaveGroupResponse
        ListGroupsRequest ListGroupsResponse ListOffsetsRequest ListOffsetsResponse MetadataRequest
        MetadataResponse OffsetCommitRequest OffsetCommitResponse OffsetDeleteRequest
        OffsetDeleteResponse OffsetFetchRequest OffsetFetchResponse OffsetForLeaderEpochRequest
        OffsetForLeaderEpochResponse ProduceRequest ProduceResponse SyncGroupRequest SyncGroupResponse
    )
}

fn from_hex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn what_java_encodes_is_decoded_and_encoded_to_the_same_bytes() {
    let Some(path) = std::env::var_os("CODEC_VECTORS") else {
        eprintln!("skipped: CODEC_VECTORS is not set; run scripts/test codec");
        return;
    };
    let mut compared = BTreeSet::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let (name, version, bytes) = (parts[0], parts[1].parse::<i16>().unwrap(), from_hex(parts[2]));
        if let Some(encoded) = again_by_name(name, version, &bytes) {
            assert_eq!(Bytes::from(encoded), bytes, "{name} v{version}: {}", parts[2]);
            compared.insert((name.to_owned(), version));
        }
    }
    println!(
        "{} messages in all their versions: {}",
        compared.len(),
        compared.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len()
    );
    assert!(compared.len() > 100, "only {compared:?}");
}
