//! The command line: one program that is the broker and the tools for it.

mod bench;
mod consume;
mod docs;
mod files;
mod group;
mod log_dump;
mod produce;
mod progress;
mod repair;
mod segment;
mod serve;
mod table;
mod topic;
mod verify;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::client::ClientError;

pub(crate) use serve::ServeError;

/// A Kafka-wire-compatible partitioned log broker.
#[derive(Debug, Parser)]
#[command(name = "highwater", version, about, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker.
    Serve(serve::ServeArguments),
    /// Make, list, describe and delete topics.
    Topic(topic::Topic),
    /// Send lines of standard input as records.
    Produce(produce::Produce),
    /// Print the records of topics.
    Consume(consume::Consume),
    /// List, describe and delete consumer groups, and set their offsets.
    Group(group::Group),
    /// Measure a broker.
    Bench(bench::Bench),
    /// Look into the files of a log, without a broker.
    Log {
        #[command(subcommand)]
        command: LogCommand,
    },
    /// Check every batch in a data directory, without a broker.
    Verify(verify::Verify),
    /// Make a damaged data directory servable again, without a broker and without removing anything.
    Repair(repair::Repair),
    /// Print a page of the documentation from the program's own tables.
    #[command(hide = true)]
    Docs(docs::DocsArguments),
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Show batches, index entries and records.
    Dump(log_dump::LogDump),
}

/// Runs the program. What goes wrong is one line on stderr and an exit code of 1.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(arguments) => code(serve::serve(arguments)),
        Command::Docs(arguments) => code(docs::docs(&arguments)),
        Command::Topic(arguments) => tool(|out| topic::run(&arguments, out).map(|()| true)),
        Command::Produce(arguments) => {
            tool(|out| produce::run(&arguments, &mut io::stdin().lock(), out).map(|()| true))
        }
        Command::Consume(arguments) => tool(|out| consume::run(&arguments, out).map(|()| true)),
        Command::Group(arguments) => tool(|out| group::run(&arguments, out)),
        Command::Bench(arguments) => tool(|out| bench::run(&arguments, out).map(|()| true)),
        Command::Log { command: LogCommand::Dump(arguments) } => {
            tool(|out| Ok(log_dump::run(&arguments, out)?))
        }
        Command::Verify(arguments) => tool(|out| Ok(verify::run(&arguments, out)?)),
        Command::Repair(arguments) => tool(|out| Ok(repair::run(&arguments, out)?)),
    }
}

fn code(result: Result<(), impl std::fmt::Display>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("highwater: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a tool that prints; `false` from it is a failure that it has described itself. A reader that goes away, as `head`
/// does, is no failure.
fn tool(run: impl FnOnce(&mut dyn Write) -> Result<bool, ClientError>) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = run(&mut out).and_then(|good| Ok(out.flush().map(|()| good)?));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        // What a broker says of itself is not for the terminal to obey.
        Err(error) => code(Err(table::printable(&error.to_string()))),
    }
}
