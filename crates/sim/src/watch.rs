//! What is compared: answers, watermarks and states after each step; everything in a partition when it opens; what
//! readers get.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use highwater_partition_log::{Isolation, LogOffsets, ReadOutcome, ReadRequest};
use highwater_store::{Acknowledgement, LogStore, Partition, PartitionProblem, PartitionState};
use highwater_types::{LeaderEpoch, Offset, TopicIdPartition};
use highwater_wire::record::{BatchHeader, verify};

use crate::model::Model;
use crate::run::Run;
use crate::stack::Stack;
use crate::steps::PAYLOAD_START;
use crate::{Verdict, Violation, require};

impl Run {
    /// Looks at everything that can be seen without asking the disk, and into partitions that have opened.
    pub(crate) fn look(&mut self, stack: &Stack) -> Verdict {
        self.look_at_answers()?;
        self.look_at_offsets(stack, false)?;
        let ids: Vec<_> = self.models.keys().copied().collect();
        for id in ids {
            let Some(partition) = stack.store.partition(id) else {
                return Err(Violation(format!("{id} exists and is not there")));
            };
            match partition.state() {
                PartitionState::Online => self.look_at_partition(stack, id, partition.as_ref())?,
                PartitionState::Unavailable(problem) => self.look_at_problem(id, &problem)?,
            }
        }
        Ok(())
    }

    fn look_at_problem(&mut self, id: TopicIdPartition, problem: &PartitionProblem) -> Verdict {
        let model = self.models.get_mut(&id).unwrap();
        model.open = false;
        let excused = self.faulty || self.disk.has_crashed();
        match problem {
            PartitionProblem::Recovering => Ok(()),
            PartitionProblem::Storage(cause) if excused && !cause.contains("fault of the broker") => {
                // What was written and not synced may have gone with the failed sync.
                model.power_lost();
                Ok(())
            }
            problem => Err(Violation(format!("{id} is not served: {problem}"))),
        }
    }

    /// Takes the answers that are there; each is a promise.
    pub(crate) fn look_at_answers(&mut self) -> Verdict {
        let mut context = Context::from_waker(Waker::noop());
        for mut pending in std::mem::take(&mut self.pending) {
            let answer = match pending.wait.as_mut().poll(&mut context) {
                Poll::Pending => {
                    self.pending.push(pending);
                    continue;
                }
                Poll::Ready(answer) => answer,
            };
            let (id, base, last) = (pending.id, pending.base, pending.last);
            self.note(|| format!("{id}: {base}..={last} answered {:?}: {answer:?}", pending.level));
            let Some(model) = self.models.get_mut(&id) else { continue };
            if answer.is_ok() {
                let known = model.branch.get(model.index_of(last)).is_some_and(|batch| batch.base == base);
                require!(known, "{id} acknowledges {base}..={last}, which is not there any more");
                let durable = model.is_always_synced()
                    || (pending.level == Acknowledgement::Durable && model.waits_for_sync());
                model.promise(last + 1, durable);
                if durable {
                    self.count("records acknowledged as durable");
                }
            } else {
                let excused = self.faulty || self.disk.has_crashed();
                require!(excused, "{id} refuses {base}..={last}, and nothing failed: {answer:?}");
                // A failed sync may have taken what was only written.
                model.power_lost();
            }
        }
        Ok(())
    }

    fn look_at_partition(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        partition: &dyn Partition,
    ) -> Verdict {
        let offsets = partition.offsets();
        let model = self.models.get_mut(&id).unwrap();
        if self.faulty && model.open && offsets.log_end_offset.0 < model.end() {
            // It was recovered in place, after space ran out.
            model.open = false;
            model.power_lost();
        }
        if !model.open {
            // A machine that is dead shows nothing to anybody.
            return if self.disk.has_crashed() { Ok(()) } else { self.opened(stack, id, partition, offsets) };
        }
        let (start, end) = (offsets.log_start_offset.0, offsets.high_watermark.0);
        require!(
            end >= model.high_watermark,
            "{id}: the high watermark fell from {} to {end}",
            model.high_watermark
        );
        require!(start >= model.log_start, "{id}: the log start fell from {} to {start}", model.log_start);
        require!(
            offsets.log_end_offset.0 == model.end() || self.faulty,
            "{id} ends at {}, with {} accepted",
            offsets.log_end_offset,
            model.end()
        );
        require!(offsets.leader_epoch.0 >= model.leader_epoch, "{id}: the leader epoch fell");
        if end > model.high_watermark {
            model.promise(end, model.waits_for_sync());
        }
        if start > model.log_start {
            // No start is told that a power loss can take back.
            model.promise(start, true);
        }
        let let_go = start > model.log_start.max(model.start_ceiling);
        let changed = (start, end) != (model.log_start, model.high_watermark);
        model.saw(&offsets);
        if changed {
            check_order(id, model, &offsets)?;
        }
        if let_go {
            self.count("segments let go by retention");
        }
        Ok(())
    }

