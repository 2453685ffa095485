//! One step of a run: something that a client asks, that a thread of the broker does, or that happens to the machine.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use highwater_disk::{Disk, Operation};
use highwater_partition_log::{Isolation, Origin, Refusal};
use highwater_store::meta::{
    ClassicGroupRecord, GroupRecord, GroupStateRecord, OffsetRecord, TombstoneRecord, TopicRecord,
};
use highwater_store::{Acknowledgement, AppendError, LogStore, MetaChange, MetaError, MetaKey, MetaRecord};
use highwater_types::{Offset, ProducerEpoch, ProducerId, Sequence, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, EndTxnMarker, Record, end_transaction_batch};

use crate::model::{Batch, Prediction, Stamp};
use crate::run::{Pending, Run};
use crate::stack::{DATA, Stack, config_of, partitions_of, wall};
use crate::{Verdict, Violation, configs, require};

/// Where the bytes begin that the broker never changes: behind base offset, length, leader epoch and magic.
pub(crate) const PAYLOAD_START: usize = 17;
const TOPICS_MAX: usize = 3;
const NAMES: u64 = 4;

impl Run {
    pub(crate) fn step(&mut self, stack: &mut Stack) -> Verdict {
        match self.random.below(100) {
            0..=29 => self.append(stack),
            30..=49 => {
                self.note(|| "write round");
                stack.store.write_round();
                Ok(())
            }
            50..=67 => {
                self.note(|| "sync round");
                stack.store.sync_round();
                Ok(())
            }
            68..=74 => {
                self.pass_time(stack);
                Ok(())
            }
            75..=79 => self.read_somewhere(stack),
            80..=82 => self.delete_records(stack),
            83 | 84 => self.change_settings(stack),
            85 | 86 => self.create_topic(stack),
            87 => self.delete_topic(stack),
            88..=90 => self.commit_offsets(stack),
            91..=93 => self.end_transaction(stack),
            94..=96 => {
                self.slow_operation(stack);
                Ok(())
            }
            97 => self.forget_topics(stack),
            98 => {
                self.note(|| "recovery, admin and reader step");
                stack.store.recovery_step();
                stack.store.admin_step();
                stack.store.reader_step();
                Ok(())
            }
            _ => {
                self.fill_disk();
                Ok(())
            }
        }
    }

    /// A partition that is served, if there is one.
    fn choose(&mut self) -> Option<TopicIdPartition> {
        let open: Vec<_> = self.models.iter().filter(|(_, model)| model.open).map(|(id, _)| *id).collect();
        open.get(self.random.index(open.len())).copied()
    }

    // --- producers ------------------------------------------------------------------------------------------------

    fn append(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let kind = if self.models[&id].forgotten { 19 } else { self.random.below(20) };
        let lost = self.models[&id].lost.len();
        if kind < 3 && lost > 0 {
            let batch = self.models[&id].lost[self.random.index(lost)].clone();
            self.note(|| format!("{id}: what was lost is sent again"));
            return self.send(stack, id, batch.sent, batch.stamp, (batch.last - batch.base + 1) as i32);
        }
        let count = 1 + self.random.below(3) as i32;
        let Some(stamp) = (kind < 14).then(|| self.stamp(id)) else {
            let sent = self.batch(None, count);
            return self.send(stack, id, sent, None, count);
        };
        if self.random.one_in(5)
            && let Some(producer) = self.models[&id].producer(stamp.id)
            && let Some((.., index)) = producer.window.get(self.random.index(producer.window.len())).copied()
        {
            let batch = self.models[&id].branch[index].clone();
            self.note(|| format!("{id}: batch at {} is sent again", batch.base));
            return self.send(stack, id, batch.sent, batch.stamp, (batch.last - batch.base + 1) as i32);
        }
        let sent = self.batch(Some(stamp), count);
        self.send(stack, id, sent, Some(stamp), count)
    }

