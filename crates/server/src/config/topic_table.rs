//! Every topic setting of Kafka 4.3, with the broker settings that give its default. What has no meaning on one node is still
//! accepted, checked, kept and described, so that tools and templates work unchanged.

use super::setting::{Check, Kind, Setting};

/// A topic setting and where its default comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicSetting {
    /// The setting.
    pub(crate) setting: Setting,
    /// Broker settings whose values apply when the topic has none: the first one that is set, each times its factor. Empty
    /// when the broker has none.
    pub(crate) synonyms: &'static [(&'static str, i64)],
}

const fn topic(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    check: Check,
    synonyms: &'static [(&'static str, i64)],
    documentation: &'static str,
) -> TopicSetting {
    TopicSetting { setting: Setting::new(name, kind, default, check, documentation).dynamic(), synonyms }
}

/// Codecs of `compression.type`.
pub(super) const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];
/// Values of `cleanup.policy`.
pub(super) const POLICIES: &[&str] = &["compact", "delete"];
/// Values of `message.timestamp.type`.
pub(super) const TIMESTAMP_TYPES: &[&str] = &["CreateTime", "LogAppendTime"];
/// `i64::MAX` as text: Kafka's "no bound".
pub(super) const FOREVER: Option<&str> = Some("9223372036854775807");

const HOUR_MS: i64 = 3_600_000;

