//! The `checkpoint` file: per partition, from where recovery must look, kept as one file that is replaced whole.
//!
//! All integers little-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `HWCP` |
//! | 4 | version, 1 |
//! | 4 | count of entries |
//! | 89 each | entries |
//! | 4 | CRC-32C of everything before |
//!
//! | entry bytes | field |
//! |---|---|
//! | 16 | topic id |
//! | 4 | partition |
//! | 1 | flags: 1 the log was closed cleanly, 2 there is a suspect point |
//! | 4 | leader epoch |
//! | 8 | log start offset |
//! | 24 | recovery point: offset, segment's base offset, position |
//! | 24 | suspect point, zeros without one |
//! | 8 | largest producer id, -1 when none |
//!
//! A file that does not read back is as good as none: every log is then scanned from its start. Not here: when it is
//! written ([`crate::maintenance`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bytes::{Buf, BufMut};
use highwater_disk::{Disk, DiskError};
use highwater_partition_log::LogCheckpoint;
use highwater_types::{LeaderEpoch, Offset, Position, ProducerId, TopicId, TopicIdPartition};
use highwater_wal::LogPoint;

use crate::files;

/// Name of the file in the data directory.
pub(crate) const CHECKPOINT: &str = "checkpoint";

const MAGIC: [u8; 4] = *b"HWCP";
const VERSION: u32 = 1;
const HEADER_SIZE: usize = 12;
const ENTRY_SIZE: usize = 89;
const CHECKSUM_SIZE: usize = 4;
/// Three quarters of a million partitions.
const FILE_SIZE_MAX: usize = 64 << 20;
const CLEAN: u8 = 1;
const SUSPECT: u8 = 2;

/// What is kept of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What the log said.
    pub(crate) log: LogCheckpoint,
    /// Whether the log was closed cleanly at that point and took nothing since.
    pub(crate) clean: bool,
}

/// The entries by partition.
pub(crate) type Entries = BTreeMap<TopicIdPartition, Entry>;

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CheckpointError {
    /// Fewer bytes than the smallest checkpoint has, or not as many as its count says.
    Length { size: usize, count: u32 },
    /// Does not begin with the magic.
    Magic,
    /// Written by a newer program.
    Version(u32),
    /// The checksum does not fit.
    Checksum { stored: u32, computed: u32 },
    /// A field of this entry holds what is never written.
    Entry(usize),
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { size, count } => write!(f, "{size} bytes do not hold {count} entries"),
            Self::Magic => f.write_str("it does not begin with HWCP"),
            Self::Version(version) => write!(f, "version {version} is not understood"),
            Self::Checksum { stored, computed } => {
                write!(f, "bad checksum: stored {stored:#010x}, computed {computed:#010x}")
            }
            Self::Entry(index) => write!(f, "entry {index} is malformed"),
        }
    }
}

/// Encodes all entries.
pub(crate) fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_SIZE + entries.len() * ENTRY_SIZE + CHECKSUM_SIZE);
    out.put_slice(&MAGIC);
    out.put_u32_le(VERSION);
    out.put_u32_le(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for (id, entry) in entries {
        put_entry(&mut out, *id, entry);
    }
    let checksum = crc_fast::crc32_iscsi(&out);
    out.put_u32_le(checksum);
    out
}

/// Decodes a whole file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Entries, CheckpointError> {
    let length_error = |count| CheckpointError::Length { size: bytes.len(), count };
    let (body, stored) = bytes.split_last_chunk::<CHECKSUM_SIZE>().ok_or(length_error(0))?;
    let mut rest = body;
    let magic: [u8; 4] = rest.split_first_chunk().map(|(magic, _)| *magic).ok_or(length_error(0))?;
    if magic != MAGIC {
        return Err(CheckpointError::Magic);
    }
    rest.advance(MAGIC.len());
    let version = rest.try_get_u32_le().map_err(|_| length_error(0))?;
    if version != VERSION {
        return Err(CheckpointError::Version(version));
    }
    let (stored, computed) = (u32::from_le_bytes(*stored), crc_fast::crc32_iscsi(body));
    if stored != computed {
        return Err(CheckpointError::Checksum { stored, computed });
    }
    let count = rest.try_get_u32_le().map_err(|_| length_error(0))?;
    if u64::from(count) * ENTRY_SIZE as u64 != rest.len() as u64 {
        return Err(length_error(count));
    }
    let mut entries = Entries::new();
    for (index, chunk) in rest.chunks_exact(ENTRY_SIZE).enumerate() {
        let (id, entry) = get_entry(chunk).ok_or(CheckpointError::Entry(index))?;
        entries.insert(id, entry);
    }
    Ok(entries)
}

/// What was found in a data directory.
pub(crate) enum Found {
    /// The entries.
    Entries(Entries),
    /// No file.
    Nothing,
    /// A file that cannot be used.
    Unusable(CheckpointError),
}

/// Reads the checkpoint of a data directory.
pub(crate) fn load(disk: &dyn Disk, directory: &Path) -> Result<Found, DiskError> {
    let Some(bytes) = files::read_bounded(disk, &directory.join(CHECKPOINT), FILE_SIZE_MAX)? else {
        return Ok(Found::Nothing);
    };
    Ok(match decode(&bytes) {
        Ok(entries) => Found::Entries(entries),
        Err(error) => Found::Unusable(error),
    })
}

