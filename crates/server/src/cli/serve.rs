//! `highwater serve`: reads the settings, listens, opens the data directory and serves until it is told to stop.
//!
//! Nothing is touched before everything that can be wrong with the settings and listeners was found right.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use highwater_store::{LogStore, MetaError};
use highwater_store_local::OpenError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{ConfigError, Layers, Settings, StaticConfig};
use crate::http;
use crate::listener::{self, Listener, ListenerError, ListenerSettings};
use crate::local::{Opened, open};
use crate::server;
use crate::workers::Workers;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater serve
  highwater serve --data-dir /var/lib/highwater --listen 0.0.0.0:9092 --advertise broker.example:9092
  highwater serve --listen INSIDE://10.0.0.5:9092 --listen OUTSIDE://0.0.0.0:9093 --advertise OUTSIDE://broker.example:9093
  highwater serve --config server.properties --set flush.policy=always")]
pub(super) struct ServeArguments {
    /// The directory that holds everything the broker keeps [default: ./highwater-data].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What to listen on; may be repeated. Port 0 is a free port [default: 127.0.0.1:9092].
    #[arg(long, value_name = "[NAME://]HOST:PORT")]
    listen: Vec<String>,
    /// What clients are told to connect to, where it is not what is listened on; may be repeated.
    #[arg(long, value_name = "[NAME://]HOST:PORT")]
    advertise: Vec<String>,
    /// A file of settings, as Kafka's server.properties.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting; may be repeated. `highwater docs configuration` lists them.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where /metrics, /status, /livez and /readyz are served; `none` switches them off [default: 127.0.0.1:9644, where
    /// a port in use is only a warning].
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// Why the broker does not start, or did not stop cleanly. `Display` is one line.
#[derive(Debug)]
pub(crate) enum ServeError {
    /// The settings are wrong.
    Config(ConfigError),
    /// The listeners are wrong.
    Listener(ListenerError),
    /// The address for HTTP cannot be listened on.
    Http {
        /// What was asked for.
        address: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The data directory cannot be opened.
    Directory(OpenError),
    /// The metadata cannot be read or written.
    Meta(MetaError),
    /// The directory belongs to another node.
    NodeId {
        /// `node.id` of the settings.
        given: i64,
        /// `node.id` of the directory.
        kept: i32,
    },
    /// There are partitions and no metadata.
    MetadataMissing {
        /// The file that is missing.
        path: PathBuf,
        /// A partition's directory that is there.
        found: String,
    },
    /// The process may have too few file descriptors.
    Descriptors {
        /// How many it may have.
        limit: u64,
    },
    /// The system does not give what is needed to run.
    System(std::io::Error),
    /// The data directory was not closed cleanly.
    Close(String),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listener(error) => error.fmt(f),
            Self::Http { address, error } => write!(f, "cannot listen for HTTP on {address}: {error}"),
            Self::Directory(error) => error.fmt(f),
            Self::Meta(error @ (MetaError::Failed(_) | MetaError::Corrupt(_))) => write!(
                f,
                "metadata: {error} (`highwater repair --offline --rebuild-metadata` makes it anew from the partitions)"
            ),
            Self::Meta(error) => write!(f, "metadata: {error}"),
            Self::NodeId { given, kept } => {
                write!(f, "node.id is {given}, but the data directory belongs to node {kept}")
            }
            Self::MetadataMissing { path, found } => write!(
                f,
                "{} is missing, but there is {found}: put the metadata back, or make it anew by \
                 `highwater repair --offline --rebuild-metadata {}`",
                path.display(),
                path.parent().unwrap_or(path).display()
            ),
            Self::Descriptors { limit } => write!(
                f,
                "the limit of file descriptors (ulimit -n) is {limit}; at least {DESCRIPTORS_MIN} are needed"
            ),
            Self::System(error) => error.fmt(f),
            Self::Close(error) => write!(f, "the data directory was not closed cleanly: {error}"),
        }
    }
}

/// Runs the broker until SIGTERM or Ctrl-C.
pub(super) fn serve(arguments: ServeArguments) -> Result<(), ServeError> {
    let config = settings_of(&arguments).map_err(ServeError::Config)?;
    start_log(arguments.log_format);
    report(&config);
    raise_descriptor_limit()?;
    let listeners = listener::parse(&listeners_of(&config)).map_err(ServeError::Listener)?;
    let http = http::Address::new(config.values.get("http.listener").map(String::as_str));
    let settings = Arc::new(Settings::new(Layers { given: config.values, ..Layers::default() }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    runtime.block_on(async {
        let backlog = u32::try_from(settings.count("socket.listen.backlog.size")).unwrap_or(u32::MAX);
        let mut sockets = Vec::with_capacity(listeners.len());
        for listener in &listeners {
            sockets.push(listener.bind(backlog).await.map_err(ServeError::Listener)?);
        }
        let http = http.bind().await.map_err(|(address, error)| ServeError::Http { address, error })?;
        run(settings, sockets, http).await
    })
}

/// File descriptors without which the store's files would leave none to clients.
const DESCRIPTORS_MIN: u64 = 256;

/// Uses as many descriptors as the system allows without asking, as the JVM does: the soft limit is often 1024.
fn raise_descriptor_limit() -> Result<(), ServeError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, limit = limit.current, "the limit of file descriptors stays");
    }
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < DESCRIPTORS_MIN => Err(ServeError::Descriptors { limit }),
        _ => Ok(()),
    }
}

