//! `highwater group list|describe|reset-offsets|delete`, for any Kafka broker.

mod delete;
mod describe;
mod list;
mod moment;
mod partitions;
mod reset;

use std::io::Write;

use clap::{Args, Subcommand};

use super::topic::Common;
use crate::client::ClientError;

pub(super) use describe::readable;

/// `highwater group …`
#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// List groups
    #[command(after_help = "Examples:
  highwater group list
  highwater group list --state Stable,Empty --json")]
    List {
        /// Only groups in these states: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead; several with commas.
        #[arg(long, value_delimiter = ',')]
        state: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show the offsets, lag, members and state of groups
    #[command(after_help = "Examples:
  highwater group describe billing
  highwater group describe billing --members
  highwater group describe --all --offsets --members --json

The lag is the high watermark less the committed offset. Exit code 1 when a group is not there.")]
    Describe(describe::Describe),
    /// Set the committed offsets of a group that has no members; without --execute only shows what would be set
    #[command(after_help = "Examples:
  highwater group reset-offsets billing --topic orders --to-earliest
  highwater group reset-offsets billing --topic orders:0,3 --shift-by -100 --execute
  highwater group reset-offsets billing --all-topics --to-datetime 2026-01-31T12:00:00Z --execute
  highwater group reset-offsets billing --all-topics --by-duration PT2H --execute

Offsets outside a partition's log are moved to its nearer end. Exit code 1 when the group has members.")]
    ResetOffsets(reset::Reset),
    /// Delete groups that have no members, or committed offsets of one
    #[command(after_help = "Examples:
  highwater group delete billing reports
  highwater group delete billing --offsets --topic orders
  highwater group delete billing --offsets --topic orders:0,3")]
    Delete(delete::Delete),
}

/// Does what the arguments say. `false` when something failed that is described already.
pub(crate) fn run(arguments: &Group, out: &mut dyn Write) -> Result<bool, ClientError> {
    match &arguments.command {
        GroupCommand::List { state, common } => list::run(state, common, out).map(|()| true),
        GroupCommand::Describe(arguments) => describe::run(arguments, out),
        GroupCommand::ResetOffsets(arguments) => reset::run(arguments, out),
        GroupCommand::Delete(arguments) => delete::run(arguments, out),
    }
}
