//! The codecs of batches as byte streams, in Kafka's framing: gzip members, snappy in xerial's framing (read also
//! without it, as some clients send it), LZ4 frames, zstd frames.
//!
//! Memory while reading: gzip and LZ4 hold a window of at most a few MiB, zstd what its frame asks up to 128 MiB (level 22
//! needs it; pages are touched only as output comes, and that is capped by the caller), snappy one block. A snappy
//! block states its output size in advance; that is believed only as far as so few bytes can expand.

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::Compression;

/// xerial's stream header: magic, version 1, lowest compatible version 1.
const XERIAL_HEADER: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
const XERIAL_MAGIC_SIZE: usize = 8;
/// Input of one snappy block, as Kafka's Java client cuts it.
const XERIAL_BLOCK_SIZE: usize = 32 << 10;
/// A snappy copy of 64 bytes takes three: no block expands more.
const SNAPPY_EXPANSION_MAX: usize = 22;
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const ZSTD_LEVEL_DEFAULT: i32 = 3;

/// A reader of the decompressed bytes. Errors come as [`io::Error`]; the input ends where the stream does.
pub(super) fn decoder<'a>(codec: Compression, bytes: &'a [u8]) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match codec {
        Compression::None => Box::new(bytes),
        Compression::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Compression::Snappy => Box::new(SnappyReader::new(bytes)),
        Compression::Lz4 => Box::new(FrameDecoder::new(bytes)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

/// Compresses `bytes`. `level` is the codec's own: gzip 1 to 9 (default 6), zstd -131072 to 22 (default 3); out of range
/// it is clamped. Snappy and LZ4 have one level here.
pub(super) fn compress(codec: Compression, level: Option<i32>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok()).map(|level| level.clamp(1, 9));
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Compression::Snappy => compress_snappy(bytes),
        Compression::Lz4 => {
            let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::from)
        }
        Compression::Zstd => {
            let range = zstd::compression_level_range();
            let level = level.unwrap_or(ZSTD_LEVEL_DEFAULT).clamp(*range.start(), *range.end());
            zstd::bulk::compress(bytes, level)
        }
    }
}

fn compress_snappy(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut output = XERIAL_HEADER.to_vec();
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK_SIZE) {
        let compressed = encoder.compress_vec(block).map_err(io::Error::other)?;
        let size = u32::try_from(compressed.len()).map_err(io::Error::other)?;
        output.extend_from_slice(&size.to_be_bytes());
        output.extend_from_slice(&compressed);
    }
    Ok(output)
}

/// Reads snappy block by block.
struct SnappyReader<'a> {
    /// Blocks not yet opened.
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    /// How much of `block` was read.
    used: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let magic = XERIAL_HEADER.get(..XERIAL_MAGIC_SIZE).unwrap_or_default();
        let framed = bytes.starts_with(magic);
        let rest = if framed { bytes.get(XERIAL_HEADER.len()..).unwrap_or_default() } else { bytes };
        Self { rest, framed, block: Vec::new(), used: 0 }
    }

    /// The bytes of the next block.
    fn next_block(&mut self) -> Option<&'a [u8]> {
        if !self.framed {
            return Some(std::mem::take(&mut self.rest));
        }
        let size = u32::from_be_bytes(*self.rest.split_off(..4)?.first_chunk()?);
        self.rest.split_off(..usize::try_from(size).ok()?)
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        while self.used == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            let compressed = self.next_block().ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = snap::raw::decompress_len(compressed).map_err(io::Error::other)?;
            if size > compressed.len().saturating_mul(SNAPPY_EXPANSION_MAX) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.block = snap::raw::Decoder::new().decompress_vec(compressed).map_err(io::Error::other)?;
            self.used = 0;
        }
        let ready = self.block.get(self.used..).unwrap_or_default();
        let count = ready.len().min(target.len());
        if let (Some(from), Some(to)) = (ready.get(..count), target.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.used += count;
        Ok(count)
    }
}
