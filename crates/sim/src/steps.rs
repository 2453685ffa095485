//! One step of a run: something that a client asks, that a thread of the broker does, or that happens to the machine.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use highwater_disk::{Disk, Operation};
use highwater_partition_log::{Isolation, LogConfig, Origin, Refusal};
use highwater_store::meta::{TombstoneRecord, TopicRecord};
use highwater_store::{Acknowledgement, AppendError, LogStore, MetaChange, MetaError, MetaKey, MetaRecord};
use highwater_types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, EndTxnMarker, Record, end_transaction_batch};

use crate::groups::now;
use crate::model::{Batch, Model, Prediction, Stamp};
use crate::rot::files;
use crate::run::{Pending, Run};
use crate::stack::{DATA, Stack, config_of, partitions_of, wall};
use crate::{Verdict, Violation, configs, require};

/// Where the bytes begin that the broker never changes: behind base offset, length, leader epoch and magic.
pub(crate) const PAYLOAD_START: usize = 17;
const TOPICS_MAX: usize = 3;
const NAMES: u64 = 4;
/// Of virtual time.
const TEN_SECONDS_NS: u64 = 10_000_000_000;

impl Run {
    pub(crate) fn step(&mut self, stack: &mut Stack) -> Verdict {
        let (phase, act): (_, fn(&mut Self, &mut Stack) -> Verdict) = match self.random.below(120) {
            0..=29 => ("died in an append", |run, stack| run.append(stack)),
            30..=49 => ("died in a write round", |run, stack| {
                run.note(|| "write round");
                stack.store.write_round();
                Ok(())
            }),
            50..=67 => ("died in a sync round", |run, stack| {
                run.note(|| "sync round");
                stack.store.sync_round();
                Ok(())
            }),
            68..=74 => ("died in maintenance", Self::pass_time),
            75..=79 => ("died in a read", |run, stack| run.read_somewhere(stack)),
            80..=82 => ("died while deleting records", |run, stack| run.delete_records(stack)),
            83 | 84 => ("died while changing settings", Self::change_settings),
            85 | 86 => ("died while creating a topic", Self::create_topic),
            87 => ("died while deleting a topic", Self::delete_topic),
            88..=90 => ("died in a search by time", |run, stack| run.search_by_time(stack)),
            91..=93 => ("died in an append", |run, stack| run.end_transaction(stack)),
            94..=96 => ("died in a slow operation", |run, stack| {
                run.slow_operation(stack);
                Ok(())
            }),
            97 => ("died while deleting a topic", Self::forget_topics),
            98 => ("died in recovery", |run, stack| {
                run.note(|| "recovery, admin and reader step");
                stack.store.recovery_step();
                stack.store.admin_step();
                stack.store.reader_step();
                run.scrub(stack)
            }),
            99 => ("died in an append", |run, _| {
                run.spoil_disk();
                Ok(())
            }),
            100..=113 => ("died in a request to a group", Self::client_step),
            _ => ("died in a metadata commit of groups", Self::commit_round),
        };
        self.phase = phase;
        act(self, stack)
    }

    /// A partition that is served, if there is one.
    fn choose(&mut self) -> Option<TopicIdPartition> {
        let open: Vec<_> = self.models.iter().filter(|(_, model)| model.open).map(|(id, _)| *id).collect();
        open.get(self.random.index(open.len())).copied()
    }

    // --- producers ------------------------------------------------------------------------------------------------

