//! `MetadataRequest` v0–13, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `MetadataRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequest {
    /// The topics to fetch metadata for.
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// If this is true, the broker may auto-create topics that we requested which do not already exist, if it is configured to do so. (v4+)
    pub allow_auto_topic_creation: bool,
    /// Whether to include cluster authorized operations. (v8–10)
    pub include_cluster_authorized_operations: bool,
    /// Whether to include topic authorized operations. (v8+)
    pub include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl Message for MetadataRequest {
    const NAME: &'static str = "MetadataRequest";
    const API_KEY: Option<i16> = Some(3);
    const VERSIONS: (i16, i16) = (0, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topics = input
            .nullable_array("topics", version >= 9, |input| MetadataRequestTopic::decode(input, version))?;
        if version >= 4 {
            value.allow_auto_topic_creation = input.bool("allow_auto_topic_creation")?;
        }
        if (8..=10).contains(&version) {
            value.include_cluster_authorized_operations =
                input.bool("include_cluster_authorized_operations")?;
        }
        if version >= 8 {
            value.include_topic_authorized_operations = input.bool("include_topic_authorized_operations")?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.nullable_array(self.topics.as_deref(), version >= 9, |output, item| {
            item.encode(output, version)
        })?;
        if version >= 4 {
            output.bool(self.allow_auto_topic_creation);
        } else if !self.allow_auto_topic_creation {
            return Err(EncodeError::NotInVersion { field: "allow_auto_topic_creation", version });
        }
        if (8..=10).contains(&version) {
            output.bool(self.include_cluster_authorized_operations);
        } else if self.include_cluster_authorized_operations {
            return Err(EncodeError::NotInVersion {
                field: "include_cluster_authorized_operations",
                version,
            });
        }
        if version >= 8 {
            output.bool(self.include_topic_authorized_operations);
        } else if self.include_topic_authorized_operations {
            return Err(EncodeError::NotInVersion { field: "include_topic_authorized_operations", version });
        }
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The topics to fetch metadata for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequestTopic {
    /// The topic id. (v10+)
    pub topic_id: TopicId,
    /// The topic name.
    pub name: Option<Str>,
}

impl Default for MetadataRequestTopic {
    fn default() -> Self {
        Self { topic_id: TopicId::default(), name: Some(Str::default()) }
    }
}

impl MetadataRequestTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 10 {
            value.topic_id = input.uuid("topic_id")?;
        }
        value.name = input.nullable_string("name", version >= 9)?;
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 10 {
            output.uuid(self.topic_id);
        }
        output.nullable_string(self.name.as_ref(), version >= 9)?;
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
