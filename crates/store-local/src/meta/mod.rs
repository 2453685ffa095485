//! Metadata in one redb file, `meta.redb`, on any [`Disk`](highwater_disk::Disk).
//!
//! - [`MetaCore`] opens, loads and commits without a thread; [`RedbMetaStore`] puts one thread in front of it that
//!   commits everything that waits in one transaction, in the order of the calls.
//! - The file appears under its name only when it is a whole database, and its name is durable before it is used.
//! - What is loaded is durable: before the file is read, what an earlier process left in memory is synced and the page
//!   cache dropped, so that pages of a sync that once failed are not taken for stored ones.
//! - A commit is one sync (one phase, checksums), and after an unclean end redb walks the file once; a large file gets
//!   a second sync in each commit instead (two phases, quick repair), so that a start never waits long.
//! - When space runs out nothing of the commit is there, and the next commit tries again. After any other failure
//!   nothing is taken until the process is restarted: a sync is never repeated.
//!
//! One table: the bytes of [`MetaKey`](highwater_store::MetaKey) to those of
//! [`MetaRecord`](highwater_store::MetaRecord).

mod backend;
mod core;
mod engine;
mod look;
mod store;

#[cfg(test)]
mod measure;
#[cfg(test)]
mod tests;

pub use self::core::MetaCore;
pub use self::look::look;
pub use self::store::RedbMetaStore;
