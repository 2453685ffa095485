//! The settings that topics get: tiny segments, so that rolls are everywhere, under each sync policy, with and without
//! retention, with both kinds of timestamps, with and without bounds on them and on the size of a batch. A topic's record in
//! the metadata names its settings by number.

use std::collections::BTreeMap;

use highwater_partition_log::{LogConfig, SyncPolicy, TimestampType};

/// How many settings there are.
pub(crate) const COUNT: u64 = 6 * 4 * 4 * 3;

const KEY: &str = "sim.settings";

/// The settings of a number below [`COUNT`].
pub(crate) fn settings(number: u64) -> LogConfig {
    let sync_policy = match number % 6 {
        0 | 1 => SyncPolicy::Batch,
        2 => SyncPolicy::Always,
        3 => SyncPolicy::Interval { ms: Some(500), messages: None },
        4 => SyncPolicy::Interval { ms: None, messages: Some(7) },
        _ => SyncPolicy::Never,
    };
    let (retention_ms, retention_bytes) = match number / 6 % 4 {
        0 | 1 => (None, None),
        2 => (None, Some(2_000)),
        _ => (Some(20_000), None),
    };
    let (timestamp_type, timestamp_before_max_ms) = match number / 24 % 4 {
        0 => (TimestampType::LogAppendTime, None),
        1 => (TimestampType::CreateTime, Some(1_800_000)),
        _ => (TimestampType::CreateTime, None),
    };
    let max_message_bytes = match number / 96 % 3 {
        0 => 600,
        _ => 1_048_588,
    };
    LogConfig {
        timestamp_type,
        timestamp_before_max_ms,
        max_message_bytes,
        sync_policy,
        retention_ms,
        retention_bytes,
        segment_bytes: if number.is_multiple_of(2) { 700 } else { 3_000 },
        index_interval_bytes: 100,
        file_delete_delay_ms: 500,
        segment_ms: 60_000,
        // State of producers is expected to last: its expiry is not what is tested.
        producer_id_expiration_ms: i64::MAX as u64,
        ..LogConfig::default()
    }
}

/// Whether records may go by themselves under the settings.
pub(crate) fn lets_go(config: &LogConfig) -> bool {
    config.retention_ms.is_some() || config.retention_bytes.is_some()
}

/// Whether a change of settings shows less than before: only what is durable.
pub(crate) fn tightens(from: &LogConfig, to: &LogConfig) -> bool {
    !from.sync_policy.waits_for_sync() && to.sync_policy.waits_for_sync()
}

/// As a topic's record has them.
pub(crate) fn to_record(number: u64) -> BTreeMap<String, String> {
    BTreeMap::from([(KEY.to_owned(), number.to_string())])
}

/// From a topic's record.
pub(crate) fn from_record(configs: &BTreeMap<String, String>) -> u64 {
    configs.get(KEY).and_then(|number| number.parse().ok()).unwrap_or(0)
}
