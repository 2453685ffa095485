//! What every [`LogStore`] does.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use highwater_partition_log::{Appended, Isolation, LogConfig, Origin, ReadRequest};
use highwater_types::{Offset, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, CHECKSUM_START, Record, batches};

use super::block_on;
use crate::{
    Acknowledgement, AppendError, LogStore, NewPartition, Partition, PartitionProblem, PartitionState,
    ReadError, WatchSet,
};

/// How the suite gets at an implementation. One fixture is one storage.
pub trait LogFixture {
    /// Opens the store on the storage as it was left, where metadata knows these partitions, and returns when none of
    /// them is recovering any more.
    fn open(&mut self, partitions: &[NewPartition]) -> Arc<dyn LogStore>;
    /// Ends a store as the death of the process does, or the worst that the fixture can do beyond that. The suite has
    /// closed it before where it says so.
    fn end(&mut self, store: Arc<dyn LogStore>);
}

/// Runs the suite.
///
/// # Panics
/// Where a promise is broken.
pub fn log_store<F: LogFixture>(mut fixture: impl FnMut() -> F) {
    created_partitions_are_empty_and_online(&mut fixture());
    creation_is_all_or_none(&mut fixture());
    appends_get_offsets_in_order_and_read_back_byte_for_byte(&mut fixture());
    a_read_stays_within_its_bounds(&mut fixture());
    a_refused_batch_changes_nothing(&mut fixture());
    partitions_are_independent_under_concurrent_appends(&mut fixture());
    acknowledged_records_survive_a_close_and_a_crash(&mut fixture());
    a_watch_is_told_when_records_become_visible(&mut fixture());
    deleted_partitions_are_gone_and_others_are_not(&mut fixture());
    deleted_records_stay_deleted(&mut fixture());
    a_record_is_found_by_its_time(&mut fixture());
    a_closed_store_takes_nothing(&mut fixture());
}

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn partition(topic: u8, partition: i32) -> NewPartition {
    let id = TopicIdPartition { topic_id: TopicId([topic; 16]), partition };
    NewPartition { id, topic: format!("topic-{topic}").into(), config: LogConfig::default() }
}

/// A store on the fixture's empty storage with these partitions.
fn store_with(fixture: &mut impl LogFixture, partitions: &[NewPartition]) -> Arc<dyn LogStore> {
    let store = fixture.open(&[]);
    block_on(store.create(partitions.to_vec())).expect("the creation");
    store
}

fn get(store: &Arc<dyn LogStore>, partition: &NewPartition) -> Arc<dyn Partition> {
    store.partition(partition.id).expect("the partition")
}

/// A batch of `count` records, recognisable by `number`, the first stamped `NOW + number`.
fn batch(number: i64, count: i64) -> Bytes {
    let mut builder = BatchBuilder::new();
    for index in 0..count {
        let value = Some(format!("batch {number}, record {index}").into());
        builder.push(&Record { timestamp: Timestamp(NOW.0 + number + index), value, ..Record::default() });
    }
    builder.build().expect("a batch")
}

fn append(partition: &Arc<dyn Partition>, records: Bytes) -> Appended {
    let appended = partition.append(records, Origin::Client, NOW).expect("the append");
    block_on(partition.acknowledged(&appended, Acknowledgement::Durable)).expect("the acknowledgement");
    appended
}

fn request(offset: i64, max_bytes: u64) -> ReadRequest {
    let isolation = Isolation::ReadUncommitted;
    ReadRequest { offset: Offset(offset), max_bytes, at_least_one_batch: true, isolation }
}

fn read(partition: &Arc<dyn Partition>, offset: i64, max_bytes: u64) -> Bytes {
    let outcome = block_on(partition.read(request(offset, max_bytes))).expect("the read");
    let ranges: Vec<Vec<u8>> = outcome.records.iter().map(|range| range.read().expect("the range")).collect();
    ranges.concat().into()
}

