//! A small entry format for logs that have none of their own.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | base offset |
//! | 4 | count of offsets, at least 1 |
//! | 4 | leader epoch |
//! | 8 | timestamp |
//! | 4 | size of the payload in bytes |
//! | 4 | CRC-32C of the 28 bytes before and of the payload |
//!
//! All numbers are big-endian.

use highwater_types::{LeaderEpoch, Offset, Timestamp};

use crate::{EntryError, EntryFormat, EntryHeader};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 32;
/// Bytes of a header that the checksum covers.
const CHECKED_SIZE: usize = 28;

/// The format described in this module.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleFormat;

impl SimpleFormat {
    /// The header of an entry that covers `count` offsets from `base_offset` on. A payload of 4 GiB or more does not
    /// fit the format: `None`, as for a count of 0.
    pub fn header(
        base_offset: Offset,
        count: u32,
        leader_epoch: LeaderEpoch,
        timestamp: Timestamp,
        payload: &[u8],
    ) -> Option<[u8; HEADER_SIZE]> {
        let size = u32::try_from(payload.len()).ok().filter(|_| count > 0)?;
        let mut header = [0; HEADER_SIZE];
        let (checked, checksum) = header.split_at_mut(CHECKED_SIZE);
        let fields: [&[u8]; 5] = [
            &base_offset.0.to_be_bytes(),
            &count.to_be_bytes(),
            &leader_epoch.0.to_be_bytes(),
            &timestamp.0.to_be_bytes(),
            &size.to_be_bytes(),
        ];
        checked.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        checksum.copy_from_slice(&crc32c(&[checked, payload]).to_be_bytes());
        Some(header)
    }

    /// A whole entry in one piece; `None` as for [`SimpleFormat::header`]. Epoch 0, no timestamp.
    pub fn entry(base_offset: Offset, count: u32, payload: &[u8]) -> Option<Vec<u8>> {
        let header = Self::header(base_offset, count, LeaderEpoch::ZERO, Timestamp::NONE, payload)?;
        Some([header.as_slice(), payload].concat())
    }
}

impl EntryFormat for SimpleFormat {
    fn header_size(&self) -> usize {
        HEADER_SIZE
    }

    fn parse(&self, header: &[u8]) -> Result<EntryHeader, EntryError> {
        let short = EntryError::Malformed("the header is cut off");
        let header = header.get(..HEADER_SIZE).ok_or(short)?;
        if header.iter().all(|byte| *byte == 0) {
            return Err(EntryError::Zeros);
        }
        let mut fields = Fields(header);
        let base_offset = i64::from_be_bytes(fields.take().ok_or(short)?);
        let count = u32::from_be_bytes(fields.take().ok_or(short)?);
        let leader_epoch = i32::from_be_bytes(fields.take().ok_or(short)?);
        let timestamp = i64::from_be_bytes(fields.take().ok_or(short)?);
        let size = u32::from_be_bytes(fields.take().ok_or(short)?);
        let last_offset = base_offset.checked_add(i64::from(count) - 1);
        match last_offset.filter(|_| count > 0 && base_offset >= 0) {
            Some(last_offset) => Ok(EntryHeader {
                base_offset: Offset(base_offset),
                last_offset: Offset(last_offset),
                size: HEADER_SIZE as u64 + u64::from(size),
                leader_epoch: LeaderEpoch(leader_epoch),
                max_timestamp: Timestamp(timestamp),
            }),
            None => Err(EntryError::Malformed("impossible offset range")),
        }
    }

    fn verify(&self, entry: &[u8]) -> Result<(), EntryError> {
        let short = EntryError::Malformed("the header is cut off");
        let (checked, rest) = entry.split_at_checked(CHECKED_SIZE).ok_or(short)?;
        let (stored, payload) = rest.split_first_chunk().ok_or(short)?;
        let (stored, computed) = (u32::from_be_bytes(*stored), crc32c(&[checked, payload]));
        if stored == computed { Ok(()) } else { Err(EntryError::BadChecksum { stored, computed }) }
    }
}

/// Big-endian fields one behind the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const SIZE: usize>(&mut self) -> Option<[u8; SIZE]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

/// CRC-32C (Castagnoli), one byte at a time: plain rather than fast.
fn crc32c(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().copied().flatten();
    !bytes.fold(u32::MAX, |crc, byte| {
        let index = usize::from(crc.to_le_bytes().first().copied().unwrap_or(0) ^ byte);
        (crc >> 8) ^ TABLE.get(index).copied().unwrap_or(0)
    })
}

static TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler; the index is below 256")]
#[allow(clippy::cast_possible_truncation, reason = "the index is below 256")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32c() {
        assert_eq!(crc32c(&[b"1234", b"56789"]), 0xe306_9283);
    }

    #[test]
    fn an_entry_reads_back_as_it_was_made() {
        let entry = SimpleFormat::entry(Offset(7), 3, b"payload").unwrap();
        let header = SimpleFormat.parse(&entry).unwrap();
        assert_eq!((header.base_offset, header.last_offset, header.size), (Offset(7), Offset(9), 39));
        assert_eq!(SimpleFormat.verify(&entry), Ok(()));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let entry = SimpleFormat::entry(Offset(7), 3, b"payload").unwrap();
        for bit in 0..entry.len() * 8 {
            let mut bad = entry.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SimpleFormat.verify(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn short_input_and_zeros_are_errors() {
        let entry = SimpleFormat::entry(Offset(0), 1, b"").unwrap();
        for length in 0..HEADER_SIZE {
            assert!(SimpleFormat.parse(&entry[..length]).is_err());
            assert!(SimpleFormat.verify(&entry[..length]).is_err());
        }
        assert_eq!(SimpleFormat.parse(&[0; 40]), Err(EntryError::Zeros));
        assert_eq!(SimpleFormat::entry(Offset(0), 0, b""), None);
    }
}
