//! Reads Kafka's primitive types out of a frame. The bytes are a peer's: every length is held against what is left before
//! anything is reserved, so that decoding costs at most a small multiple of the frame.

use std::fmt;

use bytes::Bytes;
use highwater_types::TopicId;

use crate::records::Records;
use crate::str::Str;

/// Why a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// The field, as it is called in our structs.
    pub field: &'static str,
    /// Bytes before it in the frame.
    pub position: usize,
    /// What is wrong.
    pub problem: DecodeProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeProblem {
    /// The frame ends inside the field.
    Truncated,
    /// A length or count that is negative, or larger than what is left of the frame.
    BadLength(i64),
    /// Null where the schema does not allow it.
    Null,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A variable-length integer of more than its type's bits.
    BadVarint,
    /// A tagged field that is longer or shorter than its size says, or tags out of order.
    BadTaggedField,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, position, .. } = self;
        write!(f, "field {field} at byte {position}: ")?;
        match self.problem {
            DecodeProblem::Truncated => f.write_str("the frame ends inside it"),
            DecodeProblem::BadLength(length) => write!(f, "a length of {length} does not fit the frame"),
            DecodeProblem::Null => f.write_str("null is not allowed"),
            DecodeProblem::NotUtf8 => f.write_str("not UTF-8"),
            DecodeProblem::BadVarint => f.write_str("not a variable-length integer"),
            DecodeProblem::BadTaggedField => f.write_str("malformed tagged field"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A frame and how far it was read.
#[derive(Debug, Clone)]
pub struct Decoder {
    frame: Bytes,
    position: usize,
}

type Decoded<T> = Result<T, DecodeError>;

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {$(
        pub(crate) fn $name(&mut self, field: &'static str) -> Decoded<$type> {
            Ok(<$type>::from_be_bytes(self.fixed(field)?))
        }
    )*};
}

impl Decoder {
    /// Starts at the beginning of `frame`.
    pub fn new(frame: Bytes) -> Self {
        Self { frame, position: 0 }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.frame.len().saturating_sub(self.position)
    }

    integers!(i8: i8, i16: i16, i32: i32, i64: i64);

    pub(crate) fn bool(&mut self, field: &'static str) -> Decoded<bool> {
        Ok(self.i8(field)? != 0)
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Decoded<TopicId> {
        Ok(TopicId(self.fixed(field)?))
    }

    pub(crate) fn string(&mut self, field: &'static str, compact: bool) -> Decoded<Str> {
        self.nullable_string(field, compact)?.ok_or(self.error(field, DecodeProblem::Null))
    }

    pub(crate) fn nullable_string(&mut self, field: &'static str, compact: bool) -> Decoded<Option<Str>> {
        let length = if compact { self.compact_length(field)? } else { i64::from(self.i16(field)?) };
        let Some(bytes) = self.nullable_slice(field, length)? else { return Ok(None) };
        Str::from_utf8(bytes).map(Some).ok_or(self.error(field, DecodeProblem::NotUtf8))
    }

    pub(crate) fn nullable_bytes(&mut self, field: &'static str, compact: bool) -> Decoded<Option<Bytes>> {
        let length = if compact { self.compact_length(field)? } else { i64::from(self.i32(field)?) };
        self.nullable_slice(field, length)
    }

    pub(crate) fn nullable_records(
        &mut self,
        field: &'static str,
        compact: bool,
    ) -> Decoded<Option<Records>> {
        Ok(self.nullable_bytes(field, compact)?.map(Records::from))
    }

    pub(crate) fn array<T>(
        &mut self,
        field: &'static str,
        compact: bool,
        element: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        self.nullable_array(field, compact, element)?.ok_or(self.error(field, DecodeProblem::Null))
    }

    /// Elements of at least one byte each, so a count above what is left is a lie. The vector grows with what was really
    /// read.
    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        compact: bool,
        mut element: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<Vec<T>>> {
        let count = if compact { self.compact_length(field)? } else { i64::from(self.i32(field)?) };
        if count == -1 {
            return Ok(None);
        }
        let bad = self.error(field, DecodeProblem::BadLength(count));
        let count = usize::try_from(count).map_err(|_| bad)?;
        if count > self.remaining() {
            return Err(bad);
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    pub(crate) fn nullable_struct<T>(
        &mut self,
        field: &'static str,
        element: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.i8(field)? < 0 { Ok(None) } else { element(self).map(Some) }
    }

    /// Reads the tagged fields of a struct. `known` reads a field and says so; what it does not know is skipped.
    pub(crate) fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Decoded<bool>,
    ) -> Decoded<()> {
        const FIELD: &str = "tagged fields";
        let mut last = None;
        for _ in 0..self.varint(FIELD)? {
            let tag = self.varint(FIELD)?;
            if last.is_some_and(|last| last >= tag) {
                return Err(self.error(FIELD, DecodeProblem::BadTaggedField));
            }
            last = Some(tag);
            let size = self.varint(FIELD)?;
            let body = self.nullable_slice(FIELD, i64::from(size))?.unwrap_or_default();
            let mut inner = Self::new(body);
            if known(tag, &mut inner)? && inner.remaining() > 0 {
                return Err(self.error(FIELD, DecodeProblem::BadTaggedField));
            }
        }
        Ok(())
    }

    pub(crate) fn skip_tagged_fields(&mut self) -> Decoded<()> {
        self.tagged_fields(|_, _| Ok(false))
    }

    /// Length plus one as an unsigned varint; 0 is null, given here as -1.
    fn compact_length(&mut self, field: &'static str) -> Decoded<i64> {
        Ok(i64::from(self.varint(field)?) - 1)
    }

    fn varint(&mut self, field: &'static str) -> Decoded<u32> {
        let mut value: u64 = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.fixed(field)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| self.error(field, DecodeProblem::BadVarint));
            }
        }
        Err(self.error(field, DecodeProblem::BadVarint))
    }

    fn nullable_slice(&mut self, field: &'static str, length: i64) -> Decoded<Option<Bytes>> {
        if length == -1 {
            return Ok(None);
        }
        let bad = self.error(field, DecodeProblem::BadLength(length));
        let length = usize::try_from(length).map_err(|_| bad)?;
        if length > self.remaining() {
            return Err(bad);
        }
        let end = self.position + length;
        let slice = self.frame.slice(self.position..end);
        self.position = end;
        Ok(Some(slice))
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Decoded<[u8; N]> {
        let rest = self.frame.get(self.position..).unwrap_or_default();
        match rest.first_chunk() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.error(field, DecodeProblem::Truncated)),
        }
    }

    fn error(&self, field: &'static str, problem: DecodeProblem) -> DecodeError {
        DecodeError { field, position: self.position, problem }
    }
}
