//! `highwater produce`: lines of standard input become records, one each.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use highwater_types::Timestamp;
use highwater_wire::ErrorCode;
use highwater_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use highwater_wire::record::{BatchBuilder, Compression, Record};
use serde_json::json;

use super::topic::Common;
use crate::client::{ClientError, Cluster, refuse};

/// Arguments of `highwater produce`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  echo hello | highwater produce greetings
  highwater produce orders --key-separator : < orders.txt
  seq 1000000 | highwater produce numbers --compression zstd")]
pub(crate) struct Produce {
    /// The topic, which must exist.
    topic: String,
    /// The partition; without it records go round, or by their keys.
    #[arg(long)]
    partition: Option<i32>,
    /// What stands between key and value in a line; without it lines have no key.
    #[arg(long)]
    key_separator: Option<String>,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none")]
    compression: String,
    #[command(flatten)]
    common: Common,
}

/// A batch is sent when it has so many bytes.
const BATCH_BYTES: usize = 512 << 10;
const TIMEOUT_MS: i32 = 30_000;
/// How long a partition may be without its leader, which has written nothing when it says so: in a cluster, metadata tell of
/// a new topic before its leader knows of it.
const LEADER_WAIT: Duration = Duration::from_secs(30);
const LEADER_PAUSE: Duration = Duration::from_millis(100);
/// Newer versions name topics by id, which this does not need.
const LAST_VERSION_BY_NAME: i16 = 12;

/// Sends every line of `input`; returns when all are acknowledged.
pub(crate) fn run(
    arguments: &Produce,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let compression = Compression::from_name(&arguments.compression)
        .ok_or_else(|| ClientError::Usage(format!("--compression {}: unknown", arguments.compression)))?;
    let mut cluster = Cluster::connect(&arguments.common.bootstrap)?;
    let partitions = match arguments.partition {
        Some(partition) => vec![partition],
        None => partitions(&mut cluster, &arguments.topic)?,
    };
    let fresh = || BatchBuilder::new().compression(compression, None);
    let mut batches: Vec<BatchBuilder> = partitions.iter().map(|_| fresh()).collect();
    let (mut line, mut count) = (Vec::new(), 0u64);
    while input.read_until(b'\n', &mut line)? > 0 {
        let record = record(&mut line, arguments.key_separator.as_deref());
        let slot = slot_of(&record, count, partitions.len());
        line.clear();
        count += 1;
        let (Some(batch), Some(partition)) = (batches.get_mut(slot), partitions.get(slot)) else { continue };
        batch.push(&record);
        if batch.size() >= BATCH_BYTES {
            send(&mut cluster, &arguments.topic, *partition, std::mem::replace(batch, fresh()))?;
        }
    }
    for (partition, batch) in partitions.iter().zip(batches) {
        if batch.count() > 0 {
            send(&mut cluster, &arguments.topic, *partition, batch)?;
        }
    }
    if arguments.common.json {
        writeln!(out, "{}", json!({"topic": arguments.topic, "records": count}))?;
    } else {
        writeln!(out, "{count} records acknowledged")?;
    }
    Ok(())
}

fn partitions(cluster: &mut Cluster, topic: &str) -> Result<Vec<i32>, ClientError> {
    let metadata = cluster.metadata(Some(&[topic]))?;
    let found = metadata.topics.first().ok_or_else(|| ClientError::NoSuchTopic(topic.to_owned()))?;
    refuse(found.error_code, "Metadata", Some(topic))?;
    let mut partitions: Vec<i32> =
        found.partitions.iter().map(|partition| partition.partition_index).collect();
    partitions.sort_unstable();
    Ok(partitions)
}

/// The record of a line, without its end of line.
fn record(line: &mut Vec<u8>, separator: Option<&str>) -> Record {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let timestamp = Timestamp(i64::try_from(now).unwrap_or(i64::MAX));
    let split = separator.and_then(|separator| {
        let at = line.windows(separator.len().max(1)).position(|window| window == separator.as_bytes())?;
        Some((line.get(..at)?.to_vec(), line.get(at + separator.len()..)?.to_vec()))
    });
    let (key, value) = match split {
        Some((key, value)) => (Some(key.into()), value),
        None => (None, line.clone()),
    };
    Record { timestamp, key, value: Some(value.into()), headers: Vec::new() }
}

/// Records of one key stay together; records without one go round.
fn slot_of(record: &Record, count: u64, slots: usize) -> usize {
    let number = match &record.key {
        Some(key) => {
            let mut hasher = DefaultHasher::new();
            key.hash(&mut hasher);
            hasher.finish()
        }
        None => count,
    };
    usize::try_from(number % slots.max(1) as u64).unwrap_or(0)
}

fn send(cluster: &mut Cluster, topic: &str, partition: i32, batch: BatchBuilder) -> Result<(), ClientError> {
    let records = batch.build().map_err(|error| ClientError::Usage(error.to_string()))?;
    let data = PartitionProduceData { index: partition, records: Some(records.into()) };
    let topic_data = vec![TopicProduceData {
        name: topic.into(),
        partition_data: vec![data],
        ..TopicProduceData::default()
    }];
    let request =
        ProduceRequest { acks: -1, timeout_ms: TIMEOUT_MS, topic_data, ..ProduceRequest::default() };
    let began = Instant::now();
    loop {
        let answer = cluster.leader(topic, partition)?.call_up_to(&request, LAST_VERSION_BY_NAME)?;
        let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        let Some(result) = partitions.find(|partition| partition.error_code != 0) else { return Ok(()) };
        let is_elsewhere = result.error_code == ErrorCode::NotLeaderOrFollower.code();
        if !is_elsewhere || began.elapsed() > LEADER_WAIT {
            return refuse(result.error_code, "Produce", result.error_message.as_deref());
        }
        std::thread::sleep(LEADER_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_at_the_first_separator() {
        let made = record(&mut b"k:v:w\n".to_vec(), Some(":"));
        assert_eq!((made.key.as_deref(), made.value.as_deref()), (Some(&b"k"[..]), Some(&b"v:w"[..])));
        let made = record(&mut b"no separator".to_vec(), Some(":"));
        assert_eq!((made.key, made.value.as_deref()), (None, Some(&b"no separator"[..])));
    }

    #[test]
    fn records_of_one_key_go_to_one_partition() {
        let made = record(&mut b"k:v".to_vec(), Some(":"));
        assert_eq!(slot_of(&made, 1, 7), slot_of(&made, 2, 7));
        let keyless = record(&mut b"v".to_vec(), None);
        assert_eq!([slot_of(&keyless, 0, 2), slot_of(&keyless, 1, 2)], [0, 1]);
    }
}
