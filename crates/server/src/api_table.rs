//! Which APIs are served, in which versions. The one table: ApiVersions answers from it, the dispatcher checks by it, and
//! `docs/protocol.md` is printed from it.

use std::fmt::Write;

use highwater_wire::ApiKey;

/// One API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Api {
    /// The API.
    pub(crate) key: ApiKey,
    /// First version that is served.
    pub(crate) min: i16,
    /// Last version that is served.
    pub(crate) max: i16,
    /// First version that is announced; lower than `min` only where Kafka does so.
    pub(crate) announced_min: i16,
}

const fn api(key: ApiKey, min: i16, max: i16) -> Api {
    Api { key, min, max, announced_min: min }
}

/// The table, sorted by key.
pub(crate) const SUPPORTED: &[Api] = &[
    // librdkafka takes a broker that does not announce Produce v0 for one that is too old (KAFKA-18659).
    Api { key: ApiKey::Produce, min: 3, max: 13, announced_min: 0 },
    api(ApiKey::Fetch, 4, 18),
    api(ApiKey::ListOffsets, 1, 11),
    api(ApiKey::Metadata, 0, 13),
    api(ApiKey::OffsetCommit, 2, 10),
    api(ApiKey::OffsetFetch, 1, 10),
    api(ApiKey::FindCoordinator, 0, 6),
    api(ApiKey::JoinGroup, 0, 9),
    api(ApiKey::Heartbeat, 0, 4),
    api(ApiKey::LeaveGroup, 0, 5),
    api(ApiKey::SyncGroup, 0, 5),
    api(ApiKey::DescribeGroups, 0, 6),
    api(ApiKey::ListGroups, 0, 5),
    api(ApiKey::ApiVersions, 0, 5),
    api(ApiKey::CreateTopics, 2, 7),
    api(ApiKey::DeleteTopics, 1, 6),
    api(ApiKey::InitProducerId, 0, 5),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4),
    api(ApiKey::DescribeConfigs, 1, 4),
    api(ApiKey::AlterConfigs, 0, 2),
    api(ApiKey::CreatePartitions, 0, 3),
    api(ApiKey::DeleteGroups, 0, 2),
    api(ApiKey::IncrementalAlterConfigs, 0, 1),
    api(ApiKey::OffsetDelete, 0, 0),
    api(ApiKey::DescribeCluster, 0, 2),
    api(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Finds an API that is served in `version`.
pub(crate) fn served(api_key: i16, version: i16) -> Option<&'static Api> {
    SUPPORTED.iter().find(|api| api.key.code() == api_key && (api.min..=api.max).contains(&version))
}

/// `docs/protocol.md`.
pub(crate) fn protocol_page() -> String {
    let mut page = String::from(
        "# Protocol\n\nPrinted from the code's table by `highwater docs protocol`; do not edit.\n\nThe APIs and versions that are \
         served, and nothing else is announced. A request of another API or version closes its connection after the \
         replies that are due; only ApiVersions answers UNSUPPORTED_VERSION with this list (KIP-511).\n\n\
         | key | API | versions | flexible from |\n|--:|---|---|--:|\n",
    );
    for api in SUPPORTED {
        let note = if api.announced_min < api.min {
            format!(" (announced from {})", api.announced_min)
        } else {
            String::new()
        };
        let (key, name, flexible) = (api.key.code(), api.key.name(), api.key.flexible_from());
        let flexible = if flexible == i16::MAX { "never".to_owned() } else { flexible.to_string() };
        // Writing to a String does not fail.
        let _ = writeln!(page, "| {key} | {name} | {}–{}{note} | {flexible} |", api.min, api.max);
    }
    page.push_str(&crate::features::page());
    page.push_str(&crate::not_served::page());
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_the_codec_knows_every_version() {
        assert!(SUPPORTED.is_sorted_by(|left, right| left.key.code() < right.key.code()));
        for api in SUPPORTED {
            let (first, last) = api.key.versions();
            assert!(first <= api.min && api.max <= last, "{api:?}");
        }
    }

    #[test]
    fn what_is_only_announced_is_not_served() {
        assert!(served(0, 2).is_none() && served(0, 3).is_some());
        assert!(served(0, 14).is_none() && served(4, 0).is_none() && served(-1, 0).is_none());
        assert!(protocol_page().contains("| 0 | Produce | 3–13 (announced from 0) | 9 |"));
    }
}
