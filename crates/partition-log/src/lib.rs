//! One topic-partition's log: Kafka's rules for admission, offsets, producer state, indexes, leader epochs,
//! watermarks and transactions on top of one write-ahead log. Starts no thread and reads no clock.

mod admission;
mod append;
mod check;
mod close;
mod config;
mod error;
mod files;
mod format;
mod holes;
mod index;
mod index_check;
mod jobs;
mod leader_epochs;
mod log;
mod maintenance;
mod metadata_file;
mod outcome;
mod producer_snapshot;
mod producer_state;
mod read;
mod recovery;
mod repair;
mod replay;
mod retention;
mod sealed;
mod segment;
mod sums;
mod timestamp;
mod transactions;

pub use admission::{Admission, AdmissionContext, AdmittedBatch, admit, requires_produce_v7};
pub use check::{SegmentCheck, SegmentDamage, SegmentProblem, SegmentShape};
pub use config::{LogConfig, SyncPolicy, TimestampType, TopicCompression};
pub use error::{LogError, LogFailure, OutOfRange, PlanError};
pub use format::KafkaFormat;
pub use highwater_wal::{
    AHEAD_BYTES_MAX, Damage, LogPoint, PrepareJob, ReadMode, RecoveryReport, SeeEntry, Segment, Survey,
    SyncJob, WriteJob,
};
pub use jobs::SyncDue;
pub use leader_epochs::{EpochCheckpointError, EpochStart, LeaderEpochs};
pub use log::{LogCheckpoint, LogEnvironment, PartitionLog};
pub use maintenance::MaintenanceJob;
pub use outcome::{
    AbortedTransaction, Appended, EpochEnd, Isolation, LogOffsets, Origin, ReadOutcome, ReadRequest, Refusal,
    TimestampedOffset,
};
pub use producer_snapshot::{
    SnapshotError, WINDOWS_SUFFIX, decode_snapshot, decode_windows, encode_snapshot, encode_windows,
};
pub use producer_state::{BatchEntry, Check, ProducerEntry, ProducerState, TransactionVersion, WINDOW_SIZE};
pub use read::ReadPlan;
pub use recovery::{LogRecovery, RecoverLog};
pub use repair::{LogRepair, LogSurvey};
pub use retention::RemovedSegment;
pub use sealed::SealedSegment;
pub use sums::SegmentSums;
pub use timestamp::TimestampPlan;
pub use transactions::{
    ABORTED_TXN_SIZE, AbortedTxn, CompletedTransaction, TxnIndexError, collect_aborted, decode_index,
};
