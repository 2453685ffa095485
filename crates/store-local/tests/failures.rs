//! What fails takes down what it must and nothing else, on the simulated disk.

// Helpers of tests are not tests to clippy; a panic is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod common;

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use common::{Driven, PATH, append, batch, id, new_partition, open, poll, try_open};
use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, OpenMode, Operation, write_all_at};
use highwater_store::{
    Acknowledgement, AppendError, LogStore, PartitionProblem, PartitionState, StoreError, WatchSet,
};
use highwater_types::TopicId;

const DURABLE: Acknowledgement = Acknowledgement::Durable;
const WRITTEN: Acknowledgement = Acknowledgement::Written;

fn as_disk(disk: &Arc<SimDisk>) -> Arc<dyn Disk> {
    Arc::clone(disk) as _
}

/// A store with partitions 0..count of topic 1.
fn with_partitions(disk: &Arc<SimDisk>, count: i32) -> Driven {
    let driven = open(&as_disk(disk), Vec::new());
    driven.create((0..count).map(|partition| new_partition(1, partition)).collect());
    driven
}

#[test]
fn an_answer_never_comes_before_what_it_promises() {
    let disk = SimDisk::new(1);
    let driven = with_partitions(&disk, 1);
    let mut written = append(&driven, id(1, 0), batch(1, 50, 1), WRITTEN).unwrap();
    let mut durable = append(&driven, id(1, 0), batch(2, 50, 2), DURABLE).unwrap();
    assert_eq!((written.base_offset, durable.base_offset), (0, 1));
    assert!(poll(written.wait.as_mut()).is_pending());
    driven.store.write_round();
    assert!(matches!(poll(written.wait.as_mut()), Poll::Ready(Ok(()))));
    assert!(poll(durable.wait.as_mut()).is_pending(), "written, not synced");
    assert_eq!(driven.partition(id(1, 0)).offsets().high_watermark.0, 0);
    let mut late = append(&driven, id(1, 0), batch(1, 50, 3), DURABLE).unwrap();
    driven.store.sync_round();
    assert!(matches!(poll(durable.wait.as_mut()), Poll::Ready(Ok(()))));
    assert_eq!(driven.partition(id(1, 0)).offsets().high_watermark.0, 3);
    assert!(poll(late.wait.as_mut()).is_pending(), "staged after the write that the sync covers");
    driven.settle();
    assert!(matches!(poll(late.wait.as_mut()), Poll::Ready(Ok(()))));
    assert_eq!(driven.store.staged_bytes(), 0);
}

#[test]
fn a_failed_sync_takes_only_its_partition_offline() {
    let disk = SimDisk::new(2);
    let driven = with_partitions(&disk, 3);
    let good = append(&driven, id(1, 1), batch(1, 10, 1), DURABLE).unwrap();
    driven.drive(good.wait).unwrap();
    let set = WatchSet::new();
    let _watch = driven.partition(id(1, 1)).watch(&set, 5);
    let pending: Vec<_> =
        (0..3).map(|index| append(&driven, id(1, index), batch(1, 10, 2), DURABLE).unwrap()).collect();
    disk.fail_next_sync("topic1-1/");
    for pending in pending {
        let result = driven.drive(pending.wait);
        match pending.id.partition {
            1 => assert!(
                matches!(&result, Err(AppendError::Unavailable(PartitionProblem::Storage(cause)))
                    if cause.contains("topic1-1")),
                "{result:?}"
            ),
            _ => result.unwrap(),
        }
    }
    assert!(set.take().contains(&5), "watchers are told that the state changed");
    let state = driven.partition(id(1, 1)).state();
    assert!(matches!(state, PartitionState::Unavailable(PartitionProblem::Storage(_))), "{state:?}");
    assert!(append(&driven, id(1, 1), batch(1, 10, 3), DURABLE).is_err());
    for index in [0, 2] {
        let pending = append(&driven, id(1, index), batch(1, 10, 4), DURABLE).unwrap();
        driven.drive(pending.wait).unwrap();
    }
    // The next start re-reads the doubtful bytes from the device: the acknowledged one is there.
    driven.pass_ms(0);
    driven.drive(driven.store.close()).unwrap();
    drop(driven);
    let disk = disk.kill();
    let driven = open(&as_disk(&disk), (0..3).map(|partition| new_partition(1, partition)).collect());
    driven.settle();
    let found = driven.read_all(id(1, 1));
    assert_eq!(found.first().map(|(base_offset, _)| *base_offset), Some(0));
    assert_eq!(driven.read_all(id(1, 0)).len(), 2);
    // What is shown now survives a power loss.
    drop(driven);
    let disk = disk.power_loss(3);
    let driven = open(&as_disk(&disk), (0..3).map(|partition| new_partition(1, partition)).collect());
    driven.settle();
    assert_eq!(driven.read_all(id(1, 1)), found);
}

