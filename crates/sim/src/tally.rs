//! How often each thing happened that a run is made for. Many runs in which one of them never happened have not shown what
//! they are run to show.

use std::collections::BTreeMap;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// What must have happened in enough runs: the disk's events by their words, then the runs' own.
const REQUIRED: &[&str] = &[
    "death in Allocate",
    "death in CreateDirectory",
    "death in Open",
    "death in Remove",
    "death in Rename",
    "death in SetLength",
    "death in Sync",
    "death in SyncDirectory",
    "death in Write",
    "EIO at Allocate",
    "EIO at Open",
    "EIO at Read",
    "EIO at Rename",
    "EIO at Sync",
    "EIO at SyncDirectory",
    "EIO at Write",
    "ENOSPC at Allocate",
    "ENOSPC at Open",
    "ENOSPC at Rename",
    "ENOSPC at SetLength",
    "ENOSPC at Sync",
    "ENOSPC at Write",
    "EINTR",
    "short write",
    "slow Sync",
    "slow Write",
    "failed write-back",
    "write-back error told to a descriptor",
    "unsynced file at a power loss",
    "physical block destroyed",
    "rot under the cache found by the scrub",
    "died at start",
    "died in recovery",
    "died in a write round",
    "died in a sync round",
    "died in maintenance",
    "died while creating a topic",
    "died while deleting a topic",
    "died while changing settings",
    "died while deleting records",
    "died in a metadata commit of groups",
    "died while stopping",
    "died in a slow operation",
    "killed",
    "power lost",
    "clean stop",
    "died at start or in recovery twice in a row",
    "killed, recovered, served, power lost",
    "sync of ten seconds",
    "records acknowledged as durable",
    "records made durable by the journal",
    "files completed from the journal",
    "duplicate acknowledged",
    "lost batch sent again",
    "batch refused",
    "tail lost that nobody was promised",
    "epoch told of a truncation",
    "transaction committed",
    "transaction aborted",
    "producer fenced by a marker",
    "old coordinator fenced",
    "read_committed read past an aborted transaction",
    "search by timestamp",
    "batch stamped by the broker",
    "policy tightened",
    "topic created",
    "topic deleted",
    "records deleted",
    "segments let go by retention",
    "group stable after a rebalance",
    "group went on after a restart",
    "offset commit answered",
    "offset survived a restart",
    "group deleted",
];

/// What of all that must happen did not.
pub fn missing(counts: &Counts) -> Vec<&'static str> {
    REQUIRED.iter().copied().filter(|name| !counts.contains_key(*name)).collect()
}

/// Adds counts to others.
pub fn add(sum: &mut Counts, counts: &Counts) {
    for (name, count) in counts {
        *sum.entry(name.clone()).or_default() += count;
    }
}