    /// The next batch's stamp of some producer; rarely one that must be refused.
    fn stamp(&mut self, id: TopicIdPartition) -> Stamp {
        let transactional = self.random.one_in(3);
        let producer_id = if transactional { 200 } else { 100 } + self.random.below(2) as i64;
        let known = self.models[&id].producer(producer_id).unwrap_or_default();
        let next = known.window.last().map_or(0, |(_, last, _)| last + 1);
        let (epoch, sequence) = match self.random.below(20) {
            0 => (known.epoch, next + 1 + self.random.below(3) as i32),
            1 if !transactional => (known.epoch + 1, 0),
            2 if !transactional => (known.epoch - 1, next),
            _ => (known.epoch, next),
        };
        Stamp { id: producer_id, epoch: epoch.max(0), sequence, transactional }
    }

    fn batch(&mut self, stamp: Option<Stamp>, count: i32) -> Bytes {
        let size = if self.random.one_in(30) { 2_000 } else { self.random.index(160) };
        let mut builder = BatchBuilder::new();
        if let Some(stamp) = stamp {
            let id = ProducerId(stamp.id);
            builder = builder.producer(id, ProducerEpoch(stamp.epoch), Sequence(stamp.sequence));
            if stamp.transactional {
                builder = builder.transactional();
            }
        }
        for _ in 0..count {
            self.counter += 1;
            let mut value = vec![self.counter as u8; size + 8];
            value[..8].copy_from_slice(&self.counter.to_be_bytes());
            let timestamp = wall(&self.ticks);
            builder.push(&Record { timestamp, key: None, value: Some(value.into()), headers: Vec::new() });
        }
        builder.build().unwrap()
    }

    /// Sends a batch, and compares what becomes of it with what must.
    fn send(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        sent: Bytes,
        stamp: Option<Stamp>,
        count: i32,
    ) -> Verdict {
        let model = &self.models[&id];
        let prediction = stamp.map_or(Prediction::New, |stamp| model.predict(stamp, count));
        let level = if self.random.coin() { Acknowledgement::Durable } else { Acknowledgement::Written };
        let batch = Batch {
            base: model.end(),
            last: model.end() + i64::from(count) - 1,
            payload: sent.slice(PAYLOAD_START..),
            sent: sent.clone(),
            leader_epoch: model.leader_epoch,
            stamp,
            marker: None,
        };
        self.append_batch(stack, id, batch, (Origin::Client, prediction, level))
    }

    fn end_transaction(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let model = &self.models[&id];
        let open = if model.forgotten { Vec::new() } else { model.open_transactions() };
        let Some((producer, epoch)) = open.get(self.random.index(open.len())).copied() else { return Ok(()) };
        let committed = self.random.coin();
        let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
        let sent =
            end_transaction_batch(marker, ProducerId(producer), ProducerEpoch(epoch), wall(&self.ticks))
                .unwrap();
        let model = &self.models[&id];
        let batch = Batch {
            base: model.end(),
            last: model.end(),
            payload: sent.slice(PAYLOAD_START..),
            sent,
            leader_epoch: model.leader_epoch,
            stamp: Some(Stamp { id: producer, epoch, sequence: -1, transactional: true }),
            marker: Some(committed),
        };
        let how = (Origin::Coordinator, Prediction::New, Acknowledgement::Durable);
        self.append_batch(stack, id, batch, how)
    }

