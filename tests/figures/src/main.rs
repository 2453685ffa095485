//! Does one kind of work a given number of times: `work KIND COUNT`. `test_instructions.py` counts the instructions of COUNT and of
//! twice as many, so that only what each costs is left.
//!
//! Everything runs on one thread, with a fixed time, on a real disk that is never synced: the kernel's work is not counted.

mod append;
mod wire;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a kind of work returns.
type Done = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count] = arguments.as_slice() else { return usage() };
    let Ok(count) = count.parse() else { return usage() };
    let done = match kind.as_str() {
        "append-1k" => in_directory(|directory| append::append(directory, 1 << 10, count)),
        "append-16k" => in_directory(|directory| append::append(directory, 16 << 10, count)),
        "read-16k" => in_directory(|directory| append::read(directory, 16 << 10, count)),
        "produce-16k" => wire::produce(16 << 10, count),
        _ => return usage(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("work: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: work append-1k|append-16k|read-16k|produce-16k COUNT");
    ExitCode::from(2)
}

/// Runs `work` in a directory of its own, which it removes.
fn in_directory(work: impl FnOnce(&Path) -> Done) -> Done {
    let directory: PathBuf = std::env::temp_dir().join(format!("highwater-work-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let done = work(&directory);
    std::fs::remove_dir_all(&directory)?;
    done
}
