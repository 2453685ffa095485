//! `/status` for people.

use std::fmt::Write;

use crate::status::{DamagedStatus, GroupStatus, PartitionStatus, Space, Status};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2em;color:#222;max-width:90em}\
    table{border-collapse:collapse;margin:.5em 0 2em}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:left}\
    td.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b00;font-weight:bold}.good{color:#070}";

/// Rows of one table; what is more stands in `/status.json`.
const ROWS_MAX: usize = 1000;

/// The page.
pub(super) fn status(status: &Status) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Highwater {}</title><style>{STYLE}</style></head><body>",
        status.version
    );
    let ready = if status.ready {
        "<span class=\"good\">ready</span>".to_owned()
    } else {
        format!("<span class=\"bad\">not ready: {}</span>", escaped(&status.not_ready.join("; ")))
    };
    // Writing to a String does not fail.
    let _ = write!(page, "<h1>Highwater {} — {ready}</h1>", status.version);
    overview(&mut page, status);
    partitions(&mut page, &status.partitions);
    groups(&mut page, &status.groups);
    page.push_str("<p>The same as JSON: <a href=\"/status.json\">/status.json</a>. Figures: <a href=\"/metrics\">/metrics</a>.</p></body></html>\n");
    page
}

fn overview(page: &mut String, status: &Status) {
    let (recovery, pending) = (&status.recovery, &status.pending);
    let rows = [
        ("cluster", escaped(&status.cluster_id)),
        ("node", status.node_id.to_string()),
        ("up for", format!("{} s", status.uptime_ms / 1000)),
        ("flush.policy", escaped(&status.flush_policy)),
        ("connections", status.connections.to_string()),
        (
            "recovery at start",
            format!(
                "{} of {} partitions, {} bytes read, {:.1} ms, {} findings",
                recovery.done,
                recovery.partitions,
                recovery.scanned_bytes,
                recovery.duration_ms,
                recovery.found.len()
            ),
        ),
        (
            "pending",
            format!(
                "{} bytes to be written, {} bytes to be synced",
                pending.staged_bytes, pending.unsynced_bytes
            ),
        ),
        ("space", status.space.as_ref().map_or_else(|| "not known".to_owned(), space)),
        ("damaged segments", status.scrub.damaged.len().to_string()),
        ("memory", format!("{} bytes", status.process.resident_bytes.unwrap_or(0))),
    ];
    page.push_str("<table>");
    for (name, value) in rows {
        let _ = write!(page, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    page.push_str("</table>");
    damaged(page, &status.scrub.damaged);
    if !recovery.found.is_empty() {
        page.push_str("<h2>What recovery found</h2><table><tr><th>partition</th><th>found</th></tr>");
        for finding in recovery.found.iter().take(ROWS_MAX) {
            let (partition, found) = (escaped(&finding.partition), escaped(&finding.found));
            let _ = write!(page, "<tr><td>{partition}</td><td>{found}</td></tr>");
        }
        page.push_str("</table>");
    }
}

fn damaged(page: &mut String, damaged: &[DamagedStatus]) {
    if damaged.is_empty() {
        return;
    }
    page.push_str("<h2>Damaged segments</h2><table><tr><th>file</th><th>position</th><th>offsets</th><th>problem</th></tr>");
    for DamagedStatus { file, position, first_offset, end_offset, problem, .. } in
        damaged.iter().take(ROWS_MAX)
    {
        let (file, problem) = (escaped(file), escaped(problem));
        let _ = write!(
            page,
            "<tr><td>{file}</td><td class=\"n\">{position}</td><td>{first_offset}..{end_offset}</td><td class=\"bad\">{problem}</td></tr>"
        );
    }
    page.push_str("</table>");
}

fn space(space: &Space) -> String {
    let refused = if space.low { " — produce is refused" } else { "" };
    format!(
        "{} of {} bytes are free, {} are to stay free{refused}",
        space.free_bytes, space.total_bytes, space.floor_bytes
    )
}

fn partitions(page: &mut String, partitions: &[PartitionStatus]) {
    let _ = write!(page, "<h2>{} partitions</h2>", partitions.len());
    page.push_str("<table><tr><th>topic</th><th>partition</th><th>state</th><th>start</th><th>high watermark</th><th>synced end</th><th>log end</th><th>bytes</th><th>segments</th></tr>");
    for partition in partitions.iter().take(ROWS_MAX) {
        let class = if partition.state == "online" { "good" } else { "bad" };
        let problem = partition.problem.as_deref().map(escaped).unwrap_or_default();
        let _ = write!(
            page,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"{class}\">{} {problem}</td>",
            escaped(&partition.topic),
            partition.partition,
            partition.state
        );
        let numbers = [
            partition.start_offset,
            partition.high_watermark,
            partition.synced_end,
            partition.log_end_offset,
        ];
        for number in numbers {
            let _ = write!(page, "<td class=\"n\">{number}</td>");
        }
        let _ = write!(
            page,
            "<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            partition.size_bytes, partition.segments
        );
    }
    page.push_str("</table>");
}

fn groups(page: &mut String, groups: &[GroupStatus]) {
    let _ = write!(page, "<h2>{} groups</h2>", groups.len());
    page.push_str("<table><tr><th>group</th><th>state</th><th>members</th><th>partitions with offsets</th><th>lag</th></tr>");
    for group in groups.iter().take(ROWS_MAX) {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&group.group),
            group.state,
            group.members,
            group.offsets.len(),
            group.lag
        );
    }
    page.push_str("</table>");
}

/// Text that is only text in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_shown_as_text() {
        let group = GroupStatus {
            group: "<script>&\"".to_owned(),
            state: "Stable",
            members: 1,
            lag: 0,
            offsets: Vec::new(),
        };
        let mut page = String::new();
        groups(&mut page, &[group]);
        assert!(page.contains("&lt;script&gt;&amp;&quot;") && !page.contains("<script>"), "{page}");
    }
}
