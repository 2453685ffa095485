//! Where clients connect: `listeners`, `advertised.listeners` and `listener.security.protocol.map` with Kafka's syntax.
//!
//! Each listener has a name; every answer names the endpoint that is advertised for the listener on which the request came, so
//! that a client inside a network never sees the address meant for those outside.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name or address, IPv6 without brackets; empty is every interface.
    pub(crate) host: String,
    /// 0 is a free port to listen on, or the port that is listened on where it is advertised.
    pub(crate) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A listener as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenerConfig {
    /// Its name, in capitals.
    pub(crate) name: String,
    /// What to listen on.
    pub(crate) bind: Endpoint,
    /// What clients are told.
    pub(crate) advertised: Endpoint,
}

/// A listener that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// Its name, in capitals.
    pub(crate) name: String,
    /// The address that it listens on, with the real port.
    pub(crate) local: SocketAddr,
    /// What clients are told, with the real port.
    pub(crate) advertised: Endpoint,
}

/// Why the listeners cannot be. `Display` is one line that says what to write.
#[derive(Debug)]
pub(crate) enum ListenerError {
    /// Not `[NAME://]HOST:PORT`.
    Syntax(String),
    /// There is none.
    None,
    /// Two listeners have one name.
    Twice(String),
    /// An advertised listener is not listened on.
    NotListened(String),
    /// A listener on every interface does not say what clients shall connect to.
    NotAdvertised(ListenerName, u16),
    /// An advertised address that nobody can connect to.
    NotConnectable(String),
    /// A listener whose protocol is not served.
    Protocol(String, String),
    /// Not `NAME:PROTOCOL,…`.
    ProtocolMap(String),
    /// The name of a host cannot be resolved.
    Resolve(String, std::io::Error),
    /// The address cannot be listened on.
    Bind(Endpoint, std::io::Error),
}

/// A listener's name.
pub(crate) type ListenerName = String;

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => write!(f, "{text:?} is not a listener: write [NAME://]HOST:PORT"),
            Self::None => f.write_str("there is no listener: write --listen HOST:PORT"),
            Self::Twice(name) => {
                write!(f, "two listeners are called {name}: write --listen NAME://HOST:PORT for each")
            }
            Self::NotListened(name) => {
                write!(f, "{name} is advertised but not listened on: write --listen {name}://HOST:PORT too")
            }
            Self::NotAdvertised(name, port) => write!(
                f,
                "listener {name} is open on every interface, so clients must be told where to connect: \
                 write --advertise {name}://HOST:{port} with a host that they can reach"
            ),
            Self::NotConnectable(text) => {
                write!(
                    f,
                    "{text} cannot be advertised: no client can connect to it; write the host's name or address"
                )
            }
            Self::Protocol(name, protocol) => write!(
                f,
                "listener {name} has the security protocol {protocol}, which is not supported yet: only PLAINTEXT is"
            ),
            Self::ProtocolMap(text) => {
                write!(f, "{text:?} in listener.security.protocol.map is not NAME:PROTOCOL")
            }
            Self::Resolve(host, error) => write!(f, "cannot resolve {host}: {error}"),
            Self::Bind(endpoint, error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen on {endpoint}: the address is in use")
            }
            Self::Bind(endpoint, error) => write!(f, "cannot listen on {endpoint}: {error}"),
        }
    }
}

impl std::error::Error for ListenerError {}

const PLAINTEXT: &str = "PLAINTEXT";
/// Kafka's protocols, which are also the names of their default listeners.
const PROTOCOLS: [&str; 4] = [PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// The three settings, as given. Items are not yet trimmed.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListenerSettings {
    /// `listeners`, or `--listen`.
    pub(crate) listeners: Vec<String>,
    /// `advertised.listeners`, or `--advertise`.
    pub(crate) advertised: Vec<String>,
    /// `listener.security.protocol.map`; `None` when not given, then a name that is no protocol's is plain text.
    pub(crate) protocol_map: Option<String>,
    /// `controller.listener.names`: Kafka's, left out.
    pub(crate) controllers: Vec<String>,
}

