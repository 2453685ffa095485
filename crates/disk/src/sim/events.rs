//! What has happened to a simulated disk, counted: a test that plans a fault may ask whether it was ever met.

use std::collections::BTreeMap;
use std::fmt;

use super::faults::Fault;
use crate::Operation;

/// Something that happened to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The machine died within an operation.
    Death(Operation),
    /// An operation failed.
    Failure(Fault, Operation),
    /// A read or write was interrupted.
    Interruption,
    /// A write took less than it was given.
    ShortWrite,
    /// An operation took its time while others began and ended.
    Slow(Operation),
    /// A write-back in the background failed.
    WriteBackFailure,
    /// A descriptor was told of a write-back that had failed.
    DescriptorTold,
    /// A file had changes that were not durable when power failed.
    UnsyncedAtPowerLoss,
    /// A physical block that was being written was destroyed.
    BlockDestroyed,
}

/// How often each event happened.
pub type Events = BTreeMap<Event, u64>;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Death(operation) => write!(f, "death in {operation:?}"),
            Self::Failure(Fault::Io, operation) => write!(f, "EIO at {operation:?}"),
            Self::Failure(Fault::OutOfSpace, operation) => write!(f, "ENOSPC at {operation:?}"),
            Self::Failure(Fault::Interrupted, _) | Self::Interruption => f.write_str("EINTR"),
            Self::ShortWrite => f.write_str("short write"),
            Self::Slow(operation) => write!(f, "slow {operation:?}"),
            Self::WriteBackFailure => f.write_str("failed write-back"),
            Self::DescriptorTold => f.write_str("write-back error told to a descriptor"),
            Self::UnsyncedAtPowerLoss => f.write_str("unsynced file at a power loss"),
            Self::BlockDestroyed => f.write_str("physical block destroyed"),
        }
    }
}
