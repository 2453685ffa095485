//! `ApiVersionsResponse` v0–5, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder, TaggedFields};
use crate::message::Message;
use crate::str::Str;

/// `ApiVersionsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsResponse {
    /// The top-level error code.
    pub error_code: i16,
    /// The APIs supported by the broker.
    pub api_keys: Vec<ApiVersion>,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted. (v3+)
    pub supported_features: Vec<SupportedFeatureKey>,
    /// The monotonically increasing epoch for the finalized features information. Valid values are >= 0. A value of -1 is special and represents unknown epoch. (v3+)
    pub finalized_features_epoch: i64,
    /// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >= 0. (v3+)
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
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.api_keys = input.array("api_keys", version >= 3, |input| ApiVersion::decode(input, version))?;
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttle_time_ms")?;
        }
        if version >= 3 {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 3 => {
                        value.supported_features =
                            input.array("supported_features", version >= 3, |input| {
                                SupportedFeatureKey::decode(input, version)
                            })?
                    }
                    1 if version >= 3 => {
                        value.finalized_features_epoch = input.i64("finalized_features_epoch")?
                    }
                    2 if version >= 3 => {
                        value.finalized_features =
                            input.array("finalized_features", version >= 3, |input| {
                                FinalizedFeatureKey::decode(input, version)
                            })?
                    }
                    3 if version >= 3 => value.zk_migration_ready = input.bool("zk_migration_ready")?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.array(&self.api_keys, version >= 3, |output, item| item.encode(output, version))?;
        if version >= 1 {
            output.i32(self.throttle_time_ms);
        }
        if version >= 3 {
            let mut tagged = TaggedFields::default();
            if version >= 3 && !self.supported_features.is_empty() {
                tagged.field(0, |output| {
                    output.array(&self.supported_features, version >= 3, |output, item| {
                        item.encode(output, version)
                    })?;
                    Ok(())
                })?;
            }
            if version >= 3 && self.finalized_features_epoch != -1 {
                tagged.field(1, |output| {
                    output.i64(self.finalized_features_epoch);
                    Ok(())
                })?;
            }
            if version >= 3 && !self.finalized_features.is_empty() {
                tagged.field(2, |output| {
                    output.array(&self.finalized_features, version >= 3, |output, item| {
                        item.encode(output, version)
                    })?;
                    Ok(())
                })?;
            }
            if version >= 3 && self.zk_migration_ready {
                tagged.field(3, |output| {
                    output.bool(self.zk_migration_ready);
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged)?;
        }
        Ok(())
    }
}

/// The APIs supported by the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersion {
    /// The API index.
    pub api_key: i16,
    /// The minimum supported version, inclusive.
    pub min_version: i16,
    /// The maximum supported version, inclusive.
    pub max_version: i16,
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self { api_key: 0, min_version: 0, max_version: 0 }
    }
}

impl ApiVersion {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.api_key = input.i16("api_key")?;
        value.min_version = input.i16("min_version")?;
        value.max_version = input.i16("max_version")?;
        if version >= 3 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.api_key);
        output.i16(self.min_version);
        output.i16(self.max_version);
        if version >= 3 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Features supported by the broker. Note: in v0-v3, features with MinSupportedVersion = 0 are omitted.
#[derive(Debug, Clone, PartialEq)]
pub struct SupportedFeatureKey {
    /// The name of the feature. (v3+)
    pub name: Str,
    /// The minimum supported version for the feature. (v3+)
    pub min_version: i16,
    /// The maximum supported version for the feature. (v3+)
    pub max_version: i16,
}

impl Default for SupportedFeatureKey {
    fn default() -> Self {
        Self { name: Str::default(), min_version: 0, max_version: 0 }
    }
}

impl SupportedFeatureKey {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 3 {
            value.name = input.string("name", version >= 3)?;
        }
        if version >= 3 {
            value.min_version = input.i16("min_version")?;
        }
        if version >= 3 {
            value.max_version = input.i16("max_version")?;
        }
        if version >= 3 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            output.string(&self.name, version >= 3)?;
        } else if self.name != Str::default() {
            return Err(EncodeError::NotInVersion { field: "name", version });
        }
        if version >= 3 {
            output.i16(self.min_version);
        } else if self.min_version != 0 {
            return Err(EncodeError::NotInVersion { field: "min_version", version });
        }
        if version >= 3 {
            output.i16(self.max_version);
        } else if self.max_version != 0 {
            return Err(EncodeError::NotInVersion { field: "max_version", version });
        }
        if version >= 3 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// List of cluster-wide finalized features. The information is valid only if FinalizedFeaturesEpoch >= 0.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalizedFeatureKey {
    /// The name of the feature. (v3+)
    pub name: Str,
    /// The cluster-wide finalized max version level for the feature. (v3+)
    pub max_version_level: i16,
    /// The cluster-wide finalized min version level for the feature. (v3+)
    pub min_version_level: i16,
}

impl Default for FinalizedFeatureKey {
    fn default() -> Self {
        Self { name: Str::default(), max_version_level: 0, min_version_level: 0 }
    }
}

impl FinalizedFeatureKey {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 3 {
            value.name = input.string("name", version >= 3)?;
        }
        if version >= 3 {
            value.max_version_level = input.i16("max_version_level")?;
        }
        if version >= 3 {
            value.min_version_level = input.i16("min_version_level")?;
        }
        if version >= 3 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            output.string(&self.name, version >= 3)?;
        } else if self.name != Str::default() {
            return Err(EncodeError::NotInVersion { field: "name", version });
        }
        if version >= 3 {
            output.i16(self.max_version_level);
        } else if self.max_version_level != 0 {
            return Err(EncodeError::NotInVersion { field: "max_version_level", version });
        }
        if version >= 3 {
            output.i16(self.min_version_level);
        } else if self.min_version_level != 0 {
            return Err(EncodeError::NotInVersion { field: "min_version_level", version });
        }
        if version >= 3 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
