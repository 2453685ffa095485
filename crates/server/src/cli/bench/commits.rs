//! `highwater bench commits`: offsets committed by members of groups, one request at a time each.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::crew::{self, Plan, Worker};
use super::metrics;
use crate::cli::topic::Common;
use crate::client::member::{Beat, HEARTBEAT_EVERY, Member};
use crate::client::offsets::{self, Committer};
use crate::client::{ClientError, refuse};

/// Arguments of `highwater bench commits`.
#[derive(Debug, Args)]
pub(super) struct Commits {
    /// Members that commit, each on a connection of its own and for a partition of its own.
    #[arg(long, default_value_t = 100)]
    consumers: usize,
    /// Groups that they are members of.
    #[arg(long, default_value_t = 10)]
    groups: usize,
    /// Seconds.
    #[arg(long, default_value_t = 10)]
    duration: u64,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Where the broker shows its metrics (http://HOST:PORT/metrics): those of the metadata store are told as what they rose by.
    #[arg(long, value_name = "URL")]
    metrics: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Measures and prints.
pub(super) fn run(arguments: &Commits, out: &mut dyn Write) -> Result<(), ClientError> {
    let members = arguments.consumers.checked_div(arguments.groups).unwrap_or_default();
    let plan = Plan {
        bootstrap: arguments.common.bootstrap.clone(),
        groups: arguments.groups,
        members,
        connections: members.saturating_mul(arguments.groups),
        partitions: members,
        heartbeat: HEARTBEAT_EVERY,
        join_heartbeat: JOIN_HEARTBEAT,
        duration: Duration::from_secs(arguments.duration),
        pid: arguments.pid,
    };
    let scrape = || arguments.metrics.as_deref().map(metrics::scrape).transpose();
    let before = scrape()?;
    let outcome = crew::run(&plan, commit)?;
    let risen = before.zip(scrape()?).map(|(before, after)| metrics::risen(&before, &after));
    let commits = outcome.work.summary(outcome.during);
    if arguments.common.json {
        let line = json!({
            "consumers": plan.connections,
            "groups": plan.groups,
            "commits": commits.fields(),
            "usage": outcome.usage.fields(),
            "metrics": risen,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    writeln!(out, "{} consumers in {} groups", plan.connections, plan.groups)?;
    writeln!(out, "{}", commits.line("commits"))?;
    for line in outcome.usage.lines() {
        writeln!(out, "{line}")?;
    }
    for (name, value) in risen.unwrap_or_default() {
        writeln!(out, "{name} +{value}")?;
    }
    Ok(())
}

/// While groups settle.
const JOIN_HEARTBEAT: Duration = Duration::from_millis(100);

/// Commits without pause until `end`.
fn commit(worker: &mut Worker<'_>, end: Instant) -> Result<(), ClientError> {
    let plan = worker.plan();
    let (group, topic) = (plan.group(worker.index / plan.members), plan.topic());
    let partition = i32::try_from(worker.index % plan.members).unwrap_or(i32::MAX);
    let mut offset = 0i64;
    while Instant::now() < end {
        worker.beat_due()?;
        let committer = worker.member().map_or_else(Committer::default, Member::committer);
        offset += 1;
        let offsets = BTreeMap::from([((topic.clone(), partition), offset)]);
        let began = Instant::now();
        let refused = offsets::commit(&mut worker.cluster, &group, &committer, &offsets)?;
        worker.work.add(began.elapsed());
        match refused.first() {
            None => {}
            // The next heartbeat says what to do.
            Some((_, code)) if Beat::of(*code).is_some() => worker.work.errors += 1,
            Some((_, code)) => refuse(*code, "OffsetCommit", None)?,
        }
    }
    Ok(())
}
