//! Kafka's messages, generated from its schemas by `cargo xtask codegen`. Do not edit.

// The schemas decide how long a function is and which fields look alike.
#![allow(clippy::too_many_lines, clippy::derivable_impls, clippy::field_reassign_with_default)]

pub mod alter_configs_request;
pub mod alter_configs_response;
pub mod api_versions_request;
pub mod api_versions_response;
pub mod create_partitions_request;
pub mod create_partitions_response;
pub mod create_topics_request;
pub mod create_topics_response;
pub mod delete_records_request;
pub mod delete_records_response;
pub mod delete_topics_request;
pub mod delete_topics_response;
pub mod describe_cluster_request;
pub mod describe_cluster_response;
pub mod describe_configs_request;
pub mod describe_configs_response;
pub mod describe_topic_partitions_request;
pub mod describe_topic_partitions_response;
pub mod fetch_request;
pub mod fetch_response;
pub mod find_coordinator_request;
pub mod find_coordinator_response;
pub mod incremental_alter_configs_request;
pub mod incremental_alter_configs_response;
pub mod init_producer_id_request;
pub mod init_producer_id_response;
pub mod list_offsets_request;
pub mod list_offsets_response;
pub mod metadata_request;
pub mod metadata_response;
pub mod offset_for_leader_epoch_request;
pub mod offset_for_leader_epoch_response;
pub mod produce_request;
pub mod produce_response;
pub mod request_header;
pub mod response_header;

pub use alter_configs_request::AlterConfigsRequest;
pub use alter_configs_response::AlterConfigsResponse;
pub use api_versions_request::ApiVersionsRequest;
pub use api_versions_response::ApiVersionsResponse;
pub use create_partitions_request::CreatePartitionsRequest;
pub use create_partitions_response::CreatePartitionsResponse;
pub use create_topics_request::CreateTopicsRequest;
pub use create_topics_response::CreateTopicsResponse;
pub use delete_records_request::DeleteRecordsRequest;
pub use delete_records_response::DeleteRecordsResponse;
pub use delete_topics_request::DeleteTopicsRequest;
pub use delete_topics_response::DeleteTopicsResponse;
pub use describe_cluster_request::DescribeClusterRequest;
pub use describe_cluster_response::DescribeClusterResponse;
pub use describe_configs_request::DescribeConfigsRequest;
pub use describe_configs_response::DescribeConfigsResponse;
pub use describe_topic_partitions_request::DescribeTopicPartitionsRequest;
pub use describe_topic_partitions_response::DescribeTopicPartitionsResponse;
pub use fetch_request::FetchRequest;
pub use fetch_response::FetchResponse;
pub use find_coordinator_request::FindCoordinatorRequest;
pub use find_coordinator_response::FindCoordinatorResponse;
pub use incremental_alter_configs_request::IncrementalAlterConfigsRequest;
pub use incremental_alter_configs_response::IncrementalAlterConfigsResponse;
pub use init_producer_id_request::InitProducerIdRequest;
pub use init_producer_id_response::InitProducerIdResponse;
pub use list_offsets_request::ListOffsetsRequest;
pub use list_offsets_response::ListOffsetsResponse;
pub use metadata_request::MetadataRequest;
pub use metadata_response::MetadataResponse;
pub use offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
pub use offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
pub use produce_request::ProduceRequest;
pub use produce_response::ProduceResponse;
pub use request_header::RequestHeader;
pub use response_header::ResponseHeader;

impl crate::Request for AlterConfigsRequest {
    type Response = AlterConfigsResponse;
}

impl crate::Request for ApiVersionsRequest {
    type Response = ApiVersionsResponse;
}

impl crate::Request for CreatePartitionsRequest {
    type Response = CreatePartitionsResponse;
}

impl crate::Request for CreateTopicsRequest {
    type Response = CreateTopicsResponse;
}

impl crate::Request for DeleteTopicsRequest {
    type Response = DeleteTopicsResponse;
}

impl crate::Request for DescribeClusterRequest {
    type Response = DescribeClusterResponse;
}

impl crate::Request for DescribeConfigsRequest {
    type Response = DescribeConfigsResponse;
}

impl crate::Request for DescribeTopicPartitionsRequest {
    type Response = DescribeTopicPartitionsResponse;
}

impl crate::Request for FetchRequest {
    type Response = FetchResponse;
}

impl crate::Request for FindCoordinatorRequest {
    type Response = FindCoordinatorResponse;
}

impl crate::Request for IncrementalAlterConfigsRequest {
    type Response = IncrementalAlterConfigsResponse;
}

impl crate::Request for InitProducerIdRequest {
    type Response = InitProducerIdResponse;
}

impl crate::Request for ListOffsetsRequest {
    type Response = ListOffsetsResponse;
}

impl crate::Request for MetadataRequest {
    type Response = MetadataResponse;
}

impl crate::Request for OffsetForLeaderEpochRequest {
    type Response = OffsetForLeaderEpochResponse;
}

impl crate::Request for ProduceRequest {
    type Response = ProduceResponse;
}

