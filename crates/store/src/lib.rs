//! The seam between the broker and what keeps its data: [`LogStore`] for records, [`MetaStore`] for everything else,
//! and the conformance suite ([`conformance`]) that every implementation passes.
//!
//! A store stores. The rules for offsets, idempotence, transactions and groups are written once, outside it
//! (`highwater-partition-log`, the coordinators); nothing here decides.

pub mod conformance;
mod error;
mod log_store;
pub mod meta;
mod statistics;
mod watch;

pub use error::{AppendError, MetaError, PartitionProblem, ReadError, StoreError};
pub use log_store::{Acknowledgement, LogStore, NewPartition, Partition, PartitionState};
pub use meta::{MetaChange, MetaKey, MetaRecord, MetaStore};
pub use statistics::{DamagedSegment, MetaStatistics, ScrubState, SpaceState, StoreState, StoreStatistics};
pub use watch::{Watch, WatchSet};

/// A boxed future, the only kind that a trait object can return.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
