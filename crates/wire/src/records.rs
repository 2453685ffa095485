//! The `records` field: bytes of a frame, or ranges of segment files, never copied.

use bytes::Bytes;
use highwater_disk::FileRange;

/// A piece of a `records` field.
#[derive(Debug, Clone)]
pub enum RecordsPart {
    /// Bytes in memory.
    Memory(Bytes),
    /// Bytes of a file, to be sent without passing through here.
    File(FileRange),
}

impl RecordsPart {
    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(range) => range.size,
        }
    }
}

/// Record batches, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Records {
    parts: Vec<RecordsPart>,
}

impl Records {
    /// Total size in bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(RecordsPart::size).sum()
    }

    /// The pieces in order.
    pub fn parts(&self) -> &[RecordsPart] {
        &self.parts
    }

    /// The bytes of a field that was decoded (one slice of its frame); empty for file ranges, which are only ever sent.
    pub fn into_bytes(self) -> Bytes {
        match self.parts.into_iter().next() {
            Some(RecordsPart::Memory(bytes)) => bytes,
            Some(RecordsPart::File(_)) | None => Bytes::new(),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self { parts: vec![RecordsPart::Memory(bytes)] }
    }
}

impl From<Vec<FileRange>> for Records {
    fn from(ranges: Vec<FileRange>) -> Self {
        Self { parts: ranges.into_iter().map(RecordsPart::File).collect() }
    }
}

/// Equal when both are the same bytes in memory. A file range equals nothing: its bytes are not looked at.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        let memory = |records: &Self| {
            let mut all = Vec::new();
            for part in &records.parts {
                match part {
                    RecordsPart::Memory(bytes) => all.extend_from_slice(bytes),
                    RecordsPart::File(_) => return None,
                }
            }
            Some(all)
        };
        memory(self).is_some_and(|mine| memory(other) == Some(mine))
    }
}
