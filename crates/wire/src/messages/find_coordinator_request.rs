//! `FindCoordinatorRequest` v0–6, flexible from v3. Generated from Kafka's
//! `FindCoordinatorRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `FindCoordinatorRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FindCoordinatorRequest {
    /// The coordinator key. (v0–3)
    pub key: Str,
    /// The coordinator key type. (group, transaction, share). (v1+)
    pub key_type: i8,
    /// The coordinator keys. (v4+)
    pub coordinator_keys: Vec<Str>,
}

impl Message for FindCoordinatorRequest {
    const NAME: &'static str = "FindCoordinatorRequest";
    const API_KEY: Option<i16> = Some(10);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        if version <= 3 {
            value.key = input.string("key", flexible)?;
        }
        if version >= 1 {
            value.key_type = input.i8("keyType")?;
        }
        if version >= 4 {
            value.coordinator_keys = input
                .array("coordinatorKeys", flexible, |input| input.string("coordinatorKeys", flexible))?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 3;
        if version <= 3 {
            output.string("key", &self.key, flexible)?;
        } else if !self.key.is_empty() {
            return Err(EncodeError::NotInVersion { field: "key", version });
        }
        if version >= 1 {
            output.i8(self.key_type);
        } else if self.key_type != 0 {
            return Err(EncodeError::NotInVersion { field: "keyType", version });
        }
        if version >= 4 {
            output.array("coordinatorKeys", &self.coordinator_keys, flexible, |output, item| {
                output.string("coordinatorKeys", item, flexible)
            })?;
        } else if !self.coordinator_keys.is_empty() {
            return Err(EncodeError::NotInVersion { field: "coordinatorKeys", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for FindCoordinatorRequest {
    type Response = super::find_coordinator_response::FindCoordinatorResponse;
}
