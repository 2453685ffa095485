//! Putting what the journal holds into the segments, where a power loss may have left something older.
//!
//! A piece is written at its position of its segment, and the segment is synced. Segments that are gone were deleted, and
//! so were partitions that nobody knows. Pieces of a partition that cannot be written stay, in a file of their own, and
//! keep that partition offline; a journal that cannot be read, is damaged or is missing keeps the start from going on.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{Offset, Timestamp, TopicIdPartition};
use highwater_wal::LogPoint;

use super::file::{self as journal_file, NAME};
use super::format::{self, BLOCK_SIZE, HEAD_BLOCKS, Head};
use super::reading::{self, Piece};
use crate::files::read_full;
use crate::synced_ends::{SyncedEnd, SyncedEnds, ToldJournal};
use crate::{files, layout, threads};

/// What could not be put in its place.
pub(crate) const KEPT: &str = "journal-kept";
/// Sets kept files apart from journals; nothing of a client's is behind their end.
const KEPT_MARK: u64 = 0;

/// What a replay came to.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Everything below is durable in the segments.
    pub(crate) ends: HashMap<TopicIdPartition, LogPoint>,
    /// Partitions whose pieces could not be written, and why.
    pub(crate) failed: HashMap<TopicIdPartition, String>,
}

/// The pieces of each partition's segments, in their order.
type Pieces = BTreeMap<TopicIdPartition, BTreeMap<Offset, Vec<Piece>>>;

/// What is known of the ends of logs, and of the journal.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) ends: &'a SyncedEnds,
    /// What `ends` says.
    pub(crate) slots: &'a HashMap<TopicIdPartition, SyncedEnd>,
    pub(crate) journal: ToldJournal,
}

/// Puts everything in its place and removes the journal. `name_of` says which directory a partition has; `None`: it was
/// deleted. How far each log reaches is noted, durably, before the journal goes, which alone tells of it: a log that is damaged
/// below its end would else be found out by this start, and be shorter at the next. Waits for the disk, on so many threads.
///
/// # Errors
/// The journal is missing, damaged, cannot be read or removed, or what is to be kept of it not be written: nothing was lost by
/// trying.
pub(crate) fn replay(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    name_of: impl Fn(TopicIdPartition) -> Option<String>,
    known: Known<'_>,
    threads: usize,
) -> Result<Replayed, DiskError> {
    let pieces = read(disk.as_ref(), directory, known.journal)?;
    let replayed = match &pieces {
        Some(pieces) => put_all(disk, directory, pieces, name_of, threads)?,
        None => Replayed::default(),
    };
    if let Err(error) = known.ends.raise(known.slots, &replayed.ends) {
        tracing::warn!(%error, "how far the journal reached was not noted");
    }
    let forget = || known.ends.note_journal(disk.as_ref(), directory, None);
    let remove = || match pieces {
        Some(_) => {
            journal_file::remove(disk.as_ref(), directory)?;
            files::sync_directory(disk.as_ref(), directory)
        }
        None => Ok(()),
    };
    // That it must be there is told no longer than it is; that it was copied, and may be damaged, no shorter.
    match known.journal {
        ToldJournal::Copied => remove().and_then(|()| forget())?,
        ToldJournal::There(_) | ToldJournal::Nothing => forget().and_then(|()| remove())?,
    }
    Ok(replayed)
}

/// Puts what can be read of a damaged journal in its place, and says how far each log is durable then. The files stay as they are.
///
/// # Errors
/// The disk says no, or a piece cannot be put in its place.
pub(crate) fn salvage(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    name_of: impl Fn(TopicIdPartition) -> Option<String>,
) -> Result<HashMap<TopicIdPartition, LogPoint>, DiskError> {
    let mut pieces = Vec::new();
    for name in [KEPT, NAME] {
        let path = directory.join(name);
        let read = files::open_if_there(disk.as_ref(), &path)
            .and_then(|file| file.map_or(Ok(Vec::new()), |file| salvage_file(&file)));
        match read {
            Err(error) if error.source.kind() == io::ErrorKind::IsADirectory => {}
            read => pieces.extend(read?),
        }
    }
    let mut ends = HashMap::new();
    for (id, segments) in sorted(pieces) {
        if let Some(name) = name_of(id) {
            let end = put(disk.as_ref(), &directory.join(name), id, &segments)?;
            ends.extend(end.map(|end| (id, end)));
        }
    }
    Ok(ends)
}

fn salvage_file(file: &Arc<dyn File>) -> Result<Vec<Piece>, DiskError> {
    reading::salvage(file).map_err(DiskError::at(Operation::Read, file.path()))
}

