//! `highwater bench disk`: what a directory's file system gives to anybody, before a broker takes its share. Three questions:
//! how long a small durable write takes, how many bytes a second become durable by each way of writing, and what it
//! costs to sync many files at once.
//!
//! Each case has files of its own in a temporary directory, writes one kind of thing for its time or until its bytes are
//! written, and removes them. Nothing is read.

mod case;
mod many;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::super::table::Table;
use crate::client::ClientError;
use case::{Case, Ground, Way};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Arguments of `highwater bench disk`.
#[derive(Debug, Args)]
pub(super) struct Disk {
    /// Where files are made; they are removed at the end
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Seconds for each case
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// MiB that a case writes at most
    #[arg(long, default_value_t = 1024)]
    max_mib: u64,
    /// Only cases whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// One JSON object for each case, a line each
    #[arg(long)]
    json: bool,
}

/// What a case came to.
#[derive(Debug)]
struct Outcome {
    name: String,
    bytes: u64,
    during: Duration,
    /// How long each durable round took: its writes and its sync.
    rounds: Vec<Duration>,
}

/// Runs the cases one after the other.
pub(super) fn run(arguments: &Disk, out: &mut dyn Write) -> Result<(), ClientError> {
    let time = Duration::try_from_secs_f64(arguments.seconds).unwrap_or(Duration::from_secs(1));
    let directory = arguments.directory.join(format!("bench-disk-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let result = run_cases(arguments, time, &directory, out);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn run_cases(
    arguments: &Disk,
    time: Duration,
    directory: &std::path::Path,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let mut table = Table::new(&["case", "MB/s", "rounds/s", "p50 ms", "p99 ms", "max ms"]);
    let mut report = |outcome: std::io::Result<Outcome>, name: String| -> Result<(), ClientError> {
        match outcome {
            Ok(outcome) if arguments.json => writeln!(out, "{}", outcome.fields())?,
            Ok(outcome) => table.row(outcome.cells()),
            // A file system without this way of writing is an answer, not a failure.
            Err(error) if arguments.json => {
                writeln!(out, "{}", serde_json::json!({"case": name, "error": error.to_string()}))?;
            }
            Err(error) => table.row(vec![name, error.to_string()]),
        }
        Ok(())
    };
    for case in cases() {
        let name = case.name();
        if wanted(&name) {
            report(case.run(directory, time, arguments.max_mib << 20), name)?;
        }
    }
    for (files, threads) in many::SIZES {
        let name = many::name(files, threads);
        if wanted(&name) {
            report(many::run(directory, files, threads, time), name)?;
        }
    }
    if !arguments.json {
        table.write(out)?;
    }
    Ok(())
}

/// One durable write at a time on each kind of ground; then each way of writing by size, and by how many at a time.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for ground in [Ground::Written, Ground::Allocated, Ground::Growing] {
        cases.push(Case { way: Way::Buffered, ground, size: 4 * KIB, sync_each: 4 * KIB, threads: 1 });
    }
    for round in [128 * KIB, MIB, 4 * MIB, 16 * MIB] {
        for way in [Way::Buffered, Way::Uncached, Way::Direct] {
            cases.push(Case {
                way,
                ground: Ground::Growing,
                size: round.min(MIB),
                sync_each: round,
                threads: 1,
            });
        }
    }
    for ground in [Ground::Written, Ground::Allocated] {
        for size in [4 * KIB, 128 * KIB, MIB] {
            for threads in [1, 8, 32] {
                cases.push(Case { way: Way::Direct, ground, size, sync_each: usize::MAX, threads });
            }
        }
    }
    cases
}

impl Outcome {
    fn cells(&self) -> Vec<String> {
        let ms = |duration: Duration| format!("{:.2}", duration.as_secs_f64() * 1000.0);
        let (rate, rounds) = self.rates();
        let [p50, p99, max] = self.percentiles();
        vec![self.name.clone(), format!("{rate:.1}"), format!("{rounds:.0}"), ms(p50), ms(p99), ms(max)]
    }

    fn fields(&self) -> serde_json::Value {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let (rate, rounds) = self.rates();
        let [p50, p99, max] = self.percentiles();
        serde_json::json!({
            "case": self.name, "mb_per_s": rate, "rounds_per_s": rounds,
            "p50_ms": ms(p50), "p99_ms": ms(p99), "max_ms": ms(max),
        })
    }

    /// Megabytes and rounds a second.
    fn rates(&self) -> (f64, f64) {
        let seconds = self.during.as_secs_f64().max(f64::MIN_POSITIVE);
        let count = |value: u64| u32::try_from(value).map_or(f64::MAX, f64::from);
        (count(self.bytes >> 10) * 1.024e-3 / seconds, count(self.rounds.len() as u64) / seconds)
    }

    /// The median, the 99th percentile and the longest round, by nearest rank.
    fn percentiles(&self) -> [Duration; 3] {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        [500, 990, 1000].map(|thousandths: usize| {
            let rank = (rounds.len() * thousandths).div_ceil(1000).max(1);
            rounds.get(rank - 1).copied().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_runs_or_says_why_not_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let arguments = Disk {
            directory: directory.path().to_path_buf(),
            seconds: 0.0,
            max_mib: 1,
            only: None,
            json: true,
        };
        let mut out = Vec::new();
        run(&arguments, &mut out).unwrap();
        let lines: Vec<serde_json::Value> =
            String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), cases().len() + many::SIZES.len());
        let buffered: Vec<_> =
            lines.iter().filter(|line| line["case"].as_str().unwrap().starts_with("buffered")).collect();
        assert!(!buffered.is_empty());
        assert!(buffered.iter().all(|line| line["mb_per_s"].as_f64().unwrap() > 0.0), "{buffered:?}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn rates_and_percentiles_are_those_of_the_rounds() {
        let rounds = (1..=100).map(Duration::from_millis).collect();
        let outcome = Outcome { name: "x".into(), bytes: 1_024_000, during: Duration::from_secs(2), rounds };
        assert_eq!(outcome.cells()[1..], ["0.5", "50", "50.00", "99.00", "100.00"]);
    }
}
