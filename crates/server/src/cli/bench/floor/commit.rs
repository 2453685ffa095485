//! `highwater bench floor commit`: an open-loop group commit on a file. Records arrive by a fixed schedule; one thread writes all that
//! have arrived, syncs once, and counts for each the time since it was meant to arrive. No broker's acknowledgement can be
//! quicker on that file system, whatever it does beside.

use std::io::{IoSlice, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::file::{Chunk, FileArguments, LogFile};
use crate::cli::bench::arguments::{SpanArguments, parse_size};
use crate::cli::bench::arrivals::{Arrivals, Until};
use crate::cli::bench::latencies::{Latencies, float};
use crate::cli::bench::load::{Span, precise_timers};
use crate::client::ClientError;

/// Arguments of `highwater bench floor commit`.
#[derive(Debug, Args)]
pub(super) struct Commit {
    #[command(flatten)]
    file: FileArguments,
    /// Records a second.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// Bytes of a record.
    #[arg(long, value_parser = parse_size, default_value = "1100")]
    record_bytes: u64,
    #[command(flatten)]
    span: SpanArguments,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
pub(super) fn run(arguments: &Commit, out: &mut dyn Write) -> Result<(), ClientError> {
    let Span::Time { warmup, duration } = arguments.span.span()? else { return Ok(()) };
    if !arguments.rate.is_finite() || arguments.rate <= 0.0 {
        return Err(ClientError::Usage(format!("--rate {}: expected records a second", arguments.rate)));
    }
    let file = arguments.file.create()?;
    precise_timers();
    let measured = commit(&file, arguments, (warmup, duration));
    std::fs::remove_file(arguments.file.path())?;
    let (latencies, rounds) = measured?;
    if arguments.json {
        let line = json!({
            "rate": arguments.rate,
            "records": latencies.count(),
            "rounds": rounds,
            "latency": latencies.fields(),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let each = float(latencies.count()) / float(rounds.max(1));
    writeln!(out, "{} records, {rounds} syncs, {each:.1} records a sync", latencies.count())?;
    writeln!(out, "latency: {}", latencies.line())?;
    Ok(())
}

fn commit(
    file: &LogFile,
    arguments: &Commit,
    (warmup, duration): (Duration, Duration),
) -> Result<(Latencies, u64), ClientError> {
    let size = usize::try_from(arguments.record_bytes).unwrap_or(usize::MAX);
    let (start, mut rounds) = (Instant::now(), 0);
    let (from, end) = (start + warmup, start + warmup + duration);
    let mut arrivals = Arrivals::new(start, Some(arguments.rate), (0, 1), Until::Time(end));
    let (mut latencies, mut arrived, mut bytes) = (Latencies::default(), Vec::new(), Vec::new());
    let (mut chunk, mut previous) = (Chunk::default(), Chunk::default());
    loop {
        let now = Instant::now();
        arrived.clear();
        arrived.extend(std::iter::from_fn(|| arrivals.take(now)));
        if arrived.is_empty() {
            let Some(due) = arrivals.next_due() else { return Ok((latencies, rounds)) };
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            continue;
        }
        bytes.resize(arrived.len().saturating_mul(size), 0x5a);
        if arguments.file.is_direct() {
            std::mem::swap(&mut chunk, &mut previous);
            chunk.follow(&previous);
            chunk.push(&bytes);
            file.append_direct(&chunk)?;
        } else {
            file.append(&mut [IoSlice::new(&bytes)])?;
        }
        file.sync()?;
        let done = Instant::now();
        for intended in arrived.iter().filter(|intended| **intended >= from) {
            latencies.add(done.saturating_duration_since(*intended));
        }
        rounds += u64::from(now >= from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        commit: Commit,
    }

    #[test]
    fn every_arrival_is_counted_once_and_the_file_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        let file = path.to_str().unwrap();
        let line = ["x", "--file", file, "--rate", "1000", "--duration", "0.3", "--warmup", "0.1", "--json"];
        let mut out = Vec::new();
        run(&Line::parse_from(line).commit, &mut out).unwrap();
        let found: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(found["records"], 300);
        assert!(found["rounds"].as_u64() <= Some(300) && !path.exists());
    }
}
