//! Offsets of many partitions at once: committed ones, and those of the log.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use highwater_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use highwater_wire::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use highwater_wire::messages::offset_delete_request::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use highwater_wire::messages::{
    OffsetCommitResponse, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse,
};

use super::cluster::Node;
use super::{ClientError, Cluster, refuse};

/// The time that means: the end of the log.
pub(crate) const LATEST: i64 = -1;
/// The time that means: the start of the log.
pub(crate) const EARLIEST: i64 = -2;
/// No commit.
const NO_OFFSET: i64 = -1;
/// Newer versions ask for many groups at once.
const LAST_FETCH_OF_ONE_GROUP: i16 = 7;
/// Newer versions name topics by id.
const LAST_COMMIT_BY_NAME: i16 = 9;

/// A partition's name.
pub(crate) type TopicPartition = (String, i32);

/// Who commits. Tools that are no member of the group use the default.
#[derive(Debug, Clone)]
pub(crate) struct Committer {
    /// -1 outside a group.
    pub(crate) generation_id: i32,
    /// Empty outside a group.
    pub(crate) member_id: String,
}

impl Default for Committer {
    fn default() -> Self {
        Self { generation_id: -1, member_id: String::new() }
    }
}

/// Every offset that `group` has committed.
pub(crate) fn committed(
    cluster: &mut Cluster,
    group: &str,
) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
    let request =
        OffsetFetchRequest { group_id: group.into(), topics: None, ..OffsetFetchRequest::default() };
    let code = |answer: &OffsetFetchResponse| answer.error_code;
    let answer = cluster.ask_coordinator(group, &request, (LAST_FETCH_OF_ONE_GROUP, Duration::ZERO), code)?;
    refuse(answer.error_code, "OffsetFetch", None)?;
    let mut found = BTreeMap::new();
    for topic in &answer.topics {
        for partition in &topic.partitions {
            refuse(partition.error_code, "OffsetFetch", Some(topic.name.as_str()))?;
            if partition.committed_offset != NO_OFFSET {
                found.insert((topic.name.to_string(), partition.partition_index), partition.committed_offset);
            }
        }
    }
    Ok(found)
}

/// Commits `offsets` for `group`. An answer's code for each partition that was refused.
///
/// # Errors
/// What connecting and asking say; refusals are in the value.
pub(crate) fn commit(
    cluster: &mut Cluster,
    group: &str,
    committer: &Committer,
    offsets: &BTreeMap<TopicPartition, i64>,
) -> Result<Vec<(TopicPartition, i16)>, ClientError> {
    let partition = |(partition_index, committed_offset): (i32, i64)| OffsetCommitRequestPartition {
        partition_index,
        committed_offset,
        ..OffsetCommitRequestPartition::default()
    };
    let offsets = offsets.iter().map(|((topic, partition), offset)| (topic.as_str(), (*partition, *offset)));
    let topic = |(name, partitions): (&str, Vec<(i32, i64)>)| OffsetCommitRequestTopic {
        name: name.into(),
        partitions: partitions.into_iter().map(partition).collect(),
        ..OffsetCommitRequestTopic::default()
    };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: committer.generation_id,
        member_id: committer.member_id.as_str().into(),
        topics: by_topic(offsets).into_iter().map(topic).collect(),
        ..OffsetCommitRequest::default()
    };
    let answer =
        cluster.ask_coordinator(group, &request, (LAST_COMMIT_BY_NAME, Duration::ZERO), commit_code)?;
    let refused = answer.topics.iter().flat_map(|topic| {
        let refused = topic.partitions.iter().filter(|partition| partition.error_code != 0);
        refused.map(|partition| ((topic.name.to_string(), partition.partition_index), partition.error_code))
    });
    Ok(refused.collect())
}

/// The first code of a commit: those that concern the group stand at every partition.
pub(crate) fn commit_code(answer: &OffsetCommitResponse) -> i16 {
    let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.next().map_or(0, |partition| partition.error_code)
}

