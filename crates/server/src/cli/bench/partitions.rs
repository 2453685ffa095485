//! `highwater bench partitions`: a topic with many partitions is made, each gets a record, and nothing more happens: how long that takes,
//! and what memory an idle partition keeps. (How long a broker with so many takes to start is for whoever starts it: see
//! `scripts/bench`.)

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use highwater_wire::record::Compression;
use serde_json::json;

use super::batch::{Prebuilt, Shape};
use super::latencies::float;
use super::load::{Load, Loaded, Span, Timing};
use super::target::{Target, TopicArguments};
use super::usage::{Probe, Usage};
use crate::cli::topic::Common;
use crate::client::ClientError;
use crate::procfs::ProcessSample;

/// Requests under way on each connection.
const WINDOW: usize = 64;

/// Arguments of `highwater bench partitions`.
#[derive(Debug, Args)]
pub(super) struct Partitions {
    #[command(flatten)]
    topic: TopicArguments,
    /// Bytes of the record that each partition gets.
    #[arg(long, default_value_t = 1024)]
    record_bytes: usize,
    /// Seconds of nothing, for the idle broker's CPU time.
    #[arg(long, default_value_t = 5.0)]
    idle: f64,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    common: Common,
}

struct Outcome {
    partitions: usize,
    made: Duration,
    loaded: Loaded,
    idle: Usage,
    /// The broker's own memory before, with the partitions made, with a record in each, and after idling.
    own_bytes: Option<[u64; 4]>,
}

/// Measures and prints.
pub(super) fn run(arguments: &Partitions, out: &mut dyn Write) -> Result<(), ClientError> {
    let own_bytes =
        || arguments.pid.map(ProcessSample::of).transpose().map(|found| found.map(|it| it.own_bytes()));
    let before = own_bytes()?;
    let began = Instant::now();
    let target = Target::open(&arguments.common.bootstrap, &arguments.topic)?;
    let made = began.elapsed();
    let outcome = write_and_idle(arguments, &target).and_then(|(loaded, written, idle)| {
        let memory = before.zip(own_bytes()?);
        let own_bytes = memory.map(|(before, after)| [before, written.0, written.1, after]);
        Ok(Outcome { partitions: target.numbers().len(), made, loaded, idle, own_bytes })
    });
    print(&target.close(outcome)?, arguments.common.json, out)
}

/// What came of writing, the broker's memory before and after it, and what it used while idle.
fn write_and_idle(
    arguments: &Partitions,
    target: &Target,
) -> Result<(Loaded, (u64, u64), Usage), ClientError> {
    let own_bytes = || {
        Ok::<_, ClientError>(arguments.pid.map(ProcessSample::of).transpose()?.map_or(0, |it| it.own_bytes()))
    };
    let shape = Shape { record_bytes: arguments.record_bytes, records: 1, codec: Compression::None };
    let batch = Prebuilt::new(shape, false)?;
    let count = target.links.iter().map(|link| link.partitions.len() as u64).sum();
    let span = Span::Count(count);
    let load = Load { batch: &batch, acks: -1, window: WINDOW, rate: None, span, pid: arguments.pid };
    let before = own_bytes()?;
    let loaded = load.run(load.connect(target)?, Timing::now(span, false), Instant::now())?;
    let after = own_bytes()?;
    let probe = Probe::start(arguments.pid)?;
    std::thread::sleep(super::arguments::seconds("--idle", arguments.idle)?);
    Ok((loaded, (before, after), probe.finish()?))
}

fn print(outcome: &Outcome, is_json: bool, out: &mut dyn Write) -> Result<(), ClientError> {
    let count = float(outcome.partitions as u64);
    let written = outcome.loaded.during.as_secs_f64();
    let each = |[before, _, _, after]: [u64; 4]| float(after.saturating_sub(before)) / count;
    if is_json {
        let line = json!({
            "partitions": outcome.partitions,
            "made_s": outcome.made.as_secs_f64(),
            "written_s": written,
            "latency": outcome.loaded.pumped.latencies.fields(),
            "own_bytes": outcome.own_bytes,
            "own_bytes_each": outcome.own_bytes.map(each),
            "idle": outcome.idle.fields(),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let made = outcome.made.as_secs_f64();
    writeln!(
        out,
        "{count} partitions made and led after {made:.3} s, a record in each after {written:.3} s more"
    )?;
    writeln!(out, "latency of the records: {}", outcome.loaded.pumped.latencies.line())?;
    if let Some(own_bytes) = outcome.own_bytes {
        let [before, made, written, after] = own_bytes.map(|bytes| float(bytes) / f64::from(1u32 << 20));
        let each = each(own_bytes) / 1024.0;
        writeln!(
            out,
            "broker: memory of its own {before:.1} MiB, with the partitions {made:.1}, with the records {written:.1}, idle {after:.1}: {each:.2} KiB a partition"
        )?;
    }
    writeln!(out, "idle:")?;
    for line in outcome.idle.lines() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}
