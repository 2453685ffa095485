//! The simulation itself: a seed decides everything, and a healthy build breaks no promise.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use highwater_sim::{Options, Report, run};

fn options(seed: u64) -> Options {
    Options { seed, lives: 6, trace: true }
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for seed in 1..8 {
        let first = run(&options(seed)).map_err(|failure| failure.violation);
        let second = run(&options(seed)).map_err(|failure| failure.violation);
        assert_eq!(first, second, "seed {seed}");
    }
    let other = run(&options(1)).map_err(|failure| failure.violation);
    assert_ne!(other, run(&options(2)).map_err(|failure| failure.violation));
}

#[test]
fn a_run_tells_what_it_did() {
    let reports = (1..5).map(|seed| run(&options(seed)).map_err(|failure| failure.violation).unwrap());
    let mut sum = Report::default();
    let mut trace = Vec::new();
    for report in reports {
        sum.add(&report);
        trace.extend(report.trace);
    }
    assert!(sum.crashes > 4 && sum.operations > 400 && sum.steps > 40, "{sum:?}");
    assert!(trace.iter().any(|line| line.contains("opened")));
    assert!(trace.iter().any(|line| line.contains("disk")));
}
