//! Sealed segments, to be checked by somebody who does not hold the log's lock.

use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, File};
use highwater_types::Offset;
use highwater_wal::Segment;

use crate::check::SegmentShape;
use crate::{PartitionLog, SegmentSums};

/// A segment that gets no more batches and is wholly on stable storage.
#[derive(Debug, Clone)]
pub struct SealedSegment {
    segment: Arc<Segment>,
    shape: SegmentShape,
    disk: Arc<dyn Disk>,
    directory: Arc<Path>,
}

impl PartitionLog {
    /// The sealed segments, ascending. Those with bytes that are not known to be synced are left out, and those wholly below
    /// the log's start: nobody reads them, and a crash may have taken the one behind.
    pub fn sealed_segments(&self) -> Vec<SealedSegment> {
        let segments = self.wal.segments();
        let synced = self.wal.synced_end().offset;
        let sealed = segments.iter().zip(segments.iter().skip(1).map(|next| next.base_offset()));
        sealed
            .take_while(|(_, next)| *next <= synced && self.suspect.is_none())
            .filter(|(_, next)| *next > self.log_start_offset)
            .map(|(segment, next_offset)| SealedSegment {
                shape: SegmentShape {
                    base_offset: segment.base_offset(),
                    next_offset,
                    size: segment.end().0,
                    holes: self.holes,
                },
                segment: Arc::clone(segment),
                disk: Arc::clone(&self.source.disk),
                directory: Arc::clone(&self.source.directory),
            })
            .collect()
    }
}

impl SealedSegment {
    /// Offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.shape.base_offset
    }

    /// What it must be like.
    pub fn shape(&self) -> SegmentShape {
        self.shape
    }

    /// Where its file is.
    pub fn path(&self) -> std::path::PathBuf {
        self.segment.path()
    }

    /// Opens its file past the cache.
    ///
    /// # Errors
    /// What opening says; `NotFound` when it was removed meanwhile.
    pub fn open(&self) -> std::io::Result<Arc<dyn File>> {
        self.disk.open_device(&self.segment.path())
    }

    /// Whether it is one of these.
    pub fn is_among(&self, segments: &[Arc<Segment>]) -> bool {
        segments.iter().any(|segment| Arc::ptr_eq(segment, &self.segment))
    }

    /// What it was when it was last found good; `None` when that is not known.
    ///
    /// # Errors
    /// What the file system says.
    pub fn sums(&self) -> Result<Option<SegmentSums>, highwater_disk::DiskError> {
        let known = SegmentSums::load(self.disk.as_ref(), &self.directory, self.shape.base_offset)?;
        Ok(known.filter(|known| known.size == self.shape.size))
    }

    /// Keeps what it is now.
    ///
    /// # Errors
    /// What the file system says.
    pub fn keep_sums(&self, sums: &SegmentSums) -> Result<(), highwater_disk::DiskError> {
        sums.save(self.disk.as_ref(), &self.directory, self.shape.base_offset)
    }

    /// Removes what was kept, since the segment is no longer part of the log.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget_sums(&self) -> Result<(), highwater_disk::DiskError> {
        SegmentSums::remove(self.disk.as_ref(), &self.directory, self.shape.base_offset)
    }
}
