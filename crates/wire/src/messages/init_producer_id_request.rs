//! `InitProducerIdRequest` v0–5, flexible from v2. Generated from Kafka's `InitProducerIdRequest.json`
//! by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `InitProducerIdRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdRequest {
    /// The transactional id, or null if the producer is not transactional.
    pub transactional_id: Option<Str>,
    /// The time in ms to wait before aborting idle transactions sent by this producer. This is only
    /// relevant if a TransactionalId has been defined.
    pub transaction_timeout_ms: i32,
    /// The producer id. This is used to disambiguate requests if a transactional id is reused following its
    /// expiration. (v3+)
    pub producer_id: i64,
    /// The producer's current epoch. This will be checked against the producer epoch on the broker, and the
    /// request will return an error if they do not match. (v3+)
    pub producer_epoch: i16,
}

impl Default for InitProducerIdRequest {
    fn default() -> Self {
        Self {
            transactional_id: Some(Str::default()),
            transaction_timeout_ms: 0,
            producer_id: -1,
            producer_epoch: -1,
        }
    }
}

impl Message for InitProducerIdRequest {
    const NAME: &'static str = "InitProducerIdRequest";
    const API_KEY: Option<i16> = Some(22);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.transactional_id = input.nullable_string("transactionalId", flexible)?;
        value.transaction_timeout_ms = input.i32("transactionTimeoutMs")?;
        if version >= 3 {
            value.producer_id = input.i64("producerId")?;
        }
        if version >= 3 {
            value.producer_epoch = input.i16("producerEpoch")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.nullable_string("transactionalId", self.transactional_id.as_ref(), flexible)?;
        output.i32(self.transaction_timeout_ms);
        if version >= 3 {
            output.i64(self.producer_id);
        } else if self.producer_id != -1 {
            return Err(EncodeError::NotInVersion { field: "producerId", version });
        }
        if version >= 3 {
            output.i16(self.producer_epoch);
        } else if self.producer_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "producerEpoch", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for InitProducerIdRequest {
    type Response = super::init_producer_id_response::InitProducerIdResponse;
}