impl crate::Request for DeleteRecordsRequest {
    type Response = DeleteRecordsResponse;
}
/// An API whose messages are generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiKey {
    /// `AlterConfigs`, key 33.
    AlterConfigs,
    /// `ApiVersions`, key 18.
    ApiVersions,
    /// `CreatePartitions`, key 37.
    CreatePartitions,
    /// `CreateTopics`, key 19.
    CreateTopics,
    /// `DeleteTopics`, key 20.
    DeleteTopics,
    /// `DescribeCluster`, key 60.
    DescribeCluster,
    /// `DescribeConfigs`, key 32.
    DescribeConfigs,
    /// `DescribeTopicPartitions`, key 75.
    DescribeTopicPartitions,
    /// `Fetch`, key 1.
    Fetch,
    /// `FindCoordinator`, key 10.
    FindCoordinator,
    /// `IncrementalAlterConfigs`, key 44.
    IncrementalAlterConfigs,
    /// `InitProducerId`, key 22.
    InitProducerId,
    /// `ListOffsets`, key 2.
    ListOffsets,
    /// `Metadata`, key 3.
    Metadata,
    /// `OffsetForLeaderEpoch`, key 23.
    OffsetForLeaderEpoch,
    /// `Produce`, key 0.
    Produce,
    /// `DeleteRecords`, key 21.
    DeleteRecords,
}

impl ApiKey {
    /// Every API.
    pub const ALL: &'static [Self] = &[
        Self::AlterConfigs,
        Self::ApiVersions,
        Self::CreatePartitions,
        Self::CreateTopics,
        Self::DeleteTopics,
        Self::DescribeCluster,
        Self::DescribeConfigs,
        Self::DescribeTopicPartitions,
        Self::Fetch,
        Self::FindCoordinator,
        Self::IncrementalAlterConfigs,
        Self::InitProducerId,
        Self::ListOffsets,
        Self::Metadata,
        Self::OffsetForLeaderEpoch,
        Self::Produce,
        Self::DeleteRecords,
    ];

    /// Its number.
    pub fn code(self) -> i16 {
        match self {
            Self::AlterConfigs => 33,
            Self::ApiVersions => 18,
            Self::CreatePartitions => 37,
            Self::CreateTopics => 19,
            Self::DeleteTopics => 20,
            Self::DescribeCluster => 60,
            Self::DescribeConfigs => 32,
            Self::DescribeTopicPartitions => 75,
            Self::Fetch => 1,
            Self::FindCoordinator => 10,
            Self::IncrementalAlterConfigs => 44,
            Self::InitProducerId => 22,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::OffsetForLeaderEpoch => 23,
            Self::Produce => 0,
            Self::DeleteRecords => 21,
        }
    }

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlterConfigs => "AlterConfigs",
            Self::ApiVersions => "ApiVersions",
            Self::CreatePartitions => "CreatePartitions",
            Self::CreateTopics => "CreateTopics",
            Self::DeleteTopics => "DeleteTopics",
            Self::DescribeCluster => "DescribeCluster",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::DescribeTopicPartitions => "DescribeTopicPartitions",
            Self::Fetch => "Fetch",
            Self::FindCoordinator => "FindCoordinator",
            Self::IncrementalAlterConfigs => "IncrementalAlterConfigs",
            Self::InitProducerId => "InitProducerId",
            Self::ListOffsets => "ListOffsets",
            Self::Metadata => "Metadata",
            Self::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
            Self::Produce => "Produce",
            Self::DeleteRecords => "DeleteRecords",
        }
    }

    /// First and last version of the request that the schema calls valid and stable.
    pub fn versions(self) -> (i16, i16) {
        match self {
            Self::AlterConfigs => (0, 2),
            Self::ApiVersions => (0, 5),
            Self::CreatePartitions => (0, 3),
            Self::CreateTopics => (2, 7),
            Self::DeleteTopics => (1, 6),
            Self::DescribeCluster => (0, 2),
            Self::DescribeConfigs => (1, 4),
            Self::DescribeTopicPartitions => (0, 0),
            Self::Fetch => (4, 18),
            Self::FindCoordinator => (0, 6),
            Self::IncrementalAlterConfigs => (0, 1),
            Self::InitProducerId => (0, 5),
            Self::ListOffsets => (1, 11),
            Self::Metadata => (0, 13),
            Self::OffsetForLeaderEpoch => (2, 4),
            Self::Produce => (3, 13),
            Self::DeleteRecords => (0, 2),
        }
    }

    /// First flexible version (KIP-482).
    pub fn flexible_from(self) -> i16 {
        match self {
            Self::AlterConfigs => 2,
            Self::ApiVersions => 3,
            Self::CreatePartitions => 2,
            Self::CreateTopics => 5,
            Self::DeleteTopics => 4,
            Self::DescribeCluster => 0,
            Self::DescribeConfigs => 4,
            Self::DescribeTopicPartitions => 0,
            Self::Fetch => 12,
            Self::FindCoordinator => 3,
            Self::IncrementalAlterConfigs => 1,
            Self::InitProducerId => 2,
            Self::ListOffsets => 6,
            Self::Metadata => 9,
            Self::OffsetForLeaderEpoch => 4,
            Self::Produce => 9,
            Self::DeleteRecords => 2,
        }
    }

    /// The API of a number; `None` when its messages are not generated.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.code() == code)
    }
}
