//! A broker around [`Groups`] for unit tests: a clock, a store, and every answer by its ticket.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use highwater_store::meta::{GroupRecord, OffsetRecord};
use highwater_store::{MetaChange, MetaKey, MetaRecord};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::{
    Answer, CommitId, CommitOffset, DeleteGroup, DeleteOffsets, Effect, GroupConfig, Groups, Heartbeat, Join,
    JoinAnswer, Leave, LeaveAnswer, Leaving, Now, OffsetCommit, Protocol, Request, Sync, SyncAnswer, Ticket,
};

/// The group that tests use.
pub(crate) const GROUP: &str = "g";
/// Where the tests' wall clock starts.
pub(crate) const START_MS: i64 = 1_700_000_000_000;
/// What ends the first rebalance of a group whose members all come at once: the delay, and once more because some came.
pub(crate) const INITIAL_DELAY_MS: u64 = 6_000;

/// A broker of one shard.
pub(crate) struct World {
    pub(crate) groups: Groups,
    pub(crate) now: Now,
    pub(crate) answers: BTreeMap<Ticket, Answer>,
    /// Commits that await their outcome; none wait while `is_durable_at_once`.
    pub(crate) commits: VecDeque<(CommitId, Vec<MetaChange>)>,
    pub(crate) is_durable_at_once: bool,
    pub(crate) store: BTreeMap<MetaKey, MetaRecord>,
    tickets: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(GroupConfig::default())
    }

    pub(crate) fn with(config: GroupConfig) -> Self {
        Self {
            groups: Groups::new(config),
            now: Now { instant: Instant(0), timestamp: Timestamp(START_MS) },
            answers: BTreeMap::new(),
            commits: VecDeque::new(),
            is_durable_at_once: true,
            store: BTreeMap::new(),
            tickets: 0,
        }
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let effects = self.groups.handle(self.now, ticket, request);
        self.carry_out(effects);
        ticket
    }

    /// Carries effects out.
    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer(ticket, answer) => {
                    assert_eq!(self.answers.insert(ticket, answer), None, "{ticket:?} was answered before");
                }
                Effect::Commit(id, changes) => self.commits.push_back((id, changes)),
            }
        }
        if self.is_durable_at_once {
            self.settle();
        }
    }

    /// Makes all commits durable.
    pub(crate) fn settle(&mut self) {
        while let Some((id, changes)) = self.commits.pop_front() {
            for change in changes {
                match change {
                    MetaChange::Put(record) => drop(self.store.insert(record.key(), record)),
                    MetaChange::Remove(key) => drop(self.store.remove(&key)),
                }
            }
            let effects = self.groups.committed(self.now, id, Ok(()));
            self.carry_out(effects);
        }
    }

    /// Fails the first commit that waits.
    pub(crate) fn fail(&mut self, code: ErrorCode) {
        let (id, _) = self.commits.pop_front().expect("a commit");
        let effects = self.groups.committed(self.now, id, Err(code));
        self.carry_out(effects);
    }

    /// Lets time pass; what comes due is done when it is due.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        let end = self.now.instant.plus_ms(ms);
        while let Some(due) = self.groups.next_due().filter(|due| *due <= end) {
            self.set_clock(due);
            let effects = self.groups.advance(self.now);
            self.carry_out(effects);
        }
        self.set_clock(end);
    }

    fn set_clock(&mut self, instant: Instant) {
        let passed = instant.ms_since(self.now.instant);
        self.now.timestamp.0 += i64::try_from(passed).unwrap();
        self.now.instant = self.now.instant.max(instant);
    }

    /// Starts anew with what the store holds.
    pub(crate) fn restart(&mut self, config: GroupConfig) {
        self.groups = Groups::new(config);
        self.commits.clear();
        let (mut groups, mut offsets): (Vec<GroupRecord>, Vec<(OffsetRecord, Arc<str>)>) = Default::default();
        for record in self.store.values().cloned() {
            match record {
                MetaRecord::Group(group) => groups.push(group),
                MetaRecord::Offset(offset) => offsets.push((offset, "t".into())),
                other => panic!("not a group's: {other:?}"),
            }
        }
        self.groups.load(self.now, groups, offsets);
    }

    pub(crate) fn joined(&mut self, ticket: Ticket) -> Option<JoinAnswer> {
        self.answers.remove(&ticket).map(|answer| match answer {
            Answer::Join(answer) => answer,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn synced(&mut self, ticket: Ticket) -> Option<SyncAnswer> {
        self.answers.remove(&ticket).map(|answer| match answer {
            Answer::Sync(answer) => answer,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn left(&mut self, ticket: Ticket) -> Option<LeaveAnswer> {
        self.answers.remove(&ticket).map(|answer| match answer {
            Answer::Leave(answer) => answer,
            other => panic!("{other:?}"),
        })
    }

    /// The one code of an answer: of a whole request, or of all its partitions.
    pub(crate) fn code(&mut self, ticket: Ticket) -> Option<ErrorCode> {
        self.answers.remove(&ticket).map(|answer| match answer {
            Answer::Code(code) => code,
            Answer::Offsets(answers) => {
                assert!(answers.iter().all(|answer| answer.error == answers[0].error), "{answers:?}");
                answers[0].error
            }
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn heartbeat(&mut self, member_id: &str, generation: i32) -> ErrorCode {
        let ticket = self.send(heartbeat(member_id, None, generation));
        self.code(ticket).expect("answered at once")
    }

    pub(crate) fn commit(&mut self, member_id: &str, generation: i32, offset: i64) -> Ticket {
        self.send(commit(member_id, generation, offset))
    }

    /// A stable group of that many members in generation 1, assigned `a0`, `a1`, …; the first leads.
    pub(crate) fn stable(&mut self, count: u8) -> Vec<Arc<str>> {
        let tickets: Vec<_> = (0..count).map(|index| self.send(join("", index))).collect();
        self.finish_rebalance(tickets)
    }

    /// Answers JoinGroups that wait for the initial delay, and has their leader assign.
    pub(crate) fn finish_rebalance(&mut self, tickets: Vec<Ticket>) -> Vec<Arc<str>> {
        self.pass_ms(INITIAL_DELAY_MS);
        let joins: Vec<_> = tickets.into_iter().map(|ticket| self.joined(ticket).expect("joined")).collect();
        assert!(joins.iter().all(|join| join.error == ErrorCode::None), "{joins:?}");
        self.assign(&joins);
        joins.into_iter().map(|join| join.member_id).collect()
    }

    /// Syncs everybody; `a<n>` goes to the n-th.
    pub(crate) fn assign(&mut self, joins: &[JoinAnswer]) {
        let given = joins.iter().enumerate();
        let assignments: Vec<_> = given
            .map(|(index, join)| (Arc::clone(&join.member_id), Bytes::from(format!("a{index}"))))
            .collect();
        for join in joins {
            let assignments = if join.leader == join.member_id { assignments.clone() } else { Vec::new() };
            self.send(sync(&join.member_id, join.generation, assignments));
        }
    }
}

pub(crate) fn protocol(name: &str, topics: &[&str]) -> Protocol {
    Protocol { name: name.into(), metadata: crate::subscription::subscription(topics) }
}

/// A JoinGroup that asks for no id first; `seed` makes the id of a new member, ascending with it.
pub(crate) fn join_request(member_id: &str, seed: u8) -> Join {
    Join {
        group_id: GROUP.into(),
        member_id: member_id.into(),
        instance_id: None,
        fresh_id: [seed; 16],
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", &["t"])],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        id_required: false,
        can_skip_assignment: true,
        reason: None,
    }
}

pub(crate) fn join(member_id: &str, seed: u8) -> Request {
    Request::Join(join_request(member_id, seed))
}

pub(crate) fn join_static(instance_id: &str, seed: u8) -> Request {
    Request::Join(Join { instance_id: Some(instance_id.into()), ..join_request("", seed) })
}

pub(crate) fn sync(member_id: &str, generation: i32, assignments: Vec<(Arc<str>, Bytes)>) -> Request {
    let (group_id, member_id) = (GROUP.into(), member_id.into());
    Request::Sync(Sync {
        group_id,
        member_id,
        instance_id: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments,
    })
}

pub(crate) fn heartbeat(member_id: &str, instance_id: Option<&str>, generation: i32) -> Request {
    let (group_id, instance_id) = (GROUP.into(), instance_id.map(Into::into));
    Request::Heartbeat(Heartbeat { group_id, member_id: member_id.into(), instance_id, generation })
}

pub(crate) fn leave(members: &[(&str, Option<&str>)]) -> Request {
    let leaving = members.iter().map(|(member_id, instance_id)| Leaving {
        member_id: (*member_id).into(),
        instance_id: instance_id.map(Into::into),
        reason: None,
    });
    Request::Leave(Leave { group_id: GROUP.into(), members: leaving.collect() })
}

pub(crate) fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TopicId([1; 16]), partition: index }
}

pub(crate) fn commit_request(member_id: &str, generation: i32, offset: i64) -> OffsetCommit {
    let (partition, topic, metadata) = (partition(0), "t".into(), "".into());
    OffsetCommit {
        group_id: GROUP.into(),
        member_id: member_id.into(),
        instance_id: None,
        generation,
        retention_ms: None,
        offsets: vec![CommitOffset { partition, topic, offset, leader_epoch: -1, metadata }],
    }
}

pub(crate) fn commit(member_id: &str, generation: i32, offset: i64) -> Request {
    Request::Commit(commit_request(member_id, generation, offset))
}

pub(crate) fn delete_group() -> Request {
    Request::Delete(DeleteGroup { group_id: GROUP.into() })
}

pub(crate) fn delete_offset(index: i32) -> Request {
    Request::DeleteOffsets(DeleteOffsets {
        group_id: GROUP.into(),
        partitions: vec![(partition(index), "t".into())],
    })
}
