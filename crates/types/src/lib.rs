//! Words that every layer shares: offsets, positions, identifiers, times, counters. No dependency, no I/O, no rules beyond
//! the arithmetic of each type.

mod id;
mod number;
mod statistics;
mod time;
mod timer;

pub use id::{ParseTopicIdError, TopicId, TopicIdPartition, TopicPartition};
pub use number::{LeaderEpoch, Offset, Position, ProducerEpoch, ProducerId, Sequence};
pub use statistics::{BUCKETS_US, Counter, Histogram, HistogramSnapshot};
pub use time::{Instant, Timestamp};
pub use timer::{TimerId, TimerQueue};
