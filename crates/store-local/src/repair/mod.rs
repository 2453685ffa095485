//! Looking at a data directory that no broker uses, and making a damaged one servable again.
//!
//! - [`Inspection`] reads and changes nothing. What it says needs a repair is what [`Repair`] does something about: both
//!   go by the same findings.
//! - [`Repair`] holds the directory's lock and removes nothing: what it takes out of use keeps its bytes under another
//!   name beside it. Records that are good stay at their offsets; offsets that are lost are not given out again.
//! - Which bytes are good is decided by the logs' own recovery ([`PartitionLog::survey`](highwater_partition_log::PartitionLog)).
//! - Metadata is made anew only when asked: it brings back topics, not their settings nor groups' offsets.

mod act;
mod inspect;
mod partition;
mod rebuild;

use std::path::PathBuf;

use highwater_types::Offset;

pub use act::Repair;
pub use inspect::Inspection;
pub use partition::PartitionReport;

/// What a finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing: the next start deals with it, or it is for people to know.
    Note,
    /// A repair.
    Repair,
    /// A repair that makes metadata anew.
    RebuildMetadata,
    /// A person: the problem says what to do.
    Person,
}

/// Something that is not as it was written, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file or directory.
    pub path: PathBuf,
    /// Where in the file, in bytes; `None` where it is the whole.
    pub position: Option<u64>,
    /// How many bytes from there; 0 where that says nothing.
    pub bytes: u64,
    /// Offsets that are lost, the second exclusive.
    pub lost: Option<(Offset, Offset)>,
    /// What is wrong, in words.
    pub problem: String,
    /// What it asks for.
    pub severity: Severity,
}

impl Finding {
    pub(crate) fn new(path: PathBuf, severity: Severity, problem: impl Into<String>) -> Self {
        Self { path, position: None, bytes: 0, lost: None, problem: problem.into(), severity }
    }

    /// Whether something is damaged, so that a broker could not serve everything.
    pub fn is_damage(&self) -> bool {
        self.severity != Severity::Note
    }
}

/// Something that a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What it was done to.
    pub path: PathBuf,
    /// In words.
    pub what: String,
}

impl Done {
    pub(crate) fn new(path: PathBuf, what: impl Into<String>) -> Self {
        Self { path, what: what.into() }
    }
}