#[test]
fn a_failed_write_takes_only_its_partition_offline() {
    let disk = SimDisk::new(3);
    let driven = with_partitions(&disk, 2);
    for index in 0..2 {
        driven.drive(append(&driven, id(1, index), batch(1, 10, 1), DURABLE).unwrap().wait).unwrap();
    }
    disk.fail_next(Operation::Write, "topic1-0/", Fault::Io);
    let lost = append(&driven, id(1, 0), batch(1, 10, 2), WRITTEN).unwrap();
    let kept = append(&driven, id(1, 1), batch(1, 10, 2), DURABLE).unwrap();
    assert!(driven.drive(lost.wait).is_err());
    driven.drive(kept.wait).unwrap();
    assert_ne!(driven.partition(id(1, 0)).state(), PartitionState::Online);
    assert_eq!(driven.store.staged_bytes(), 0, "what failed no longer counts");
}

#[test]
fn a_log_that_cannot_be_recovered_for_want_of_space_is_when_there_is_some() {
    let disk = SimDisk::new(14);
    let driven = with_partitions(&disk, 2);
    for partition in 0..2 {
        let first = append(&driven, id(1, partition), batch(1, 100, 1), DURABLE).unwrap();
        driven.drive(first.wait).unwrap();
    }
    drop(driven);
    let disk = disk.kill();
    let log = Path::new(PATH).join("topic1-0/00000000000000000000.log");
    let file = disk.open(&log, OpenMode::ReadWrite).unwrap();
    let end = file.length().unwrap();
    write_all_at(file.as_ref(), &mut [IoSlice::new(&[b'x'; 3000])], end).unwrap();
    disk.fail_next(Operation::Write, ".cut-", Fault::OutOfSpace);
    disk.set_capacity(Some(0));
    let driven = open(&as_disk(&disk), vec![new_partition(1, 0), new_partition(1, 1)]);
    driven.settle();
    assert_eq!(driven.read_all(id(1, 1)).len(), 1, "the others serve");
    let state = driven.partition(id(1, 0)).state();
    assert_eq!(state, PartitionState::Unavailable(PartitionProblem::Recovering));
    driven.pass_ms(1500);
    assert_eq!(driven.partition(id(1, 0)).state(), state);
    disk.set_capacity(None);
    driven.pass_ms(1500);
    driven.pass_ms(1500);
    assert_eq!(driven.read_all(id(1, 0)).len(), 1);
}

