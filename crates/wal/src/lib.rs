//! A segmented write-ahead log of entries that carry offset ranges. It starts no thread, reads no clock and knows
//! nothing of what the entries mean: it is told their format ([`EntryFormat`]) and hands out the work instead of doing
//! it.
//!
//! ```text
//! stage(entry)     begin_write()              end_write()      begin_sync()             end_sync()
//! ───────────► staged ──────► WriteJob.run() ──────► written ──────► SyncJob.run() ──────► synced
//!  (memory)                    (files)          survives the          (device)         survives
//!                                               process's death                        power loss
//! ```
//!
//! - A [`Wal`] changes under `&mut`, behind whatever lock its owner has; jobs run without it. One write and one sync may
//!   be in flight: while one batch is being synced, the next is written and a third is staged.
//! - A segment is a file `<20 digits of its base offset>.log`, entries back to back. Files are never used again. When
//!   the next entry does not fit, or after [`Wal::roll`], it begins a new segment; an entry larger than a segment has one
//!   of its own. The next file can be prepared in the background ([`Wal::begin_prepare`]).
//! - Nothing is retried. A failed job closes the log for writing ([`Wal::failure`]) until it is recovered.
//! - [`Wal::recover`] decides which bytes are good. What it returns is durable.
//! - [`Wal::survey`] says what is damaged in a log that cannot be recovered, [`Wal::salvage`] makes it one that can, with
//!   holes where entries were lost.
//! - A [`Segment`] is shared: reads that run go on when it is removed, replaced or cut.
//!
//! The offsets below [`Wal::synced_end`] can be acknowledged as durable. The caller keeps two things elsewhere for
//! recovery: a *recovery point*, a [`LogPoint`] below which it needs nothing scanned, and the last synced end it knows of,
//! the *boundary* between corruption (below) and a torn tail (above). Without them everything is scanned.
//!
//! ```
//! use std::sync::Arc;
//! use highwater_disk::{Disk, sim::SimDisk};
//! use highwater_types::Offset;
//! use highwater_wal::{RecoverFrom, Wal, WalOptions, format::SimpleFormat};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = SimDisk::new(1);
//! disk.create_directory("/log".as_ref())?;
//! disk.sync_directory("/".as_ref())?;
//! let (format, options) = (Arc::new(SimpleFormat), WalOptions::default());
//! let mut wal = Wal::create(disk.clone(), "/log".into(), format.clone(), options, Offset(0));
//!
//! let entry = SimpleFormat::entry(Offset(0), 1, b"hello").ok_or("too large")?;
//! wal.stage_copy(&entry)?;
//! if let Some(mut job) = wal.begin_write() {
//!     let result = job.run();
//!     wal.end_write(job, result);
//! }
//! if let Some(job) = wal.begin_sync() {
//!     let result = job.run();
//!     wal.end_sync(job, result);
//! }
//! assert_eq!(wal.synced_end().offset, Offset(1));
//!
//! // The machine loses power. What was synced is there.
//! let disk = disk.power_loss(7);
//! let from = RecoverFrom { boundary: Some(Offset(1)), ..RecoverFrom::default() };
//! let (wal, report) = Wal::recover(disk, "/log".into(), format, options, from)?;
//! assert_eq!((wal.staged_end().offset, report.scanned_entries), (Offset(1), 1));
//! # Ok(())
//! # }
//! ```
//!
//! Not here: threads, retries, when to sync, when to remove segments, where recovery points are kept, indexes.

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
pub use prepare::{AHEAD_BYTES_MAX, PrepareJob, TrimJob};
pub use recover::{Cut, Damage, RecoverFrom, RecoveryReport, Salvaged, SeeEntry, Survey, SurveyFrom};
pub use segment::Segment;
pub use sync::SyncJob;
pub use wal::Wal;
pub use write::WriteJob;
