//! Incremental fetch sessions (KIP-227): what a consumer asked for stays here, so that its next request names only what
//! changed, and the answer holds only partitions with news.
//!
//! A [`Session`] keeps one slot a partition and a queue of the slots that may have news: those that the request touched,
//! those told by a watermark, those that had more than the last answer could take, and those in error. A long poll over
//! ten thousand quiet partitions and a busy one therefore looks at the busy one. Slots that gave records go to the back of
//! the queue, so that a full answer starves nobody.
//!
//! Not here: reading, and the encoding of answers (`handlers::fetch`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use highwater_store::{Partition, Watch, WatchSet};
use highwater_types::{Instant, LeaderEpoch, Offset, TopicId, TopicIdPartition};
use parking_lot::Mutex;

/// A topic as the request names it: by name below Fetch v13, by id from it on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicRef {
    /// By name.
    Name(Arc<str>),
    /// By id.
    Id(TopicId),
}

/// A partition as the request names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionRef {
    /// The topic.
    pub(crate) topic: TopicRef,
    /// 0-based index.
    pub(crate) partition: i32,
}

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FetchParams {
    /// First offset wanted.
    pub(crate) fetch_offset: Offset,
    /// Bytes wanted of this partition.
    pub(crate) max_bytes: u64,
    /// The leader epoch that the client knows; [`LeaderEpoch::NONE`] when it does not say.
    pub(crate) current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record that the client has (Fetch v12+); [`LeaderEpoch::NONE`] when it does not say.
    pub(crate) last_fetched_epoch: LeaderEpoch,
}

/// A request's session fields and partitions.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    /// `session_id`: 0 is none.
    pub(crate) session_id: i32,
    /// `session_epoch`: 0 opens a session, -1 asks for none.
    pub(crate) session_epoch: i32,
    /// Whether topics are named by id (Fetch v13+).
    pub(crate) by_topic_id: bool,
    /// Partitions to fetch from, or whose parameters change.
    pub(crate) partitions: Vec<(PartitionRef, FetchParams)>,
    /// Partitions to drop from the session.
    pub(crate) forgotten: Vec<PartitionRef>,
}

/// Why a request does not fit its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionError {
    /// FETCH_SESSION_ID_NOT_FOUND: never opened, closed or evicted.
    NotFound,
    /// INVALID_FETCH_SESSION_EPOCH: not the epoch that follows the last one.
    InvalidEpoch,
    /// FETCH_SESSION_TOPIC_ID_ERROR: the session names topics the other way.
    TopicIds,
}

/// A session to answer from, and how.
#[derive(Debug)]
pub(crate) struct SessionContext {
    /// The session; its lock is taken for as long as the answer takes, so that requests take turns in order.
    pub(crate) session: Arc<tokio::sync::Mutex<Session>>,
    /// What to say in the answer; 0 when there is no session.
    pub(crate) session_id: i32,
    /// Whether every partition must be in the answer, news or not.
    pub(crate) full: bool,
    changes: SessionRequest,
}

impl SessionContext {
    /// Puts the request's partitions into the locked session.
    pub(crate) fn apply(&mut self, session: &mut Session) {
        let forgotten = self.changes.forgotten.drain(..).filter(|gone| session.forget(gone)).count();
        if forgotten > 0 {
            session.unqueue_forgotten();
        }
        for (partition, params) in self.changes.partitions.drain(..) {
            session.put(partition, params);
        }
        session.size.store(session.by_partition.len(), Ordering::Relaxed);
    }
}

/// Every open session, at most as many as `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    cache: Mutex<Cache>,
    slots: usize,
}

#[derive(Debug, Default)]
struct Cache {
    sessions: HashMap<i32, CachedSession>,
    last_id: i32,
}

#[derive(Debug)]
struct CachedSession {
    session: Arc<tokio::sync::Mutex<Session>>,
    by_topic_id: bool,
    next_epoch: i32,
    size: Arc<AtomicUsize>,
    last_used: Instant,
}

impl CachedSession {
    /// How many partitions it has; what a request brings counts once it is applied.
    fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }
}

/// A session unused for so long gives its slot to any new one (`FetchSessionCache`: 120 s).
const EVICTION_MS: u64 = 120_000;
/// Partitions of all sessions together, each of which takes some 250 bytes. Who needs more fetches without a session.
const PARTITIONS_MAX: usize = 500_000;
const NO_SESSION_EPOCH: i32 = -1;
const INITIAL_EPOCH: i32 = 0;

impl FetchSessions {
    /// A cache of at most `slots` sessions. `seed` makes its first session id hard to guess.
    pub(crate) fn new(slots: usize, seed: i32) -> Self {
        let cache = Cache { sessions: HashMap::new(), last_id: seed & 0x3fff_ffff };
        Self { cache: Mutex::new(cache), slots }
    }

