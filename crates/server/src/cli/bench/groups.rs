//! `highwater bench groups`: how fast groups settle, and what their heartbeats cost.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::crew::{self, Plan, Worker};
use crate::cli::topic::Common;
use crate::client::ClientError;

/// Arguments of `highwater bench groups`.
#[derive(Debug, Args)]
pub(super) struct Groups {
    /// Groups.
    #[arg(long, default_value_t = 1000)]
    groups: usize,
    /// Members of each group.
    #[arg(long, default_value_t = 10)]
    members: usize,
    /// Connections that the members share; groups settle in waves of connections / members.
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Partitions of the topic that every group consumes.
    #[arg(long, default_value_t = 10)]
    partitions: usize,
    /// Milliseconds between two heartbeats of a member.
    #[arg(long, default_value_t = 3000)]
    heartbeat_ms: u64,
    /// The same while groups settle: how fast a member learns that others have come.
    #[arg(long, default_value_t = 500)]
    join_heartbeat_ms: u64,
    /// Seconds of heartbeats.
    #[arg(long, default_value_t = 30)]
    duration: u64,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Measures and prints.
pub(super) fn run(arguments: &Groups, out: &mut dyn Write) -> Result<(), ClientError> {
    let plan = Plan {
        bootstrap: arguments.common.bootstrap.clone(),
        groups: arguments.groups,
        members: arguments.members,
        connections: arguments.connections,
        partitions: arguments.partitions,
        heartbeat: Duration::from_millis(arguments.heartbeat_ms.max(1)),
        join_heartbeat: Duration::from_millis(arguments.join_heartbeat_ms.max(1)),
        duration: Duration::from_secs(arguments.duration),
        pid: arguments.pid,
    };
    let outcome = crew::run(&plan, beat)?;
    let heartbeats = outcome.beats.summary(outcome.during);
    if arguments.common.json {
        let line = json!({
            "groups": plan.groups,
            "members": plan.members,
            "connections": plan.connections,
            "settled_s": outcome.settled.as_secs_f64(),
            "heartbeats": heartbeats.fields(),
            "usage": outcome.usage.fields(),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let (groups, members, connections) = (plan.groups, plan.members, plan.connections);
    let settled = outcome.settled.as_secs_f64();
    writeln!(out, "{groups} groups of {members} on {connections} connections settled after {settled:.3} s")?;
    writeln!(out, "{}", heartbeats.line("heartbeats"))?;
    for line in outcome.usage.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Sends heartbeats when they are due, until `end`.
fn beat(worker: &mut Worker<'_>, end: Instant) -> Result<(), ClientError> {
    loop {
        let next = worker.next_due().map_or(end, |due| due.min(end));
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        if Instant::now() >= end {
            return Ok(());
        }
        worker.beat_due()?;
    }
}
