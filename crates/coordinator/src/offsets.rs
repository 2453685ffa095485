//! A group's committed offsets: what is durable, and which partitions have a commit on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_store::meta::{OffsetKey, OffsetRecord};
use highwater_store::{MetaChange, MetaKey, MetaRecord};
use highwater_types::{Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::classic::ClassicGroup;
use crate::turn::{Pending, Turn};
use crate::{Answer, CommitOffset, DeleteOffsets, GroupState, OffsetAnswer, OffsetCommit, Ticket};

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The next offset to be consumed.
    pub offset: i64,
    /// Leader epoch of the last record consumed, -1 when not given.
    pub leader_epoch: i32,
    /// What the client wants to remember.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it expires, if the commit said so itself.
    pub expires_at: Option<Timestamp>,
}

/// Changes of a commit, as memory sees them: `None` removes.
pub(crate) type OffsetChanges = Vec<(TopicIdPartition, Option<CommittedOffset>)>;

/// One partition's offset.
#[derive(Debug, Default)]
struct Slot {
    durable: Option<CommittedOffset>,
    in_flight: usize,
}

/// The offsets of one group.
#[derive(Debug, Default)]
pub(crate) struct Offsets(BTreeMap<TopicIdPartition, Slot>);

impl Offsets {
    /// Takes in an offset that the store held at start.
    pub(crate) fn load(&mut self, record: OffsetRecord, topic: Arc<str>) {
        let partition = record.topic_partition();
        let offset = CommittedOffset {
            topic,
            offset: record.offset,
            leader_epoch: record.leader_epoch,
            metadata: record.metadata,
            committed_at: Timestamp(record.commit_ms),
            expires_at: record.expire_ms.map(Timestamp),
        };
        self.0.insert(partition, Slot { durable: Some(offset), in_flight: 0 });
    }

    /// The durable offset of a partition.
    pub(crate) fn get(&self, partition: TopicIdPartition) -> Option<&CommittedOffset> {
        self.0.get(&partition)?.durable.as_ref()
    }

