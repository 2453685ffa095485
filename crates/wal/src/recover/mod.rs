//! From a directory to a log, after whatever happened to it. The one place that decides which bytes are good.
//!
//! - The rule of an entry: it stands where the one before ended, its base offset is the expected one (above it only
//!   where holes are allowed), it lies within the file, parses, verifies, and its leader epoch is not lower.
//! - What breaks the rule below the boundary is corruption: nothing is changed. Above it is a torn tail: it is saved,
//!   then cut.
//! - Nothing is returned as part of the log that is not durable: what a scan would read after the death of a process is
//!   the page cache, so everything is synced first and then read from the device.
//!
//! Not here: what the entries mean, and how good the recovery point is that the caller brings.

mod listing;
mod reader;
mod resume;
mod salvage;
mod scan;
mod settle;
mod survey;

use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, Operation};
use highwater_types::{Offset, Position};

use crate::names::Place;
use crate::{EntryError, EntryFormat, LogPoint, Segment, Wal, WalError, WalOptions};

use listing::Listing;
use scan::Scanner;
use settle::Settlement;

pub use salvage::Salvaged;
pub use survey::{Damage, SeeEntry, Survey, SurveyFrom};

/// From where a log is recovered, and what is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecoverFrom {
    /// Everything below is synced and good; scanning starts there. `None`: everything is scanned.
    pub recovery_point: Option<LogPoint>,
    /// The last known synced end: a bad entry below it is corruption, above it a torn tail. `None`: not known, so that
    /// nothing counts as corruption.
    pub boundary: Option<Offset>,
    /// Whether the log was closed cleanly: lengths are trusted, nothing is scanned or synced. Where the active file's
    /// length contradicts the recovery point, the stop was not clean.
    pub clean: bool,
    /// First offset that may be read. Segments wholly below it are removed.
    pub log_start_offset: Offset,
    /// Whether base offsets may skip (compacted or imported logs). In such a log the loss of unsynced entries at the end
    /// of one segment is not noticed where entries of the next one survived: that is reported as unproven.
    pub holes_allowed: bool,
    /// A sync failed with this synced end: bytes from here on are read from the device again and good entries are
    /// copied to a new file; the old file is kept as `<base>.log.suspect`.
    pub suspect: Option<LogPoint>,
}

/// What recovery found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryReport {
    /// End of the log: everything below is synced.
    pub end: LogPoint,
    /// Bytes of entries that were read and verified.
    pub scanned_bytes: u64,
    /// Entries that were read and verified.
    pub scanned_entries: u64,
    /// What was cut off the end.
    pub cut: Option<Cut>,
    /// Names of half-made or removed files that were removed, and of replacements that were finished.
    pub finished: Vec<String>,
    /// The tail was cut, or could not be proved to be all that was written.
    pub unproven: bool,
}

/// Bytes that were cut off a log. They are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Base offset of the segment in which the first of them stood.
    pub segment: Offset,
    /// Where they stood.
    pub position: Position,
    /// How many, later segments included.
    pub bytes: u64,
    /// The files that hold them now, in their order.
    pub kept_as: Vec<PathBuf>,
    /// Why they are not part of the log.
    pub reason: EntryError,
    /// Lowest offset of entries seen among them, not all of which can be seen; `None` when none was.
    pub first_offset: Option<Offset>,
    /// Highest offset of entries seen among them.
    pub last_offset: Option<Offset>,
}

impl RecoverFrom {
    /// Everything below this offset is known to have been synced; `None`: nothing is known.
    fn synced_below(&self) -> Option<Offset> {
        self.boundary.max(self.recovery_point.map(|point| point.offset))
    }

    /// Whether a failed sync may have lost bytes of this segment.
    fn is_doubtful(&self, segment: &Segment) -> bool {
        self.suspect.is_some_and(|suspect| {
            let base = segment.base_offset();
            base > suspect.segment || (base == suspect.segment && segment.end() > suspect.position)
        })
    }

    /// Whether a log whose first segment begins at `first` lacks segments before it. Without a recovery point nothing
    /// is known of the log's beginning either, and it is where the first segment begins.
    fn lacks_beginning(&self, first: Offset) -> bool {
        self.recovery_point.is_some() && !self.holes_allowed && first > self.log_start_offset
    }
}