/// Makes listeners of the settings.
///
/// # Errors
/// [`ListenerError`].
pub(crate) fn parse(settings: &ListenerSettings) -> Result<Vec<ListenerConfig>, ListenerError> {
    let controllers: Vec<_> =
        settings.controllers.iter().map(|name| name.trim().to_ascii_uppercase()).collect();
    let is_ours = |(name, _): &(String, Endpoint)| !controllers.contains(name);
    let parse_all =
        |texts: &[String]| texts.iter().map(|text| parse_one(text)).collect::<Result<Vec<_>, _>>();
    let listeners: Vec<_> = parse_all(&settings.listeners)?.into_iter().filter(is_ours).collect();
    let advertised: Vec<_> = parse_all(&settings.advertised)?.into_iter().filter(is_ours).collect();
    if listeners.is_empty() {
        return Err(ListenerError::None);
    }
    check_names(&listeners)?;
    check_names(&advertised)?;
    if let Some((name, _)) =
        advertised.iter().find(|(name, _)| !listeners.iter().any(|(known, _)| known == name))
    {
        return Err(ListenerError::NotListened(name.clone()));
    }
    let protocols = parse_protocols(settings.protocol_map.as_deref())?;
    listeners.into_iter().map(|(name, bind)| configure(name, bind, &advertised, &protocols)).collect()
}

fn configure(
    name: String,
    bind: Endpoint,
    advertised: &[(String, Endpoint)],
    protocols: &Option<BTreeMap<String, String>>,
) -> Result<ListenerConfig, ListenerError> {
    let protocol = match protocols {
        Some(map) => {
            map.get(&name).cloned().unwrap_or_else(|| "none in listener.security.protocol.map".to_owned())
        }
        None if PROTOCOLS.contains(&name.as_str()) => name.clone(),
        None => PLAINTEXT.to_owned(),
    };
    if protocol != PLAINTEXT {
        return Err(ListenerError::Protocol(name, protocol));
    }
    let advertised = match advertised.iter().find(|(known, _)| *known == name) {
        Some((_, endpoint)) if is_wildcard(&endpoint.host) => {
            return Err(ListenerError::NotConnectable(format!("{name}://{endpoint}")));
        }
        Some((_, endpoint)) => endpoint.clone(),
        None if is_wildcard(&bind.host) => return Err(ListenerError::NotAdvertised(name, bind.port)),
        None => bind.clone(),
    };
    Ok(ListenerConfig { name, bind, advertised })
}

fn check_names(listeners: &[(String, Endpoint)]) -> Result<(), ListenerError> {
    let mut names: Vec<_> = listeners.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| matches!(pair, [left, right] if left == right)) {
        Some([name, ..]) => Err(ListenerError::Twice((*name).clone())),
        _ => Ok(()),
    }
}

fn parse_one(text: &str) -> Result<(String, Endpoint), ListenerError> {
    let text = text.trim();
    let (name, address) = text.split_once("://").unwrap_or((PLAINTEXT, text));
    let wrong = || ListenerError::Syntax(text.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(inside) => inside,
        None if host.contains(['[', ']']) => return Err(wrong()),
        // Kafka takes IPv6 addresses without brackets too.
        None => host,
    };
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-%._:".contains(letter);
    if name.is_empty() || !host.chars().all(allowed) {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| wrong())?;
    Ok((name.to_ascii_uppercase(), Endpoint { host: host.to_owned(), port }))
}

fn parse_protocols(text: Option<&str>) -> Result<Option<BTreeMap<String, String>>, ListenerError> {
    let Some(text) = text else { return Ok(None) };
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let pairs = items.map(|item| {
        let (name, protocol) =
            item.split_once(':').ok_or_else(|| ListenerError::ProtocolMap(item.to_owned()))?;
        let protocol = protocol.trim().to_ascii_uppercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            return Err(ListenerError::ProtocolMap(item.to_owned()));
        }
        Ok((name.trim().to_ascii_uppercase(), protocol))
    });
    pairs.collect::<Result<_, _>>().map(Some)
}

