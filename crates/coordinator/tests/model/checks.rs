//! What must hold, from what was asked, answered and applied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use highwater_coordinator::{Answer, GroupState, Groups, JoinAnswer, Request, Sync, SyncAnswer};
use highwater_store::meta::{ClassicGroupRecord, GroupStateRecord};
use highwater_store::{MetaChange, MetaRecord};
use highwater_wire::ErrorCode;

use crate::broker::{GROUPS, PARTITIONS, partition};

type Generation = (Arc<str>, i32);
/// A leader and the protocol.
type Begun = (Arc<str>, Option<Arc<str>>);

#[derive(Default)]
pub(crate) struct Checks {
    /// Counts restarts: a generation that was not durable may come again.
    life: u64,
    /// Counts the removals of a group: its generations begin anew.
    removals: BTreeMap<Arc<str>, u64>,
    /// Leader and protocol of what is begun.
    joined: BTreeMap<(u64, u64, Generation), Begun>,
    /// The member or instance that owns a partition in a generation.
    owners: BTreeMap<(u64, Generation, u8), Arc<str>>,
    /// Members with their assignments that the store was given.
    assignments: BTreeSet<(Generation, Arc<str>, Vec<u8>)>,
    /// Offsets that the store was given.
    offsets: BTreeSet<(Arc<str>, i32, i64)>,
    /// What was committed up to this offset is of a topic that was deleted.
    forgotten: i64,
    seen_offsets: BTreeMap<(&'static str, i32), i64>,
    seen_generations: BTreeMap<&'static str, i32>,
    /// How often the generations of a group began anew.
    falls: BTreeMap<&'static str, u64>,
}

impl Checks {
    pub(crate) fn on_restart(&mut self) {
        self.life += 1;
        self.forgotten = 0;
        self.seen_generations.clear();
    }

    /// The topic was deleted, of which offsets up to this one were committed.
    pub(crate) fn on_forget(&mut self, offset: i64) {
        self.forgotten = offset;
    }

    /// The store applied a commit.
    pub(crate) fn on_apply(&mut self, changes: &[MetaChange]) {
        for change in changes {
            match change {
                MetaChange::Put(MetaRecord::Group(group)) => {
                    let GroupStateRecord::Classic(record) = &group.state;
                    self.on_group(&group.group_id, record);
                }
                MetaChange::Put(MetaRecord::Offset(offset)) => {
                    self.offsets.insert((Arc::clone(&offset.group_id), offset.partition, offset.offset));
                }
                MetaChange::Remove(highwater_store::MetaKey::Group(group_id)) => {
                    *self.removals.entry(Arc::clone(group_id)).or_default() += 1;
                }
                _ => {}
            }
        }
    }

    fn on_group(&mut self, group_id: &Arc<str>, record: &ClassicGroupRecord) {
        let generation = (Arc::clone(group_id), record.generation);
        for member in &record.members {
            let assignment = (generation.clone(), Arc::clone(&member.member_id), member.assignment.clone());
            self.assignments.insert(assignment);
        }
    }

    /// A request was answered.
    pub(crate) fn on_answer(&mut self, request: &Request, answer: &Answer) {
        match (request, answer) {
            (Request::Join(join), Answer::Join(answer)) => {
                if answer.error == ErrorCode::None {
                    self.on_joined(&join.group_id, join.instance_id.is_some(), answer);
                } else {
                    assert_eq!((answer.generation, answer.members.len()), (-1, 0));
                }
            }
            (Request::Sync(sync), Answer::Sync(answer)) => {
                if answer.error == ErrorCode::None {
                    self.on_synced(sync, answer);
                }
            }
            (Request::Commit(commit), Answer::Offsets(answers)) => {
                for (offset, answer) in commit.offsets.iter().zip(answers) {
                    assert_eq!((offset.partition, ErrorCode::None), (answer.partition, answer.error));
                    let told = (Arc::clone(&commit.group_id), offset.partition.partition, offset.offset);
                    assert!(self.offsets.contains(&told), "{told:?} was answered before it was durable");
                }
            }
            (Request::Leave(leave), Answer::Leave(answer)) => {
                assert!(answer.error != ErrorCode::None || answer.members.len() == leave.members.len());
            }
            (Request::DeleteOffsets(_), Answer::Offsets(_)) => {}
            (
                Request::Heartbeat(_) | Request::Commit(_) | Request::Delete(_) | Request::DeleteOffsets(_),
                Answer::Code(_),
            ) => {}
            other => panic!("the answer is another request's: {other:?}"),
        }
    }

