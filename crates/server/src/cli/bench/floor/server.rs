//! What both servers have in common: a thread for each connection, and just enough answers for our own client to find its topic.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use highwater_wire::header::{RequestFrame, encode_response};
use highwater_wire::messages::api_versions_response::{ApiVersion, ApiVersionsResponse};
use highwater_wire::messages::create_topics_response::{CreatableTopicResult, CreateTopicsResponse};
use highwater_wire::messages::delete_topics_response::{DeletableTopicResult, DeleteTopicsResponse};
use highwater_wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use highwater_wire::messages::metadata_response::{
    MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use highwater_wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, ListOffsetsRequest, MetadataRequest,
};
use highwater_wire::{ApiKey, DecodeError, EncodeError, ErrorCode, Frame, Message, RecordsPart};
use parking_lot::Mutex;

use crate::client::offsets::EARLIEST;

/// Frames are not larger.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 20;
const NODE: i32 = 1;

/// What can be asked for beside the work itself.
const SERVED: [(ApiKey, i16, i16); 7] = [
    (ApiKey::ApiVersions, 0, 0),
    (ApiKey::Metadata, 1, 8),
    (ApiKey::CreateTopics, 2, 4),
    (ApiKey::DeleteTopics, 6, 6),
    (ApiKey::ListOffsets, 1, 5),
    (ApiKey::Produce, 9, 12),
    (ApiKey::Fetch, 4, 11),
];

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// What the socket or the file said.
    Io(io::Error),
    /// What came is nothing that is served.
    NotServed,
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Ended {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<DecodeError> for Ended {
    fn from(_: DecodeError) -> Self {
        Self::NotServed
    }
}

impl From<EncodeError> for Ended {
    fn from(_: EncodeError) -> Self {
        Self::NotServed
    }
}

/// The topics that there are: made when asked for, with nothing behind them.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Partitions by name, and the end of each partition.
    topics: Mutex<BTreeMap<String, (i32, i64)>>,
}

impl Topics {
    /// Adds one with `partitions` partitions, each of which ends at `end`.
    pub(super) fn add(&self, name: &str, partitions: i32, end: i64) {
        self.topics.lock().insert(name.to_owned(), (partitions, end));
    }

    /// Answers everything that is not the work itself; `address` is our own.
    pub(super) fn answer(&self, frame: Bytes, address: SocketAddr) -> Result<Frame, Ended> {
        let mut request = RequestFrame::decode(frame)?;
        let (version, id, body) = (request.version, request.correlation_id, &mut request.body);
        let api = ApiKey::from_code(request.api_key).ok_or(Ended::NotServed)?;
        let frame = match api {
            ApiKey::ApiVersions => encode_response(&versions(), api, version, id),
            ApiKey::Metadata => {
                let asked = MetadataRequest::decode(body, version)?;
                encode_response(&self.metadata(&asked, address), api, version, id)
            }
            ApiKey::CreateTopics => {
                let asked = CreateTopicsRequest::decode(body, version)?;
                encode_response(&self.create(&asked), api, version, id)
            }
            ApiKey::DeleteTopics => {
                let asked = DeleteTopicsRequest::decode(body, version)?;
                encode_response(&self.delete(&asked), api, version, id)
            }
            ApiKey::ListOffsets => {
                let asked = ListOffsetsRequest::decode(body, version)?;
                encode_response(&self.offsets(&asked), api, version, id)
            }
            _ => return Err(Ended::NotServed),
        };
        Ok(frame?)
    }

