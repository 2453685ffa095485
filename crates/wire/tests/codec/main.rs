//! The generated messages against other implementations' bytes, and against bytes that nobody should send.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod golden;
mod hostile;
mod oracle;
mod random;
mod refusals;
mod samples;

use bytes::Bytes;
use highwater_wire::{DecodeError, Decoder, EncodeError, Encoder, Message};

/// The body of a message, without size and header.
fn encode<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut output = Encoder::new();
    message.encode(&mut output, version)?;
    let frame = output.finish()?.read().unwrap();
    assert_eq!(frame[..4], u32::try_from(frame.len() - 4).unwrap().to_be_bytes());
    Ok(Bytes::from(frame).slice(4..))
}

/// A message and how many bytes it left over.
fn decode<M: Message>(bytes: Bytes, version: i16) -> Result<(M, usize), DecodeError> {
    let mut input = Decoder::new(bytes);
    let message = M::decode(&mut input, version)?;
    Ok((message, input.remaining()))
}

/// Every version of a message.
fn versions<M: Message>() -> std::ops::RangeInclusive<i16> {
    M::VERSIONS.0..=M::VERSIONS.1
}