    /// Finds or opens the session of a request, as `FetchManager.newContext` does.
    pub(crate) fn begin(
        &self,
        request: SessionRequest,
        now: Instant,
    ) -> Result<SessionContext, SessionError> {
        let mut cache = self.cache.lock();
        match request.session_epoch {
            NO_SESSION_EPOCH => {
                cache.sessions.remove(&request.session_id);
                Ok(unkept(request))
            }
            INITIAL_EPOCH => {
                cache.sessions.remove(&request.session_id);
                Ok(self.open(&mut cache, request, now))
            }
            _ => cache.resume(request, now),
        }
    }

    fn open(&self, cache: &mut Cache, request: SessionRequest, now: Instant) -> SessionContext {
        let size = request.partitions.len();
        if size == 0 || !cache.make_room(self.slots, size, now) {
            return unkept(request);
        }
        let id = cache.unused_id();
        let session = Session::new();
        session.size.store(size, Ordering::Relaxed);
        let size = Arc::clone(&session.size);
        let session = Arc::new(tokio::sync::Mutex::new(session));
        let entry = CachedSession {
            session: Arc::clone(&session),
            by_topic_id: request.by_topic_id,
            next_epoch: 1,
            size,
            last_used: now,
        };
        cache.sessions.insert(id, entry);
        SessionContext { session, session_id: id, full: true, changes: request }
    }
}

impl Cache {
    fn resume(&mut self, request: SessionRequest, now: Instant) -> Result<SessionContext, SessionError> {
        if !request.partitions.is_empty() && self.partitions() > PARTITIONS_MAX {
            self.sessions.remove(&request.session_id);
        }
        let entry = self.sessions.get_mut(&request.session_id).ok_or(SessionError::NotFound)?;
        if entry.by_topic_id != request.by_topic_id {
            return Err(SessionError::TopicIds);
        }
        if entry.next_epoch != request.session_epoch {
            return Err(SessionError::InvalidEpoch);
        }
        entry.next_epoch = if entry.next_epoch == i32::MAX { 1 } else { entry.next_epoch + 1 };
        entry.last_used = now;
        Ok(SessionContext {
            session: Arc::clone(&entry.session),
            session_id: request.session_id,
            full: false,
            changes: request,
        })
    }

    /// Makes sure that a session of `size` partitions may be added: evicts one that was not used for two minutes, or
    /// else the smallest if it is smaller (`FetchSessionCacheShard.tryEvict`).
    fn make_room(&mut self, slots: usize, size: usize, now: Instant) -> bool {
        if self.partitions().saturating_add(size) > PARTITIONS_MAX {
            self.sessions.retain(|_, entry| now.ms_since(entry.last_used) <= EVICTION_MS);
            if self.partitions().saturating_add(size) > PARTITIONS_MAX {
                return false;
            }
        }
        if self.sessions.len() < slots {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(id, entry)| (entry.last_used, **id));
        let stale =
            oldest.filter(|(_, entry)| now.ms_since(entry.last_used) > EVICTION_MS).map(|(id, _)| *id);
        let smallest = self.sessions.iter().min_by_key(|(id, entry)| (entry.size(), entry.last_used, **id));
        let victim = stale.or_else(|| smallest.filter(|(_, entry)| entry.size() < size).map(|(id, _)| *id));
        victim.is_some_and(|id| self.sessions.remove(&id).is_some())
    }

    fn partitions(&self) -> usize {
        self.sessions.values().map(CachedSession::size).sum()
    }