/// The table, sorted by name.
pub(crate) const TOPIC_SETTINGS: &[TopicSetting] = &[
    topic(
        "cleanup.policy",
        Kind::List,
        Some("delete"),
        Check::ListOf(POLICIES),
        &[("log.cleanup.policy", 1)],
        "What happens to old records: `delete` removes segments by `retention.ms` and `retention.bytes`, `compact` keeps the last record of each key. An empty list keeps everything.",
    ),
    topic(
        "compression.gzip.level",
        Kind::Int,
        Some("-1"),
        Check::GzipLevel,
        &[("compression.gzip.level", 1)],
        "Level used when `compression.type` is `gzip`; -1 is the codec's own default.",
    ),
    topic(
        "compression.lz4.level",
        Kind::Int,
        Some("9"),
        Check::Between(1, 17),
        &[("compression.lz4.level", 1)],
        "Level used when `compression.type` is `lz4`.",
    ),
    topic(
        "compression.type",
        Kind::String,
        Some("producer"),
        Check::OneOf(CODECS),
        &[("compression.type", 1)],
        "Codec in which batches are kept. `producer` keeps each as it was sent; any other recompresses what differs.",
    ),
    topic(
        "compression.zstd.level",
        Kind::Int,
        Some("3"),
        Check::Between(-131_072, 22),
        &[("compression.zstd.level", 1)],
        "Level used when `compression.type` is `zstd`.",
    ),
    topic(
        "delete.retention.ms",
        Kind::Long,
        Some("86400000"),
        Check::AtLeast(0),
        &[("log.cleaner.delete.retention.ms", 1)],
        "How long a compacted topic keeps tombstones.",
    ),
    topic(
        "file.delete.delay.ms",
        Kind::Long,
        Some("60000"),
        Check::AtLeast(0),
        &[("log.segment.delete.delay.ms", 1)],
        "How long the files of a removed segment stay, renamed.",
    ),
    topic(
        "flush.messages",
        Kind::Long,
        FOREVER,
        Check::AtLeast(1),
        &[("log.flush.interval.messages", 1)],
        "Replaces `flush.policy` for the topic when set: records are synced when so many are unsynced. 1 syncs every append before it is answered; with any other value no answer waits for a sync.",
    ),
    topic(
        "flush.ms",
        Kind::Long,
        FOREVER,
        Check::AtLeast(0),
        &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
        "Replaces `flush.policy` for the topic when set: records are synced when the oldest unsynced one is so old; no answer waits for it.",
    ),
    topic(
        "follower.replication.throttled.replicas",
        Kind::List,
        Some(""),
        Check::ThrottledReplicas,
        &[],
        "Accepted for tools; there is no replication to throttle.",
    ),
    topic(
        "index.interval.bytes",
        Kind::Int,
        Some("4096"),
        Check::AtLeast(0),
        &[("log.index.interval.bytes", 1)],
        "Bytes of log between two entries of the offset index.",
    ),
    TopicSetting {
        setting: Setting::new(
            "internal.segment.bytes",
            Kind::Int,
            None,
            Check::AtLeast(1),
            "`segment.bytes` without its floor, for tests.",
        )
        .dynamic()
        .internal(),
        synonyms: &[],
    },
    topic(
        "leader.replication.throttled.replicas",
        Kind::List,
        Some(""),
        Check::ThrottledReplicas,
        &[],
        "Accepted for tools; there is no replication to throttle.",
    ),
    topic(
        "local.retention.bytes",
        Kind::Long,
        Some("-2"),
        Check::AtLeast(-2),
        &[("log.local.retention.bytes", 1)],
        "Accepted for tools; there is no tiered storage.",
    ),
    topic(
        "local.retention.ms",
        Kind::Long,
        Some("-2"),
        Check::AtLeast(-2),
        &[("log.local.retention.ms", 1)],
        "Accepted for tools; there is no tiered storage.",
    ),
    topic(
        "max.compaction.lag.ms",
        Kind::Long,
        FOREVER,
        Check::AtLeast(1),
        &[("log.cleaner.max.compaction.lag.ms", 1)],
        "Longest time that a record of a compacted topic stays uncompacted.",
    ),
    topic(
        "max.message.bytes",
        Kind::Int,
        Some("1048588"),
        Check::AtLeast(0),
        &[("message.max.bytes", 1)],
        "Largest batch that is accepted, as it arrives, header included.",
    ),
    topic(
        "message.timestamp.after.max.ms",
        Kind::Long,
        Some("3600000"),
        Check::AtLeast(0),
        &[("log.message.timestamp.after.max.ms", 1)],
        "How far a record's timestamp may lie ahead of the broker's clock.",
    ),
    topic(
        "message.timestamp.before.max.ms",
        Kind::Long,
        FOREVER,
        Check::AtLeast(0),
        &[("log.message.timestamp.before.max.ms", 1)],
        "How far a record's timestamp may lie behind the broker's clock.",
    ),
    topic(
        "message.timestamp.type",
        Kind::String,
        Some("CreateTime"),
        Check::OneOf(TIMESTAMP_TYPES),
        &[("log.message.timestamp.type", 1)],
        "Whose clock a record's timestamp is: the producer's or the broker's.",
    ),
    topic(
        "min.cleanable.dirty.ratio",
        Kind::Double,
        Some("0.5"),
        Check::BetweenDouble(0.0, 1.0),
        &[("log.cleaner.min.cleanable.ratio", 1)],
        "Share of a log that must be uncompacted before it is compacted.",
    ),
    topic(
        "min.compaction.lag.ms",
        Kind::Long,
        Some("0"),
        Check::AtLeast(0),
        &[("log.cleaner.min.compaction.lag.ms", 1)],
        "Shortest time that a record of a compacted topic stays uncompacted.",
    ),
    topic(
        "min.insync.replicas",
        Kind::Int,
        Some("1"),
        Check::AtLeast(1),
        &[("min.insync.replicas", 1)],
        "Accepted for tools; capped by the number of replicas, which is one.",
    ),
    topic(
        "preallocate",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        &[("log.preallocate", 1)],
        "Accepted for tools; the next segment is always prepared in the background.",
    ),
    topic(
        "remote.log.copy.disable",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        &[],
        "Accepted for tools; there is no tiered storage.",
    ),
    topic(
        "remote.log.delete.on.disable",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        &[],
        "Accepted for tools; there is no tiered storage.",
    ),
    topic(
        "remote.storage.enable",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        &[],
        "There is no tiered storage: `true` is refused.",
    ),
    topic(
        "retention.bytes",
        Kind::Long,
        Some("-1"),
        Check::Any,
        &[("log.retention.bytes", 1)],
        "Size at which a partition lets its oldest segments go; -1 is no bound.",
    ),
    topic(
        "retention.ms",
        Kind::Long,
        Some("604800000"),
        Check::AtLeast(-1),
        &[("log.retention.ms", 1), ("log.retention.minutes", 60_000), ("log.retention.hours", HOUR_MS)],
        "Age at which a partition lets a segment go; -1 keeps for ever.",
    ),
    topic(
        "segment.bytes",
        Kind::Int,
        Some("1073741824"),
        Check::AtLeast(1_048_576),
        &[("log.segment.bytes", 1)],
        "Size at which a segment is rolled.",
    ),
    topic(
        "segment.index.bytes",
        Kind::Int,
        Some("10485760"),
        Check::AtLeast(4),
        &[("log.index.size.max.bytes", 1)],
        "Size of an index at which its segment is rolled.",
    ),
    topic(
        "segment.jitter.ms",
        Kind::Long,
        Some("0"),
        Check::AtLeast(0),
        &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS)],
        "At most so much is taken off `segment.ms`, at random, so that segments do not all roll at once.",
    ),
    topic(
        "segment.ms",
        Kind::Long,
        Some("604800000"),
        Check::AtLeast(1),
        &[("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)],
        "Age of a segment's first record at which it is rolled.",
    ),
    topic(
        "unclean.leader.election.enable",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        &[("unclean.leader.election.enable", 1)],
        "Accepted for tools; there is only one replica to lead.",
    ),
];

/// Finds a topic setting by name.
pub(crate) fn topic_setting(name: &str) -> Option<&'static TopicSetting> {
    TOPIC_SETTINGS.iter().find(|known| known.setting.name == name)
}