fn is_wildcard(host: &str) -> bool {
    host.is_empty() || host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

impl ListenerConfig {
    /// Starts to listen; connections wait in the system until they are accepted.
    ///
    /// # Errors
    /// [`ListenerError::Resolve`], [`ListenerError::Bind`].
    pub(crate) async fn bind(&self, backlog: u32) -> Result<(Listener, TcpListener), ListenerError> {
        let failed = |error| ListenerError::Bind(self.bind.clone(), error);
        let socket = listen_on_first(self.addresses().await?, backlog).map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        let mut advertised = self.advertised.clone();
        if advertised.port == 0 {
            advertised.port = local.port();
        }
        Ok((Listener { name: self.name.clone(), local, advertised }, socket))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, ListenerError> {
        let Endpoint { host, port } = &self.bind;
        if host.is_empty() {
            // The first serves IPv4 too, where there is IPv6 at all.
            return Ok(vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()]);
        }
        let found = lookup_host((host.as_str(), *port)).await;
        Ok(found.map_err(|error| ListenerError::Resolve(host.clone(), error))?.collect())
    }
}

/// Listens on the first of the addresses that can be; so many connections wait in the system until they are accepted.
///
/// # Errors
/// What the system says of the first address.
pub(crate) fn listen_on_first(
    addresses: impl IntoIterator<Item = SocketAddr>,
    backlog: u32,
) -> std::io::Result<TcpListener> {
    let mut problem = None;
    for address in addresses {
        match listen(address, backlog) {
            Ok(socket) => return Ok(socket),
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    Err(problem.unwrap_or_else(|| std::io::ErrorKind::AddrNotAvailable.into()))
}

fn listen(address: SocketAddr, backlog: u32) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted broker gets its port back although old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(listeners: &[&str], advertised: &[&str]) -> ListenerSettings {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ListenerSettings {
            listeners: owned(listeners),
            advertised: owned(advertised),
            ..ListenerSettings::default()
        }
    }

    fn error(listeners: &[&str], advertised: &[&str]) -> String {
        parse(&settings(listeners, advertised)).unwrap_err().to_string()
    }

    #[test]
    fn each_listener_has_its_own_advertised_endpoint() {
        let parsed = parse(&settings(
            &["127.0.0.1:9092", "outside://0.0.0.0:9093", "SIX://[::1]:0"],
            &["OUTSIDE://broker.example:19093"],
        ))
        .unwrap();
        let shown: Vec<_> =
            parsed.iter().map(|l| format!("{} {} {}", l.name, l.bind, l.advertised)).collect();
        let expected = [
            "PLAINTEXT 127.0.0.1:9092 127.0.0.1:9092",
            "OUTSIDE 0.0.0.0:9093 broker.example:19093",
            "SIX [::1]:0 [::1]:0",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn every_interface_without_an_advertised_address_says_what_to_write() {
        for open in ["0.0.0.0:9092", ":9092", "[::]:9092", "PLAINTEXT://:9092"] {
            assert!(error(&[open], &[]).contains("write --advertise PLAINTEXT://HOST:9092"), "{open}");
        }
        assert!(error(&["0.0.0.0:9092"], &["0.0.0.0:9092"]).contains("cannot be advertised"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(error(&["x"], &[]).contains("not a listener"));
        assert!(error(&["a:99999"], &[]).contains("not a listener"));
        assert!(error(&["a b:1"], &[]).contains("not a listener"));
        assert!(error(&["[::1:1"], &[]).contains("not a listener"));
        assert!(error(&[], &[]).contains("no listener"));
        assert!(error(&["a:1", "b:2"], &[]).contains("two listeners are called PLAINTEXT"));
        assert!(error(&["a:1"], &["X://b:2"]).contains("X is advertised but not listened on"));
        assert!(error(&["SSL://a:1"], &[]).contains("SSL, which is not supported"));
    }

    #[test]
    fn the_protocol_map_is_kafkas() {
        let mut given = settings(&["IN://a:1"], &[]);
        given.protocol_map = Some("in:plaintext, OUT:SSL".to_owned());
        assert_eq!(parse(&given).unwrap().len(), 1);
        given.protocol_map = Some("IN:SASL_SSL".to_owned());
        assert!(matches!(parse(&given), Err(ListenerError::Protocol(..))));
        given.protocol_map = Some("OUT:PLAINTEXT".to_owned());
        assert!(matches!(parse(&given), Err(ListenerError::Protocol(..))));
        given.protocol_map = Some("IN".to_owned());
        assert!(matches!(parse(&given), Err(ListenerError::ProtocolMap(..))));
    }

    #[test]
    fn kafkas_controller_listeners_are_left_out() {
        let mut given =
            settings(&["PLAINTEXT://a:1", "CONTROLLER://:2"], &["PLAINTEXT://a:1", "CONTROLLER://b:2"]);
        given.controllers = vec!["CONTROLLER".to_owned()];
        assert_eq!(parse(&given).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn port_0_is_advertised_as_the_real_port_and_a_used_one_is_refused() {
        let parsed = parse(&settings(&["127.0.0.1:0"], &["a.example:0"])).unwrap();
        let (listener, _socket) = parsed[0].bind(16).await.unwrap();
        assert_ne!(listener.local.port(), 0);
        assert_eq!(listener.advertised, Endpoint { host: "a.example".into(), port: listener.local.port() });
        let again = parse(&settings(&[&listener.local.to_string()], &[])).unwrap();
        assert!(again[0].bind(16).await.unwrap_err().to_string().contains("in use"));
    }
}
