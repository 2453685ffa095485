//! `highwater bench groups|commits`: load for any Kafka broker, with numbers at the end.
//!
//! Measures with as many threads as connections, each doing one thing at a time; what it takes itself is in the latencies. Leaves nothing
//! behind at the broker, unless it is killed: its topic and its groups are deleted at the end.

mod commits;
mod crew;
mod gate;
mod groups;
mod metrics;
mod process;
mod tally;
mod topic;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::client::ClientError;

/// `highwater bench …`
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Groups that join, settle and then send heartbeats
    #[command(after_help = "Examples:
  highwater bench groups --pid $(pidof highwater)
  highwater bench groups --groups 1 --members 50 --connections 50 --partitions 100 --duration 3")]
    Groups(groups::Groups),
    /// Members of groups that commit offsets, each as fast as the answers come
    #[command(after_help = "Example: highwater bench commits --consumers 100 --groups 10 --duration 20")]
    Commits(commits::Commits),
}

/// Does what the arguments say.
pub(crate) fn run(arguments: &Bench, out: &mut dyn Write) -> Result<(), ClientError> {
    match &arguments.command {
        BenchCommand::Groups(arguments) => groups::run(arguments, out),
        BenchCommand::Commits(arguments) => commits::run(arguments, out),
    }
}
