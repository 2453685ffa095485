//! Of `crates/wire/tests`.

#[path = "../../../../crates/wire/tests/codec/random.rs"]
pub(crate) mod random;
#[path = "../../../../crates/wire/tests/codec/samples.rs"]
pub(crate) mod samples;