#[test]
fn without_space_staged_bytes_are_refused_and_writing_resumes_by_itself() {
    let disk = SimDisk::new(4);
    let driven = with_partitions(&disk, 2);
    let first = append(&driven, id(1, 0), batch(1, 100, 1), DURABLE).unwrap();
    driven.drive(first.wait).unwrap();
    disk.set_capacity(Some(0));
    let mut lost: Vec<_> =
        (0..3).map(|tag| append(&driven, id(1, 0), batch(1, 5000, tag), DURABLE).unwrap()).collect();
    driven.settle();
    for pending in &mut lost {
        let answer = poll(pending.wait.as_mut());
        assert!(
            matches!(answer, Poll::Ready(Err(AppendError::Unavailable(PartitionProblem::OutOfSpace)))),
            "{answer:?}"
        );
    }
    assert_eq!(driven.partition(id(1, 0)).state(), PartitionState::Online, "reads go on");
    assert_eq!(driven.read_all(id(1, 0)).len(), 1);
    let refused = append(&driven, id(1, 0), batch(1, 10, 9), DURABLE);
    assert!(matches!(refused, Err(AppendError::Unavailable(PartitionProblem::OutOfSpace))));
    assert_eq!(driven.store.staged_bytes(), 0);
    driven.pass_ms(1500);
    assert!(append(&driven, id(1, 0), batch(1, 10, 9), DURABLE).is_err(), "still no space");
    disk.set_capacity(None);
    driven.pass_ms(1500);
    driven.pass_ms(1500);
    let again = append(&driven, id(1, 0), batch(1, 10, 9), DURABLE).unwrap();
    assert_eq!(again.base_offset, 1, "what was refused left no trace");
    driven.drive(again.wait).unwrap();
    assert_eq!(driven.read_all(id(1, 0)).len(), 2);
    drop(driven);
    let disk = disk.power_loss(1);
    let driven = open(&as_disk(&disk), (0..2).map(|partition| new_partition(1, partition)).collect());
    driven.settle();
    assert_eq!(driven.read_all(id(1, 0)).len(), 2);
}

#[test]
fn a_missing_directory_with_records_is_not_an_empty_partition() {
    let disk = SimDisk::new(5);
    let driven = with_partitions(&disk, 2);
    driven.drive(append(&driven, id(1, 0), batch(1, 10, 1), DURABLE).unwrap().wait).unwrap();
    driven.drive(driven.store.close()).unwrap();
    drop(driven);
    for partition in 0..2 {
        let from = format!("/data/topic1-{partition}");
        disk.rename(from.as_ref(), format!("/data/elsewhere.{partition}").as_ref()).unwrap();
    }
    let driven = open(&as_disk(&disk), (0..2).map(|partition| new_partition(1, partition)).collect());
    driven.settle();
    let state = driven.partition(id(1, 0)).state();
    assert!(
        matches!(&state, PartitionState::Unavailable(PartitionProblem::Storage(cause)) if cause.contains("topic1-0")),
        "{state:?}"
    );
    assert_eq!(driven.partition(id(1, 1)).state(), PartitionState::Online, "it never held anything");
    assert_eq!(driven.store.recovery().failed, 1);
}

