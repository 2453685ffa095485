//! What the broker is and how it stands, gathered when somebody asks: `/status` and `/metrics` show it.
//!
//! Nothing is held up for the time of the whole: each partition and each shard of groups is looked at by itself, so
//! figures of different ones may be of slightly different moments.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use highwater_store::{Partition, PartitionProblem, PartitionState, ScrubState, SpaceState};
use highwater_types::TopicIdPartition;
use serde::Serialize;

use crate::broker::Broker;
use crate::metrics::Process;
use crate::topics::Topic;

/// Everything, in the form of `/status`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// The program's version.
    pub(crate) version: &'static str,
    /// The cluster's id.
    pub(crate) cluster_id: String,
    /// `node.id`.
    pub(crate) node_id: i32,
    /// Milliseconds since the start.
    pub(crate) uptime_ms: u64,
    /// Whether clients are served everything.
    pub(crate) ready: bool,
    /// Why not, in words; empty when it is ready.
    pub(crate) not_ready: Vec<String>,
    /// `flush.policy`.
    pub(crate) flush_policy: String,
    /// What recovery found at start.
    pub(crate) recovery: Recovery,
    /// What is accepted and not yet safe.
    pub(crate) pending: Pending,
    /// What is left of the file system; `None` when it does not tell.
    pub(crate) space: Option<Space>,
    /// What reading sealed segments again has found.
    pub(crate) scrub: Scrub,
    /// Open connections.
    pub(crate) connections: u64,
    /// The process.
    pub(crate) process: Process,
    /// Topics.
    pub(crate) topics: usize,
    /// Partitions, by topic and number.
    pub(crate) partitions: Vec<PartitionStatus>,
    /// Groups, by their ids.
    pub(crate) groups: Vec<GroupStatus>,
}

/// Recovery at start.
#[derive(Debug, Serialize)]
pub(crate) struct Recovery {
    /// Partitions that were there.
    pub(crate) partitions: usize,
    /// Those of them that are done.
    pub(crate) done: usize,
    /// Bytes read to find the ends of the logs.
    pub(crate) scanned_bytes: u64,
    /// How long it took.
    pub(crate) duration_ms: f64,
    /// What was more than a clean end.
    pub(crate) found: Vec<Finding>,
}

/// What recovery found in one partition.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// `topic-partition`.
    pub(crate) partition: String,
    /// In words.
    pub(crate) found: String,
}

/// What is accepted and not yet safe.
#[derive(Debug, Serialize)]
pub(crate) struct Pending {
    /// Bytes in memory that are still to be written.
    pub(crate) staged_bytes: u64,
    /// Bytes that are not known to be on stable storage, staged ones among them.
    pub(crate) unsynced_bytes: u64,
}

/// The file system of the data directory.
#[derive(Debug, Serialize)]
pub(crate) struct Space {
    /// Bytes of the whole.
    pub(crate) total_bytes: u64,
    /// Bytes that may still be used.
    pub(crate) free_bytes: u64,
    /// `storage.min.free.bytes`, or what stands for it.
    pub(crate) floor_bytes: u64,
    /// Whether produce is refused because less than that is free.
    pub(crate) low: bool,
}

/// Reading sealed segments again.
#[derive(Debug, Serialize)]
pub(crate) struct Scrub {
    /// Bytes read since the start.
    pub(crate) bytes: u64,
    /// Segments read since the start.
    pub(crate) segments: u64,
    /// How long the last pass over all that was due took; `None` before its end.
    pub(crate) pass_ms: Option<f64>,
    /// Segments that are no longer as they were written.
    pub(crate) damaged: Vec<DamagedStatus>,
}

/// A segment that is no longer as it was written.
#[derive(Debug, Serialize)]
pub(crate) struct DamagedStatus {
    /// The topic's name.
    pub(crate) topic: String,
    /// 0-based index.
    pub(crate) partition: i32,
    /// The segment's file.
    pub(crate) file: String,
    /// Where in it.
    pub(crate) position: u64,
    /// The first offset that cannot be relied on.
    pub(crate) first_offset: i64,
    /// The offset after the last one that cannot be relied on.
    pub(crate) end_offset: i64,
    /// What is wrong.
    pub(crate) problem: String,
}