/// Forgets the commits of `group` for `partitions`. A code for each partition that was refused.
pub(crate) fn delete(
    cluster: &mut Cluster,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, i16)>, ClientError> {
    let partition = |partition_index| OffsetDeleteRequestPartition { partition_index };
    let topic = |(name, partitions): (&str, Vec<i32>)| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: partitions.into_iter().map(partition).collect(),
    };
    let topics = by_topic(names(partitions)).into_iter().map(topic).collect();
    let request = OffsetDeleteRequest { group_id: group.into(), topics };
    let code = |answer: &OffsetDeleteResponse| answer.error_code;
    let answer = cluster.ask_coordinator(group, &request, (i16::MAX, Duration::ZERO), code)?;
    refuse(answer.error_code, "OffsetDelete", Some(&format!("group {group}")))?;
    let refused = answer.topics.iter().flat_map(|topic| {
        let refused = topic.partitions.iter().filter(|partition| partition.error_code != 0);
        refused.map(|partition| ((topic.name.to_string(), partition.partition_index), partition.error_code))
    });
    Ok(refused.collect())
}

/// The offsets in the logs of `partitions` at a time (milliseconds since 1970, [`LATEST`] or [`EARLIEST`]). Partitions that are
/// not there, have no leader, or nothing at or after that time, have no entry.
pub(crate) fn log_offsets(
    cluster: &mut Cluster,
    partitions: &[TopicPartition],
    timestamp: i64,
) -> Result<HashMap<TopicPartition, i64>, ClientError> {
    let mut found = HashMap::new();
    for (node, partitions) in leaders(cluster, partitions)? {
        let partition = |partition_index| ListOffsetsPartition {
            partition_index,
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let topic = |(name, partitions): (&str, Vec<i32>)| ListOffsetsTopic {
            name: name.into(),
            partitions: partitions.into_iter().map(partition).collect(),
        };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: by_topic(names(&partitions)).into_iter().map(topic).collect(),
            ..ListOffsetsRequest::default()
        };
        for topic in cluster.broker(&node)?.call(&request)?.topics {
            for partition in topic.partitions.iter().filter(|one| one.error_code == 0 && one.offset >= 0) {
                found.insert((topic.name.to_string(), partition.partition_index), partition.offset);
            }
        }
    }
    Ok(found)
}

/// What stands beside one topic's name, together; topics in order.
pub(crate) fn by_topic<'a, T>(items: impl Iterator<Item = (&'a str, T)>) -> BTreeMap<&'a str, Vec<T>> {
    let mut topics: BTreeMap<&str, Vec<T>> = BTreeMap::new();
    for (topic, item) in items {
        topics.entry(topic).or_default().push(item);
    }
    topics
}

/// For [`by_topic`].
fn names(partitions: &[TopicPartition]) -> impl Iterator<Item = (&str, i32)> {
    partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition))
}

/// Partitions by the broker that leads them; those that nobody leads are left out.
pub(crate) fn leaders(
    cluster: &mut Cluster,
    partitions: &[TopicPartition],
) -> Result<Vec<(Node, Vec<TopicPartition>)>, ClientError> {
    let mut topics: Vec<&str> = partitions.iter().map(|(topic, _)| topic.as_str()).collect();
    topics.sort_unstable();
    topics.dedup();
    let metadata = cluster.metadata(Some(&topics))?;
    let mut places = HashMap::new();
    for topic in &metadata.topics {
        let name = topic.name.as_deref().unwrap_or_default();
        for partition in &topic.partitions {
            places.insert((name.to_owned(), partition.partition_index), partition.leader_id);
        }
    }
    let led = metadata.brokers.iter().map(|broker| {
        let node = Node { id: broker.node_id, host: broker.host.to_string(), port: broker.port };
        let mine = partitions.iter().filter(|partition| places.get(partition) == Some(&broker.node_id));
        (node, mine.cloned().collect::<Vec<_>>())
    });
    Ok(led.filter(|(_, partitions)| !partitions.is_empty()).collect())
}
