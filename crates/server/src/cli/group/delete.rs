//! `highwater group delete`.

use std::io::Write;

use clap::Args;
use highwater_wire::ErrorCode;
use serde_json::json;

use super::partitions::{named, parse};
use crate::cli::table::printable;
use crate::cli::topic::Common;
use crate::client::offsets::{self, TopicPartition};
use crate::client::{ClientError, Cluster, groups, refuse};

/// Arguments of `highwater group delete`.
#[derive(Debug, Args)]
pub(super) struct Delete {
    /// The groups.
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Delete committed offsets only, of the partitions that --topic names.
    #[arg(long, requires = "topics")]
    offsets: bool,
    /// TOPIC, or TOPIC:PARTITION,…; may be repeated.
    #[arg(long = "topic", value_name = "TOPIC[:P,…]", requires = "offsets")]
    topics: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// Deletes; goes on after a group that cannot be deleted.
pub(super) fn run(arguments: &Delete, out: &mut dyn Write) -> Result<bool, ClientError> {
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    let mut good = true;
    for group in &arguments.groups {
        let result = match arguments.offsets {
            true => delete_offsets(&mut cluster, group, arguments, out),
            false => delete_group(&mut cluster, group, arguments, out),
        };
        match result {
            Err(error) if error.is_about_one_group() => {
                eprintln!("highwater: {error}");
                good = false;
            }
            result => result?,
        }
    }
    Ok(good)
}

fn delete_group(
    cluster: &mut Cluster,
    group: &str,
    arguments: &Delete,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    groups::delete(cluster, group)?;
    if arguments.common.json {
        writeln!(out, "{}", json!({"deleted": group}))?;
    } else {
        writeln!(out, "deleted {}", printable(group))?;
    }
    Ok(())
}

fn delete_offsets(
    cluster: &mut Cluster,
    group: &str,
    arguments: &Delete,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let partitions = chosen(cluster, group, &arguments.topics)?;
    let refused = offsets::delete(cluster, group, &partitions)?;
    if let Some(((topic, partition), code)) = refused.first() {
        let message = ErrorCode::from_code(*code).map_or("refused", ErrorCode::message);
        refuse(*code, "OffsetDelete", Some(&format!("{topic}-{partition}: {message}")))?;
    }
    for (topic, partition) in &partitions {
        if arguments.common.json {
            let line = json!({"group": group, "topic": topic, "partition": partition, "deleted": true});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "deleted the offset of {topic}-{partition} in {}", printable(group))?;
        }
    }
    Ok(())
}

/// Of a topic that is named whole, the partitions that have an offset, so that the offsets of a deleted topic can go too.
fn chosen(cluster: &mut Cluster, group: &str, topics: &[String]) -> Result<Vec<TopicPartition>, ClientError> {
    let committed = offsets::committed(cluster, group)?;
    let mut partitions = Vec::new();
    for argument in topics {
        match parse(argument)? {
            (name, None) if committed.keys().any(|(topic, _)| topic == name) => {
                partitions.extend(committed.keys().filter(|(topic, _)| topic == name).cloned());
            }
            _ => partitions.extend(named(cluster, std::slice::from_ref(argument))?),
        }
    }
    partitions.sort();
    partitions.dedup();
    Ok(partitions)
}
