//! `highwater bench consume`: fetches as fast as the answers come. Batches are counted by their headers; records are not looked at.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::arguments::{BatchArguments, SpanArguments, parse_size};
use super::batch::Prebuilt;
use super::fetcher::{Asked, Control, Fetched};
use super::latencies::float;
use super::load::{Load, Span, Timing, wait_until};
use super::reading::{self, Part, Reader, Readers};
use super::target::{Target, TopicArguments};
use super::usage::{Probe, Usage};
use crate::cli::topic::Common;
use crate::client::ClientError;

/// Requests under way while a topic is filled.
const FILL_WINDOW: usize = 32;

/// Arguments of `highwater bench consume`.
#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    topic: TopicArguments,
    /// Where to begin: at the beginning, and there again at the end; or at the end, to count what others send.
    #[arg(long, value_enum, default_value_t = From::Beginning)]
    from: From,
    /// Read what is there once, instead of for a time.
    #[arg(long, conflicts_with = "duration")]
    once: bool,
    /// Bytes of values that are written to the topic first.
    #[arg(long, value_parser = parse_size)]
    fill: Option<u64>,
    #[command(flatten)]
    batch: BatchArguments,
    /// Requests under way on each connection, each for a share of its partitions.
    #[arg(long, default_value_t = 2)]
    window: usize,
    /// Bytes of an answer at most (fetch.max.bytes).
    #[arg(long, value_parser = parse_size, default_value = "50MiB")]
    max_bytes: u64,
    /// Bytes of a partition in an answer at most (max.partition.fetch.bytes).
    #[arg(long, value_parser = parse_size, default_value = "1MiB")]
    partition_max_bytes: u64,
    /// Milliseconds that the broker may wait when there is nothing (fetch.max.wait.ms).
    #[arg(long, default_value_t = 500)]
    max_wait_ms: u64,
    #[command(flatten)]
    span: SpanArguments,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    Beginning,
    End,
}

/// Measures and prints.
pub(super) fn run(arguments: &Consume, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut target = Target::open(&arguments.common.bootstrap, &arguments.topic)?;
    let outcome = measure(arguments, &mut target);
    let (partitions, connections) = (target.numbers().len(), target.links.len());
    let (fetched, during, usage) = target.close(outcome)?;
    let per_second = |count: u64| float(count) / during.as_secs_f64().max(f64::MIN_POSITIVE);
    let (records_per_s, mb_per_s) = (per_second(fetched.records), per_second(fetched.bytes) / 1e6);
    if arguments.common.json {
        let mut fields = fields(&fetched, during, &usage);
        if let Value::Object(fields) = &mut fields {
            fields.extend([
                ("partitions".to_owned(), json!(partitions)),
                ("connections".to_owned(), json!(connections)),
                ("window".to_owned(), json!(arguments.window)),
                ("records_per_s".to_owned(), json!(records_per_s)),
                ("mb_per_s".to_owned(), json!(mb_per_s)),
            ]);
        }
        writeln!(out, "{fields}")?;
        return Ok(());
    }
    writeln!(out, "{partitions} partitions, {connections} connections, window {}", arguments.window)?;
    writeln!(
        out,
        "{} records in {:.2} s: {records_per_s:.0} records/s, {mb_per_s:.2} MB/s; {} answers, {} of them empty",
        fetched.records,
        during.as_secs_f64(),
        fetched.answers,
        fetched.empty,
    )?;
    writeln!(out, "from request to answer: {}", fetched.latencies.line())?;
    for line in usage.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn fields(fetched: &Fetched, during: Duration, usage: &Usage) -> Value {
    json!({
        "seconds": during.as_secs_f64(),
        "records": fetched.records,
        "batch_bytes": fetched.bytes,
        "answers": fetched.answers,
        "answers_empty": fetched.empty,
        "latency": fetched.latencies.fields(),
        "usage": usage.fields(),
    })
}

type Outcome = (Fetched, Duration, Usage);

fn measure(arguments: &Consume, target: &mut Target) -> Result<Outcome, ClientError> {
    if let Some(bytes) = arguments.fill {
        fill(arguments, target, bytes)?;
    }
    let part = match (arguments.from, arguments.once) {
        (From::End, _) => Part::Tail,
        (From::Beginning, true) => Part::Once,
        (From::Beginning, false) => Part::Again,
    };
    let readers = reading::connect(target, part)?;
    let limit = |bytes: u64| i32::try_from(bytes).unwrap_or(i32::MAX);
    let asked = Asked {
        topic: target.topic.clone(),
        max_bytes: limit(arguments.max_bytes),
        partition_max_bytes: limit(arguments.partition_max_bytes),
        max_wait: Duration::from_millis(arguments.max_wait_ms),
        version: readers.version,
        window: arguments.window,
        stamp_at: None,
        epoch: Instant::now(),
    };
    match (arguments.once, arguments.span.span()?) {
        (false, Span::Time { warmup, duration }) => timed(readers, &asked, (warmup, duration), arguments.pid),
        _ => whole(readers, &asked, arguments.pid),
    }
}

/// Writes what is then read.
fn fill(arguments: &Consume, target: &Target, bytes: u64) -> Result<(), ClientError> {
    let batch = Prebuilt::new(arguments.batch.shape()?, false)?;
    let span = Span::Count(bytes.div_ceil(batch.payload_bytes.max(1)));
    let load = Load { batch: &batch, acks: -1, window: FILL_WINDOW, rate: None, span, pid: None };
    let ready = load.connect(target)?;
    load.run(ready, Timing::now(span, false), Instant::now()).map(|_| ())
}

/// Reads everything once.
fn whole(readers: Readers, asked: &Asked, pid: Option<u32>) -> Result<Outcome, ClientError> {
    let control = Control::default();
    let probe = Probe::start(pid)?;
    let began = Instant::now();
    control.count(asked.epoch, asked.epoch, None);
    let fetched = std::thread::scope(|scope| reading::join(readers.start(scope, asked, &control)?))?;
    let during = began.elapsed();
    let usage = probe.finish()?.per_gb_of(fetched.bytes);
    Ok((fetched, during, usage))
}

/// Reads for a time that counts after one that does not.
fn timed(
    readers: Readers,
    asked: &Asked,
    (warmup, duration): (Duration, Duration),
    pid: Option<u32>,
) -> Result<Outcome, ClientError> {
    let control = Control::default();
    std::thread::scope(|scope| {
        let threads: Vec<Reader<'_>> = readers.start(scope, asked, &control)?;
        let from = Instant::now() + warmup;
        let to = from + duration;
        control.count(asked.epoch, from, Some(to));
        wait_until(from, &control.stop);
        let usage = Probe::start(pid).and_then(|probe| {
            wait_until(to, &control.stop);
            probe.finish()
        });
        control.stop.store(true, Ordering::Relaxed);
        let fetched = reading::join(threads)?;
        let usage = usage?.per_gb_of(fetched.bytes);
        Ok((fetched, duration, usage))
    })
}
