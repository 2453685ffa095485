//! Request and response headers. Which version a header has follows from the API and its version: v2 of requests and v1
//! of responses are the flexible ones (KIP-482). The answer to ApiVersions always has header v0, so that a client that is too
//! new can read it (KIP-511).

use bytes::Bytes;

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::frame::Frame;
use crate::message::{Message, Request};
use crate::messages::{ApiKey, RequestHeader, ResponseHeader};
use crate::str::Str;

/// The front of a request frame.
#[derive(Debug, Clone)]
pub struct RequestFrame {
    /// The API's number, known or not.
    pub api_key: i16,
    /// The version asked for, served or not.
    pub version: i16,
    /// Given back in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
    /// What follows the header.
    pub body: Decoder,
}

impl RequestFrame {
    /// Reads the header of `frame` (without its size). Of an unknown API only the fields are read that every header has.
    ///
    /// # Errors
    /// [`DecodeError`] when the header is cut off or malformed.
    pub fn decode(frame: Bytes) -> Result<Self, DecodeError> {
        let mut peek = Decoder::new(frame.clone());
        let (api_key, version) = (peek.i16("request_api_key")?, peek.i16("request_api_version")?);
        let correlation_id = peek.i32("correlation_id")?;
        let Some(api) = ApiKey::from_code(api_key) else {
            return Ok(Self { api_key, version, correlation_id, client_id: None, body: peek });
        };
        let mut body = Decoder::new(frame);
        let header = RequestHeader::decode(&mut body, api.request_header_version(version))?;
        Ok(Self { api_key, version, correlation_id, client_id: header.client_id, body })
    }
}

impl ApiKey {
    /// 2 for flexible versions, else 1.
    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.flexible_from() { 2 } else { 1 }
    }

    /// 1 for flexible versions, else 0; always 0 for ApiVersions.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(version >= self.flexible_from() && self != Self::ApiVersions)
    }
}

/// Writes a request with its header.
///
/// # Errors
/// [`EncodeError`] when the version cannot carry what is set.
pub fn encode_request<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Frame, EncodeError> {
    let api_key = R::API_KEY.unwrap_or(-1);
    let header = RequestHeader {
        request_api_key: api_key,
        request_api_version: version,
        correlation_id,
        client_id: Some(Str::from(client_id)),
    };
    let mut output = Encoder::new();
    let header_version = if version >= R::FLEXIBLE_FROM { 2 } else { 1 };
    header.encode(&mut output, header_version)?;
    request.encode(&mut output, version)?;
    output.finish()
}

/// Writes an answer with its header.
///
/// # Errors
/// [`EncodeError`] when the version cannot carry what is set.
pub fn encode_response<M: Message>(
    response: &M,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
) -> Result<Frame, EncodeError> {
    let mut output = Encoder::new();
    ResponseHeader { correlation_id }.encode(&mut output, api.response_header_version(version))?;
    response.encode(&mut output, version)?;
    output.finish()
}

/// Reads an answer (without its size): correlation id and body.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_response<R: Request>(frame: Bytes, version: i16) -> Result<(i32, R::Response), DecodeError> {
    let mut input = Decoder::new(frame);
    let api = R::API_KEY.and_then(ApiKey::from_code);
    let header_version = api.map_or(0, |api| api.response_header_version(version));
    let header = ResponseHeader::decode(&mut input, header_version)?;
    Ok((header.correlation_id, R::Response::decode(&mut input, version)?))
}
