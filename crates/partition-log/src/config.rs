//! The settings of one log, after topic overrides and broker defaults were merged. Names, units, defaults and ranges
//! are those of Kafka's topic settings; the server's registry checks ranges before a value arrives here.

pub use highwater_wire::record::TimestampType;

/// The codec in which a topic keeps its batches (`compression.type` with its level).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicCompression {
    /// As the producer sent them.
    Producer,
    /// Recompressed to this codec where the producer used another.
    Codec(highwater_wire::record::Compression, Option<i32>),
}

/// When appended bytes are made durable. `flush.policy` of the broker, replaced for a topic by `flush.messages` or
/// `flush.ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Every append is synced before any answer, also at acks=1. `flush.messages=1` is this.
    Always,
    /// acks=all waits for the sync of its round; acks=1 for the write. The default.
    Batch,
    /// Synced every so many milliseconds or messages, whichever comes first; no answer waits for it.
    Interval {
        /// Milliseconds between syncs while bytes are unsynced; `None`: no bound by time.
        ms: Option<u64>,
        /// Messages that may be unsynced; `None`: no bound by count.
        messages: Option<u64>,
    },
    /// No answer waits; synced at roll and every 30 s in the background.
    Never,
}

impl SyncPolicy {
    /// Whether records become visible, and acks=all is answered, only after the sync that covers them.
    pub fn waits_for_sync(self) -> bool {
        matches!(self, Self::Always | Self::Batch)
    }
}

/// The settings of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it would exceed this. Default 1 GiB.
    pub segment_bytes: u64,
    /// `segment.ms`: age of the first record at which a segment is rolled. Default 7 days.
    pub segment_ms: u64,
    /// `segment.jitter.ms`: at most so much is taken off `segment_ms`. Default 0.
    pub segment_jitter_ms: u64,
    /// `index.interval.bytes`: bytes of log between two index entries. Default 4096.
    pub index_interval_bytes: u64,
    /// `segment.index.bytes`: size of an index at which its segment is rolled. Default 10 MiB.
    pub segment_index_bytes: u64,
    /// `max.message.bytes`: the largest batch, header included. Default 1 048 588.
    pub max_message_bytes: u64,
    /// `retention.ms`: `None` keeps for ever. Default 7 days.
    pub retention_ms: Option<u64>,
    /// `retention.bytes`: `None` is no bound. Default none.
    pub retention_bytes: Option<u64>,
    /// `cleanup.policy` holds `delete`. Default true.
    pub delete: bool,
    /// `cleanup.policy` holds `compact`: records need keys. Default false.
    pub compact: bool,
    /// `file.delete.delay.ms`: how long a deleted segment's files stay, renamed. Default 60 s.
    pub file_delete_delay_ms: u64,
    /// `message.timestamp.type`. Default CreateTime.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: `None` is no bound. Default none.
    pub timestamp_before_max_ms: Option<u64>,
    /// `message.timestamp.after.max.ms`: `None` is no bound. Default 1 h.
    pub timestamp_after_max_ms: Option<u64>,
    /// `compression.type` and its level. Default producer.
    pub compression: TopicCompression,
    /// `flush.policy`, or what `flush.messages`/`flush.ms` make of it. Default batch.
    pub sync_policy: SyncPolicy,
    /// `producer.id.expiration.ms`: how long an idle producer's state is kept. Default 1 day.
    pub producer_id_expiration_ms: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        const DAY_MS: u64 = 86_400_000;
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            max_message_bytes: 1_048_588,
            retention_ms: Some(7 * DAY_MS),
            retention_bytes: None,
            delete: true,
            compact: false,
            file_delete_delay_ms: 60_000,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: None,
            timestamp_after_max_ms: Some(3_600_000),
            compression: TopicCompression::Producer,
            sync_policy: SyncPolicy::Batch,
            producer_id_expiration_ms: DAY_MS,
        }
    }
}
