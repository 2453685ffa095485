//! Fetches from one connection as fast as the answers come, a request for each share of its partitions, so that the broker works
//! while an answer is read. One thread.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use highwater_wire::RecordsPart;
use highwater_wire::header::encode_request;
use highwater_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};

use super::fetch_answer;
use super::latencies::Latencies;
use crate::client::ClientError;

const API: &str = "Fetch";
const CLIENT_ID: &str = "highwater-bench";
/// Large enough that reading takes few calls, small enough to stay in the processor's cache.
const BUFFER_BYTES: usize = 256 << 10;
/// How much longer than it was asked to wait a broker may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for in each request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The topic.
    pub(super) topic: String,
    /// Bytes of an answer at most (but one batch).
    pub(super) max_bytes: i32,
    /// Bytes of a partition in an answer at most.
    pub(super) partition_max_bytes: i32,
    /// How long the broker may wait when there is nothing.
    pub(super) max_wait: Duration,
    /// Between 4 and [`fetch_answer::LAST_VERSION`].
    pub(super) version: i16,
    /// Requests under way, for as many shares of the partitions.
    pub(super) window: usize,
    /// Where batches carry a stamp.
    pub(super) stamp_at: Option<usize>,
    /// Where stamps count from.
    pub(super) epoch: Instant,
}

/// Where a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    /// The next offset.
    pub(super) next: i64,
    /// Where reading begins again at the end; `None`: it does not.
    pub(super) again: Option<i64>,
    /// Where it ends; `i64::MAX`: it does not, more is waited for.
    pub(super) end: i64,
}

/// What was seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Fetched {
    /// Records.
    pub(super) records: u64,
    /// Bytes of batches.
    pub(super) bytes: u64,
    /// Answers.
    pub(super) answers: u64,
    /// Answers with nothing in them.
    pub(super) empty: u64,
    /// Of each answer with something in it, from the request.
    pub(super) latencies: Latencies,
    /// Of each stamped batch, from its stamp.
    pub(super) end_to_end: Latencies,
}

impl Fetched {
    /// Adds what another has seen.
    pub(super) fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes += other.bytes;
        self.answers += other.answers;
        self.empty += other.empty;
        self.latencies.merge(&other.latencies);
        self.end_to_end.merge(&other.end_to_end);
    }
}

/// When fetchers count and when they end; shared by all of a measurement.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// They end after their next answer.
    pub(super) stop: AtomicBool,
    /// Nanoseconds after the epoch from which batches and answers count, and up to which.
    from_ns: AtomicU64,
    to_ns: AtomicU64,
    /// Batches that were seen at all.
    pub(super) batches: AtomicU64,
}

impl Control {
    /// Counts from here to there, both after `epoch`. Before this is said nothing counts.
    pub(super) fn count(&self, epoch: Instant, from: Instant, to: Option<Instant>) {
        let to = to.map_or(u64::MAX, |to| nanoseconds(to.saturating_duration_since(epoch)));
        self.from_ns.store(nanoseconds(from.saturating_duration_since(epoch)), Ordering::Relaxed);
        self.to_ns.store(to, Ordering::Relaxed);
    }

    fn counts(&self, at_ns: u64) -> bool {
        at_ns >= self.from_ns.load(Ordering::Relaxed) && at_ns < self.to_ns.load(Ordering::Relaxed)
    }
}

/// One connection and where its partitions are read.
pub(super) struct Fetcher<'a> {
    /// The connection.
    pub(super) stream: TcpStream,
    /// Its peer.
    pub(super) address: String,
    /// What to ask for.
    pub(super) asked: &'a Asked,
    /// Where each partition is.
    pub(super) ranges: BTreeMap<i32, Range>,
    /// When to count and to end.
    pub(super) control: &'a Control,
}

/// A request under way.
struct Flight {
    sent: Instant,
    correlation_id: i32,
    partitions: Vec<i32>,
}