/// Base offset and what the checksum covers of each batch from `offset` on.
fn read_batches(partition: &Arc<dyn Partition>, offset: i64) -> Vec<(i64, Bytes)> {
    batches(read(partition, offset, 1 << 30))
        .map(|item| item.expect("a whole batch"))
        .map(|(header, bytes)| (header.base_offset.0, bytes.slice(CHECKSUM_START..)))
        .collect()
}

fn expect_batches(partition: &Arc<dyn Partition>, expected: &[(i64, Bytes)]) {
    let expected: Vec<_> =
        expected.iter().map(|(offset, bytes)| (*offset, bytes.slice(CHECKSUM_START..))).collect();
    assert_eq!(read_batches(partition, 0), expected);
}

fn created_partitions_are_empty_and_online(fixture: &mut impl LogFixture) {
    let partitions = [partition(1, 0), partition(1, 1), partition(2, 0)];
    let store = store_with(fixture, &partitions);
    assert_eq!(store.partitions().len(), 3);
    for new in &partitions {
        let partition = get(&store, new);
        assert_eq!(partition.id(), new.id);
        assert_eq!(partition.state(), PartitionState::Online);
        let offsets = partition.offsets();
        assert_eq!((offsets.log_start_offset, offsets.high_watermark), (Offset(0), Offset(0)));
        assert_eq!((offsets.log_end_offset, partition.size()), (Offset(0), 0));
        assert!(read(&partition, 0, 1 << 20).is_empty());
    }
    assert!(store.partition(partition(9, 0).id).is_none());
    fixture.end(store);
    let store = fixture.open(&partitions);
    assert!(partitions.iter().all(|new| get(&store, new).state() == PartitionState::Online));
}

fn creation_is_all_or_none(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    append(&get(&store, &partition(1, 0)), batch(0, 1));
    // Whether an existing partition may be created again is the implementation's business; half a creation is not.
    let created = block_on(store.create(vec![partition(2, 0), partition(1, 0)])).is_ok();
    assert_eq!(store.partition(partition(2, 0).id).is_some(), created);
    assert_eq!(get(&store, &partition(1, 0)).offsets().log_end_offset, Offset(1));
}

fn appends_get_offsets_in_order_and_read_back_byte_for_byte(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    let partition = get(&store, &partition(1, 0));
    let (mut expected, mut next) = (Vec::new(), 0);
    for number in 0..20 {
        let (records, count) = (batch(number, 1 + number % 3), 1 + number % 3);
        let appended = append(&partition, records.clone());
        assert_eq!((appended.base_offset, appended.last_offset), (Offset(next), Offset(next + count - 1)));
        assert!(!appended.duplicate);
        assert!(partition.offsets().high_watermark >= Offset(next + count), "acknowledged is visible");
        expected.push((next, records));
        next += count;
    }
    expect_batches(&partition, &expected);
    // From the middle: whole batches, beginning with the one that holds the offset.
    for offset in 0..next {
        let first = read_batches(&partition, offset)[0].0;
        let holding = expected.iter().rev().find(|(base, _)| *base <= offset).expect("a batch").0;
        assert_eq!(first, holding, "from offset {offset}");
    }
}

fn a_read_stays_within_its_bounds(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    let partition = get(&store, &partition(1, 0));
    let size = batch(0, 1).len() as u64;
    for _ in 0..5 {
        append(&partition, batch(0, 1));
    }
    assert_eq!(read(&partition, 0, 3 * size).len() as u64, 3 * size);
    assert_eq!(read(&partition, 0, 3 * size + 1).len() as u64, 3 * size, "whole batches only");
    assert_eq!(read(&partition, 0, 1).len() as u64, size, "the first one even when it is larger");
    let strict = ReadRequest { at_least_one_batch: false, ..request(0, 1) };
    assert_eq!(block_on(partition.read(strict)).expect("the read").size(), 0);
    assert!(read(&partition, 5, 1 << 20).is_empty(), "nothing at the end");
    for offset in [-1, 6, i64::MAX] {
        match block_on(partition.read(request(offset, 1))) {
            Err(ReadError::OutOfRange { log_start_offset, high_watermark }) => {
                assert_eq!((log_start_offset, high_watermark), (Offset(0), Offset(5)));
            }
            other => panic!("offset {offset}: {other:?}"),
        }
    }
}