/// A partition.
#[derive(Debug, Serialize)]
pub(crate) struct PartitionStatus {
    /// The topic's name.
    pub(crate) topic: String,
    /// 0-based index.
    pub(crate) partition: i32,
    /// The topic's id.
    pub(crate) topic_id: String,
    /// `online`, `recovering`, `full` (no space: reads only) or `offline`.
    pub(crate) state: &'static str,
    /// Why it is not online.
    pub(crate) problem: Option<String>,
    /// Offset of the first record.
    pub(crate) start_offset: i64,
    /// End of what consumers see.
    pub(crate) high_watermark: i64,
    /// End of what read_committed consumers see.
    pub(crate) last_stable_offset: i64,
    /// End of what is on stable storage.
    pub(crate) synced_end: i64,
    /// End of what was accepted.
    pub(crate) log_end_offset: i64,
    /// Bytes of its segments.
    pub(crate) size_bytes: u64,
    /// How many segments.
    pub(crate) segments: usize,
    /// Bytes not known to be on stable storage.
    pub(crate) unsynced_bytes: u64,
}

/// A group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupStatus {
    /// `group.id`.
    pub(crate) group: String,
    /// Kafka's name of the state.
    pub(crate) state: &'static str,
    /// How many members.
    pub(crate) members: usize,
    /// Records behind the high watermarks, over all partitions with a committed offset.
    pub(crate) lag: u64,
    /// Its committed offsets.
    pub(crate) offsets: Vec<GroupOffset>,
}

/// A committed offset of a group.
#[derive(Debug, Serialize)]
pub(crate) struct GroupOffset {
    /// The topic's name.
    pub(crate) topic: String,
    /// 0-based index.
    pub(crate) partition: i32,
    /// The next offset to be consumed.
    pub(crate) committed: i64,
    /// Records behind the high watermark; `None` when the partition does not serve.
    pub(crate) lag: Option<u64>,
}

impl Status {
    /// Gathers everything.
    pub(crate) fn of(broker: &Broker) -> Self {
        let (store, space) = (broker.store.status(), broker.store.space());
        let (topics, partitions) = partitions(broker);
        let not_ready = problems(broker, space, partitions.iter().map(|partition| partition.state));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            cluster_id: broker.node.cluster_id.clone(),
            node_id: broker.node.node_id,
            uptime_ms: broker.clock.instant().0 / 1_000_000,
            ready: not_ready.is_empty(),
            not_ready,
            flush_policy: broker.settings.text("flush.policy").unwrap_or_default(),
            recovery: Recovery {
                partitions: store.recovering_total,
                done: store.recovering_done,
                scanned_bytes: store.recovery_scanned_bytes,
                duration_ms: milliseconds(store.recovery_ns),
                found: store
                    .recovery_found
                    .into_iter()
                    .map(|(partition, found)| Finding { partition, found })
                    .collect(),
            },
            pending: Pending {
                staged_bytes: store.staged_bytes,
                unsynced_bytes: partitions.iter().map(|partition| partition.unsynced_bytes).sum(),
            },
            space: space.map(Space::from),
            scrub: scrub(broker, store.scrub),
            connections: broker.metrics.connections(),
            process: Process::read(),
            topics,
            groups: groups(broker),
            partitions,
        }
    }

    /// Whether clients are served everything, and if not why; cheaper than the whole.
    pub(crate) fn problems(broker: &Broker) -> Vec<String> {
        let topics = broker.topics.all();
        let states = all_partitions(broker, &topics).map(|(_, partition)| state_of(partition.as_ref()).0);
        problems(broker, broker.store.space(), states)
    }
}

fn scrub(broker: &Broker, state: ScrubState) -> Scrub {
    let counted = broker.store.statistics();
    let damaged = state.damaged.into_iter().map(|damaged| DamagedStatus {
        topic: damaged.topic.to_string(),
        partition: damaged.partition,
        file: damaged.file.display().to_string(),
        position: damaged.position,
        first_offset: damaged.first_offset.0,
        end_offset: damaged.end_offset.0,
        problem: damaged.problem,
    });
    Scrub {
        bytes: counted.scrubbed_bytes.get(),
        segments: counted.scrubbed_segments.get(),
        pass_ms: state.pass_ns.map(milliseconds),
        damaged: damaged.collect(),
    }
}