    fn unused_id(&mut self) -> i32 {
        loop {
            self.last_id = if self.last_id == i32::MAX { 1 } else { self.last_id + 1 };
            if !self.sessions.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

/// A session that lives for one request.
fn unkept(request: SessionRequest) -> SessionContext {
    let session = Arc::new(tokio::sync::Mutex::new(Session::new()));
    SessionContext { session, session_id: 0, full: true, changes: request }
}

/// The partitions of one consumer.
#[derive(Debug)]
pub(crate) struct Session {
    watch: Arc<WatchSet>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_partition: HashMap<PartitionRef, u32>,
    queue: VecDeque<u32>,
    /// How many partitions it has, for the cache.
    size: Arc<AtomicUsize>,
}

/// One partition of a session.
#[derive(Debug)]
pub(crate) struct Slot {
    /// What the client calls it.
    pub(crate) partition: PartitionRef,
    /// What it asks.
    pub(crate) params: FetchParams,
    /// What the last answer said of its watermark and start; -1 when it must be said again.
    pub(crate) told: (Offset, Offset),
    watched: Option<(TopicIdPartition, Watch)>,
    in_use: bool,
    queued: bool,
}

/// What an answer that says nothing yet has told.
pub(crate) const UNTOLD: (Offset, Offset) = (Offset(-1), Offset(-1));

impl Session {
    fn new() -> Self {
        Self {
            watch: WatchSet::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_partition: HashMap::new(),
            queue: VecDeque::new(),
            size: Arc::default(),
        }
    }

    /// What partitions tell of their changes.
    pub(crate) fn watch_set(&self) -> Arc<WatchSet> {
        Arc::clone(&self.watch)
    }

    /// Moves what was told meanwhile into the queue.
    pub(crate) fn note_changes(&mut self, changed: BTreeSet<u32>) {
        for index in changed {
            self.enqueue(index);
        }
    }

    /// Takes the next slot that may have news off the queue.
    pub(crate) fn next(&mut self) -> Option<u32> {
        while let Some(index) = self.queue.pop_front() {
            if let Some(slot) = self.slots.get_mut(index as usize) {
                slot.queued = false;
                if slot.in_use {
                    return Some(index);
                }
            }
        }
        None
    }

    /// Whether it has no partition.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_partition.is_empty()
    }

    /// How many slots may have news.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// A slot by the number that [`Session::next`] gave.
    pub(crate) fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize).filter(|slot| slot.in_use)
    }

