//! A cluster as seen through its bootstrap address: finds the broker that leads a partition or coordinates a group, and
//! keeps a connection to each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use highwater_wire::messages::metadata_request::MetadataRequestTopic;
use highwater_wire::messages::metadata_response::MetadataResponseTopic;
use highwater_wire::messages::{FindCoordinatorRequest, MetadataRequest, MetadataResponse};
use highwater_wire::{ErrorCode, Request};

use super::{ClientError, Connection, refuse};

/// How long a group's coordinator may take to become available: a fresh cluster makes the topic for it first.
const COORDINATOR_WAIT: Duration = Duration::from_secs(30);
const COORDINATOR_PAUSE: Duration = Duration::from_millis(100);
/// Newer versions ask for many groups at once.
const LAST_VERSION_OF_ONE_KEY: i16 = 3;
const GROUP_KEY: i8 = 0;

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its number.
    pub(crate) id: i32,
    /// Where it listens, as it says.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: i32,
}

/// The brokers that are in use.
pub(crate) struct Cluster {
    /// Where the cluster was found; also serves everything that any broker can answer.
    pub(crate) any: Connection,
    brokers: HashMap<i32, Connection>,
    coordinators: HashMap<String, Node>,
}

impl Cluster {
    /// Connects to the first of `bootstrap` (`HOST:PORT,…`) that answers.
    pub(crate) fn connect(bootstrap: &str) -> Result<Self, ClientError> {
        let mut last = ClientError::NoBootstrap;
        for address in bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match Connection::open(address) {
                Ok(any) => return Ok(Self { any, brokers: HashMap::new(), coordinators: HashMap::new() }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Metadata of `topics`, or of all of them.
    pub(crate) fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, ClientError> {
        let named = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        self.any.call(&request)
    }

    /// Metadata of one topic.
    ///
    /// # Errors
    /// [`ClientError::NoSuchTopic`], [`ClientError::Refused`] with what the broker says of it.
    pub(crate) fn topic(&mut self, name: &str) -> Result<MetadataResponseTopic, ClientError> {
        let found = self.metadata(Some(&[name]))?.topics.into_iter().next();
        let found = found.ok_or_else(|| ClientError::NoSuchTopic(name.to_owned()))?;
        refuse(found.error_code, "Metadata", Some(name))?;
        Ok(found)
    }

    /// The brokers of the cluster.
    pub(crate) fn nodes(&mut self) -> Result<Vec<Node>, ClientError> {
        let brokers = self.metadata(Some(&[]))?.brokers;
        let node = |broker: &highwater_wire::messages::metadata_response::MetadataResponseBroker| Node {
            id: broker.node_id,
            host: broker.host.to_string(),
            port: broker.port,
        };
        Ok(brokers.iter().map(node).collect())
    }

    /// A connection to a broker, kept.
    pub(crate) fn broker(&mut self, node: &Node) -> Result<&mut Connection, ClientError> {
        match self.brokers.entry(node.id) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => {
                Ok(new.insert(Connection::open(&address(&node.host, node.port))?))
            }
        }
    }

    /// A connection to the leader of a partition.
    pub(crate) fn leader(&mut self, topic: &str, partition: i32) -> Result<&mut Connection, ClientError> {
        let metadata = self.metadata(Some(&[topic]))?;
        let found = metadata.topics.first().ok_or_else(|| ClientError::NoSuchTopic(topic.to_owned()))?;
        refuse(found.error_code, "Metadata", Some(topic))?;
        let placed = found.partitions.iter().find(|candidate| candidate.partition_index == partition);
        let placed =
            placed.ok_or_else(|| ClientError::NoSuchPartition { topic: topic.to_owned(), partition })?;
        let broker = metadata.brokers.iter().find(|broker| broker.node_id == placed.leader_id);
        let broker = broker.ok_or_else(|| ClientError::NoLeader { topic: topic.to_owned(), partition })?;
        self.broker(&Node { id: broker.node_id, host: broker.host.to_string(), port: broker.port })
    }

    /// The broker that coordinates `group`. Waits for one that is not available yet.
    pub(crate) fn coordinator(&mut self, group: &str) -> Result<Node, ClientError> {
        if let Some(known) = self.coordinators.get(group) {
            return Ok(known.clone());
        }
        let request = FindCoordinatorRequest {
            key: group.into(),
            key_type: GROUP_KEY,
            ..FindCoordinatorRequest::default()
        };
        let began = Instant::now();
        let answer = loop {
            let answer = self.any.call_up_to(&request, LAST_VERSION_OF_ONE_KEY)?;
            if !is_moving(answer.error_code) || began.elapsed() > COORDINATOR_WAIT {
                break answer;
            }
            std::thread::sleep(COORDINATOR_PAUSE);
        };
        refuse(answer.error_code, "FindCoordinator", answer.error_message.as_deref())?;
        let node = Node { id: answer.node_id, host: answer.host.to_string(), port: answer.port };
        self.coordinators.insert(group.to_owned(), node.clone());
        Ok(node)
    }

    /// Asks the coordinator of `group`, which the broker may let wait for `wait` on purpose; looks for it again while the
    /// `code` of the answer says that it is elsewhere or not ready.
    pub(crate) fn ask_coordinator<R: Request>(
        &mut self,
        group: &str,
        request: &R,
        (newest, wait): (i16, Duration),
        code: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        let began = Instant::now();
        loop {
            let node = self.coordinator(group)?;
            let connection = self.broker(&node)?;
            let answer = match wait {
                Duration::ZERO => connection.call_up_to(request, newest)?,
                wait => connection.call_within(request, newest, wait)?,
            };
            if !is_moving(code(&answer)) || began.elapsed() > wait.saturating_add(COORDINATOR_WAIT) {
                return Ok(answer);
            }
            self.coordinators.remove(group);
            std::thread::sleep(COORDINATOR_PAUSE);
        }
    }
}

/// `HOST:PORT`, as it is resolved.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Whether an answer means: not here, or not yet.
fn is_moving(code: i16) -> bool {
    [ErrorCode::CoordinatorNotAvailable, ErrorCode::CoordinatorLoadInProgress, ErrorCode::NotCoordinator]
        .into_iter()
        .any(|moving| moving.code() == code)
}
