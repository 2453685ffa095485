//! `MetadataResponse` v0–13, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `MetadataResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota. (v3+)
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
            cluster_authorized_operations: -2147483648,
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
        let mut value = Self::default();
        if version >= 3 {
            value.throttle_time_ms = input.i32("throttle_time_ms")?;
        }
        value.brokers =
            input.array("brokers", version >= 9, |input| MetadataResponseBroker::decode(input, version))?;
        if version >= 2 {
            value.cluster_id = input.nullable_string("cluster_id", version >= 9)?;
        }
        if version >= 1 {
            value.controller_id = input.i32("controller_id")?;
        }
        value.topics =
            input.array("topics", version >= 9, |input| MetadataResponseTopic::decode(input, version))?;
        if (8..=10).contains(&version) {
            value.cluster_authorized_operations = input.i32("cluster_authorized_operations")?;
        }
        if version >= 13 {
            value.error_code = input.i16("error_code")?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            output.i32(self.throttle_time_ms);
        }
        output.array(&self.brokers, version >= 9, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.nullable_string(self.cluster_id.as_ref(), version >= 9)?;
        }
        if version >= 1 {
            output.i32(self.controller_id);
        }
        output.array(&self.topics, version >= 9, |output, item| item.encode(output, version))?;
        if (8..=10).contains(&version) {
            output.i32(self.cluster_authorized_operations);
        } else if self.cluster_authorized_operations != -2147483648 {
            return Err(EncodeError::NotInVersion { field: "cluster_authorized_operations", version });
        }
        if version >= 13 {
            output.i16(self.error_code);
        }
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// A list of brokers present in the cluster.
#[derive(Debug, Clone, PartialEq)]
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

impl Default for MetadataResponseBroker {
    fn default() -> Self {
        Self { node_id: 0, host: Str::default(), port: 0, rack: None }
    }
}

impl MetadataResponseBroker {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.node_id = input.i32("node_id")?;
        value.host = input.string("host", version >= 9)?;
        value.port = input.i32("port")?;
        if version >= 1 {
            value.rack = input.nullable_string("rack", version >= 9)?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.node_id);
        output.string(&self.host, version >= 9)?;
        output.i32(self.port);
        if version >= 1 {
            output.nullable_string(self.rack.as_ref(), version >= 9)?;
        }
        if version >= 9 {
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
    /// The topic name. Null for non-existing topics queried by ID. This is never null when ErrorCode is zero. One of Name and TopicId is always populated.
    pub name: Option<Str>,
    /// The topic id. Zero for non-existing topics queried by name. This is never zero when ErrorCode is zero. One of Name and TopicId is always populated. (v10+)
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
            topic_id: TopicId::default(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

impl MetadataResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.name = input.nullable_string("name", version >= 9)?;
        if version >= 10 {
            value.topic_id = input.uuid("topic_id")?;
        }
        if version >= 1 {
            value.is_internal = input.bool("is_internal")?;
        }
        value.partitions = input
            .array("partitions", version >= 9, |input| MetadataResponsePartition::decode(input, version))?;
        if version >= 8 {
            value.topic_authorized_operations = input.i32("topic_authorized_operations")?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.nullable_string(self.name.as_ref(), version >= 9)?;
        if version >= 10 {
            output.uuid(self.topic_id);
        }
        if version >= 1 {
            output.bool(self.is_internal);
        }
        output.array(&self.partitions, version >= 9, |output, item| item.encode(output, version))?;
        if version >= 8 {
            output.i32(self.topic_authorized_operations);
        } else if self.topic_authorized_operations != -2147483648 {
            return Err(EncodeError::NotInVersion { field: "topic_authorized_operations", version });
        }
        if version >= 9 {
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
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.partition_index = input.i32("partition_index")?;
        value.leader_id = input.i32("leader_id")?;
        if version >= 7 {
            value.leader_epoch = input.i32("leader_epoch")?;
        }
        value.replica_nodes =
            input.array("replica_nodes", version >= 9, |input| input.i32("replica_nodes"))?;
        value.isr_nodes = input.array("isr_nodes", version >= 9, |input| input.i32("isr_nodes"))?;
        if version >= 5 {
            value.offline_replicas =
                input.array("offline_replicas", version >= 9, |input| input.i32("offline_replicas"))?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.i32(self.partition_index);
        output.i32(self.leader_id);
        if version >= 7 {
            output.i32(self.leader_epoch);
        }
        output.array(&self.replica_nodes, version >= 9, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array(&self.isr_nodes, version >= 9, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if version >= 5 {
            output.array(&self.offline_replicas, version >= 9, |output, item| {
                output.i32(*item);
                Ok(())
            })?;
        }
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
