//! Comparing the index files of a log with its batches, for a survey. A start trusts the files below the recovery point
//! and makes the others anew, so that only those below it are looked at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::Disk;
use highwater_types::{Offset, Position, Timestamp};
use highwater_wal::{EntryHeader, LogPoint};

use crate::files;
use crate::index::{OFFSET_ENTRY_SIZE, TIME_ENTRY_SIZE};
use crate::segment::{INDEX, TIME_INDEX};

/// Room for the entries of the largest segment.
const INDEX_SIZE_MAX: u64 = 256 << 20;

/// Batches of the segment that is being surveyed, and what was found in the segments before it.
pub(crate) struct IndexCheck {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// Index files are complete below this place.
    indexed_to: LogPoint,
    base_offset: Offset,
    /// Last offset by position.
    positions: BTreeMap<u64, Offset>,
    /// Largest timestamp by last offset.
    timestamps: BTreeMap<Offset, Timestamp>,
    bad: Vec<(String, &'static str)>,
}

impl IndexCheck {
    pub(crate) fn new(disk: &Arc<dyn Disk>, directory: PathBuf, indexed_to: LogPoint) -> Self {
        Self {
            disk: Arc::clone(disk),
            directory,
            indexed_to,
            base_offset: Offset(i64::MIN),
            positions: BTreeMap::new(),
            timestamps: BTreeMap::new(),
            bad: Vec::new(),
        }
    }

    /// Takes in the next batch; at the first one of a segment the one before is checked.
    pub(crate) fn see(&mut self, segment: Offset, position: Position, header: &EntryHeader) {
        if segment != self.base_offset {
            self.check_segment();
            self.base_offset = segment;
        }
        if (LogPoint { offset: header.base_offset, segment, position }) >= self.indexed_to {
            return;
        }
        self.positions.insert(position.0, header.last_offset);
        self.timestamps.insert(header.last_offset, header.max_timestamp);
    }

    /// The names of index files that do not fit, and why.
    pub(crate) fn finish(mut self) -> Vec<(String, &'static str)> {
        self.check_segment();
        self.bad
    }

    fn check_segment(&mut self) {
        let (positions, timestamps) =
            (std::mem::take(&mut self.positions), std::mem::take(&mut self.timestamps));
        if positions.is_empty() {
            return;
        }
        let base = self.base_offset;
        let is_complete = base < self.indexed_to.segment;
        if let Some(bytes) = self.read(INDEX)
            && let Some(problem) = check_offsets(&bytes, base, &positions, is_complete)
        {
            self.bad.push((files::name(base, INDEX), problem));
        }
        if let Some(bytes) = self.read(TIME_INDEX)
            && let Some(problem) = check_times(&bytes, base, &timestamps, is_complete)
        {
            self.bad.push((files::name(base, TIME_INDEX), problem));
        }
    }

    fn read(&mut self, suffix: &str) -> Option<Vec<u8>> {
        let path = files::path(&self.directory, self.base_offset, suffix);
        match files::read(self.disk.as_ref(), &path, INDEX_SIZE_MAX) {
            Ok(bytes) => bytes,
            Err(_) => {
                self.bad.push((files::name(self.base_offset, suffix), "it cannot be read"));
                None
            }
        }
    }
}

/// Every entry must say where a batch stands and what its last offset is. Zeros are room that was not used; of a file
/// that is not complete, entries behind the known batches are not used.
fn check_offsets(
    bytes: &[u8],
    base: Offset,
    positions: &BTreeMap<u64, Offset>,
    is_complete: bool,
) -> Option<&'static str> {
    let (entries, rest) = bytes.as_chunks::<OFFSET_ENTRY_SIZE>();
    let end = positions.last_key_value().map(|(position, _)| *position);
    let fits = |entry: &[u8; OFFSET_ENTRY_SIZE]| {
        let (relative, position) = entry.split_first_chunk::<4>()?;
        let position = u64::from(u32::from_be_bytes(*position.first_chunk::<4>()?));
        let last = Offset(base.0.saturating_add(i64::from(u32::from_be_bytes(*relative))));
        let is_unused = *entry == [0; OFFSET_ENTRY_SIZE] || (!is_complete && Some(position) > end);
        Some(is_unused || positions.get(&position) == Some(&last))
    };
    let good = (rest.is_empty() || !is_complete) && entries.iter().all(|entry| fits(entry) == Some(true));
    (!good).then_some("an entry does not say where a batch stands")
}

/// Every entry must be a batch's largest timestamp. The largest of all may be missing: it is looked up before anything
/// rests on it.
fn check_times(
    bytes: &[u8],
    base: Offset,
    timestamps: &BTreeMap<Offset, Timestamp>,
    is_complete: bool,
) -> Option<&'static str> {
    let (entries, rest) = bytes.as_chunks::<TIME_ENTRY_SIZE>();
    let end = timestamps.last_key_value().map(|(last, _)| *last);
    for entry in entries.iter().filter(|entry| **entry != [0; TIME_ENTRY_SIZE]) {
        let (timestamp, relative) = entry.split_first_chunk::<8>()?;
        let relative = u32::from_be_bytes(*relative.first_chunk::<4>()?);
        let last = Offset(base.0.saturating_add(i64::from(relative)));
        if !is_complete && Some(last) > end {
            break;
        }
        if timestamps.get(&last) != Some(&Timestamp(i64::from_be_bytes(*timestamp))) {
            return Some("an entry is no batch's largest timestamp");
        }
    }
    (is_complete && !rest.is_empty()).then_some("it ends within an entry")
}
