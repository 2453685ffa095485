//! The broker's settings that mean something here: Kafka's where Kafka has one, and ours.

use super::setting::{Check, Kind, Setting};
use super::topic_table::{CODECS, FOREVER, POLICIES, TIMESTAMP_TYPES};

const fn setting(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    check: Check,
    documentation: &'static str,
) -> Setting {
    Setting::new(name, kind, default, check, documentation)
}

/// Values of `flush.policy`.
const FLUSH_POLICIES: &[&str] = &["always", "batch", "interval", "never"];

/// The table, sorted by name.
pub(crate) const BROKER_SETTINGS: &[Setting] = &[
    setting(
        "advertised.listeners",
        Kind::List,
        None,
        Check::Any,
        "What clients are told to connect to: `NAME://HOST:PORT` for each listener that is not reached by the address it listens on. Port 0 stands for the port that is listened on.",
    ),
    setting(
        "auto.create.topics.enable",
        Kind::Boolean,
        Some("true"),
        Check::Any,
        "Whether a Metadata request that asks for it makes topics that do not exist.",
    ),
    setting(
        "broker.rack",
        Kind::String,
        None,
        Check::Any,
        "The rack that clients are told this broker stands in.",
    ),
    setting(
        "compression.gzip.level",
        Kind::Int,
        Some("-1"),
        Check::GzipLevel,
        "Default of the topic setting `compression.gzip.level`.",
    )
    .dynamic(),
    setting(
        "compression.lz4.level",
        Kind::Int,
        Some("9"),
        Check::Between(1, 17),
        "Default of the topic setting `compression.lz4.level`.",
    )
    .dynamic(),
    setting(
        "compression.type",
        Kind::String,
        Some("producer"),
        Check::OneOf(CODECS),
        "Default of the topic setting `compression.type`.",
    )
    .dynamic(),
    setting(
        "compression.zstd.level",
        Kind::Int,
        Some("3"),
        Check::Between(-131_072, 22),
        "Default of the topic setting `compression.zstd.level`.",
    )
    .dynamic(),
    setting(
        "connections.max.idle.ms",
        Kind::Long,
        Some("600000"),
        Check::Any,
        "A connection on which nothing happens for so long is closed. Negative: never.",
    ),
    setting(
        "controller.listener.names",
        Kind::List,
        None,
        Check::Any,
        "Names in `listeners` that Kafka's controllers listen on; they are left out here.",
    ),
    setting(
        "data.dir",
        Kind::String,
        Some("./highwater-data"),
        Check::Any,
        "The directory that holds everything the broker keeps (`--data-dir`).",
    ),
    setting(
        "default.replication.factor",
        Kind::Int,
        Some("1"),
        Check::Any,
        "Replication factor of topics made without one. One node can only keep 1.",
    ),
    setting("delete.topic.enable", Kind::Boolean, Some("true"), Check::Any, "Whether topics may be deleted."),
    setting(
        "fetch.max.bytes",
        Kind::Int,
        Some("57671680"),
        Check::AtLeast(1024),
        "Most bytes that one Fetch answer carries, whatever the client asks; a first batch comes whole even when larger.",
    ),
    setting(
        "flush.interval.ms",
        Kind::Long,
        Some("1000"),
        Check::AtLeast(1),
        "Milliseconds between two syncs under `flush.policy=interval`.",
    ),
    setting(
        "flush.policy",
        Kind::String,
        Some("batch"),
        Check::OneOf(FLUSH_POLICIES),
        "When appended records are made durable. `always`: before any answer. `batch`: before `acks=all` is answered, one sync for everything that waits. `interval`: every `flush.interval.ms`, no answer waits. `never`: only in the background. Under the last two a power loss may take acknowledged records.",
    ),
    setting(
        "group.initial.rebalance.delay.ms",
        Kind::Int,
        Some("3000"),
        Check::AtLeast(0),
        "Milliseconds that the first rebalance of an empty group waits for more members; each that comes prolongs it, up to its rebalance timeout.",
    ),
    setting(
        "group.max.session.timeout.ms",
        Kind::Int,
        Some("1800000"),
        Check::AtLeast(0),
        "Longest session timeout that a member of a group may ask for.",
    ),
    setting(
        "group.max.size",
        Kind::Int,
        Some("2147483647"),
        Check::AtLeast(1),
        "Most members that one group may have.",
    ),
    setting(
        "group.min.session.timeout.ms",
        Kind::Int,
        Some("6000"),
        Check::AtLeast(0),
        "Shortest session timeout that a member of a group may ask for.",
    ),
    setting(
        "http.listener",
        Kind::String,
        Some("127.0.0.1:9644"),
        Check::Any,
        "Where `/metrics`, `/status`, `/livez` and `/readyz` are served (`--http`): `HOST:PORT`; port 0 is a free port, `none` switches them off. Where the default is in use, it is only a warning.",
    ),
    setting(
        "listener.security.protocol.map",
        Kind::String,
        Some("PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"),
        Check::Any,
        "Security protocol of each listener name, `NAME:PROTOCOL`. Only PLAINTEXT is served.",
    ),
    setting(
        "listeners",
        Kind::List,
        Some("PLAINTEXT://127.0.0.1:9092"),
        Check::Any,
        "What to listen on (`--listen`): `NAME://HOST:PORT`, separated by commas. An empty host is every interface, port 0 a free port.",
    ),
    setting(
        "log.cleaner.delete.retention.ms",
        Kind::Long,
        Some("86400000"),
        Check::AtLeast(0),
        "Default of the topic setting `delete.retention.ms`.",
    )
    .dynamic(),
    setting(
        "log.cleaner.max.compaction.lag.ms",
        Kind::Long,
        FOREVER,
        Check::AtLeast(1),
        "Default of the topic setting `max.compaction.lag.ms`.",
    )
    .dynamic(),
    setting(
        "log.cleaner.min.cleanable.ratio",
        Kind::Double,
        Some("0.5"),
        Check::BetweenDouble(0.0, 1.0),
        "Default of the topic setting `min.cleanable.dirty.ratio`.",
    )
    .dynamic(),
    setting(
        "log.cleaner.min.compaction.lag.ms",
        Kind::Long,
        Some("0"),
        Check::AtLeast(0),
        "Default of the topic setting `min.compaction.lag.ms`.",
    )
    .dynamic(),
    setting(
        "log.cleanup.policy",
        Kind::List,
        Some("delete"),
        Check::ListOf(POLICIES),
        "Default of the topic setting `cleanup.policy`.",
    )
    .dynamic(),
    setting(
        "log.flush.interval.messages",
        Kind::Long,
        FOREVER,
        Check::AtLeast(1),
        "Default of the topic setting `flush.messages`.",
    )
    .dynamic(),
    setting(
        "log.flush.interval.ms",
        Kind::Long,
        None,
        Check::Any,
        "Default of the topic setting `flush.ms`.",
    )
    .dynamic(),
    setting(
        "log.flush.scheduler.interval.ms",
        Kind::Long,
        FOREVER,
        Check::Any,
        "Default of `log.flush.interval.ms`.",
    ),
    setting(
        "log.index.interval.bytes",
        Kind::Int,
        Some("4096"),
        Check::AtLeast(0),
        "Default of the topic setting `index.interval.bytes`.",
    )
    .dynamic(),
    setting(
        "log.index.size.max.bytes",
        Kind::Int,
        Some("10485760"),
        Check::AtLeast(4),
        "Default of the topic setting `segment.index.bytes`.",
    )
    .dynamic(),
    setting(
        "log.local.retention.bytes",
        Kind::Long,
        Some("-2"),
        Check::AtLeast(-2),
        "Default of the topic setting `local.retention.bytes`.",
    )
    .dynamic(),
    setting(
        "log.local.retention.ms",
        Kind::Long,
        Some("-2"),
        Check::AtLeast(-2),
        "Default of the topic setting `local.retention.ms`.",
    )
    .dynamic(),
    setting(
        "log.message.timestamp.after.max.ms",
        Kind::Long,
        Some("3600000"),
        Check::AtLeast(0),
        "Default of the topic setting `message.timestamp.after.max.ms`.",
    )
    .dynamic(),
    setting(
        "log.message.timestamp.before.max.ms",
        Kind::Long,
        FOREVER,
        Check::AtLeast(0),
        "Default of the topic setting `message.timestamp.before.max.ms`.",
    )
    .dynamic(),
    setting(
        "log.message.timestamp.type",
        Kind::String,
        Some("CreateTime"),
        Check::OneOf(TIMESTAMP_TYPES),
        "Default of the topic setting `message.timestamp.type`.",
    )
    .dynamic(),
    setting(
        "log.preallocate",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        "Default of the topic setting `preallocate`.",
    )
    .dynamic(),
    setting(
        "log.retention.bytes",
        Kind::Long,
        Some("-1"),
        Check::Any,
        "Default of the topic setting `retention.bytes`.",
    )
    .dynamic(),
    setting(
        "log.retention.check.interval.ms",
        Kind::Long,
        Some("300000"),
        Check::AtLeast(1),
        "Milliseconds between two looks for segments to let go.",
    ),
    setting(
        "log.retention.hours",
        Kind::Int,
        Some("168"),
        Check::Any,
        "Default of the topic setting `retention.ms`, in hours; `log.retention.minutes` and `log.retention.ms` go before it.",
    ),
    setting(
        "log.retention.minutes",
        Kind::Int,
        None,
        Check::Any,
        "Default of the topic setting `retention.ms`, in minutes.",
    ),
    setting("log.retention.ms", Kind::Long, None, Check::Any, "Default of the topic setting `retention.ms`.")
        .dynamic(),
    setting(
        "log.roll.hours",
        Kind::Int,
        Some("168"),
        Check::AtLeast(1),
        "Default of the topic setting `segment.ms`, in hours.",
    ),
    setting(
        "log.roll.jitter.hours",
        Kind::Int,
        Some("0"),
        Check::AtLeast(0),
        "Default of the topic setting `segment.jitter.ms`, in hours.",
    ),
    setting(
        "log.roll.jitter.ms",
        Kind::Long,
        None,
        Check::Any,
        "Default of the topic setting `segment.jitter.ms`.",
    )
    .dynamic(),
    setting("log.roll.ms", Kind::Long, None, Check::Any, "Default of the topic setting `segment.ms`.")
        .dynamic(),
    setting(
        "log.scrub.interval.ms",
        Kind::Long,
        Some("604800000"),
        Check::AtLeast(0),
        "Milliseconds after which a sealed segment is read again to see whether it is still as it was written.",
    )
    .dynamic(),
    setting(
        "log.scrub.io.max.bytes.per.second",
        Kind::Long,
        Some("8388608"),
        Check::AtLeast(0),
        "Bytes that this reading takes from the device in a second, past the cache; 0 switches it off. The default reads 4.8 TiB in a week.",
    )
    .dynamic(),
    setting(
        "log.segment.bytes",
        Kind::Int,
        Some("1073741824"),
        Check::AtLeast(1_048_576),
        "Default of the topic setting `segment.bytes`.",
    )
    .dynamic(),
    setting(
        "log.segment.delete.delay.ms",
        Kind::Long,
        Some("60000"),
        Check::AtLeast(0),
        "Default of the topic setting `file.delete.delay.ms`.",
    )
    .dynamic(),
    setting(
        "max.connections",
        Kind::Int,
        Some("2147483647"),
        Check::AtLeast(0),
        "Most connections at a time; further ones are closed at once.",
    )
    .dynamic(),
    setting(
        "max.connections.per.ip",
        Kind::Int,
        Some("2147483647"),
        Check::AtLeast(0),
        "Most connections at a time from one address.",
    )
    .dynamic(),
    setting(
        "max.incremental.fetch.session.cache.slots",
        Kind::Int,
        Some("1000"),
        Check::AtLeast(0),
        "Most incremental fetch sessions (KIP-227) at a time.",
    ),
    setting(
        "max.request.partition.size.limit",
        Kind::Int,
        Some("2000"),
        Check::AtLeast(1),
        "Most partitions in one DescribeTopicPartitions answer.",
    ),
    setting(
        "message.max.bytes",
        Kind::Int,
        Some("1048588"),
        Check::AtLeast(0),
        "Default of the topic setting `max.message.bytes`.",
    )
    .dynamic(),
    setting(
        "metrics.max.series",
        Kind::Int,
        Some("10000"),
        Check::AtLeast(0),
        "Most series that one metric by partition or by group has in `/metrics`; `highwater_series_left_out` counts the others.",
    )
    .dynamic(),
    setting(
        "min.insync.replicas",
        Kind::Int,
        Some("1"),
        Check::AtLeast(1),
        "Default of the topic setting `min.insync.replicas`.",
    )
    .dynamic(),
    setting(
        "node.id",
        Kind::Int,
        Some("1"),
        Check::AtLeast(0),
        "This broker's number. Kept in the data directory at the first start; a different one later is refused.",
    ),
    setting(
        "num.network.threads",
        Kind::Int,
        None,
        Check::AtLeast(1),
        "Threads that serve connections. Default: one a processor, at most 4.",
    ),
    setting(
        "num.partitions",
        Kind::Int,
        Some("1"),
        Check::AtLeast(1),
        "Partitions of topics made without a number.",
    ),
    setting(
        "num.recovery.threads.per.data.dir",
        Kind::Int,
        Some("2"),
        Check::AtLeast(1),
        "Threads that recover partitions at start.",
    ),
    setting(
        "offset.metadata.max.bytes",
        Kind::Int,
        Some("4096"),
        Check::AtLeast(0),
        "Most bytes of metadata beside one committed offset.",
    ),
    setting(
        "offsets.retention.check.interval.ms",
        Kind::Long,
        Some("600000"),
        Check::AtLeast(1),
        "Milliseconds between two looks for expired offsets.",
    ),
    setting(
        "offsets.retention.minutes",
        Kind::Int,
        Some("10080"),
        Check::AtLeast(1),
        "Minutes that committed offsets are kept: of a group without members from when it became empty, of a client that is no member from its last commit, of a group of consumers for a topic that nobody subscribes to any more.",
    ),
    setting(
        "producer.id.expiration.ms",
        Kind::Int,
        Some("86400000"),
        Check::AtLeast(1),
        "How long a partition remembers an idempotent producer that is silent.",
    )
    .dynamic(),
    setting(
        "queued.max.request.bytes",
        Kind::Long,
        Some("268435456"),
        Check::Any,
        "Bytes of requests in memory over all connections at which no more are read. A single request larger than this is still served. Zero or less: no bound. Kafka's default is no bound.",
    ),
    setting(
        "queued.max.response.bytes",
        Kind::Long,
        Some("134217728"),
        Check::Any,
        "Bytes of answers in memory over all connections, without records, which are sent from files, at which no request is taken up that may have a large answer. A single answer larger than this is still given. Zero or less: no bound. Kafka has no such setting.",
    ),
    setting(
        "shutdown.timeout.ms",
        Kind::Long,
        Some("10000"),
        Check::AtLeast(0),
        "How long a clean stop waits for answers that are due.",
    ),
    setting(
        "socket.listen.backlog.size",
        Kind::Int,
        Some("1024"),
        Check::AtLeast(1),
        "Connections that the system keeps until they are accepted. Kafka's default is 50.",
    ),
    setting(
        "socket.request.max.bytes",
        Kind::Int,
        Some("104857600"),
        Check::AtLeast(1),
        "Largest request; a connection that announces a larger one is closed.",
    ),
    setting(
        "storage.min.free.bytes",
        Kind::Long,
        Some("-1"),
        Check::AtLeast(-1),
        "Bytes that stay free on the file system of `data.dir`: with less than this left, produce is refused with KAFKA_STORAGE_ERROR, while everything else is served, and it is taken again when there is a sixteenth more than this. -1: the smaller of 1 GiB and 5 % of the file system. 0: records may fill it up.",
    )
    .dynamic(),
    setting(
        "unclean.leader.election.enable",
        Kind::Boolean,
        Some("false"),
        Check::Any,
        "Default of the topic setting `unclean.leader.election.enable`.",
    )
    .dynamic(),
];

/// Finds a broker setting by name.
pub(crate) fn broker_setting(name: &str) -> Option<&'static Setting> {
    BROKER_SETTINGS.iter().find(|known| known.name == name)
}
