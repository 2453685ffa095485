//! HTTP for people and programs that watch the broker: `/metrics`, `/status`, `/livez`, `/readyz`. It reads only, and nothing a client
//! does here holds up the broker: a few connections, small requests, short deadlines. Nor does it hold up a probe: who comes
//! finds a place, and the oldest connection that is not being answered goes.

mod pages;
mod places;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::broker::Broker;
use crate::listener::listen_on_first;
use crate::metrics;
use crate::status::Status;
use places::{Answering, Places};

/// Where it listens when nothing is said.
pub(crate) const DEFAULT: &str = "127.0.0.1:9644";
/// What switches it off.
pub(crate) const NONE: &str = "none";

/// Connections at a time.
const CONNECTIONS_MAX: usize = 32;
/// Connections that wait to be accepted: one that finds no place tries again after a second, which is too late for a probe.
const BACKLOG: u32 = 1024;
/// Time for a request's head to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a request's head.
const HEAD_SIZE_MAX: usize = 16 << 10;
/// Looks at the broker at a time, of all that are asked for.
static LOOKS: Semaphore = Semaphore::const_new(1);
/// How long accepting pauses after it failed: most likely there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Nothing.
    None,
    /// The default: in use, it is only a warning.
    Default(String),
    /// This one: in use, the broker does not start.
    Asked(String),
}

impl Address {
    /// What the setting `http.listener` says; `None` where it is not given.
    pub(crate) fn new(given: Option<&str>) -> Self {
        match given {
            None => Self::Default(DEFAULT.to_owned()),
            Some(text) if text.eq_ignore_ascii_case(NONE) => Self::None,
            Some(text) => Self::Asked(text.to_owned()),
        }
    }

    /// Listens.
    ///
    /// # Errors
    /// The address that was asked for and why it cannot be listened on.
    pub(crate) async fn bind(&self) -> Result<Option<TcpListener>, (String, io::Error)> {
        match self {
            Self::None => Ok(None),
            Self::Asked(address) => match bind(address).await {
                Ok(listener) => Ok(Some(listener)),
                Err(error) => Err((address.clone(), error)),
            },
            Self::Default(address) => match bind(address).await {
                Ok(listener) => Ok(Some(listener)),
                Err(error) => {
                    tracing::warn!(address, %error, "no HTTP: --http HOST:PORT names another address, --http none switches it off");
                    Ok(None)
                }
            },
        }
    }
}

async fn bind(address: &str) -> io::Result<TcpListener> {
    listen_on_first(lookup_host(address).await?, BACKLOG)
}

