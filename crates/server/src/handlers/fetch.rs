//! Fetch v4–18. v7 brought incremental sessions (KIP-227), v12 the epoch of the last fetched record (KIP-595), v13 topic
//! ids (KIP-516), v18 the high watermark of a follower.
//!
//! A fetch looks at the slots of its session that may have news, takes whole batches up to its limits, and answers when it
//! has `min_bytes`, an error, or no more time. Bytes are never copied here: the answer names ranges of segment files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_partition_log::{Isolation, LogOffsets, ReadOutcome, ReadRequest};
use highwater_store::{Partition, PartitionState};
use highwater_types::{LeaderEpoch, Offset};
use highwater_wire::ErrorCode;
use highwater_wire::messages::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::config::Value;
use crate::error_code;
use crate::fetch_session::{
    FetchParams, PartitionRef, Session, SessionContext, SessionError, SessionRequest, TopicRef,
};
use crate::request::{Reply, RequestContext};

mod answer;

/// The first version that names topics by id.
const BY_TOPIC_ID: i16 = 13;
/// The first version that may carry zstd (KIP-110).
const ZSTD: i16 = 10;

/// What one look at a partition found.
enum Found {
    /// Batches, not empty.
    Records(ReadOutcome),
    /// Nothing at this offset yet; `skipped` when the answer was full before it was its turn.
    Nothing { offsets: LogOffsets, skipped: bool },
    /// The client's last record is not in this log: where the epochs part (v12+).
    Diverging { offsets: LogOffsets, epoch: LeaderEpoch, end_offset: Offset },
    /// The client names something that is not there.
    Unknown(ErrorCode),
    /// The partition does not serve this.
    Refused(ErrorCode),
}

/// The limits of one request.
struct Limits {
    max_bytes: u64,
    min_bytes: u64,
    deadline: Instant,
    isolation: Isolation,
    /// Whether a replica asks. There are none, so that nobody of that kind is served.
    from_follower: bool,
}

/// One request at work.
struct Fetch {
    broker: Arc<Broker>,
    context: RequestContext,
    limits: Limits,
    found: BTreeMap<u32, Found>,
    /// Bytes of the records in `found`.
    size: u64,
}

/// Answers `request`; waits in stage two.
pub(crate) fn handle(broker: &Arc<Broker>, context: &RequestContext, request: FetchRequest) -> Reply {
    let limits = limits(broker, &request);
    match broker.fetch_sessions.begin(session_request(context.version, request), broker.clock.instant()) {
        Ok(session) => {
            let fetch = Fetch {
                broker: Arc::clone(broker),
                context: context.clone(),
                limits,
                found: BTreeMap::new(),
                size: 0,
            };
            Reply::later(context, move || fetch.run(session))
        }
        Err(error) => Reply::now(context, &answer::session_error(code_of(error))),
    }
}

fn limits(broker: &Broker, request: &FetchRequest) -> Limits {
    let max_bytes = bytes(request.max_bytes).min(broker.settings.fetch_max_bytes());
    Limits {
        max_bytes,
        min_bytes: bytes(request.min_bytes).min(max_bytes),
        deadline: Instant::now() + Duration::from_millis(bytes(request.max_wait_ms)),
        isolation: if request.isolation_level == 1 {
            Isolation::ReadCommitted
        } else {
            Isolation::ReadUncommitted
        },
        from_follower: request.replica_id >= 0 || request.replica_state.replica_id >= 0,
    }
}

/// A number of bytes or milliseconds that a client sent; negative ones count as 0.
fn bytes(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn code_of(error: SessionError) -> ErrorCode {
    match error {
        SessionError::NotFound => ErrorCode::FetchSessionIdNotFound,
        SessionError::InvalidEpoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionError::TopicIds => ErrorCode::FetchSessionTopicIdError,
    }
}

fn session_request(version: i16, request: FetchRequest) -> SessionRequest {
    let by_topic_id = version >= BY_TOPIC_ID;
    let topic_ref = |name: &str, id| if by_topic_id { TopicRef::Id(id) } else { TopicRef::Name(name.into()) };
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let name = topic_ref(&topic.topic, topic.topic_id);
        partitions.extend(topic.partitions.iter().map(|asked| {
            let params = FetchParams {
                fetch_offset: Offset(asked.fetch_offset),
                max_bytes: bytes(asked.partition_max_bytes),
                current_leader_epoch: LeaderEpoch(asked.current_leader_epoch),
                last_fetched_epoch: LeaderEpoch(asked.last_fetched_epoch),
            };
            (PartitionRef { topic: name.clone(), partition: asked.partition }, params)
        }));
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let name = topic_ref(&topic.topic, topic.topic_id);
        let refs = topic.partitions.iter();
        forgotten.extend(refs.map(|index| PartitionRef { topic: name.clone(), partition: *index }));
    }
    // Below v7 there are no sessions; the schema's defaults say "no session, epoch -1".
    SessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        by_topic_id,
        partitions,
        forgotten,
    }
}

impl Fetch {
    async fn run(mut self, mut context: SessionContext) -> FetchResponse {
        let session = Arc::clone(&context.session);
        let mut session = session.lock().await;
        context.apply(&mut session);
        let watch = session.watch_set();
        loop {
            session.note_changes(watch.take());
            self.look(&mut session, context.full).await;
            if self.is_enough(&session) {
                break;
            }
            self.look_again_later(&mut session);
            let mut stopping = self.broker.stopping.subscribe();
            let changed = tokio::select! {
                changed = tokio::time::timeout_at(self.limits.deadline, watch.changed()) => changed.ok(),
                _ = stopping.wait_for(|stopping| *stopping) => None,
            };
            let Some(changed) = changed else {
                self.look(&mut session, context.full).await;
                break;
            };
            session.note_changes(changed);
        }
        let how = (context.session_id, context.full);
        answer::build(self.found, &mut session, how, self.limits.isolation)
    }

