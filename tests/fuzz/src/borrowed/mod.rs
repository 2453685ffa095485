//! Decoders that their crates keep to themselves, and the random messages of the codec's tests: compiled into this crate as they
//! stand, so that nothing is made public for fuzzing and the server's runtime need not be built with instrumentation.

#![allow(dead_code, unused_imports, unused_macros, reason = "only what a target calls is used")]

pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod coordinator;
pub(crate) mod store_local;
pub(crate) mod wire;
