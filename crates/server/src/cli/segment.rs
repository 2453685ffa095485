//! Walks a segment file batch by batch, for the tools that look at files without a broker. Memory is bounded by the
//! largest batch that the file really holds.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use highwater_wire::record::{BatchHeader, HEADER_SIZE, verify};

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SegmentEnd {
    /// At the end of the file, behind a whole batch.
    Whole,
    /// At zeros: blocks that were reserved and not written.
    Zeros {
        /// First zero byte.
        position: u64,
        /// Bytes from there to the end of the file.
        size: u64,
    },
    /// At bytes that are no good batch.
    Bad {
        /// Where the batch begins.
        position: u64,
        /// What is wrong.
        cause: String,
    },
}

/// Calls `visit(position, header, batch)` for each batch whose checksum is right, until the first that is not.
///
/// # Errors
/// What reading the file or `visit` says.
pub(crate) fn walk(
    path: &Path,
    mut visit: impl FnMut(u64, &BatchHeader, &[u8]) -> io::Result<()>,
) -> io::Result<SegmentEnd> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut file = BufReader::with_capacity(1 << 20, file);
    let mut batch = Vec::new();
    let mut position = 0;
    while position < length {
        let left = length - position;
        batch.clear();
        file.by_ref().take(HEADER_SIZE as u64).read_to_end(&mut batch)?;
        if batch.iter().all(|byte| *byte == 0) {
            return Ok(SegmentEnd::Zeros { position, size: left });
        }
        let bad = |cause: String| Ok(SegmentEnd::Bad { position, cause });
        let header = match BatchHeader::parse(&batch) {
            Ok(header) if header.size() <= left => header,
            Ok(header) => return bad(format!("a batch of {} bytes where {left} are left", header.size())),
            Err(error) => return bad(error.to_string()),
        };
        file.by_ref().take(header.size().saturating_sub(HEADER_SIZE as u64)).read_to_end(&mut batch)?;
        if let Err(error) = verify(&batch) {
            return bad(error.to_string());
        }
        visit(position, &header, &batch)?;
        position += header.size();
    }
    Ok(SegmentEnd::Whole)
}
