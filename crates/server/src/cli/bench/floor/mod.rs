//! `highwater bench floor …`: bare programs that do only what the work cannot avoid, to be driven by the same clients as a broker. What
//! a broker loses against them is what its own work costs.
//!
//! | program | does |
//! |---|---|
//! | `append` | reads frames, checks each batch's checksum, writes all to one file, one sync for all that wait, answers |
//! | `sendfile` | answers Fetch from files that were written before, by `sendfile` |
//! | `commit` | no network: at a rate, writes what has arrived to one file, one sync for all of it |
//!
//! They keep no metadata, recover nothing, serve one kind of client well and others not at all: no brokers.

mod append;
mod commit;
mod file;
mod produce_frame;
mod sendfile;
mod server;
#[cfg(test)]
mod tests;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::client::ClientError;

/// `highwater bench floor …`
#[derive(Debug, Args)]
pub(super) struct Floor {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// Takes records: frames in, checksums, one file, one sync a round, answers out
    #[command(after_help = "Prints `ready HOST:PORT` and serves until it is ended.

Example: highwater bench floor append --file /data/floor & highwater bench produce --bootstrap 127.0.0.1:9192")]
    Append(append::Append),
    /// Gives records: a server that does nothing but sendfile
    #[command(after_help = "Prints `ready HOST:PORT` and serves its topic `floor` until it is ended.

Example: highwater bench floor sendfile --directory /data/floor --partitions 3 --bytes 2GB &
         highwater bench consume --bootstrap 127.0.0.1:9192 --topic floor")]
    Sendfile(sendfile::Sendfile),
    /// Writes arrivals at a rate to a file, with one sync for all that wait: no network, no format
    #[command(
        after_help = "Example: highwater bench floor commit --file /data/floor --rate 5000 --duration 30"
    )]
    Commit(commit::Commit),
}

/// Does what the arguments say.
pub(super) fn run(arguments: &Floor, out: &mut dyn Write) -> Result<(), ClientError> {
    match &arguments.program {
        Program::Append(arguments) => append::run(arguments, out),
        Program::Sendfile(arguments) => sendfile::run(arguments, out),
        Program::Commit(arguments) => commit::run(arguments, out),
    }
}