    fn append_batch(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        batch: Batch,
        (origin, prediction, level): (Origin, Prediction, Acknowledgement),
    ) -> Verdict {
        let Some(partition) = stack.store.partition(id) else {
            return Err(Violation(format!("{id} is gone")));
        };
        let result = partition.append(batch.sent.clone(), origin, wall(&self.ticks));
        self.note(|| {
            format!("{id}: append {:?} marker {:?} {level:?}: {result:?}", batch.stamp, batch.marker)
        });
        let appended = match result {
            Ok(appended) => appended,
            Err(AppendError::Refused(Refusal::Unavailable(_)) | AppendError::Unavailable(_)) => {
                require!(self.faulty, "{id} takes no appends, and nothing failed");
                return Ok(());
            }
            Err(AppendError::Refused(refusal)) => {
                require!(prediction == Prediction::Refused, "{id} refuses a good batch: {refusal}");
                return Ok(());
            }
        };
        let place = (appended.base_offset.0, appended.last_offset.0);
        match prediction {
            Prediction::Refused => {
                return Err(Violation(format!("{id} takes at {place:?} a batch that must be refused")));
            }
            Prediction::Duplicate { base, last } => {
                require!(appended.duplicate, "{id} takes the batch at {base} once more, at {place:?}");
                require!(place == (base, last), "{id} tells {place:?} of the batch at {base}");
            }
            Prediction::New => {
                let expected = (batch.base, batch.last);
                require!(!appended.duplicate, "{id} calls a new batch a duplicate of {place:?}");
                require!(place == expected, "{id} puts a batch at {place:?} instead of {expected:?}");
                let model = self.models.get_mut(&id).unwrap();
                model.lost.retain(|lost| lost.payload != batch.payload);
                model.branch.push(batch);
            }
        }
        let wait = partition.acknowledged(&appended, level);
        self.pending.push(Pending { id, base: place.0, last: place.1, level, wait });
        Ok(())
    }

    // --- the broker's threads, and the machine ----------------------------------------------------------------------

    fn pass_time(&mut self, stack: &Stack) {
        let ms = match self.random.below(4) {
            0 => self.random.below(200),
            1 => self.random.below(40_000),
            _ => self.random.below(2_000),
        };
        self.ticks.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        self.note(|| format!("{ms} ms pass"));
        stack.store.maintenance_step();
    }

    /// A write or sync of a segment during which the other threads go on.
    fn slow_operation(&mut self, stack: &Stack) {
        let operation = if self.random.coin() { Operation::Sync } else { Operation::Write };
        let meanwhile: Vec<u64> = (0..=self.random.below(3)).map(|_| self.random.below(4)).collect();
        self.note(|| format!("a slow {operation:?}; meanwhile {meanwhile:?}"));
        let (store, ticks) = (Arc::clone(&stack.store), Arc::clone(&self.ticks));
        self.disk.during_next(operation, ".log", move || {
            for step in meanwhile {
                match step {
                    0 => drop(store.write_round()),
                    1 => drop(store.sync_round()),
                    2 => drop(ticks.fetch_add(10_000_000_000, Ordering::Relaxed)),
                    _ => drop(store.maintenance_step()),
                }
            }
        });
        if operation == Operation::Sync {
            stack.store.sync_round();
        } else {
            stack.store.write_round();
        }
        self.disk.forget_slow_operations();
    }

    /// Fills the disk, or makes room again.
    fn fill_disk(&mut self) {
        if !self.faulty {
            return;
        }
        if self.random.coin() {
            self.note(|| "there is room again");
            return self.disk.set_capacity(None);
        }
        self.disk.set_capacity(Some(u64::MAX));
        let used = u64::MAX - self.disk.free_bytes(DATA.as_ref()).unwrap_or(0);
        let room = self.random.below(4_000);
        self.disk.set_capacity(Some(used + room));
        self.note(|| format!("the disk has room for {room} bytes"));
    }

    // --- readers --------------------------------------------------------------------------------------------------

