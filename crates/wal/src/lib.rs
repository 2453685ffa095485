//! A segmented write-ahead log of entries that carry offset ranges.

mod edit;
mod entry;
mod error;
pub mod format;
mod hop;
mod names;
mod point;
mod prepare;
mod recover;
mod segment;
mod staging;
mod swap;
mod sync;
mod wal;
mod write;

pub use edit::ReplaceJob;
pub use entry::{EntryError, EntryFormat, EntryHeader};
pub use error::{Failure, ReadProblem, StageError, WalError};
pub use hop::{ReadMode, hop};
pub use point::{LogPoint, Placement, WalOptions};
pub use prepare::PrepareJob;
pub use recover::{Cut, RecoverFrom, RecoveryReport};
pub use segment::Segment;
pub use sync::SyncJob;
pub use wal::Wal;
pub use write::WriteJob;
