//! The scrub: one thread that reads sealed segments again from the device, at a bounded rate, and reports what is no longer
//! as it was written. It changes nothing but the sums that it keeps beside a good segment.
//!
//! One segment is read at a time, in pieces of at most [`PIECE_SIZE`]; the one that was longest not looked at comes
//! first, one that never was before all others. When a segment was last found good stands in its sums, so a restart goes
//! on where the last one stopped. Damage is believed when two readings in a row find it, and only while the segment
//! is still part of its log; it is forgotten when a later look finds the segment good, or it is gone.
//!
//! No lock is held while a file is read. Not here: what makes a segment good ([`SegmentCheck`]).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_disk::File;
use highwater_partition_log::{SealedSegment, SegmentCheck, SegmentDamage, SegmentSums};
use highwater_store::{DamagedSegment, ScrubState};
use highwater_types::{Instant, Offset, Timestamp, TopicIdPartition};

use crate::options::Live;
use crate::partition::LocalPartition;
use crate::shared::Shared;

/// Bytes of one read.
const PIECE_SIZE: u64 = 1 << 20;
/// Bytes of the smallest read, whatever the rate.
const PIECE_SIZE_MIN: u64 = 64 << 10;
/// Between two searches for segments that are due, at most.
const SEARCH_INTERVAL_MS: u64 = 30_000;
/// Segments that one search lines up.
const QUEUE_MAX: usize = 1024;

type Key = (TopicIdPartition, Offset);

/// What is being read, what comes next and what was found.
pub(crate) struct Scrub {
    rate: Live<u64>,
    interval_ms: Live<u64>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    queue: VecDeque<(TopicIdPartition, SealedSegment)>,
    /// When segments were last looked at.
    looked: HashMap<Key, Timestamp>,
    damaged: BTreeMap<Key, DamagedSegment>,
    searched: Option<Instant>,
    pass_began: Option<Instant>,
    pass_ns: Option<u64>,
    stopped: bool,
}

#[derive(Debug)]
struct Running {
    id: TopicIdPartition,
    sealed: SealedSegment,
    known: Option<SegmentSums>,
    file: Arc<dyn File>,
    check: SegmentCheck,
    position: u64,
    buffer: Vec<u8>,
    /// The reading before this one found damage.
    again: bool,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes were read; 0 when something else was done.
    Read(u64),
    /// Nothing is due for so long.
    Idle(Duration),
}

