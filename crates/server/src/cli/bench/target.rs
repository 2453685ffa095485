//! Where a benchmark sends to and reads from: a topic, its partitions and the connections to their leaders.

use std::collections::BTreeMap;

use clap::Args;

use super::topic;
use crate::client::{ClientError, Cluster, Connection, refuse};

/// Connections when none are said: what one more brings is little.
const CONNECTIONS: usize = 4;

/// Which topic.
#[derive(Debug, Clone, Args)]
pub(super) struct TopicArguments {
    /// A topic that exists and is kept; without it one is made and deleted at the end.
    #[arg(long)]
    topic: Option<String>,
    /// Partitions of the topic that is made.
    #[arg(long, default_value_t = 1)]
    partitions: usize,
    /// A setting of the topic that is made; may be repeated.
    #[arg(long = "config", value_name = "NAME=VALUE")]
    configs: Vec<String>,
    /// Connections; by default as many as there are partitions, at most 4.
    #[arg(long)]
    connections: Option<usize>,
}

/// A topic in use.
pub(super) struct Target {
    /// The connection to the cluster.
    pub(super) cluster: Cluster,
    /// Its name.
    pub(super) topic: String,
    /// Connections to be made, each with its partitions.
    pub(super) links: Vec<Link>,
    /// Whether it is ours to delete.
    is_ours: bool,
}

/// A connection to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// HOST:PORT of the leader.
    pub(super) address: String,
    /// The partitions that it serves; at least one.
    pub(super) partitions: Vec<i32>,
}

impl Target {
    /// Finds or makes the topic and its leaders.
    ///
    /// # Errors
    /// What asking says; [`ClientError::Usage`] for no partitions and settings that are none.
    pub(super) fn open(bootstrap: &str, arguments: &TopicArguments) -> Result<Self, ClientError> {
        let mut cluster = Cluster::connect(bootstrap)?;
        let (name, is_ours) = match &arguments.topic {
            Some(name) => (name.clone(), false),
            None => (format!("highwater-bench-{}", std::process::id()), true),
        };
        if is_ours {
            if arguments.partitions == 0 {
                return Err(ClientError::Usage("--partitions: at least 1".to_owned()));
            }
            topic::make(&mut cluster, &name, arguments.partitions, &arguments.configs)?;
        }
        let leaders = leaders(&mut cluster, &name)?;
        let connections = arguments.connections.unwrap_or_else(|| leaders.len().min(CONNECTIONS)).max(1);
        let links = links(&leaders, connections);
        Ok(Self { cluster, topic: name, links, is_ours })
    }

    /// The partitions, in order.
    pub(super) fn numbers(&self) -> Vec<i32> {
        let mut all: Vec<i32> = self.links.iter().flat_map(|link| link.partitions.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Deletes the topic if it was made here; then hands on what came of the work. A failure of the work comes first.
    pub(super) fn close<T>(mut self, outcome: Result<T, ClientError>) -> Result<T, ClientError> {
        if !self.is_ours {
            return outcome;
        }
        let deleted = topic::delete(&mut self.cluster, &self.topic);
        let outcome = outcome?;
        deleted.map(|()| outcome)
    }
}

/// The leader's address of each partition.
fn leaders(cluster: &mut Cluster, topic: &str) -> Result<BTreeMap<i32, String>, ClientError> {
    let metadata = cluster.metadata(Some(&[topic]))?;
    let found = metadata.topics.first().ok_or_else(|| ClientError::NoSuchTopic(topic.to_owned()))?;
    refuse(found.error_code, "Metadata", Some(topic))?;
    let mut leaders = BTreeMap::new();
    for partition in &found.partitions {
        let index = partition.partition_index;
        let broker = metadata.brokers.iter().find(|broker| broker.node_id == partition.leader_id);
        let broker =
            broker.ok_or_else(|| ClientError::NoLeader { topic: topic.to_owned(), partition: index })?;
        leaders.insert(index, crate::client::cluster::address(&broker.host, broker.port));
    }
    if leaders.is_empty() {
        return Err(ClientError::NoSuchTopic(topic.to_owned()));
    }
    Ok(leaders)
}

/// Divides the partitions of each broker among its share of the connections, at least one. With more connections than partitions,
/// several send to the same one.
fn links(leaders: &BTreeMap<i32, String>, connections: usize) -> Vec<Link> {
    let mut brokers: BTreeMap<&String, Vec<i32>> = BTreeMap::new();
    for (partition, address) in leaders {
        brokers.entry(address).or_default().push(*partition);
    }
    let mut links = Vec::new();
    for (address, partitions) in brokers {
        let share = (connections * partitions.len()).div_ceil(leaders.len().max(1)).max(1);
        let lanes = share.min(partitions.len()).max(1);
        for number in 0..share {
            let its = partitions.iter().skip(number % lanes).step_by(lanes);
            links.push(Link { address: address.clone(), partitions: its.copied().collect() });
        }
    }
    links
}

/// Connects to each link's leader.
///
/// # Errors
/// What connecting says.
pub(super) fn connect(links: &[Link]) -> Result<Vec<Connection>, ClientError> {
    links.iter().map(|link| Connection::open(&link.address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaders_of(brokers: &[&str]) -> BTreeMap<i32, String> {
        brokers.iter().zip(0..).map(|(address, partition)| (partition, (*address).to_owned())).collect()
    }

    fn link(address: &str, partitions: &[i32]) -> Link {
        Link { address: address.to_owned(), partitions: partitions.to_vec() }
    }

    #[test]
    fn partitions_are_dealt_out_to_connections_of_their_leader() {
        assert_eq!(links(&leaders_of(&["a"; 3]), 2), [link("a", &[0, 2]), link("a", &[1])]);
        assert_eq!(
            links(&leaders_of(&["a", "b", "a"]), 2),
            [link("a", &[0]), link("a", &[2]), link("b", &[1])]
        );
        assert_eq!(links(&leaders_of(&["a", "b"]), 1), [link("a", &[0]), link("b", &[1])]);
    }

    #[test]
    fn more_connections_than_partitions_share_them() {
        assert_eq!(links(&leaders_of(&["a", "a"]), 3), [link("a", &[0]), link("a", &[1]), link("a", &[0])]);
    }

    #[test]
    fn each_partition_is_served_for_any_numbers() {
        for partitions in 1..20 {
            for connections in 1..10 {
                let brokers: Vec<&str> = (0..partitions).map(|n| ["a", "b", "c"][n % 3]).collect();
                let leaders = leaders_of(&brokers);
                let links = links(&leaders, connections);
                for (partition, leader) in &leaders {
                    assert!(
                        links.iter().any(|l| l.partitions.contains(partition) && l.address == *leader),
                        "{partitions} {connections}: {links:?}"
                    );
                }
                assert!(links.iter().all(|link| !link.partitions.is_empty()));
            }
        }
    }
}