fn a_refused_batch_changes_nothing(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    let partition = get(&store, &partition(1, 0));
    append(&partition, batch(0, 1));
    let mut damaged = batch(1, 1).to_vec();
    *damaged.last_mut().expect("a byte") ^= 1;
    for records in [Bytes::new(), Bytes::from_static(b"no batch"), damaged.into()] {
        let refused = partition.append(records, Origin::Client, NOW);
        assert!(matches!(refused, Err(AppendError::Refused(_))), "{refused:?}");
    }
    assert_eq!(append(&partition, batch(2, 1)).base_offset, Offset(1));
}

fn partitions_are_independent_under_concurrent_appends(fixture: &mut impl LogFixture) {
    let partitions: Vec<_> = (0..3).map(|index| partition(1, index)).collect();
    let store = store_with(fixture, &partitions);
    std::thread::scope(|scope| {
        for (thread, new) in (0..).zip(partitions.iter().cycle().take(6)) {
            let partition = get(&store, new);
            scope.spawn(move || {
                // Five in flight, as a producer has.
                for round in 0..10 {
                    let numbers = (0..5).map(|step| thread * 100 + round * 5 + step);
                    let waiting: Vec<_> = numbers
                        .map(|number| {
                            partition.append(batch(number, 1), Origin::Client, NOW).expect("the append")
                        })
                        .map(|appended| partition.acknowledged(&appended, Acknowledgement::Durable))
                        .collect();
                    waiting.into_iter().for_each(|wait| block_on(wait).expect("the acknowledgement"));
                }
            });
        }
    });
    for (index, new) in (0..).zip(&partitions) {
        let found = read_batches(&get(&store, new), 0);
        assert!(found.iter().map(|(offset, _)| *offset).eq(0..100), "every offset once, in order");
        let sent: BTreeSet<_> = [index, index + 3]
            .iter()
            .flat_map(|thread| (0..50).map(move |number| thread * 100 + number))
            .map(|number| batch(number, 1).slice(CHECKSUM_START..))
            .collect();
        assert_eq!(found.into_iter().map(|(_, bytes)| bytes).collect::<BTreeSet<_>>(), sent);
    }
}

fn acknowledged_records_survive_a_close_and_a_crash(fixture: &mut impl LogFixture) {
    let new = [partition(1, 0), partition(1, 1)];
    let mut expected = vec![Vec::new(); new.len()];
    fixture_round(fixture, &new, &mut expected, true);
    for round in 0..4 {
        fixture_round(fixture, &new, &mut expected, false);
        assert_eq!(expected[0].len(), 3 * (round + 2));
    }
}

/// Opens, checks what is there, appends three batches to each partition and ends, every second time cleanly.
fn fixture_round(
    fixture: &mut impl LogFixture,
    new: &[NewPartition],
    expected: &mut [Vec<(i64, Bytes)>],
    first: bool,
) {
    let store = if first { store_with(fixture, new) } else { fixture.open(new) };
    for (new, expected) in new.iter().zip(expected.iter_mut()) {
        let partition = get(&store, new);
        expect_batches(&partition, expected);
        for _ in 0..3 {
            let number = partition.offsets().log_end_offset.0 / 2;
            let appended = append(&partition, batch(number, 2));
            assert_eq!(appended.base_offset, Offset(2 * number));
            expected.push((2 * number, batch(number, 2)));
        }
        expect_batches(&partition, expected);
    }
    if expected[0].len().is_multiple_of(2) {
        block_on(store.close()).expect("the close");
        block_on(store.close()).expect("closing is idempotent");
    }
    fixture.end(store);
}

