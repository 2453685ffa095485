//! Every decoder of foreign bytes as a fuzz target: [`TARGETS`] is the one table of them.
//!
//! A target takes any bytes and must neither panic, nor take more memory than its [`Budget`], nor run for long. What a decoder
//! accepts must also keep a promise: it encodes and decodes to an equal value, verifies, recovers to the same again. A broken
//! promise is a panic.
//!
//! Not here: the search for inputs, which is libFuzzer's (`main.rs`, `scripts/fuzz`). `tests/corpus.rs` replays the stored inputs
//! on an ordinary build.

// The files that `borrowed` takes have their tests where they belong.
#![cfg(not(test))]
// A failed assertion is how a target reports; seeds are made of constants.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod borrowed;
mod memory;
mod mend;
mod targets;

// Where these look for their neighbours.
use borrowed::store_local::{checkpoint, files};
use borrowed::wire::random;

pub use memory::{Budget, Usage, measure};
pub use targets::{PLANTED, TARGETS, Target, target};
