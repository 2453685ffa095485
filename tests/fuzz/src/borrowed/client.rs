//! Of `crates/server/src/client`.

#[path = "../../../../crates/server/src/client/consumer_protocol.rs"]
pub(crate) mod consumer_protocol;
