//! `highwater bench …`: load for any Kafka broker, with numbers at the end; `disk` needs none.
//!
//! `groups` and `commits` measure with as many threads as connections, each doing one thing at a time; what it takes itself is in the
//! latencies. `produce` and the like send prebuilt requests, many at a time on each connection, so that they cost next to nothing.
//! All leave nothing behind at the broker, unless they are killed: topics and groups of theirs are deleted at the end.

mod arguments;
mod arrivals;
mod batch;
mod commits;
mod consume;
mod crew;
mod disk;
mod fetch_answer;
mod fetcher;
mod flights;
mod floor;
mod gate;
mod groups;
mod latencies;
mod latency;
mod load;
mod metrics;
mod partitions;
mod produce;
mod pump;
mod reading;
mod tally;
mod target;
mod template;
mod topic;
mod usage;

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
    /// Prebuilt batches as fast as they are taken, or at a rate
    #[command(
        after_help = "Latencies count from the moment at which a request was meant to be sent: with --rate by a schedule that does not
wait for the broker, otherwise when the window had room.

Examples:
  highwater bench produce --partitions 3 --batch-bytes 128KiB --window 32 --pid $(pidof highwater)
  highwater bench produce --rate 5000 --batch-records 1 --duration 30
  highwater bench produce --topic orders --codec zstd --bytes 2GB --json"
    )]
    Produce(produce::Produce),
    /// Fetches as fast as the answers come
    #[command(
        after_help = "Bytes are those of batches; records are counted by the batches' headers and not looked at.

Examples:
  highwater bench consume --fill 2GB --partitions 3 --pid $(pidof highwater)
  highwater bench consume --topic orders --once
  highwater bench consume --topic orders --from end --duration 60 --max-wait-ms 5000"
    )]
    Consume(consume::Consume),
    /// How long records take at a steady rate, to the acknowledgement and to a consumer
    #[command(
        after_help = "Latencies count from the moment at which a record was meant to be sent, by a schedule that does not wait for the
broker.

Examples:
  highwater bench latency --rate 5000 --window 64 --duration 30
  highwater bench latency --rate 1000 --end-to-end --partitions 3"
    )]
    Latency(latency::Latency),
    /// Many partitions: how fast they are made and written to, and what they keep when idle
    #[command(after_help = "Example: highwater bench partitions --partitions 5000 --pid $(pidof highwater)")]
    Partitions(partitions::Partitions),
    /// Bare programs that do only what the work cannot avoid, to measure a broker against
    Floor(floor::Floor),
    /// Groups that join, settle and then send heartbeats
    #[command(after_help = "Examples:
  highwater bench groups --pid $(pidof highwater)
  highwater bench groups --groups 1 --members 50 --connections 50 --partitions 100 --duration 3")]
    Groups(groups::Groups),
    /// Members of groups that commit offsets, each as fast as the answers come
    #[command(after_help = "Example: highwater bench commits --consumers 100 --groups 10 --duration 20")]
    Commits(commits::Commits),
    /// What the file system of a directory gives: small durable writes, durable bytes, many files at once
    #[command(after_help = "Example: highwater bench disk /var/lib/highwater --seconds 3")]
    Disk(disk::Disk),
}

/// Does what the arguments say.
pub(crate) fn run(arguments: &Bench, out: &mut dyn Write) -> Result<(), ClientError> {
    match &arguments.command {
        BenchCommand::Produce(arguments) => produce::run(arguments, out),
        BenchCommand::Consume(arguments) => consume::run(arguments, out),
        BenchCommand::Latency(arguments) => latency::run(arguments, out),
        BenchCommand::Partitions(arguments) => partitions::run(arguments, out),
        BenchCommand::Floor(arguments) => floor::run(arguments, out),
        BenchCommand::Groups(arguments) => groups::run(arguments, out),
        BenchCommand::Commits(arguments) => commits::run(arguments, out),
        BenchCommand::Disk(arguments) => disk::run(arguments, out),
    }
}
