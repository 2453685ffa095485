//! `FindCoordinatorRequest` v0–6, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `FindCoordinatorRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct FindCoordinatorRequest {
    /// The coordinator key. (v0–3)
    pub key: Str,
    /// The coordinator key type. (group, transaction, share). (v1+)
    pub key_type: i8,
    /// The coordinator keys. (v4+)
    pub coordinator_keys: Vec<Str>,
}

impl Default for FindCoordinatorRequest {
    fn default() -> Self {
        Self { key: Str::default(), key_type: 0, coordinator_keys: Vec::new() }
    }
}

impl Message for FindCoordinatorRequest {
    const NAME: &'static str = "FindCoordinatorRequest";
    const API_KEY: Option<i16> = Some(10);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 3 {
            value.key = input.string("key", version >= 3)?;
        }
        if version >= 1 {
            value.key_type = input.i8("key_type")?;
        }
        if version >= 4 {
            value.coordinator_keys = input.array("coordinator_keys", version >= 3, |input| {
                input.string("coordinator_keys", version >= 3)
            })?;
        }
        if version >= 3 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version <= 3 {
            output.string(&self.key, version >= 3)?;
        } else if self.key != Str::default() {
            return Err(EncodeError::NotInVersion { field: "key", version });
        }
        if version >= 1 {
            output.i8(self.key_type);
        } else if self.key_type != 0 {
            return Err(EncodeError::NotInVersion { field: "key_type", version });
        }
        if version >= 4 {
            output.array(&self.coordinator_keys, version >= 3, |output, item| {
                output.string(item, version >= 3)
            })?;
        } else if !self.coordinator_keys.is_empty() {
            return Err(EncodeError::NotInVersion { field: "coordinator_keys", version });
        }
        if version >= 3 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
