//! Making true what scanning found, in this order: what is cut off is saved, durably; files are cut; segments that do
//! not continue the log are set aside; files that were cut are synced, the directory last. The others were synced before
//! they were scanned, the recovery point's too, even if it ends there: a recovery that was killed may have cut it, or set
//! aside what followed, and neither is durable because it is seen.

use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_types::Position;

use super::scan::{Scan, Start, Tail};
use super::{Cut, RecoverFrom};
use crate::names::{self, Place};
use crate::swap::{self, Swap};
use crate::{EntryError, LogPoint, Segment};

pub(super) struct Settlement<'a> {
    pub(super) place: &'a Arc<Place>,
    pub(super) from: &'a RecoverFrom,
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) start: Start,
    pub(super) scan: Scan,
}

/// The log as it is now.
pub(super) struct Settled {
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) end: LogPoint,
    pub(super) cut: Option<Cut>,
    /// Zeros were found where entries had been written, or reserved.
    pub(super) zeros: bool,
}

impl Settlement<'_> {
    /// Does it. Everything but the directory is durable afterwards.
    pub(super) fn run(mut self) -> Result<Settled, DiskError> {
        let mut cut = None;
        // Before ends are changed: also a file that is cut to what was synced is not to be synced again.
        let doubtful: Vec<bool> =
            self.segments.iter().map(|segment| self.from.is_doubtful(segment)).collect();
        let is_doubtful = |index: usize| doubtful.get(index).copied().unwrap_or(false);
        let zeros = self.scan.tails.iter().any(|tail| tail.reason.is_none());
        let tails = std::mem::take(&mut self.scan.tails);
        for tail in &tails {
            self.cut_tail(tail, is_doubtful(tail.index), &mut cut)?;
        }
        self.set_aside(&mut cut)?;
        for index in self.start.index.max(self.scan.obsolete)..self.segments.len() {
            let Some(segment) = self.segments.get(index).cloned() else { break };
            if is_doubtful(index) {
                let kept_as = self.copy_segment(&segment)?;
                if let Some(cut) = cut.as_mut().filter(|cut| cut.kept_as.is_empty()) {
                    cut.kept_as.push(kept_as);
                }
                let copied = Segment::new(self.place.clone(), segment.base_offset(), segment.end());
                self.segments.splice(index..=index, [Arc::new(copied)]);
            } else if tails.iter().any(|tail| tail.index == index) {
                let file = segment.writable_file()?;
                file.sync_data().map_err(DiskError::at(Operation::Sync, &segment.path()))?;
            }
            segment.release();
        }
        for segment in self.segments.drain(..self.scan.obsolete) {
            self.place.remove(&names::segment(segment.base_offset()))?;
        }
        Ok(Settled { segments: self.segments, end: self.scan.end, cut, zeros })
    }

    /// Cuts a segment to its good entries. Of a doubtful one the whole file is kept later, untouched.
    fn cut_tail(&self, tail: &Tail, doubtful: bool, cut: &mut Option<Cut>) -> Result<(), DiskError> {
        let Some(segment) = self.segments.get(tail.index) else { return Ok(()) };
        let length = segment.end();
        if let Some(reason) = tail.reason {
            let mut kept_as = Vec::new();
            if !doubtful {
                let file = segment.writable_file()?;
                let base = segment.base_offset();
                let name = swap::save_cut(self.place, base, file.as_ref(), (tail.position.0, length.0))?;
                kept_as.push(self.place.path(&name));
            }
            let bytes = length.0.saturating_sub(tail.position.0);
            add(cut, segment, tail.position, bytes, reason, kept_as);
            if let (Some(cut), Some((first, last))) = (cut, tail.offsets) {
                cut.first_offset = Some(cut.first_offset.map_or(first, |known| known.min(first)));
                cut.last_offset = Some(cut.last_offset.map_or(last, |known| known.max(last)));
            }
        }
        if !doubtful {
            let file = segment.writable_file()?;
            file.set_length(tail.position.0).map_err(DiskError::at(Operation::SetLength, &segment.path()))?;
        }
        segment.set_end(tail.position);
        Ok(())
    }

    /// Renames the segments that do not continue the log; empty ones are removed.
    fn set_aside(&mut self, cut: &mut Option<Cut>) -> Result<(), DiskError> {
        let Some((index, reason)) = self.scan.aside else { return Ok(()) };
        let aside = self.segments.split_off(index);
        for segment in &aside {
            let base = segment.base_offset();
            if segment.end() == Position::ZERO {
                self.place.remove(&names::segment(base))?;
                continue;
            }
            let name = self.place.free_name(&names::cut(base, Position::ZERO))?;
            let path = self.place.path(&name);
            self.place.rename(&segment.path(), &path)?;
            add(cut, segment, Position::ZERO, segment.end().0, reason, vec![path]);
            if let Some(cut) = cut {
                cut.first_offset = Some(cut.first_offset.map_or(base, |known| known.min(base)));
                cut.last_offset = Some(cut.last_offset.map_or(base, |known| known.max(base)));
            }
        }
        Ok(())
    }

    /// Puts a copy of a segment's good entries in its place. Returns where the old file is kept.
    fn copy_segment(&self, segment: &Segment) -> Result<PathBuf, DiskError> {
        let (base, path) = (segment.base_offset(), segment.path());
        let file = segment.file().map_err(DiskError::at(Operation::Open, &path))?;
        let cleaned = self.place.path(&names::cleaned(base));
        swap::copy(self.place, file.as_ref(), &path, (0, segment.end().0), &cleaned)?;
        let kept_as = self.place.free_name(&names::suspect(base))?;
        Swap { base, end: base.next(), suspect: true }.run(self.place, &[base])?;
        Ok(self.place.path(&kept_as))
    }
}

/// Adds bytes to what is reported as cut.
fn add(
    cut: &mut Option<Cut>,
    segment: &Segment,
    position: Position,
    bytes: u64,
    reason: EntryError,
    kept_as: Vec<PathBuf>,
) {
    let cut = cut.get_or_insert(Cut {
        segment: segment.base_offset(),
        position,
        bytes: 0,
        kept_as: Vec::new(),
        reason,
        first_offset: None,
        last_offset: None,
    });
    cut.bytes = cut.bytes.saturating_add(bytes);
    cut.kept_as.extend(kept_as);
}
