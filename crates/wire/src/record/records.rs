//! The records of a batch, one after the other, decompressed as they come. Nothing is allocated by a number that the
//! bytes state, output is capped, and of the output at most one record is in memory (with snappy: and one block).
//!
//! Checked: varints, lengths, header fields, that there are exactly as many records as the header states and nothing
//! behind them. Not checked: the checksum (see [`verify`](super::verify)), whether offset deltas fit the header (the
//! caller knows whether holes are allowed).

use std::io::{self, Read};

use super::varint::take_varint;
use super::{BatchHeader, Compression, HEADER_SIZE, RecordView, RecordsError, codec};

/// Decompressed bytes that are always allowed.
const OUTPUT_LIMIT_MIN: u64 = 64 << 20;
/// Larger batches may expand by this factor.
const OUTPUT_LIMIT_FACTOR: u64 = 16;
/// Read at once from a decompressor.
const CHUNK_SIZE: usize = 16 << 10;
/// Bytes of the longest record length.
const LENGTH_SIZE_MAX: usize = 5;

/// The decompressed size up to which a batch of `size` bytes is read unless the caller says otherwise: 64 MiB, or 16 times
/// its size if that is more. Memory does not depend on it; it bounds the work that a small batch can cause.
pub fn default_output_limit(size: u64) -> u64 {
    size.saturating_mul(OUTPUT_LIMIT_FACTOR).max(OUTPUT_LIMIT_MIN)
}

/// Reads the records of one batch. See the module.
pub struct Records<'a> {
    source: Source<'a>,
    index: u32,
    stated: u32,
}

enum Source<'a> {
    /// Not compressed: the records lie in the batch.
    Plain(&'a [u8]),
    Compressed(Window<'a>),
}

/// The part of a decompressed stream that is being looked at.
struct Window<'a> {
    codec: Compression,
    reader: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    /// How much of `buffer` was consumed.
    used: usize,
    produced: u64,
    limit: u64,
    ended: bool,
}

impl<'a> Records<'a> {
    /// The records of `batch` (header included, anything may follow it), whose header was parsed before. `limit` caps the
    /// decompressed bytes; see [`default_output_limit`].
    ///
    /// # Errors
    /// [`RecordsError::UnknownCodec`], [`RecordsError::Decompression`].
    pub fn new(batch: &'a [u8], header: &BatchHeader, limit: u64) -> Result<Self, RecordsError> {
        let code = header.attributes.codec();
        let codec = header.attributes.compression().ok_or(RecordsError::UnknownCodec { code })?;
        let size = usize::try_from(header.size()).unwrap_or(usize::MAX).min(batch.len());
        let payload = batch.get(HEADER_SIZE..size).unwrap_or_default();
        let source = match codec {
            Compression::None => Source::Plain(payload),
            _ => Source::Compressed(Window::new(codec, payload, limit)?),
        };
        Ok(Self { source, index: 0, stated: header.record_count })
    }

    /// The next record, with its bytes as they stand (length included); `None` after the last.
    ///
    /// # Errors
    /// Any [`RecordsError`]; reading must stop then.
    pub fn next_record(&mut self) -> Result<Option<(RecordView<'_>, &[u8])>, RecordsError> {
        let (index, stated) = (self.index, self.stated);
        if index == stated {
            return if self.source.is_empty()? { Ok(None) } else { Err(RecordsError::Remaining { stated }) };
        }
        if self.source.is_empty()? {
            return Err(RecordsError::TooFew { found: index, stated });
        }
        let malformed = |what| RecordsError::Malformed { index, what };
        let raw = self.source.take_record(malformed)?;
        let mut body = raw;
        take_varint(&mut body);
        let view = RecordView::parse(body).map_err(malformed)?;
        self.index += 1;
        Ok(Some((view, raw)))
    }
}

impl std::fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records")
            .field("index", &self.index)
            .field("stated", &self.stated)
            .finish_non_exhaustive()
    }
}

impl Source<'_> {
    fn is_empty(&mut self) -> Result<bool, RecordsError> {
        match self {
            Self::Plain(bytes) => Ok(bytes.is_empty()),
            Self::Compressed(window) => window.fill(1).map(|available| available == 0),
        }
    }

    /// Consumes a whole record, its length included.
    fn take_record(
        &mut self,
        malformed: impl Fn(&'static str) -> RecordsError,
    ) -> Result<&[u8], RecordsError> {
        let ahead = match self {
            Self::Plain(bytes) => *bytes,
            Self::Compressed(window) => {
                window.fill(LENGTH_SIZE_MAX)?;
                window.ahead()
            }
        };
        let mut rest = ahead;
        let length = take_varint(&mut rest).ok_or(malformed("bad length"))?;
        let length = usize::try_from(length).map_err(|_| malformed("negative length"))?;
        let size = (ahead.len() - rest.len()).saturating_add(length);
        let record = match self {
            Self::Plain(bytes) => bytes.split_off(..size),
            Self::Compressed(window) => window.take(size)?,
        };
        record.ok_or(malformed("longer than the batch"))
    }
}

impl<'a> Window<'a> {
    fn new(codec: Compression, payload: &'a [u8], limit: u64) -> Result<Self, RecordsError> {
        let reader = codec::decoder(codec, payload)
            .map_err(|error| RecordsError::Decompression { codec, kind: error.kind() })?;
        Ok(Self { codec, reader, buffer: Vec::new(), used: 0, produced: 0, limit, ended: false })
    }

    fn ahead(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// Has at least `count` bytes ahead, or all that are left; returns how many there are. Grows only by what comes.
    fn fill(&mut self, count: usize) -> Result<usize, RecordsError> {
        while self.ahead().len() < count && !self.ended {
            if self.used > 0 {
                self.buffer.drain(..self.used);
                self.used = 0;
            }
            self.read_chunk(count)?;
        }
        Ok(self.ahead().len())
    }

    fn read_chunk(&mut self, wanted: usize) -> Result<(), RecordsError> {
        // Larger reads for large records, but never more at once than what has come already.
        let chunk = wanted.saturating_sub(self.buffer.len()).min(self.buffer.len()).max(CHUNK_SIZE);
        let start = self.buffer.len();
        self.buffer.resize(start + chunk, 0);
        let target = self.buffer.get_mut(start..).unwrap_or_default();
        let read = loop {
            match self.reader.read(target) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let count =
            read.map_err(|error| RecordsError::Decompression { codec: self.codec, kind: error.kind() })?;
        self.buffer.truncate(start + count);
        self.ended = count == 0;
        self.produced = self.produced.saturating_add(count as u64);
        if self.produced > self.limit {
            return Err(RecordsError::OutputLimit { limit: self.limit });
        }
        Ok(())
    }

    fn take(&mut self, size: usize) -> Result<Option<&[u8]>, RecordsError> {
        if self.fill(size)? < size {
            return Ok(None);
        }
        let start = self.used;
        self.used += size;
        Ok(self.buffer.get(start..self.used))
    }
}
