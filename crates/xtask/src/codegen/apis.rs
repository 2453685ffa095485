//! What is generated: the APIs that the broker serves or our own client calls. To add one, add its name and run
//! `cargo xtask codegen`.

/// Kafka's names of the APIs; each is a schema for the request and one for the response.
pub(super) const APIS: &[&str] = &[
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "DeleteRecords",
    "InitProducerId",
    "OffsetForLeaderEpoch",
    "DescribeConfigs",
    "AlterConfigs",
    "CreatePartitions",
    "DeleteGroups",
    "IncrementalAlterConfigs",
    "OffsetDelete",
    "DescribeCluster",
    "DescribeTopicPartitions",
];

/// The messages in front of them.
pub(super) const HEADERS: &[&str] = &["RequestHeader", "ResponseHeader"];
