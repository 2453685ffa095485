//! `<base>.sum`: what a sealed segment was when it was last found good. The bytes of a batch that its own checksum does not
//! cover (base offset, length, leader epoch) are checked by it. A hint: one that does not check itself, or that tells of
//! other batches, is ignored and made anew.
//!
//! | position | size | field |
//! |--:|--:|---|
//! | 0 | 4 | `HWSM` |
//! | 4 | 2 | version: 1 |
//! | 6 | 8 | bytes of the segment |
//! | 14 | 8 | when it was last found good: milliseconds since 1970; 0: it was found damaged since |
//! | 22 | 4 | CRC-32C of the checksum fields of all its batches, in their order |
//! | 26 | 4 | how many pieces of 1 MiB follow; the last one may be shorter |
//! | 30 | 4 each | CRC-32C of each piece |
//! | | 4 | CRC-32C of everything before |

use std::path::Path;

use highwater_disk::{Disk, DiskError};
use highwater_types::{Offset, Timestamp};
use highwater_wire::record::crc32c;

use crate::files;

/// Suffix of the files.
pub(crate) const SUM: &str = "sum";
/// Bytes of the segment that one checksum covers.
pub(crate) const PIECE_SIZE: u64 = 1 << 20;

const MAGIC: &[u8; 4] = b"HWSM";
const VERSION: u16 = 1;
const HEAD_SIZE: usize = 30;
/// More than the sums of the largest segment there can be (2 GiB and one batch of 2 GiB).
const FILE_SIZE_MAX: u64 = 64 << 10;

/// What a segment was when it was last found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSums {
    /// Bytes of the segment.
    pub size: u64,
    /// When it was found good; 0 when it was found damaged since.
    pub looked_at: Timestamp,
    /// CRC-32C of the checksum fields of its batches.
    pub batches: u32,
    /// CRC-32C of each piece of 1 MiB.
    pub pieces: Vec<u32>,
}

impl SegmentSums {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_SIZE + 4 * self.pieces.len() + 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.looked_at.0.to_be_bytes());
        bytes.extend_from_slice(&self.batches.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(self.pieces.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.pieces.iter().for_each(|piece| bytes.extend_from_slice(&piece.to_be_bytes()));
        let sum = crc32c(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Reads a file's bytes; `None` when they are not whole.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_last_chunk::<4>()?;
        if u32::from_be_bytes(*sum) != crc32c(body) {
            return None;
        }
        let (magic, rest) = body.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (looked_at, rest) = rest.split_first_chunk::<8>()?;
        let (batches, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (pieces, left) = rest.as_chunks::<4>();
        let size = u64::from_be_bytes(*size);
        let fits = magic == MAGIC
            && u16::from_be_bytes(*version) == VERSION
            && left.is_empty()
            && u32::try_from(pieces.len()).is_ok_and(|found| found == u32::from_be_bytes(*count))
            && pieces.len() as u64 == size.div_ceil(PIECE_SIZE);
        fits.then(|| Self {
            size,
            looked_at: Timestamp(i64::from_be_bytes(*looked_at)),
            batches: u32::from_be_bytes(*batches),
            pieces: pieces.iter().map(|piece| u32::from_be_bytes(*piece)).collect(),
        })
    }

    /// The sums of a segment in `directory`; `None` when there are none that can be used.
    ///
    /// # Errors
    /// What the file system says.
    pub fn load(disk: &dyn Disk, directory: &Path, base_offset: Offset) -> Result<Option<Self>, DiskError> {
        let bytes = files::read(disk, &files::path(directory, base_offset, SUM), FILE_SIZE_MAX)?;
        Ok(bytes.as_deref().and_then(Self::decode))
    }

    /// Writes them beside their segment. The name becomes durable with the next sync of the directory: lost ones are
    /// made again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, disk: &dyn Disk, directory: &Path, base_offset: Offset) -> Result<(), DiskError> {
        files::replace(disk, &files::path(directory, base_offset, SUM), &self.encode())
    }

    /// Removes the sums of a segment that is no longer there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(disk: &dyn Disk, directory: &Path, base_offset: Offset) -> Result<(), DiskError> {
        files::remove(disk, &files::path(directory, base_offset, SUM)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_are_read() {
        let sums =
            SegmentSums { size: PIECE_SIZE + 1, looked_at: Timestamp(7), batches: 9, pieces: vec![1, 2] };
        let bytes = sums.encode();
        assert_eq!(SegmentSums::decode(&bytes), Some(sums.clone()));
        for position in 0..bytes.len() {
            assert_eq!(SegmentSums::decode(&bytes[..position]), None, "cut at {position}");
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            assert_eq!(SegmentSums::decode(&flipped), None, "flipped at {position}");
        }
        let wrong = SegmentSums { pieces: vec![1], ..sums };
        assert_eq!(SegmentSums::decode(&wrong.encode()), None, "pieces do not make up the segment");
    }
}
