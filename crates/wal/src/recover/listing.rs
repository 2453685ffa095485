//! What is in a log's directory. Replacements that were decided are finished here.

use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_types::{Offset, Position};

use crate::Segment;
use crate::names::{self, Meaning, Place};
use crate::swap::Swap;

/// The files of a log, after replacements were finished.
#[derive(Debug)]
pub(super) struct Listing {
    /// Ascending; the end of each is the length of its file.
    pub(super) segments: Vec<Arc<Segment>>,
    /// Segments wholly below the log's start.
    pub(super) obsolete: Vec<Arc<Segment>>,
    /// Names of half-made and removed files.
    pub(super) leftovers: Vec<String>,
    /// Names of replacements that were finished.
    pub(super) finished: Vec<String>,
}

impl Listing {
    pub(super) fn read(place: &Arc<Place>, log_start_offset: Offset) -> Result<Self, DiskError> {
        let mut names = place.list()?;
        let finished = finish_swaps(place, &names)?;
        if !finished.is_empty() {
            names = place.list()?;
        }
        let mut listing =
            Self { segments: Vec::new(), obsolete: Vec::new(), leftovers: Vec::new(), finished };
        for base in bases(&names) {
            listing.segments.push(Arc::new(open(place, base)?));
        }
        listing.leftovers =
            names.into_iter().filter(|name| names::meaning(name) == Meaning::Leftover).collect();
        let next_bases = listing.segments.iter().skip(1).map(|next| next.base_offset());
        let count = next_bases.take_while(|next| *next <= log_start_offset).count();
        listing.obsolete = listing.segments.drain(..count).collect();
        Ok(listing)
    }

    /// Removes what is of no use any more. Their names are reported; a crash may bring them back, to be removed again.
    pub(super) fn remove_useless(&self, place: &Place) -> Result<Vec<String>, DiskError> {
        let mut removed = self.finished.clone();
        let obsolete = self.obsolete.iter().map(|segment| names::segment(segment.base_offset()));
        for name in self.leftovers.iter().cloned().chain(obsolete) {
            if place.remove(&name)? {
                removed.push(name);
            }
        }
        Ok(removed)
    }
}

fn finish_swaps(place: &Place, names: &[String]) -> Result<Vec<String>, DiskError> {
    let mut finished = Vec::new();
    for name in names {
        if let Meaning::Swap { base, end, suspect } = names::meaning(name) {
            // After the death of a process the name may not be durable yet; nothing may go before it is.
            place.sync_directory()?;
            let old: Vec<Offset> = bases(names).collect();
            Swap { base, end, suspect }.finish(place, &old)?;
            finished.push(name.clone());
        }
    }
    Ok(finished)
}

/// Base offsets of the segments among sorted names, ascending.
pub(super) fn bases(names: &[String]) -> impl Iterator<Item = Offset> {
    names.iter().filter_map(|name| match names::meaning(name) {
        Meaning::Segment(base) => Some(base),
        _ => None,
    })
}

/// A segment that ends where its file does. The file is not kept open.
pub(super) fn open(place: &Arc<Place>, base: Offset) -> Result<Segment, DiskError> {
    let segment = Segment::new(place.clone(), base, Position::ZERO);
    let path = segment.path();
    let file = segment.file().map_err(DiskError::at(Operation::Open, &path))?;
    let length = file.length().map_err(DiskError::at(Operation::Read, &path))?;
    drop(file);
    segment.set_end(Position(length));
    segment.release();
    Ok(segment)
}
