//! Writes Kafka's primitive types into a list of segments. Small things gather in one buffer; records stay what they are, bytes
//! or ranges of files.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use highwater_types::TopicId;

use crate::frame::Frame;
use crate::records::{Records, RecordsPart};
use crate::str::Str;

/// Why a message could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A field is set that this version does not carry and that must not be dropped silently.
    NotInVersion {
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A string of more than 32767 bytes in a version that cannot say so, or anything above `i32::MAX` bytes.
    TooLong(u64),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInVersion { field, version } => {
                write!(f, "version {version} cannot carry field {field}")
            }
            Self::TooLong(size) => write!(f, "{size} bytes or elements are more than the protocol can say"),
        }
    }
}

impl std::error::Error for EncodeError {}

type Encoded = Result<(), EncodeError>;

/// What was written so far.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The first segment, kept open because the frame's size goes in front of it.
    head: Option<BytesMut>,
    done: Vec<RecordsPart>,
    buffer: BytesMut,
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {$(
        pub(crate) fn $name(&mut self, value: $type) {
            self.buffer.extend_from_slice(&value.to_be_bytes());
        }
    )*};
}

impl Encoder {
    /// An empty frame, with room for its size.
    pub fn new() -> Self {
        let mut encoder = Self::default();
        encoder.i32(0);
        encoder
    }

    /// Closes the frame: its size goes in front.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] above `i32::MAX` bytes.
    pub fn finish(mut self) -> Result<Frame, EncodeError> {
        self.cut();
        let mut head = self.head.unwrap_or_default();
        let rest: u64 = self.done.iter().map(RecordsPart::size).sum();
        let size = (head.len() as u64).saturating_sub(4).saturating_add(rest);
        let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLong(size))?;
        if let Some(room) = head.first_chunk_mut::<4>() {
            *room = prefix.to_be_bytes();
        }
        self.done.insert(0, RecordsPart::Memory(head.freeze()));
        Ok(Frame { parts: self.done })
    }

    integers!(i8: i8, i16: i16, i32: i32, i64: i64);

    pub(crate) fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: TopicId) {
        self.buffer.extend_from_slice(&value.0);
    }

    pub(crate) fn string(&mut self, value: &Str, compact: bool) -> Encoded {
        self.nullable_string(Some(value), compact)
    }

    pub(crate) fn nullable_string(&mut self, value: Option<&Str>, compact: bool) -> Encoded {
        let size = value.map(|text| text.len() as u64);
        if compact {
            self.compact_length(size)?;
        } else {
            self.i16(length(size)?);
        }
        self.buffer.extend_from_slice(value.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }

    pub(crate) fn nullable_records(&mut self, value: Option<&Records>, compact: bool) -> Encoded {
        self.long_length(value.map(Records::size), compact)?;
        for part in value.map_or(&[][..], Records::parts) {
            if part.size() > 0 {
                self.cut();
                self.done.push(part.clone());
            }
        }
        Ok(())
    }

    pub(crate) fn array<T>(
        &mut self,
        items: &[T],
        compact: bool,
        element: impl FnMut(&mut Self, &T) -> Encoded,
    ) -> Encoded {
        self.nullable_array(Some(items), compact, element)
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        items: Option<&[T]>,
        compact: bool,
        mut element: impl FnMut(&mut Self, &T) -> Encoded,
    ) -> Encoded {
        self.long_length(items.map(|items| items.len() as u64), compact)?;
        items.unwrap_or_default().iter().try_for_each(|item| element(self, item))
    }

    pub(crate) fn nullable_struct<T>(
        &mut self,
        value: Option<&T>,
        element: impl FnOnce(&mut Self, &T) -> Encoded,
    ) -> Encoded {
        self.i8(if value.is_some() { 1 } else { -1 });
        value.map_or(Ok(()), |value| element(self, value))
    }

    pub(crate) fn no_tagged_fields(&mut self) {
        self.i8(0);
    }

    pub(crate) fn tagged_fields(&mut self, fields: TaggedFields) -> Encoded {
        self.varint(fields.0.len() as u64)?;
        for (tag, body) in fields.0 {
            self.varint(u64::from(tag))?;
            self.varint(body.len() as u64)?;
            self.buffer.extend_from_slice(&body);
        }
        Ok(())
    }

    fn long_length(&mut self, size: Option<u64>, compact: bool) -> Encoded {
        if compact {
            return self.compact_length(size);
        }
        self.i32(length(size)?);
        Ok(())
    }

    /// Length plus one as an unsigned varint; 0 is null.
    fn compact_length(&mut self, size: Option<u64>) -> Encoded {
        self.varint(size.map_or(0, |size| size.saturating_add(1)))
    }

    fn varint(&mut self, value: u64) -> Encoded {
        let mut rest = u32::try_from(value).map_err(|_| EncodeError::TooLong(value))?;
        while rest >= 0x80 {
            self.buffer.put_u8(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.buffer.put_u8(rest.to_le_bytes()[0]);
        Ok(())
    }

    /// Moves what is in the buffer to the finished segments.
    fn cut(&mut self) {
        if self.head.is_none() {
            self.head = Some(self.buffer.split());
        } else if !self.buffer.is_empty() {
            self.done.push(RecordsPart::Memory(self.buffer.split().freeze()));
        }
    }
}

/// A length of a type that may be too small for it; -1 for null.
fn length<T: TryFrom<i64>>(size: Option<u64>) -> Result<T, EncodeError> {
    let size = size.map_or(Ok(-1), |size| i64::try_from(size).map_err(|_| EncodeError::TooLong(size)))?;
    T::try_from(size).map_err(|_| EncodeError::TooLong(size.unsigned_abs()))
}

/// The tagged fields of one struct that are set, in ascending order of their tags.
#[derive(Debug, Default)]
pub(crate) struct TaggedFields(Vec<(u32, Bytes)>);

impl TaggedFields {
    /// Adds a field. Tagged fields hold no records, so all of one is in memory.
    pub(crate) fn field(&mut self, tag: u32, write: impl FnOnce(&mut Encoder) -> Encoded) -> Encoded {
        let mut inner = Encoder::default();
        write(&mut inner)?;
        self.0.push((tag, inner.buffer.freeze()));
        Ok(())
    }
}
