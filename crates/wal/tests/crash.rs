//! A crash at every operation of random runs, then a kill or a power loss, then recovery, which may crash too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use highwater_disk::sim::{Lies, Random};
use highwater_wal::WalError;
use support::{Driver, Oracle, new_disk, options, read_all, recover};

const STEPS: usize = 60;

/// How many seeds are tried: `WAL_CRASH_SEEDS` for a longer run.
fn seeds(default: u64) -> u64 {
    std::env::var("WAL_CRASH_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// Crashes a run at its operation `crash_at`. `None` when it has fewer.
fn crashed_run(seed: u64, crash_at: u64) -> Option<(std::sync::Arc<highwater_disk::sim::SimDisk>, Oracle)> {
    let disk = new_disk(seed);
    disk.crash_at(disk.operations() + crash_at);
    let mut driver = Driver::new(disk.clone(), seed, options(600));
    match driver.run(STEPS) {
        Ok(()) => None,
        Err(error) => {
            assert!(disk.has_crashed(), "seed {seed}, operation {crash_at}: {error}");
            Some((disk, driver.oracle))
        }
    }
}

/// Restarts the machine in a drawn way, up to three times within recovery, then goes on, and does it all again.
fn survive(
    disk: &std::sync::Arc<highwater_disk::sim::SimDisk>,
    oracle: Oracle,
    random: &mut Random,
    context: &str,
) {
    let mut disk = disk.clone();
    let mut oracle = oracle;
    for round in 0..3 {
        let context = format!("{context}, round {round}");
        let crashes = random.below(4);
        let mut driver = None;
        for attempt in 0..=crashes {
            disk = if random.coin() { disk.kill() } else { disk.power_loss(random.number()) };
            if attempt < crashes {
                disk.crash_at(1 + random.below(8));
            }
            driver = Driver::revive(disk.clone(), oracle.clone(), random.number(), options(600), &context);
        }
        let Some(mut revived) = driver else { panic!("{context}: the last attempt must not crash") };
        // The last attempt may have been preceded by one that succeeded; its disk is the one that counts.
        if random.coin() {
            revived.disk.crash_at(revived.disk.operations() + 1 + random.below(40));
        }
        let result = revived.run(20);
        assert!(result.is_ok() || revived.disk.has_crashed(), "{context}: {result:?}");
        disk = revived.disk.clone();
        oracle = revived.oracle;
    }
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_machine_stops() {
    for seed in 0..seeds(2) {
        let mut crashes = 0;
        while let Some((disk, oracle)) = crashed_run(seed, crashes + 1) {
            crashes += 1;
            for outcome in 0..4 {
                let context = format!("seed {seed}, operation {crashes}, outcome {outcome}");
                let mut random = Random::new(seed << 32 | crashes << 8 | outcome);
                survive(&disk, oracle.clone(), &mut random, &context);
            }
        }
        assert!(crashes > 30, "seed {seed} made only {crashes} operations");
    }
}

#[test]
fn every_operation_survives_a_plain_kill_and_a_plain_power_loss() {
    for seed in 100..100 + seeds(4) {
        let mut crashes = 0;
        while let Some((disk, oracle)) = crashed_run(seed, crashes + 1) {
            crashes += 1;
            for outcome in 0..4 {
                let after = if outcome == 0 { disk.kill() } else { disk.power_loss(outcome) };
                let context = format!("seed {seed}, operation {crashes}, outcome {outcome}");
                let driver = Driver::revive(after, oracle.clone(), outcome, options(600), &context).unwrap();
                // What was recovered is durable: the power fails at once.
                let after = driver.disk.power_loss(outcome + 1);
                let mut strict = driver.oracle.clone();
                strict.recovery_point = None;
                let again = Driver::revive(after, strict, outcome, options(600), &context).unwrap();
                assert_eq!(again.oracle.timeline.len(), driver.oracle.timeline.len(), "{context}");
            }
        }
    }
}

/// Whether some crash of some run is found to lose or invent something on a disk with these lies.
fn is_caught(lies: Lies) -> bool {
    (0..20).any(|seed| {
        (1..40).any(|crash_at| {
            let disk = new_disk(seed);
            disk.set_lies(lies);
            disk.crash_at(disk.operations() + crash_at);
            let mut driver = Driver::new(disk.clone(), seed, options(600));
            let _ = driver.run(STEPS);
            let oracle = driver.oracle;
            let from = oracle.recover_from(Some(oracle.acknowledged));
            match recover(&disk.power_loss(seed), options(600), from) {
                Err(error) => matches!(error, WalError::Corrupt { .. }),
                Ok((wal, _)) => {
                    let found = read_all(&wal);
                    oracle.timeline.iter().any(|entry| {
                        entry.last < oracle.acknowledged
                            && entry.base >= oracle.log_start
                            && oracle.alternative.is_none()
                            && !found.contains(entry)
                    })
                }
            }
        })
    })
}

#[test]
fn a_log_that_would_not_sync_is_caught() {
    assert!(is_caught(Lies { sync: true, sync_directory: false }));
    assert!(is_caught(Lies { sync: false, sync_directory: true }));
    assert!(!is_caught(Lies::default()));
}
