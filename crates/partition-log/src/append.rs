//! The way of a batch into the log: admission, the producer's rules, offsets, staging, indexes. Memory only; nothing
//! is written here, and nothing may be answered before [`PartitionLog::acknowledged_end`] has passed the batch.

use bytes::Bytes;
use highwater_types::{Offset, Timestamp};
use highwater_wal::LogPoint;
use highwater_wire::record::{HEADER_SIZE, patch_position};

use crate::index::{IndexEntries, IndexedBatch, relative};
use crate::log::{ActiveAge, Slot};
use crate::segment::{SegmentIndex, Stored};
use crate::transactions::CompletedTransaction;
use crate::{
    Admission, AdmissionContext, AdmittedBatch, Appended, Check, Origin, PartitionLog, Refusal,
    TransactionVersion, admit,
};

impl PartitionLog {
    /// Checks one batch, gives it its offsets and stages it. For a batch that is there already the answer names the
    /// original's offsets and nothing is appended.
    ///
    /// # Errors
    /// Nothing was appended: the batch is refused, or the log is closed for writing ([`Refusal::Unavailable`]).
    pub fn append(&mut self, records: Bytes, origin: Origin, now: Timestamp) -> Result<Appended, Refusal> {
        if let Some(failure) = &self.failure {
            return Err(Refusal::Unavailable(failure.to_string()));
        }
        let context = AdmissionContext { config: &self.config, now };
        let (records, batch) = match admit(&records, origin, &context) {
            Admission::Keep(batch) => (records, batch),
            Admission::Rewrite(rewritten, batch) => (rewritten, batch),
            Admission::Refuse(refusal) => return Err(refusal),
        };
        let (base_offset, last_offset) = self.place(&batch, origin)?;
        match self.producers.check(&batch, base_offset, origin, TransactionVersion::Classic) {
            Check::Refuse(refusal) => return Err(refusal),
            // As Kafka, a duplicate is answered with the time of its original, whoever stamped it.
            Check::Duplicate { base_offset, last_offset, timestamp } => {
                let original = self.appended(timestamp, base_offset, last_offset);
                return Ok(Appended { duplicate: true, ..original });
            }
            Check::New => {}
        }
        self.stage(&records, &batch, origin, (base_offset, last_offset), now)?;
        Ok(self.appended(batch.log_append_time, base_offset, last_offset))
    }

    fn appended(&self, log_append_time: Timestamp, base_offset: Offset, last_offset: Offset) -> Appended {
        let log_start_offset = self.log_start_offset;
        Appended { base_offset, last_offset, log_append_time, log_start_offset, duplicate: false }
    }

    /// The offsets of a batch: behind the log's end, or its own when it is imported, which may leave a hole where holes
    /// are allowed.
    fn place(&self, batch: &AdmittedBatch, origin: Origin) -> Result<(Offset, Offset), Refusal> {
        let end = self.wal.staged_end().offset;
        let base_offset = if origin == Origin::Import { batch.header.base_offset } else { end };
        let last_offset = base_offset.checked_add(u64::from(batch.header.last_offset_delta));
        match last_offset {
            Some(last_offset)
                if (base_offset == end || self.holes && base_offset > end) && last_offset.0 < i64::MAX =>
            {
                Ok((base_offset, last_offset))
            }
            _ => Err(Refusal::InvalidRecord {
                message: format!("Batch at offset {base_offset} does not follow the log's end {end}"),
                records: Vec::new(),
            }),
        }
    }

