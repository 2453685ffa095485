//! The whole storage stack in one process without threads, on the simulated disk, from one seed: several producers,
//! some of them transactional, fetches, searches by time, topics that come and go, settings that change, groups and their
//! members, the scrub, faults, and crash after crash. What clients were told is kept in a model, and what the stack says
//! and shows is compared with it all the time.
//!
//! The same seed gives the same run, operation by operation. [`run`] does one; the program `sim` does many and replays
//! one with a readable trace.
//!
//! | module | holds |
//! |---|---|
//! | `stack` | the stack under test: metadata, log store, a clock turned by hand |
//! | `model` | what each partition must hold, from what clients were told |
//! | `metadata` | what the metadata must hold |
//! | `configs` | the settings that topics get |
//! | `run` | one run: lives of a process, each ended by a crash or a clean stop |
//! | `steps` | what producers, consumers, administrators and the broker do, at random |
//! | `groups` | what members of groups do, and what they must be told |
//! | `watch` | what is compared after each step and after each start |
//! | `rot` | damage at rest: reported or harmless, never served |
//! | `block` | a power loss that destroys the physical block being written: what still holds |
//! | `tally` | what must have happened in enough runs |
//!
//! Not here: sockets, request handlers, threads. Those are tested with real processes.

// This program is a test: a panic in it is a failure of the run, and is reported with its seed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod block;
mod configs;
mod groups;
mod metadata;
mod model;
mod rot;
mod run;
mod stack;
mod steps;
pub mod tally;
mod watch;

pub use run::{Failure, Options, Report, run};

/// A promise that was not kept, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

pub(crate) type Verdict<T = ()> = Result<T, Violation>;

/// Fails with the words unless the condition holds.
macro_rules! require {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err(crate::Violation(format!($($words)+)));
        }
    };
}
pub(crate) use require;
