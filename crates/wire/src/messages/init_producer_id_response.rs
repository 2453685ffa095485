//! `InitProducerIdResponse` v0–6, flexible from v2. Generated from Kafka's
//! `InitProducerIdResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;

/// `InitProducerIdResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct InitProducerIdResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// The current producer id.
    pub producer_id: i64,
    /// The current epoch associated with the producer id.
    pub producer_epoch: i16,
    /// The producer id for ongoing transaction when KeepPreparedTxn is used, -1 if there is no transaction
    /// ongoing. (v6+)
    pub ongoing_txn_producer_id: i64,
    /// The epoch associated with the producer id for ongoing transaction when KeepPreparedTxn is used, -1
    /// if there is no transaction ongoing. (v6+)
    pub ongoing_txn_producer_epoch: i16,
}

impl Default for InitProducerIdResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            producer_id: -1,
            producer_epoch: 0,
            ongoing_txn_producer_id: -1,
            ongoing_txn_producer_epoch: -1,
        }
    }
}

impl Message for InitProducerIdResponse {
    const NAME: &'static str = "InitProducerIdResponse";
    const API_KEY: Option<i16> = Some(22);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.error_code = input.i16("errorCode")?;
        value.producer_id = input.i64("producerId")?;
        value.producer_epoch = input.i16("producerEpoch")?;
        if version >= 6 {
            value.ongoing_txn_producer_id = input.i64("ongoingTxnProducerId")?;
        }
        if version >= 6 {
            value.ongoing_txn_producer_epoch = input.i16("ongoingTxnProducerEpoch")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.i32(self.throttle_time_ms);
        output.error_code(self.error_code);
        output.i64(self.producer_id);
        output.i16(self.producer_epoch);
        if version >= 6 {
            output.i64(self.ongoing_txn_producer_id);
        } else if self.ongoing_txn_producer_id != -1 {
            return Err(EncodeError::NotInVersion { field: "ongoingTxnProducerId", version });
        }
        if version >= 6 {
            output.i16(self.ongoing_txn_producer_epoch);
        } else if self.ongoing_txn_producer_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "ongoingTxnProducerEpoch", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