    /// Puts a slot at the back of the queue.
    pub(crate) fn enqueue(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize).filter(|slot| slot.in_use && !slot.queued) {
            slot.queued = true;
            self.queue.push_back(index);
        }
    }

    /// Has the session told of changes of `partition`, unless it is already.
    pub(crate) fn watch_partition(&mut self, index: u32, partition: &Arc<dyn Partition>) {
        let watch = Arc::clone(&self.watch);
        if let Some(slot) = self.slot(index)
            && slot.watched.as_ref().is_none_or(|(id, _)| *id != partition.id())
        {
            slot.watched = Some((partition.id(), Arc::clone(partition).watch(&watch, index)));
        }
    }

    fn put(&mut self, partition: PartitionRef, params: FetchParams) {
        let index = match self.by_partition.get(&partition) {
            Some(&index) => index,
            None => self.add(partition, params),
        };
        if let Some(slot) = self.slot(index) {
            slot.params = params;
        }
        self.enqueue(index);
    }

    fn add(&mut self, partition: PartitionRef, params: FetchParams) -> u32 {
        let slot = Slot {
            partition: partition.clone(),
            params,
            told: UNTOLD,
            watched: None,
            in_use: true,
            queued: false,
        };
        let reused = self.free.pop();
        let index = match reused.and_then(|index| Some((index, self.slots.get_mut(index as usize)?))) {
            Some((index, place)) => {
                *place = slot;
                index
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.by_partition.insert(partition, index);
        index
    }

    /// Drops a partition, if it is there; [`Session::unqueue_forgotten`] must follow before one is added.
    fn forget(&mut self, partition: &PartitionRef) -> bool {
        let Some(index) = self.by_partition.remove(partition) else { return false };
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.in_use = false;
            slot.queued = false;
            slot.watched = None;
            self.free.push(index);
        }
        true
    }

    fn unqueue_forgotten(&mut self) {
        let slots = &self.slots;
        self.queue.retain(|index| slots.get(*index as usize).is_some_and(|slot| slot.in_use));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(index: i32) -> PartitionRef {
        PartitionRef { topic: TopicRef::Name("t".into()), partition: index }
    }

    fn params(offset: i64) -> FetchParams {
        FetchParams {
            fetch_offset: Offset(offset),
            max_bytes: 1000,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        }
    }

    fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> SessionRequest {
        SessionRequest {
            session_id,
            session_epoch,
            by_topic_id: false,
            partitions: partitions.iter().map(|index| (partition(*index), params(0))).collect(),
            forgotten: Vec::new(),
        }
    }

    fn drain(session: &mut Session) -> Vec<i32> {
        let mut seen = Vec::new();
        while let Some(index) = session.next() {
            seen.push(session.slot(index).unwrap().partition.partition);
        }
        seen
    }

    fn seconds(count: u64) -> Instant {
        Instant::default().plus_ms(count * 1000)
    }

    #[test]
    fn sessions_together_have_a_bounded_number_of_partitions() {
        let sessions = FetchSessions::new(10, 0);
        let all: Vec<i32> = (0..).take(PARTITIONS_MAX / 2).collect();
        let ids: Vec<i32> =
            (0..3).map(|_| sessions.begin(request(0, 0, &all), seconds(0)).unwrap().session_id).collect();
        assert!(ids[0] != 0 && ids[1] != 0 && ids[2] == 0, "{ids:?}");
        // A session that grows beyond the bound is lost, and its client goes on without one.
        let mut grown = sessions.begin(request(ids[0], 1, &[-1]), seconds(1)).unwrap();
        let session = Arc::clone(&grown.session);
        let mut session = session.try_lock().unwrap();
        grown.apply(&mut session);
        (0..).take(PARTITIONS_MAX / 2).for_each(|index| session.put(partition(index), params(0)));
        session.size.store(session.by_partition.len(), Ordering::Relaxed);
        let refused = sessions.begin(request(ids[0], 2, &[0]), seconds(2)).unwrap_err();
        assert_eq!(refused, SessionError::NotFound);
        // What is not used any more makes room.
        assert_ne!(sessions.begin(request(0, 0, &all), seconds(200)).unwrap().session_id, 0);
    }

    #[test]
    fn a_session_that_only_moves_on_does_not_grow() {
        let sessions = FetchSessions::new(10, 0);
        let mut opened = sessions.begin(request(0, 0, &[0, 1]), seconds(0)).unwrap();
        opened.apply(&mut opened.session.clone().try_lock().unwrap());
        for epoch in 1..100 {
            let mut next = sessions.begin(request(opened.session_id, epoch, &[0, 1]), seconds(1)).unwrap();
            next.apply(&mut opened.session.clone().try_lock().unwrap());
        }
        assert_eq!(sessions.cache.lock().partitions(), 2);
    }

    #[test]
    fn an_incremental_request_looks_only_at_what_changed() {
        let sessions = FetchSessions::new(10, 0);
        let mut opened = sessions.begin(request(0, 0, &[0, 1, 2]), seconds(0)).unwrap();
        assert!(opened.full && opened.session_id != 0);
        let session = Arc::clone(&opened.session);
        let mut session = session.try_lock().unwrap();
        opened.apply(&mut session);
        assert_eq!(drain(&mut session), [0, 1, 2]);

        let mut next = sessions.begin(request(opened.session_id, 1, &[1]), seconds(1)).unwrap();
        assert!(!next.full);
        next.apply(&mut session);
        session.watch_set().tell(2);
        let changed = session.watch_set().take();
        session.note_changes(changed);
        assert_eq!(drain(&mut session), [1, 2]);
    }

    #[test]
    fn an_epoch_out_of_turn_and_an_unknown_session_are_refused() {
        let sessions = FetchSessions::new(10, 0);
        let id = sessions.begin(request(0, 0, &[0]), seconds(0)).unwrap().session_id;
        assert_eq!(sessions.begin(request(id, 2, &[]), seconds(0)).unwrap_err(), SessionError::InvalidEpoch);
        assert_eq!(sessions.begin(request(id + 1, 1, &[]), seconds(0)).unwrap_err(), SessionError::NotFound);
        let by_id = SessionRequest { by_topic_id: true, ..request(id, 1, &[]) };
        assert_eq!(sessions.begin(by_id, seconds(0)).unwrap_err(), SessionError::TopicIds);
        sessions.begin(request(id, 1, &[]), seconds(0)).unwrap();
        sessions.begin(request(id, -1, &[]), seconds(0)).unwrap();
        assert_eq!(sessions.begin(request(id, 2, &[]), seconds(0)).unwrap_err(), SessionError::NotFound);
    }

    #[test]
    fn a_forgotten_partition_leaves_and_its_slot_is_used_again() {
        let sessions = FetchSessions::new(10, 0);
        let mut opened = sessions.begin(request(0, 0, &[0, 1]), seconds(0)).unwrap();
        let session = Arc::clone(&opened.session);
        let mut session = session.try_lock().unwrap();
        opened.apply(&mut session);
        let mut next = sessions
            .begin(
                SessionRequest { forgotten: vec![partition(0)], ..request(opened.session_id, 1, &[7]) },
                seconds(0),
            )
            .unwrap();
        next.apply(&mut session);
        assert_eq!(drain(&mut session), [1, 7]);
        assert_eq!(session.slots.len(), 2);
    }

    #[test]
    fn a_full_cache_gives_way_to_larger_sessions_and_forgets_stale_ones() {
        let sessions = FetchSessions::new(1, 0);
        let first = sessions.begin(request(0, 0, &[0, 1]), seconds(0)).unwrap().session_id;
        assert_eq!(sessions.begin(request(0, 0, &[0]), seconds(1)).unwrap().session_id, 0);
        assert_ne!(sessions.begin(request(0, 0, &[0, 1, 2]), seconds(1)).unwrap().session_id, 0);
        assert_eq!(sessions.begin(request(first, 1, &[]), seconds(1)).unwrap_err(), SessionError::NotFound);
        assert_ne!(sessions.begin(request(0, 0, &[0]), seconds(200)).unwrap().session_id, 0);
        assert_eq!(sessions.cache.lock().sessions.len(), 1);
    }
}