impl Scrub {
    /// Reads `rate` bytes a second, nothing at 0; a segment is due `interval_ms` after it was last found good.
    pub(crate) fn new(rate: Live<u64>, interval_ms: Live<u64>) -> Self {
        Self { rate, interval_ms, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Reads one piece, or finds what is to be read.
    pub(crate) fn step(&self, shared: &Shared) -> Step {
        let rate = (self.rate)();
        if rate == 0 {
            let mut state = self.lock();
            (state.running, state.pass_began) = (None, None);
            state.queue.clear();
            return Step::Idle(Duration::from_millis(SEARCH_INTERVAL_MS));
        }
        let running = self.lock().running.take();
        let Some(mut running) = running else { return self.next(shared) };
        let read = running.read(rate.clamp(PIECE_SIZE_MIN, PIECE_SIZE));
        shared.committer.statistics.scrubbed_bytes.add(read);
        if running.check.left() == 0 || read == 0 {
            let again = self.conclude(running, shared);
            self.lock().running = again;
        } else {
            self.lock().running = Some(running);
        }
        Step::Read(read)
    }

    /// The scrub's thread.
    pub(crate) fn run(&self, shared: &Shared) {
        loop {
            let wait = match self.step(shared) {
                Step::Read(bytes) => {
                    let ns = u128::from(bytes) * 1_000_000_000 / u128::from((self.rate)().max(1));
                    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
                }
                Step::Idle(wait) => wait,
            };
            let state = self.lock();
            let stopped = self.changed.wait_timeout_while(state, wait, |state| !state.stopped);
            if stopped.unwrap_or_else(PoisonError::into_inner).0.stopped {
                return;
            }
        }
    }

    /// Ends the thread after what it is reading.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// What it has found.
    pub(crate) fn state(&self) -> ScrubState {
        let state = self.lock();
        ScrubState { pass_ns: state.pass_ns, damaged: state.damaged.values().cloned().collect() }
    }

    /// Begins with the next segment that is due.
    fn next(&self, shared: &Shared) -> Step {
        let (next, searched) = {
            let mut state = self.lock();
            (state.queue.pop_front(), state.searched)
        };
        let Some((id, sealed)) = next else { return self.search(shared, searched) };
        let Some(partition) = shared.partitions().get(&id).cloned() else { return Step::Read(0) };
        // The name may be another segment's by now; then the sums do not fit, or the verdict is thrown away.
        let known = partition.in_directory(|| sealed.sums()).and_then(Result::ok).flatten();
        let looked_at = known.as_ref().map_or(Timestamp(0), |known| known.looked_at);
        if self.is_due(looked_at, shared.clock.wall()) {
            let running = Running::open(id, sealed, known, false);
            self.lock().running = running;
        } else {
            self.lock().looked.insert((id, sealed.base_offset()), looked_at);
        }
        Step::Read(0)
    }

    /// Lines up the segments that are due.
    fn search(&self, shared: &Shared, searched: Option<Instant>) -> Step {
        let now = shared.clock.now();
        let interval_ms = SEARCH_INTERVAL_MS.min((self.interval_ms)());
        let next = searched.map_or(now, |searched| searched.plus_ms(interval_ms));
        if now < next {
            return Step::Idle(Duration::from_nanos(next.0.saturating_sub(now.0)));
        }
        let all: Vec<_> = shared
            .all_partitions()
            .iter()
            .flat_map(|partition| {
                partition.sealed_segments().into_iter().map(|sealed| (partition.key(), sealed))
            })
            .collect();
        let wall = shared.clock.wall();
        let mut state = self.lock();
        let keys: HashSet<Key> = all.iter().map(|(id, sealed)| (*id, sealed.base_offset())).collect();
        state.looked.retain(|key, _| keys.contains(key));
        state.damaged.retain(|key, _| keys.contains(key));
        let mut due: Vec<_> = all
            .into_iter()
            .map(|(id, sealed)| {
                let looked = state.looked.get(&(id, sealed.base_offset()));
                (looked.copied().unwrap_or(Timestamp(0)), id, sealed)
            })
            .filter(|(looked_at, ..)| self.is_due(*looked_at, wall))
            .collect();
        due.sort_by_key(|(looked_at, ..)| *looked_at);
        let more = due.len() > QUEUE_MAX;
        state.queue = due.into_iter().take(QUEUE_MAX).map(|(_, id, sealed)| (id, sealed)).collect();
        state.searched = (!more).then_some(now);
        if state.queue.is_empty() {
            if let Some(began) = state.pass_began.take() {
                state.pass_ns = Some(now.0.saturating_sub(began.0));
            }
            return Step::Idle(Duration::from_millis(interval_ms.max(1_000)));
        }
        state.pass_began.get_or_insert(now);
        Step::Read(0)
    }

    /// A time to come is that of another clock.
    fn is_due(&self, looked_at: Timestamp, now: Timestamp) -> bool {
        let age_ms = now.0.saturating_sub(looked_at.0);
        looked_at.0 <= 0
            || u64::try_from(age_ms).is_ok_and(|age_ms| age_ms >= (self.interval_ms)())
            || age_ms < 0
    }

    /// Takes in the verdict about a segment. Returns what is to be read once more.
    fn conclude(&self, running: Running, shared: &Shared) -> Option<Running> {
        let Running { id, sealed, known, check, again, .. } = running;
        let partition = shared.partitions().get(&id).cloned()?;
        let now = shared.clock.wall();
        let verdict = check.finish(known.as_ref(), now);
        if !sealed.is_among(&partition.segments()) {
            return None;
        }
        let statistics = &shared.committer.statistics;
        match verdict {
            Ok(sums) => {
                statistics.scrubbed_segments.increment();
                keep(&partition, &sealed, &sums);
                self.found_good(&partition, &sealed, now);
                None
            }
            Err(_) if !again => Running::open(id, sealed, known, true),
            Err(damage) => {
                statistics.scrubbed_segments.increment();
                if let Some(known) = known {
                    // So that it is looked at soon after a restart.
                    keep(&partition, &sealed, &SegmentSums { looked_at: Timestamp(0), ..known });
                }
                self.found_damaged(&partition, &sealed, damage, now);
                None
            }
        }
    }

    fn found_good(&self, partition: &LocalPartition, sealed: &SealedSegment, now: Timestamp) {
        let key = (partition.key(), sealed.base_offset());
        let mut state = self.lock();
        state.looked.insert(key, now);
        if state.damaged.remove(&key).is_some() {
            tracing::warn!(%partition, file = %sealed.path().display(), "a segment that was damaged is good again");
        }
    }

    fn found_damaged(
        &self,
        partition: &LocalPartition,
        sealed: &SealedSegment,
        damage: SegmentDamage,
        now: Timestamp,
    ) {
        let key = (partition.key(), sealed.base_offset());
        let found = DamagedSegment {
            topic: Arc::clone(partition.topic()),
            partition: partition.key().partition,
            file: sealed.path(),
            position: damage.position,
            first_offset: damage.first_offset,
            end_offset: damage.end_offset,
            problem: damage.problem.to_string(),
        };
        let mut state = self.lock();
        state.looked.insert(key, now);
        if state.damaged.get(&key) == Some(&found) {
            return;
        }
        tracing::error!(
            %partition,
            file = %found.file.display(),
            position = found.position,
            first_offset = found.first_offset.0,
            end_offset = found.end_offset.0,
            problem = found.problem,
            "a sealed segment is damaged"
        );
        state.damaged.insert(key, found);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Collections of findings: a panic loses at worst a look.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// `None` when it cannot be opened: it was removed, or is tried again with the next search.
    fn open(
        id: TopicIdPartition,
        sealed: SealedSegment,
        known: Option<SegmentSums>,
        again: bool,
    ) -> Option<Self> {
        match sealed.open() {
            Ok(file) => {
                let check = SegmentCheck::new(sealed.shape());
                Some(Self { id, sealed, known, file, check, position: 0, buffer: Vec::new(), again })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(file = %sealed.path().display(), %error, "a segment could not be opened to be checked");
                None
            }
        }
    }

    /// Reads the next piece. Returns how many bytes; 0 when nothing more comes.
    fn read(&mut self, size: u64) -> u64 {
        let size = usize::try_from(size.min(self.check.left())).unwrap_or(0);
        self.buffer.resize(size, 0);
        let count = loop {
            match self.file.read_at(&mut self.buffer, self.position) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.check.unreadable(error.to_string());
                    return 0;
                }
            }
        };
        self.check.add(self.buffer.get(..count).unwrap_or_default());
        self.position = self.position.saturating_add(count as u64);
        count as u64
    }
}

/// Writes the sums of a segment that is part of its log; when it leaves the log meanwhile, they go too.
fn keep(partition: &LocalPartition, sealed: &SealedSegment, sums: &SegmentSums) {
    let kept = partition.in_directory(|| {
        sealed.keep_sums(sums)?;
        if sealed.is_among(&partition.segments()) { Ok(()) } else { sealed.forget_sums() }
    });
    if let Some(Err(error)) = kept {
        tracing::debug!(%partition, %error, "the sums of a segment were not kept");
    }
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrub").finish_non_exhaustive()
    }
}
