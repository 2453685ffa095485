//! Kafka's wire protocol: frames, headers, the messages generated from Kafka's schemas, and record batches.
//!
//! - [`frame`] cuts and holds frames, [`header`] reads and writes their headers, [`messages`] are the bodies.
//! - [`record`] is the unit of storage; nothing in the other modules looks into it.
//!
//! Decoding slices the frame and trusts no size in it. Encoding makes a list of segments, so that records are never
//! copied. Knows no socket.

mod decode;
mod encode;
mod error_code;
pub mod frame;
pub mod header;
mod message;
pub mod messages;
pub mod record;
mod records;
mod str;

pub use decode::{DecodeError, DecodeProblem, Decoder};
pub use encode::{EncodeError, Encoder};
pub use error_code::ErrorCode;
pub use frame::Frame;
pub use message::{Message, Request};
pub use messages::ApiKey;
pub use records::{Records, RecordsPart};
pub use str::Str;