impl From<SpaceState> for Space {
    fn from(state: SpaceState) -> Self {
        let SpaceState { total_bytes, free_bytes, floor_bytes, low } = state;
        Self { total_bytes, free_bytes, floor_bytes, low }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people; exact up to a hundred days")]
fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// How many topics, and their partitions.
fn partitions(broker: &Broker) -> (usize, Vec<PartitionStatus>) {
    let topics = broker.topics.all();
    let all = all_partitions(broker, &topics);
    let found = all.map(|(topic, partition)| partition_status(&topic.name, partition.as_ref())).collect();
    (topics.len(), found)
}

/// Every partition with its topic, in order.
fn all_partitions<'a>(
    broker: &'a Broker,
    topics: &'a [Arc<Topic>],
) -> impl Iterator<Item = (&'a Topic, Arc<dyn Partition>)> {
    topics.iter().flat_map(move |topic| {
        let partition = move |index| Some((&**topic, broker.partition(topic, index)?));
        (0..topic.partitions).filter_map(partition)
    })
}

/// The name of a partition's state, and why it is not online.
fn state_of(partition: &dyn Partition) -> (&'static str, Option<String>) {
    let problem = match partition.state() {
        PartitionState::Online => partition.append_problem(),
        PartitionState::Unavailable(problem) => Some(problem),
    };
    match problem {
        None => ("online", None),
        Some(PartitionProblem::Recovering) => ("recovering", None),
        Some(PartitionProblem::OutOfSpace) => {
            ("full", Some("there is no space: produce is refused".to_owned()))
        }
        Some(PartitionProblem::Storage(cause)) => ("offline", Some(cause)),
        Some(PartitionProblem::Gone) => ("offline", Some("it was deleted".to_owned())),
    }
}

fn partition_status(topic: &str, partition: &dyn Partition) -> PartitionStatus {
    let (state, problem) = state_of(partition);
    let (id, offsets) = (partition.id(), partition.offsets());
    PartitionStatus {
        topic: topic.to_owned(),
        partition: id.partition,
        topic_id: id.topic_id.to_string(),
        state,
        problem,
        start_offset: offsets.log_start_offset.0,
        high_watermark: offsets.high_watermark.0,
        last_stable_offset: offsets.last_stable_offset.0,
        synced_end: offsets.synced_end.0,
        log_end_offset: offsets.log_end_offset.0,
        size_bytes: partition.size(),
        segments: partition.segment_count(),
        unsynced_bytes: partition.unsynced_bytes(),
    }
}

/// Why clients are not served everything: one line for each kind of trouble.
fn problems(
    broker: &Broker,
    space: Option<SpaceState>,
    states: impl Iterator<Item = &'static str>,
) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for state in states.filter(|state| *state != "online") {
        *counts.entry(state).or_default() += 1;
    }
    let mut problems: Vec<String> =
        counts.into_iter().map(|(state, count)| format!("{count} partitions are {state}")).collect();
    if let Some(space) = space.filter(|space| space.low) {
        let (free, floor) = (space.free_bytes, space.floor_bytes);
        problems.push(format!("produce is refused: {free} bytes are free, {floor} are to stay free"));
    }
    if broker.meta.statistics().is_some_and(|statistics| statistics.is_failing.load(Ordering::Relaxed)) {
        problems.push("metadata cannot be written".to_owned());
    }
    problems
}

fn groups(broker: &Broker) -> Vec<GroupStatus> {
    let mut found = Vec::new();
    broker.groups.for_each_shard(|groups| {
        for listing in groups.list() {
            let offsets = groups.offsets(&listing.group_id);
            let offsets: Vec<(TopicIdPartition, GroupOffset)> = offsets
                .map(|(id, committed)| {
                    let (topic, partition) = (committed.topic.to_string(), id.partition);
                    (id, GroupOffset { topic, partition, committed: committed.offset, lag: None })
                })
                .collect();
            found.push((listing, offsets));
        }
    });
    let mut statuses: Vec<_> = found
        .into_iter()
        .map(|(listing, offsets)| {
            let offsets: Vec<_> =
                offsets.into_iter().map(|(id, offset)| with_lag(broker, id, offset)).collect();
            GroupStatus {
                group: listing.group_id.to_string(),
                state: listing.state.name(),
                members: listing.member_count,
                lag: offsets.iter().filter_map(|offset| offset.lag).sum(),
                offsets,
            }
        })
        .collect();
    statuses.sort_by(|left, right| left.group.cmp(&right.group));
    statuses
}

fn with_lag(broker: &Broker, id: TopicIdPartition, offset: GroupOffset) -> GroupOffset {
    let partition = broker.store.partition(id);
    let end = partition.filter(|partition| partition.state() == PartitionState::Online);
    let lag = end.map(|partition| {
        u64::try_from(partition.offsets().high_watermark.0.saturating_sub(offset.committed)).unwrap_or(0)
    });
    GroupOffset { lag, ..offset }
}
