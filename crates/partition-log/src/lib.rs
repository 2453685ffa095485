//! One topic-partition's log: Kafka's rules for admission, offsets, producer state, indexes, leader epochs,
//! watermarks and transactions on top of one write-ahead log. Starts no thread and reads no clock.

mod admission;
mod config;
mod leader_epochs;
mod outcome;
mod producer_snapshot;
mod producer_state;
mod transactions;

pub use admission::{Admission, AdmissionContext, AdmittedBatch, admit, requires_produce_v7};
pub use config::{LogConfig, SyncPolicy, TimestampType, TopicCompression};
pub use leader_epochs::{EpochCheckpointError, EpochStart, LeaderEpochs};
pub use outcome::{
    AbortedTransaction, Appended, EpochEnd, Isolation, LogOffsets, Origin, ReadOutcome, ReadRequest, Refusal,
    TimestampedOffset,
};
pub use producer_snapshot::{
    SnapshotError, WINDOWS_SUFFIX, decode_snapshot, decode_windows, encode_snapshot, encode_windows,
};
pub use producer_state::{BatchEntry, Check, ProducerEntry, ProducerState, TransactionVersion, WINDOW_SIZE};
pub use transactions::{
    ABORTED_TXN_SIZE, AbortedTxn, CompletedTransaction, TxnIndexError, collect_aborted, decode_index,
};
