//! Partitions on their way through the log: one fetch from each broker for all that it leads, then the records in order.

use std::io::Write;

use highwater_wire::ErrorCode;
use highwater_wire::messages::fetch_request::{FetchPartition, FetchRequest, FetchTopic};
use highwater_wire::messages::fetch_response::PartitionData;
use highwater_wire::record::{BatchHeader, RecordView, Records, batches, default_output_limit};
use serde_json::json;

use crate::cli::files::describe_record;
use crate::client::offsets::{TopicPartition, by_topic, leaders};
use crate::client::{ClientError, Cluster, refuse};

/// How long a broker may wait for records.
const WAIT_MS: i32 = 500;
const FETCH_BYTES: i32 = 50 << 20;
const PARTITION_BYTES: i32 = 1 << 20;
/// Newer versions name topics by id, which this does not need.
const LAST_VERSION_BY_NAME: i16 = 12;

/// One partition on its way.
pub(super) struct Cursor {
    /// Which one.
    pub(super) partition: TopicPartition,
    /// The offset after the last record that was printed, or that is none to print.
    pub(super) next: i64,
    /// Where to stop.
    pub(super) end: Option<i64>,
}

impl Cursor {
    /// Whether everything that was wanted is printed.
    pub(super) fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// Fetches once for all cursors that are not done and prints what comes. Returns the partitions whose offset is not in their
/// log; the caller decides where they go on.
///
/// # Errors
/// What asking says; [`ClientError::Damaged`]; a code of a partition that waiting does not mend.
pub(super) fn advance(
    cluster: &mut Cluster,
    cursors: &mut [Cursor],
    printer: &mut Printer<'_>,
) -> Result<Vec<TopicPartition>, ClientError> {
    // What a fetch has no room for is first in a later one.
    cursors.rotate_left(usize::from(cursors.len() > 1));
    let wanted: Vec<TopicPartition> =
        cursors.iter().filter(|cursor| !cursor.is_done()).map(|cursor| cursor.partition.clone()).collect();
    let places = leaders(cluster, &wanted)?;
    if let Some((topic, partition)) = wanted.first().filter(|_| places.is_empty()) {
        return Err(ClientError::NoLeader { topic: topic.clone(), partition: *partition });
    }
    // With several brokers, none may hold up the others for long.
    let wait_ms = if places.len() > 1 { WAIT_MS / 10 } else { WAIT_MS };
    let mut out_of_range = Vec::new();
    for (node, partitions) in places {
        let request =
            request(cursors.iter().filter(|cursor| partitions.contains(&cursor.partition)), wait_ms);
        let answer = cluster.broker(&node)?.call_up_to(&request, LAST_VERSION_BY_NAME)?;
        refuse(answer.error_code, "Fetch", None)?;
        for topic in answer.responses {
            for data in topic.partitions {
                let partition = (topic.topic.to_string(), data.partition_index);
                let Some(cursor) = cursors.iter_mut().find(|cursor| cursor.partition == partition) else {
                    continue;
                };
                match ErrorCode::from_code(data.error_code) {
                    Some(ErrorCode::OffsetOutOfRange) => out_of_range.push(partition),
                    // The leader moved: the next metadata say where to.
                    Some(ErrorCode::NotLeaderOrFollower) => {}
                    _ => {
                        refuse(data.error_code, "Fetch", None)?;
                        printer.print(cursor, data)?;
                    }
                }
            }
        }
    }
    Ok(out_of_range)
}

fn request<'a>(cursors: impl Iterator<Item = &'a Cursor>, wait_ms: i32) -> FetchRequest {
    let partition = |cursor: &'a Cursor| {
        let asked = FetchPartition {
            partition: cursor.partition.1,
            fetch_offset: cursor.next,
            partition_max_bytes: PARTITION_BYTES,
            ..FetchPartition::default()
        };
        (cursor.partition.0.as_str(), asked)
    };
    let topic = |(name, partitions): (&str, Vec<FetchPartition>)| FetchTopic {
        topic: name.into(),
        partitions,
        ..FetchTopic::default()
    };
    FetchRequest {
        max_wait_ms: wait_ms,
        min_bytes: 1,
        max_bytes: FETCH_BYTES,
        topics: by_topic(cursors.map(partition)).into_iter().map(topic).collect(),
        ..FetchRequest::default()
    }
}

/// Where records go.
pub(super) struct Printer<'a> {
    /// The terminal.
    pub(super) out: &'a mut dyn Write,
    /// One object a line instead of the value.
    pub(super) json: bool,
    /// Records that may still be printed.
    pub(super) left: u64,
}

impl Printer<'_> {
    /// Prints what a fetch brought, as far as it is wanted, and moves the cursor behind it.
    fn print(&mut self, cursor: &mut Cursor, fetched: PartitionData) -> Result<(), ClientError> {
        let (topic, partition) = cursor.partition.clone();
        let damaged = |error: &dyn std::fmt::Display| ClientError::Damaged {
            topic: topic.clone(),
            partition,
            cause: error.to_string(),
        };
        let bytes = fetched.records.map(highwater_wire::Records::into_bytes).unwrap_or_default();
        for batch in batches(bytes) {
            let (header, batch) = batch.map_err(|error| damaged(&error))?;
            if !header.attributes.is_control() {
                let limit = default_output_limit(header.size());
                let mut records = Records::new(&batch, &header, limit).map_err(|error| damaged(&error))?;
                while let Some((record, _)) = records.next_record().map_err(|error| damaged(&error))? {
                    let offset = header.base_offset.0.saturating_add(i64::from(record.offset_delta));
                    if offset < cursor.next {
                        continue;
                    }
                    if self.left == 0 || cursor.end.is_some_and(|end| offset >= end) {
                        return Ok(());
                    }
                    self.record(&topic, partition, &header, &record)?;
                    cursor.next = offset.saturating_add(1);
                }
            }
            cursor.next = cursor.next.max(header.next_offset().0);
        }
        Ok(())
    }

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