fn put_all(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    pieces: &Pieces,
    name_of: impl Fn(TopicIdPartition) -> Option<String>,
    threads: usize,
) -> Result<Replayed, DiskError> {
    let named: Vec<_> = pieces.iter().filter_map(|(id, of)| Some((*id, name_of(*id)?, of))).collect();
    let replayed = Mutex::new(Replayed::default());
    threads::for_each(&named, threads, |(id, name, segments)| {
        let result = put(disk.as_ref(), &directory.join(name), *id, segments);
        let mut replayed = replayed.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(end) => replayed.ends.extend(end.map(|end| (*id, end))),
            Err(error) => drop(replayed.failed.insert(*id, error.to_string())),
        }
    });
    let replayed = replayed.into_inner().unwrap_or_else(PoisonError::into_inner);
    keep(disk.as_ref(), directory, pieces, &replayed)?;
    Ok(replayed)
}

/// Puts the pieces of one partition in their places; the journal stays.
pub(super) fn replay_one(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    id: TopicIdPartition,
    name: &str,
) -> Result<(), DiskError> {
    let pieces = read(disk.as_ref(), directory, ToldJournal::Nothing)?.unwrap_or_default();
    pieces.get(&id).map_or(Ok(()), |of| put(disk.as_ref(), &directory.join(name), id, of).map(drop))
}

/// Whether there is a journal with something in it.
///
/// # Errors
/// As [`replay`].
pub(crate) fn holds_something(
    disk: &dyn Disk,
    directory: &Path,
    told: ToldJournal,
) -> Result<bool, DiskError> {
    Ok(read(disk, directory, told)?.is_some_and(|pieces| !pieces.is_empty()))
}

/// Everything that the journal holds; `None` when there is none.
fn read(disk: &dyn Disk, directory: &Path, told: ToldJournal) -> Result<Option<Pieces>, DiskError> {
    let path = directory.join(NAME);
    let (file, kept) =
        (files::open_if_there(disk, &path)?, files::open_if_there(disk, &directory.join(KEPT))?);
    if let ToldJournal::There(at_least) = told {
        let made = file.as_ref().map(|file| reading::made(file.as_ref()));
        let made = made.transpose().map_err(DiskError::at(Operation::Read, &path))?;
        // One whose header cannot be read is damaged.
        if made.is_none_or(|made| made.is_some_and(|made| made < at_least)) {
            let missing = reading::damaged("the journal that was in use is not there");
            return Err(DiskError::at(Operation::Open, &path)(missing));
        }
    }
    if file.is_none() && kept.is_none() {
        return Ok(None);
    }
    let mut pieces = Vec::new();
    // What was kept is older than anything else.
    if let Some(kept) = kept {
        pieces.extend(reading::read_kept(&kept).map_err(DiskError::at(Operation::Read, kept.path()))?);
    }
    if let Some(file) = file {
        let read = reading::read(&file).or_else(|error| match error.kind() {
            // It was written while it was copied, and so were the segments, which have everything.
            io::ErrorKind::InvalidData if told == ToldJournal::Copied => {
                tracing::warn!(path = %path.display(), %error, "of a journal that was copied only a part can be read");
                reading::salvage(&file)
            }
            _ => Err(error),
        });
        pieces.extend(read.map_err(DiskError::at(Operation::Read, &path))?);
    }
    Ok(Some(sorted(pieces)))
}

fn sorted(pieces: Vec<Piece>) -> Pieces {
    let mut sorted = Pieces::new();
    for piece in pieces {
        let segments = sorted.entry(piece.frame.id).or_default();
        segments.entry(piece.frame.end.segment).or_default().push(piece);
    }
    sorted
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
    let (mut batches, mut sequence, mut bytes) = (Vec::new(), 0, Vec::new());
    let failed = pieces.iter().filter(|(id, _)| replayed.failed.contains_key(*id));
    for piece in failed.flat_map(|(_, segments)| segments.values().flatten()) {
        let mut frames = Vec::new();
        read_piece(piece, &mut bytes)?;
        format::push(&mut frames, &piece.frame, std::iter::once(bytes.as_slice()));
        sequence += 1;
        batches.extend(format::header(KEPT_MARK, sequence, &frames));
        batches.append(&mut frames);
        pad(&mut batches, BLOCK_SIZE);
    }
    let mut file =
        Head { mark: KEPT_MARK, made: Timestamp(0), half_bytes: batches.len() as u64 }.encode().to_vec();
    pad(&mut file, HEAD_BLOCKS * BLOCK_SIZE);
    file.append(&mut batches);
    files::replace(disk, directory, KEPT, &file)
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}
