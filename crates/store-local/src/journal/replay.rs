//! Putting what the journal holds into the segments, where a power loss may have left something older.
//!
//! A piece is written at its position of its segment, and the segment is synced. Segments that are gone were deleted, and
//! so were partitions that nobody knows. Pieces of a partition that cannot be written stay, in a file of their own, and
//! keep that partition offline; a journal that cannot be read keeps the start from going on.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{Offset, TopicIdPartition};
use highwater_wal::LogPoint;

use super::files::{self as journal_files, NAMES};
use super::frame::{self, BLOCK, Frame, HEADER_SIZE};
use crate::files::read_full;
use crate::{files, layout, threads};

/// What could not be put in its place.
const KEPT: &str = "journal-kept";

/// What a replay came to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Everything below is durable in the segments.
    pub(crate) ends: HashMap<TopicIdPartition, LogPoint>,
    /// Partitions whose pieces could not be written, and why.
    pub(crate) failed: HashMap<TopicIdPartition, String>,
}

/// A piece, and where its bytes stand.
#[derive(Clone)]
struct Piece {
    source: Arc<dyn File>,
    at: u64,
    frame: Frame,
}

/// The pieces of each partition's segments, in their order.
type Pieces = BTreeMap<TopicIdPartition, BTreeMap<Offset, Vec<Piece>>>;

/// Puts everything in its place and removes the journal. `name_of` says which directory a partition has; `None`: it was
/// deleted. `note` is given how far each log reaches, and makes it durable before the journal goes, which alone tells of it: a log that
/// is damaged below its end would else be found out by this start, and be shorter at the next. Waits for the disk, on so many threads.
///
/// # Errors
/// The journal cannot be read or removed, or what is to be kept of it not be written: nothing was lost by trying.
pub(crate) fn replay(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    name_of: impl Fn(TopicIdPartition) -> Option<String>,
    note: impl FnOnce(&HashMap<TopicIdPartition, LogPoint>) -> io::Result<()>,
    threads: usize,
) -> Result<Replayed, DiskError> {
    let Some(pieces) = read(disk.as_ref(), directory)? else { return Ok(Replayed::default()) };
    let known: Vec<_> = pieces.iter().filter_map(|(id, of)| Some((*id, name_of(*id)?, of))).collect();
    let replayed = Mutex::new(Replayed::default());
    threads::for_each(&known, threads, |(id, name, segments)| {
        let result = put(disk.as_ref(), &directory.join(name), *id, segments);
        let mut replayed = replayed.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(end) => replayed.ends.extend(end.map(|end| (*id, end))),
            Err(error) => drop(replayed.failed.insert(*id, error.to_string())),
        }
    });
    let replayed = replayed.into_inner().unwrap_or_else(PoisonError::into_inner);
    keep(disk.as_ref(), directory, &pieces, &replayed)?;
    if let Err(error) = note(&replayed.ends) {
        tracing::warn!(%error, "how far the journal reached was not noted");
    }
    journal_files::remove(disk.as_ref(), directory)?;
    files::sync_directory(disk.as_ref(), directory)?;
    Ok(replayed)
}

/// Puts the pieces of one partition in their places; the journal stays.
pub(super) fn replay_one(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    id: TopicIdPartition,
    name: &str,
) -> Result<(), DiskError> {
    let pieces = read(disk.as_ref(), directory)?.unwrap_or_default();
    pieces.get(&id).map_or(Ok(()), |of| put(disk.as_ref(), &directory.join(name), id, of).map(drop))
}

/// Whether there is a journal with something in it.
pub(crate) fn holds_something(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    Ok(read(disk, directory)?.is_some_and(|pieces| !pieces.is_empty()))
}

/// Everything that the journal holds; `None` when there is none.
fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Pieces>, DiskError> {
    let mut sources = Vec::new();
    for (index, name) in [KEPT].into_iter().chain(NAMES).enumerate() {
        let path = directory.join(name);
        let file = match disk.open(&path, OpenMode::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(DiskError::at(Operation::Open, &path))?,
        };
        let (first, found) = read_file(&file).map_err(DiskError::at(Operation::Read, &path))?;
        // What was kept is older than anything else.
        sources.push(((index > 0, first), found));
    }
    if sources.is_empty() {
        return Ok(None);
    }
    sources.sort_by_key(|(order, _)| *order);
    let mut pieces = Pieces::new();
    for piece in sources.into_iter().flat_map(|(_, found)| found) {
        let segments = pieces.entry(piece.frame.id).or_default();
        segments.entry(piece.frame.end.segment).or_default().push(piece);
    }
    Ok(Some(pieces))
}