    fn on_joined(&mut self, group_id: &Arc<str>, is_static: bool, answer: &JoinAnswer) {
        let generation = (Arc::clone(group_id), answer.generation);
        if answer.skip_assignment {
            let is_durable = self
                .assignments
                .iter()
                .any(|(of, member, _)| *of == generation && *member == answer.member_id);
            assert!(is_durable, "{answer:?} before the new id was durable");
        }
        let removals = self.removals.get(group_id).copied().unwrap_or(0);
        let told = (Arc::clone(&answer.leader), answer.protocol.clone());
        let first = self.joined.entry((self.life, removals, generation)).or_insert_with(|| told.clone());
        assert_eq!(first.1, told.1, "members of a generation agree on its protocol");
        // A static leader gets another id within its generation.
        if !is_static && !first.0.starts_with('i') {
            assert_eq!(first.0, told.0, "members of a generation agree on its leader");
        }
        let ids: BTreeSet<_> = answer.members.iter().map(|member| &member.member_id).collect();
        assert_eq!(ids.len(), answer.members.len(), "nobody is told twice");
        assert!(ids.is_empty() || ids.contains(&answer.member_id));
    }

    fn on_synced(&mut self, sync: &Sync, answer: &SyncAnswer) {
        let generation = (Arc::clone(&sync.group_id), sync.generation);
        let told = (generation.clone(), Arc::clone(&sync.member_id), answer.assignment.to_vec());
        assert!(self.assignments.contains(&told), "{told:?} was answered before it was durable");
        let removals = self.removals.get(&sync.group_id).copied().unwrap_or(0);
        let owner = sync.instance_id.as_ref().unwrap_or(&sync.member_id);
        for partition in &answer.assignment {
            let key = (removals, generation.clone(), *partition);
            let first = self.owners.entry(key).or_insert_with(|| Arc::clone(owner));
            assert_eq!(first, owner, "partition {partition} has two owners in generation {generation:?}");
        }
    }

    /// What holds after every step.
    pub(crate) fn on_step(&mut self, groups: &Groups) {
        for group in GROUPS {
            for index in 0..PARTITIONS {
                let seen = groups.fetch_offset(group, partition(index)).map(|offset| offset.offset);
                let before = match seen {
                    Some(offset) => self.seen_offsets.insert((group, index), offset),
                    None => self.seen_offsets.remove(&(group, index)),
                };
                assert!(
                    seen.is_none() || before <= seen,
                    "the offset of {group}-{index} fell from {before:?} to {seen:?}"
                );
                let is_durable =
                    seen.is_none_or(|offset| self.offsets.contains(&(group.into(), index, offset)));
                assert!(is_durable, "{group}-{index} tells {seen:?}, which is not durable");
            }
            let described = groups.describe(group);
            let generation = described.as_ref().map(|described| described.generation);
            let before = match generation {
                Some(generation) => self.seen_generations.insert(group, generation),
                None => self.seen_generations.remove(group),
            };
            if generation.is_some() && generation < before {
                let falls = self.falls.entry(group).or_default();
                *falls += 1;
                assert!(
                    *falls <= self.removals.get(group).copied().unwrap_or(0),
                    "the generation of {group} fell"
                );
            }
            if let Some(described) = described {
                assert_eq!(
                    described.members.is_empty(),
                    described.state == GroupState::Empty || described.members.is_empty()
                );
                assert!(described.state != GroupState::Stable || !described.protocol.is_empty());
                assert!(described.state != GroupState::Empty || described.members.is_empty());
            }
        }
    }

    /// With nothing on the way to the store: a start would find what is told. `is_clean` where no commit ever failed.
    pub(crate) fn on_reload(&self, groups: &Groups, reloaded: &Groups, is_clean: bool) {
        for group in GROUPS {
            assert!(groups.offsets(group).eq(reloaded.offsets(group)), "offsets of {group} after a restart");
            let is_forgotten = groups.offsets(group).all(|(_, offset)| offset.offset > self.forgotten);
            assert!(!is_clean || is_forgotten, "{group} has offsets of the deleted topic");
            let Some(described) = groups.describe(group) else {
                assert_eq!(reloaded.describe(group), None, "{group} would come back");
                continue;
            };
            let is_settled = match described.state {
                GroupState::Stable => true,
                GroupState::Empty => described.generation > 0,
                GroupState::PreparingRebalance | GroupState::CompletingRebalance => false,
            };
            if is_clean && is_settled {
                assert_eq!(reloaded.describe(group), Some(described), "{group} after a restart");
            }
        }
    }
}
