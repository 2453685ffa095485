//! Of `crates/coordinator`.

#[path = "../../../../crates/coordinator/src/subscription.rs"]
pub(crate) mod subscription;
