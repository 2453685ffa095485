//! Writes Kafka's primitive types into a list of segments. Small things gather in one buffer; records stay what they are,
//! bytes or ranges of files.

use std::fmt;

use bytes::{BufMut, BytesMut};
use highwater_types::TopicId;

use crate::frame::{Frame, FrameSize};
use crate::message::Message;
use crate::records::{Records, RecordsPart};
use crate::str::Str;

/// Why a message could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// The message has no such version.
    BadVersion {
        /// The message.
        message: &'static str,
        /// The version.
        version: i16,
    },
    /// A field is set that this version does not carry and that must not be dropped silently.
    NotInVersion {
        /// The field.
        field: &'static str,
        /// The version.
        version: i16,
    },
    /// A field is null and this version does not allow it.
    Null {
        /// The field.
        field: &'static str,
    },
    /// A string of more than 32767 bytes, or bytes or an array of more than `i32::MAX`.
    TooLong {
        /// The field.
        field: &'static str,
        /// Its bytes or elements.
        length: u64,
    },
    /// A frame of more than `i32::MAX` bytes.
    FrameTooLarge {
        /// Its size in bytes.
        size: u64,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadVersion { message, version } => write!(f, "there is no version {version} of {message}"),
            Self::NotInVersion { field, version } => {
                write!(f, "version {version} cannot carry field {field}")
            }
            Self::Null { field } => write!(f, "field {field} is null, which this version does not allow"),
            Self::TooLong { field, length } => {
                write!(f, "field {field}: {length} bytes or elements are more than the protocol can say")
            }
            Self::FrameTooLarge { size } => write!(f, "a frame of {size} bytes is too large"),
        }
    }
}

impl std::error::Error for EncodeError {}

type Encoded = Result<(), EncodeError>;

/// A frame of so many bytes does not have to grow: what is answered to a Produce of one partition, or to a heartbeat. With what the
/// system's allocator keeps beside it, it is the largest block of those that have a short way.
const SMALL_FRAME: usize = 112;