/// Threads for what blocks and has no thread of its own.
const BLOCKING_THREADS: usize = 2;
/// Worker threads at most, unless told otherwise.
const WORKERS_MAX: usize = 4;

fn worker_threads(settings: &Settings) -> usize {
    match settings.number("num.network.threads").and_then(|count| usize::try_from(count).ok()) {
        Some(count) => count.max(1),
        None => std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX),
    }
}

async fn run(
    settings: Arc<Settings>,
    sockets: Vec<(Listener, TcpListener)>,
    http: Option<TcpListener>,
) -> Result<(), ServeError> {
    let (stopper, stop) = watch::channel(false);
    let signals = stop_signals().map_err(ServeError::System)?;
    let workers = Workers::start(worker_threads(&settings)).map_err(ServeError::System)?;
    let Opened { broker, store, meta } = open(settings).await?;
    let address = sockets.first().map(|(listener, _)| listener.local.to_string()).unwrap_or_default();
    for (listener, _) in &sockets {
        tracing::info!(name = listener.name, address = %listener.local, advertised = %listener.advertised, "listening");
    }
    let watching = http.map(|listener| {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "HTTP: /metrics, /status, /livez, /readyz");
        }
        tokio::spawn(http::run(Arc::clone(&broker), listener, stop.clone()))
    });
    println!("ready {address}");
    // Whoever waits for the line reads a pipe.
    let _ = std::io::stdout().flush();
    let serving =
        tokio::spawn(server::run(broker, Arc::clone(store.readers()), sockets, workers.seats(), stop));
    signals.await;
    tracing::info!("stopping");
    let _ = stopper.send(true);
    if serving.await.is_err() {
        tracing::error!("the server panicked");
    }
    if let Some(watching) = watching {
        let _ = watching.await;
    }
    let closed = store.close().await;
    let closing = tokio::task::spawn_blocking(move || meta.close());
    let _ = closing.await;
    closed.map_err(|error| ServeError::Close(error.to_string()))
}

/// Resolves at SIGTERM or SIGINT; both are caught from the call on.
fn stop_signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The settings of file, environment, `--set` and flags, later ones winning.
fn settings_of(arguments: &ServeArguments) -> Result<StaticConfig, ConfigError> {
    let mut config = StaticConfig::default();
    if let Some(path) = &arguments.config {
        config.add_file(path)?;
    }
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    config.add_environment(variables)?;
    config.add_arguments(arguments.set.iter().map(String::as_str))?;
    if let Some(path) = &arguments.data_dir {
        config.set("data.dir", &path.to_string_lossy())?;
    }
    if let Some(address) = &arguments.http {
        config.set("http.listener", address)?;
    }
    if !arguments.listen.is_empty() {
        config.set("listeners", &arguments.listen.join(","))?;
    }
    if !arguments.advertise.is_empty() {
        config.set("advertised.listeners", &arguments.advertise.join(","))?;
    }
    Ok(config)
}

fn listeners_of(config: &StaticConfig) -> ListenerSettings {
    let list = |name: &str| {
        let items =
            config.values.get(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
        items.unwrap_or_default().into_iter().filter(|item| !item.trim().is_empty()).collect::<Vec<_>>()
    };
    let listeners = if config.values.contains_key("listeners") {
        list("listeners")
    } else {
        vec![DEFAULT_LISTENER.to_owned()]
    };
    ListenerSettings {
        listeners,
        advertised: list("advertised.listeners"),
        protocol_map: config.values.get("listener.security.protocol.map").cloned(),
        controllers: list("controller.listener.names"),
    }
}

/// The default of `listeners`.
const DEFAULT_LISTENER: &str = "PLAINTEXT://127.0.0.1:9092";

fn start_log(format: LogFormat) {
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::INFO);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Fails only when a subscriber is set already, which no other place does.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(is_terminal).with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

fn report(config: &StaticConfig) {
    if !config.ignored.is_empty() {
        let names: Vec<_> = config.ignored.iter().map(String::as_str).collect();
        tracing::info!("settings without meaning here, ignored: {}", names.join(", "));
    }
    if !config.unknown_variables.is_empty() {
        tracing::warn!("environment variables that are no settings: {}", config.unknown_variables.join(", "));
    }
    let changes_flushing = |name: &str| config.values.contains_key(name);
    if changes_flushing("log.flush.interval.messages") || changes_flushing("log.flush.interval.ms") {
        tracing::warn!(
            "log.flush.interval.* replace flush.policy: acks=all waits only for the syncs that they force"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        serve: ServeArguments,
    }

    fn config(arguments: &[&str]) -> StaticConfig {
        let words = std::iter::once("serve").chain(arguments.iter().copied());
        settings_of(&Whole::parse_from(words).serve).unwrap()
    }

    #[test]
    fn flags_are_settings_and_win() {
        let config =
            config(&["--listen", "a:1", "--listen", "X://b:2", "--set", "listeners=c:3", "--data-dir", "/d"]);
        let listeners = listeners_of(&config);
        assert_eq!(listeners.listeners, ["a:1", "X://b:2"]);
        assert_eq!(config.values.get("data.dir").map(String::as_str), Some("/d"));
    }

    #[test]
    fn without_anything_it_listens_on_this_machine_only() {
        let listeners = listener::parse(&listeners_of(&StaticConfig::default())).unwrap();
        assert_eq!(listeners[0].bind.to_string(), "127.0.0.1:9092");
        let table = crate::config::broker_setting("listeners").unwrap();
        assert_eq!(table.default, Some(DEFAULT_LISTENER));
    }
}
