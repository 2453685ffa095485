//! One connection: one task that reads frames, has them handled, and writes the replies in the order of the requests.
//!
//! Reading and writing go on side by side: the next request starts as soon as the one before it has its place, while
//! replies wait for what they promise. At most [`PIPELINE_MAX`] replies wait; then nothing more is read. Bytes of requests
//! and of answers are bounded over all connections ([`budget`]), and so is what becomes of them in between ([`work`]). After a large
//! request or some small ones it is another connection's turn, so that who pipelines without end is no faster than who waits for answers; and of
//! those who do, few are waited for ([`Seat::turn`]).

pub(crate) mod budget;
mod buffer;
pub(crate) mod frames;
pub(crate) mod limits;
pub(crate) mod work;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use highwater_store_local::ReaderPool;
use highwater_wire::ApiKey;
use rustix::net::{Shutdown, shutdown};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::broker::Broker;
use crate::dispatch::Dispatched;
use crate::rate_limit::RateLimited;
use crate::reply::Outgoing;
use crate::request::{ConnectionInfo, Reply};
use crate::workers::Seat;
use budget::{Budget, Share};
use frames::{Due, Dues, FrameError, FrameReader};
use work::Turns;

/// Replies of one connection that may wait at a time.
const PIPELINE_MAX: usize = 128;
/// Bytes of requests in a turn of a connection that brings one after the other.
const TURN_BYTES: usize = 32 << 10;
/// What a small request counts for.
const TURN_BYTES_MIN: usize = 8 << 10;
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
    pub(crate) requests: Budget,
    /// Bytes of answers over all connections, without what is sent from files.
    pub(crate) answers: Budget,
    /// Whose turn it is to have a large request decoded.
    pub(crate) turns: Turns,
    /// Threads that may wait for the disk.
    pub(crate) readers: Arc<ReaderPool>,
    /// Lines about connections.
    pub(crate) log: RateLimited,
}

/// A reply in its place, with what its request and itself hold of the budgets.
struct Owed<'a> {
    reply: Reply,
    /// For the statistics: which API, and when its request was taken up.
    api: Option<ApiKey>,
    began: Instant,
    answer: Share,
    _request: Share,
    _due: Due<'a>,
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
    seat: &Seat,
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    stop: watch::Receiver<bool>,
) {
    // Replies are written whole; waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    let (mut source, sink) = stream.into_split();
    let sink = Arc::new(sink);
    let idle = idle_limit(&shared.broker);
    let dues = Dues::default();
    let (sender, receiver) = mpsc::channel(PIPELINE_MAX);
    let end = {
        let reading = read(shared, seat, &mut source, &info, stop, (sender, &dues), idle);
        let writing = write(shared, (&sink, seat.sending()), receiver, idle);
        tokio::pin!(reading, writing);
        tokio::select! {
            // Nothing can be answered any more.
            written = &mut writing => written.err().unwrap_or(End::Client),
            end = &mut reading => writing.await.err().unwrap_or(end),
        }
    };
    match end {
        End::Client | End::Idle => {}
        End::Stop => linger(source.as_ref()).await,
        End::Refused(reason) => {
            shared.broker.metrics.connections_faulty.increment();
            shared.log.warn(|suppressed| {
                tracing::warn!(peer = %info.peer, suppressed, "connection closed: {reason}");
            });
            linger(source.as_ref()).await;
        }
        End::Failed(error) => tracing::debug!(peer = %info.peer, %error, "connection failed"),
    }
}

fn idle_limit(broker: &Broker) -> Option<Duration> {
    let ms = broker.settings.number("connections.max.idle.ms").unwrap_or(-1);
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// Reads and handles requests. Dropping the sender at its end lets the writer finish.
async fn read<'a>(
    shared: &Shared,
    seat: &Seat,
    stream: &mut OwnedReadHalf,
    info: &Arc<ConnectionInfo>,
    mut stop: watch::Receiver<bool>,
    (sender, dues): (mpsc::Sender<Owed<'a>>, &'a Dues),
    idle: Option<Duration>,
) -> End {
    let limit =
        usize::try_from(shared.broker.settings.count("socket.request.max.bytes")).unwrap_or(usize::MAX);
    let mut frames = FrameReader::new(limit, idle);
    let mut brought = 0;
    loop {
        let mut turn = None;
        if brought >= TURN_BYTES {
            turn = seat.turn().await;
            brought = 0;
        }
        let mut one = pin!(read_one(shared, stream, info, &mut stop, (&sender, dues), &mut frames));
        let first = poll_once(one.as_mut()).await;
        // Who waits lets others go on.
        drop(turn);
        let taken = match first {
            Poll::Ready(taken) => taken,
            Poll::Pending => one.await,
        };
        match taken {
            Ok(Some(size)) => brought += size.max(TURN_BYTES_MIN),
            Ok(None) => brought = 0,
            Err(end) => return end,
        }
    }
}

