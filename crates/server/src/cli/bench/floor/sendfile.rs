//! `highwater bench floor sendfile`: gives records to our own client. The files are written before; a Fetch is answered by a head from
//! memory and `sendfile` for each partition. Batches are of one size, so an offset is a position without an index.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use highwater_disk::{Disk, File, FileRange, OpenMode, RealDisk, write_all_at};
use highwater_types::{LeaderEpoch, Offset};
use highwater_wire::frame::FrameSize;
use highwater_wire::header::{RequestFrame, encode_response};
use highwater_wire::messages::fetch_response::{FetchResponse, FetchableTopicResponse, PartitionData};
use highwater_wire::messages::{ApiKey, FetchRequest};
use highwater_wire::record::patch_position;
use highwater_wire::{Message, RecordsPart};
use rustix::net::{SendFlags, send};

use super::server::{self, Ended, FRAME_BYTES_MAX, Topics};
use crate::cli::bench::arguments::{BatchArguments, parse_size};
use crate::cli::bench::batch::Prebuilt;
use crate::client::ClientError;

/// The topic that it has.
const TOPIC: &str = "floor";

/// Arguments of `highwater bench floor sendfile`.
#[derive(Debug, Args)]
pub(super) struct Sendfile {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9192")]
    listen: SocketAddr,
    /// Where to write the files, which must not exist.
    #[arg(long)]
    directory: PathBuf,
    /// Partitions, a file each.
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// Bytes of values in all files together.
    #[arg(long, value_parser = parse_size, default_value = "1GB")]
    bytes: u64,
    #[command(flatten)]
    batch: BatchArguments,
}

/// Serves.
pub(super) fn run(arguments: &Sendfile, out: &mut dyn Write) -> Result<(), ClientError> {
    let listener = TcpListener::bind(arguments.listen)?;
    start(&listener, arguments, out)
}

/// Serves on a listener.
pub(super) fn start(
    listener: &TcpListener,
    arguments: &Sendfile,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let batch = Prebuilt::new(arguments.batch.shape()?, false)?;
    let partitions = u64::try_from(arguments.partitions).ok().filter(|count| *count > 0);
    let partitions = partitions.ok_or_else(|| ClientError::Usage("--partitions: at least 1".to_owned()))?;
    let each = arguments.bytes / batch.payload_bytes.max(1) / partitions;
    std::fs::create_dir_all(&arguments.directory)?;
    let files = (0..partitions)
        .map(|number| fill(&arguments.directory.join(number.to_string()), &batch, each))
        .collect::<io::Result<Vec<_>>>()?;
    let topics = Topics::default();
    let end = each.saturating_mul(batch.records);
    topics.add(TOPIC, arguments.partitions, i64::try_from(end).unwrap_or(i64::MAX));
    let state = Arc::new(State {
        address: listener.local_addr()?,
        topics,
        files,
        batch_bytes: batch.bytes.len() as u64,
        batch_records: batch.records,
        file_bytes: each.saturating_mul(batch.bytes.len() as u64),
    });
    Ok(server::serve(listener, &state, out, connection)?)
}

/// Writes batches one behind the other, with their offsets.
fn fill(path: &std::path::Path, batch: &Prebuilt, count: u64) -> io::Result<Arc<dyn File>> {
    let file = RealDisk::default().open(path, OpenMode::CreateNew)?;
    let mut header = *batch.bytes.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
    let records = batch.bytes.get(header.len()..).unwrap_or_default();
    for number in 0..count {
        let offset = i64::try_from(number.saturating_mul(batch.records)).unwrap_or(i64::MAX);
        patch_position(&mut header, Offset(offset), LeaderEpoch(0));
        let position = number.saturating_mul(batch.bytes.len() as u64);
        write_all_at(file.as_ref(), &mut [IoSlice::new(&header), IoSlice::new(records)], position)?;
    }
    file.sync_data()?;
    Ok(file)
}

struct State {
    address: SocketAddr,
    topics: Topics,
    files: Vec<Arc<dyn File>>,
    batch_bytes: u64,
    batch_records: u64,
    file_bytes: u64,
}

fn connection(mut stream: &TcpStream, state: &State) -> Result<(), Ended> {
    loop {
        let mut prefix = [0; FrameSize::PREFIX];
        match stream.read_exact(&mut prefix) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        let size = FrameSize::check(prefix, FRAME_BYTES_MAX).map_err(|_| Ended::NotServed)?;
        let mut frame = Vec::new();
        stream.take(size.0 as u64).read_to_end(&mut frame)?;
        let frame = Bytes::from(frame);
        let mut request = RequestFrame::decode(frame.clone())?;
        if request.api_key != ApiKey::Fetch.code() {
            server::send(stream, &state.topics.answer(frame, state.address)?)?;
            continue;
        }
        let (version, correlation_id) = (request.version, request.correlation_id);
        let asked = FetchRequest::decode(&mut request.body, version)?;
        let answer = encode_response(&state.answer(&asked), ApiKey::Fetch, version, correlation_id)?;
        let mut parts = answer.into_parts().into_iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                RecordsPart::Memory(bytes) => send_memory(stream, &bytes, parts.peek().is_some())?,
                RecordsPart::File(range) => send_file(stream, range)?,
            }
        }
    }
}

impl State {
    fn answer(&self, asked: &FetchRequest) -> FetchResponse {
        let mut left = u64::try_from(asked.max_bytes).unwrap_or(0);
        let mut responses = Vec::new();
        for topic in &asked.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let most = u64::try_from(partition.partition_max_bytes).unwrap_or(0).min(left);
                let range = self.range(partition.partition, partition.fetch_offset, most);
                left -= range.as_ref().map_or(0, |range| range.size.min(left));
                PartitionData {
                    partition_index: partition.partition,
                    records: range.map(|range| vec![range].into()),
                    ..PartitionData::default()
                }
            });
            let partitions = partitions.collect();
            let topic = topic.topic.clone();
            responses.push(FetchableTopicResponse { topic, partitions, ..Default::default() });
        }
        FetchResponse { responses, ..FetchResponse::default() }
    }

    /// The bytes from an offset on: at least a batch while there is one.
    fn range(&self, partition: i32, offset: i64, most: u64) -> Option<FileRange> {
        let file = self.files.get(usize::try_from(partition).ok()?)?;
        let batch = u64::try_from(offset).ok()?.checked_div(self.batch_records)?;
        let position = batch.checked_mul(self.batch_bytes)?;
        let size = self.file_bytes.checked_sub(position)?.min(most.max(self.batch_bytes));
        (most > 0).then(|| FileRange { file: Arc::clone(file), position, size })
    }
}

fn send_memory(stream: &TcpStream, bytes: &[u8], more: bool) -> io::Result<()> {
    let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = rest.get(send(stream, rest, flags)?..).unwrap_or_default();
    }
    Ok(())
}

fn send_file(stream: &TcpStream, range: FileRange) -> io::Result<()> {
    let file = range.file.as_std().ok_or(io::ErrorKind::Unsupported)?;
    let (mut position, mut left) = (range.position, range.size);
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(stream, file, Some(&mut position), count)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            sent => left -= sent as u64,
        }
    }
    Ok(())
}
