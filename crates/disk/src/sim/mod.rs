//! A simulated disk that crashes, loses and tears what was not synced, and fails where it is told to.
//!
//! What it promises is the least that a POSIX file system on a device with a volatile cache promises:
//!
//! - Each file has three images: *cached* (what reads see), *device* (arrived, volatile; what reads past the cache see, as of a
//!   file from [`Disk::open_device`](crate::Disk::open_device)) and *durable*.
//!   [`SimDisk::kill`] keeps the cached one. [`SimDisk::power_loss`] keeps the durable one and, of what came since, any
//!   subset of 512-byte sectors (each in any version it had), files independent of each other.
//! - A length is separate from the data: a length without data reads as zeros, data beyond the length is gone.
//! - `sync_data` makes one file's data and length durable, not its name. `sync_directory` makes the creations,
//!   renames and removals in one directory durable. A rename within a directory is atomic; between two it is two changes.
//! - After a failed sync the pages are clean: reads still return the new bytes, the durable ones stay old, the next
//!   sync succeeds. Every descriptor that was open is told once. [`File::drop_cache`](crate::File::drop_cache) shows
//!   what the device has.
//! - [`SimDisk::during_next`] makes a write or sync take its time, so that other operations begin and end within it; a sync
//!   covers what was written before it began.
//! - [`SimDisk::crash_at`] stops the machine within an operation, which is then partly done, as are those it
//!   happened in; every later one fails.
//!
//! Everything follows from the seeds and the order of the calls: the same run twice gives the same [`SimDisk::trace`].
//! Not modelled: time, permissions, links, names that are not UTF-8, directories moved to another parent, writes past the
//! cache.

mod control;
mod entries;
mod events;
mod faults;
mod file;
mod image;
mod random;
mod world;

#[cfg(test)]
mod tests;

pub use control::SimDisk;
pub use events::{Event, Events};
pub use faults::{Fault, Lies};
pub use random::Random;