impl Fetcher<'_> {
    /// Fetches until it is told to end or every partition has been read to its end.
    ///
    /// # Errors
    /// An error code in an answer, a lost connection, no answer in time.
    pub(super) fn run(mut self) -> Result<Fetched, ClientError> {
        let lost = |source| ClientError::Lost { address: self.address.clone(), source };
        self.stream.set_read_timeout(Some(self.asked.max_wait + PATIENCE)).map_err(lost)?;
        let stream = self.stream.try_clone().map_err(lost)?;
        let mut source = BufReader::with_capacity(BUFFER_BYTES, stream);
        let (mut fetched, mut flights, mut correlation_id) = (Fetched::default(), VecDeque::new(), 0);
        for share in self.shares() {
            correlation_id += 1;
            flights.extend(self.ask(share, correlation_id)?);
        }
        while let Some(flight) = flights.pop_front() {
            self.take(&mut source, &flight, &mut fetched)?;
            if self.control.stop.load(Ordering::Relaxed) {
                break;
            }
            correlation_id = correlation_id.wrapping_add(1);
            flights.extend(self.ask(flight.partitions, correlation_id)?);
        }
        Ok(fetched)
    }

    /// The partitions, dealt out to the requests that may be under way.
    fn shares(&self) -> Vec<Vec<i32>> {
        let count = self.asked.window.clamp(1, self.ranges.len().max(1));
        let share = |index| self.ranges.keys().copied().skip(index).step_by(count).collect();
        (0..count).map(share).collect()
    }

    /// Asks for what is left of some partitions; `None` when nothing is.
    fn ask(&mut self, partitions: Vec<i32>, correlation_id: i32) -> Result<Option<Flight>, ClientError> {
        let partitions: Vec<i32> = partitions.into_iter().filter(|index| self.has_more(*index)).collect();
        if partitions.is_empty() {
            return Ok(None);
        }
        let partition = |index: &i32| FetchPartition {
            partition: *index,
            fetch_offset: self.ranges.get(index).map_or(0, |range| range.next),
            partition_max_bytes: self.asked.partition_max_bytes,
            ..FetchPartition::default()
        };
        let topic = FetchTopic {
            topic: self.asked.topic.as_str().into(),
            partitions: partitions.iter().map(partition).collect(),
            ..FetchTopic::default()
        };
        let request = FetchRequest {
            max_wait_ms: i32::try_from(self.asked.max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: self.asked.max_bytes,
            topics: vec![topic],
            ..FetchRequest::default()
        };
        let frame = encode_request(&request, self.asked.version, correlation_id, CLIENT_ID)
            .map_err(|source| ClientError::Encode { api: API, source })?;
        let sent = Instant::now();
        for part in frame.parts() {
            if let RecordsPart::Memory(bytes) = part {
                let written = self.stream.write_all(bytes);
                written.map_err(|source| ClientError::Lost { address: self.address.clone(), source })?;
            }
        }
        Ok(Some(Flight { sent, correlation_id, partitions }))
    }

    /// Whether a partition is not at its end, or is read again from its beginning.
    fn has_more(&mut self, index: i32) -> bool {
        let Some(range) = self.ranges.get_mut(&index) else { return false };
        if let Some(again) = range.again.filter(|_| range.next >= range.end) {
            range.next = again;
        }
        range.next < range.end
    }

    fn take(
        &mut self,
        source: &mut BufReader<TcpStream>,
        flight: &Flight,
        fetched: &mut Fetched,
    ) -> Result<(), ClientError> {
        let (epoch, control) = (self.asked.epoch, self.control);
        let (mut records, mut bytes, mut batches) = (0, 0, 0);
        let (ranges, end_to_end) = (&mut self.ranges, &mut fetched.end_to_end);
        let mut each = |seen: fetch_answer::Seen| {
            if let Some(range) = ranges.get_mut(&seen.partition) {
                range.next = range.next.max(seen.next_offset);
            }
            records += seen.records;
            bytes += seen.bytes;
            batches += 1;
            if let Some(stamp) = seen.stamp.filter(|stamp| control.counts(*stamp)) {
                let now = nanoseconds(epoch.elapsed());
                end_to_end.add(Duration::from_nanos(now.saturating_sub(stamp)));
            }
        };
        let expected = (self.asked.version, flight.correlation_id);
        fetch_answer::read(source, &self.address, expected, self.asked.stamp_at, &mut each)?;
        control.batches.fetch_add(batches, Ordering::Relaxed);
        if control.counts(nanoseconds(epoch.elapsed())) {
            fetched.records += records;
            fetched.bytes += bytes;
            fetched.answers += 1;
            if bytes > 0 {
                fetched.latencies.add(flight.sent.elapsed());
            } else {
                fetched.empty += 1;
            }
        }
        Ok(())
    }
}

/// Nanoseconds, up to five centuries.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
