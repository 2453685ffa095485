//! A small blocking Kafka client for the command line: one request at a time, versions by agreement with the broker, so
//! that the tools work against any Kafka broker.

pub(crate) mod cluster;
pub(crate) mod consumer_protocol;
mod error;
pub(crate) mod groups;
pub(crate) mod member;
pub(crate) mod offsets;
pub(crate) mod range;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::Bytes;
use highwater_wire::frame::FrameSize;
use highwater_wire::header::{decode_response, encode_request};
use highwater_wire::messages::ApiVersionsRequest;
use highwater_wire::{ErrorCode, RecordsPart, Request};

pub(crate) use cluster::Cluster;
pub(crate) use error::ClientError;

/// No answer of a broker may be larger than this.
const RESPONSE_BYTES_MAX: usize = 256 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any wait that the tools ask a broker for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
const CLIENT_ID: &str = "highwater";

/// A connection to one broker.
pub(crate) struct Connection {
    address: String,
    stream: TcpStream,
    versions: HashMap<i16, (i16, i16)>,
    next_correlation_id: i32,
}

impl Connection {
    /// Connects and asks which versions are served.
    pub(crate) fn open(address: &str) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { address: address.to_owned(), source };
        let mut last = std::io::ErrorKind::AddrNotAvailable.into();
        for candidate in address.to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&candidate, CONNECT_TIMEOUT) {
                Ok(stream) => return Self::start(address, stream),
                Err(error) => last = error,
            }
        }
        Err(failed(last))
    }

    fn start(address: &str, stream: TcpStream) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect { address: address.to_owned(), source };
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
        let mut connection =
            Self { address: address.to_owned(), stream, versions: HashMap::new(), next_correlation_id: 0 };
        // Version 0 is the one that every broker has ever answered.
        let answer = connection.call_version(&ApiVersionsRequest::default(), 0)?;
        refuse(answer.error_code, "ApiVersions", None)?;
        for api in answer.api_keys {
            connection.versions.insert(api.api_key, (api.min_version, api.max_version));
        }
        Ok(connection)
    }

    /// Sends a request in the newest version that both sides know, at most `newest`, and waits for its answer.
    pub(crate) fn call_up_to<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
    ) -> Result<R::Response, ClientError> {
        let version = self.version_up_to::<R>(newest)?;
        self.call_version(request, version)
    }

    /// The newest version of a request that both sides know, at most `newest`.
    pub(crate) fn version_up_to<R: Request>(&self, newest: i16) -> Result<i16, ClientError> {
        let served = R::API_KEY.and_then(|key| self.versions.get(&key)).copied();
        let (first, last) = served.ok_or(ClientError::NotServed { api: R::NAME })?;
        let version = last.min(R::VERSIONS.1).min(newest);
        if version < first.max(R::VERSIONS.0) {
            return Err(ClientError::NotServed { api: R::NAME });
        }
        Ok(version)
    }

    /// The socket, for those who write and read frames themselves from here on.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends a request in the newest version that both sides know and waits for its answer.
    pub(crate) fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call_up_to(request, i16::MAX)
    }

    /// As [`Connection::call_up_to`], for a request that the broker may keep for as long as `wait` on purpose.
    pub(crate) fn call_within<R: Request>(
        &mut self,
        request: &R,
        newest: i16,
        wait: Duration,
    ) -> Result<R::Response, ClientError> {
        let timeout = |stream: &TcpStream, wait| stream.set_read_timeout(Some(wait));
        timeout(&self.stream, wait.saturating_add(ANSWER_TIMEOUT)).map_err(|source| self.lost(source))?;
        let answer = self.call_up_to(request, newest)?;
        timeout(&self.stream, ANSWER_TIMEOUT).map_err(|source| self.lost(source))?;
        Ok(answer)
    }

    fn call_version<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, ClientError> {
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let frame = encode_request(request, version, self.next_correlation_id, CLIENT_ID)
            .map_err(|source| ClientError::Encode { api: R::NAME, source })?;
        for part in frame.parts() {
            if let RecordsPart::Memory(bytes) = part {
                self.stream.write_all(bytes).map_err(|source| self.lost(source))?;
            }
        }
        let answer = self.read_frame()?;
        let decoded = decode_response::<R>(answer, version);
        let (correlation_id, response) =
            decoded.map_err(|source| ClientError::Decode { api: R::NAME, source })?;
        if correlation_id != self.next_correlation_id {
            return Err(ClientError::OutOfStep { address: self.address.clone() });
        }
        Ok(response)
    }

    fn read_frame(&mut self) -> Result<Bytes, ClientError> {
        let mut prefix = [0; FrameSize::PREFIX];
        self.stream.read_exact(&mut prefix).map_err(|source| self.lost(source))?;
        let size = FrameSize::check(prefix, RESPONSE_BYTES_MAX)
            .map_err(|source| ClientError::BadFrame { address: self.address.clone(), source })?;
        let mut frame = Vec::new();
        let read = (&mut self.stream).take(size.0 as u64).read_to_end(&mut frame);
        match read.map_err(|source| self.lost(source))? {
            got if got == size.0 => Ok(frame.into()),
            _ => Err(self.lost(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn lost(&self, source: std::io::Error) -> ClientError {
        ClientError::Lost { address: self.address.clone(), source }
    }
}

/// Turns an error code of an answer into an error.
pub(crate) fn refuse(code: i16, api: &'static str, message: Option<&str>) -> Result<(), ClientError> {
    if code == 0 {
        return Ok(());
    }
    let known = ErrorCode::from_code(code);
    let name = known.map_or_else(|| format!("error {code}"), |known| known.name().to_owned());
    let message = message.map(str::to_owned).or_else(|| known.map(|known| known.message().to_owned()));
    Err(ClientError::Refused { api, name, message: message.unwrap_or_default() })
}