impl Wal {
    /// Recovers a log from its directory: finishes or undoes what is half made, syncs everything beyond the recovery
    /// point, finds on the device the end of the good entries, and cuts what is behind it (kept as
    /// `<base>.cut-<position>`), durably. Only then it returns; waits for the disk. Segments whose files are not needed are not kept open.
    ///
    /// # Errors
    /// [`WalError::Corrupt`]: bytes below the boundary are not there or not good; no segment was changed.
    /// [`WalError::Disk`]: it may be tried again.
    pub fn recover(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        format: Arc<dyn EntryFormat>,
        options: WalOptions,
        from: RecoverFrom,
    ) -> Result<(Self, RecoveryReport), WalError> {
        let place = Arc::new(Place { disk, directory });
        let listing = Listing::read(&place, from.log_start_offset)?;
        let (segments, report) = if listing.segments.is_empty() {
            nothing_left(&place, &from, &listing)?
        } else if let Some(end) = clean_end(&listing, &from) {
            trust(&place, end, &listing)?
        } else {
            recover_segments(&place, format.as_ref(), &from, &listing)?
        };
        let wal = Self::assemble(place, format, options, segments, report.end);
        if let Some(active) = wal.segments.last() {
            // What was reserved behind its end before a crash is not known.
            active.set_reserved(!from.clean);
        }
        wal.segments.iter().for_each(|segment| segment.release_if_short());
        Ok((wal, report))
    }
}

type Recovered = (Vec<Arc<Segment>>, RecoveryReport);

/// The scan, and everything that follows from it.
fn recover_segments(
    place: &Arc<Place>,
    format: &dyn EntryFormat,
    from: &RecoverFrom,
    listing: &Listing,
) -> Result<Recovered, WalError> {
    if let Some(suspect) = from.suspect {
        forget_cached(&listing.segments, suspect)?;
    }
    let scanner = Scanner { format, from, segments: &listing.segments };
    let start = scanner.start()?;
    for segment in listing.segments.iter().skip(start.index).filter(|segment| !from.is_doubtful(segment)) {
        sync_and_forget(segment)?;
    }
    let scan = scanner.run(start)?;
    let (bytes, entries, gap) = (scan.bytes, scan.entries, scan.gap);
    let settlement = Settlement { place, from, segments: listing.segments.clone(), start, scan };
    let settled = settlement.run()?;
    let finished = listing.remove_useless(place)?;
    place.sync_directory()?;
    let unproven = settled.cut.is_some() || settled.zeros || gap || !start.trusted;
    let report = RecoveryReport {
        end: settled.end,
        scanned_bytes: bytes,
        scanned_entries: entries,
        cut: settled.cut,
        finished,
        unproven,
    };
    Ok((settled.segments, report))
}

/// Makes a segment's bytes durable and lets the next reads ask the device. A sync that failed in a process that died
/// before it could note so has left clean pages that the device does not have: the page cache alone proves nothing.
fn sync_and_forget(segment: &Segment) -> Result<(), DiskError> {
    let path = segment.path();
    let file = segment.writable_file()?;
    file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
    file.drop_cache().map_err(DiskError::at(Operation::Read, &path))?;
    let length = file.length().map_err(DiskError::at(Operation::Read, &path))?;
    segment.set_end(segment.end().min(Position(length)));
    Ok(())
}

/// Lets the next reads of doubtful segments ask the device.
fn forget_cached(segments: &[Arc<Segment>], suspect: LogPoint) -> Result<(), DiskError> {
    for segment in segments.iter().filter(|segment| segment.base_offset() >= suspect.segment) {
        let path = segment.path();
        let file = segment.file().map_err(DiskError::at(Operation::Open, &path))?;
        file.drop_cache().map_err(DiskError::at(Operation::Read, &path))?;
    }
    Ok(())
}

/// The log has no segment: it was never written, or all of it was removed.
fn nothing_left(place: &Place, from: &RecoverFrom, listing: &Listing) -> Result<Recovered, WalError> {
    if from.synced_below().is_some_and(|synced| synced > from.log_start_offset) {
        return Err(missing(place, from.log_start_offset));
    }
    let recovered = trust(place, LogPoint::start_of(from.log_start_offset), listing)?;
    if !from.clean {
        place.sync_directory()?;
    }
    Ok(recovered)
}

fn missing(place: &Place, offset: Offset) -> WalError {
    WalError::Corrupt {
        file: place.directory.clone(),
        position: Position::ZERO,
        offset_expected: offset,
        reason: EntryError::Malformed("the segment that holds this offset is missing"),
    }
}

/// The end of a log that was closed cleanly; `None` when it was not.
fn clean_end(listing: &Listing, from: &RecoverFrom) -> Option<LogPoint> {
    let last = listing.segments.last()?;
    let point = from.recovery_point.filter(|_| from.clean && from.suspect.is_none())?;
    let fits = point.segment == last.base_offset() && point.position == last.end();
    let synced = from.synced_below().is_none_or(|synced| synced <= point.offset);
    let begins = listing.segments.first().is_some_and(|first| !from.lacks_beginning(first.base_offset()));
    (fits && synced && begins && point.offset >= point.segment).then_some(point)
}

/// Takes the segments as they are.
fn trust(place: &Place, end: LogPoint, listing: &Listing) -> Result<Recovered, WalError> {
    let finished = listing.remove_useless(place)?;
    let report =
        RecoveryReport { end, scanned_bytes: 0, scanned_entries: 0, cut: None, finished, unproven: false };
    Ok((listing.segments.clone(), report))
}
