//! `MetadataResponse` v0–13, flexible from v9. Generated from Kafka's `MetadataResponse.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::present;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `MetadataResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v3+)
    pub throttle_time_ms: i32,
    /// A list of brokers present in the cluster.
    pub brokers: Vec<MetadataResponseBroker>,
    /// The cluster ID that responding broker belongs to. (v2+)
    pub cluster_id: Option<Str>,
    /// The ID of the controller broker. (v1+)
    pub controller_id: i32,
    /// Each topic in the response.
    pub topics: Vec<MetadataResponseTopic>,
    /// 32-bit bitfield to represent authorized operations for this cluster. (v8–10)
    pub cluster_authorized_operations: i32,
    /// The top-level error code, or 0 if there was no error. (v13+)
    pub error_code: i16,
}

impl Default for MetadataResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: i32::MIN,
            error_code: 0,
        }
    }
}

impl Message for MetadataResponse {
    const NAME: &'static str = "MetadataResponse";
    const API_KEY: Option<i16> = Some(3);
    const VERSIONS: (i16, i16) = (0, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 9;
        let mut value = Self::default();
        if version >= 3 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        value.brokers =
            input.array("brokers", flexible, |input| MetadataResponseBroker::decode(input, version))?;
        if version >= 2 {
            value.cluster_id = input.nullable_string("clusterId", flexible)?;
        }
        if version >= 1 {
            value.controller_id = input.i32("controllerId")?;
        }
        value.topics =
            input.array("topics", flexible, |input| MetadataResponseTopic::decode(input, version))?;
        if (8..=10).contains(&version) {
            value.cluster_authorized_operations = input.i32("clusterAuthorizedOperations")?;
        }
        if version >= 13 {
            value.error_code = input.i16("errorCode")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 9;
        if version >= 3 {
            output.i32(self.throttle_time_ms);
        }
        output.array("brokers", &self.brokers, flexible, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.nullable_string("clusterId", self.cluster_id.as_ref(), flexible)?;
        }
        if version >= 1 {
            output.i32(self.controller_id);
        }
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if (8..=10).contains(&version) {
            output.i32(self.cluster_authorized_operations);
        } else if self.cluster_authorized_operations != i32::MIN {
            return Err(EncodeError::NotInVersion { field: "clusterAuthorizedOperations", version });
        }
        if version >= 13 {
            output.error_code(self.error_code);
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// A list of brokers present in the cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetadataResponseBroker {
    /// The broker ID.
    pub node_id: i32,
    /// The broker hostname.
    pub host: Str,
    /// The broker port.
    pub port: i32,
    /// The rack of the broker, or null if it has not been assigned to a rack. (v1+)
    pub rack: Option<Str>,
}

impl MetadataResponseBroker {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.node_id = input.i32("nodeId")?;
        value.host = input.string("host", flexible)?;
        value.port = input.i32("port")?;
        if version >= 1 {
            value.rack = input.nullable_string("rack", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.i32(self.node_id);
        output.string("host", &self.host, flexible)?;
        output.i32(self.port);
        if version >= 1 {
            output.nullable_string("rack", self.rack.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic in the response.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponseTopic {
    /// The topic error, or 0 if there was no error.
    pub error_code: i16,
    /// The topic name. Null for non-existing topics queried by ID. This is never null when ErrorCode is
    /// zero. One of Name and TopicId is always populated.
    pub name: Option<Str>,
    /// The topic id. Zero for non-existing topics queried by name. This is never zero when ErrorCode is
    /// zero. One of Name and TopicId is always populated. (v10+)
    pub topic_id: TopicId,
    /// True if the topic is internal. (v1+)
    pub is_internal: bool,
    /// Each partition in the topic.
    pub partitions: Vec<MetadataResponsePartition>,
    /// 32-bit bitfield to represent authorized operations for this topic. (v8+)
    pub topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(Str::default()),
            topic_id: TopicId::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl MetadataResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.name = if version >= 12 {
            input.nullable_string("name", flexible)?
        } else {
            Some(input.string("name", flexible)?)
        };
        if version >= 10 {
            value.topic_id = input.uuid("topicId")?;
        }
        if version >= 1 {
            value.is_internal = input.bool("isInternal")?;
        }
        value.partitions =
            input.array("partitions", flexible, |input| MetadataResponsePartition::decode(input, version))?;
        if version >= 8 {
            value.topic_authorized_operations = input.i32("topicAuthorizedOperations")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.error_code(self.error_code);
        if version >= 12 {
            output.nullable_string("name", self.name.as_ref(), flexible)?;
        } else {
            output.string("name", present("name", self.name.as_ref())?, flexible)?;
        }
        if version >= 10 {
            output.uuid(self.topic_id);
        }
        if version >= 1 {
            output.bool(self.is_internal);
        }
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if version >= 8 {
            output.i32(self.topic_authorized_operations);
        } else if self.topic_authorized_operations != i32::MIN {
            return Err(EncodeError::NotInVersion { field: "topicAuthorizedOperations", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition in the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponsePartition {
    /// The partition error, or 0 if there was no error.
    pub error_code: i16,
    /// The partition index.
    pub partition_index: i32,
    /// The ID of the leader broker.
    pub leader_id: i32,
    /// The leader epoch of this partition. (v7+)
    pub leader_epoch: i32,
    /// The set of all nodes that host this partition.
    pub replica_nodes: Vec<i32>,
    /// The set of nodes that are in sync with the leader for this partition.
    pub isr_nodes: Vec<i32>,
    /// The set of offline replicas of this partition. (v5+)
    pub offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl MetadataResponsePartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.partition_index = input.i32("partitionIndex")?;
        value.leader_id = input.i32("leaderId")?;
        if version >= 7 {
            value.leader_epoch = input.i32("leaderEpoch")?;
        }
        value.replica_nodes = input.array("replicaNodes", flexible, |input| input.i32("replicaNodes"))?;
        value.isr_nodes = input.array("isrNodes", flexible, |input| input.i32("isrNodes"))?;
        if version >= 5 {
            value.offline_replicas =
                input.array("offlineReplicas", flexible, |input| input.i32("offlineReplicas"))?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.error_code(self.error_code);
        output.i32(self.partition_index);
        output.i32(self.leader_id);
        if version >= 7 {
            output.i32(self.leader_epoch);
        }
        output.array("replicaNodes", &self.replica_nodes, flexible, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array("isrNodes", &self.isr_nodes, flexible, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if version >= 5 {
            output.array("offlineReplicas", &self.offline_replicas, flexible, |output, item| {
                output.i32(*item);
                Ok(())
            })?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
