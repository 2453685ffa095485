//! Every metric: `/metrics` writes from this table, docs/metrics.md is printed from it, and the dashboard and alert rules
//! are checked against it.

use std::fmt::Write;

/// What a metric's number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only rises, from 0 at the start of the process.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Counts durations by length.
    Histogram,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn counter(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, help }
}

const fn gauge(
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: "seconds", labels, help }
}

const PARTITION: &[&str] = &["topic", "partition"];

/// The table, in the order in which it is shown.
pub(super) const METRICS: &[Metric] = &[
    gauge("highwater_build_info", "1", &["version"], "Always 1; the label names the version."),
    gauge("highwater_uptime_seconds", "seconds", &[], "Time since the process started."),
    gauge(
        "highwater_ready",
        "0 or 1",
        &[],
        "Whether every partition is recovered and can be written, as /readyz says.",
    ),
    counter("highwater_requests_total", "requests", &["api"], "Requests taken up."),
    counter(
        "highwater_request_errors_total",
        "error codes",
        &["api", "error"],
        "Error codes in answers; one answer may carry one for each partition.",
    ),
    histogram(
        "highwater_request_seconds",
        &["api"],
        "From when a request is taken up until its answer is handed to the system; a long poll counts its wait.",
    ),
    counter("highwater_received_bytes_total", "bytes", &[], "Bytes of requests."),
    counter("highwater_sent_bytes_total", "bytes", &[], "Bytes of answers."),
    gauge("highwater_connections", "connections", &[], "Open connections."),
    counter("highwater_connections_accepted_total", "connections", &[], "Connections accepted."),
    counter(
        "highwater_connections_refused_total",
        "connections",
        &[],
        "Connections closed at once for a limit.",
    ),
    counter(
        "highwater_connections_faulty_total",
        "connections",
        &[],
        "Connections closed because of what the client sent.",
    ),
    counter("highwater_throttle_seconds_total", "seconds", &[], "Time that connections were told to wait."),
    gauge("highwater_request_memory_bytes", "bytes", &[], "Bytes of requests in memory."),
    gauge(
        "highwater_request_memory_limit_bytes",
        "bytes",
        &[],
        "queued.max.request.bytes; missing when there is no bound.",
    ),
    counter("highwater_appended_batches_total", "batches", &[], "Batches accepted."),
    counter("highwater_appended_records_total", "records", &[], "Records accepted."),
    counter("highwater_appended_bytes_total", "bytes", &[], "Bytes of batches accepted."),
    counter("highwater_duplicate_batches_total", "batches", &[], "Batches that were there already."),
    counter("highwater_refused_batches_total", "batches", &[], "Batches refused."),
    counter(
        "highwater_refused_for_space_total",
        "batches",
        &[],
        "Batches refused for want of space: below storage.min.free.bytes, or on a full disk.",
    ),
    gauge(
        "highwater_disk_free_bytes",
        "bytes",
        &[],
        "Bytes that may still be used on the file system of data.dir; missing when it does not tell, as are the next two.",
    ),
    gauge("highwater_disk_total_bytes", "bytes", &[], "Size of that file system."),
    gauge(
        "highwater_disk_min_free_bytes",
        "bytes",
        &[],
        "Free bytes below which produce is refused: storage.min.free.bytes, or what stands for it; 0: never.",
    ),
    counter(
        "highwater_scrubbed_bytes_total",
        "bytes",
        &[],
        "Bytes of sealed segments read again from the device.",
    ),
    counter("highwater_scrubbed_segments_total", "segments", &[], "Sealed segments read again."),
    gauge(
        "highwater_scrub_pass_seconds",
        "seconds",
        &[],
        "How long the last reading of all segments that were due took; missing before its end.",
    ),
    gauge(
        "highwater_damaged_segments",
        "segments",
        &[],
        "Sealed segments that are no longer as they were written; /status names each.",
    ),
    counter("highwater_write_rounds_total", "rounds", &[], "Rounds in which staged bytes were written."),
    counter("highwater_written_bytes_total", "bytes", &[], "Bytes written to segments."),
    histogram("highwater_write_seconds", &[], "Each write of one partition."),
    histogram("highwater_sync_seconds", &[], "Each sync of one partition."),
    counter(
        "highwater_journal_batches_total",
        "batches",
        &[],
        "Batches of small pieces that one write and sync of the journal made durable.",
    ),
    counter(
        "highwater_journal_pieces_total",
        "pieces",
        &[],
        "Pieces of partitions made durable by the journal, without a sync of their own.",
    ),
    counter("highwater_journal_bytes_total", "bytes", &[], "Bytes of those pieces."),
    counter(
        "highwater_storage_failures_total",
        "failures",
        &[],
        "Writes and syncs of partitions that failed.",
    ),
    counter("highwater_segments_begun_total", "segments", &[], "Segments that were begun."),
    gauge("highwater_staged_bytes", "bytes", &[], "Bytes accepted that are still to be written."),
    gauge(
        "highwater_unsynced_bytes",
        "bytes",
        &[],
        "Bytes accepted that are not known to be on stable storage, staged ones among them.",
    ),
    counter(
        "highwater_metadata_commits_total",
        "commits",
        &[],
        "Commits of metadata, committed offsets among them.",
    ),
    counter("highwater_metadata_commits_refused_total", "commits", &[], "Commits of metadata that failed."),
    histogram(
        "highwater_metadata_write_seconds",
        &[],
        "Each durable write of metadata; commits that wait share one.",
    ),
    gauge("highwater_recovery_seconds", "seconds", &[], "How long recovery at start took."),
    gauge("highwater_recovery_partitions", "partitions", &["state"], "Partitions at start: done, waiting."),
    gauge(
        "highwater_recovery_scanned_bytes",
        "bytes",
        &[],
        "Bytes read at start to find the ends of the logs.",
    ),
    gauge(
        "highwater_recovery_findings",
        "partitions",
        &[],
        "Partitions in which recovery found more than a clean end; /status tells what.",
    ),
    gauge("highwater_topics", "topics", &[], "Topics."),
    gauge(
        "highwater_partitions",
        "partitions",
        &["state"],
        "Partitions by state: online, recovering, full (reads only), offline.",
    ),
    gauge("highwater_segments", "segments", &[], "Segments of all partitions."),
    gauge("highwater_log_bytes", "bytes", &[], "Bytes of all segments."),
    gauge("highwater_partition_log_bytes", "bytes", PARTITION, "Bytes of a partition's segments."),
    gauge("highwater_partition_start_offset", "offset", PARTITION, "Offset of the first record."),
    gauge("highwater_partition_high_watermark", "offset", PARTITION, "End of what consumers see."),
    gauge("highwater_partition_synced_end", "offset", PARTITION, "End of what is on stable storage."),
    gauge("highwater_groups", "groups", &["state"], "Consumer groups by state."),
    gauge("highwater_group_members", "members", &["group"], "Members of a group."),
    gauge(
        "highwater_group_lag_records",
        "records",
        &["group", "topic", "partition"],
        "Records between a group's committed offset and the high watermark; missing while the partition does not serve.",
    ),
    gauge(
        "highwater_series_left_out",
        "series",
        &["metric"],
        "Series by partition or group that metrics.max.series leaves out.",
    ),
    gauge("process_resident_memory_bytes", "bytes", &[], "Resident memory."),
    gauge("process_anonymous_memory_bytes", "bytes", &[], "Resident memory that is no file's."),
    counter("process_cpu_seconds_total", "seconds", &[], "Processor time of all threads."),
    gauge("process_open_fds", "descriptors", &[], "Open file descriptors."),
    gauge("process_max_fds", "descriptors", &[], "File descriptors that may be open."),
    gauge("process_threads", "threads", &[], "Threads."),
];

/// The metric of that name.
pub(super) fn metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// `docs/metrics.md`.
pub(crate) fn metrics_page() -> String {
    let mut page = String::from(
        "# Metrics\n\nPrinted from the code's table by `highwater docs metrics`; do not edit. How to use them: [operations.md](operations.md).\n\n| metric | type | unit | labels | |\n|---|---|---|---|---|\n",
    );
    for Metric { name, kind, unit, labels, help } in METRICS {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // Writing to a String does not fail.
        let _ = writeln!(page, "| `{name}` | {} | {unit} | {labels} | {help} |", kind.name());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions_and_are_there_once() {
        let names: HashSet<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.kind != Kind::Histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '|']), "{}", metric.name);
        }
    }
}
