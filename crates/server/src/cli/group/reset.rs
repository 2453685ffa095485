//! `highwater group reset-offsets`: shows what would be committed, and commits it with `--execute`.
//!
//! The choice of the new offset is a function of what is known of a partition ([`choose`]); all asking comes before it.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use highwater_wire::ErrorCode;
use serde_json::json;

use super::{moment, partitions};
use crate::cli::table::{Table, or_dash};
use crate::cli::topic::Common;
use crate::client::offsets::{self, Committer, EARLIEST, LATEST, TopicPartition};
use crate::client::{ClientError, Cluster, groups};

/// Arguments of `highwater group reset-offsets`.
#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The group. One that does not exist is made.
    group: String,
    /// TOPIC, or TOPIC:PARTITION,…; may be repeated.
    #[arg(long = "topic", value_name = "TOPIC[:P,…]", required_unless_present = "all_topics")]
    topics: Vec<String>,
    /// All partitions that the group has an offset for.
    #[arg(long, conflicts_with = "topics")]
    all_topics: bool,
    #[command(flatten)]
    target: Target,
    /// Do it. Without this nothing changes.
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// To the start of the log.
    #[arg(long)]
    to_earliest: bool,
    /// To the end of the log.
    #[arg(long)]
    to_latest: bool,
    /// To this offset.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    to_offset: Option<i64>,
    /// By so many records forward, or back when negative.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    shift_by: Option<i64>,
    /// To the first record at or after this time: 2026-01-31T12:00:00[.000][Z|+HH:MM], or milliseconds since 1970.
    #[arg(long, value_name = "TIME")]
    to_datetime: Option<String>,
    /// To the first record of so long ago: PT2H30M, P7D, 90m, 7d.
    #[arg(long, value_name = "DURATION")]
    by_duration: Option<String>,
    /// To where it stands, moved into the log; to the end where there is no offset.
    #[arg(long)]
    to_current: bool,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Earliest,
    Latest,
    Offset(i64),
    Shift(i64),
    /// Milliseconds since 1970.
    Time(i64),
    Current,
}

/// What is known of a partition.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    committed: Option<i64>,
    start: i64,
    end: i64,
    /// The first offset at or after the time of [`Goal::Time`].
    at_time: Option<i64>,
}

/// What becomes of a partition.
#[derive(Debug)]
struct Change {
    partition: TopicPartition,
    before: Option<i64>,
    after: i64,
    note: &'static str,
}

const NO_NOTE: &str = "";
const AT_START: &str = "moved up to the start of the log";
const AT_END: &str = "moved down to the end of the log";
const NO_RECORD: &str = "no record at or after that time";
const NO_COMMIT: &str = "no offset was committed";

/// Shows the changes and, if told to, makes them.
pub(super) fn run(arguments: &Reset, out: &mut dyn Write) -> Result<bool, ClientError> {
    let goal = goal(&arguments.target)?;
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    refuse_members(&mut cluster, &arguments.group)?;
    let changes = changes(&mut cluster, arguments, goal)?;
    let refused =
        if arguments.execute { execute(&mut cluster, &arguments.group, &changes)? } else { HashMap::new() };
    show(arguments, &changes, &refused, out)?;
    if !arguments.execute && !arguments.common.json {
        out.flush()?;
        eprintln!("nothing was changed: add --execute to do it");
    }
    Ok(refused.is_empty())
}

fn goal(target: &Target) -> Result<Goal, ClientError> {
    if let Some(offset) = target.to_offset {
        return Ok(Goal::Offset(offset));
    }
    if let Some(count) = target.shift_by {
        return Ok(Goal::Shift(count));
    }
    if let Some(text) = &target.to_datetime {
        let time = moment::datetime(text).map(Goal::Time);
        return time.ok_or_else(|| ClientError::Usage(format!("--to-datetime {text}: not a date and time")));
    }
    if let Some(text) = &target.by_duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let time = moment::duration(text).and_then(|duration| now.checked_sub(duration));
        let time = time.map(|time| Goal::Time(time.max(0)));
        return time.ok_or_else(|| ClientError::Usage(format!("--by-duration {text}: not a duration")));
    }
    Ok(match (target.to_earliest, target.to_latest) {
        (true, _) => Goal::Earliest,
        (_, true) => Goal::Latest,
        _ => Goal::Current,
    })
}

