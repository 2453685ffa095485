//! The rules of the groups, from the settings. All of them are fixed at start, as in Kafka.

use highwater_coordinator::GroupConfig;

use crate::config::Settings;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// What the settings say of groups.
pub(super) fn group_config(settings: &Settings) -> GroupConfig {
    let int = |name: &str| settings.number(name).and_then(|number| i32::try_from(number).ok()).unwrap_or(0);
    let size = |name: &str| usize::try_from(settings.count(name)).unwrap_or(usize::MAX);
    let retention_minutes = settings.number("offsets.retention.minutes").unwrap_or(0);
    GroupConfig {
        min_session_timeout_ms: int("group.min.session.timeout.ms"),
        max_session_timeout_ms: int("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms: u32::try_from(settings.count("group.initial.rebalance.delay.ms"))
            .unwrap_or(u32::MAX),
        max_size: size("group.max.size"),
        offset_metadata_max_bytes: size("offset.metadata.max.bytes"),
        offsets_retention_ms: retention_minutes.saturating_mul(MINUTE_MS),
        offsets_retention_check_interval_ms: settings.count("offsets.retention.check.interval.ms"),
    }
}

/// Most bytes of what its members give for the record of one group: subscriptions and assignments. Kafka keeps it as a record of
/// `__consumer_offsets`, which may have `message.max.bytes`.
pub(super) fn group_bytes_max(settings: &Settings) -> usize {
    usize::try_from(settings.count("message.max.bytes")).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    #[test]
    fn the_defaults_are_kafkas() {
        assert_eq!(group_config(&Settings::new(Layers::default())), GroupConfig::default());
    }
}
