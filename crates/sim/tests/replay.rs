//! The simulation itself: a seed decides everything, and a healthy build breaks no promise.

use highwater_sim::{Options, run};

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
    let report = run(&options(1)).map_err(|failure| failure.violation).unwrap_or_default();
    assert!(report.crashes > 1 && report.operations > 100 && report.steps > 10, "{report:?}");
    assert!(report.trace.iter().any(|line| line.contains("opened")));
    assert!(report.trace.iter().any(|line| line.contains("disk")));
}
