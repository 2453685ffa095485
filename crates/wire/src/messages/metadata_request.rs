//! `MetadataRequest` v0–13, flexible from v9. Generated from Kafka's `MetadataRequest.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::present;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use highwater_types::TopicId;

/// `MetadataRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataRequest {
    /// The topics to fetch metadata for.
    pub topics: Option<Vec<MetadataRequestTopic>>,
    /// If this is true, the broker may auto-create topics that we requested which do not already exist, if
    /// it is configured to do so. (v4+)
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
        input.check_version::<Self>(version)?;
        let flexible = version >= 9;
        let mut value = Self::default();
        value.topics = if version >= 1 {
            input.nullable_array("topics", flexible, |input| MetadataRequestTopic::decode(input, version))?
        } else {
            Some(input.array("topics", flexible, |input| MetadataRequestTopic::decode(input, version))?)
        };
        if version >= 4 {
            value.allow_auto_topic_creation = input.bool("allowAutoTopicCreation")?;
        }
        if (8..=10).contains(&version) {
            value.include_cluster_authorized_operations = input.bool("includeClusterAuthorizedOperations")?;
        }
        if version >= 8 {
            value.include_topic_authorized_operations = input.bool("includeTopicAuthorizedOperations")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 9;
        if version >= 1 {
            output.nullable_array("topics", self.topics.as_deref(), flexible, |output, item| {
                item.encode(output, version)
            })?;
        } else {
            output.array("topics", present("topics", self.topics.as_ref())?, flexible, |output, item| {
                item.encode(output, version)
            })?;
        }
        if version >= 4 {
            output.bool(self.allow_auto_topic_creation);
        } else if !self.allow_auto_topic_creation {
            return Err(EncodeError::NotInVersion { field: "allowAutoTopicCreation", version });
        }
        if (8..=10).contains(&version) {
            output.bool(self.include_cluster_authorized_operations);
        } else if self.include_cluster_authorized_operations {
            return Err(EncodeError::NotInVersion { field: "includeClusterAuthorizedOperations", version });
        }
        if version >= 8 {
            output.bool(self.include_topic_authorized_operations);
        } else if self.include_topic_authorized_operations {
            return Err(EncodeError::NotInVersion { field: "includeTopicAuthorizedOperations", version });
        }
        if flexible {
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
        Self { topic_id: TopicId::ZERO, name: Some(Str::default()) }
    }
}

impl MetadataRequestTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        if version >= 10 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.name = if version >= 10 {
            input.nullable_string("name", flexible)?
        } else {
            Some(input.string("name", flexible)?)
        };
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version >= 10 {
            output.uuid(self.topic_id);
        }
        if version >= 10 {
            output.nullable_string("name", self.name.as_ref(), flexible)?;
        } else {
            output.string("name", present("name", self.name.as_ref())?, flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for MetadataRequest {
    type Response = super::metadata_response::MetadataResponse;
}
