//! Which features the cluster has (KIP-584). A feature is finalized only when what it promises is served.

use std::fmt::Write;

/// One feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feature {
    /// Kafka's name.
    pub(crate) name: &'static str,
    /// Lowest level that could be finalized.
    pub(crate) min: i16,
    /// Highest level that could be finalized.
    pub(crate) max: i16,
    /// The level that is finalized; 0 is none.
    pub(crate) finalized: i16,
}

/// The table, sorted by name. Levels of `metadata.version` stand for what Kafka 4.0 to 4.3 may store; here nothing depends
/// on them, but tools print their names.
pub(crate) const FEATURES: &[Feature] = &[
    Feature { name: "kraft.version", min: 0, max: 1, finalized: 1 },
    Feature { name: "metadata.version", min: 7, max: 30, finalized: 30 },
];

/// Rises with each change of a finalized level.
pub(crate) const FEATURES_EPOCH: i64 = 0;

/// The section of `docs/protocol.md`.
pub(crate) fn page() -> String {
    let mut page = String::from("\n## Features\n\n| feature | supported | finalized |\n|---|---|--:|\n");
    for feature in FEATURES {
        // Writing to a String does not fail.
        let _ =
            writeln!(page, "| {} | {}–{} | {} |", feature.name, feature.min, feature.max, feature.finalized);
    }
    page
}
