//! Batches into a partition's log, and out of it.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::RealDisk;
use highwater_partition_log::{
    Isolation, LogConfig, LogEnvironment, Origin, PartitionLog, ReadMode, ReadRequest, SyncPolicy,
};
use highwater_types::{Offset, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, Record};

use crate::Done;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Batches that a write takes to the file together.
const BATCHES_A_WRITE: usize = 16;
/// Batches in the log that is read, over and over.
const BATCHES_TO_READ: usize = 1000;
/// More than one answer takes of them.
const READ_BYTES_MAX: u64 = 64 << 10;

/// Appends a batch of one record `count` times: admission with its checksum, offsets, index, staging, a share of a write.
pub(crate) fn append(directory: &Path, batch_bytes: usize, count: usize) -> Done {
    let mut log = create(directory)?;
    let batch = batch_of(batch_bytes)?;
    fill(&mut log, &batch, count)
}

/// Reads `count` times from offsets all over a log: the plan, the index, hops to the batch.
pub(crate) fn read(directory: &Path, batch_bytes: usize, count: usize) -> Done {
    let mut log = create(directory)?;
    let batch = batch_of(batch_bytes)?;
    fill(&mut log, &batch, BATCHES_TO_READ)?;
    // A step without a common divisor visits every offset.
    for offset in (0..BATCHES_TO_READ).cycle().step_by(7).take(count) {
        let request = ReadRequest {
            offset: Offset(i64::try_from(offset)?),
            max_bytes: READ_BYTES_MAX,
            at_least_one_batch: true,
            isolation: Isolation::ReadUncommitted,
        };
        let outcome = log.read_plan(request).map_err(|error| error.to_string())?.run(ReadMode::Blocking)?;
        if black_box(outcome).size() < batch.len() as u64 {
            return Err("a read returned no batch".into());
        }
    }
    Ok(())
}

fn create(directory: &Path) -> Result<PartitionLog, Box<dyn std::error::Error>> {
    let environment = LogEnvironment {
        disk: Arc::new(RealDisk::default()),
        directory: directory.to_path_buf(),
        id: TopicIdPartition { topic_id: TopicId([5; 16]), partition: 0 },
        topic: "topic".into(),
    };
    let config = LogConfig { sync_policy: SyncPolicy::Never, ..LogConfig::default() };
    Ok(PartitionLog::create(environment, config)?)
}

/// A batch of one record that takes about so many bytes.
pub(crate) fn batch_of(bytes: usize) -> Result<Bytes, Box<dyn std::error::Error>> {
    let mut builder = BatchBuilder::new();
    let value = Some(vec![7; bytes.saturating_sub(75)].into());
    builder.push(&Record { timestamp: NOW, value, ..Record::default() });
    Ok(builder.build()?)
}

fn fill(log: &mut PartitionLog, batch: &Bytes, count: usize) -> Done {
    for appended in 1..=count {
        black_box(log.append(batch.clone(), Origin::Client, NOW))
            .map_err(|refusal| format!("{refusal:?}"))?;
        if appended.is_multiple_of(BATCHES_A_WRITE) || appended == count {
            let mut job = log.begin_write().ok_or("nothing is staged")?;
            let result = job.run();
            log.end_write(job, result)?;
        }
    }
    Ok(())
}