/// Serves until `stop` turns true.
pub(crate) async fn run(broker: Arc<Broker>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let mut places = Places::new(CONNECTIONS_MAX);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (broker, answering) = (Arc::clone(&broker), Answering::default());
                let serving = serve(broker, stream, answering.clone());
                places.room().await;
                // Who takes longer is cut off.
                let serving = tokio::time::timeout(CONNECTION_TIMEOUT, serving);
                places.take(connections.spawn(async { drop(serving.await) }), answering);
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(broker: Arc<Broker>, stream: TcpStream, answering: Answering) {
    let service = service_fn(|request: Request<Incoming>| {
        let (broker, answering) = (Arc::clone(&broker), answering.clone());
        async move {
            let _answering = answering.begin();
            Ok::<_, Infallible>(answer(&broker, &request).await)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_SIZE_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

/// The answer to a request.
async fn answer<B>(broker: &Arc<Broker>, request: &Request<B>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let pages: (&'static str, fn(&Broker) -> String) = match request.uri().path() {
        "/metrics" => ("text/plain; version=0.0.4; charset=utf-8", metrics::page),
        "/status" if wants_json(request) => ("application/json", json),
        "/status.json" => ("application/json", json),
        "/status" | "/" => ("text/html; charset=utf-8", |broker| pages::status(&Status::of(broker))),
        "/readyz" => return ready(broker).await,
        "/livez" => return text(StatusCode::OK, "ok\n".to_owned()),
        _ => {
            let known = "there are /metrics, /status, /livez and /readyz\n";
            return text(StatusCode::NOT_FOUND, known.to_owned());
        }
    };
    let (content_type, write) = pages;
    match gather(broker, write).await {
        Some(page) => with_type(StatusCode::OK, content_type, page),
        None => failed(),
    }
}

async fn ready(broker: &Arc<Broker>) -> Response<Full<Bytes>> {
    match gather(broker, |broker| Status::problems(broker).join("\n")).await {
        Some(problems) if problems.is_empty() => text(StatusCode::OK, "ok\n".to_owned()),
        Some(problems) => text(StatusCode::SERVICE_UNAVAILABLE, problems + "\n"),
        None => failed(),
    }
}

fn json(broker: &Broker) -> String {
    // Numbers and text alone: this cannot fail.
    serde_json::to_string(&Status::of(broker)).unwrap_or_default()
}

/// Looks at the broker on a thread that may take its time: there may be thousands of partitions. `None` when looking
/// failed, which nobody may take for good news.
async fn gather(
    broker: &Arc<Broker>,
    look: impl FnOnce(&Broker) -> String + Send + 'static,
) -> Option<String> {
    let broker = Arc::clone(broker);
    // Never closed. Kept by the look itself, which goes on when nobody waits for it any more.
    let turn = LOOKS.acquire().await.ok()?;
    let looking = move || {
        let _turn = turn;
        look(&broker)
    };
    tokio::task::spawn_blocking(looking).await.ok()
}

fn failed() -> Response<Full<Bytes>> {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the broker cannot be looked at\n".to_owned())
}

fn wants_json<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.contains("application/json") || request.uri().query() == Some("format=json")
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::broker;
    use http_body_util::BodyExt;
    use std::net::SocketAddr;

    async fn get(path: &str, accept: Option<&str>) -> (StatusCode, String, String) {
        let test = broker();
        let mut request = Request::get(path);
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let response = answer(&test.broker, &request.body(()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let content_type = parts.headers[CONTENT_TYPE].to_str().unwrap().to_owned();
        (parts.status, content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_page_comes_in_its_form() {
        let (status, kind, page) = get("/metrics", None).await;
        assert!(
            status == 200 && kind.contains("version=0.0.4") && page.contains("highwater_build_info{version=")
        );
        let (status, kind, page) = get("/status", None).await;
        assert!(status == 200 && kind.starts_with("text/html") && page.contains("<title>"));
        for (path, accept) in
            [("/status", Some("application/json")), ("/status.json", None), ("/status?format=json", None)]
        {
            let (status, kind, page) = get(path, accept).await;
            assert!(status == 200 && kind == "application/json", "{path}");
            let read: serde_json::Value = serde_json::from_str(&page).unwrap();
            assert_eq!(read["node_id"], 1);
        }
        assert_eq!(get("/livez", None).await.0, 200);
        assert_eq!(get("/elsewhere", None).await.0, 404);
    }

    #[tokio::test]
    async fn a_look_that_fails_is_no_good_news() {
        let test = broker();
        assert_eq!(gather(&test.broker, |_| panic!("a bug")).await, None);
        assert_eq!(failed().status(), 500);
    }

    #[tokio::test]
    async fn only_reading_is_served() {
        let test = broker();
        let response = answer(&test.broker, &Request::post("/status").body(()).unwrap()).await;
        assert_eq!(
            (response.status().as_u16(), response.headers()[ALLOW].to_str().unwrap()),
            (405, "GET, HEAD")
        );
    }

    #[tokio::test]
    async fn it_is_ready_until_a_partition_takes_no_records() {
        use std::collections::BTreeMap;
        let test = broker();
        let request = Request::get("/readyz").body(()).unwrap();
        assert_eq!(answer(&test.broker, &request).await.status(), 200);
        let plan = crate::topic_changes::Plan { partitions: 2, configs: BTreeMap::new() };
        test.broker.changes.create("t".into(), Ok(plan), Duration::from_secs(9)).await.unwrap();
        let response = answer(&test.broker, &request).await;
        assert_eq!(response.status(), 503);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "2 partitions are offline\n");
    }

    #[tokio::test]
    async fn an_address_in_use_matters_only_when_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = taken.local_addr().unwrap();
        assert!(Address::Default(address.to_string()).bind().await.unwrap().is_none());
        assert!(Address::new(Some(&address.to_string())).bind().await.is_err());
        assert!(Address::new(Some("None")).bind().await.unwrap().is_none());
        assert_eq!(Address::new(None), Address::Default(DEFAULT.to_owned()));
    }
}
