//! `faultfs DIRECTORY [SEED]`: mounts an empty file system on a directory and obeys lines on stdin, one answer each on stdout.
//!
//! Its files are those of the simulated disk ([`highwater_disk::sim`]): what was not synced is lost in a power loss, any part of
//! it. Everything is in memory. The end of stdin unmounts and ends the process, so that nothing stays when its owner dies.
//!
//! | command | does |
//! |---|---|
//! | `cut N MS` | stops the machine within the N-th change from now, or after MS milliseconds: every operation hangs. Answers with the last change |
//! | `lose SEED` | the power loss after `cut`: what hangs fails, the file system is mounted anew with what is left |
//! | `fail KIND PATTERN ERROR once\|always` | operations of that kind on paths that match (`*`: any text) fail; `change` is any that changes something |
//! | `slow PATTERN MS` | syncs of files that match take so long |
//! | `lie PATTERN` | syncs of files and directories that match do nothing and report success |
//! | `clear` | no `fail`, `slow` and `lie` any more |
//! | `capacity BYTES\|none` | how much fits |
//! | `destroy on\|off` | whether a power loss fills a block that was being written with garbage |
//! | `stats` | how often each kind of operation was asked for |

mod attributes;
mod commands;
mod faults;
mod filesystem;
mod machine;
mod mount;
mod tree;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use commands::Commands;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), seed) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: faultfs DIRECTORY [SEED]");
        return ExitCode::from(2);
    };
    let seed = seed.and_then(|seed| seed.to_str()?.parse().ok()).unwrap_or(0);
    match obey(PathBuf::from(directory), seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faultfs: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Mounts, and answers every line until stdin ends.
fn obey(directory: PathBuf, seed: u64) -> io::Result<()> {
    let mut commands = Commands::mount(directory, seed)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let answer = match commands.obey(&line?) {
            Ok(text) => format!("ok {text}"),
            Err(text) => format!("error {text}"),
        };
        println!("{}", answer.trim_end());
        io::stdout().flush()?;
    }
    commands.end()
}
