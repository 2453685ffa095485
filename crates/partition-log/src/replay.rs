//! Reading batch headers again to continue what the hints say: index entries, producers, transactions, leader epochs.
//! Payloads are read of control batches only, for their markers.

use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::{DiskError, Operation};
use highwater_types::{Offset, Position};
use highwater_wal::{EntryError, EntryHeader, LogPoint, ReadMode, Segment};

use crate::index::{IndexEntries, IndexedBatch};
use crate::log::Slot;
use crate::recovery::Basis;
use crate::segment::{SegmentIndex, Stored, read_files, visit_headers};
use crate::{AdmittedBatch, LogError, PartitionLog, PlanError};

/// Where in one segment which part of the replay begins.
struct Start {
    /// Index entries are made from here on; `None`: the files are complete.
    index_from: Option<Position>,
    /// Producers are followed from this offset on; `None`: from the first.
    replay_from: Option<Offset>,
    /// Leader epochs are followed from the first batch on.
    all_epochs: bool,
    /// The first header that is read.
    from: Position,
}

/// Builds the log's slots and continues its state up to the end. Returns how many batches were looked at.
pub(crate) fn replay(log: &mut PartitionLog, mut basis: Basis) -> Result<u64, LogError> {
    let segments: Vec<Arc<Segment>> = log.wal.segments().to_vec();
    let mut count = 0;
    for (at, segment) in segments.iter().enumerate() {
        let next = segments.get(at + 1).map(|next| next.base_offset());
        let is_last = next.is_none();
        let end_offset = next.unwrap_or_else(|| log.wal.staged_end().offset);
        let needs_index = segment.base_offset() >= basis.indexed_to.segment || is_last;
        let needs_replay = basis.replay_from.is_none_or(|from| from < end_offset);
        let start = add_slot(log, segment, &mut basis, needs_index, needs_replay)?;
        if needs_index || needs_replay || !basis.epochs_known {
            count += replay_segment(log, segment, &start)?;
        }
        if needs_index && !is_last {
            log.slots.iter().last().into_iter().for_each(|slot| slot.index.finish());
        }
    }
    if let Some(active) = segments.last() {
        log.age.first_timestamp = first_timestamp(log, active)?;
    }
    Ok(count)
}

/// Adds the slot of a segment with what its files say.
fn add_slot(
    log: &mut PartitionLog,
    segment: &Arc<Segment>,
    basis: &mut Basis,
    needs_index: bool,
    needs_replay: bool,
) -> Result<Start, LogError> {
    let base_offset = segment.base_offset();
    let mut stored = Stored { complete: !needs_index, ..Stored::default() };
    let replay_from = if needs_replay { basis.replay_from } else { Some(Offset(i64::MAX)) };
    let (index, index_from) = if needs_index {
        let entries = if base_offset == basis.indexed_to.segment {
            let (end, end_offset) = (basis.indexed_to.position, basis.indexed_to.offset);
            read_files(base_offset, &log.source, end, end_offset)
        } else {
            IndexEntries::new(base_offset)
        };
        let index = SegmentIndex::loaded(entries, base_offset);
        let from = index.begin(segment, &log.source, ReadMode::Blocking, IndexEntries::last)?;
        (stored.offsets, stored.times) = index.if_loaded(IndexEntries::counts).unwrap_or_default();
        (index, Some(from))
    } else {
        (SegmentIndex::stored(base_offset), None)
    };
    let wanted = replay_from.unwrap_or(base_offset);
    let replay_position = if !needs_replay || wanted <= base_offset {
        needs_replay.then_some(Position::ZERO)
    } else {
        let near = |entries: &IndexEntries| entries.position_of(wanted);
        Some(index.begin(segment, &log.source, ReadMode::Blocking, near)?)
    };
    let epochs_from = (!basis.epochs_known).then_some(Position::ZERO);
    let from = [index_from, replay_position, epochs_from].into_iter().flatten().min().unwrap_or_default();
    let known = basis.aborted.iter_mut().find(|(base, _)| *base == base_offset);
    let known = known.map(|(_, known)| std::mem::take(known)).unwrap_or_default();
    index.set_aborted(known.entries);
    log.slots.push(Slot { index: index.into(), stored, aborted_changed: needs_replay || known.is_ahead });
    Ok(Start { index_from, replay_from, all_epochs: !basis.epochs_known, from })
}

fn replay_segment(log: &mut PartitionLog, segment: &Arc<Segment>, start: &Start) -> Result<u64, LogError> {
    let interval_bytes = log.config.index_interval_bytes;
    let format = log.source.format.clone();
    let mut count = 0;
    let mut resumed = false;
    visit_headers(
        segment,
        format.as_ref(),
        start.from,
        segment.end(),
        ReadMode::Blocking,
        |position, header, bytes| {
            count += 1;
            if start.index_from.is_some_and(|from| position >= from)
                && let Some(slot) = log.slots.last()
            {
                let batch = IndexedBatch::of(position, header);
                if resumed {
                    slot.index.add(batch, interval_bytes);
                } else {
                    slot.index.add_resumed(batch, interval_bytes);
                }
                resumed = true;
            }
            let replayed = start.replay_from.is_none_or(|from| header.base_offset >= from);
            if replayed || start.all_epochs {
                log.epochs_changed |= log.epochs.assign(header.leader_epoch, header.base_offset);
            }
            if replayed {
                follow(log, segment, position, header, bytes)?;
            }
            Ok(true)
        },
    )?;
    Ok(count)
}

/// Takes one batch into producers and transactions.
fn follow(
    log: &mut PartitionLog,
    segment: &Arc<Segment>,
    position: Position,
    header: &EntryHeader,
    bytes: &[u8],
) -> Result<(), PlanError> {
    let unreadable = |_| PlanError::Corrupt {
        file: segment.path(),
        position,
        reason: EntryError::Malformed("impossible batch header"),
    };
    let mut batch = AdmittedBatch::read(bytes).map_err(unreadable)?;
    if !batch.header.has_producer_id() {
        return Ok(());
    }
    if batch.header.attributes.is_control() {
        let whole = read_entry(segment, position, header.size)?;
        batch = AdmittedBatch::read(&whole).map_err(unreadable)?;
    }
    let point = LogPoint { offset: header.base_offset, segment: segment.base_offset(), position };
    log.apply(&batch, point);
    Ok(())
}

/// A whole entry, which hopping has found to lie within the segment.
fn read_entry(segment: &Arc<Segment>, position: Position, size: u64) -> Result<Bytes, PlanError> {
    let path = segment.path();
    let stop = Position(position.0.saturating_add(size).min(segment.end().0));
    let range = segment.range(position, stop).map_err(DiskError::at(Operation::Open, &path))?;
    let bytes = range.read().map_err(DiskError::at(Operation::Read, &path))?;
    Ok(Bytes::from(bytes))
}

/// Max timestamp of a segment's first batch.
fn first_timestamp(
    log: &PartitionLog,
    segment: &Arc<Segment>,
) -> Result<Option<highwater_types::Timestamp>, LogError> {
    let mut first = None;
    let format = log.source.format.as_ref();
    let (from, end) = (Position::ZERO, segment.end());
    visit_headers(segment, format, from, end, ReadMode::Blocking, |_, header, _| {
        first = Some(header.max_timestamp);
        Ok(false)
    })?;
    Ok(first)
}
