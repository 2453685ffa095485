//! A crash at every write, sync, rename and removal of a run that appends, rolls, moves its recovery point, deletes and
//! restarts; then a kill, a power loss, or a kill followed by service and a power loss. What was visible is there, once,
//! in order, byte for byte; what is retried is a duplicate exactly when its original is there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    unreachable_pub,
    missing_docs
)]

mod support;

use highwater_disk::sim::Lies;
use highwater_partition_log::*;
use support::{Machine, small_config};

/// Records a run up to the crash.
fn run(seed: u64, policy: SyncPolicy, crash_at: Option<u64>) -> Machine {
    let mut config = small_config(policy);
    config.segment_bytes = 900;
    config.retention_bytes = Some(4000);
    let mut machine = Machine::new(seed, config);
    if let Some(operation) = crash_at {
        machine.disk.crash_at(machine.disk.operations() + operation);
    }
    for round in 0..2 {
        for step in 0..24 {
            machine.append_something();
            if step % 2 == 0 {
                machine.write();
            }
            if step % 3 == 0 {
                machine.sync();
            }
            if step % 8 == 7 {
                machine.maintain();
                machine.retain();
            }
            if machine.disk.has_crashed() {
                return machine;
            }
        }
        if round == 0 {
            machine.restart_clean();
        }
        if machine.disk.has_crashed() {
            return machine;
        }
    }
    machine
}

/// Goes on for a while after a crash, and checks everything.
fn serve(machine: &mut Machine) {
    machine.check_all();
    for _ in 0..6 {
        machine.append_something();
        machine.write();
    }
    machine.sync();
    machine.settle();
    machine.check_all();
}

fn crash_everywhere(policy: SyncPolicy, seed: u64, after: impl Fn(&mut Machine)) {
    let whole = run(seed, policy, None);
    let operations = whole.disk.operations();
    let mut crashes = 0;
    for operation in 1..operations {
        let mut machine = run(seed, policy, Some(operation));
        if !machine.disk.has_crashed() {
            break;
        }
        machine.seed = seed * 1_000_000 + operation;
        after(&mut machine);
        serve(&mut machine);
        crashes += 1;
    }
    assert!(crashes > 50, "only {crashes} crash points");
}

#[test]
fn a_kill_at_any_operation_loses_nothing_that_was_visible() {
    for policy in [SyncPolicy::Batch, SyncPolicy::Never] {
        crash_everywhere(policy, 1, Machine::kill);
    }
}

#[test]
fn a_power_loss_at_any_operation_loses_nothing_that_was_visible() {
    for (seed, policy) in [(2, SyncPolicy::Batch), (3, SyncPolicy::Always), (4, SyncPolicy::Never)] {
        crash_everywhere(policy, seed, Machine::power_loss);
    }
}

#[test]
fn what_was_served_after_a_kill_survives_the_power_loss_that_follows() {
    crash_everywhere(SyncPolicy::Batch, 5, |machine| {
        machine.kill();
        machine.check_all();
        machine.power_loss();
    });
}

#[test]
fn a_crash_during_recovery_is_followed_by_a_recovery_that_loses_nothing() {
    for seed in 10..14 {
        for operation in 1..40 {
            let mut machine = run(seed, SyncPolicy::Batch, None);
            machine.seed = seed * 1_000_000 + operation;
            machine.disk.crash();
            machine.disk = machine.disk.power_loss(seed ^ operation);
            machine.disk.crash_at(machine.disk.operations() + operation);
            let from = RecoverLog {
                checkpoint: machine.checkpoint,
                boundary: machine.boundary,
                ..RecoverLog::default()
            };
            let result = PartitionLog::recover(
                support::environment(&machine.disk),
                machine.config.clone(),
                from,
                machine.now,
            );
            assert!(result.is_ok() || machine.disk.has_crashed(), "seed {}", machine.seed);
            machine.disk.crash();
            machine.power_loss();
            serve(&mut machine);
        }
    }
}

