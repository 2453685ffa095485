//! `CreateTopicsResponse` v2–7, flexible from v5. Generated from Kafka's `CreateTopicsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::TaggedFields;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `CreateTopicsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateTopicsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Results for each topic we tried to create.
    pub topics: Vec<CreatableTopicResult>,
}

impl Message for CreateTopicsResponse {
    const NAME: &'static str = "CreateTopicsResponse";
    const API_KEY: Option<i16> = Some(19);
    const VERSIONS: (i16, i16) = (2, 7);
    const FLEXIBLE_FROM: i16 = 5;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 5;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.topics =
            input.array("topics", flexible, |input| CreatableTopicResult::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 5;
        output.i32(self.throttle_time_ms);
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Results for each topic we tried to create.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicResult {
    /// The topic name.
    pub name: Str,
    /// The unique topic ID. (v7+)
    pub topic_id: TopicId,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// The error message, or null if there was no error.
    pub error_message: Option<Str>,
    /// Optional topic config error returned if configs are not returned in the response. (v5+)
    pub topic_config_error_code: i16,
    /// Number of partitions of the topic. (v5+)
    pub num_partitions: i32,
    /// Replication factor of the topic. (v5+)
    pub replication_factor: i16,
    /// Configuration of the topic. (v5+)
    pub configs: Option<Vec<CreatableTopicConfigs>>,
}

impl Default for CreatableTopicResult {
    fn default() -> Self {
        Self {
            name: Str::default(),
            topic_id: TopicId::ZERO,
            error_code: 0,
            error_message: Some(Str::default()),
            topic_config_error_code: 0,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
        }
    }
}

impl CreatableTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        if version >= 7 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.error_code = input.i16("errorCode")?;
        value.error_message = input.nullable_string("errorMessage", flexible)?;
        if version >= 5 {
            value.num_partitions = input.i32("numPartitions")?;
        }
        if version >= 5 {
            value.replication_factor = input.i16("replicationFactor")?;
        }
        if version >= 5 {
            value.configs = input
                .nullable_array("configs", flexible, |input| CreatableTopicConfigs::decode(input, version))?;
        }
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 5 => value.topic_config_error_code = input.i16("topicConfigErrorCode")?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.string("name", &self.name, flexible)?;
        if version >= 7 {
            output.uuid(self.topic_id);
        }
        output.error_code(self.error_code);
        output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        if version >= 5 {
            output.i32(self.num_partitions);
        }
        if version >= 5 {
            output.i16(self.replication_factor);
        }
        if version >= 5 {
            output.nullable_array("configs", self.configs.as_deref(), flexible, |output, item| {
                item.encode(output, version)
            })?;
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 5 && self.topic_config_error_code != 0 {
                tagged.field("topicConfigErrorCode", 0, |output| {
                    output.i16(self.topic_config_error_code);
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// Configuration of the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicConfigs {
    /// The configuration name. (v5+)
    pub name: Str,
    /// The configuration value. (v5+)
    pub value: Option<Str>,
    /// True if the configuration is read-only. (v5+)
    pub read_only: bool,
    /// The configuration source. (v5+)
    pub config_source: i8,
    /// True if this configuration is sensitive. (v5+)
    pub is_sensitive: bool,
}

impl Default for CreatableTopicConfigs {
    fn default() -> Self {
        Self {
            name: Str::default(),
            value: Some(Str::default()),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
        }
    }
}

impl CreatableTopicConfigs {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", true)?;
        value.value = input.nullable_string("value", true)?;
        value.read_only = input.bool("readOnly")?;
        value.config_source = input.i8("configSource")?;
        value.is_sensitive = input.bool("isSensitive")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, true)?;
        output.nullable_string("value", self.value.as_ref(), true)?;
        output.bool(self.read_only);
        output.i8(self.config_source);
        output.bool(self.is_sensitive);
        output.no_tagged_fields();
        Ok(())
    }
}
