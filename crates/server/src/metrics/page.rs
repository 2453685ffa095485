//! `/metrics` in the text format of Prometheus (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use highwater_types::{BUCKETS_US, HistogramSnapshot};

use super::table::{Kind, Metric, metric};
use crate::broker::Broker;
use crate::status::{GroupStatus, PartitionStatus, Status};

/// The whole page.
pub(crate) fn page(broker: &Broker) -> String {
    let status = Status::of(broker);
    let mut page = Page { text: String::new(), limit: limit(broker), left_out: BTreeMap::new() };
    page.one("highwater_build_info", &[status.version], 1.0);
    page.one("highwater_uptime_seconds", &[], float(status.uptime_ms) / 1e3);
    page.one("highwater_ready", &[], f64::from(u8::from(status.ready)));
    requests(&mut page, broker);
    storage(&mut page, broker, &status);
    metadata(&mut page, broker);
    recovery(&mut page, &status);
    partitions(&mut page, &status);
    groups(&mut page, &status);
    let left_out = std::mem::take(&mut page.left_out);
    page.many("highwater_series_left_out", left_out.into_iter().map(|(name, count)| ([name], float(count))));
    process(&mut page, &status);
    page.text
}

fn limit(broker: &Broker) -> usize {
    usize::try_from(broker.settings.count("metrics.max.series")).unwrap_or(usize::MAX)
}

fn requests(page: &mut Page, broker: &Broker) {
    let metrics = &broker.metrics;
    let named = || metrics.apis().iter().map(|api| (api.api.name(), api));
    page.many("highwater_requests_total", named().map(|(name, api)| ([name], float(api.requests.get()))));
    let errors = named()
        .flat_map(|(name, api)| api.errors().map(move |(code, count)| ([name, code.name()], float(count))));
    page.many("highwater_request_errors_total", errors);
    let asked = named().filter(|(_, api)| api.requests.get() > 0);
    page.histograms(
        "highwater_request_seconds",
        asked.map(|(name, api)| (vec![name], api.latency.snapshot())),
    );
    page.one("highwater_received_bytes_total", &[], float(metrics.received_bytes.get()));
    page.one("highwater_sent_bytes_total", &[], float(metrics.sent_bytes.get()));
    page.one("highwater_connections", &[], float(metrics.connections()));
    page.one("highwater_connections_accepted_total", &[], float(metrics.connections_accepted.get()));
    page.one("highwater_connections_refused_total", &[], float(metrics.connections_refused.get()));
    page.one("highwater_connections_faulty_total", &[], float(metrics.connections_faulty.get()));
    page.one("highwater_throttle_seconds_total", &[], float(metrics.throttled_ms.get()) / 1e3);
    let memory = metrics.request_bytes();
    page.maybe("highwater_request_memory_bytes", memory.map(|(used, _)| float(used)));
    page.maybe("highwater_request_memory_limit_bytes", memory.map(|(_, limit)| float(limit)));
}

fn storage(page: &mut Page, broker: &Broker, status: &Status) {
    let counted = broker.store.statistics();
    page.one("highwater_appended_batches_total", &[], float(counted.appended_batches.get()));
    page.one("highwater_appended_records_total", &[], float(counted.appended_records.get()));
    page.one("highwater_appended_bytes_total", &[], float(counted.appended_bytes.get()));
    page.one("highwater_duplicate_batches_total", &[], float(counted.duplicate_batches.get()));
    page.one("highwater_refused_batches_total", &[], float(counted.refused_batches.get()));
    page.one("highwater_refused_for_space_total", &[], float(counted.refused_for_space.get()));
    let space = status.space.as_ref();
    page.known("highwater_disk_free_bytes", space.map(|space| float(space.free_bytes)));
    page.known("highwater_disk_total_bytes", space.map(|space| float(space.total_bytes)));
    page.known("highwater_disk_min_free_bytes", space.map(|space| float(space.floor_bytes)));
    page.one("highwater_scrubbed_bytes_total", &[], float(counted.scrubbed_bytes.get()));
    page.one("highwater_scrubbed_segments_total", &[], float(counted.scrubbed_segments.get()));
    page.known("highwater_scrub_pass_seconds", status.scrub.pass_ms.map(|ms| ms / 1e3));
    page.one("highwater_damaged_segments", &[], float(status.scrub.damaged.len() as u64));
    page.one("highwater_write_rounds_total", &[], float(counted.write_rounds.get()));
    page.one("highwater_written_bytes_total", &[], float(counted.written_bytes.get()));
    page.histograms("highwater_write_seconds", [(Vec::new(), counted.writes.snapshot())]);
    page.histograms("highwater_sync_seconds", [(Vec::new(), counted.syncs.snapshot())]);
    page.one("highwater_journal_batches_total", &[], float(counted.journal_batches.get()));
    page.one("highwater_journal_pieces_total", &[], float(counted.journal_pieces.get()));
    page.one("highwater_journal_bytes_total", &[], float(counted.journal_bytes.get()));
    page.one("highwater_storage_failures_total", &[], float(counted.failures.get()));
    page.one("highwater_segments_begun_total", &[], float(counted.rolls.get()));
    page.one("highwater_staged_bytes", &[], float(status.pending.staged_bytes));
    page.one("highwater_unsynced_bytes", &[], float(status.pending.unsynced_bytes));
}

