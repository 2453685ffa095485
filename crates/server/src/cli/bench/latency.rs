//! `highwater bench latency`: how long records take at a steady rate, to the acknowledgement and, if asked, to a consumer.
//!
//! Each request is one record, sent at its time of a fixed schedule whatever became of those before it; both latencies count from that
//! time. The consumer is in this process: a record carries the time, and no two clocks are compared.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;
use highwater_wire::record::Compression;
use serde_json::{Value, json};

use super::arguments::{SendArguments, SpanArguments, parse_size};
use super::batch::{Prebuilt, Shape};
use super::fetcher::{Asked, Control, Fetched};
use super::load::{Load, Loaded, Timing};
use super::produce::{Report, Sent, requests_per_second};
use super::reading::{self, Part};
use super::target::{Target, TopicArguments};
use crate::cli::topic::Common;
use crate::client::ClientError;

/// How long a consumer may take for what was acknowledged.
const ARRIVAL: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(5);
/// As consumers wait by default.
const MAX_WAIT: Duration = Duration::from_millis(500);
/// As consumers ask for by default.
const FETCH_BYTES: (i32, i32) = (50 << 20, 1 << 20);

/// Arguments of `highwater bench latency`.
#[derive(Debug, Args)]
pub(super) struct Latency {
    #[command(flatten)]
    topic: TopicArguments,
    /// Records a second, a request each.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// Bytes of a record's value.
    #[arg(long, value_parser = parse_size, default_value = "1024")]
    record_bytes: u64,
    #[command(flatten)]
    send: SendArguments,
    /// Have the records consumed, too, and tell how long they take until then.
    #[arg(long)]
    end_to_end: bool,
    #[command(flatten)]
    span: SpanArguments,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Measures and prints.
pub(super) fn run(arguments: &Latency, out: &mut dyn Write) -> Result<(), ClientError> {
    let record_bytes = usize::try_from(arguments.record_bytes).unwrap_or(usize::MAX);
    let shape = Shape { record_bytes, records: 1, codec: Compression::None };
    let batch = Prebuilt::new(shape, arguments.end_to_end)?;
    let load = Load {
        batch: &batch,
        acks: arguments.send.acks()?,
        window: arguments.send.window(),
        rate: requests_per_second(Some(arguments.rate), &batch)?,
        span: arguments.span.span()?,
        pid: arguments.pid,
    };
    let mut target = Target::open(&arguments.common.bootstrap, &arguments.topic)?;
    let sent = Sent { shape, acks: arguments.send.acks_name().to_owned(), rate: Some(arguments.rate) };
    let outcome = if arguments.end_to_end {
        both_ways(&load, &mut target).map(|(loaded, fetched)| (loaded, Some(fetched)))
    } else {
        one_way(&load, &target).map(|loaded| (loaded, None))
    };
    let outcome = outcome.map(|(loaded, fetched)| (Report::new(&target, &load, sent, loaded), fetched));
    let (report, fetched) = target.close(outcome)?;
    let Some(fetched) = fetched else { return report.print(arguments.common.json, out) };
    if arguments.common.json {
        let mut fields = report.fields();
        if let Value::Object(fields) = &mut fields {
            fields.insert("end_to_end".to_owned(), json!(fetched.end_to_end.fields()));
        }
        writeln!(out, "{fields}")?;
        return Ok(());
    }
    report.print(false, out)?;
    writeln!(out, "end to end: {}", fetched.end_to_end.line())?;
    Ok(())
}

fn one_way(load: &Load<'_>, target: &Target) -> Result<Loaded, ClientError> {
    let ready = load.connect(target)?;
    load.run(ready, Timing::now(load.span, true), Instant::now())
}

/// Sends and consumes.
fn both_ways(load: &Load<'_>, target: &mut Target) -> Result<(Loaded, Fetched), ClientError> {
    let readers = reading::connect(target, Part::Tail)?;
    let asked = Asked {
        topic: target.topic.clone(),
        max_bytes: FETCH_BYTES.0,
        partition_max_bytes: FETCH_BYTES.1,
        max_wait: MAX_WAIT,
        version: readers.version,
        window: 1,
        stamp_at: load.batch.stamp_at(),
        epoch: Instant::now(),
    };
    let control = Control::default();
    std::thread::scope(|scope| {
        let ready = load.connect(target)?;
        let threads = readers.start(scope, &asked, &control)?;
        let timing = Timing::now(load.span, true);
        control.count(asked.epoch, timing.measured.from, timing.measured.to);
        let loaded = load.run(ready, timing, asked.epoch);
        let all_came = loaded.as_ref().is_ok_and(|loaded| await_batches(loaded.pumped.total, &control));
        control.stop.store(true, Ordering::Relaxed);
        let fetched = reading::join(threads)?;
        let loaded = loaded?;
        if !all_came {
            let (sent, came) = (loaded.pumped.total, control.batches.load(Ordering::Relaxed));
            return Err(ClientError::Usage(format!(
                "of {sent} acknowledged batches only {came} came within {} s",
                ARRIVAL.as_secs()
            )));
        }
        Ok((loaded, fetched))
    })
}

/// Waits until so many batches have come; says whether they have.
fn await_batches(count: u64, control: &Control) -> bool {
    let deadline = Instant::now() + ARRIVAL;
    while control.batches.load(Ordering::Relaxed) < count {
        if control.stop.load(Ordering::Relaxed) || Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}