/// What was written so far.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The first segment, kept open because the frame's size goes in front of it.
    head: Option<BytesMut>,
    done: Vec<RecordsPart>,
    buffer: BytesMut,
    errors: Vec<i16>,
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
        let mut encoder = Self { buffer: BytesMut::with_capacity(SMALL_FRAME), ..Self::default() };
        encoder.i32(0);
        encoder
    }

    /// Closes the frame: its size goes in front.
    ///
    /// # Errors
    /// [`EncodeError::FrameTooLarge`] above `i32::MAX` bytes.
    pub fn finish(mut self) -> Result<Frame, EncodeError> {
        self.cut();
        let mut head = self.head.unwrap_or_default();
        let rest = self.done.iter().map(RecordsPart::size).fold(0, u64::saturating_add);
        let size = (head.len().saturating_sub(FrameSize::PREFIX) as u64).saturating_add(rest);
        let prefix = i32::try_from(size).map_err(|_| EncodeError::FrameTooLarge { size })?;
        if let Some(room) = head.first_chunk_mut() {
            *room = prefix.to_be_bytes();
        }
        self.done.insert(0, RecordsPart::Memory(head.freeze()));
        Ok(Frame { parts: self.done, errors: self.errors })
    }

    pub(crate) fn check_version<M: Message>(&self, version: i16) -> Encoded {
        let (first, last) = M::VERSIONS;
        let known = (first..=last).contains(&version);
        if known { Ok(()) } else { Err(EncodeError::BadVersion { message: M::NAME, version }) }
    }

    integers!(i8: i8, i16: i16, i32: i32, i64: i64);

    /// An error code, which the frame also tells of when it is one.
    pub(crate) fn error_code(&mut self, value: i16) {
        if value != 0 {
            self.errors.push(value);
        }
        self.i16(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.i8(i8::from(value));
    }

    pub(crate) fn uuid(&mut self, value: TopicId) {
        self.buffer.extend_from_slice(&value.0);
    }

    pub(crate) fn string(&mut self, field: &'static str, value: &Str, compact: bool) -> Encoded {
        let bytes = value.as_bytes();
        let length = bytes.len() as u64;
        let size = i16::try_from(length).map_err(|_| EncodeError::TooLong { field, length })?;
        if compact {
            self.varint(u32::from(size.cast_unsigned()) + 1);
        } else {
            self.i16(size);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
        value: Option<&Str>,
        compact: bool,
    ) -> Encoded {
        match value {
            Some(value) => self.string(field, value, compact)?,
            None if compact => self.varint(0),
            None => self.i16(-1),
        }
        Ok(())
    }

    pub(crate) fn bytes(&mut self, field: &'static str, value: &[u8], compact: bool) -> Encoded {
        self.long_length(field, Some(value.len() as u64), compact)?;
        self.buffer.extend_from_slice(value);
        Ok(())
    }

    pub(crate) fn nullable_records(
        &mut self,
        field: &'static str,
        value: Option<&Records>,
        compact: bool,
    ) -> Encoded {
        self.long_length(field, value.map(Records::size), compact)?;
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
        field: &'static str,
        items: &[T],
        compact: bool,
        element: impl FnMut(&mut Self, &T) -> Encoded,
    ) -> Encoded {
        self.nullable_array(field, Some(items), compact, element)
    }

    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        items: Option<&[T]>,
        compact: bool,
        mut element: impl FnMut(&mut Self, &T) -> Encoded,
    ) -> Encoded {
        self.long_length(field, items.map(|items| items.len() as u64), compact)?;
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
        self.varint(0);
    }

    pub(crate) fn tagged_fields(&mut self, fields: TaggedFields) {
        self.varint(fields.count);
        self.buffer.extend_from_slice(&fields.content.buffer);
    }

    /// The length of bytes or an array; `None` is null.
    fn long_length(&mut self, field: &'static str, length: Option<u64>, compact: bool) -> Encoded {
        let plain = match length {
            Some(length) => i32::try_from(length).map_err(|_| EncodeError::TooLong { field, length })?,
            None => -1,
        };
        if compact {
            // Plus one, so that null is 0.
            self.varint(plain.cast_unsigned().wrapping_add(1));
        } else {
            self.i32(plain);
        }
        Ok(())
    }

    fn varint(&mut self, value: u32) {
        let mut rest = value;
        while rest >= 0x80 {
            self.buffer.put_u8(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.buffer.put_u8(rest.to_le_bytes()[0]);
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

/// The value of a field that is null in some versions, for one that has no null.
pub(crate) fn present<'a, T>(field: &'static str, value: Option<&'a T>) -> Result<&'a T, EncodeError> {
    value.ok_or(EncodeError::Null { field })
}

/// The tagged fields of one struct that are set. They are counted in front, so they are collected first; none cost nothing.
#[derive(Debug, Default)]
pub(crate) struct TaggedFields {
    count: u32,
    content: Encoder,
}

impl TaggedFields {
    /// Adds a field, in ascending order of tags. Tagged fields hold no records, so all of one is in the buffer.
    pub(crate) fn field(
        &mut self,
        name: &'static str,
        tag: u32,
        write: impl FnOnce(&mut Encoder) -> Encoded,
    ) -> Encoded {
        let mut field = Encoder::default();
        write(&mut field)?;
        let length = field.buffer.len() as u64;
        let size = u32::try_from(length).map_err(|_| EncodeError::TooLong { field: name, length })?;
        self.count += 1;
        self.content.varint(tag);
        self.content.varint(size);
        self.content.buffer.extend_from_slice(&field.buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn records_stay_in_their_pieces_and_are_not_copied() {
        let batch = Bytes::from(vec![7; 300]);
        let mut output = Encoder::new();
        output.i8(1);
        output.nullable_records("records", Some(&Records::from(batch.clone())), false).unwrap();
        output.nullable_records("records", Some(&Records::default()), true).unwrap();
        output.i8(2);
        let frame = output.finish().unwrap();
        let sizes: Vec<u64> = frame.parts().iter().map(RecordsPart::size).collect();
        assert_eq!(sizes, [9, 300, 2]);
        let RecordsPart::Memory(sent) = &frame.parts()[1] else { panic!("a slice of memory") };
        assert_eq!(sent.as_ptr(), batch.as_ptr());
        assert_eq!(frame.read().unwrap()[..9], [0, 0, 1, 51, 1, 0, 0, 1, 44]);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let mut output = Encoder::new();
        let error = EncodeError::TooLong { field: "name", length: 32768 };
        assert_eq!(output.string("name", &Str::from("x".repeat(32768)), true), Err(error));
        assert_eq!(output.string("name", &Str::from("x".repeat(32768)), false), Err(error));
        assert_eq!(output.string("name", &Str::from("x".repeat(32767)), true), Ok(()));
    }

    #[test]
    fn a_frame_of_two_gigabytes_is_refused() {
        let records = Records::from(Bytes::from(vec![0; 1 << 20]));
        let mut output = Encoder::new();
        for _ in 0..2048 {
            output.nullable_records("records", Some(&records), false).unwrap();
        }
        let size = (2048 << 20) + 2048 * 4;
        assert_eq!(output.finish().unwrap_err(), EncodeError::FrameTooLarge { size });
    }

    #[test]
    fn tagged_fields_are_counted_and_sized() {
        let mut fields = TaggedFields::default();
        fields.field("a", 0, |output| output.string("a", &Str::from("hi"), true)).unwrap();
        let five = |output: &mut Encoder| {
            output.i16(5);
            Ok(())
        };
        fields.field("b", 200, five).unwrap();
        let mut output = Encoder::new();
        output.tagged_fields(fields);
        let bytes = output.finish().unwrap().read().unwrap();
        assert_eq!(bytes[4..], [2, 0, 3, 3, b'h', b'i', 0xc8, 1, 2, 0, 5]);
    }
}
