//! Random operations against a model, with restarts clean and not.

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

use highwater_partition_log::SyncPolicy;
use support::{Machine, small_config};

const POLICIES: [SyncPolicy; 4] = [
    SyncPolicy::Always,
    SyncPolicy::Batch,
    SyncPolicy::Interval { ms: Some(50), messages: Some(10) },
    SyncPolicy::Never,
];

fn config(seed: u64) -> highwater_partition_log::LogConfig {
    let policy = POLICIES[(seed % 4) as usize];
    let mut config = small_config(policy);
    if seed.is_multiple_of(3) {
        config.retention_bytes = Some(6000);
    }
    if seed.is_multiple_of(5) {
        config.segment_ms = 400;
    }
    if seed.is_multiple_of(7) {
        config.segment_index_bytes = 24;
    }
    config
}

#[test]
fn a_log_answers_as_a_plain_list_would() {
    for seed in 0..150 {
        let mut machine = Machine::new(seed, config(seed));
        for _ in 0..250 {
            machine.step();
        }
        machine.settle();
        machine.check_all();
    }
}

#[test]
fn a_log_that_was_stopped_cleanly_goes_on_as_if_nothing_had_happened() {
    for seed in 0..100 {
        let mut machine = Machine::new(seed, config(seed));
        for _ in 0..5 {
            for _ in 0..60 {
                machine.step();
            }
            machine.restart_clean();
            machine.check_all();
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    for seed in 0..100 {
        let mut machine = Machine::new(seed, config(seed));
        for _ in 0..5 {
            for _ in 0..60 {
                machine.step();
            }
            machine.kill();
            machine.check_all();
        }
    }
}

#[test]
fn a_power_loss_takes_nothing_below_a_reported_high_watermark() {
    for seed in 0..150 {
        let mut machine = Machine::new(seed, config(seed));
        for round in 0..6 {
            for _ in 0..50 {
                machine.step();
            }
            if round % 2 == 0 {
                machine.kill();
            }
            machine.power_loss();
            machine.check_all();
        }
    }
}
