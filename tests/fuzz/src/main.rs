//! The targets under libFuzzer. `HIGHWATER_FUZZ_TARGET` names the target; into the directory `HIGHWATER_FUZZ_SEEDS`, if set, its
//! seeds are written before libFuzzer reads it. `scripts/fuzz` sets both.

#![no_main]
// The engine's macros make the functions that libFuzzer calls.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, reason = "without a target there is nothing to do")]

use std::sync::LazyLock;

use highwater_test_fuzz::{TARGETS, Target, target};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static CHOSEN: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("HIGHWATER_FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("HIGHWATER_FUZZ_TARGET must be one of {}", names.join(", "));
        std::process::exit(2);
    })
});

fuzz_target!(
    init: {
        if let Some(directory) = std::env::var_os("HIGHWATER_FUZZ_SEEDS") {
            CHOSEN.write_seeds(directory.as_ref()).expect("seeds cannot be written");
        }
    },
    |bytes: &[u8]| {
        CHOSEN.check(bytes);
    }
);

fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(bytes, size, max_size);
    // Now and then as it is: a wrong checksum is a case, too.
    if seed % 8 != 0
        && let Some(mutated) = bytes.get_mut(..size)
    {
        (CHOSEN.mend)(mutated);
    }
    size
});
