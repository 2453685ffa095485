//! Makes a [`LogConfig`] of the settings that apply to a topic, and checks the settings that a client wants to give one.

use std::collections::BTreeMap;

use highwater_partition_log::{LogConfig, SyncPolicy, TimestampType, TopicCompression};
use highwater_wire::record::Compression;

use super::setting::{InvalidValue, Value};
use super::settings::Layers;
use super::topic_setting;

/// Why a topic does not get these settings. `Display` is Kafka's wording; all are INVALID_CONFIG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InvalidTopicConfig {
    /// No such setting.
    Unknown(String),
    /// Null where a value is needed.
    Null(String),
    /// Not of the setting's type or range.
    Value(InvalidValue),
    /// Each is allowed, not all together, or not here.
    Conflict(String),
}

impl std::fmt::Display for InvalidTopicConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "Unknown topic config name: {name}"),
            Self::Null(names) => write!(f, "Null value not supported for topic configs: {names}"),
            Self::Value(error) => error.fmt(f),
            Self::Conflict(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for InvalidTopicConfig {}

/// Checks a topic's own settings.
///
/// # Errors
/// [`InvalidTopicConfig`] for the first that is wrong.
pub(crate) fn check_topic(layers: &Layers, own: &BTreeMap<String, String>) -> Result<(), InvalidTopicConfig> {
    for (name, text) in own {
        let known = topic_setting(name).ok_or_else(|| InvalidTopicConfig::Unknown(name.clone()))?;
        known.setting.parse(text).map_err(InvalidTopicConfig::Value)?;
    }
    if layers.topic_value_of("remote.storage.enable", own) == Value::Boolean(true) {
        return Err(InvalidTopicConfig::Conflict(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    let lag = |name| number(layers, own, name);
    if lag("min.compaction.lag.ms") > lag("max.compaction.lag.ms") {
        return Err(InvalidTopicConfig::Conflict(format!(
            "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
            lag("min.compaction.lag.ms"),
            lag("max.compaction.lag.ms")
        )));
    }
    Ok(())
}

/// The settings of the logs of a topic with these settings of its own, which were checked.
pub(crate) fn log_config(layers: &Layers, own: &BTreeMap<String, String>) -> LogConfig {
    let size = |name| unsigned(number(layers, own, name)).unwrap_or(0);
    let policies = layers.topic_value_of("cleanup.policy", own);
    let has_policy =
        |name: &str| matches!(&policies, Value::List(items) if items.iter().any(|item| item == name));
    let internal_segment = match layers.topic_value_of("internal.segment.bytes", own) {
        Value::Number(number) => unsigned(number),
        _ => None,
    };
    LogConfig {
        segment_bytes: internal_segment.unwrap_or_else(|| size("segment.bytes")),
        segment_ms: size("segment.ms"),
        segment_jitter_ms: size("segment.jitter.ms"),
        index_interval_bytes: size("index.interval.bytes"),
        segment_index_bytes: size("segment.index.bytes"),
        max_message_bytes: size("max.message.bytes"),
        retention_ms: unsigned(number(layers, own, "retention.ms")),
        retention_bytes: unsigned(number(layers, own, "retention.bytes")),
        delete: has_policy("delete"),
        compact: has_policy("compact"),
        file_delete_delay_ms: size("file.delete.delay.ms"),
        timestamp_type: match text(layers, own, "message.timestamp.type").as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: bounded(number(layers, own, "message.timestamp.before.max.ms")),
        timestamp_after_max_ms: bounded(number(layers, own, "message.timestamp.after.max.ms")),
        compression: compression(layers, own),
        sync_policy: sync_policy(layers, own),
        producer_id_expiration_ms: broker_number(layers, "producer.id.expiration.ms"),
    }
}

/// `flush.policy` of the broker, or what `flush.messages` and `flush.ms` make of it.
fn sync_policy(layers: &Layers, own: &BTreeMap<String, String>) -> SyncPolicy {
    let messages = bounded(number(layers, own, "flush.messages"));
    let ms = bounded(number(layers, own, "flush.ms"));
    match (messages, ms) {
        (Some(1), _) | (_, Some(0)) => SyncPolicy::Always,
        (None, None) => match layers.value("flush.policy") {
            Value::Text(policy) if policy == "always" => SyncPolicy::Always,
            Value::Text(policy) if policy == "interval" => {
                SyncPolicy::Interval { ms: Some(broker_number(layers, "flush.interval.ms")), messages: None }
            }
            Value::Text(policy) if policy == "never" => SyncPolicy::Never,
            _ => SyncPolicy::Batch,
        },
        (messages, ms) => SyncPolicy::Interval { ms, messages },
    }
}

fn compression(layers: &Layers, own: &BTreeMap<String, String>) -> TopicCompression {
    let level = |name| i32::try_from(number(layers, own, name)).ok();
    match text(layers, own, "compression.type").as_str() {
        "uncompressed" => TopicCompression::Codec(Compression::None, None),
        "gzip" => TopicCompression::Codec(
            Compression::Gzip,
            level("compression.gzip.level").filter(|level| *level != -1),
        ),
        "snappy" => TopicCompression::Codec(Compression::Snappy, None),
        "lz4" => TopicCompression::Codec(Compression::Lz4, level("compression.lz4.level")),
        "zstd" => TopicCompression::Codec(Compression::Zstd, level("compression.zstd.level")),
        _ => TopicCompression::Producer,
    }
}

fn number(layers: &Layers, own: &BTreeMap<String, String>, name: &str) -> i64 {
    match layers.topic_value_of(name, own) {
        Value::Number(number) => number,
        _ => 0,
    }
}

fn text(layers: &Layers, own: &BTreeMap<String, String>, name: &str) -> String {
    match layers.topic_value_of(name, own) {
        Value::Text(text) => text,
        _ => String::new(),
    }
}

fn broker_number(layers: &Layers, name: &str) -> u64 {
    match layers.value(name) {
        Value::Number(number) => unsigned(number).unwrap_or(0),
        _ => 0,
    }
}

/// -1 is "no bound".
fn unsigned(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// `i64::MAX` is "no bound".
fn bounded(number: i64) -> Option<u64> {
    unsigned(number).filter(|_| number != i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn config(own: &[(&str, &str)]) -> LogConfig {
        let own = map(own);
        check_topic(&Layers::default(), &own).unwrap();
        log_config(&Layers::default(), &own)
    }

    #[test]
    fn the_defaults_are_those_of_the_log() {
        assert_eq!(config(&[]), LogConfig::default());
    }

    #[test]
    fn a_topics_values_arrive_in_its_log() {
        let log = config(&[
            ("cleanup.policy", "compact"),
            ("retention.ms", "-1"),
            ("retention.bytes", "5"),
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "7"),
            ("internal.segment.bytes", "1000"),
        ]);
        assert_eq!((log.delete, log.compact), (false, true));
        assert_eq!((log.retention_ms, log.retention_bytes), (None, Some(5)));
        assert_eq!(log.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(log.compression, TopicCompression::Codec(Compression::Zstd, Some(7)));
        assert_eq!(log.segment_bytes, 1000);
    }

    #[test]
    fn flush_settings_of_a_topic_replace_the_brokers_policy() {
        let policy = |given: &[(&str, &str)], own: &[(&str, &str)]| {
            let layers = Layers { given: map(given), ..Layers::default() };
            log_config(&layers, &map(own)).sync_policy
        };
        assert_eq!(policy(&[("flush.policy", "never")], &[]), SyncPolicy::Never);
        assert_eq!(policy(&[("flush.policy", "always")], &[]), SyncPolicy::Always);
        let interval = SyncPolicy::Interval { ms: Some(1000), messages: None };
        assert_eq!(policy(&[("flush.policy", "interval")], &[]), interval);
        assert_eq!(policy(&[("flush.policy", "never")], &[("flush.messages", "1")]), SyncPolicy::Always);
        let counted = SyncPolicy::Interval { ms: Some(5), messages: Some(100) };
        assert_eq!(policy(&[], &[("flush.messages", "100"), ("flush.ms", "5")]), counted);
        assert_eq!(policy(&[("log.flush.interval.messages", "1")], &[]), SyncPolicy::Always);
    }

    #[test]
    fn wrong_settings_are_refused_in_kafkas_words() {
        let error =
            |own: &[(&str, &str)]| check_topic(&Layers::default(), &map(own)).unwrap_err().to_string();
        assert_eq!(error(&[("no.such", "1")]), "Unknown topic config name: no.such");
        assert!(
            error(&[("remote.storage.enable", "true")])
                .starts_with("Tiered Storage functionality is disabled")
        );
        assert!(
            error(&[("min.compaction.lag.ms", "5"), ("max.compaction.lag.ms", "4")]).starts_with("conflict")
        );
        assert!(error(&[("segment.bytes", "1")]).contains("at least 1048576"));
    }
}
