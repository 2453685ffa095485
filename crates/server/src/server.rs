//! Accepts connections and, when told to stop, lets them finish.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use highwater_store_local::ReaderPool;
use parking_lot::Mutex;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authorize::Principal;
use crate::broker::Broker;
use crate::connection::budget::Budget;
use crate::connection::limits::{Connections, Place, leaves_descriptors};
use crate::connection::work::Turns;
use crate::connection::{Shared, serve};
use crate::listener::Listener;
use crate::rate_limit::RateLimited;
use crate::request::ConnectionInfo;
use crate::workers::{Seat, Seats};

/// How long to wait after the system refused a connection, for want of descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners share.
struct Server {
    shared: Shared,
    connections: Arc<Connections>,
    seats: Seats,
    /// Descriptors that the process may have; `None` is no limit.
    descriptors: Option<u64>,
}

/// Serves connections on `listeners` until `stop` turns true and those that are open have ended, at most until
/// `shutdown.timeout.ms` later.
pub(crate) async fn run(
    broker: Arc<Broker>,
    readers: Arc<ReaderPool>,
    listeners: Vec<(Listener, TcpListener)>,
    seats: Seats,
    mut stop: watch::Receiver<bool>,
) {
    let bound = |name: &str| {
        let bytes = broker.settings.number(name).unwrap_or(0);
        u64::try_from(bytes).ok().filter(|bytes| *bytes > 0)
    };
    let requests = Budget::with_kept(bound("queued.max.request.bytes"));
    let answers = Budget::new(bound("queued.max.response.bytes"));
    let deadline = Duration::from_millis(broker.settings.count("shutdown.timeout.ms"));
    broker.metrics.watch_budget(requests.clone());
    let shared = Shared {
        broker: Arc::clone(&broker),
        requests,
        answers,
        turns: Turns::new(),
        readers,
        log: RateLimited::new(),
    };
    let descriptors = getrlimit(Resource::Nofile).current;
    let server = Arc::new(Server { shared, connections: Arc::default(), seats, descriptors });
    let mut accepting = JoinSet::new();
    for (listener, socket) in listeners {
        accepting.spawn(accept(Arc::clone(&server), Arc::new(listener), socket, stop.clone()));
    }
    // Only ends when told to: the sender lives as long as the process.
    let _ = stop.wait_for(|stop| *stop).await;
    broker.stop_waiting();
    let drain = async { while accepting.join_next().await.is_some() {} };
    if tokio::time::timeout(deadline, drain).await.is_err() {
        tracing::warn!("connections were closed with replies due: they took longer than shutdown.timeout.ms");
    }
}

/// Accepts connections until told to stop, then waits for them. Dropping it closes them all.
async fn accept(
    server: Arc<Server>,
    listener: Arc<Listener>,
    socket: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let signal = stop.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = tasks.join_next() => {
                note_panic(ended);
                continue;
            }
            accepted = socket.accept() => accepted,
        };
        let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = admit(&server, &stream, peer) else { continue };
                let info = ConnectionInfo {
                    peer,
                    listener: Arc::clone(&listener),
                    principal: Principal::Anonymous,
                    software: Mutex::new(None),
                };
                let Some((worker, seat)) = server.seats.take() else { continue };
                let held = Held { _place: place, seat };
                tasks.spawn_on(
                    connection(Arc::clone(&server), stream, Arc::new(info), held, signal.clone()),
                    worker,
                );
            }
            Err(error) => {
                server
                    .shared
                    .log
                    .warn(|suppressed| tracing::warn!(%error, suppressed, "cannot accept a connection"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(socket);
    while let Some(ended) = tasks.join_next().await {
        note_panic(ended);
    }
}

/// What a connection gives back at its end.
struct Held {
    _place: Place,
    seat: Seat,
}

async fn connection(
    server: Arc<Server>,
    stream: std::net::TcpStream,
    info: Arc<ConnectionInfo>,
    held: Held,
    stop: watch::Receiver<bool>,
) {
    let metrics = &server.shared.broker.metrics;
    metrics.connections_accepted.increment();
    // It is polled by the worker that it was given to.
    match TcpStream::from_std(stream) {
        Ok(stream) => serve(&server.shared, &held.seat, stream, info, stop).await,
        Err(error) => tracing::warn!(peer = %info.peer, %error, "connection failed"),
    }
    metrics.connections_closed.increment();
}

/// A place for a connection. Without one it is closed at once: those that are served stay.
fn admit(server: &Server, stream: &std::net::TcpStream, peer: SocketAddr) -> Option<Place> {
    let settings = &server.shared.broker.settings;
    let (max, max_by_address) = (settings.count("max.connections"), settings.count("max.connections.per.ip"));
    let place = if leaves_descriptors(stream.as_raw_fd(), server.descriptors) {
        server.connections.admit(peer.ip(), max, max_by_address)
    } else {
        Err("the last file descriptors are left to the store (ulimit -n)")
    };
    let refused = |limit: &'static str| {
        server.shared.broker.metrics.connections_refused.increment();
        server.shared.log.warn(|suppressed| tracing::warn!(%peer, suppressed, "connection refused: {limit}"));
    };
    place.map_err(refused).ok()
}

/// A bug in a handler ends its connection only; the panic's message went to stderr.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection was closed by a bug: its task panicked");
    }
}