fn metadata(page: &mut Page, broker: &Broker) {
    let Some(counted) = broker.meta.statistics() else { return };
    page.one("highwater_metadata_commits_total", &[], float(counted.commits.get()));
    page.one("highwater_metadata_commits_refused_total", &[], float(counted.refused.get()));
    page.histograms("highwater_metadata_write_seconds", [(Vec::new(), counted.writes.snapshot())]);
}

fn recovery(page: &mut Page, status: &Status) {
    let recovery = &status.recovery;
    page.one("highwater_recovery_seconds", &[], recovery.duration_ms / 1e3);
    let waiting = recovery.partitions.saturating_sub(recovery.done);
    let states = [(["done"], float(recovery.done as u64)), (["waiting"], float(waiting as u64))];
    page.many("highwater_recovery_partitions", states);
    page.one("highwater_recovery_scanned_bytes", &[], float(recovery.scanned_bytes));
    page.one("highwater_recovery_findings", &[], float(recovery.found.len() as u64));
}

fn partitions(page: &mut Page, status: &Status) {
    let all = &status.partitions;
    page.one("highwater_topics", &[], float(status.topics as u64));
    let in_state = |state: &'static str| {
        let count = all.iter().filter(|partition| partition.state == state).count();
        ([state], float(count as u64))
    };
    page.many("highwater_partitions", ["online", "recovering", "full", "offline"].map(in_state));
    page.one("highwater_segments", &[], float(all.iter().map(|partition| partition.segments as u64).sum()));
    page.one("highwater_log_bytes", &[], float(all.iter().map(|partition| partition.size_bytes).sum()));
    let mut by_partition = |name, value: fn(&PartitionStatus) -> u64| {
        let shown = all.iter().map(|partition| {
            ([partition.topic.clone(), partition.partition.to_string()], float(value(partition)))
        });
        page.bounded(name, shown, all.len());
    };
    by_partition("highwater_partition_log_bytes", |partition| partition.size_bytes);
    by_partition("highwater_partition_start_offset", |partition| unsigned(partition.start_offset));
    by_partition("highwater_partition_high_watermark", |partition| unsigned(partition.high_watermark));
    by_partition("highwater_partition_synced_end", |partition| unsigned(partition.synced_end));
}

fn groups(page: &mut Page, status: &Status) {
    let mut states: BTreeMap<&str, u64> =
        ["Empty", "PreparingRebalance", "CompletingRebalance", "Stable"].map(|state| (state, 0)).into();
    for group in &status.groups {
        *states.entry(group.state).or_default() += 1;
    }
    page.many("highwater_groups", states.into_iter().map(|(state, count)| ([state], float(count))));
    let members = status.groups.iter().map(|group| ([group.group.clone()], float(group.members as u64)));
    page.bounded("highwater_group_members", members, status.groups.len());
    let lags = |group: &GroupStatus| {
        let name = group.group.clone();
        let known = group.offsets.iter().filter_map(move |offset| {
            let labels = [name.clone(), offset.topic.clone(), offset.partition.to_string()];
            Some((labels, float(offset.lag?)))
        });
        known.collect::<Vec<_>>()
    };
    let count =
        status.groups.iter().map(|group| group.offsets.iter().filter(|o| o.lag.is_some()).count()).sum();
    page.bounded("highwater_group_lag_records", status.groups.iter().flat_map(lags), count);
}

fn process(page: &mut Page, status: &Status) {
    let process = &status.process;
    page.maybe("process_resident_memory_bytes", process.resident_bytes.map(float));
    page.maybe("process_anonymous_memory_bytes", process.anonymous_bytes.map(float));
    page.maybe("process_cpu_seconds_total", process.cpu_seconds);
    page.maybe("process_open_fds", process.open_descriptors.map(float));
    page.maybe("process_max_fds", process.max_descriptors.map(float));
    page.maybe("process_threads", process.threads.map(float));
}

fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

/// Prometheus keeps every number as a double.
#[expect(clippy::cast_precision_loss, reason = "the format's numbers are doubles")]
fn float(number: u64) -> f64 {
    number as f64
}

/// The page as far as it is written.
struct Page {
    text: String,
    /// Series of one metric by partition or group.
    limit: usize,
    left_out: BTreeMap<&'static str, u64>,
}

impl Page {
    fn one(&mut self, name: &'static str, labels: &[&str], value: f64) {
        self.many(name, [(labels, value)]);
    }

