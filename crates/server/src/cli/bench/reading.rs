//! Reading a topic over all its connections: where its partitions begin and end, and the threads that fetch from them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::thread::{Scope, ScopedJoinHandle};

use highwater_wire::messages::FetchRequest;

use super::fetch_answer;
use super::fetcher::{Asked, Control, Fetched, Fetcher, Range};
use super::load::precise_timers;
use super::target::{self, Target};
use crate::client::offsets::{EARLIEST, LATEST, TopicPartition, log_offsets};
use crate::client::{ClientError, Connection};

/// Where reading begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// From the beginning to what is the end now, once.
    Once,
    /// The same again and again.
    Again,
    /// What comes after now.
    Tail,
}

/// Connections that are made, and where each reads.
pub(super) struct Readers {
    lanes: Vec<(Connection, String, BTreeMap<i32, Range>)>,
    /// The newest version that all of them speak.
    pub(super) version: i16,
}

/// Connects and finds out where to read.
///
/// # Errors
/// What asking says; [`ClientError::Usage`] when there is nothing to read.
pub(super) fn connect(target: &mut Target, part: Part) -> Result<Readers, ClientError> {
    let partitions: Vec<TopicPartition> =
        target.numbers().into_iter().map(|partition| (target.topic.clone(), partition)).collect();
    let begin = log_offsets(&mut target.cluster, &partitions, EARLIEST)?;
    let end = log_offsets(&mut target.cluster, &partitions, LATEST)?;
    let range = |partition: i32| range(&target.topic, partition, part, (&begin, &end));
    let mut version = fetch_answer::LAST_VERSION;
    let mut lanes = Vec::new();
    for (link, connection) in target.links.iter().zip(target::connect(&target.links)?) {
        version = connection.version_up_to::<FetchRequest>(version)?;
        let ranges: BTreeMap<i32, Range> =
            link.partitions.iter().filter_map(|partition| Some((*partition, range(*partition)?))).collect();
        lanes.push((connection, link.address.clone(), ranges));
    }
    if lanes.iter().all(|(_, _, ranges)| ranges.is_empty()) {
        return Err(ClientError::Usage(format!("topic {}: there is nothing to read", target.topic)));
    }
    Ok(Readers { lanes, version })
}

/// `None` for a partition with nothing to read.
fn range(
    topic: &str,
    partition: i32,
    part: Part,
    (begin, end): (&HashMap<TopicPartition, i64>, &HashMap<TopicPartition, i64>),
) -> Option<Range> {
    let key = (topic.to_owned(), partition);
    let (begin, end) = (*begin.get(&key)?, *end.get(&key)?);
    match part {
        Part::Tail => Some(Range { next: end, again: None, end: i64::MAX }),
        Part::Once | Part::Again if begin >= end => None,
        Part::Once => Some(Range { next: begin, again: None, end }),
        Part::Again => Some(Range { next: begin, again: Some(begin), end }),
    }
}

/// A thread that fetches.
pub(super) type Reader<'scope> = ScopedJoinHandle<'scope, Result<Fetched, ClientError>>;

impl Readers {
    /// Starts a thread for each connection. Each that fails has the others end.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        asked: &'scope Asked,
        control: &'scope Control,
    ) -> Result<Vec<Reader<'scope>>, ClientError> {
        let mut readers = Vec::new();
        for (connection, address, ranges) in self.lanes {
            let fetcher = Fetcher { stream: connection.into_stream(), address, asked, ranges, control };
            let thread = std::thread::Builder::new().name(format!("bench-read-{}", readers.len()));
            let started = thread.spawn_scoped(scope, move || {
                precise_timers();
                fetcher.run().inspect_err(|_| control.stop.store(true, Ordering::Relaxed))
            });
            readers.push(started.inspect_err(|_| control.stop.store(true, Ordering::Relaxed))?);
        }
        Ok(readers)
    }
}

/// What all have seen, when all have ended.
///
/// # Errors
/// What went wrong in the first of them that failed.
pub(super) fn join(readers: Vec<Reader<'_>>) -> Result<Fetched, ClientError> {
    let mut fetched = Fetched::default();
    for reader in readers {
        let ended = || ClientError::Usage("a thread of the measurement ended early".to_owned());
        fetched.merge(&reader.join().map_err(|_| ended())??);
    }
    Ok(fetched)
}
