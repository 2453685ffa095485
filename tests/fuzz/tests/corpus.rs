//! Replays what fuzzing has found, and the seeds, on an ordinary build.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use highwater_test_fuzz::{TARGETS, Target, Usage};

/// Memory is counted for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut inputs: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

fn replay(target: &Target, inputs: &[(String, Vec<u8>)]) -> Option<Usage> {
    let check = |(name, bytes): &(String, Vec<u8>)| {
        // A panic says which input it was.
        println!("{}/{name}", target.name);
        target.check(bytes)
    };
    inputs.iter().map(check).max_by_key(|usage| usage.peak)
}

#[test]
fn every_stored_input_keeps_its_promise() {
    let _alone = ALONE.lock();
    for target in TARGETS {
        let inputs = corpus(target);
        let most = replay(target, &inputs);
        let most = most.map_or(0, |usage| usage.peak);
        eprintln!("{}: {} inputs, at most {most} bytes of memory", target.name, inputs.len());
    }
}

#[test]
fn every_seed_keeps_its_promise() {
    let _alone = ALONE.lock();
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        let named: Vec<_> =
            seeds.into_iter().enumerate().map(|(index, seed)| (format!("seed {index}"), seed)).collect();
        replay(target, &named);
    }
}

#[test]
fn names_of_targets_are_their_own_and_each_directory_is_a_target() {
    let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    names.sort_unstable();
    let directories =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).into_iter().flatten();
    for directory in directories {
        let name = directory.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()), "{name} is no target");
    }
    names.dedup();
    assert_eq!(names.len(), TARGETS.len());
}
