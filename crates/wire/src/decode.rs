//! Reads Kafka's primitive types out of a frame. The bytes are a peer's: every length is held against what is left, arrays
//! grow by what was read, and together take at most 16 times the frame's size in memory (or 64 KiB), never more than
//! 32 MiB. Schemas are not recursive, so nesting is as deep as the deepest schema.

use std::fmt;

use bytes::Bytes;
use highwater_types::TopicId;

use crate::message::Message;
use crate::records::Records;
use crate::str::Str;

/// Memory that the arrays of a message may take for each byte of its frame. Elements take up to about ten times their
/// bytes when names are short; a frame of nothing but empty strings would take 32 times its size.
const ARRAY_MEMORY_FACTOR: usize = 16;
/// Memory in bytes that the arrays of any message may take.
const ARRAY_MEMORY_MIN: usize = 64 << 10;
/// Memory in bytes that the arrays of no message may exceed: a request to some hundred thousand partitions fits.
const ARRAY_MEMORY_MAX: usize = 32 << 20;
/// The longest string in bytes, in every form (as in Kafka).
const STRING_SIZE_MAX: usize = 0x7fff;
/// How errors call the part of a struct where tagged fields are.
const TAGGED_FIELDS: &str = "tagged fields";

/// Why a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// The field, as in Kafka's messages.
    pub field: &'static str,
    /// Bytes of the frame (without its size) before the place where reading stopped.
    pub position: usize,
    /// What is wrong.
    pub problem: DecodeProblem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeProblem {
    /// The frame, or the tagged field, ends inside the field.
    Truncated {
        /// Bytes that the field still takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// Null where this version does not allow it.
    Null,
    /// A string of more than 32767 bytes.
    StringTooLong {
        /// Its size in bytes.
        size: usize,
    },
    /// An array of more elements than bytes are left.
    TooManyElements {
        /// The stated number.
        count: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// The arrays of the message would take more memory than those of a frame of this size may.
    TooMuchMemory {
        /// The limit in bytes.
        limit: usize,
    },
    /// A variable-length integer of more than 32 bits.
    BadVarint,
    /// A tagged field that ends before its stated size.
    BadTaggedField {
        /// Its tag.
        tag: u32,
        /// Bytes that its content leaves over.
        remaining: usize,
    },
    /// The message has no such version.
    BadVersion {
        /// The version.
        version: i16,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, position, .. } = self;
        write!(f, "field {field} at byte {position}: ")?;
        match self.problem {
            DecodeProblem::Truncated { needed, remaining } => {
                write!(f, "takes {needed} more bytes, {remaining} are left")
            }
            DecodeProblem::Null => f.write_str("null is not allowed"),
            DecodeProblem::StringTooLong { size } => {
                write!(f, "string of {size} bytes ({STRING_SIZE_MAX} are allowed)")
            }
            DecodeProblem::TooManyElements { count, remaining } => {
                write!(f, "array of {count} elements, but only {remaining} bytes are left")
            }
            DecodeProblem::TooMuchMemory { limit } => {
                write!(f, "arrays take more than the {limit} bytes of memory allowed for this frame")
            }
            DecodeProblem::BadVarint => f.write_str("not a variable-length integer of 32 bits"),
            DecodeProblem::BadTaggedField { tag, remaining } => {
                write!(f, "tagged field {tag} ends {remaining} bytes before its stated size")
            }
            DecodeProblem::BadVersion { version } => write!(f, "there is no version {version}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A frame and how far it was read. Strings and bytes that come out are slices of the frame.
#[derive(Debug, Clone)]
pub struct Decoder {
    frame: Bytes,
    position: usize,
    /// Where reading must stop: the end of the frame, or of the tagged field that is being read.
    end: usize,
    /// Memory in bytes that arrays may still take.
    memory_left: usize,
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
    /// Starts at the beginning of `frame` (without its size).
    pub fn new(frame: Bytes) -> Self {
        let end = frame.len();
        Self { frame, position: 0, end, memory_left: memory_limit(end) }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    pub(crate) fn check_version<M: Message>(&self, version: i16) -> Decoded<()> {
        let (first, last) = M::VERSIONS;
        let known = (first..=last).contains(&version);
        if known { Ok(()) } else { Err(self.error(M::NAME, DecodeProblem::BadVersion { version })) }
    }

    integers!(i8: i8, i16: i16, i32: i32, i64: i64);

    pub(crate) fn bool(&mut self, field: &'static str) -> Decoded<bool> {
        Ok(self.i8(field)? != 0)
    }

    pub(crate) fn uuid(&mut self, field: &'static str) -> Decoded<TopicId> {
        Ok(TopicId(self.fixed(field)?))
    }

    pub(crate) fn string(&mut self, field: &'static str, compact: bool) -> Decoded<Str> {
        let value = self.nullable_string(field, compact)?;
        self.present(field, value)
    }

    pub(crate) fn nullable_string(&mut self, field: &'static str, compact: bool) -> Decoded<Option<Str>> {
        let size = if compact { self.compact_length(field)? } else { length(self.i16(field)?.into()) };
        let Some(size) = size else { return Ok(None) };
        if size > STRING_SIZE_MAX {
            return Err(self.error(field, DecodeProblem::StringTooLong { size }));
        }
        Ok(Some(Str::from_utf8_lossy(self.slice(field, size)?)))
    }

    /// A slice of the frame, which stays in memory as long as the slice does.
    pub(crate) fn bytes(&mut self, field: &'static str, compact: bool) -> Decoded<Bytes> {
        let value = self.nullable_bytes(field, compact)?;
        self.present(field, value)
    }

    pub(crate) fn nullable_bytes(&mut self, field: &'static str, compact: bool) -> Decoded<Option<Bytes>> {
        match self.long_length(field, compact)? {
            Some(size) => self.slice(field, size).map(Some),
            None => Ok(None),
        }
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
        let value = self.nullable_array(field, compact, element)?;
        self.present(field, value)
    }

    /// Elements of at least one byte each, so a count above what is left is a lie. The vector grows with what was really
    /// read.
    pub(crate) fn nullable_array<T>(
        &mut self,
        field: &'static str,
        compact: bool,
        mut element: impl FnMut(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<Vec<T>>> {
        let Some(count) = self.long_length(field, compact)? else { return Ok(None) };
        let remaining = self.remaining();
        if count > remaining {
            return Err(self.error(field, DecodeProblem::TooManyElements { count, remaining }));
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            self.charge(field, size_of::<T>())?;
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    fn charge(&mut self, field: &'static str, size: usize) -> Decoded<()> {
        let limit = memory_limit(self.frame.len());
        let left = self.memory_left.checked_sub(size);
        self.memory_left = left.ok_or_else(|| self.error(field, DecodeProblem::TooMuchMemory { limit }))?;
        Ok(())
    }

    pub(crate) fn nullable_struct<T>(
        &mut self,
        field: &'static str,
        element: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.i8(field)? < 0 { Ok(None) } else { element(self).map(Some) }
    }

    /// Reads the tagged fields of a struct. `known` reads a field and says so; what it does not know is skipped. Each takes
    /// two bytes at least, so a hostile count ends with the frame.
    pub(crate) fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Decoded<bool>,
    ) -> Decoded<()> {
        for _ in 0..self.varint(TAGGED_FIELDS)? {
            let tag = self.varint(TAGGED_FIELDS)?;
            let size = self.varint(TAGGED_FIELDS)? as usize;
            self.require(TAGGED_FIELDS, size)?;
            let outer_end = self.end;
            self.end = self.position.saturating_add(size);
            if !known(tag, self)? {
                self.position = self.end;
            }
            let remaining = self.remaining();
            if remaining > 0 {
                return Err(self.error(TAGGED_FIELDS, DecodeProblem::BadTaggedField { tag, remaining }));
            }
            self.end = outer_end;
        }
        Ok(())
    }

    pub(crate) fn skip_tagged_fields(&mut self) -> Decoded<()> {
        self.tagged_fields(|_, _| Ok(false))
    }

    fn present<T>(&self, field: &'static str, value: Option<T>) -> Decoded<T> {
        value.ok_or_else(|| self.error(field, DecodeProblem::Null))
    }

    /// The length of bytes or an array; `None` is null.
    fn long_length(&mut self, field: &'static str, compact: bool) -> Decoded<Option<usize>> {
        if compact { self.compact_length(field) } else { Ok(length(self.i32(field)?)) }
    }

    /// Length plus one as an unsigned varint; 0 is null, given here as `None`.
    fn compact_length(&mut self, field: &'static str) -> Decoded<Option<usize>> {
        Ok(self.varint(field)?.checked_sub(1).map(|length| length as usize))
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

    fn slice(&mut self, field: &'static str, size: usize) -> Decoded<Bytes> {
        self.require(field, size)?;
        let start = self.position;
        self.position += size;
        Ok(self.frame.slice(start..self.position))
    }

    fn fixed<const N: usize>(&mut self, field: &'static str) -> Decoded<[u8; N]> {
        let rest = self.frame.get(self.position..self.end).unwrap_or_default();
        match rest.first_chunk() {
            Some(chunk) => {
                self.position += N;
                Ok(*chunk)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    fn require(&self, field: &'static str, size: usize) -> Decoded<()> {
        if size <= self.remaining() { Ok(()) } else { Err(self.truncated(field, size)) }
    }

    fn truncated(&self, field: &'static str, needed: usize) -> DecodeError {
        self.error(field, DecodeProblem::Truncated { needed, remaining: self.remaining() })
    }

    fn error(&self, field: &'static str, problem: DecodeProblem) -> DecodeError {
        DecodeError { field, position: self.position, problem }
    }
}

/// A length that is not compact: every negative one is null (as in Kafka).
fn length(stored: i32) -> Option<usize> {
    usize::try_from(stored).ok()
}

/// Memory in bytes that the arrays of a message in a frame of `size` bytes may take.
fn memory_limit(size: usize) -> usize {
    size.saturating_mul(ARRAY_MEMORY_FACTOR).clamp(ARRAY_MEMORY_MIN, ARRAY_MEMORY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoder(bytes: &[u8]) -> Decoder {
        Decoder::new(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn compact_lengths_are_one_more_and_zero_is_null() {
        let mut input = decoder(&[0, 1, 3, b'a', b'b']);
        assert_eq!(input.nullable_string("name", true), Ok(None));
        assert_eq!(input.string("name", true), Ok(Str::default()));
        assert_eq!(input.string("name", true), Ok(Str::from("ab")));
        assert_eq!(input.remaining(), 0);
    }

    #[test]
    fn other_lengths_are_null_when_negative() {
        assert_eq!(decoder(&[0xff, 0xff]).nullable_string("name", false), Ok(None));
        assert_eq!(decoder(&[0x80, 0x00]).nullable_string("name", false), Ok(None));
        assert_eq!(decoder(&[0xff; 4]).nullable_bytes("data", false), Ok(None));
        let error = decoder(&[0xff, 0xff]).string("name", false).unwrap_err();
        assert_eq!(error, DecodeError { field: "name", position: 2, problem: DecodeProblem::Null });
    }

    #[test]
    fn a_string_has_at_most_32767_bytes_in_every_form() {
        let mut bytes = vec![0x81, 0x80, 0x02];
        bytes.resize(40_000, b'x');
        let error = decoder(&bytes).string("name", true).unwrap_err();
        assert_eq!(error.problem, DecodeProblem::StringTooLong { size: 32768 });
    }

    #[test]
    fn a_varint_has_at_most_five_bytes_and_32_bits() {
        let read = |bytes: &[u8]| decoder(bytes).varint("n").map_err(|error| error.problem);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeProblem::BadVarint));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), Err(DecodeProblem::BadVarint));
        assert_eq!(read(&[0x80]), Err(DecodeProblem::Truncated { needed: 1, remaining: 0 }));
    }

    #[test]
    fn an_array_cannot_have_more_elements_than_bytes_are_left() {
        let read = |bytes: &[u8]| decoder(bytes).array("a", false, |input| input.i8("a"));
        let error = read(&[0x7f, 0xff, 0xff, 0xff, 1, 2]).unwrap_err();
        assert_eq!(error.problem, DecodeProblem::TooManyElements { count: 0x7fff_ffff, remaining: 2 });
        assert_eq!(read(&[0, 0, 0, 2, 1, 2]), Ok(vec![1, 2]));
    }

    #[test]
    fn arrays_of_nothing_cannot_take_more_memory_than_the_frame_allows() {
        // 100 000 empty strings: a byte each on the wire, 32 in memory.
        let mut bytes = vec![0xa1, 0x8d, 0x06];
        bytes.resize(100_003, 1);
        let error = decoder(&bytes).array("names", true, |input| input.string("names", true)).unwrap_err();
        assert_eq!(error.problem, DecodeProblem::TooMuchMemory { limit: 16 * 100_003 });
    }

    #[test]
    fn arrays_of_no_message_take_more_than_32_mib() {
        // 3 000 000 strings of a letter: 6 MB on the wire, 96 MB in memory, which is 16 times as much.
        let mut bytes = vec![0xc1, 0x8d, 0xb7, 0x01];
        bytes.extend([2, b'a'].repeat(3_000_000));
        let error = decoder(&bytes).array("names", true, |input| input.string("names", true)).unwrap_err();
        assert_eq!(error.problem, DecodeProblem::TooMuchMemory { limit: 32 << 20 });
    }

    #[test]
    fn unknown_tagged_fields_are_skipped_and_known_ones_end_where_they_say() {
        let mut input = decoder(&[2, 9, 2, 0xaa, 0xbb, 0, 1, 7, 42]);
        let mut known = None;
        let read = |tag, input: &mut Decoder| match tag {
            0 => input.i8("seven").map(|value| known = Some(value)).map(|()| true),
            _ => Ok(false),
        };
        input.tagged_fields(read).unwrap();
        assert_eq!((known, input.remaining()), (Some(7), 1));

        let longer = decoder(&[1, 0, 2, 7, 7]).tagged_fields(|_, input| input.i8("seven").map(|_| true));
        let problem = DecodeProblem::BadTaggedField { tag: 0, remaining: 1 };
        assert_eq!(longer.unwrap_err().problem, problem);
        let shorter = decoder(&[1, 0, 1, 7, 7]).tagged_fields(|_, input| input.i16("seven").map(|_| true));
        let problem = DecodeProblem::Truncated { needed: 2, remaining: 1 };
        assert_eq!(shorter.unwrap_err().problem, problem);
    }
}