    fn maybe(&mut self, name: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.one(name, &[], value);
        }
    }

    /// As [`Page::one`]; what has no value now is named all the same.
    fn known(&mut self, name: &'static str, value: Option<f64>) {
        self.many(name, value.map(|value| ([""; 0], value)));
    }

    /// At most so many series as the setting allows; the rest is counted.
    fn bounded<L: AsRef<[String]>>(
        &mut self,
        name: &'static str,
        samples: impl Iterator<Item = (L, f64)>,
        count: usize,
    ) {
        let limit = self.limit;
        self.many(name, samples.take(limit));
        let left_out = count.saturating_sub(limit);
        if left_out > 0 {
            self.left_out.insert(name, left_out as u64);
        }
    }

    fn many<S: AsRef<str>, L: AsRef<[S]>>(
        &mut self,
        name: &'static str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) {
        let Some(metric) = metric(name) else { return };
        self.head(metric);
        for (labels, value) in samples {
            let labels = labels.as_ref();
            debug_assert_eq!(labels.len(), metric.labels.len(), "{name}");
            self.text.push_str(name);
            self.labels(metric.labels.iter().copied().zip(labels.iter().map(AsRef::as_ref)));
            // Writing to a String does not fail.
            let _ = writeln!(self.text, " {value}");
        }
    }

    fn histograms<'a>(
        &mut self,
        name: &'static str,
        samples: impl IntoIterator<Item = (Vec<&'a str>, HistogramSnapshot)>,
    ) {
        let Some(metric) = metric(name) else { return };
        debug_assert_eq!(metric.kind, Kind::Histogram, "{name}");
        self.head(metric);
        for (labels, snapshot) in samples {
            let labels = || metric.labels.iter().copied().zip(labels.iter().copied());
            let bounds = BUCKETS_US.iter().map(|bound| (float(*bound) / 1e6).to_string());
            for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(snapshot.cumulative) {
                let _ = write!(self.text, "{name}_bucket");
                self.labels(labels().chain([("le", bound.as_str())]));
                let _ = writeln!(self.text, " {count}");
            }
            let _ = write!(self.text, "{name}_sum");
            self.labels(labels());
            let _ = write!(self.text, " {}\n{name}_count", float(snapshot.sum_ns) / 1e9);
            self.labels(labels());
            let _ = writeln!(self.text, " {}", snapshot.count());
        }
    }

    fn head(&mut self, metric: &Metric) {
        let Metric { name, kind, help, .. } = metric;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut before = '{';
        for (name, value) in labels {
            let _ = write!(self.text, "{before}{name}=\"");
            for letter in value.chars() {
                match letter {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table::METRICS;
    use crate::testing::broker;
    use std::time::Duration;

    fn empty(limit: usize) -> Page {
        Page { text: String::new(), limit, left_out: BTreeMap::new() }
    }

    #[test]
    fn the_page_has_every_metric_of_the_table_once() {
        let test = broker();
        let text = page(&test.broker);
        for metric in METRICS {
            let heads = text.matches(&format!("# TYPE {} ", metric.name)).count();
            // What only some stores and systems tell is missing from this one.
            let optional = metric.name.contains("metadata_") || metric.name.contains("request_memory");
            assert!(heads == 1 || heads == 0 && optional, "{} {heads}", metric.name);
        }
    }

    #[test]
    fn names_of_others_cannot_break_out_of_their_labels() {
        let mut page = empty(9);
        page.one("highwater_group_members", &["a\"} 1\nb\\"], 2.0);
        assert!(
            page.text.ends_with("highwater_group_members{group=\"a\\\"} 1\\nb\\\\\"} 2\n"),
            "{}",
            page.text
        );
    }

    #[test]
    fn a_histogram_counts_up_to_everything() {
        let mut page = empty(9);
        let histogram = highwater_types::Histogram::default();
        histogram.record(Duration::from_micros(75));
        histogram.record(Duration::from_secs(60));
        page.histograms("highwater_request_seconds", [(vec!["Fetch"], histogram.snapshot())]);
        for line in [
            r#"highwater_request_seconds_bucket{api="Fetch",le="0.00005"} 0"#,
            r#"highwater_request_seconds_bucket{api="Fetch",le="0.0001"} 1"#,
            r#"highwater_request_seconds_bucket{api="Fetch",le="30"} 1"#,
            r#"highwater_request_seconds_bucket{api="Fetch",le="+Inf"} 2"#,
            r#"highwater_request_seconds_sum{api="Fetch"} 60.000075"#,
            r#"highwater_request_seconds_count{api="Fetch"} 2"#,
        ] {
            assert!(page.text.lines().any(|written| written == line), "{line} is not in\n{}", page.text);
        }
    }

    #[test]
    fn series_above_the_limit_are_counted_and_left_out() {
        let mut page = empty(2);
        page.bounded("highwater_group_members", (0..5).map(|group| ([group.to_string()], 1.0)), 5);
        assert_eq!(page.text.lines().filter(|line| !line.starts_with('#')).count(), 2);
        assert_eq!(page.left_out.get("highwater_group_members"), Some(&3));
    }
}
