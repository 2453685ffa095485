//! Frames: a four-byte size and so many bytes. Knows no socket: [`FrameSize::check`] is asked before anything is buffered.

use std::fmt;
use std::io;

use crate::records::RecordsPart;

/// A message ready to be sent: size, header and body, as pieces in memory and ranges of files.
#[derive(Debug, Clone)]
pub struct Frame {
    pub(crate) parts: Vec<RecordsPart>,
    pub(crate) errors: Vec<i16>,
}

impl Frame {
    /// The pieces in the order in which they are sent.
    pub fn parts(&self) -> &[RecordsPart] {
        &self.parts
    }

    /// The pieces, taken.
    pub fn into_parts(self) -> Vec<RecordsPart> {
        self.parts
    }

    /// Every error code in it, in order, that is not 0.
    pub fn errors(&self) -> &[i16] {
        &self.errors
    }

    /// Bytes on the wire.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(RecordsPart::size).fold(0, u64::saturating_add)
    }

    /// All bytes in memory, for those who need not send files as they are.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                RecordsPart::Memory(memory) => bytes.extend_from_slice(memory),
                RecordsPart::File(range) => bytes.extend_from_slice(&range.read()?),
            }
        }
        Ok(bytes)
    }
}

/// The size in front of a frame, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSize(pub usize);

/// A size that no frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFrameSize {
    /// What the peer sent.
    pub size: i32,
    /// `socket.request.max.bytes`.
    pub limit: usize,
}

impl fmt::Display for BadFrameSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes (0 to {} are allowed)", self.size, self.limit)
    }
}

impl std::error::Error for BadFrameSize {}

impl FrameSize {
    /// Bytes of the size itself.
    pub const PREFIX: usize = 4;

    /// Reads the size in front of a frame.
    ///
    /// # Errors
    /// [`BadFrameSize`] when it is negative or above `limit` (`NetworkReceive`).
    pub fn check(prefix: [u8; Self::PREFIX], limit: usize) -> Result<Self, BadFrameSize> {
        let size = i32::from_be_bytes(prefix);
        match usize::try_from(size) {
            Ok(bytes) if bytes <= limit => Ok(Self(bytes)),
            _ => Err(BadFrameSize { size, limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_refused_by_its_size_alone() {
        assert_eq!(FrameSize::check([0, 0, 0, 9], 10), Ok(FrameSize(9)));
        assert_eq!(FrameSize::check([0, 0, 0, 11], 10), Err(BadFrameSize { size: 11, limit: 10 }));
        assert_eq!(FrameSize::check([0xff; 4], 10), Err(BadFrameSize { size: -1, limit: 10 }));
    }
}