    fn read_somewhere(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let model = &self.models[&id];
        let (start, end) = (model.log_start, model.high_watermark);
        let from = start + self.random.below((end - start + 1) as u64) as i64;
        let isolation =
            if self.random.coin() { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
        let max_bytes = 1 + self.random.below(2_000);
        self.note(|| format!("{id}: read {isolation:?} from {from}, {max_bytes} bytes"));
        self.read(stack, id, from, isolation, max_bytes).map(drop)
    }

    fn delete_records(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let model = self.models.get_mut(&id).unwrap();
        let (start, end) = (model.log_start, model.high_watermark);
        let before = start + self.random.below((end - start + 1) as u64) as i64;
        model.start_ceiling = model.start_ceiling.max(before);
        let Some(partition) = stack.store.partition(id) else {
            return Err(Violation(format!("{id} is gone")));
        };
        let result = stack.drive(partition.delete_records(Offset(before)));
        self.note(|| format!("{id}: delete records before {before}: {result:?}"));
        match result {
            Some(Ok(start)) => {
                require!(start.0 >= before, "{id} begins at {start}, not at {before} as asked");
                let model = self.models.get_mut(&id).unwrap();
                model.start_floor = model.start_floor.max(before);
            }
            Some(Err(error)) => {
                let excused = self.faulty || self.disk.has_crashed();
                require!(excused, "{id} does not delete records before {before}: {error}");
            }
            None => require!(self.disk.has_crashed(), "the deletion of records does not come to its end"),
        }
        Ok(())
    }

    // --- metadata -------------------------------------------------------------------------------------------------

    /// Commits metadata. Returns whether it was.
    fn commit(&mut self, stack: &mut Stack, changes: Vec<MetaChange>) -> Verdict<bool> {
        let result = stack.core.commit_many(std::slice::from_ref(&changes));
        self.note(|| format!("commit of {} changes: {result:?}", changes.len()));
        let excused = self.faulty || self.disk.has_crashed();
        match result {
            Ok(()) => {
                require!(!self.metadata_failed, "metadata is committed after a commit failed");
                self.metadata.committed(&changes);
                return Ok(true);
            }
            Err(MetaError::OutOfSpace) => require!(excused, "no room for metadata on an empty disk"),
            Err(error) => {
                require!(excused, "metadata cannot be committed: {error}");
                if !std::mem::replace(&mut self.metadata_failed, true) {
                    self.metadata.uncertain(changes);
                }
            }
        }
        Ok(false)
    }

    fn topics(&self) -> Vec<TopicRecord> {
        let topic = |record: &MetaRecord| match record {
            MetaRecord::Topic(topic) => Some(topic.clone()),
            _ => None,
        };
        self.metadata.records().filter_map(topic).collect()
    }

    fn create_topic(&mut self, stack: &mut Stack) -> Verdict {
        let topics = self.topics();
        let name = format!("t{}", self.random.below(NAMES));
        if topics.len() >= TOPICS_MAX || topics.iter().any(|topic| *topic.name == *name) {
            return Ok(());
        }
        self.counter += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.counter.to_be_bytes());
        let topic = TopicRecord {
            id,
            name: name.into(),
            partitions: 1 + self.random.below(2) as i32,
            configs: configs::to_record(self.random.below(configs::COUNT)),
        };
        self.note(|| format!("create topic {topic:?}"));
        let config = config_of(&topic);
        let record = MetaRecord::Topic(topic);
        let partitions = partitions_of(&record);
        let ids: Vec<_> = partitions.iter().map(|partition| partition.id).collect();
        match stack.drive(stack.store.create(partitions)) {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let excused = self.faulty || self.disk.has_crashed();
                require!(excused, "a topic cannot be created: {error}");
                return Ok(());
            }
            None => return Err(Violation("creating a topic does not come to its end".to_owned())),
        }
        if self.commit(stack, vec![MetaChange::Put(record)])? {
            for id in ids {
                let model = self.models.entry(id).or_default();
                model.lets_go = configs::lets_go(&config);
                model.set_policy(config.sync_policy);
            }
        } else if !self.metadata_failed {
            // As the server does: nobody can have used it.
            let _ = stack.drive(stack.store.delete(ids));
        }
        Ok(())
    }

    fn delete_topic(&mut self, stack: &mut Stack) -> Verdict {
        let topics = self.topics();
        let Some(topic) = topics.get(self.random.index(topics.len())).cloned() else { return Ok(()) };
        self.note(|| format!("delete topic {}", topic.name));
        let ids: Vec<_> = partitions_of(&MetaRecord::Topic(topic.clone())).iter().map(|new| new.id).collect();
        let (id, name, partitions) = (topic.id, topic.name, topic.partitions);
        let tombstone = MetaRecord::Tombstone(TombstoneRecord { id, name, partitions });
        let changes = vec![MetaChange::Remove(MetaKey::Topic(TopicId(id))), MetaChange::Put(tombstone)];
        if !self.commit(stack, changes)? {
            return Ok(());
        }
        self.models.retain(|id, _| !ids.contains(id));
        self.pending.retain(|pending| !ids.contains(&pending.id));
        match stack.drive(stack.store.delete(ids)) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => {
                let excused = self.faulty || self.disk.has_crashed();
                require!(excused, "a topic's data cannot be removed: {error}");
                Ok(())
            }
            None => Err(Violation("deleting a topic does not come to its end".to_owned())),
        }
    }

    /// Removes the tombstones of topics whose data is gone.
    fn forget_topics(&mut self, stack: &mut Stack) -> Verdict {
        let removed = std::mem::take(&mut *stack.removed.lock().unwrap_or_else(PoisonError::into_inner));
        for id in removed {
            self.note(|| format!("the data of topic {id} is gone"));
            let listed = self.disk.list(DATA.as_ref()).unwrap_or_default();
            let left = listed.iter().find(|entry| entry.name.contains(&id.to_string()));
            require!(left.is_none(), "of topic {id}, whose data is said to be gone, {left:?} is left");
            self.commit(stack, vec![MetaChange::Remove(MetaKey::Tombstone(id))])?;
        }
        Ok(())
    }

    fn change_settings(&mut self, stack: &mut Stack) -> Verdict {
        let topics = self.topics();
        let Some(mut topic) = topics.get(self.random.index(topics.len())).cloned() else { return Ok(()) };
        topic.configs = configs::to_record(self.random.below(configs::COUNT));
        self.note(|| format!("topic {} gets settings {:?}", topic.name, topic.configs));
        let config = config_of(&topic);
        let record = MetaRecord::Topic(topic);
        if !self.commit(stack, vec![MetaChange::Put(record.clone())])? {
            return Ok(());
        }
        for new in partitions_of(&record) {
            if let Some(partition) = stack.store.partition(new.id) {
                partition.configure(config.clone());
            }
            if let Some(model) = self.models.get_mut(&new.id) {
                model.set_policy(config.sync_policy);
                model.lets_go |= configs::lets_go(&config);
            }
        }
        Ok(())
    }

    /// What groups commit: offsets, and sometimes the group.
    fn commit_offsets(&mut self, stack: &mut Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let group_id: Arc<str> = format!("g{}", self.random.below(3)).into();
        let commit_ms = wall(&self.ticks).0;
        let mut changes = vec![MetaChange::Put(MetaRecord::Offset(OffsetRecord {
            group_id: Arc::clone(&group_id),
            topic_id: id.topic_id.0,
            partition: id.partition,
            offset: self.models[&id].high_watermark,
            leader_epoch: -1,
            metadata: "".into(),
            commit_ms,
            expire_ms: None,
        }))];
        if self.random.one_in(3) {
            self.counter += 1;
            let state = GroupStateRecord::Classic(ClassicGroupRecord {
                protocol_type: Some("consumer".into()),
                generation: self.counter as i32,
                protocol: None,
                leader: None,
                since_ms: commit_ms,
                members: Vec::new(),
            });
            changes.push(MetaChange::Put(MetaRecord::Group(GroupRecord { group_id, state })));
        }
        self.commit(stack, changes).map(drop)
    }
}
