//! Random clients, clocks, commits and restarts against [`Groups`](highwater_coordinator::Groups), checked step by step.
//!
//! A run follows from its seed alone; `SEED=<n>` replays one, `SEEDS=<n>` runs that many.
//!
//! Checked: each request is answered once and in the end; what an answer tells to be durable was applied by the store before; within
//! one generation no partition has two owners and all members agree on leader and protocol, restarts included; generations and
//! offsets never fall; what a restart would load is what is told; in the end nothing is due, listed or stored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod broker;
mod checks;
mod client;

use highwater_disk::sim::Random;

use broker::Broker;
use client::Client;

const STEPS: usize = 160;

fn run(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut broker = Broker::new(&mut random);
    let mut clients: Vec<_> = (0..6).map(|index| Client::new(&mut random, index)).collect();
    for _ in 0..STEPS {
        match random.below(100) {
            0..58 => {
                let index = random.index(clients.len());
                clients[index].step(&mut broker, &mut random);
            }
            58..75 => broker.apply_next(&mut random),
            75..89 => broker.pass_ms(random.below(9_000)),
            89..92 => broker.oversleep_ms(random.below(20_000)),
            92..94 => broker.jump_wall_clock(&mut random),
            94..95 => {
                broker.restart(&mut random);
                clients.iter_mut().for_each(Client::lost_connection);
            }
            _ => broker.administrate(&mut random),
        }
        broker.deliver(&mut clients, &mut random);
        broker.check();
    }
    broker.finish(&mut clients, &mut random);
    broker.trace
}

#[test]
fn random_runs_keep_every_promise() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SEEDS").unwrap_or(2_000) + 1,
    };
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "failed with SEED={seed}");
    }
}

#[test]
fn a_seed_replays_the_same_run() {
    for seed in [3, 77, 1_234] {
        assert_eq!(run(seed), run(seed), "SEED={seed}");
    }
}
