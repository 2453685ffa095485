//! `highwater consume`: prints the records of a topic.

use std::io::Write;

use clap::Args;
use highwater_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use highwater_wire::messages::fetch_response::PartitionData;
use highwater_wire::record::{BatchHeader, RecordView, Records, batches, default_output_limit};
use serde_json::json;

use super::files::describe_record;
use super::topic::{Common, offset_at};
use crate::client::{ClientError, Cluster, refuse};

/// Arguments of `highwater consume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater consume orders --from-beginning
  highwater consume orders --partition 0 --offset 4711 --max 10 --json
  highwater consume orders --from-beginning --exit-at-end | wc -l")]
pub(crate) struct Consume {
    /// The topic.
    topic: String,
    /// Only this partition.
    #[arg(long)]
    partition: Option<i32>,
    /// Begin at the first record; without it, at what comes next.
    #[arg(long, conflicts_with_all = ["offset", "timestamp"])]
    from_beginning: bool,
    /// Begin at this offset.
    #[arg(long, requires = "partition", conflicts_with = "timestamp")]
    offset: Option<i64>,
    /// Begin at the first record at or after this time, milliseconds since 1970.
    #[arg(long)]
    timestamp: Option<i64>,
    /// Stop after so many records.
    #[arg(long)]
    max: Option<u64>,
    /// Stop at what was the end when the command began.
    #[arg(long)]
    exit_at_end: bool,
    #[command(flatten)]
    common: Common,
}

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const WAIT_MS: i32 = 500;
const FETCH_BYTES: i32 = 50 << 20;
const PARTITION_BYTES: i32 = 1 << 20;
/// Newer versions name topics by id, which this does not need.
const LAST_VERSION_BY_NAME: i16 = 12;

/// One partition on its way.
struct Cursor {
    partition: i32,
    next: i64,
    end: Option<i64>,
}

impl Cursor {
    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// Prints records until told to stop.
pub(crate) fn run(arguments: &Consume, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    let mut cursors = cursors(&mut cluster, arguments)?;
    let mut printer = Printer { out, json: arguments.common.json, left: arguments.max.unwrap_or(u64::MAX) };
    while printer.left > 0 && !cursors.iter().all(Cursor::is_done) {
        let waiting = cursors.iter().filter(|cursor| !cursor.is_done()).count() > 1;
        for cursor in cursors.iter_mut().filter(|cursor| !cursor.is_done()) {
            // With several partitions on several brokers, none may hold up the others for long.
            let wait_ms = if waiting { WAIT_MS / 10 } else { WAIT_MS };
            let fetched = fetch(&mut cluster, &arguments.topic, cursor, wait_ms)?;
            print(&mut printer, &arguments.topic, cursor, fetched)?;
        }
        printer.out.flush()?;
    }
    Ok(())
}

fn cursors(cluster: &mut Cluster, arguments: &Consume) -> Result<Vec<Cursor>, ClientError> {
    let topic = arguments.topic.as_str();
    let partitions = match arguments.partition {
        Some(partition) => vec![partition],
        None => {
            let metadata = cluster.metadata(Some(&[topic]))?;
            let found = metadata.topics.first().ok_or_else(|| ClientError::NoSuchTopic(topic.to_owned()))?;
            refuse(found.error_code, "Metadata", Some(topic))?;
            found.partitions.iter().map(|partition| partition.partition_index).collect()
        }
    };
    let mut cursors = Vec::new();
    for partition in partitions {
        let end = offset_at(cluster, topic, partition, LATEST)?;
        let next = match (arguments.offset, arguments.timestamp) {
            (Some(offset), _) => offset,
            (None, Some(timestamp)) => match offset_at(cluster, topic, partition, timestamp)? {
                -1 => end,
                found => found,
            },
            (None, None) if arguments.from_beginning => offset_at(cluster, topic, partition, EARLIEST)?,
            (None, None) => end,
        };
        cursors.push(Cursor { partition, next, end: arguments.exit_at_end.then_some(end) });
    }
    Ok(cursors)
}

fn fetch(
    cluster: &mut Cluster,
    topic: &str,
    cursor: &Cursor,
    wait_ms: i32,
) -> Result<PartitionData, ClientError> {
    let partition = FetchPartition {
        partition: cursor.partition,
        fetch_offset: cursor.next,
        partition_max_bytes: PARTITION_BYTES,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: wait_ms,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        topics: vec![FetchTopic {
            topic: topic.into(),
            partitions: vec![partition],
            ..FetchTopic::default()
        }],
        ..FetchRequest::default()
    };
    let answer = cluster.leader(topic, cursor.partition)?.call_up_to(&request, LAST_VERSION_BY_NAME)?;
    refuse(answer.error_code, "Fetch", None)?;
    let data = answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
    let data = data.ok_or_else(|| ClientError::NoSuchPartition {
        topic: topic.to_owned(),
        partition: cursor.partition,
    })?;
    refuse(data.error_code, "Fetch", None)?;
    Ok(data)
}

fn print(
    printer: &mut Printer<'_>,
    topic: &str,
    cursor: &mut Cursor,
    fetched: PartitionData,
) -> Result<(), ClientError> {
    let partition = cursor.partition;
    let damaged = |cause: String| ClientError::Damaged { topic: topic.to_owned(), partition, cause };
    let bytes = fetched.records.map(highwater_wire::Records::into_bytes).unwrap_or_default();
    for batch in batches(bytes) {
        let (header, batch) = batch.map_err(|error| damaged(error.to_string()))?;
        if !header.attributes.is_control() {
            let limit = default_output_limit(header.size());
            let mut records =
                Records::new(&batch, &header, limit).map_err(|error| damaged(error.to_string()))?;
            while let Some((record, _)) = records.next_record().map_err(|error| damaged(error.to_string()))? {
                let offset = header.base_offset.0.saturating_add(i64::from(record.offset_delta));
                if offset >= cursor.next && cursor.end.is_none_or(|end| offset < end) && printer.left > 0 {
                    printer.record(topic, partition, &header, &record)?;
                }
            }
        }
        cursor.next = cursor.next.max(header.next_offset().0);
    }
    Ok(())
}

/// Where records go.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    left: u64,
}

impl Printer<'_> {
    fn record(
        &mut self,
        topic: &str,
        partition: i32,
        header: &BatchHeader,
        record: &RecordView<'_>,
    ) -> Result<(), ClientError> {
        self.left -= 1;
        if self.json {
            let mut fields = describe_record(header, record);
            if let Some(object) = fields.as_object_mut() {
                object.insert("topic".to_owned(), json!(topic));
                object.insert("partition".to_owned(), json!(partition));
            }
            writeln!(self.out, "{fields}")?;
            return Ok(());
        }
        self.out.write_all(record.value.unwrap_or(b"null"))?;
        self.out.write_all(b"\n")?;
        Ok(())
    }
}