    fn stage(
        &mut self,
        records: &Bytes,
        batch: &AdmittedBatch,
        origin: Origin,
        offsets: (Offset, Offset),
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(head) = records.first_chunk::<HEADER_SIZE>() else {
            return Err(Refusal::Corrupt("Batch is shorter than its header".into()));
        };
        let mut head = *head;
        let imported = origin == Origin::Import && batch.header.leader_epoch >= self.leader_epoch;
        let epoch = if imported { batch.header.leader_epoch } else { self.leader_epoch };
        patch_position(&mut head, offsets.0, epoch);
        if self.must_roll(batch, offsets.1, now) {
            self.wal.roll();
        }
        let placement = self
            .wal
            .stage(&head, records.slice(HEADER_SIZE..), offsets)
            .map_err(|error| Refusal::Unavailable(error.to_string()))?;
        if self.slots.last().is_none_or(|slot| slot.index.base_offset() != placement.segment) {
            self.begin_segment(placement.segment, batch, now);
        }
        if self.epochs.assign(epoch, offsets.0) {
            self.epochs_changed = true;
        }
        self.leader_epoch = epoch;
        self.age.first_timestamp.get_or_insert(batch.header.max_timestamp);
        let point = LogPoint { offset: offsets.0, segment: placement.segment, position: placement.position };
        self.index_batch(batch, point, offsets.1);
        self.apply(batch, point);
        Ok(())
    }

    /// Kafka's `LogSegment.shouldRoll`, without the size, which the write-ahead log watches itself.
    fn must_roll(&self, batch: &AdmittedBatch, last_offset: Offset, now: Timestamp) -> bool {
        let Some(active) = self.slots.last() else { return false };
        let full = active.index.if_loaded(|entries| entries.is_full(self.config.segment_index_bytes));
        let waited_ms = match self.age.first_timestamp.filter(|first| first.0 >= 0) {
            Some(first) => batch.header.max_timestamp.0.saturating_sub(first.0),
            None => now.0.saturating_sub(self.age.created.0),
        };
        let base_offset = active.index.base_offset();
        let limit_ms = i64::try_from(self.roll_after_ms(base_offset)).unwrap_or(i64::MAX);
        full != Some(false) || waited_ms > limit_ms || relative(last_offset, base_offset).is_none()
    }

    /// `segment.ms` less the jitter, which differs between segments and is always the same for one.
    fn roll_after_ms(&self, base_offset: Offset) -> u64 {
        let jitter_max = self.config.segment_jitter_ms.min(self.config.segment_ms);
        let partition = u64::from(self.environment.id.partition.unsigned_abs());
        let mixed = (base_offset.0.unsigned_abs() ^ (partition << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let jitter = (mixed >> 16).checked_rem(jitter_max).unwrap_or(0);
        self.config.segment_ms - jitter
    }

    /// A new active segment: the one before it gets no more batches.
    fn begin_segment(&mut self, base_offset: Offset, batch: &AdmittedBatch, now: Timestamp) {
        if let Some(sealed) = self.slots.last() {
            sealed.index.finish();
        }
        let index = SegmentIndex::loaded(IndexEntries::new(base_offset), base_offset);
        self.slots.push(Slot { index: index.into(), stored: Stored::default(), aborted_changed: false });
        self.age = ActiveAge { first_timestamp: Some(batch.header.max_timestamp), created: now };
    }

    fn index_batch(&self, batch: &AdmittedBatch, point: LogPoint, last_offset: Offset) {
        if let Some(active) = self.slots.last() {
            let indexed = IndexedBatch {
                position: point.position,
                last_offset,
                max_timestamp: batch.header.max_timestamp,
                size: batch.header.size(),
            };
            active.index.add(indexed, self.config.index_interval_bytes);
        }
    }

    /// Takes a batch that has its place into the producers' state and the transactions.
    pub(crate) fn apply(&mut self, batch: &AdmittedBatch, point: LogPoint) {
        let header = &batch.header;
        if !header.has_producer_id() {
            return;
        }
        self.max_producer_id = self.max_producer_id.max(header.producer_id);
        let opens = header.attributes.is_transactional() && !header.attributes.is_control();
        if let Some(completed) = self.producers.apply(batch, point.offset) {
            self.complete(completed, point);
        } else if opens
            && self.producers.get(header.producer_id).and_then(|entry| entry.transaction_start)
                == Some(point.offset)
        {
            self.unstable.insert(point.offset, point);
        }
    }

    fn complete(&mut self, completed: CompletedTransaction, marker: LogPoint) {
        if !completed.aborted {
            return;
        }
        let slot = self.slots.iter_mut().rfind(|slot| slot.index.base_offset() == marker.segment);
        if let Some(slot) = slot {
            slot.index.add_aborted(completed.into());
            slot.aborted_changed = true;
        }
    }
}