    /// A partition was recovered: whatever it shows is durable, and is what was sent.
    fn opened(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        partition: &dyn Partition,
        offsets: LogOffsets,
    ) -> Verdict {
        let model = self.models.get_mut(&id).unwrap();
        let (start, end) = (offsets.log_start_offset.0, offsets.log_end_offset.0);
        let lost_tail = end < model.end();
        require!(
            offsets.high_watermark.0 == end && offsets.synced_end.0 == end,
            "{id} opens with an end that is not durable: {offsets:?}"
        );
        model.ends_at(end).map_err(|Violation(words)| Violation(format!("{id}: {words}")))?;
        require!(
            start >= model.start_floor && start <= end,
            "{id} begins at {start}; at {} or later was promised; it ends at {end}",
            model.start_floor
        );
        require!(
            model.lets_go || start <= model.start_ceiling,
            "{id} begins at {start}; nobody wanted records before {} to go",
            model.start_ceiling
        );
        require!(
            offsets.leader_epoch.0 >= model.leader_epoch,
            "{id}: the leader epoch fell from {} to {}",
            model.leader_epoch,
            offsets.leader_epoch
        );
        let truncated = end < model.visible;
        if truncated {
            let old = partition.end_of_epoch(LeaderEpoch(model.leader_epoch));
            require!(
                offsets.leader_epoch.0 > model.leader_epoch && old.end_offset.0 <= end,
                "{id}: {} was visible, it ends at {end} now, and no epoch tells: {old:?}, now {}",
                model.visible,
                offsets.leader_epoch
            );
        }
        model.promise(end, true);
        model.visible = end;
        model.open = true;
        model.saw(&offsets);
        check_order(id, model, &offsets)?;
        if truncated {
            self.count("epoch told of a truncation");
        }
        if lost_tail {
            self.count("tail lost that nobody was promised");
        }
        self.note(|| format!("{id} opened: {offsets:?}"));
        self.read_all(stack, id)
    }