fn put_entry(out: &mut Vec<u8>, id: TopicIdPartition, entry: &Entry) {
    let log = &entry.log;
    out.put_slice(&id.topic_id.0);
    out.put_i32_le(id.partition);
    let clean = if entry.clean { CLEAN } else { 0 };
    let suspect = if log.suspect.is_some() { SUSPECT } else { 0 };
    out.put_u8(clean | suspect);
    out.put_i32_le(log.leader_epoch.0);
    out.put_i64_le(log.log_start_offset.0);
    put_point(out, log.recovery_point);
    put_point(out, log.suspect.unwrap_or(ZERO_POINT));
    out.put_i64_le(log.max_producer_id.0);
}

fn get_entry(mut bytes: &[u8]) -> Option<(TopicIdPartition, Entry)> {
    let mut topic_id = [0; 16];
    bytes.try_copy_to_slice(&mut topic_id).ok()?;
    let partition = bytes.try_get_i32_le().ok().filter(|&partition| partition >= 0)?;
    let flags = bytes.try_get_u8().ok().filter(|flags| flags & !(CLEAN | SUSPECT) == 0)?;
    let leader_epoch = LeaderEpoch(bytes.try_get_i32_le().ok()?);
    let log_start_offset = Offset(bytes.try_get_i64_le().ok().filter(|&start| start >= 0)?);
    let recovery_point = get_point(&mut bytes)?;
    let suspect = get_point(&mut bytes)?;
    let max_producer_id = ProducerId(bytes.try_get_i64_le().ok()?);
    let log = LogCheckpoint {
        recovery_point,
        log_start_offset,
        leader_epoch,
        suspect: (flags & SUSPECT != 0).then_some(suspect),
        max_producer_id,
    };
    let id = TopicIdPartition { topic_id: TopicId(topic_id), partition };
    Some((id, Entry { log, clean: flags & CLEAN != 0 }))
}

const ZERO_POINT: LogPoint =
    LogPoint { offset: Offset::ZERO, segment: Offset::ZERO, position: Position::ZERO };

/// CRC-32C of two pieces, one behind the other.
pub(crate) fn crc32c(first: &[u8], second: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(first);
    digest.update(second);
    u32::try_from(digest.finalize()).unwrap_or_default()
}

/// Writes a place in a log: 24 bytes.
pub(crate) fn put_point(out: &mut impl BufMut, point: LogPoint) {
    out.put_i64_le(point.offset.0);
    out.put_i64_le(point.segment.0);
    out.put_u64_le(point.position.0);
}

/// Reads a place in a log; `None` when the bytes are too few or say what no log has.
pub(crate) fn get_point(bytes: &mut &[u8]) -> Option<LogPoint> {
    let offset = bytes.try_get_i64_le().ok()?;
    let segment = bytes.try_get_i64_le().ok()?;
    let position = bytes.try_get_u64_le().ok()?;
    (0 <= segment && segment <= offset).then_some(LogPoint {
        offset: Offset(offset),
        segment: Offset(segment),
        position: Position(position),
    })
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
mod tests {
    use highwater_disk::sim::Random;

    use super::*;

    fn entries(random: &mut Random, count: usize) -> Entries {
        let entry = |random: &mut Random| {
            let mut topic_id = [0; 16];
            random.fill(&mut topic_id);
            let id = TopicIdPartition { topic_id: TopicId(topic_id), partition: random.index(9) as i32 };
            let point = |random: &mut Random| {
                let segment = random.below(1 << 40) as i64;
                let offset = Offset(segment + random.below(1 << 20) as i64);
                LogPoint { offset, segment: Offset(segment), position: Position(random.below(u64::MAX)) }
            };
            let log = LogCheckpoint {
                recovery_point: point(random),
                log_start_offset: Offset(random.below(1 << 40) as i64),
                leader_epoch: LeaderEpoch(random.index(99) as i32),
                suspect: random.coin().then(|| point(random)),
                max_producer_id: ProducerId(random.below(1000) as i64 - 1),
            };
            (id, Entry { log, clean: random.coin() })
        };
        (0..count).map(|_| entry(random)).collect()
    }

    #[test]
    fn a_checkpoint_reads_back_what_was_written() {
        let mut random = Random::new(1);
        for count in [0, 1, 2, 100] {
            let entries = entries(&mut random, count);
            assert_eq!(decode(&encode(&entries)), Ok(entries));
        }
    }

    #[test]
    fn damage_of_any_bit_or_length_is_noticed() {
        let bytes = encode(&entries(&mut Random::new(2), 3));
        for size in 0..bytes.len() {
            assert!(decode(&bytes[..size]).is_err(), "cut to {size}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
        assert!(decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn random_bytes_are_refused_even_with_a_good_checksum() {
        let seed = 3;
        let mut random = Random::new(seed);
        for _ in 0..2000 {
            let mut bytes = vec![0; random.index(400)];
            random.fill(&mut bytes);
            if random.coin() && bytes.len() >= HEADER_SIZE {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
            }
            let checksum = crc_fast::crc32_iscsi(&bytes);
            bytes.put_u32_le(checksum);
            // Random entries are malformed sooner or later; what matters is that nothing is believed or allocated.
            if let Ok(entries) = decode(&bytes) {
                assert!(entries.len() * ENTRY_SIZE < bytes.len(), "seed {seed}");
            }
        }
        let mut newer = encode(&Entries::new());
        newer[4] = 2;
        assert_eq!(decode(&newer), Err(CheckpointError::Version(2)));
    }
}
