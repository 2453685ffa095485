//! `highwater bench floor append`: takes records from our own client. What is in it cannot be left out: a frame must be read, a checksum
//! checked, bytes written, a sync awaited by all that came before it, an answer sent.
//!
//! A thread for each connection reads, checks and writes; one thread syncs and answers. Everything goes to one file: more files
//! would be more work.

use std::io::{IoSlice, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use clap::Args;
use highwater_wire::frame::FrameSize;
use highwater_wire::record::verify;
use parking_lot::{Condvar, Mutex};
use rustix::net::{RecvFlags, recv};

use super::file::{Chunk, FileArguments, LogFile};
use super::produce_frame::ProduceFrame;
use super::server::{self, Ended, FRAME_BYTES_MAX, Topics};
use crate::cli::bench::batch::put;
use crate::client::ClientError;

/// What is read at once.
const BUFFER_BYTES: usize = 1 << 20;
/// Bytes that may wait for a direct write.
const CHUNK_BYTES_MAX: usize = 32 << 20;

/// Arguments of `highwater bench floor append`.
#[derive(Debug, Args)]
pub(super) struct Append {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9192")]
    listen: SocketAddr,
    #[command(flatten)]
    file: FileArguments,
    /// Answer when the bytes are written, without a sync.
    #[arg(long)]
    no_sync: bool,
}

/// Serves.
pub(super) fn run(arguments: &Append, out: &mut dyn Write) -> Result<(), ClientError> {
    let listener = TcpListener::bind(arguments.listen)?;
    start(&listener, arguments, out)
}

/// Serves on a listener.
pub(super) fn start(
    listener: &TcpListener,
    arguments: &Append,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let state = Arc::new(State {
        address: listener.local_addr()?,
        topics: Topics::default(),
        file: arguments.file.create()?,
        is_direct: arguments.file.is_direct(),
        syncs: !arguments.no_sync,
        next_offset: AtomicI64::new(0),
        round: Mutex::default(),
        changed: Condvar::new(),
    });
    if state.syncs || state.is_direct {
        let state = Arc::clone(&state);
        std::thread::Builder::new().name("floor-sync".to_owned()).spawn(move || sync(&state))?;
    }
    Ok(server::serve(listener, &state, out, connection)?)
}

struct State {
    address: SocketAddr,
    topics: Topics,
    file: LogFile,
    is_direct: bool,
    syncs: bool,
    next_offset: AtomicI64,
    round: Mutex<Round>,
    changed: Condvar,
}

/// What waits for the next sync.
#[derive(Default)]
struct Round {
    /// Answers to be sent after it.
    answers: Vec<(Arc<TcpStream>, Vec<u8>)>,
    /// Bytes to be written before it, when they are written past the page cache.
    chunk: Chunk,
}

/// Rounds, for ever: takes what waits, makes it durable, answers.
fn sync(state: &State) {
    let (mut chunk, mut spare) = (Chunk::default(), Chunk::default());
    loop {
        let answers = {
            let mut round = state.round.lock();
            while round.answers.is_empty() {
                state.changed.wait(&mut round);
            }
            if state.is_direct {
                spare.follow(&round.chunk);
                std::mem::swap(&mut round.chunk, &mut spare);
                std::mem::swap(&mut chunk, &mut spare);
                state.changed.notify_all();
            }
            std::mem::take(&mut round.answers)
        };
        let written = if state.is_direct { state.file.append_direct(&chunk) } else { Ok(()) };
        let durable = written.and_then(|()| if state.syncs { state.file.sync() } else { Ok(()) });
        if let Err(error) = durable {
            // Without answers the client fails, too.
            eprintln!("floor: {error}");
            return;
        }
        for (stream, bytes) in answers {
            // A connection that has gone shows where it is read.
            let _ = server::write(&stream, &bytes);
        }
    }
}

fn connection(stream: &TcpStream, state: &State) -> Result<(), Ended> {
    let shared = Arc::new(stream.try_clone()?);
    let (mut buffer, mut filled) = (vec![0; BUFFER_BYTES], 0);
    loop {
        let (_, count) = recv(stream, buffer.get_mut(filled..).unwrap_or_default(), RecvFlags::empty())?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        let frames = frames(buffer.get(..filled).unwrap_or_default())?;
        let done = frames.last().map_or(0, |(start, size)| start + size);
        take(stream, &shared, state, &mut buffer, &frames)?;
        buffer.copy_within(done..filled, 0);
        filled -= done;
        if let Some(prefix) = buffer.first_chunk().filter(|_| filled >= FrameSize::PREFIX) {
            let size = FrameSize::check(*prefix, FRAME_BYTES_MAX).map_err(|_| Ended::NotServed)?;
            let needed = size.0 + FrameSize::PREFIX;
            buffer.resize(buffer.len().max(needed), 0);
        }
    }
}

/// The whole frames in what was read: where each begins behind its size, and its size.
fn frames(bytes: &[u8]) -> Result<Vec<(usize, usize)>, Ended> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(prefix) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let size = FrameSize::check(*prefix, FRAME_BYTES_MAX).map_err(|_| Ended::NotServed)?;
        let start = at + FrameSize::PREFIX;
        if start + size.0 > bytes.len() {
            break;
        }
        found.push((start, size.0));
        at = start + size.0;
    }
    Ok(found)
}

/// Checks, writes and answers what is in the frames.
fn take(
    stream: &TcpStream,
    shared: &Arc<TcpStream>,
    state: &State,
    buffer: &mut [u8],
    frames: &[(usize, usize)],
) -> Result<(), Ended> {
    let (mut batches, mut answers) = (Vec::new(), Vec::new());
    for (start, size) in frames {
        let frame = buffer.get(*start..start + size).unwrap_or_default();
        let Some(found) = ProduceFrame::parse(frame) else {
            let answer = state.topics.answer(Bytes::copy_from_slice(frame), state.address)?;
            server::send(stream, &answer)?;
            continue;
        };
        let header = frame.get(found.records.clone()).and_then(|batch| verify(batch).ok());
        let count = i64::from(header.ok_or(Ended::NotServed)?.record_count);
        let base_offset = state.next_offset.fetch_add(count, Ordering::Relaxed);
        if found.acks != 0 {
            found.answer(frame, base_offset, &mut answers).ok_or(Ended::NotServed)?;
        }
        let records = start + found.records.start..start + found.records.end;
        put(buffer, records.start, &base_offset.to_be_bytes());
        batches.push(records);
    }
    if batches.is_empty() {
        return Ok(());
    }
    let batches = batches.into_iter().filter_map(|records| buffer.get(records));
    if state.is_direct {
        let mut round = state.round.lock();
        while round.chunk.len() >= CHUNK_BYTES_MAX {
            state.changed.wait(&mut round);
        }
        batches.for_each(|batch| round.chunk.push(batch));
        round.answers.push((Arc::clone(shared), answers));
        state.changed.notify_all();
        return Ok(());
    }
    let mut slices: Vec<IoSlice<'_>> = batches.map(IoSlice::new).collect();
    state.file.append(&mut slices)?;
    if state.syncs {
        state.round.lock().answers.push((Arc::clone(shared), answers));
        state.changed.notify_all();
    } else {
        server::write(stream, &answers)?;
    }
    Ok(())
}
