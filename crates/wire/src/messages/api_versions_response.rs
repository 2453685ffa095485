//! `ApiVersionsResponse` v0–5, flexible from v3. Generated from Kafka's `ApiVersionsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::TaggedFields;
use crate::message::Message;
use crate::str::Str;

/// `ApiVersionsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsResponse {
    /// The top-level error code.
    pub error_code: i16,
    /// The APIs supported by the broker.
    pub api_keys: Vec<ApiVersion>,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted.
    /// (v3+)
    pub supported_features: Vec<SupportedFeatureKey>,
    /// The monotonically increasing epoch for the finalized features information. Valid values are >= 0. A
    /// value of -1 is special and represents unknown epoch. (v3+)
    pub finalized_features_epoch: i64,
    /// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >=
    /// 0. (v3+)
    pub finalized_features: Vec<FinalizedFeatureKey>,
    /// Set by a KRaft controller if the required configurations for ZK migration are present. (v3+)
    pub zk_migration_ready: bool,
}

impl Default for ApiVersionsResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            api_keys: Vec::new(),
            throttle_time_ms: 0,
            supported_features: Vec::new(),
            finalized_features_epoch: -1,
            finalized_features: Vec::new(),
            zk_migration_ready: false,
        }
    }
}

impl Message for ApiVersionsResponse {
    const NAME: &'static str = "ApiVersionsResponse";
    const API_KEY: Option<i16> = Some(18);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.api_keys = input.array("apiKeys", flexible, |input| ApiVersion::decode(input, version))?;
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 3 => {
                        value.supported_features = input.array("supportedFeatures", true, |input| {
                            SupportedFeatureKey::decode(input, version)
                        })?
                    }
                    1 if version >= 3 => {
                        value.finalized_features_epoch = input.i64("finalizedFeaturesEpoch")?
                    }
                    2 if version >= 3 => {
                        value.finalized_features = input.array("finalizedFeatures", true, |input| {
                            FinalizedFeatureKey::decode(input, version)
                        })?
                    }
                    3 if version >= 3 => value.zk_migration_ready = input.bool("zkMigrationReady")?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 3;
        output.error_code(self.error_code);
        output.array("apiKeys", &self.api_keys, flexible, |output, item| item.encode(output, version))?;
        if version >= 1 {
            output.i32(self.throttle_time_ms);
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 3 && !self.supported_features.is_empty() {
                tagged.field("supportedFeatures", 0, |output| {
                    output.array("supportedFeatures", &self.supported_features, true, |output, item| {
                        item.encode(output, version)
                    })
                })?;
            }
            if version >= 3 && self.finalized_features_epoch != -1 {
                tagged.field("finalizedFeaturesEpoch", 1, |output| {
                    output.i64(self.finalized_features_epoch);
                    Ok(())
                })?;
            }
            if version >= 3 && !self.finalized_features.is_empty() {
                tagged.field("finalizedFeatures", 2, |output| {
                    output.array("finalizedFeatures", &self.finalized_features, true, |output, item| {
                        item.encode(output, version)
                    })
                })?;
            }
            if version >= 3 && self.zk_migration_ready {
                tagged.field("zkMigrationReady", 3, |output| {
                    output.bool(self.zk_migration_ready);
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// The APIs supported by the broker.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ApiVersion {
    /// The API index.
    pub api_key: i16,
    /// The minimum supported version, inclusive.
    pub min_version: i16,
    /// The maximum supported version, inclusive.
    pub max_version: i16,
}

impl ApiVersion {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        let mut value = Self::default();
        value.api_key = input.i16("apiKey")?;
        value.min_version = input.i16("minVersion")?;
        value.max_version = input.i16("maxVersion")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        output.i16(self.api_key);
        output.i16(self.min_version);
        output.i16(self.max_version);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SupportedFeatureKey {
    /// The name of the feature. (v3+)
    pub name: Str,
    /// The minimum supported version for the feature. (v3+)
    pub min_version: i16,
    /// The maximum supported version for the feature. (v3+)
    pub max_version: i16,
}

impl SupportedFeatureKey {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", true)?;
        value.min_version = input.i16("minVersion")?;
        value.max_version = input.i16("maxVersion")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, true)?;
        output.i16(self.min_version);
        output.i16(self.max_version);
        output.no_tagged_fields();
        Ok(())
    }
}

/// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >=
/// 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FinalizedFeatureKey {
    /// The name of the feature. (v3+)
    pub name: Str,
    /// The cluster-wide finalized max version level for the feature. (v3+)
    pub max_version_level: i16,
    /// The cluster-wide finalized min version level for the feature. (v3+)
    pub min_version_level: i16,
}

impl FinalizedFeatureKey {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", true)?;
        value.max_version_level = input.i16("maxVersionLevel")?;
        value.min_version_level = input.i16("minVersionLevel")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, true)?;
        output.i16(self.max_version_level);
        output.i16(self.min_version_level);
        output.no_tagged_fields();
        Ok(())
    }
}
