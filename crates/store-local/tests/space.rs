//! The floor of free space, and a disk that somebody else fills.

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

use std::sync::Arc;

use common::{Driven, append, batch, id, new_partition, open};
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_partition_log::Origin;
use highwater_store::{Acknowledgement, AppendError, LogStore, PartitionProblem};
use highwater_types::{Offset, Timestamp};

const DURABLE: Acknowledgement = Acknowledgement::Durable;
/// What the stores of these tests keep free.
const FLOOR: u64 = 1000;

fn with_partition(disk: &Arc<SimDisk>) -> Driven {
    disk.create_directory("/data".as_ref()).unwrap();
    disk.sync_directory("/".as_ref()).unwrap();
    let driven = open(&(Arc::clone(disk) as Arc<dyn Disk>), Vec::new());
    driven.create(vec![new_partition(1, 0)]);
    driven
}

/// Bounds the disk so that so many bytes are free now.
fn leave_free(disk: &SimDisk, bytes: u64) {
    disk.set_capacity(Some(1 << 40));
    let used = (1 << 40) - disk.free_bytes("/".as_ref()).unwrap();
    disk.set_capacity(Some(used + bytes));
}

fn is_refused(driven: &Driven, size: usize) -> bool {
    match append(driven, id(1, 0), batch(1, size, 7), DURABLE) {
        Ok(pending) => {
            driven.drive(pending.wait).unwrap();
            false
        }
        Err(AppendError::Unavailable(PartitionProblem::OutOfSpace)) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn produce_stops_at_the_floor_and_resumes_by_itself() {
    let disk = SimDisk::new(1);
    let driven = with_partition(&disk);
    leave_free(&disk, 200_000);
    driven.pass_ms(10_000);
    let mut taken = 0;
    while !is_refused(&driven, 5_000) {
        taken += 1;
        assert!(taken < 100, "nothing is refused");
    }
    assert!(disk.free_bytes("/".as_ref()).unwrap() >= FLOOR, "nothing ran through the floor");
    driven.pass_ms(1_000);
    while !is_refused(&driven, 5_000) {
        taken += 1;
        driven.pass_ms(1_000);
    }
    assert!(taken > 10, "most of the space could be used, not only {taken} batches");
    assert!(disk.free_bytes("/".as_ref()).unwrap() >= FLOOR);
    let space = driven.store.space().unwrap();
    assert!(space.low && space.floor_bytes == FLOOR, "{space:?}");
    let partition = driven.partition(id(1, 0));
    assert_eq!(partition.append_problem(), Some(PartitionProblem::OutOfSpace));
    assert!(driven.store.statistics().refused_for_space.get() >= 2);
    assert_eq!(driven.read_all(id(1, 0)).len(), taken, "reads go on");
    leave_free(&disk, 200_000);
    driven.pass_ms(1_000);
    assert_eq!(partition.append_problem(), None);
    assert!(!is_refused(&driven, 5_000));
}

#[test]
fn below_the_floor_records_and_topics_can_be_deleted_and_coordinators_write() {
    let disk = SimDisk::new(2);
    let driven = with_partition(&disk);
    driven.create(vec![new_partition(2, 0)]);
    assert!(!is_refused(&driven, 5_000));
    leave_free(&disk, FLOOR - 1);
    driven.pass_ms(10_000);
    assert!(is_refused(&driven, 10));
    let partition = driven.partition(id(1, 0));
    let start = driven.drive(partition.delete_records(Offset(1))).unwrap();
    assert_eq!(start, Offset(1));
    let appended =
        partition.append(batch(1, 10, 9), Origin::Coordinator, Timestamp(1_700_000_000_000)).unwrap();
    driven.drive(partition.acknowledged(&appended, DURABLE)).unwrap();
    driven.drive(driven.store.delete(vec![id(2, 0)])).unwrap();
}

#[test]
fn on_a_disk_that_somebody_else_filled_the_log_start_can_be_raised_once_the_log_is_repaired() {
    let disk = SimDisk::new(3);
    let driven = with_partition(&disk);
    assert!(!is_refused(&driven, 5_000));
    // The last look saw an endless disk.
    leave_free(&disk, 3_000);
    let pending = append(&driven, id(1, 0), batch(1, 50_000, 1), DURABLE).unwrap();
    assert!(matches!(
        driven.drive(pending.wait),
        Err(AppendError::Unavailable(PartitionProblem::OutOfSpace))
    ));
    assert!(is_refused(&driven, 10));
    let start = driven.drive(driven.partition(id(1, 0)).delete_records(Offset(1))).unwrap();
    assert_eq!(start, Offset(1));
}
