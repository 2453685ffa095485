//! File access as two small traits, [`Disk`] and [`File`], so that the layers above run unchanged on the real file
//! system ([`RealDisk`]) and on a simulated one that crashes, loses and tears what was not synced ([`sim::SimDisk`]).
//!
//! Everything here blocks. Nothing here retries, caches or decides: an error is handed up as it came.

mod error;
mod real;
pub mod sim;
#[cfg(test)]
mod testing;
mod traits;

pub use error::{DiskError, Operation};
pub use real::RealDisk;
pub use traits::{Disk, DiskSpace, Entry, EntryKind, File, FileRange, OpenMode, write_all_at};
