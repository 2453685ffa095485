//! Mistakes planted into a decoder of batches, for the check of the checker: each lies behind a checksum and a number of its own, so
//! that it is found only if mutations are mended and comparisons guide the search.

use highwater_wire::record::{BatchHeader, verify};

use super::{Target, records};
use crate::mend;

/// Targets that must fail. They are not among [`super::TARGETS`].
pub static PLANTED: &[Target] = &[
    planted("planted_panic", "panics on a number in a batch", panic),
    planted("planted_memory", "allocates by a number in a batch", memory),
    planted("planted_hang", "does not end on a number in a batch", hang),
];

const fn planted(name: &'static str, about: &'static str, run: fn(&[u8])) -> Target {
    Target { name, about, run, mend: mend::batches, budget: records::BUDGET, seeds: records::seeds }
}

/// A number that no random bytes have.
const MAGIC: i32 = 0x4711_0815;

fn panic(input: &[u8]) {
    if let Ok(header) = verify(input) {
        assert_ne!(header.base_sequence.0, MAGIC, "planted");
    }
}

fn memory(input: &[u8]) {
    if let Ok(BatchHeader { record_count, .. }) = verify(input) {
        let believed: Vec<[u8; 1024]> = Vec::with_capacity(usize::try_from(record_count).unwrap_or(0));
        drop(std::hint::black_box(believed));
    }
}

fn hang(input: &[u8]) {
    if verify(input).is_ok_and(|header| header.base_sequence.0 == MAGIC) {
        loop {
            std::hint::black_box(input);
        }
    }
}
