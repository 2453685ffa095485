//! One topic-partition's log: Kafka's rules for admission, offsets, producer state, indexes, leader epochs,
//! watermarks and transactions on top of one write-ahead log. Starts no thread and reads no clock.

mod config;
mod outcome;

pub use config::{LogConfig, SyncPolicy, TimestampType, TopicCompression};
pub use outcome::{
    AbortedTransaction, Appended, EpochEnd, Isolation, LogOffsets, Origin, ReadOutcome, ReadRequest, Refusal,
    TimestampedOffset,
};