    /// All durable offsets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicIdPartition, &CommittedOffset)> {
        self.0.iter().filter_map(|(partition, slot)| Some((*partition, slot.durable.as_ref()?)))
    }

    /// Partitions with a durable offset and no commit on the way.
    pub(crate) fn settled(&self) -> impl Iterator<Item = (TopicIdPartition, &CommittedOffset)> {
        let settled = self.0.iter().filter(|(_, slot)| slot.in_flight == 0);
        settled.filter_map(|(partition, slot)| Some((*partition, slot.durable.as_ref()?)))
    }

    /// Every partition that has an offset or may get one.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = TopicIdPartition> {
        self.0.keys().copied()
    }

    /// The partitions of one topic that have an offset or may get one.
    pub(crate) fn partitions_of(&self, topic_id: TopicId) -> Vec<TopicIdPartition> {
        let bound = |partition| TopicIdPartition { topic_id, partition };
        self.0.range(bound(i32::MIN)..=bound(i32::MAX)).map(|(partition, _)| *partition).collect()
    }

    /// Notes changes whose commit is on the way.
    pub(crate) fn begin(&mut self, changes: &OffsetChanges) {
        for (partition, _) in changes {
            self.0.entry(*partition).or_default().in_flight += 1;
        }
    }

    /// The commit of these changes has an outcome.
    pub(crate) fn end(&mut self, changes: OffsetChanges, is_durable: bool) {
        for (partition, offset) in changes {
            let Some(slot) = self.0.get_mut(&partition) else { continue };
            slot.in_flight = slot.in_flight.saturating_sub(1);
            if is_durable {
                slot.durable = offset;
            }
            if slot.durable.is_none() && slot.in_flight == 0 {
                self.0.remove(&partition);
            }
        }
    }

    /// Sends the removal of partitions to the store, and then an answer.
    pub(crate) fn remove(
        &mut self,
        turn: &mut Turn<'_>,
        group_id: &Arc<str>,
        partitions: &[TopicIdPartition],
        answer: Option<(Ticket, Answer)>,
    ) {
        let mut commit = None;
        if !partitions.is_empty() {
            let changes = partitions.iter().map(|partition| (*partition, None)).collect();
            self.begin(&changes);
            let removes = partitions.iter().map(|partition| removal(group_id, *partition)).collect();
            commit = Some(turn.commit(group_id, removes, Pending::Offsets(changes)));
        }
        if let Some((ticket, answer)) = answer {
            turn.answer_after(commit, ticket, answer);
        }
    }

    /// OffsetCommit that was accepted.
    pub(crate) fn commit(&mut self, turn: &mut Turn<'_>, ticket: Ticket, commit: OffsetCommit) {
        let (mut puts, mut changes) = (Vec::new(), Vec::new());
        let mut answers = Vec::with_capacity(commit.offsets.len());
        for offset in commit.offsets {
            let partition = offset.partition;
            let error = if is_too_large(&offset.metadata, turn.config.offset_metadata_max_bytes) {
                ErrorCode::OffsetMetadataTooLarge
            } else {
                let committed = committed(turn.now.timestamp, commit.retention_ms, offset);
                puts.push(put(&commit.group_id, partition, &committed));
                changes.push((partition, Some(committed)));
                ErrorCode::None
            };
            answers.push(OffsetAnswer { partition, error });
        }
        self.begin(&changes);
        let id = (!puts.is_empty()).then(|| turn.commit(&commit.group_id, puts, Pending::Offsets(changes)));
        turn.answer_after(id, ticket, Answer::Offsets(answers));
    }

    /// OffsetDelete. Topics that live consumers subscribe to keep theirs; a live group of another type keeps all.
    pub(crate) fn delete(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: Ticket,
        group: &ClassicGroup,
        delete: &DeleteOffsets,
    ) {
        if group.state() != GroupState::Empty && !group.is_of_consumers() {
            turn.answer(ticket, Answer::Code(ErrorCode::NonEmptyGroup));
            return;
        }
        let (mut answers, mut removed) = (Vec::new(), Vec::new());
        for (partition, topic) in &delete.partitions {
            let is_subscribed = group.is_subscribed_to(topic);
            let error = if is_subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
            answers.push(OffsetAnswer { partition: *partition, error });
            if !is_subscribed && self.0.contains_key(partition) {
                removed.push(*partition);
            }
        }
        self.remove(turn, &delete.group_id, &removed, Some((ticket, Answer::Offsets(answers))));
    }
}

/// Whether metadata is beyond a limit, which Kafka counts in UTF-16 units.
fn is_too_large(metadata: &str, limit: usize) -> bool {
    metadata.len() > limit && metadata.encode_utf16().count() > limit
}

fn committed(now: Timestamp, retention_ms: Option<i64>, offset: CommitOffset) -> CommittedOffset {
    CommittedOffset {
        topic: offset.topic,
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: offset.metadata,
        committed_at: now,
        expires_at: retention_ms.map(|ms| Timestamp(now.0.saturating_add(ms))),
    }
}

fn put(group_id: &Arc<str>, partition: TopicIdPartition, offset: &CommittedOffset) -> MetaChange {
    MetaChange::Put(MetaRecord::Offset(OffsetRecord {
        group_id: Arc::clone(group_id),
        topic_id: partition.topic_id.0,
        partition: partition.partition,
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: Arc::clone(&offset.metadata),
        commit_ms: offset.committed_at.0,
        expire_ms: offset.expires_at.map(|at| at.0),
    }))
}