    /// Looks at queued slots until the answer is full. A full answer names every partition, so there the rest is looked at
    /// too, for its watermarks.
    async fn look(&mut self, session: &mut Session, every: bool) {
        let mut turns = session.queued();
        while turns > 0
            && (every || self.left() > 0)
            && let Some(index) = session.next()
        {
            turns -= 1;
            let found = self.look_at(session, index, self.left()).await;
            if let Found::Records(outcome) = &found {
                self.size = self.size.saturating_add(outcome.size());
            }
            self.found.insert(index, found);
            // A request may name a hundred thousand partitions; others have their turn meanwhile.
            tokio::task::consume_budget().await;
        }
    }

    /// Bytes that the answer may still take.
    fn left(&self) -> u64 {
        self.limits.max_bytes.saturating_sub(self.size)
    }

    async fn look_at(&self, session: &mut Session, index: u32, left: u64) -> Found {
        let Some(slot) = session.slot(index) else { return Found::Refused(ErrorCode::UnknownServerError) };
        let (reference, params) = (slot.partition.clone(), slot.params);
        let partition = match self.resolve(&reference) {
            Ok(partition) => partition,
            Err(code) => return Found::Unknown(code),
        };
        session.watch_partition(index, &partition);
        match self.read(partition.as_ref(), params, left).await {
            Ok(found) => found,
            Err(code) => Found::Refused(code),
        }
    }

    fn resolve(&self, reference: &PartitionRef) -> Result<Arc<dyn Partition>, ErrorCode> {
        let (topic, unknown) = match &reference.topic {
            TopicRef::Name(name) => (self.broker.topics.by_name(name), ErrorCode::UnknownTopicOrPartition),
            TopicRef::Id(id) => (self.broker.topics.by_id(*id), ErrorCode::UnknownTopicId),
        };
        let topic = topic.ok_or(unknown)?;
        self.context.authorize(Operation::Read, Resource::Topic(&topic.name))?;
        let is_zstd = || {
            let compression = topic.config(&self.broker.settings.layers(), "compression.type");
            matches!(compression, Value::Text(codec) if codec == "zstd")
        };
        if self.context.version < ZSTD && is_zstd() {
            return Err(ErrorCode::UnsupportedCompressionType);
        }
        self.broker.partition(&topic, reference.partition).ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    async fn read(
        &self,
        partition: &dyn Partition,
        params: FetchParams,
        left: u64,
    ) -> Result<Found, ErrorCode> {
        if self.limits.from_follower {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if let PartitionState::Unavailable(problem) = partition.state() {
            return Err(error_code::of_problem(&problem));
        }
        let offsets = partition.offsets();
        check_epoch(params.current_leader_epoch, offsets.leader_epoch)?;
        if let Some(diverging) = divergence(partition, params, offsets)? {
            return Ok(diverging);
        }
        let at_least_one_batch = self.size == 0;
        let request = ReadRequest {
            offset: params.fetch_offset,
            max_bytes: params.max_bytes.min(left),
            at_least_one_batch,
            isolation: self.limits.isolation,
        };
        let outcome = partition.read(request).await.map_err(|error| error_code::of_read(&error))?;
        if outcome.records.is_empty() {
            // There was no room for it, or no descriptor: an answer holds the files open that it is sent from.
            let end = match self.limits.isolation {
                Isolation::ReadCommitted => outcome.offsets.last_stable_offset,
                Isolation::ReadUncommitted => outcome.offsets.high_watermark,
            };
            let skipped = left == 0 || (!at_least_one_batch && params.fetch_offset < end);
            return Ok(Found::Nothing { offsets: outcome.offsets, skipped });
        }
        Ok(Found::Records(outcome))
    }

    fn is_enough(&self, session: &Session) -> bool {
        let at_once = |found: &Found| !matches!(found, Found::Records(_) | Found::Nothing { .. });
        session.is_empty()
            || self.limits.deadline <= Instant::now()
            || self.found.values().any(at_once)
            || self.size >= self.limits.min_bytes
    }

    /// Too little so far: what was read is read anew with what comes, in its old order.
    fn look_again_later(&mut self, session: &mut Session) {
        for (index, found) in &self.found {
            if matches!(found, Found::Records(_)) {
                session.enqueue(*index);
            }
        }
        self.found.retain(|_, found| !matches!(found, Found::Records(_)));
        self.size = 0;
    }
}

/// `FENCED_LEADER_EPOCH` for a client that lives in the past, `UNKNOWN_LEADER_EPOCH` for one from the future (KIP-320).
pub(crate) fn check_epoch(known: LeaderEpoch, current: LeaderEpoch) -> Result<(), ErrorCode> {
    match known {
        LeaderEpoch::NONE => Ok(()),
        known if known < current => Err(ErrorCode::FencedLeaderEpoch),
        known if known > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

fn divergence(
    partition: &dyn Partition,
    params: FetchParams,
    offsets: LogOffsets,
) -> Result<Option<Found>, ErrorCode> {
    if params.last_fetched_epoch == LeaderEpoch::NONE {
        return Ok(None);
    }
    let end = partition.end_of_epoch(params.last_fetched_epoch);
    if end.leader_epoch == LeaderEpoch::NONE {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    if end.leader_epoch < params.last_fetched_epoch || end.end_offset < params.fetch_offset {
        return Ok(Some(Found::Diverging { offsets, epoch: end.leader_epoch, end_offset: end.end_offset }));
    }
    Ok(None)
}