fn a_watch_is_told_when_records_become_visible(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0), partition(1, 1)]);
    let (first, second) = (get(&store, &partition(1, 0)), get(&store, &partition(1, 1)));
    let set = WatchSet::new();
    let watch = Arc::clone(&first).watch(&set, 1);
    let _other = Arc::clone(&second).watch(&set, 2);
    set.take();
    append(&first, batch(0, 1));
    assert_eq!(block_on(set.changed()), [1].into());
    drop(watch);
    set.take();
    append(&first, batch(1, 1));
    append(&second, batch(1, 1));
    assert_eq!(block_on(set.changed()), [2].into(), "a dropped watch is not told");
}

fn deleted_partitions_are_gone_and_others_are_not(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0), partition(2, 0)]);
    let (deleted, kept) = (get(&store, &partition(1, 0)), get(&store, &partition(2, 0)));
    append(&deleted, batch(0, 1));
    append(&kept, batch(0, 1));
    let held = block_on(deleted.read(request(0, 1 << 20))).expect("the read");
    block_on(store.delete(vec![deleted.id()])).expect("the deletion");
    assert!(store.partition(deleted.id()).is_none());
    assert_eq!(store.partitions().len(), 1);
    let refused = deleted.append(batch(1, 1), Origin::Client, NOW);
    assert!(matches!(refused, Err(AppendError::Unavailable(PartitionProblem::Gone))), "{refused:?}");
    assert!(!held.records[0].read().expect("the range").is_empty(), "a running read is not disturbed");
    assert_eq!(append(&kept, batch(1, 1)).base_offset, Offset(1));
    // The name is free at once: another topic id is another partition.
    let again = NewPartition { topic: partition(1, 0).topic, ..partition(3, 0) };
    block_on(store.create(vec![again.clone()])).expect("the creation");
    assert_eq!(get(&store, &again).offsets().log_end_offset, Offset(0));
}

fn deleted_records_stay_deleted(fixture: &mut impl LogFixture) {
    let new = [partition(1, 0)];
    let store = store_with(fixture, &new);
    let partition = get(&store, &new[0]);
    for number in 0..6 {
        append(&partition, batch(number, 1));
    }
    let start = block_on(partition.delete_records(Offset(4))).expect("the deletion");
    assert_eq!((start, partition.offsets().log_start_offset), (Offset(4), Offset(4)));
    assert!(matches!(block_on(partition.read(request(3, 1))), Err(ReadError::OutOfRange { .. })));
    let start = block_on(partition.delete_records(Offset(2))).expect("the deletion");
    assert_eq!(start, Offset(4), "it never goes back");
    assert_eq!(read_batches(&partition, 4).len(), 2);
    drop(partition);
    fixture.end(store);
    let store = fixture.open(&new);
    assert_eq!(get(&store, &new[0]).offsets().log_start_offset, Offset(4));
    assert_eq!(get(&store, &new[0]).offsets().high_watermark, Offset(6));
}

fn a_record_is_found_by_its_time(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    let partition = get(&store, &partition(1, 0));
    assert_eq!(block_on(partition.max_timestamp()).expect("the answer"), None);
    for number in 0..5 {
        append(&partition, batch(number * 10, 1));
    }
    let find = |ms: i64| {
        let found = partition.offset_for_timestamp(Timestamp(NOW.0 + ms), Isolation::ReadUncommitted);
        block_on(found).expect("the answer").map(|found| (found.offset.0, found.timestamp.0 - NOW.0))
    };
    assert_eq!((find(-5), find(0), find(1)), (Some((0, 0)), Some((0, 0)), Some((1, 10))));
    assert_eq!((find(40), find(41)), (Some((4, 40)), None));
    let largest = block_on(partition.max_timestamp()).expect("the answer").expect("a record");
    assert_eq!((largest.offset, largest.timestamp), (Offset(4), Timestamp(NOW.0 + 40)));
}

fn a_closed_store_takes_nothing(fixture: &mut impl LogFixture) {
    let store = store_with(fixture, &[partition(1, 0)]);
    let partition = get(&store, &partition(1, 0));
    append(&partition, batch(0, 1));
    block_on(store.close()).expect("the close");
    let refused = partition.append(batch(1, 1), Origin::Client, NOW);
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
}
