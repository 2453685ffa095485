//! One connection: one task that reads frames, has them handled, and writes the replies in the order of the requests.
//!
//! Reading and writing go on side by side: the next request starts as soon as the one before it has its place, while
//! replies wait for what they promise. At most [`PIPELINE_MAX`] replies wait; then nothing more is read. Bytes of requests
//! are bounded over all connections ([`budget`]).

pub(crate) mod budget;
pub(crate) mod frames;
pub(crate) mod limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use highwater_store_local::ReaderPool;
use highwater_wire::ApiKey;
use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use crate::broker::Broker;
use crate::dispatch::dispatch;
use crate::rate_limit::RateLimited;
use crate::reply::write_frame;
use crate::request::{ConnectionInfo, Reply};
use budget::{Budget, Share};
use frames::{FrameError, FrameReader};

/// Replies of one connection that may wait at a time.
const PIPELINE_MAX: usize = 128;
/// How long a request is handled before it matters whether its client is still there.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a connection that is closed by us is still read, so that the last replies are not lost to a reset.
const LINGER: Duration = Duration::from_millis(500);
/// Most bytes that are read and thrown away meanwhile.
const LINGER_BYTES: usize = 1 << 20;

/// What every connection of a server shares.
pub(crate) struct Shared {
    /// The broker.
    pub(crate) broker: Arc<Broker>,
    /// Bytes of requests over all connections.
    pub(crate) budget: Budget,
    /// Threads that may wait for the disk.
    pub(crate) readers: Arc<ReaderPool>,
    /// Lines about connections.
    pub(crate) log: RateLimited,
}

/// A reply in its place, with what its request holds of the budget.
struct Due {
    reply: Reply,
    /// For the statistics: which API, and when its request was taken up.
    api: Option<ApiKey>,
    began: Instant,
    _share: Share,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client closed it.
    Client,
    /// The server stops.
    Stop,
    /// Nothing happened for too long.
    Idle,
    /// The client sent what cannot be understood, or an error under acks=0.
    Refused(String),
    /// The socket failed.
    Failed(std::io::Error),
}

/// Serves a connection until it ends; when `stop` turns true, after the replies that are due. Dropping it closes the
/// connection; what was appended stays so.
pub(crate) async fn serve(
    shared: &Shared,
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    stop: watch::Receiver<bool>,
) {
    // Replies are written whole; waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    let stream = Arc::new(stream);
    let idle = idle_limit(&shared.broker);
    let waiting = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel(PIPELINE_MAX);
    let end = {
        let reading = read(shared, &stream, &info, stop, (sender, &waiting), idle);
        let writing = write(shared, &stream, receiver, &waiting, idle);
        tokio::pin!(reading, writing);
        tokio::select! {
            // Nothing can be answered any more.
            written = &mut writing => written.err().unwrap_or(End::Client),
            end = &mut reading => writing.await.err().unwrap_or(end),
        }
    };
    match end {
        End::Client | End::Idle => {}
        End::Stop => linger(&stream).await,
        End::Refused(reason) => {
            shared.broker.metrics.connections_faulty.increment();
            shared.log.warn(|suppressed| {
                tracing::warn!(peer = %info.peer, suppressed, "connection closed: {reason}");
            });
            linger(&stream).await;
        }
        End::Failed(error) => tracing::debug!(peer = %info.peer, %error, "connection failed"),
    }
}

fn idle_limit(broker: &Broker) -> Option<Duration> {
    let ms = broker.settings.number("connections.max.idle.ms").unwrap_or(-1);
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// Reads and handles requests. Dropping the sender at its end lets the writer finish.
async fn read(
    shared: &Shared,
    stream: &TcpStream,
    info: &Arc<ConnectionInfo>,
    mut stop: watch::Receiver<bool>,
    (sender, waiting): (mpsc::Sender<Due>, &AtomicUsize),
    idle: Option<Duration>,
) -> End {
    let limit =
        usize::try_from(shared.broker.settings.count("socket.request.max.bytes")).unwrap_or(usize::MAX);
    let mut frames = FrameReader::new(limit, idle);
    loop {
        let is_busy = || waiting.load(Ordering::Relaxed) > 0;
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return End::Stop,
            next = frames.next(stream, &shared.budget, is_busy) => next,
        };
        let (frame, share) = match next {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Client,
            Err(FrameError::Idle) => return End::Idle,
            Err(FrameError::Io(error)) => return End::Failed(error),
            Err(FrameError::Refused(reason)) => return End::Refused(reason),
        };
        let began = Instant::now();
        shared.broker.metrics.received_bytes.add(frame.len() as u64);
        let dispatched = tokio::select! {
            biased;
            dispatched = dispatch(&shared.broker, info, frame) => dispatched,
            () = gone(stream) => return End::Client,
        };
        match dispatched.reply {
            Reply::Nothing => {}
            Reply::Close(reason) => return End::Refused(reason),
            reply => {
                waiting.fetch_add(1, Ordering::Relaxed);
                let due = Due { reply, api: dispatched.api, began, _share: share };
                if sender.send(due).await.is_err() {
                    return End::Client;
                }
            }
        }
        if !dispatched.mute.is_zero() {
            let ms = u64::try_from(dispatched.mute.as_millis()).unwrap_or(u64::MAX);
            shared.broker.metrics.throttled_ms.add(ms);
            tokio::time::sleep(dispatched.mute).await;
        }
    }
}

/// Resolves when the client has closed its side while a request waits long, a JoinGroup for other members: what the request
/// began goes on without it, and its descriptor is free. Bytes behind the request end the watch.
async fn gone(stream: &TcpStream) {
    tokio::time::sleep(PATIENCE).await;
    match stream.ready(Interest::READABLE).await {
        Ok(ready) if ready.is_read_closed() => {}
        _ => std::future::pending().await,
    }
}

/// Writes replies in order until there are no more.
async fn write(
    shared: &Shared,
    stream: &Arc<TcpStream>,
    mut due: mpsc::Receiver<Due>,
    waiting: &AtomicUsize,
    idle: Option<Duration>,
) -> Result<(), End> {
    let (metrics, readers) = (&shared.broker.metrics, &shared.readers);
    while let Some(Due { mut reply, api, began, _share }) = due.recv().await {
        loop {
            match reply {
                Reply::Nothing => break,
                Reply::Close(reason) => return Err(End::Refused(reason)),
                Reply::Later(future) => reply = future.await,
                Reply::Now(frame) => {
                    metrics.sent_bytes.add(frame.size());
                    if let Some(api) = api.and_then(|api| metrics.api(api)) {
                        api.answered(began.elapsed(), frame.errors());
                    }
                    write_frame(stream, frame, readers, idle).await.map_err(End::Failed)?;
                    break;
                }
            }
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Closes our side, and reads on for a moment: closing with unread bytes would reset the connection, and the client
/// might lose replies that it has not read yet.
async fn linger(stream: &TcpStream) {
    if shutdown(stream, Shutdown::Write).is_err() {
        return;
    }
    let drain = async {
        let (mut buffer, mut read) = (vec![0; 4096], 0);
        while read < LINGER_BYTES && stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => read += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}
