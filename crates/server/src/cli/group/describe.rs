//! `highwater group describe`: a heading for each group, then the tables asked for.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::table::{Table, or_dash, printable};
use crate::cli::topic::Common;
use crate::client::cluster::address;
use crate::client::consumer_protocol::Assignment;
use crate::client::groups::{self, Group, Member};
use crate::client::offsets::{self, LATEST, TopicPartition};
use crate::client::{ClientError, Cluster};

/// Arguments of `highwater group describe`.
#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The groups.
    #[arg(required_unless_present = "all", value_name = "GROUP")]
    groups: Vec<String>,
    /// Every group.
    #[arg(long, conflicts_with = "groups")]
    all: bool,
    /// Show members and what they are assigned.
    #[arg(long)]
    members: bool,
    /// Show committed offsets and lag; so it is when nothing else is asked for.
    #[arg(long)]
    offsets: bool,
    /// Show the state only.
    #[arg(long)]
    state: bool,
    #[command(flatten)]
    common: Common,
}

/// A partition that the group has an offset for, or that a member is assigned.
struct Row {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end: Option<i64>,
    owner: Option<String>,
}

impl Row {
    /// Records that are not consumed yet; below 0 when the log was cut below the committed offset.
    fn lag(&self) -> Option<i64> {
        self.end?.checked_sub(self.committed?)
    }
}

