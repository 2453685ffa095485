//! `highwater consume`: prints the records of topics, alone or as a member of a group.

mod cursor;
mod group;
mod interrupt;

use std::io::Write;

use clap::Args;

use super::topic::{Common, offset_at};
use crate::client::offsets::{EARLIEST, LATEST};
use crate::client::{ClientError, Cluster};
use cursor::{Cursor, Printer, advance};

/// Arguments of `highwater consume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater consume orders --from-beginning
  highwater consume orders --partition 0 --offset 4711 --max 10 --json
  highwater consume orders --from-beginning --exit-at-end | wc -l
  highwater consume orders parcels --group billing --from-beginning

With --group it shares the partitions with the other members of the group (assignor: range), goes on where the group has
committed, and commits what it has printed, every 5 s and at the end; Ctrl-C ends it in order.")]
pub(crate) struct Consume {
    /// The topics.
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// As a member of this group.
    #[arg(long, conflicts_with_all = ["partition", "offset", "timestamp"])]
    group: Option<String>,
    /// Only this partition.
    #[arg(long)]
    partition: Option<i32>,
    /// Begin at the first record; without it, at what comes next. In a group: where it has committed nothing.
    #[arg(long, conflicts_with_all = ["offset", "timestamp"])]
    from_beginning: bool,
    /// Begin at this offset.
    #[arg(long, requires = "partition", conflicts_with = "timestamp")]
    offset: Option<i64>,
    /// Begin at the first record at or after this time, milliseconds since 1970.
    #[arg(long)]
    timestamp: Option<i64>,
    /// Stop after so many records.
    #[arg(long, visible_alias = "max-messages", visible_alias = "count")]
    max: Option<u64>,
    /// Stop at what was the end when the command began, or in a group when it was given the partition.
    #[arg(long)]
    exit_at_end: bool,
    #[command(flatten)]
    common: Common,
}

/// Prints records until told to stop.
pub(crate) fn run(arguments: &Consume, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut printer = Printer { out, json: arguments.common.json, left: arguments.max.unwrap_or(u64::MAX) };
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    if let Some(group) = &arguments.group {
        return group::run(arguments, group, &mut cluster, &mut printer);
    }
    let mut cursors = Vec::new();
    for topic in &arguments.topics {
        cursors.extend(begin(&mut cluster, topic, arguments)?);
    }
    while printer.left > 0 && !cursors.iter().all(Cursor::is_done) {
        if let Some((topic, partition)) = advance(&mut cluster, &mut cursors, &mut printer)?.pop() {
            return Err(ClientError::OutOfRange { topic, partition });
        }
        printer.out.flush()?;
    }
    Ok(())
}

fn begin(cluster: &mut Cluster, topic: &str, arguments: &Consume) -> Result<Vec<Cursor>, ClientError> {
    let partitions = match arguments.partition {
        Some(partition) => vec![partition],
        None => cluster.topic(topic)?.partitions.iter().map(|partition| partition.partition_index).collect(),
    };
    let mut cursors = Vec::new();
    for partition in partitions {
        let end = offset_at(cluster, topic, partition, LATEST)?;
        let next = match (arguments.offset, arguments.timestamp) {
            (Some(offset), _) => offset,
            (None, Some(timestamp)) => match offset_at(cluster, topic, partition, timestamp)? {
                -1 => end,
                found => found,
            },
            (None, None) if arguments.from_beginning => offset_at(cluster, topic, partition, EARLIEST)?,
            (None, None) => end,
        };
        let end = arguments.exit_at_end.then_some(end);
        cursors.push(Cursor { partition: (topic.to_owned(), partition), next, end });
    }
    Ok(cursors)
}