#[test]
fn only_a_tombstone_removes_a_directory() {
    let disk = SimDisk::new(6);
    let driven = with_partitions(&disk, 1);
    driven.create(vec![new_partition(2, 0), new_partition(3, 0)]);
    for topic in [2, 3] {
        driven.drive(append(&driven, id(topic, 0), batch(1, 10, 1), DURABLE).unwrap().wait).unwrap();
    }
    drop(driven);
    // Metadata knows topic 1, has deleted topic 2 and never heard of topic 3.
    let tombstones = vec![TopicId([2; 16]), TopicId([8; 16])];
    let driven = try_open(&as_disk(&disk), vec![new_partition(1, 0)], tombstones).unwrap();
    driven.settle();
    assert_eq!(*driven.removed.lock().unwrap(), [TopicId([8; 16])], "nothing of it is there");
    for _ in 0..10 {
        driven.pass_ms(100);
    }
    assert_eq!(*driven.removed.lock().unwrap(), [TopicId([8; 16]), TopicId([2; 16])]);
    let names: Vec<_> = disk.list("/data".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(!names.iter().any(|name| name.starts_with("topic2")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("topic3-0.") && name.ends_with("-stray")), "{names:?}");
    assert_eq!(driven.store.strays().len(), 1);
    assert_eq!(driven.partition(id(1, 0)).state(), PartitionState::Online);
}

#[test]
fn a_creation_that_was_never_committed_leaves_nothing() {
    let disk = SimDisk::new(16);
    let driven = with_partitions(&disk, 1);
    driven.create((0..3).map(|partition| new_partition(2, partition)).collect());
    drop(driven);
    // The process died before the commit: metadata never heard of topic 2.
    let driven = open(&as_disk(&disk), vec![new_partition(1, 0)]);
    driven.settle();
    assert_eq!(driven.store.strays(), [] as [String; 0]);
    let names: Vec<_> = disk.list("/data".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(!names.iter().any(|name| name.starts_with("topic2")), "{names:?}");
    driven.create(vec![new_partition(2, 0)]);
}

#[test]
fn creation_is_all_or_none() {
    let disk = SimDisk::new(7);
    let driven = with_partitions(&disk, 1);
    disk.fail_next(Operation::Sync, "topic2-3/", Fault::Io);
    let result =
        driven.drive(driven.store.create((0..6).map(|partition| new_partition(2, partition)).collect()));
    assert!(matches!(result, Err(StoreError::Storage(_))), "{result:?}");
    assert_eq!(driven.store.partitions().len(), 1);
    let names: Vec<_> = disk.list("/data".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(!names.iter().any(|name| name.starts_with("topic2")), "{names:?}");
    driven.create((0..6).map(|partition| new_partition(2, partition)).collect());
    assert_eq!(driven.store.partitions().len(), 7);
    let twice = driven.drive(driven.store.create(vec![new_partition(2, 0)]));
    assert!(matches!(twice, Err(StoreError::Storage(_))));
}

#[test]
fn a_deleted_topic_is_gone_at_once_and_its_name_is_free() {
    let disk = SimDisk::new(8);
    let driven = with_partitions(&disk, 1);
    let old = driven.partition(id(1, 0));
    driven.drive(append(&driven, id(1, 0), batch(3, 100, 1), DURABLE).unwrap().wait).unwrap();
    let outcome = driven.drive(old.read(common::request(highwater_types::Offset(0)))).unwrap();
    let mut pending = append(&driven, id(1, 0), batch(1, 10, 2), DURABLE).unwrap();
    let set = WatchSet::new();
    let _watch = Arc::clone(&old).watch(&set, 1);
    let deletion = driven.store.delete(vec![id(1, 0)]);
    // Before anything else happens:
    assert!(driven.store.partition(id(1, 0)).is_none());
    assert_eq!(old.state(), PartitionState::Unavailable(PartitionProblem::Gone));
    assert!(matches!(
        poll(pending.wait.as_mut()),
        Poll::Ready(Err(AppendError::Unavailable(PartitionProblem::Gone)))
    ));
    assert_eq!(set.take().len(), 1);
    driven.drive(deletion).unwrap();
    let mut again = new_partition(9, 0);
    again.topic = "topic1".into();
    driven.create(vec![again]);
    let pending = append(&driven, id(9, 0), batch(1, 10, 3), DURABLE).unwrap();
    assert_eq!(pending.base_offset, 0);
    driven.drive(pending.wait).unwrap();
    for _ in 0..10 {
        driven.pass_ms(100);
    }
    assert_eq!(*driven.removed.lock().unwrap(), [TopicId([1; 16])]);
    // What was handed out before is still readable, although the files are gone.
    assert_eq!(common::batches(&outcome).len(), 1);
    assert_eq!(driven.read_all(id(9, 0)).len(), 1);
}

#[test]
fn after_close_nothing_is_taken() {
    let disk = SimDisk::new(9);
    let driven = with_partitions(&disk, 1);
    let mut pending = append(&driven, id(1, 0), batch(1, 10, 1), DURABLE).unwrap();
    driven.drive(driven.store.close()).unwrap();
    assert!(matches!(poll(pending.wait.as_mut()), Poll::Ready(Ok(()))), "closing drains what was accepted");
    assert!(append(&driven, id(1, 0), batch(1, 10, 2), DURABLE).is_err());
    assert!(driven.drive(driven.store.create(vec![new_partition(2, 0)])).is_err());
}
