//! Taking damaged bytes out of a log so that it can be recovered and served again, with holes where they were. Nothing is
//! removed: a segment with damage is kept whole as `<base>.log.suspect`, and a copy of its good entries takes its place.
//! Offsets that were given out are not given out again: where the end of the log is lost, it goes on behind it, and an
//! entry of the caller's leads readers over the hole.
//!
//! The caller has allowed holes, durably, before. What a crash leaves is surveyed and salvaged again.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, OpenMode, Operation, write_all_at};
use highwater_types::Offset;

use super::listing::Listing;
use super::survey::{Part, Survey};
use crate::names::{self, Place};
use crate::swap::{self, Swap};
use crate::{LogPoint, Wal};

/// What [`Wal::salvage`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Base offset of each segment that was replaced or taken out, and where the old file is kept.
    pub kept: Vec<(Offset, PathBuf)>,
    /// The first place of the log.
    pub start: LogPoint,
}

impl Wal {
    /// Finishes replacements that are half made, so that a log can be surveyed. Waits for the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish_replacements(disk: Arc<dyn Disk>, directory: PathBuf) -> Result<(), DiskError> {
        Listing::read(&Arc::new(Place { disk, directory }), Offset(i64::MIN)).map(drop)
    }

    /// Takes out what a survey found damaged. `bridge` is a whole entry that covers [`Survey::lost_end`]: without it
    /// readers find nothing behind the last good entry, and never come to the end. Everything is durable when it returns.
    ///
    /// # Errors
    /// What the file system says. What is half done is finished by surveying and salvaging again.
    pub fn salvage(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        survey: &Survey,
        bridge: Option<&[u8]>,
    ) -> Result<Salvaged, DiskError> {
        let place = Place { disk, directory };
        let mut kept = Vec::new();
        let mut bases = Vec::new();
        // Before anything goes: the end must not fall behind what was given out.
        if let Some(end) = survey.resume_at {
            begin_segment(&place, end)?;
        }
        for part in &survey.parts {
            let base = part.segment.base_offset();
            let empty_inside = survey.resume_at.is_some() && part.kept.is_empty();
            if part.damaged || empty_inside {
                kept.push((base, replace(&place, part)?));
            }
            if !part.kept.is_empty() {
                bases.push(base);
            }
        }
        place.sync_directory()?;
        if let Some(((base, _), entry)) = survey.lost_end.zip(bridge) {
            // Last: a damaged segment may have had its name.
            kept.extend(make_way(&place, base)?.map(|path| (base, path)));
            write_segment(&place, base, entry)?;
            bases.push(base);
        }
        bases.extend(survey.resume_at);
        let start = LogPoint::start_of(bases.first().copied().unwrap_or(survey.start));
        Ok(Salvaged { kept, start })
    }
}

/// Puts the good entries of a segment in its place. Returns where the old file is kept.
fn replace(place: &Place, part: &Part) -> Result<PathBuf, DiskError> {
    let base = part.segment.base_offset();
    let kept_as = place.path(&place.free_name(&names::suspect(base))?);
    let path = place.segment_path(base);
    if part.kept.is_empty() {
        place.rename(&path, &kept_as)?;
        place.sync_directory()?;
        return Ok(kept_as);
    }
    let file = part.segment.file().map_err(DiskError::at(Operation::Open, &path))?;
    swap::copy_ranges(place, file.as_ref(), &path, &part.kept, &place.path(&names::cleaned(base)))?;
    Swap { base, end: base.next(), suspect: true }.run(place, &[base])?;
    Ok(kept_as)
}

/// Keeps what stands in the place of a segment and is none, a directory. Returns where.
fn make_way(place: &Place, base: Offset) -> Result<Option<PathBuf>, DiskError> {
    let listed = place.disk.list(&place.directory);
    let listed = listed.map_err(DiskError::at(Operation::List, &place.directory))?;
    if listed.iter().all(|entry| entry.name != names::segment(base)) {
        return Ok(None);
    }
    let kept_as = place.path(&place.free_name(&names::suspect(base))?);
    place.rename(&place.segment_path(base), &kept_as)?;
    Ok(Some(kept_as))
}

/// Makes a segment of one entry, durably.
fn write_segment(place: &Place, base: Offset, entry: &[u8]) -> Result<(), DiskError> {
    let cleaned = place.path(&names::cleaned(base));
    let file = place.disk.open(&cleaned, OpenMode::CreateOrOpen);
    let file = file.map_err(DiskError::at(Operation::Open, &cleaned))?;
    file.set_length(0).map_err(DiskError::at(Operation::SetLength, &cleaned))?;
    write_all_at(file.as_ref(), &mut [IoSlice::new(entry)], 0)
        .map_err(DiskError::at(Operation::Write, &cleaned))?;
    file.sync_data().map_err(DiskError::at(Operation::Sync, &cleaned))?;
    place.rename(&cleaned, &place.segment_path(base))?;
    place.sync_directory()
}

/// Makes an empty segment, durably.
fn begin_segment(place: &Place, base: Offset) -> Result<(), DiskError> {
    let path = place.segment_path(base);
    place.disk.open(&path, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, &path))?;
    place.sync_directory()
}
