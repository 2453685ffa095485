//! Accepts connections and, when told to stop, lets them finish.

use std::sync::Arc;
use std::time::Duration;

use highwater_store_local::ReaderPool;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authorize::Principal;
use crate::broker::Broker;
use crate::connection::budget::Budget;
use crate::connection::limits::{Connections, Place};
use crate::connection::{Shared, serve};
use crate::listener::Listener;
use crate::rate_limit::RateLimited;
use crate::request::ConnectionInfo;

/// How long to wait after the system refused a connection, for want of descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all listeners share.
struct Server {
    shared: Shared,
    connections: Arc<Connections>,
}

/// Serves connections on `listeners` until `stop` turns true and those that are open have ended, at most until
/// `shutdown.timeout.ms` later.
pub(crate) async fn run(
    broker: Arc<Broker>,
    readers: Arc<ReaderPool>,
    listeners: Vec<(Listener, TcpListener)>,
    mut stop: watch::Receiver<bool>,
) {
    let bytes = broker.settings.number("queued.max.request.bytes").unwrap_or(0);
    let budget = Budget::new(u64::try_from(bytes).ok().filter(|bytes| *bytes > 0));
    let deadline = Duration::from_millis(broker.settings.count("shutdown.timeout.ms"));
    broker.metrics.watch_budget(budget.clone());
    let groups = Arc::clone(&broker.groups);
    let shared = Shared { broker, budget, readers, log: RateLimited::new() };
    let server = Arc::new(Server { shared, connections: Arc::default() });
    let mut accepting = JoinSet::new();
    for (listener, socket) in listeners {
        accepting.spawn(accept(Arc::clone(&server), Arc::new(listener), socket, stop.clone()));
    }
    // Only ends when told to: the sender lives as long as the process.
    let _ = stop.wait_for(|stop| *stop).await;
    groups.stop();
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
        match accepted {
            Ok((stream, peer)) => {
                let Some(place) = admit(&server, peer) else { continue };
                let info = ConnectionInfo {
                    peer,
                    listener: Arc::clone(&listener),
                    principal: Principal::Anonymous,
                    software: Mutex::new(None),
                };
                tasks.spawn(connection(Arc::clone(&server), stream, Arc::new(info), place, signal.clone()));
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

async fn connection(
    server: Arc<Server>,
    stream: TcpStream,
    info: Arc<ConnectionInfo>,
    _place: Place,
    stop: watch::Receiver<bool>,
) {
    let metrics = &server.shared.broker.metrics;
    metrics.connections_accepted.increment();
    serve(&server.shared, stream, info, stop).await;
    metrics.connections_closed.increment();
}

fn admit(server: &Server, peer: std::net::SocketAddr) -> Option<Place> {
    let settings = &server.shared.broker.settings;
    let (max, max_by_address) = (settings.count("max.connections"), settings.count("max.connections.per.ip"));
    match server.connections.admit(peer.ip(), max, max_by_address) {
        Ok(place) => Some(place),
        Err(limit) => {
            server.shared.broker.metrics.connections_refused.increment();
            server
                .shared
                .log
                .warn(|suppressed| tracing::warn!(%peer, suppressed, "connection refused: {limit}"));
            None
        }
    }
}

/// A bug in a handler ends its connection only; the panic's message went to stderr.
fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection was closed by a bug: its task panicked");
    }
}
