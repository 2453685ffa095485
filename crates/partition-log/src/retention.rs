//! Letting go of old records: by age, by size, by a raised log start. Kafka's `deleteOldSegments`: whole segments from
//! the oldest on, never above the high watermark; an expired active segment is rolled first.
//!
//! Removal has three steps, so that a running read is never disturbed and a crash loses nothing that should stay: the
//! segment leaves the list (here), the caller makes the new log start durable, then files are renamed and at last
//! unlinked ([`RemovedSegment`]).

use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError};
use highwater_types::{Offset, Timestamp};
use highwater_wal::Segment;

use crate::segment::{INDEX, TIME_INDEX, TXN_INDEX};
use crate::sums::SUM;
use crate::{OutOfRange, PartitionLog, files};

/// What the names of files being removed end with.
pub(crate) const DELETED: &str = ".deleted";
/// Suffix of segments.
pub(crate) const LOG: &str = "log";

/// A segment that has left the log; its files are still there.
#[derive(Debug)]
pub struct RemovedSegment {
    segment: Arc<Segment>,
    size: u64,
    disk: Arc<dyn Disk>,
    directory: Arc<Path>,
}

impl RemovedSegment {
    /// Offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.segment.base_offset()
    }

    /// Bytes that unlinking frees (indexes aside).
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives its files names that end with `.deleted`. To be called when the log start offset above it is durable.
    ///
    /// # Errors
    /// What the file system says; may be called again.
    pub fn rename(&self) -> Result<(), DiskError> {
        // A read that is planned and has not begun must find the file open when its name is gone.
        let _ = self.segment.file();
        self.each_file(files::rename)
    }

    /// Removes its files, renamed or not. Running reads keep what they hold.
    ///
    /// # Errors
    /// What the file system says; may be called again.
    pub fn unlink(&self) -> Result<(), DiskError> {
        self.each_file(|disk, from, to| {
            files::remove(disk, to)?;
            files::remove(disk, from).map(|_| ())
        })
    }

    fn each_file(
        &self,
        act: impl Fn(&dyn Disk, &Path, &Path) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        for suffix in [LOG, INDEX, TIME_INDEX, TXN_INDEX, SUM] {
            let from = files::path(&self.directory, self.base_offset(), suffix);
            let to = self.directory.join(format!("{}{DELETED}", files::name(self.base_offset(), suffix)));
            act(self.disk.as_ref(), &from, &to)?;
        }
        Ok(())
    }
}

impl PartitionLog {
    /// Takes segments out of the list that `retention.ms`, `retention.bytes` or the log start offset let go, oldest
    /// first, and raises the log start offset to the first one that stays. The caller makes that durable before it
    /// touches their files.
    pub fn retain(&mut self, now: Timestamp) -> Vec<RemovedSegment> {
        if self.failure.is_some() {
            return Vec::new();
        }
        let expired = self.expired_count(now);
        let count = self.covered_count(expired);
        if count < expired {
            self.flush_wanted = true;
        }
        if count == 0 {
            return Vec::new();
        }
        let next = self.wal.segments().get(count).map(|segment| segment.base_offset());
        if next.is_none() {
            self.wal.roll();
        }
        let before = next.unwrap_or_else(|| self.wal.written_end().offset);
        self.raise_log_start(before);
        // Not up to the log start, which may be higher: what no snapshot covers stays.
        let removed = self.wal.remove_before(before);
        let gone: Vec<Offset> = removed.iter().map(|segment| segment.base_offset()).collect();
        self.slots.retain(|slot| !gone.contains(&slot.index.base_offset()));
        let source = &self.source;
        let removed = removed.into_iter().map(|segment| RemovedSegment {
            size: segment.end().0,
            segment,
            disk: source.disk.clone(),
            directory: source.directory.clone(),
        });
        removed.collect()
    }

    /// How many segments, from the oldest on, may go.
    fn expired_count(&self, now: Timestamp) -> usize {
        let segments = self.wal.segments();
        let mut excess = match self.config.retention_bytes.filter(|_| self.config.delete) {
            Some(limit) => self.size().saturating_sub(limit),
            None => 0,
        };
        let mut count = 0;
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|next| next.base_offset());
            let end = next.unwrap_or_else(|| self.wal.staged_end().offset);
            let below_start = next.is_some_and(|next| next <= self.log_start_offset);
            let size = segment.end().0;
            let too_much = excess > 0 && excess >= size;
            if size == 0
                || end > self.high_watermark.offset
                || !(below_start || too_much || self.is_expired(segment, now))
            {
                break;
            }
            excess = excess.saturating_sub(size);
            count += 1;
        }
        count
    }

    /// How many of the first `count` segments lie below a snapshot that is below the recovery point. Of the others,
    /// batches are still needed to build the producers' state again after a crash.
    fn covered_count(&self, count: usize) -> usize {
        let point = self.recovery_point.offset;
        let Some(&covered) = self.snapshots.range(..=point).next_back() else { return 0 };
        let segments = self.wal.segments();
        let ends =
            segments.iter().skip(1).map(|next| next.base_offset()).chain([self.wal.staged_end().offset]);
        ends.take(count).take_while(|end| *end <= covered).count()
    }

    /// Whether the youngest record of a segment is older than `retention.ms`. A segment without timestamps stays: when
    /// it was written is not known.
    fn is_expired(&self, segment: &Segment, now: Timestamp) -> bool {
        let Some(retention_ms) = self.config.retention_ms.filter(|_| self.config.delete) else {
            return false;
        };
        let largest = self.slot(segment.base_offset()).and_then(|slot| slot.index.known_largest());
        largest.filter(|largest| largest.0 >= 0).is_some_and(|largest| {
            u64::try_from(now.0.saturating_sub(largest.0)).is_ok_and(|age_ms| age_ms > retention_ms)
        })
    }

    /// Raises the log start offset to `before`, never lowers it, and returns where it stands. Whole segments below it go
    /// with the next [`PartitionLog::retain`].
    ///
    /// # Errors
    /// `before` is above the high watermark.
    pub fn delete_records(&mut self, before: Offset) -> Result<Offset, OutOfRange> {
        if before > self.high_watermark.offset {
            return Err(OutOfRange {
                log_start_offset: self.log_start_offset,
                high_watermark: self.high_watermark.offset,
            });
        }
        self.raise_log_start(before);
        Ok(self.log_start_offset)
    }

    fn raise_log_start(&mut self, to: Offset) {
        if to > self.log_start_offset {
            self.log_start_offset = to;
            self.epochs_changed |= self.epochs.truncate_from_start(to);
            self.producers.on_log_start(to);
        }
    }
}
