//! What every generated message offers.

use std::fmt::Debug;

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};

/// A request, response or header. Its `Default` is the schema's.
pub trait Message: Debug + Clone + PartialEq + Default {
    /// Kafka's name, such as `FetchRequest`.
    const NAME: &'static str;
    /// The API's number; `None` for headers.
    const API_KEY: Option<i16>;
    /// First and last version that the schema knows and Kafka calls stable.
    const VERSIONS: (i16, i16);
    /// First flexible version (KIP-482); `i16::MAX` when there is none.
    const FLEXIBLE_FROM: i16;

    /// Reads the message in `version`. Bytes behind it are left alone, as in Kafka.
    ///
    /// # Errors
    /// [`DecodeError`] with field and position; when `version` does not lie in [`Message::VERSIONS`].
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError>;

    /// Writes the message in `version`.
    ///
    /// # Errors
    /// [`EncodeError::NotInVersion`] when a field is set that this version cannot carry and that matters;
    /// [`EncodeError::BadVersion`] when `version` does not lie in [`Message::VERSIONS`].
    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError>;
}

/// A request together with the type of its answer.
pub trait Request: Message {
    /// The answer.
    type Response: Message;
}