/// A commit under a member's feet would be overwritten by its next one.
fn refuse_members(cluster: &mut Cluster, group: &str) -> Result<(), ClientError> {
    match groups::describe(cluster, group) {
        Ok(found) if found.members.is_empty() => Ok(()),
        Ok(found) => {
            Err(ClientError::HasMembers { group: found.id, state: found.state, members: found.members.len() })
        }
        Err(ClientError::NoSuchGroup(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn changes(cluster: &mut Cluster, arguments: &Reset, goal: Goal) -> Result<Vec<Change>, ClientError> {
    let committed = offsets::committed(cluster, &arguments.group)?;
    let partitions = match arguments.all_topics {
        true => committed.keys().cloned().collect(),
        false => partitions::named(cluster, &arguments.topics)?,
    };
    if partitions.is_empty() {
        return Err(ClientError::BadGroup {
            group: arguments.group.clone(),
            cause: "it has no committed offsets",
        });
    }
    let starts = offsets::log_offsets(cluster, &partitions, EARLIEST)?;
    let ends = offsets::log_offsets(cluster, &partitions, LATEST)?;
    let times = match goal {
        Goal::Time(time) => offsets::log_offsets(cluster, &partitions, time)?,
        _ => HashMap::new(),
    };
    let mut changes = Vec::new();
    for partition in partitions {
        let (Some(start), Some(end)) = (starts.get(&partition), ends.get(&partition)) else {
            return Err(ClientError::NoLeader { topic: partition.0, partition: partition.1 });
        };
        let known = Known {
            committed: committed.get(&partition).copied(),
            start: *start,
            end: *end,
            at_time: times.get(&partition).copied(),
        };
        let (after, note) = choose(goal, known).map_err(|cause| {
            ClientError::Usage(format!(
                "{}-{}: {cause}, so there is nothing to shift",
                partition.0, partition.1
            ))
        })?;
        changes.push(Change { before: known.committed, partition, after, note });
    }
    Ok(changes)
}

/// The new offset of a partition and what there is to say about it.
///
/// # Errors
/// Why there is none.
fn choose(goal: Goal, known: Known) -> Result<(i64, &'static str), &'static str> {
    let within = |offset: i64| match offset {
        offset if offset < known.start => (known.start, AT_START),
        offset if offset > known.end => (known.end, AT_END),
        offset => (offset, NO_NOTE),
    };
    Ok(match goal {
        Goal::Earliest => (known.start, NO_NOTE),
        Goal::Latest => (known.end, NO_NOTE),
        Goal::Offset(offset) => within(offset),
        Goal::Shift(count) => within(known.committed.ok_or(NO_COMMIT)?.saturating_add(count)),
        Goal::Time(_) => known.at_time.map_or((known.end, NO_RECORD), within),
        Goal::Current => known.committed.map_or((known.end, NO_COMMIT), within),
    })
}

fn execute(
    cluster: &mut Cluster,
    group: &str,
    changes: &[Change],
) -> Result<HashMap<TopicPartition, i16>, ClientError> {
    let offsets: BTreeMap<TopicPartition, i64> =
        changes.iter().map(|change| (change.partition.clone(), change.after)).collect();
    let refused = offsets::commit(cluster, group, &Committer::default(), &offsets)?;
    for ((topic, partition), code) in &refused {
        let reason = ErrorCode::from_code(*code).map_or("refused", ErrorCode::message);
        eprintln!("highwater: {topic}-{partition}: not set: {reason}");
    }
    Ok(refused.into_iter().collect())
}

fn show(
    arguments: &Reset,
    changes: &[Change],
    refused: &HashMap<TopicPartition, i16>,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let mut table = Table::new(&["TOPIC", "PARTITION", "BEFORE", "AFTER", "NOTE"]);
    for change in changes.iter().filter(|change| !refused.contains_key(&change.partition)) {
        let (topic, partition) = &change.partition;
        if arguments.common.json {
            let line = json!({
                "group": arguments.group,
                "topic": topic,
                "partition": partition,
                "before": change.before,
                "after": change.after,
                "note": Some(change.note).filter(|note| !note.is_empty()),
                "executed": arguments.execute,
            });
            writeln!(out, "{line}")?;
        } else {
            let (before, after) = (or_dash(change.before), change.after.to_string());
            table.row(vec![topic.clone(), partition.to_string(), before, after, change.note.to_owned()]);
        }
    }
    if arguments.common.json { Ok(()) } else { Ok(table.write(out)?) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known { committed: Some(50), start: 10, end: 100, at_time: Some(70) };
    const NEW: Known = Known { committed: None, start: 10, end: 100, at_time: None };

    #[test]
    fn every_goal_lands_in_the_log() {
        for (goal, expected) in [
            (Goal::Earliest, (10, NO_NOTE)),
            (Goal::Latest, (100, NO_NOTE)),
            (Goal::Offset(0), (10, AT_START)),
            (Goal::Offset(100), (100, NO_NOTE)),
            (Goal::Offset(101), (100, AT_END)),
            (Goal::Shift(-5), (45, NO_NOTE)),
            (Goal::Shift(i64::MIN), (10, AT_START)),
            (Goal::Shift(i64::MAX), (100, AT_END)),
            (Goal::Time(1), (70, NO_NOTE)),
            (Goal::Current, (50, NO_NOTE)),
        ] {
            assert_eq!(choose(goal, KNOWN), Ok(expected), "{goal:?}");
        }
    }

    #[test]
    fn without_a_commit_current_is_the_end_and_a_shift_is_nothing() {
        assert_eq!(choose(Goal::Current, NEW), Ok((100, NO_COMMIT)));
        assert_eq!(choose(Goal::Time(1), NEW), Ok((100, NO_RECORD)));
        assert_eq!(choose(Goal::Shift(1), NEW), Err(NO_COMMIT));
    }
}