    fn append(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let kind = self.random.below(20);
        let lost = self.models[&id].lost.len();
        if kind < 3 && lost > 0 {
            let batch = self.models[&id].lost[self.random.index(lost)].clone();
            self.note(|| format!("{id}: what was lost is sent again"));
            self.count("lost batch sent again");
            return self.send(stack, id, (batch.sent, batch.times), batch.stamp);
        }
        let count = 1 + self.random.below(3) as i32;
        let Some(stamp) = (kind < 14).then(|| self.stamp(id)) else {
            let sent = self.batch(None, count);
            return self.send(stack, id, sent, None);
        };
        if self.random.one_in(5)
            && let Some(producer) = self.models[&id].producer(stamp.id)
            && let Some((.., index)) = producer.window.get(self.random.index(producer.window.len())).copied()
        {
            let batch = self.models[&id].branch[index].clone();
            self.note(|| format!("{id}: batch at {} is sent again", batch.base));
            return self.send(stack, id, (batch.sent, batch.times), batch.stamp);
        }
        let sent = self.batch(Some(stamp), count);
        self.send(stack, id, sent, Some(stamp))
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

    /// A timestamp near the broker's time, sometimes far from it.
    fn time(&mut self) -> Timestamp {
        const TWO_HOURS_MS: u64 = 7_200_000;
        let (now, far) = (wall(&self.ticks).0, self.random.below(TWO_HOURS_MS) as i64);
        Timestamp(match self.random.below(24) {
            0 => now - far,
            1 => now + far,
            2..=7 => now - self.random.below(30_000) as i64,
            _ => now,
        })
    }

    /// A batch, and the timestamps of its records.
    fn batch(&mut self, stamp: Option<Stamp>, count: i32) -> (Bytes, Vec<i64>) {
        let size = if self.random.one_in(30) { 2_000 } else { self.random.index(160) };
        let mut builder = BatchBuilder::new();
        if let Some(stamp) = stamp {
            let id = ProducerId(stamp.id);
            builder = builder.producer(id, ProducerEpoch(stamp.epoch), Sequence(stamp.sequence));
            if stamp.transactional {
                builder = builder.transactional();
            }
        }
        let mut times = Vec::new();
        for _ in 0..count {
            self.counter += 1;
            let mut value = vec![self.counter as u8; size + 8];
            value[..8].copy_from_slice(&self.counter.to_be_bytes());
            let timestamp = self.time();
            times.push(timestamp.0);
            builder.push(&Record { timestamp, key: None, value: Some(value.into()), headers: Vec::new() });
        }
        (builder.build().unwrap(), times)
    }

    /// Sends a batch, and compares what becomes of it with what must.
    fn send(
        &mut self,
        stack: &Stack,
        id: TopicIdPartition,
        (sent, times): (Bytes, Vec<i64>),
        stamp: Option<Stamp>,
    ) -> Verdict {
        let model = &self.models[&id];
        let (count, now) = (times.len() as i32, wall(&self.ticks).0);
        let prediction = if model.is_inadmissible(sent.len(), &times, now) {
            Prediction::Refused
        } else {
            stamp.map_or(Prediction::New, |stamp| model.predict(stamp, count))
        };
        let stamped = model.stamp_at(now);
        let level = if self.random.coin() { Acknowledgement::Durable } else { Acknowledgement::Written };
        let batch = Batch {
            base: model.end(),
            last: model.end() + i64::from(count) - 1,
            payload: sent.slice(PAYLOAD_START..),
            sent: sent.clone(),
            leader_epoch: model.leader_epoch,
            stamp,
            marker: None,
            times,
            stamped,
        };
        if stamped.is_some() && prediction == Prediction::New {
            self.count("batch stamped by the broker");
        }
        self.append_batch(stack, id, batch, (Origin::Client, prediction, level))
    }

    /// A coordinator ends a transaction; sometimes with a higher epoch, which fences the producer, sometimes one of an
    /// earlier life tries to.
    fn end_transaction(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let open = self.models[&id].open_transactions();
        let Some((producer, epoch)) = open.get(self.random.index(open.len())).copied() else { return Ok(()) };
        let fences = self.random.one_in(5);
        let committed = !fences && self.random.coin();
        let epoch = epoch + i16::from(fences);
        let known = self.models[&id].coordinator_epoch(producer);
        let is_old = known > 0 && self.random.one_in(6);
        let coordinator_epoch = if is_old { known - 1 } else { self.coordinator_epoch };
        let marker = EndTxnMarker { committed, coordinator_epoch };
        let now = wall(&self.ticks);
        let sent = end_transaction_batch(marker, ProducerId(producer), ProducerEpoch(epoch), now).unwrap();
        let model = &self.models[&id];
        let batch = Batch {
            base: model.end(),
            last: model.end(),
            payload: sent.slice(PAYLOAD_START..),
            sent,
            leader_epoch: model.leader_epoch,
            stamp: Some(Stamp { id: producer, epoch, sequence: -1, transactional: true }),
            marker: Some((committed, coordinator_epoch)),
            times: vec![now.0],
            stamped: None,
        };
        self.count(match (is_old, fences, committed) {
            (true, ..) => "old coordinator fenced",
            (_, true, _) => "producer fenced by a marker",
            (.., true) => "transaction committed",
            _ => "transaction aborted",
        });
        let prediction = if is_old { Prediction::Refused } else { Prediction::New };
        self.append_batch(stack, id, batch, (Origin::Coordinator, prediction, Acknowledgement::Durable))
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
                self.count("batch refused");
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
                self.count("duplicate acknowledged");
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

    fn pass_time(&mut self, stack: &mut Stack) -> Verdict {
        let ms = match self.random.below(4) {
            0 => self.random.below(200),
            1 => self.random.below(40_000),
            _ => self.random.below(2_000),
        };
        self.ticks.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        self.note(|| format!("{ms} ms pass"));
        stack.store.maintenance_step();
        self.advance_groups(stack)
    }

    /// Some pieces of sealed segments are read again. Nothing has rotted, so nothing is accused but what a failed
    /// write-back took.
    fn scrub(&mut self, stack: &Stack) -> Verdict {
        let pieces = self.random.below(12);
        self.note(|| format!("scrub of {pieces} pieces"));
        for _ in 0..pieces {
            stack.store.scrub_step();
        }
        let damaged = stack.store.status().scrub.damaged;
        require!(damaged.is_empty() || self.faulty, "the scrub accuses {damaged:?}");
        Ok(())
    }

    /// A write or sync of a segment during which the other threads go on.
    fn slow_operation(&mut self, stack: &Stack) {
        let operation = if self.random.coin() { Operation::Sync } else { Operation::Write };
        let before = self.ticks.load(Ordering::Relaxed);
        self.others_go_on(stack, operation, ".log");
        if operation == Operation::Sync {
            stack.store.sync_round();
        } else {
            stack.store.write_round();
        }
        self.disk.forget_slow_operations();
        if operation == Operation::Sync && self.ticks.load(Ordering::Relaxed) >= before + TEN_SECONDS_NS {
            self.count("sync of ten seconds");
        }
    }

    /// Has the other threads go on during the next operation of a kind on such a file.
    pub(crate) fn others_go_on(&mut self, stack: &Stack, operation: Operation, pattern: &str) {
        let meanwhile: Vec<u64> = (0..=self.random.below(3)).map(|_| self.random.below(4)).collect();
        self.note(|| format!("a slow {operation:?} of {pattern}; meanwhile {meanwhile:?}"));
        let (store, ticks) = (Arc::clone(&stack.store), Arc::clone(&self.ticks));
        self.disk.during_next(operation, pattern, move || {
            for step in meanwhile {
                match step {
                    0 => drop(store.write_round()),
                    1 => drop(store.sync_round()),
                    2 => drop(ticks.fetch_add(TEN_SECONDS_NS, Ordering::Relaxed)),
                    _ => drop(store.maintenance_step()),
                }
            }
        });
    }

    /// In a life with faults: fills the disk, makes room again, or has a write-back fail behind everybody's back.
    fn spoil_disk(&mut self) {
        if !self.faulty {
            return;
        }
        match self.random.below(4) {
            0 => {
                self.note(|| "there is room again");
                self.disk.set_capacity(None);
            }
            1 => self.fail_write_back(),
            _ => {
                self.disk.set_capacity(Some(u64::MAX));
                let used = u64::MAX - self.disk.free_bytes(DATA.as_ref()).unwrap_or(0);
                let room = if self.random.one_in(3) { 0 } else { self.random.below(4_000) };
                self.disk.set_capacity(Some(used + room));
                self.note(|| format!("the disk has room for {room} bytes"));
            }
        }
    }

    fn fail_write_back(&mut self) {
        let mut files = files(self, DATA.as_ref());
        if self.random.coin() {
            files.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        }
        let Some(path) = files.get(self.random.index(files.len())) else { return };
        self.note(|| format!("a write-back of {} fails", path.display()));
        let _ = self.disk.fail_write_back(path);
        // What the process before this one wrote and did not sync may have gone with it.
        self.models.values_mut().filter(|model| !model.open).for_each(Model::power_lost);
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

    /// Searches by time, or for the largest, and compares with the first record that fits.
    fn search_by_time(&mut self, stack: &Stack) -> Verdict {
        let Some(id) = self.choose() else { return Ok(()) };
        let Some(partition) = stack.store.partition(id) else {
            return Err(Violation(format!("{id} is gone")));
        };
        let isolation =
            if self.random.coin() { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
        let near = wall(&self.ticks).0 - self.random.below(120_000) as i64;
        let model = &self.models[&id];
        let known = model.branch.get(self.random.index(model.branch.len())).map(|batch| batch.times[0]);
        let time = known.filter(|_| self.random.coin()).unwrap_or(near);
        let time = if self.random.one_in(3) { None } else { Some(time) };
        let expected = time.map_or_else(|| model.largest(), |time| model.first_at(time, isolation));
        let found = match time {
            Some(time) => stack.drive(partition.offset_for_timestamp(Timestamp(time), isolation)),
            None => stack.drive(partition.max_timestamp()),
        };
        self.note(|| format!("{id}: search for {time:?}, {isolation:?}: {found:?}"));
        match found {
            Some(Ok(found)) => {
                let found = found.map(|found| (found.offset.0, found.timestamp.0, found.leader_epoch.0));
                require!(
                    found == expected,
                    "{id}: a search for {time:?} finds {found:?} instead of {expected:?}"
                );
                self.count("search by timestamp");
            }
            Some(Err(error)) => {
                require!(self.faulty || self.disk.has_crashed(), "{id} cannot be searched: {error}");
            }
            None => return Err(Violation(format!("a search in {id} does not come to its end"))),
        }
        Ok(())
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
                model.promise(before, true);
                self.count("records deleted");
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

    /// Commits metadata, behind what groups have to commit. Returns whether it was.
    pub(crate) fn commit(&mut self, stack: &mut Stack, changes: Vec<MetaChange>) -> Verdict<bool> {
        self.commit_groups(stack, usize::MAX)?;
        self.commit_many(stack, &[changes])
    }

    /// Makes several commits durable in one write. Returns whether they are.
    pub(crate) fn commit_many(&mut self, stack: &mut Stack, commits: &[Vec<MetaChange>]) -> Verdict<bool> {
        let result = stack.core.commit_many(commits);
        let changes = commits.concat();
        self.note(|| format!("{} commits of {} changes: {result:?}", commits.len(), changes.len()));
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
                self.models.entry(id).or_default().configure(config.clone());
            }
            self.count("topic created");
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
        self.clients.keep_topics(|topic| topic != TopicId(id));
        let effects = stack.groups.forget_topic(now(&self.ticks), TopicId(id));
        self.carry_out(stack, effects)?;
        self.count("topic deleted");
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
        let old = config_of(&topic);
        topic.configs = configs::to_record(self.random.below(configs::COUNT));
        self.note(|| format!("topic {} gets settings {:?}", topic.name, topic.configs));
        let config = config_of(&topic);
        let record = MetaRecord::Topic(topic);
        let ids: Vec<_> = partitions_of(&record).iter().map(|new| new.id).collect();
        let tightens = configs::tightens(&old, &config);
        if tightens && !self.tighten(stack, &ids, &config)? {
            self.configure(stack, &ids, &old);
            return Ok(());
        }
        // A stricter policy stays in force when its commit fails: the next start may find it all the same.
        let committed = self.commit(stack, vec![MetaChange::Put(record)])?;
        // What is answered by now promises what the policy before did.
        self.look_at_answers()?;
        if committed || tightens {
            self.configure(stack, &ids, &config);
        }
        if tightens {
            self.count("policy tightened");
        }
        Ok(())
    }

    /// As the server does before it commits settings under which less is visible: has what is visible synced under them.
    /// Returns whether it is.
    fn tighten(&mut self, stack: &Stack, ids: &[TopicIdPartition], config: &LogConfig) -> Verdict<bool> {
        in_force(stack, ids, config);
        for id in ids {
            let Some(partition) = stack.store.partition(*id) else { continue };
            match stack.drive(partition.synced()) {
                Some(Ok(())) => {}
                Some(Err(problem)) => {
                    let excused = self.faulty || self.disk.has_crashed();
                    require!(excused, "{id} cannot be synced: {problem}");
                    return Ok(false);
                }
                None => {
                    require!(self.disk.has_crashed(), "a sync of {id} does not come to its end");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn configure(&mut self, stack: &Stack, ids: &[TopicIdPartition], config: &LogConfig) {
        in_force(stack, ids, config);
        for id in ids {
            if let Some(model) = self.models.get_mut(id) {
                model.configure(config.clone());
            }
        }
    }
}

fn in_force(stack: &Stack, ids: &[TopicIdPartition], config: &LogConfig) {
    for partition in ids.iter().filter_map(|id| stack.store.partition(*id)) {
        partition.configure(config.clone());
    }
}
