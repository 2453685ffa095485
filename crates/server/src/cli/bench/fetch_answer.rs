//! Reads an answer to Fetch from its connection as it comes, without keeping it: of each batch the header, of its records nothing
//! but a stamp, if there is one.
//!
//! | v4–11 | |
//! |---|---|
//! | correlation_id i32, throttle_time_ms i32 | v7+: error_code i16, session_id i32 |
//! | count i32 of topics | each: name string, count i32 of partitions |
//! | partition | index i32, error_code i16, high_watermark i64, last_stable_offset i64, v5+: log_start_offset i64 |
//! | | count i32 of aborted transactions (-1: null), 16 bytes each; v11: preferred_read_replica i32 |
//! | | size i32 of records (-1: null), batches back to back, the last one possibly cut off |

use std::io::{self, BufRead};

use highwater_wire::frame::FrameSize;
use highwater_wire::record::{BatchHeader, HEADER_SIZE};

use super::batch::STAMP_BYTES;
use crate::client::{ClientError, refuse};

/// The newest version in this form.
pub(super) const LAST_VERSION: i16 = 11;
/// No answer may be larger: what is asked for is far less.
const ANSWER_BYTES_MAX: usize = 1 << 30;
const ABORTED_BYTES: u64 = 16;

/// A whole batch that was in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its partition.
    pub(super) partition: i32,
    /// The offset behind its last record.
    pub(super) next_offset: i64,
    /// Its records.
    pub(super) records: u64,
    /// Its bytes.
    pub(super) bytes: u64,
    /// The stamp, where one was asked for and the batch is long enough.
    pub(super) stamp: Option<u64>,
}

/// Reads one answer and hands on each whole batch; returns the answer's bytes. Must be asked for in `version`.
///
/// # Errors
/// [`ClientError::Refused`] with the first error code; [`ClientError::Lost`]; [`ClientError::OutOfStep`] when what comes is no answer
/// to Fetch or to another request than `correlation_id`.
pub(super) fn read(
    source: &mut impl BufRead,
    address: &str,
    (version, correlation_id): (i16, i32),
    stamp_at: Option<usize>,
    each: &mut impl FnMut(Seen),
) -> Result<u64, ClientError> {
    let lost = |source| ClientError::Lost { address: address.to_owned(), source };
    let mut prefix = [0; FrameSize::PREFIX];
    source.read_exact(&mut prefix).map_err(lost)?;
    let size = FrameSize::check(prefix, ANSWER_BYTES_MAX)
        .map_err(|source| ClientError::BadFrame { address: address.to_owned(), source })?;
    let mut frame = Frame { source, left: size.0 as u64 };
    match answer(&mut frame, version, correlation_id, stamp_at, each) {
        Ok(()) if frame.left == 0 => Ok(size.0 as u64),
        Ok(()) | Err(Problem::Malformed) => Err(ClientError::OutOfStep { address: address.to_owned() }),
        Err(Problem::Io(source)) => Err(lost(source)),
        Err(Problem::Code(code)) => {
            Err(refuse(code, "Fetch", None).err().unwrap_or(ClientError::NoBootstrap))
        }
    }
}

enum Problem {
    Io(io::Error),
    Malformed,
    Code(i16),
}

fn answer(
    frame: &mut Frame<'_, impl BufRead>,
    version: i16,
    correlation_id: i32,
    stamp_at: Option<usize>,
    each: &mut impl FnMut(Seen),
) -> Result<(), Problem> {
    if frame.i32()? != correlation_id {
        return Err(Problem::Malformed);
    }
    let _throttle_time_ms = frame.i32()?;
    if version >= 7 {
        frame.code()?;
        let _session_id = frame.i32()?;
    }
    for _ in 0..frame.count()? {
        let name = u64::try_from(frame.i16()?).map_err(|_| Problem::Malformed)?;
        frame.skip(name)?;
        for _ in 0..frame.count()? {
            partition(frame, version, stamp_at, each)?;
        }
    }
    Ok(())
}

fn partition(
    frame: &mut Frame<'_, impl BufRead>,
    version: i16,
    stamp_at: Option<usize>,
    each: &mut impl FnMut(Seen),
) -> Result<(), Problem> {
    let index = frame.i32()?;
    frame.code()?;
    frame.skip(if version >= 5 { 24 } else { 16 })?;
    let aborted = frame.count()?;
    frame.skip(aborted.saturating_mul(ABORTED_BYTES))?;
    if version >= 11 {
        frame.skip(4)?;
    }
    let mut left = frame.count()?;
    while left >= HEADER_SIZE as u64 {
        let (before, bytes) = (frame.left, frame.take::<HEADER_SIZE>()?);
        let header = BatchHeader::parse(&bytes).map_err(|_| Problem::Malformed)?;
        let size = header.size();
        if size > left {
            left -= HEADER_SIZE as u64;
            break;
        }
        let stamp = frame.stamp(stamp_at, size)?;
        let read = before - frame.left;
        frame.skip(size.checked_sub(read).ok_or(Problem::Malformed)?)?;
        left -= size;
        each(Seen {
            partition: index,
            next_offset: header.base_offset.0.saturating_add(i64::from(header.last_offset_delta) + 1),
            records: u64::from(header.record_count),
            bytes: size,
            stamp,
        });
    }
    frame.skip(left)
}

/// What is left of an answer.
struct Frame<'a, R> {
    source: &'a mut R,
    left: u64,
}

