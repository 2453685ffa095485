//! Turns what a fetch found into its answer, and notes in the session what was told.

use std::collections::{BTreeMap, HashMap};

use highwater_partition_log::{Isolation, LogOffsets, ReadOutcome};
use highwater_wire::messages::FetchResponse;
use highwater_wire::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use highwater_wire::{ErrorCode, Records, Str};

use super::Found;
use crate::fetch_session::{Session, TopicRef, UNTOLD};

/// Answers a request that does not fit its session: no partitions, session id 0.
pub(super) fn session_error(code: ErrorCode) -> FetchResponse {
    FetchResponse { error_code: code.code(), ..FetchResponse::default() }
}

/// Builds the answer. A full one has every partition that was looked at; an incremental one those with records, errors,
/// or a watermark or start that was not told before (`FetchSession.CachedPartition.maybeUpdateResponseData`).
pub(super) fn build(
    found: BTreeMap<u32, Found>,
    session: &mut Session,
    (session_id, full): (i32, bool),
    isolation: Isolation,
) -> FetchResponse {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    let mut places: HashMap<TopicRef, usize> = HashMap::new();
    for (index, found) in found {
        let news = note(session, index, &found);
        let Some(slot) = session.slot(index).filter(|_| full || news) else { continue };
        let topic = slot.partition.topic.clone();
        let data = partition_data(slot.partition.partition, found, isolation);
        let place = *places.entry(topic).or_insert_with_key(|topic| {
            topics.push(topic_response(topic));
            topics.len() - 1
        });
        if let Some(topic) = topics.get_mut(place) {
            topic.partitions.push(data);
        }
    }
    FetchResponse { session_id, responses: topics, ..FetchResponse::default() }
}

/// Puts the slot back into the queue where it may have more, remembers what is told now, and says whether it is news.
fn note(session: &mut Session, index: u32, found: &Found) -> bool {
    let told = match found {
        Found::Records(ReadOutcome { offsets, .. }) | Found::Nothing { offsets, .. } => {
            (offsets.high_watermark, offsets.log_start_offset)
        }
        Found::Diverging { .. } | Found::Unknown(_) | Found::Refused(_) => UNTOLD,
    };
    if !matches!(found, Found::Nothing { skipped: false, .. }) {
        session.enqueue(index);
    }
    let Some(slot) = session.slot(index) else { return false };
    let news = !matches!(found, Found::Nothing { .. }) || slot.told != told;
    slot.told = told;
    news
}

fn topic_response(topic: &TopicRef) -> FetchableTopicResponse {
    match topic {
        TopicRef::Name(name) => {
            FetchableTopicResponse { topic: Str::from(name.as_ref()), ..FetchableTopicResponse::default() }
        }
        TopicRef::Id(id) => FetchableTopicResponse { topic_id: *id, ..FetchableTopicResponse::default() },
    }
}

/// As Kafka, what is unknown carries an empty list of aborted transactions, what the log refuses none, and a read one
/// where it was asked for.
fn partition_data(partition_index: i32, found: Found, isolation: Isolation) -> PartitionData {
    let no_aborted = (isolation == Isolation::ReadCommitted).then(Vec::new);
    let empty = PartitionData {
        partition_index,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted_transactions: no_aborted,
        preferred_read_replica: -1,
        records: Some(Records::default()),
        ..PartitionData::default()
    };
    match found {
        Found::Refused(code) => {
            PartitionData { error_code: code.code(), aborted_transactions: None, ..empty }
        }
        Found::Unknown(code) => {
            PartitionData { error_code: code.code(), aborted_transactions: Some(Vec::new()), ..empty }
        }
        Found::Nothing { offsets, .. } => with_offsets(empty, offsets),
        Found::Diverging { offsets, epoch, end_offset } => PartitionData {
            diverging_epoch: EpochEndOffset { epoch: epoch.0, end_offset: end_offset.0 },
            ..with_offsets(empty, offsets)
        },
        Found::Records(outcome) => {
            let aborted = outcome.aborted.iter().map(|transaction| AbortedTransaction {
                producer_id: transaction.producer_id.0,
                first_offset: transaction.first_offset.0,
            });
            PartitionData {
                aborted_transactions: empty.aborted_transactions.is_some().then(|| aborted.collect()),
                records: Some(Records::from(outcome.records)),
                ..with_offsets(empty, outcome.offsets)
            }
        }
    }
}

fn with_offsets(data: PartitionData, offsets: LogOffsets) -> PartitionData {
    PartitionData {
        high_watermark: offsets.high_watermark.0,
        last_stable_offset: offsets.last_stable_offset.0,
        log_start_offset: offsets.log_start_offset.0,
        ..data
    }
}
