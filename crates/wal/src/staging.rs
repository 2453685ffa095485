//! Entries that wait to be written: headers copied into one buffer, payloads shared. A chunk is what one write job
//! takes; its buffers are used again for later chunks, so that staging allocates nothing once they have grown.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::File;
use highwater_types::{Offset, Position};

use crate::{LogPoint, Segment};

/// One staged entry: `headers[start..end]`, then the payload.
#[derive(Debug)]
struct StagedEntry {
    start: usize,
    end: usize,
    payload: Bytes,
}

/// Entries of one chunk that stand back to back in one segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) segment: Offset,
    /// Where the first entry stands.
    pub(crate) start: Position,
    /// Where the last one ends.
    pub(crate) end: Position,
    /// Whether the segment begins with this run.
    pub(crate) begins: bool,
    /// First entry, and the one after the last.
    entries: (usize, usize),
}

/// A file with bytes that were written and not synced. Holds the descriptor open.
#[derive(Debug, Clone)]
pub(crate) struct Unsynced {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn File>,
}

/// What one write job takes.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    headers: Vec<u8>,
    entries: Vec<StagedEntry>,
    pub(crate) runs: Vec<Run>,
    pub(crate) bytes: u64,
    /// Place behind the last entry.
    pub(crate) end: Option<LogPoint>,
    /// Filled by the job: the files it wrote to.
    pub(crate) written: Vec<Unsynced>,
}

impl Chunk {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry that stands at `start` of `segment`.
    pub(crate) fn push(
        &mut self,
        header: &[u8],
        payload: Bytes,
        start: Position,
        end: LogPoint,
        begins: bool,
    ) {
        let index = self.entries.len();
        match self.runs.last_mut().filter(|_| !begins) {
            Some(run) => {
                run.end = end.position;
                run.entries.1 = index + 1;
            }
            None => self.runs.push(Run {
                segment: end.segment,
                start,
                end: end.position,
                begins,
                entries: (index, index + 1),
            }),
        }
        let first = self.headers.len();
        self.headers.extend_from_slice(header);
        self.entries.push(StagedEntry { start: first, end: self.headers.len(), payload });
        self.bytes = self.bytes.saturating_add(end.position.0.saturating_sub(start.0));
        self.end = Some(end);
    }

    /// The slices of a run in order. Headers without payload between them are one slice.
    pub(crate) fn slices(&self, run: &Run) -> Slices<'_> {
        let entries = self.entries.get(run.entries.0..run.entries.1).unwrap_or_default();
        Slices { headers: &self.headers, entries, payload: None }
    }

    pub(crate) fn clear(&mut self) {
        self.headers.clear();
        self.entries.clear();
        self.runs.clear();
        self.written.clear();
        self.bytes = 0;
        self.end = None;
    }
}

/// The slices of a run.
pub(crate) struct Slices<'a> {
    headers: &'a [u8],
    entries: &'a [StagedEntry],
    payload: Option<&'a [u8]>,
}

impl<'a> Slices<'a> {
    /// Fills `slices` from its beginning; how many it took, 0 at the end.
    pub(crate) fn fill(&mut self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slot, slice) in slices.iter_mut().zip(&mut *self) {
            *slot = IoSlice::new(slice);
            count += 1;
        }
        count
    }
}

impl<'a> Iterator for Slices<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if let Some(payload) = self.payload.take() {
            return Some(payload);
        }
        let (first, mut rest) = self.entries.split_first()?;
        let mut last = first;
        while last.payload.is_empty()
            && let Some((next, behind)) = rest.split_first()
        {
            (last, rest) = (next, behind);
        }
        self.entries = rest;
        self.payload = Some(last.payload.as_ref()).filter(|payload| !payload.is_empty());
        self.headers.get(first.start..last.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(position: u64) -> LogPoint {
        LogPoint { offset: Offset(1), segment: Offset(0), position: Position(position) }
    }

    #[test]
    fn slices_come_in_order_and_copied_neighbours_are_one() {
        let mut chunk = Chunk::default();
        chunk.push(b"ab", Bytes::new(), Position(0), point(2), true);
        chunk.push(b"cd", Bytes::new(), Position(2), point(4), false);
        chunk.push(b"e", Bytes::from_static(b"fg"), Position(4), point(7), false);
        chunk.push(b"h", Bytes::new(), Position(0), point(1), true);
        let slices: Vec<Vec<&[u8]>> = chunk.runs.iter().map(|run| chunk.slices(run).collect()).collect();
        assert_eq!(slices, [vec![b"abcde".as_slice(), b"fg"], vec![b"h"]]);
        assert_eq!((chunk.bytes, chunk.runs[0].end, chunk.runs[1].begins), (8, Position(7), true));
    }
}