/// Describes; goes on after a group that cannot be described.
pub(super) fn run(arguments: &Describe, out: &mut dyn Write) -> Result<bool, ClientError> {
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    let ids = match arguments.all {
        true => groups::list(&mut cluster)?.iter().map(|group| group.group_id.to_string()).collect(),
        false => arguments.groups.clone(),
    };
    let (mut good, mut shown) = (true, 0);
    for id in &ids {
        match groups::describe(&mut cluster, id) {
            Ok(group) => {
                if shown > 0 && !arguments.common.json {
                    writeln!(out)?;
                }
                shown += 1;
                describe(&mut cluster, &group, arguments, out)?;
            }
            // Between listing and describing a group may go.
            Err(ClientError::NoSuchGroup(_)) if arguments.all => {}
            Err(error) if error.is_about_one_group() => {
                eprintln!("highwater: {error}");
                good = false;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(good)
}

fn describe(
    cluster: &mut Cluster,
    group: &Group,
    arguments: &Describe,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let with_offsets = arguments.offsets || !(arguments.members || arguments.state);
    let rows = if with_offsets { Some(rows(cluster, group)?) } else { None };
    let members = arguments.members.then_some(&group.members);
    if arguments.common.json {
        let mut fields = heading_fields(group);
        if let Some(object) = fields.as_object_mut() {
            object.extend(rows.map(|rows| ("partitions".to_owned(), rows.iter().map(row_fields).collect())));
            let members = members.map(|members| members.iter().map(member_fields).collect());
            object.extend(members.map(|members| ("members".to_owned(), members)));
        }
        writeln!(out, "{fields}")?;
        return Ok(());
    }
    writeln!(out, "{}", heading(group))?;
    if let Some(rows) = rows {
        offsets_table(&rows).write(out)?;
    }
    if let Some(members) = members {
        members_table(members).write(out)?;
    }
    Ok(())
}

fn rows(cluster: &mut Cluster, group: &Group) -> Result<Vec<Row>, ClientError> {
    let committed = offsets::committed(cluster, &group.id)?;
    let mut owners: HashMap<TopicPartition, &str> = HashMap::new();
    for member in &group.members {
        for (topic, partitions) in member.assignment.iter().flatten() {
            let mine = partitions.iter().map(|partition| ((topic.clone(), *partition), member.id.as_str()));
            owners.extend(mine);
        }
    }
    let partitions: BTreeSet<TopicPartition> = committed.keys().chain(owners.keys()).cloned().collect();
    let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
    let ends = offsets::log_offsets(cluster, &partitions, LATEST)?;
    let row = |partition: TopicPartition| Row {
        committed: committed.get(&partition).copied(),
        end: ends.get(&partition).copied(),
        owner: owners.get(&partition).map(|owner| (*owner).to_owned()),
        topic: partition.0,
        partition: partition.1,
    };
    Ok(partitions.into_iter().map(row).collect())
}

fn heading(group: &Group) -> String {
    let named = |name: &str, value: &str| match value {
        "" => String::new(),
        value => format!("  {name} {value}"),
    };
    let at = &group.coordinator;
    let coordinator = format!("  coordinator {} ({})", address(&at.host, at.port), at.id);
    let members = match group.members.len() {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    let (kind, assignor) = (named("type", &group.protocol_type), named("assignor", &group.protocol));
    printable(&format!("{}  {}  {members}{kind}{assignor}{coordinator}", group.id, group.state))
}

fn heading_fields(group: &Group) -> Value {
    let at = &group.coordinator;
    json!({
        "group": group.id,
        "state": group.state,
        "protocol_type": group.protocol_type,
        "assignor": group.protocol,
        "member_count": group.members.len(),
        "coordinator": {"id": at.id, "host": at.host, "port": at.port},
    })
}

fn offsets_table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "OWNER"]);
    for row in rows {
        table.row(vec![
            row.topic.clone(),
            row.partition.to_string(),
            or_dash(row.committed),
            or_dash(row.end),
            or_dash(row.lag()),
            or_dash(row.owner.as_ref()),
        ]);
    }
    table
}

fn row_fields(row: &Row) -> Value {
    json!({
        "topic": row.topic,
        "partition": row.partition,
        "committed": row.committed,
        "end": row.end,
        "lag": row.lag(),
        "owner": row.owner,
    })
}

fn members_table(members: &[Member]) -> Table {
    let mut table = Table::new(&["MEMBER", "CLIENT", "HOST", "INSTANCE", "PARTITIONS"]);
    for member in members {
        table.row(vec![
            member.id.clone(),
            member.client_id.clone(),
            member.host.clone(),
            or_dash(member.instance_id.as_ref()),
            or_dash(member.assignment.as_ref().map(readable)),
        ]);
    }
    table
}

fn member_fields(member: &Member) -> Value {
    json!({
        "member": member.id,
        "client": member.client_id,
        "host": member.host,
        "instance": member.instance_id,
        "assignment": member.assignment,
    })
}

/// `orders 0-3,7; parcels 1`.
pub(in crate::cli) fn readable(assignment: &Assignment) -> String {
    let topics = assignment.iter().map(|(topic, partitions)| format!("{topic} {}", ranges(partitions)));
    match assignment.len() {
        0 => "none".to_owned(),
        _ => topics.collect::<Vec<_>>().join("; "),
    }
}

/// Sorted numbers, runs as `first-last`.
fn ranges(numbers: &[i32]) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match runs.last_mut().filter(|(_, last)| last.checked_add(1) == Some(*number)) {
            Some((_, last)) => *last = *number,
            None => runs.push((*number, *number)),
        }
    }
    let run = |(first, last): (i32, i32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_partitions_are_shown_by_their_ends() {
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10, i32::MAX]), "0-2,7,9-10,2147483647");
        let assignment =
            Assignment::from([("orders".to_owned(), vec![1]), ("parcels".to_owned(), vec![0, 1])]);
        assert_eq!(readable(&assignment), "orders 1; parcels 0-1");
        assert_eq!(readable(&Assignment::new()), "none");
    }

    #[test]
    fn lag_needs_both_ends() {
        let row = |committed, end| Row { topic: String::new(), partition: 0, committed, end, owner: None };
        assert_eq!(row(Some(3), Some(10)).lag(), Some(7));
        assert_eq!(row(Some(3), None).lag(), None);
        assert_eq!(row(None, Some(10)).lag(), None);
        assert_eq!(row(Some(i64::MIN), Some(i64::MAX)).lag(), None);
    }
}