impl<R: BufRead> Frame<'_, R> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        self.left = self.left.checked_sub(N as u64).ok_or(Problem::Malformed)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(Problem::Io)?;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), Problem> {
        self.left = self.left.checked_sub(count).ok_or(Problem::Malformed)?;
        let mut rest = count;
        while rest > 0 {
            let there = match self.source.fill_buf() {
                Ok([]) => return Err(Problem::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(bytes) => bytes.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Problem::Io(error)),
            };
            let step = usize::try_from(rest).map_or(there, |rest| rest.min(there));
            self.source.consume(step);
            rest -= step as u64;
        }
        Ok(())
    }

    fn i16(&mut self) -> Result<i16, Problem> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, Problem> {
        self.take().map(i32::from_be_bytes)
    }

    /// A length; null is none.
    fn count(&mut self) -> Result<u64, Problem> {
        match self.i32()? {
            -1 => Ok(0),
            count => u64::try_from(count).map_err(|_| Problem::Malformed),
        }
    }

    /// An error code, which ends it.
    fn code(&mut self) -> Result<(), Problem> {
        match self.i16()? {
            0 => Ok(()),
            code => Err(Problem::Code(code)),
        }
    }

    /// The stamp in a batch of which the header was read.
    fn stamp(&mut self, stamp_at: Option<usize>, size: u64) -> Result<Option<u64>, Problem> {
        let Some(skip) = stamp_at.and_then(|at| at.checked_sub(HEADER_SIZE)) else { return Ok(None) };
        if ((HEADER_SIZE + skip + STAMP_BYTES) as u64) > size {
            return Ok(None);
        }
        self.skip(skip as u64)?;
        self.take().map(|bytes| Some(u64::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::{Prebuilt, Shape};
    use super::*;
    use bytes::Bytes;
    use highwater_types::{LeaderEpoch, Offset};
    use highwater_wire::header::encode_response;
    use highwater_wire::messages::FetchResponse;
    use highwater_wire::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, PartitionData,
    };
    use highwater_wire::record::{Compression, patch_position};
    use highwater_wire::{ApiKey, ErrorCode};

    const STAMP: u64 = 0x1122_3344_5566_7788;

    fn batch() -> Prebuilt {
        Prebuilt::new(Shape { record_bytes: 100, records: 3, codec: Compression::None }, true).unwrap()
    }

    /// Batches of 3 records at offset 10 and on, the last one cut in half.
    fn records(count: i64) -> Bytes {
        let (mut all, mut one) = (Vec::new(), Vec::new());
        for number in 0..=count {
            batch().stamped(STAMP, &mut one);
            let mut header = *one.first_chunk().unwrap();
            patch_position(&mut header, Offset(10 + 3 * number), LeaderEpoch(0));
            one[..HEADER_SIZE].copy_from_slice(&header);
            all.extend_from_slice(&one);
        }
        all.truncate(all.len() - one.len() / 2);
        all.into()
    }

    fn encoded(version: i16, codes: (i16, i16), records: Option<Bytes>) -> Vec<u8> {
        let aborted = vec![AbortedTransaction { producer_id: 1, first_offset: 2 }];
        let partition = |index, aborted_transactions| PartitionData {
            partition_index: index,
            error_code: codes.1,
            aborted_transactions,
            records: records.clone().map(Into::into),
            ..PartitionData::default()
        };
        let topic = FetchableTopicResponse {
            topic: "t".into(),
            partitions: vec![partition(0, None), partition(1, Some(aborted))],
            ..Default::default()
        };
        let response = FetchResponse { error_code: codes.0, responses: vec![topic], ..Default::default() };
        encode_response(&response, ApiKey::Fetch, version, 77).unwrap().read().unwrap()
    }

    fn decoded(bytes: &[u8], version: i16) -> Result<Vec<Seen>, ClientError> {
        let mut seen = Vec::new();
        // A buffer smaller than a batch: reading goes on over its edges.
        let mut source = io::BufReader::with_capacity(64, bytes);
        read(&mut source, "a", (version, 77), batch().stamp_at(), &mut |one| seen.push(one))?;
        Ok(seen)
    }

    #[test]
    fn whole_batches_are_seen_in_every_version() {
        for version in 4..=LAST_VERSION {
            let seen = decoded(&encoded(version, (0, 0), Some(records(4))), version).unwrap();
            let expected: Vec<_> =
                (0..2).flat_map(|partition| (0..4).map(move |number| (partition, 13 + 3 * number))).collect();
            assert_eq!(seen.iter().map(|one| (one.partition, one.next_offset)).collect::<Vec<_>>(), expected);
            let size = batch().bytes.len() as u64;
            assert!(seen.iter().all(|one| (one.records, one.bytes, one.stamp) == (3, size, Some(STAMP))));
            assert_eq!(decoded(&encoded(version, (0, 0), None), version).unwrap(), []);
        }
    }

    #[test]
    fn error_codes_and_answers_that_are_none_are_told() {
        let code = ErrorCode::OffsetOutOfRange.code();
        for codes in [(code, 0), (0, code)] {
            let error = decoded(&encoded(11, codes, None), 11).unwrap_err();
            assert!(error.to_string().contains("OFFSET_OUT_OF_RANGE"), "{error}");
        }
        let good = encoded(11, (0, 0), Some(records(2)));
        for end in 0..good.len() {
            assert!(decoded(&good[..end], 11).is_err(), "cut off at {end}");
        }
        for at in 4..120 {
            let mut bad = good.clone();
            bad[at] ^= 0x81;
            let _ = decoded(&bad, 11);
        }
    }
}