    fn metadata(&self, asked: &MetadataRequest, address: SocketAddr) -> MetadataResponse {
        let topics = self.topics.lock();
        let partition = |index| MetadataResponsePartition {
            partition_index: index,
            leader_id: NODE,
            replica_nodes: vec![NODE],
            isr_nodes: vec![NODE],
            ..MetadataResponsePartition::default()
        };
        let topic = |name: &str| {
            let count = topics.get(name).map(|(partitions, _)| *partitions);
            let unknown = ErrorCode::UnknownTopicOrPartition.code();
            MetadataResponseTopic {
                name: Some(name.into()),
                error_code: if count.is_some() { 0 } else { unknown },
                partitions: (0..count.unwrap_or(0)).map(partition).collect(),
                ..MetadataResponseTopic::default()
            }
        };
        let topics = match &asked.topics {
            Some(named) => {
                named.iter().map(|asked| topic(asked.name.as_deref().unwrap_or_default())).collect()
            }
            None => topics.keys().map(|name| topic(name)).collect(),
        };
        let broker = MetadataResponseBroker {
            node_id: NODE,
            host: address.ip().to_string().as_str().into(),
            port: address.port().into(),
            ..MetadataResponseBroker::default()
        };
        MetadataResponse { brokers: vec![broker], topics, controller_id: NODE, ..Default::default() }
    }

    fn create(&self, asked: &CreateTopicsRequest) -> CreateTopicsResponse {
        let topics = asked.topics.iter().map(|topic| {
            self.add(&topic.name, topic.num_partitions, 0);
            CreatableTopicResult { name: topic.name.clone(), ..CreatableTopicResult::default() }
        });
        CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
    }

    fn delete(&self, asked: &DeleteTopicsRequest) -> DeleteTopicsResponse {
        let gone = asked.topics.iter().map(|topic| {
            self.topics.lock().remove(topic.name.as_deref().unwrap_or_default());
            DeletableTopicResult { name: topic.name.clone(), ..DeletableTopicResult::default() }
        });
        DeleteTopicsResponse { responses: gone.collect(), ..DeleteTopicsResponse::default() }
    }

    fn offsets(&self, asked: &ListOffsetsRequest) -> ListOffsetsResponse {
        let topics = asked.topics.iter().map(|topic| {
            let end = self.topics.lock().get(topic.name.as_str()).map_or(0, |(_, end)| *end);
            let partition = |asked: &highwater_wire::messages::list_offsets_request::ListOffsetsPartition| {
                let offset = if asked.timestamp == EARLIEST { 0 } else { end };
                let partition_index = asked.partition_index;
                ListOffsetsPartitionResponse { partition_index, offset, ..Default::default() }
            };
            let partitions = topic.partitions.iter().map(partition).collect();
            ListOffsetsTopicResponse { name: topic.name.clone(), partitions }
        });
        ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
    }
}

fn versions() -> ApiVersionsResponse {
    let api = |(api, min_version, max_version): &(ApiKey, i16, i16)| ApiVersion {
        api_key: api.code(),
        min_version: *min_version,
        max_version: *max_version,
    };
    ApiVersionsResponse { api_keys: SERVED.iter().map(api).collect(), ..ApiVersionsResponse::default() }
}

/// Sends what is in memory.
///
/// # Errors
/// What the socket says.
pub(super) fn send(stream: &TcpStream, frame: &Frame) -> io::Result<()> {
    frame.parts().iter().try_for_each(|part| match part {
        RecordsPart::Memory(bytes) => write(stream, bytes),
        RecordsPart::File(_) => Ok(()),
    })
}

/// Sends bytes.
///
/// # Errors
/// What the socket says.
pub(super) fn write(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

/// Says `ready`, then serves each connection in a thread of its own, for ever.
///
/// # Errors
/// What the listener says.
pub(super) fn serve<S: Send + Sync + 'static>(
    listener: &TcpListener,
    state: &Arc<S>,
    out: &mut dyn Write,
    connection: fn(&TcpStream, &S) -> Result<(), Ended>,
) -> io::Result<()> {
    writeln!(out, "ready {}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let state = Arc::clone(state);
        std::thread::Builder::new().name("floor".to_owned()).spawn(move || {
            match connection(&stream, &state) {
                // Who is served ends by closing its connection.
                Ok(()) => {}
                Err(Ended::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(Ended::Io(error)) => eprintln!("floor: {error}"),
                Err(Ended::NotServed) => eprintln!("floor: a request that is not served here"),
            }
        })?;
    }
}