/// The sequence of a file's first batch, and the pieces of all that follow each other from there.
fn read_file(file: &Arc<dyn File>) -> io::Result<(u64, Vec<Piece>)> {
    let (mut position, mut first, mut expected) = (0, 0, None);
    let mut pieces = Vec::new();
    let mut frames = Vec::new();
    loop {
        let mut header = [0; HEADER_SIZE];
        let whole = read_full(file.as_ref(), &mut header, position)? == HEADER_SIZE;
        let Some((sequence, size)) = frame::parse_header(&header).filter(|_| whole) else { break };
        if expected.is_some_and(|expected| expected != sequence) {
            break;
        }
        let begin = position + HEADER_SIZE as u64;
        // At most a batch: its size was checked with the header.
        frames.resize(size, 0);
        if read_full(file.as_ref(), &mut frames, begin)? < size || !frame::verifies(&header, &frames) {
            break;
        }
        frame::visit(&frames, |frame, at| {
            pieces.push(Piece { source: Arc::clone(file), at: begin + at as u64, frame });
        });
        if expected.is_none() {
            first = sequence;
        }
        expected = Some(sequence.wrapping_add(1));
        position = (begin + size as u64).next_multiple_of(BLOCK);
    }
    Ok((first, pieces))
}

/// Writes a partition's pieces and syncs its segments. Returns the end of the last one.
fn put(
    disk: &dyn Disk,
    directory: &Path,
    id: TopicIdPartition,
    segments: &BTreeMap<Offset, Vec<Piece>>,
) -> Result<Option<LogPoint>, DiskError> {
    match layout::owner(disk, directory)? {
        Some(owner) if owner == id.topic_id => {}
        None if is_there(disk, directory) => {
            // Whose it is must be settled first.
            let path = directory.join(layout::METADATA);
            return Err(DiskError::at(Operation::Read, &path)(io::ErrorKind::InvalidData.into()));
        }
        _ => return Ok(None),
    }
    let mut end = None;
    for (base, pieces) in segments {
        let path = directory.join(format!("{:020}.log", base.0));
        let file = match disk.open(&path, OpenMode::ReadWrite) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(DiskError::at(Operation::Open, &path))?,
        };
        end = put_pieces(file.as_ref(), &path, pieces)?.or(end);
        file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
    }
    Ok(end)
}

fn is_there(disk: &dyn Disk, directory: &Path) -> bool {
    !matches!(disk.list(directory), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn put_pieces(file: &dyn File, path: &Path, pieces: &[Piece]) -> Result<Option<LogPoint>, DiskError> {
    let mut length = file.length().map_err(DiskError::at(Operation::Read, path))?;
    let (mut bytes, mut end) = (Vec::new(), None);
    for piece in pieces {
        let position = piece.frame.position().filter(|position| position.0 <= length);
        let Some(position) = position else {
            // A copy of a directory in use may be so: the segment was copied before the journal.
            tracing::warn!(path = %path.display(), length, end = piece.frame.end.position.0, "a segment ends before what the journal continues");
            break;
        };
        read_piece(piece, &mut bytes)?;
        write_all_at(file, &mut [IoSlice::new(&bytes)], position.0)
            .map_err(DiskError::at(Operation::Write, path))?;
        length = length.max(piece.frame.end.position.0);
        end = Some(piece.frame.end);
    }
    Ok(end)
}

fn read_piece(piece: &Piece, bytes: &mut Vec<u8>) -> Result<(), DiskError> {
    let path = piece.source.path();
    bytes.resize(piece.frame.size as usize, 0);
    let count =
        read_full(piece.source.as_ref(), bytes, piece.at).map_err(DiskError::at(Operation::Read, path))?;
    if count < bytes.len() {
        return Err(DiskError::at(Operation::Read, path)(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// Keeps the pieces of partitions that failed, durably but for the name; removes what was kept before otherwise.
fn keep(disk: &dyn Disk, directory: &Path, pieces: &Pieces, replayed: &Replayed) -> Result<(), DiskError> {
    if replayed.failed.is_empty() {
        files::remove_if_there(disk, &directory.join(KEPT))?;
        return Ok(());
    }
    let (mut file, mut sequence, mut bytes) = (Vec::new(), 0, Vec::new());
    let failed = pieces.iter().filter(|(id, _)| replayed.failed.contains_key(*id));
    for piece in failed.flat_map(|(_, segments)| segments.values().flatten()) {
        let mut frames = Vec::new();
        read_piece(piece, &mut bytes)?;
        frame::push(&mut frames, &piece.frame, std::iter::once(bytes.as_slice()));
        sequence += 1;
        file.extend(frame::header(sequence, &frames));
        file.append(&mut frames);
        file.resize(file.len().next_multiple_of(usize::try_from(BLOCK).unwrap_or(1)), 0);
    }
    files::replace(disk, directory, KEPT, &file)
}
