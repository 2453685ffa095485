//! The store on the local disk: one data directory, one process.
//!
//! [`DataDirectory`] is locked and checked first; [`LocalStore`] then opens the partitions that the metadata knows,
//! recovers them in the background and serves [`LogStore`](highwater_store::LogStore). One committer per data directory
//! writes and syncs what all partitions have staged; a pool of readers does what may wait for the device; a
//! maintenance thread does what is due by time. Each one's step is a function that tests and simulation call without
//! threads. Nothing here knows Kafka's protocol, and no rule about records is decided here.

mod budget;
mod checkpoint;
mod checkpoints;
mod close;
mod committer;
mod directory;
mod error;
mod files;
mod journal;
mod layout;
mod maintenance;
pub mod meta;
mod names;
mod oneshot;
mod options;
mod partition;
mod pool;
mod recovery;
mod removal;
pub mod repair;
mod scrub;
mod shared;
mod space;
mod store;
mod synced_ends;
mod threads;
mod topics;
mod unmade;
mod waiters;

pub use directory::DataDirectory;
pub use error::OpenError;
pub use journal::JournalOptions;
pub use options::{Clock, Live, LocalOptions};
pub use pool::{PoolClosed, ReaderPool};
pub use recovery::{PartitionRecovery, RecoveryProgress};
pub use store::LocalStore;
