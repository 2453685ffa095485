//! `highwater bench produce`: prebuilt batches as fast as they are taken, or at a rate.

use std::io::Write;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use super::arguments::{BatchArguments, SendArguments, SpanArguments, parse_size};
use super::batch::{Prebuilt, Shape};
use super::latencies::float;
use super::load::{Load, Loaded, Span, Timing};
use super::target::{Target, TopicArguments};
use crate::cli::topic::Common;
use crate::client::ClientError;

/// Arguments of `highwater bench produce`.
#[derive(Debug, Args)]
pub(super) struct Produce {
    #[command(flatten)]
    topic: TopicArguments,
    #[command(flatten)]
    batch: BatchArguments,
    #[command(flatten)]
    send: SendArguments,
    /// Records a second; as many as are taken when not given.
    #[arg(long)]
    rate: Option<f64>,
    #[command(flatten)]
    span: SpanArguments,
    /// So many bytes of values instead of a time.
    #[arg(long, value_parser = parse_size, conflicts_with_all = ["duration", "records"])]
    bytes: Option<u64>,
    /// So many records instead of a time.
    #[arg(long, conflicts_with = "duration")]
    records: Option<u64>,
    /// The broker's process id, for its CPU time and memory.
    #[arg(long)]
    pid: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Measures and prints.
pub(super) fn run(arguments: &Produce, out: &mut dyn Write) -> Result<(), ClientError> {
    let shape = arguments.batch.shape()?;
    let batch = Prebuilt::new(shape, false)?;
    let load = Load {
        batch: &batch,
        acks: arguments.send.acks()?,
        window: arguments.send.window(),
        rate: requests_per_second(arguments.rate, &batch)?,
        span: span(arguments, &batch)?,
        pid: arguments.pid,
    };
    let target = Target::open(&arguments.common.bootstrap, &arguments.topic)?;
    let sent = Sent { shape, acks: arguments.send.acks_name().to_owned(), rate: arguments.rate };
    let outcome = drive(&load, &target).map(|loaded| Report::new(&target, &load, sent, loaded));
    target.close(outcome)?.print(arguments.common.json, out)
}

fn drive(load: &Load<'_>, target: &Target) -> Result<Loaded, ClientError> {
    let ready = load.connect(target)?;
    let timing = Timing::now(load.span, load.rate.is_some());
    load.run(ready, timing, Instant::now())
}

fn span(arguments: &Produce, batch: &Prebuilt) -> Result<Span, ClientError> {
    let records = match (arguments.bytes, arguments.records) {
        (Some(bytes), _) => return Ok(Span::Count(bytes.div_ceil(batch.payload_bytes.max(1)))),
        (None, Some(records)) => records,
        (None, None) => return arguments.span.span(),
    };
    Ok(Span::Count(records.div_ceil(batch.records)))
}

/// Records a second as requests a second.
///
/// # Errors
/// [`ClientError::Usage`] for what is no rate.
pub(super) fn requests_per_second(
    records: Option<f64>,
    batch: &Prebuilt,
) -> Result<Option<f64>, ClientError> {
    match records {
        Some(rate) if !rate.is_finite() || rate <= 0.0 => {
            Err(ClientError::Usage(format!("--rate {rate}: expected a number of records a second")))
        }
        rate => Ok(rate.map(|rate| rate / float(batch.records))),
    }
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The batch.
    pub(super) shape: Shape,
    /// `acks`, as it was said.
    pub(super) acks: String,
    /// Records a second.
    pub(super) rate: Option<f64>,
}

/// What is printed.
pub(super) struct Report {
    topic: String,
    partitions: usize,
    connections: usize,
    window: usize,
    batch_payload_bytes: u64,
    sent: Sent,
    loaded: Loaded,
}

impl Report {
    /// Of a load that has ended.
    pub(super) fn new(target: &Target, load: &Load<'_>, sent: Sent, loaded: Loaded) -> Self {
        Self {
            topic: target.topic.clone(),
            partitions: target.numbers().len(),
            connections: target.links.len(),
            window: load.window,
            batch_payload_bytes: load.batch.payload_bytes,
            sent,
            loaded,
        }
    }

    fn bytes(&self) -> u64 {
        self.loaded.pumped.requests.saturating_mul(self.batch_payload_bytes)
    }

    fn records(&self) -> u64 {
        self.loaded.pumped.requests.saturating_mul(self.sent.shape.records as u64)
    }

    fn per_second(&self, count: u64) -> f64 {
        float(count) / self.loaded.during.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        json!({
            "topic": self.topic,
            "partitions": self.partitions,
            "connections": self.connections,
            "window": self.window,
            "acks": self.sent.acks,
            "codec": self.sent.shape.codec.name(),
            "record_bytes": self.sent.shape.record_bytes,
            "batch_records": self.sent.shape.records,
            "rate": self.sent.rate,
            "seconds": self.loaded.during.as_secs_f64(),
            "requests": self.loaded.pumped.requests,
            "requests_total": self.loaded.pumped.total,
            "requests_unsent": self.loaded.pumped.unsent,
            "records": self.records(),
            "payload_bytes": self.bytes(),
            "records_per_s": self.per_second(self.records()),
            "mb_per_s": self.per_second(self.bytes()) / 1e6,
            "latency": self.loaded.pumped.latencies.fields(),
            "usage": self.loaded.usage.fields(),
        })
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let pumped = &self.loaded.pumped;
        let mut lines = vec![
            format!(
                "{} partitions, {} connections, window {}, acks {}; batches of {} records of {} bytes, {}",
                self.partitions,
                self.connections,
                self.window,
                self.sent.acks,
                self.sent.shape.records,
                self.sent.shape.record_bytes,
                self.sent.shape.codec.name(),
            ),
            format!(
                "{} records in {:.2} s: {:.0} records/s, {:.2} MB/s, {:.0} requests/s",
                self.records(),
                self.loaded.during.as_secs_f64(),
                self.per_second(self.records()),
                self.per_second(self.bytes()) / 1e6,
                self.per_second(pumped.requests),
            ),
            format!("latency: {}", pumped.latencies.line()),
        ];
        if pumped.unsent > 0 {
            lines.push(format!("{} requests were never sent: the broker fell too far behind", pumped.unsent));
        }
        lines.extend(self.loaded.usage.lines());
        lines
    }

    /// Prints it.
    pub(super) fn print(&self, is_json: bool, out: &mut dyn Write) -> Result<(), ClientError> {
        if is_json {
            writeln!(out, "{}", self.fields())?;
            return Ok(());
        }
        for line in self.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }
}
