//! One record inside a batch, read in place (`DefaultRecord`). Lengths and deltas are varints.
//!
//! | field | type | |
//! |---|---|---|
//! | length | varint | bytes that follow |
//! | attributes | i8 | unused |
//! | timestamp_delta | varlong | added to the batch's base timestamp |
//! | offset_delta | varint | added to the batch's base offset |
//! | key length, key | varint, bytes | -1: null |
//! | value length, value | varint, bytes | -1: null |
//! | header count | varint | then for each: key length, key (never null), value length, value |

use super::varint::take_varint;
use super::varint::take_varlong;

/// A record whose parts lie in the batch or in the decoder's buffer. Everything in it was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Added to the batch's base timestamp, in milliseconds.
    pub timestamp_delta: i64,
    /// Added to the batch's base offset; never negative.
    pub offset_delta: u32,
    /// The key; `None` is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null, a tombstone.
    pub value: Option<&'a [u8]>,
    /// How many headers there are.
    pub header_count: u32,
    header_bytes: &'a [u8],
}

/// One header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderView<'a> {
    /// The name; UTF-8 by convention.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> RecordView<'a> {
    /// The headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = HeaderView<'a>> + use<'a> {
        let mut rest = self.header_bytes;
        std::iter::from_fn(move || if rest.is_empty() { None } else { take_header(&mut rest).ok() })
    }

    /// Reads the fields behind the length; `body` must be used up exactly.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, &'static str> {
        let mut rest = body;
        rest.split_off_first().ok_or("record without attributes")?;
        let timestamp_delta = take_varlong(&mut rest).ok_or("bad timestamp delta")?;
        let offset_delta = take_varint(&mut rest).ok_or("bad offset delta")?;
        let key = take_nullable(&mut rest).ok_or("bad key")?;
        let value = take_nullable(&mut rest).ok_or("bad value")?;
        let count = take_varint(&mut rest).ok_or("bad number of headers")?;
        let header_count = u32::try_from(count).map_err(|_| "negative number of headers")?;
        let header_bytes = rest;
        for _ in 0..header_count {
            take_header(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err("record is longer than its fields");
        }
        let offset_delta = u32::try_from(offset_delta).map_err(|_| "negative offset delta")?;
        Ok(Self { timestamp_delta, offset_delta, key, value, header_count, header_bytes })
    }
}

fn take_header<'a>(bytes: &mut &'a [u8]) -> Result<HeaderView<'a>, &'static str> {
    let key = take_nullable(bytes).ok_or("bad header key")?.ok_or("null header key")?;
    let value = take_nullable(bytes).ok_or("bad header value")?;
    Ok(HeaderView { key, value })
}

/// A length and so many bytes; any negative length is null, as Kafka reads it.
fn take_nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match usize::try_from(take_varint(bytes)?) {
        Err(_) => Some(None),
        Ok(length) => bytes.split_off(..length).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// attributes, deltas 1 and 2, key "k", null value, headers h=v and n=null.
    const BODY: &[u8] = &[0, 2, 4, 2, b'k', 1, 4, 2, b'h', 2, b'v', 2, b'n', 1];

    #[test]
    fn a_record_is_read_in_place() {
        let record = RecordView::parse(BODY).unwrap();
        assert_eq!((record.timestamp_delta, record.offset_delta), (1, 2));
        assert_eq!((record.key, record.value, record.header_count), (Some(&b"k"[..]), None, 2));
        let headers: Vec<_> = record.headers().map(|header| (header.key, header.value)).collect();
        assert_eq!(headers, [(&b"h"[..], Some(&b"v"[..])), (&b"n"[..], None)]);
    }

    #[test]
    fn a_record_cut_anywhere_or_too_long_is_refused() {
        for end in 0..BODY.len() {
            assert!(RecordView::parse(&BODY[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(RecordView::parse(&[BODY, &[0]].concat()), Err("record is longer than its fields"));
    }

    #[test]
    fn impossible_fields_are_named() {
        assert_eq!(RecordView::parse(&[0, 0, 1, 1, 1, 0]), Err("negative offset delta"));
        assert_eq!(RecordView::parse(&[0, 0, 0, 1, 1, 1]), Err("negative number of headers"));
        assert_eq!(RecordView::parse(&[0, 0, 0, 1, 1, 2, 1, 1]), Err("null header key"));
        assert_eq!(RecordView::parse(&[0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f]), Err("bad header key"));
        assert_eq!(RecordView::parse(&[0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0]), Err("bad key"));
    }
}