/// Five batches of one producer in flight, a crash, the same five again.
fn five_in_flight(end: impl Fn(&mut Machine)) {
    for synced in 0..=5 {
        let mut machine = Machine::new(100 + synced, small_config(SyncPolicy::Batch));
        let first = machine.build(Some(1), false);
        machine.append(first);
        machine.settle();
        let mut sent = Vec::new();
        for index in 0..5 {
            let batch = machine.build(Some(1), false);
            sent.push((batch.clone(), machine.append(batch)));
            if index < synced {
                machine.settle();
            }
        }
        end(&mut machine);
        let survived = machine.model.end();
        for (batch, before) in sent {
            let again = machine.log.append(batch.clone(), Origin::Client, machine.now).unwrap();
            assert_eq!(again.duplicate, before.last_offset < survived, "{synced} synced");
            assert_eq!((again.base_offset, again.last_offset), (before.base_offset, before.last_offset));
            if !again.duplicate {
                machine.model.append(&batch, again.base_offset, machine.log.offsets().leader_epoch);
            }
        }
        machine.settle();
        machine.check_all();
    }
}

#[test]
fn five_in_flight_are_there_once_after_a_kill_and_a_retry() {
    five_in_flight(Machine::kill);
}

#[test]
fn five_in_flight_are_there_once_after_a_power_loss_and_a_retry() {
    five_in_flight(Machine::power_loss);
}

#[test]
fn five_in_flight_are_there_once_after_a_clean_restart_and_a_retry() {
    five_in_flight(Machine::restart_clean);
}

#[test]
fn a_duplicate_is_never_acknowledged_ahead_of_its_original() {
    let mut machine = Machine::new(7, small_config(SyncPolicy::Batch));
    let batch = machine.build(Some(1), false);
    let original = machine.append(batch.clone());
    let duplicate = machine.log.append(batch, Origin::Client, machine.now).unwrap();
    assert!(duplicate.duplicate);
    machine.write();
    assert!(machine.log.acknowledged_end(true) <= original.last_offset);
    assert!(machine.log.acknowledged_end(false) > duplicate.last_offset);
    machine.sync();
    assert!(machine.log.acknowledged_end(true) > duplicate.last_offset);
}

#[test]
fn a_snapshot_ahead_of_a_cut_log_does_not_make_lost_batches_duplicates() {
    for seed in 0..20 {
        let mut machine = Machine::new(seed, small_config(SyncPolicy::Batch));
        for _ in 0..12 {
            let batch = machine.build(Some(1), false);
            machine.append(batch);
            machine.settle();
        }
        let lost = machine.build(Some(1), false);
        let before = machine.append(lost.clone());
        // The snapshot describes the log's end, which is not written yet.
        machine.maintain();
        machine.power_loss();
        assert_eq!(machine.model.end(), before.base_offset, "seed {seed}");
        let again = machine.append(lost);
        assert_eq!(again.base_offset, before.base_offset, "seed {seed}");
        machine.settle();
        machine.check_all();
    }
}

#[test]
fn readers_are_told_by_the_epoch_that_a_tail_they_saw_is_gone() {
    let mut machine = Machine::new(21, small_config(SyncPolicy::Never));
    let batch = machine.build(None, false);
    machine.append(batch);
    machine.settle();
    let kept = machine.log.offsets();
    let batch = machine.build(None, false);
    machine.append(batch);
    machine.write();
    let seen = machine.log.offsets();
    assert!(seen.high_watermark > kept.high_watermark, "visible although not synced");
    machine.power_loss();
    let offsets = machine.log.offsets();
    assert!(offsets.leader_epoch > seen.leader_epoch);
    let end = machine.log.end_of_epoch(seen.leader_epoch);
    assert_eq!((end.leader_epoch, end.end_offset), (seen.leader_epoch, offsets.log_end_offset));
    let batch = machine.build(None, false);
    machine.append(batch);
    machine.settle();
    machine.check_all();
    assert_eq!(machine.log.end_of_epoch(seen.leader_epoch).end_offset, end.end_offset);
}

/// The checker is checked: with syncs that only pretend, acknowledged records are lost, and that must be noticed.
#[test]
fn syncs_that_lie_are_caught() {
    for lies in [Lies { sync: true, sync_directory: false }, Lies { sync: false, sync_directory: true }] {
        let caught = (0..20).any(|seed| {
            let lossy = std::panic::catch_unwind(|| {
                let mut machine = Machine::new(seed, small_config(SyncPolicy::Batch));
                machine.disk.set_lies(lies);
                for _ in 0..40 {
                    machine.append_something();
                    machine.settle();
                }
                machine.power_loss();
                machine.check_all();
            });
            lossy.is_err()
        });
        assert!(caught, "{lies:?} went unnoticed");
    }
}
