//! Makes mutated bytes plausible again: lengths and checksums, behind which random bytes would hardly ever get.

use highwater_wire::record::{CHECKSUM_START, HEADER_SIZE, LENGTH_OVERHEAD, crc32c};

/// Position of a batch's length field.
const LENGTH_AT: usize = 8;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;

/// Leaves the bytes as they are.
pub(crate) fn nothing(_bytes: &mut [u8]) {}

/// Gives each batch in a row magic 2, a length that lies within the bytes, and its checksum.
pub(crate) fn batches(mut rest: &mut [u8]) {
    while rest.len() >= HEADER_SIZE {
        let stated = u32::from_be_bytes(rest[LENGTH_AT..LENGTH_AT + 4].try_into().unwrap());
        let size = usize::try_from(stated).unwrap_or(usize::MAX).saturating_add(LENGTH_OVERHEAD);
        let size = if (HEADER_SIZE..=rest.len()).contains(&size) { size } else { rest.len() };
        let (batch, behind) = rest.split_at_mut(size);
        let length = u32::try_from(size - LENGTH_OVERHEAD).unwrap_or(u32::MAX);
        batch[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&length.to_be_bytes());
        batch[MAGIC_AT] = 2;
        let checksum = crc32c(&batch[CHECKSUM_START..]);
        batch[CRC_AT..CRC_AT + 4].copy_from_slice(&checksum.to_be_bytes());
        rest = behind;
    }
}

/// Gives batches the offsets from `next` on.
pub(crate) fn chain(mut rest: &mut [u8], next: &mut i64) {
    while rest.len() >= HEADER_SIZE {
        rest[..8].copy_from_slice(&next.to_be_bytes());
        let delta = i32::from_be_bytes(rest[23..27].try_into().unwrap()).clamp(0, 9);
        *next += i64::from(delta) + 1;
        let length = u32::from_be_bytes(rest[8..12].try_into().unwrap());
        let size = usize::try_from(length).unwrap().saturating_add(LENGTH_OVERHEAD).max(HEADER_SIZE);
        rest = rest.split_at_mut(size.min(rest.len())).1;
    }
}

/// Writes the CRC-32C of everything from `from` on into the four bytes before it, big-endian.
pub(crate) fn crc_before(bytes: &mut [u8], from: usize) {
    if let Some(start) = from.checked_sub(4)
        && bytes.len() >= from
    {
        let checksum = crc32c(&bytes[from..]);
        bytes[start..from].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Gives a frame at the start of the bytes the size of what follows.
pub(crate) fn frame(bytes: &mut [u8]) {
    if bytes.len() >= 4 {
        let size = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&size.to_be_bytes());
    }
}
