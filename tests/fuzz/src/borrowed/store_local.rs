//! Of `crates/store-local`.

#[path = "../../../../crates/store-local/src/checkpoint.rs"]
pub(crate) mod checkpoint;
#[path = "../../../../crates/store-local/src/files.rs"]
pub(crate) mod files;
#[path = "../../../../crates/store-local/src/synced_ends.rs"]
pub(crate) mod synced_ends;
