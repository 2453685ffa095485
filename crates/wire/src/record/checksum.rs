//! CRC-32C (Castagnoli), the checksum of record batches and of Kafka's producer snapshots.

use crc_fast::{CrcAlgorithm, Digest};

/// CRC-32C of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    low_word(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// CRC-32C of bytes that come in pieces.
#[derive(Debug)]
pub struct Crc32c(Digest);

impl Default for Crc32c {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Crc32c {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all pieces so far.
    pub fn finish(&self) -> u32 {
        low_word(self.0.finalize())
    }
}

/// The library returns every width in 64 bits; the upper half of a 32-bit checksum is zero.
#[allow(clippy::cast_possible_truncation)]
fn low_word(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn pieces_and_the_other_implementation_agree_with_the_whole() {
        let bytes: Vec<u8> =
            (0..70_000u32).flat_map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        for end in [0, 1, 15, 16, 255, 4096, 65_537, bytes.len()] {
            let whole = crc32c(&bytes[..end]);
            assert_eq!(whole, ::crc32c::crc32c(&bytes[..end]), "length {end}");
            let mut pieces = Crc32c::default();
            for piece in bytes[..end].chunks(777) {
                pieces.update(piece);
            }
            assert_eq!(pieces.finish(), whole, "length {end}");
        }
    }
}