/// The change that removes an offset.
pub(crate) fn removal(group_id: &Arc<str>, partition: TopicIdPartition) -> MetaChange {
    MetaChange::Remove(MetaKey::Offset(OffsetKey { group_id: Arc::clone(group_id), partition }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        GROUP, START_MS, World, commit_request, delete_group, delete_offset, join_request, partition,
        protocol,
    };
    use crate::{GroupConfig, Join, Request};

    fn offset(world: &World) -> Option<i64> {
        world.groups.fetch_offset(GROUP, partition(0)).map(|offset| offset.offset)
    }

    #[test]
    fn an_offset_is_seen_and_answered_when_it_is_durable() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let ticket = world.commit("", -1, 5);
        assert_eq!((offset(&world), world.code(ticket)), (None, None));
        world.settle();
        assert_eq!((offset(&world), world.code(ticket)), (Some(5), Some(ErrorCode::None)));
        let committed = world.groups.fetch_offset(GROUP, partition(0)).unwrap();
        assert_eq!((committed.committed_at, &*committed.topic), (Timestamp(START_MS), "t"));
        assert_eq!(world.groups.offsets(GROUP).count(), 1);
        assert_eq!(world.groups.offsets("other").count(), 0);
    }

    #[test]
    fn an_offset_that_cannot_be_stored_leaves_the_earlier_one() {
        let mut world = World::new();
        world.commit("", -1, 5);
        world.is_durable_at_once = false;
        let ticket = world.commit("", -1, 6);
        world.fail(ErrorCode::CoordinatorNotAvailable);
        assert_eq!((offset(&world), world.code(ticket)), (Some(5), Some(ErrorCode::CoordinatorNotAvailable)));
    }

    #[test]
    fn outcomes_told_in_another_order_leave_the_later_offset() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        let tickets = [world.commit("", -1, 5), world.commit("", -1, 6)];
        let ids = [world.commits[0].0, world.commits[1].0];
        let effects = world.groups.committed(world.now, ids[1], Ok(()));
        assert!(effects.is_empty());
        let effects = world.groups.committed(world.now, ids[0], Ok(()));
        world.carry_out(effects);
        assert_eq!(tickets.map(|ticket| world.code(ticket)), [Some(ErrorCode::None); 2]);
        assert_eq!(offset(&world), Some(6));
    }

    #[test]
    fn metadata_that_is_too_large_refuses_its_partition_alone() {
        let mut world = World::with(GroupConfig { offset_metadata_max_bytes: 4, ..GroupConfig::default() });
        let mut request = commit_request("", -1, 5);
        let mut large = request.offsets[0].clone();
        (large.partition, large.metadata) = (partition(1), "12345".into());
        request.offsets.push(large);
        let ticket = world.send(Request::Commit(request));
        let Some(Answer::Offsets(answers)) = world.answers.remove(&ticket) else { panic!() };
        let codes: Vec<_> = answers.iter().map(|answer| answer.error).collect();
        assert_eq!(codes, [ErrorCode::None, ErrorCode::OffsetMetadataTooLarge]);
        assert_eq!(world.groups.offsets(GROUP).count(), 1);
    }

    #[test]
    fn a_group_is_deleted_with_its_offsets_when_nobody_is_in_it() {
        let mut world = World::new();
        let ticket = world.send(delete_group());
        assert_eq!(world.code(ticket), Some(ErrorCode::GroupIdNotFound));
        let members = world.stable(1);
        world.commit(&members[0], 1, 5);
        let ticket = world.send(delete_group());
        assert_eq!(world.code(ticket), Some(ErrorCode::NonEmptyGroup));
        world.send(crate::testing::leave(&[(&members[0], None)]));
        world.is_durable_at_once = false;
        let in_flight = world.commit("", -1, 6);
        let ticket = world.send(delete_group());
        let later = world.commit("", -1, 7);
        assert_eq!(world.code(ticket), None);
        world.settle();
        let codes = [in_flight, ticket, later].map(|ticket| world.code(ticket));
        assert_eq!(codes, [Some(ErrorCode::None); 3]);
        assert_eq!((offset(&world), world.store.len()), (Some(7), 1), "only what was committed afterwards");
    }

    #[test]
    fn a_group_whose_deletion_cannot_be_stored_stays() {
        let mut world = World::new();
        world.commit("", -1, 5);
        world.is_durable_at_once = false;
        let ticket = world.send(delete_group());
        let held = world.commit("", -1, 6);
        world.fail(ErrorCode::CoordinatorNotAvailable);
        world.settle();
        assert_eq!(world.code(ticket), Some(ErrorCode::CoordinatorNotAvailable));
        assert_eq!((world.code(held), offset(&world)), (Some(ErrorCode::None), Some(6)));
    }

    #[test]
    fn a_deletion_is_answered_by_the_store_even_when_it_is_known_to_have_nothing() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        // The store may have it all the same.
        let uncertain = world.commit("", -1, 5);
        world.fail(ErrorCode::CoordinatorNotAvailable);
        assert_eq!(world.code(uncertain), Some(ErrorCode::CoordinatorNotAvailable));
        let ticket = world.send(delete_group());
        assert_eq!(world.code(ticket), None);
        world.fail(ErrorCode::CoordinatorNotAvailable);
        assert_eq!(world.code(ticket), Some(ErrorCode::CoordinatorNotAvailable));
        let ticket = world.send(delete_group());
        world.settle();
        assert_eq!(world.code(ticket), Some(ErrorCode::None));
        let ticket = world.send(delete_group());
        assert_eq!(world.code(ticket), Some(ErrorCode::GroupIdNotFound));
    }

    #[test]
    fn offsets_of_topics_that_live_consumers_read_are_not_deleted() {
        let mut world = World::new();
        let ticket = world.send(delete_offset(0));
        assert_eq!(world.code(ticket), Some(ErrorCode::GroupIdNotFound));
        let members = world.stable(1);
        world.commit(&members[0], 1, 5);
        let ticket = world.send(delete_offset(0));
        assert_eq!((world.code(ticket), offset(&world)), (Some(ErrorCode::GroupSubscribedToTopic), Some(5)));
        let other = Join { protocols: vec![protocol("range", &["other"])], ..join_request(&members[0], 0) };
        world.send(Request::Join(other));
        let ticket = world.send(delete_offset(0));
        assert_eq!((world.code(ticket), offset(&world)), (Some(ErrorCode::None), None));
        let ticket = world.send(delete_offset(0));
        assert_eq!(world.code(ticket), Some(ErrorCode::None), "nothing to delete is deleted");
    }

    #[test]
    fn a_live_group_of_another_type_keeps_all_offsets() {
        let mut world = World::new();
        let join = Join { protocol_type: "connect".into(), ..join_request("", 0) };
        let tickets = vec![world.send(Request::Join(join))];
        let members = world.finish_rebalance(tickets);
        let ticket = world.send(delete_offset(0));
        assert_eq!(world.code(ticket), Some(ErrorCode::NonEmptyGroup));
        world.send(crate::testing::leave(&[(&members[0], None)]));
        let ticket = world.send(delete_offset(0));
        assert_eq!(world.code(ticket), Some(ErrorCode::None));
    }

    #[test]
    fn a_deleted_topic_takes_its_offsets_along_even_those_on_their_way() {
        let mut world = World::new();
        world.is_durable_at_once = false;
        world.commit("", -1, 5);
        let effects = world.groups.forget_topic(world.now, TopicId([2; 16]));
        assert!(effects.is_empty());
        let effects = world.groups.forget_topic(world.now, TopicId([1; 16]));
        world.carry_out(effects);
        world.settle();
        assert_eq!((offset(&world), world.store.len()), (None, 0));
    }

    #[test]
    fn a_commit_that_waits_for_the_removal_of_its_group_is_refused_when_its_topic_goes() {
        let mut world = World::new();
        world.commit("", -1, 5);
        world.is_durable_at_once = false;
        world.send(delete_group());
        let held = world.commit("", -1, 6);
        let effects = world.groups.forget_topic(world.now, TopicId([1; 16]));
        world.carry_out(effects);
        assert_eq!(world.code(held), Some(ErrorCode::UnknownTopicOrPartition));
        world.settle();
        assert_eq!(world.store.len(), 0);
    }
}