    pub(crate) fn read_all(&mut self, stack: &Stack, id: TopicIdPartition) -> Verdict {
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            let model = &self.models[&id];
            let end = match isolation {
                Isolation::ReadUncommitted => model.high_watermark,
                Isolation::ReadCommitted => model.last_stable_offset(model.log_start, model.high_watermark),
            };
            let mut next = model.log_start;
            while next < end {
                match self.read(stack, id, next, isolation, 1 << 20)? {
                    Some(read) => next = read,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Reads from an offset and compares. Returns the offset behind what was read; `None` when reading failed and had a
    /// reason to.
    pub(crate) fn read(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        from: i64,
        isolation: Isolation,
        max_bytes: u64,
    ) -> Verdict<Option<i64>> {
        let Some(partition) = stack.store.partition(id) else {
            return Err(Violation(format!("{id} is gone")));
        };
        let request = ReadRequest { offset: Offset(from), max_bytes, at_least_one_batch: true, isolation };
        let outcome = match stack.drive(partition.read(request)) {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => {
                require!(self.faulty || self.disk.has_crashed(), "{id} cannot be read from {from}: {error}");
                return Ok(None);
            }
            None => return Err(Violation(format!("reading {id} from {from} does not come to its end"))),
        };
        let Some(bytes) = bytes_of(&outcome) else {
            require!(self.faulty, "{id}: what was to be sent from {from} cannot be read");
            return Ok(None);
        };
        let model = &self.models[&id];
        let next = check_batches(id, model, partition.as_ref(), (from, isolation), &outcome, bytes)?;
        if !outcome.aborted.is_empty() {
            self.count("read_committed read past an aborted transaction");
        }
        Ok(Some(next))
    }
}

impl Model {
    fn saw(&mut self, offsets: &LogOffsets) {
        self.log_start = offsets.log_start_offset.0;
        self.start_ceiling = self.start_ceiling.max(self.log_start);
        self.high_watermark = offsets.high_watermark.0;
        self.visible = self.visible.max(self.high_watermark);
        self.leader_epoch = offsets.leader_epoch.0;
    }
}

fn check_order(id: TopicIdPartition, model: &Model, offsets: &LogOffsets) -> Verdict {
    let (start, end) = (offsets.log_start_offset.0, offsets.high_watermark.0);
    let stable = offsets.last_stable_offset.0;
    require!(start <= stable && stable <= end && end <= offsets.log_end_offset.0, "{id}: {offsets:?}");
    let expected = model.last_stable_offset(start, end);
    require!(
        stable == expected,
        "{id}: the last stable offset is {stable} instead of {expected}: {offsets:?}"
    );
    Ok(())
}

/// The bytes that would go to the client; `None` when the file cannot be read.
pub(crate) fn bytes_of(outcome: &ReadOutcome) -> Option<Bytes> {
    let mut bytes = Vec::new();
    for range in &outcome.records {
        bytes.extend(range.read().ok()?);
    }
    Some(Bytes::from(bytes))
}

fn check_batches(
    id: TopicIdPartition,
    model: &Model,
    partition: &dyn Partition,
    (from, isolation): (i64, Isolation),
    outcome: &ReadOutcome,
    mut rest: Bytes,
) -> Verdict<i64> {
    let bound = match isolation {
        Isolation::ReadUncommitted => outcome.offsets.high_watermark.0,
        Isolation::ReadCommitted => outcome.offsets.last_stable_offset.0,
    };
    let first = model.index_of(from);
    let mut index = first;
    let mut delivered = Vec::new();
    let mut filter = AbortFilter::new(outcome);
    while !rest.is_empty() {
        let header = BatchHeader::parse(&rest)
            .map_err(|error| Violation(format!("{id} sends what is no batch: {error}")))?;
        require!(header.size() <= rest.len() as u64, "{id} sends a part of a batch");
        let bytes = rest.split_to(header.size() as usize);
        let offset = header.base_offset.0;
        require!(verify(&bytes).is_ok(), "{id} sends a damaged batch at {offset}");
        let known = model.branch.get(index).filter(|known| known.base == offset);
        let Some(known) = known else {
            return Err(Violation(format!("{id} sends a batch at {offset} that has no place there")));
        };
        require!(
            known.is_stored_as(&bytes[PAYLOAD_START..]),
            "{id} sends other bytes at {offset} than it took"
        );
        require!(
            header.leader_epoch.0 == known.leader_epoch,
            "{id} says epoch {} of {offset}; it was {}",
            header.leader_epoch,
            known.leader_epoch
        );
        let epoch_end = partition.end_of_epoch(header.leader_epoch).end_offset.0;
        require!(
            epoch_end > known.last,
            "{id}: epoch {} ends at {epoch_end}, with a batch at {offset}",
            header.leader_epoch
        );
        if filter.delivers(&header, known.marker) {
            delivered.push(index);
        }
        index += 1;
    }
    if index == first {
        require!(from >= bound, "{id} sends nothing from {from}, with {bound} to be seen");
        return Ok(from);
    }
    let next = model.branch[index - 1].last + 1;
    require!(next <= bound, "{id} sends up to {next}, with {bound} to be seen");
    if isolation == Isolation::ReadCommitted {
        let expected: Vec<_> = (first..index).filter(|index| model.is_committed(*index)).collect();
        require!(
            delivered == expected,
            "{id}: a reader of committed records gets {delivered:?} instead of {expected:?}, from {from}; aborted {:?}",
            outcome.aborted
        );
    }
    Ok(next)
}

/// What a consumer does with the list of aborted transactions.
struct AbortFilter {
    aborted: Vec<(i64, i64)>,
    now: Vec<i64>,
}

impl AbortFilter {
    fn new(outcome: &ReadOutcome) -> Self {
        let mut aborted: Vec<_> =
            outcome.aborted.iter().map(|one| (one.first_offset.0, one.producer_id.0)).collect();
        aborted.sort_unstable();
        aborted.reverse();
        Self { aborted, now: Vec::new() }
    }

    /// Whether the consumer hands the batch to its user.
    fn delivers(&mut self, header: &BatchHeader, marker: Option<(bool, i32)>) -> bool {
        while self.aborted.last().is_some_and(|(first, _)| *first <= header.last_offset().0) {
            self.now.extend(self.aborted.pop().map(|(_, producer)| producer));
        }
        let producer = header.producer_id.0;
        if header.attributes.is_control() {
            if marker.is_some_and(|(committed, _)| !committed) {
                self.now.retain(|aborted| *aborted != producer);
            }
            return false;
        }
        !(header.attributes.is_transactional() && self.now.contains(&producer))
    }
}