/// Reads a request and has it handled. Its size, when the client did not wait for the answer to the one before or has sent more.
async fn read_one<'a>(
    shared: &Shared,
    stream: &mut OwnedReadHalf,
    info: &Arc<ConnectionInfo>,
    stop: &mut watch::Receiver<bool>,
    (sender, dues): (&mpsc::Sender<Owed<'a>>, &'a Dues),
    frames: &mut FrameReader,
) -> Result<Option<usize>, End> {
    let next = tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => return Err(End::Stop),
        next = frames.next(stream, &shared.requests, dues) => next,
    };
    let (frame, request) = match next {
        Ok(Some(frame)) => frame,
        Ok(None) => return Err(End::Client),
        Err(FrameError::Idle) => return Err(End::Idle),
        Err(FrameError::Io(error)) => return Err(End::Failed(error)),
        Err(FrameError::Refused(reason)) => return Err(End::Refused(reason)),
    };
    let (began, size) = (Instant::now(), frame.len());
    shared.broker.metrics.received_bytes.add(size as u64);
    let handled = tokio::select! {
        biased;
        handled = work::handle(shared, info, frame, dues) => handled,
        () = gone((*stream).as_ref()) => return Err(End::Client),
    };
    let (Dispatched { reply, mute, api }, answer) = handled;
    match reply {
        Reply::Nothing => {}
        Reply::Close(reason) => return Err(End::Refused(reason)),
        reply => {
            let due = dues.add(size, &request);
            let owed = Owed { reply, api, began, answer, _request: request, _due: due };
            sender.send(owed).await.map_err(|_| End::Client)?;
        }
    }
    if !mute.is_zero() {
        shared.broker.metrics.throttled_ms.add(u64::try_from(mute.as_millis()).unwrap_or(u64::MAX));
        tokio::time::sleep(mute).await;
    }
    Ok((frames.has_more() || dues.several()).then_some(size))
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

/// Writes replies in order until there are no more. Replies that are ready one after the other are sent together.
async fn write(
    shared: &Shared,
    (stream, sending): (&Arc<OwnedWriteHalf>, &Semaphore),
    mut owed: mpsc::Receiver<Owed<'_>>,
    idle: Option<Duration>,
) -> Result<(), End> {
    let metrics = &shared.broker.metrics;
    let mut outgoing = Outgoing::new(stream, (&shared.readers, sending), &shared.answers, idle);
    loop {
        let next = match owed.try_recv() {
            Ok(next) => Some(next),
            Err(_) => {
                outgoing.flush().await.map_err(End::Failed)?;
                owed.recv().await
            }
        };
        let Some(Owed { reply, api, began, mut answer, _request, _due }) = next else { return Ok(()) };
        let was_there = matches!(reply, Reply::Now(_));
        let reply = resolved(reply, &mut outgoing).await.map_err(End::Failed)?;
        if !was_there {
            let size = work::size_of(&reply);
            work::pay(&shared.answers, &mut answer, size).await;
        }
        match reply {
            Reply::Close(reason) => {
                outgoing.flush().await.map_err(End::Failed)?;
                return Err(End::Refused(reason));
            }
            Reply::Now(frame) => {
                metrics.sent_bytes.add(frame.size());
                if let Some(api) = api.and_then(|api| metrics.api(api)) {
                    api.answered(began.elapsed(), frame.errors());
                }
                outgoing.push(frame, answer).await.map_err(End::Failed)?;
            }
            Reply::Nothing | Reply::Later(_) => {}
        }
    }
}

/// Polls a future once and does not wait for it.
async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// What a reply comes to. Before it is waited for, what is ready is sent.
async fn resolved(mut reply: Reply, outgoing: &mut Outgoing<'_>) -> std::io::Result<Reply> {
    while let Reply::Later(mut future) = reply {
        reply = match poll_once(future.as_mut()).await {
            Poll::Ready(next) => next,
            Poll::Pending => {
                outgoing.flush().await?;
                future.await
            }
        };
    }
    Ok(reply)
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
