//! What stands around the groups: the clocks, a store that is slow, fails and forgets what was not durable, tickets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use highwater_coordinator::{
    Answer, CommitId, CommitOffset, DeleteGroup, DeleteOffsets, Effect, GroupConfig, Groups, Leave, Leaving,
    Now, OffsetCommit, Request, Ticket,
};
use highwater_disk::sim::Random;
use highwater_store::{MetaChange, MetaKey, MetaRecord};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::checks::Checks;
use crate::client::Client;

pub(crate) const GROUPS: [&str; 2] = ["a", "b"];
pub(crate) const PARTITIONS: i32 = 4;

pub(crate) type Store = BTreeMap<MetaKey, MetaRecord>;

pub(crate) struct Broker {
    pub(crate) groups: Groups,
    pub(crate) now: Now,
    pub(crate) trace: Vec<String>,
    config: GroupConfig,
    /// Requests that are not answered.
    waiting: BTreeMap<Ticket, Request>,
    /// Answers that the clients have not seen.
    answers: VecDeque<(Ticket, Request, Answer)>,
    /// Commits that the store has not come to, in their order.
    commits: VecDeque<(CommitId, Vec<MetaChange>)>,
    /// Outcomes that the groups were not told.
    outcomes: Vec<(CommitId, Result<(), ErrorCode>)>,
    /// The commit after the last one that the store came to.
    concluded: Option<CommitId>,
    /// The commit that a request led to at once.
    led_to: BTreeMap<Ticket, CommitId>,
    store: Store,
    checks: Checks,
    fails: bool,
    tickets: u64,
    offsets: i64,
}

pub(crate) fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TopicId([1; 16]), partition: index }
}

impl Broker {
    pub(crate) fn new(random: &mut Random) -> Self {
        let config = GroupConfig {
            min_session_timeout_ms: 1_000,
            initial_rebalance_delay_ms: [0, 1_000, 3_000][random.index(3)],
            max_size: if random.one_in(4) { 3 } else { 100 },
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms: 20_000,
            ..GroupConfig::default()
        };
        Self {
            groups: Groups::new(config),
            now: Now { instant: Instant(0), timestamp: Timestamp(1_700_000_000_000) },
            trace: Vec::new(),
            config,
            waiting: BTreeMap::new(),
            answers: VecDeque::new(),
            commits: VecDeque::new(),
            outcomes: Vec::new(),
            concluded: None,
            led_to: BTreeMap::new(),
            store: Store::new(),
            checks: Checks::default(),
            fails: random.coin(),
            tickets: 0,
            offsets: 0,
        }
    }

    pub(crate) fn send(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.trace.push(format!("{ticket:?} {request:?}"));
        self.waiting.insert(ticket, request.clone());
        let effects = self.groups.handle(self.now, ticket, request);
        let commit = effects.iter().find_map(|effect| match effect {
            Effect::Commit(id, _) => Some(*id),
            Effect::Answer(..) => None,
        });
        self.led_to.extend(commit.map(|id| (ticket, id)));
        self.carry_out(effects);
        ticket
    }

    /// A request that changes what is stored is answered when the store has come to it. A JoinGroup or SyncGroup may be answered by
    /// a rebalance instead.
    fn check_order(&mut self, ticket: Ticket, request: &Request) {
        let Some(id) = self.led_to.remove(&ticket) else { return };
        let may_differ = matches!(request, Request::Join(_) | Request::Sync(_));
        assert!(
            may_differ || self.concluded > Some(id),
            "{request:?} was answered before {id:?} was durable"
        );
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.trace.push(format!("{effect:?}"));
            match effect {
                Effect::Answer(ticket, answer) => {
                    let request =
                        self.waiting.remove(&ticket).expect("a request that waits is answered, once");
                    self.checks.on_answer(&request, &answer);
                    self.check_order(ticket, &request);
                    self.answers.push_back((ticket, request, answer));
                }
                Effect::Commit(id, changes) => self.commits.push_back((id, changes)),
            }
        }
    }

    /// The store comes to the next commit; outcomes are told late, and not in their order.
    pub(crate) fn apply_next(&mut self, random: &mut Random) {
        if let Some((id, changes)) = self.commits.pop_front() {
            let outcome = if self.fails && random.one_in(6) {
                Err(ErrorCode::CoordinatorNotAvailable)
            } else {
                self.apply(changes);
                Ok(())
            };
            self.concluded = Some(CommitId(id.0 + 1));
            self.outcomes.push((id, outcome));
        }
        while !self.outcomes.is_empty() && !random.one_in(3) {
            let (id, outcome) = self.outcomes.remove(random.index(self.outcomes.len()));
            self.trace.push(format!("{id:?} {outcome:?}"));
            let effects = self.groups.committed(self.now, id, outcome);
            self.carry_out(effects);
        }
    }

    fn apply(&mut self, changes: Vec<MetaChange>) {
        self.checks.on_apply(&changes);
        for change in changes {
            match change {
                MetaChange::Put(record) => drop(self.store.insert(record.key(), record)),
                MetaChange::Remove(key) => drop(self.store.remove(&key)),
            }
        }
    }

    /// Lets time pass at once: what came due is done late.
    pub(crate) fn oversleep_ms(&mut self, ms: u64) {
        self.set_clock(self.now.instant.plus_ms(ms));
        let effects = self.groups.advance(self.now);
        self.carry_out(effects);
        assert!(self.groups.next_due().is_none_or(|due| due > self.now.instant), "all that was due is done");
    }

    /// Lets time pass; what comes due is done when it is due.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        let end = self.now.instant.plus_ms(ms);
        while let Some(due) = self.groups.next_due().filter(|due| *due <= end) {
            self.set_clock(due.max(self.now.instant));
            let effects = self.groups.advance(self.now);
            self.carry_out(effects);
        }
        self.set_clock(end);
    }

    fn set_clock(&mut self, instant: Instant) {
        self.now.timestamp.0 += i64::try_from(instant.ms_since(self.now.instant)).unwrap();
        self.now.instant = instant;
    }

    pub(crate) fn jump_wall_clock(&mut self, random: &mut Random) {
        self.now.timestamp.0 += i64::try_from(random.below(200_000)).unwrap() - 100_000;
    }

    /// The process dies: what the store has not come to may be lost or not, in order; who waits gets no answer.
    pub(crate) fn restart(&mut self, random: &mut Random) {
        for _ in 0..random.index(self.commits.len() + 1) {
            let (_, changes) = self.commits.pop_front().unwrap();
            self.apply(changes);
        }
        self.commits.clear();
        self.outcomes.clear();
        self.waiting.clear();
        self.answers.clear();
        (self.concluded, self.led_to) = (None, BTreeMap::new());
        self.trace.push("restart".into());
        self.groups = load(self.config, self.now, &self.store);
        self.checks.on_restart();
    }

    /// What administrators and clients without a group do.
    pub(crate) fn administrate(&mut self, random: &mut Random) {
        let group_id: Arc<str> = GROUPS[random.index(2)].into();
        let index = i32::try_from(random.below(4)).unwrap();
        match random.below(8) {
            0 => drop(self.send(Request::Delete(DeleteGroup { group_id }))),
            1 => {
                let partitions = vec![(partition(index), "t".into())];
                self.send(Request::DeleteOffsets(DeleteOffsets { group_id, partitions }));
            }
            2 => {
                self.checks.on_forget(self.offsets);
                let effects = self.groups.forget_topic(self.now, TopicId([1; 16]));
                self.carry_out(effects);
            }
            3 | 4 => {
                let instance_id = Some(format!("i{}", random.below(2)).into());
                let members = vec![Leaving { member_id: "".into(), instance_id, reason: None }];
                self.send(Request::Leave(Leave { group_id, members }));
            }
            _ => drop(self.commit(random, &group_id, "", -1)),
        }
    }

    /// Commits an offset that is larger than all before it, for one partition.
    pub(crate) fn commit(
        &mut self,
        random: &mut Random,
        group_id: &str,
        member_id: &str,
        generation: i32,
    ) -> Ticket {
        self.offsets += 1;
        let offset = CommitOffset {
            partition: partition(i32::try_from(random.below(4)).unwrap()),
            topic: "t".into(),
            offset: self.offsets,
            leader_epoch: -1,
            metadata: "".into(),
        };
        self.send(Request::Commit(OffsetCommit {
            group_id: group_id.into(),
            member_id: member_id.into(),
            instance_id: None,
            generation,
            retention_ms: random.one_in(10).then_some(5_000),
            offsets: vec![offset],
        }))
    }

    /// Hands the answers to the clients.
    pub(crate) fn deliver(&mut self, clients: &mut [Client], random: &mut Random) {
        while let Some((ticket, request, answer)) = self.answers.pop_front() {
            for client in clients.iter_mut() {
                client.on_answer(ticket, &request, &answer, random);
            }
        }
    }

    /// What holds after every step.
    pub(crate) fn check(&mut self) {
        self.checks.on_step(&self.groups);
        let is_settled = self.commits.is_empty() && self.outcomes.is_empty();
        if is_settled {
            // A group that is larger than allowed would begin a rebalance.
            let config = GroupConfig { max_size: usize::MAX, ..self.config };
            let reloaded = load(config, self.now, &self.store);
            self.checks.on_reload(&self.groups, &reloaded, !self.fails);
        }
    }

    /// Everybody falls silent and the store keeps up: in the end nothing is left.
    pub(crate) fn finish(&mut self, clients: &mut [Client], random: &mut Random) {
        self.fails = false;
        for _ in 0..10_000 {
            while !self.commits.is_empty() || !self.outcomes.is_empty() {
                self.apply_next(random);
            }
            self.deliver(clients, random);
            let Some(due) = self.groups.next_due() else { break };
            self.pass_ms(due.ms_since(self.now.instant) + 1);
        }
        assert!(self.waiting.is_empty(), "never answered: {:?}", self.waiting);
        assert_eq!(self.groups.next_due(), None, "nothing is due when nobody is there");
        assert_eq!(self.groups.list().count(), 0);
        assert!(self.store.is_empty(), "left behind: {:?}", self.store);
    }
}

/// The groups that a start finds in the store.
fn load(config: GroupConfig, now: Now, store: &Store) -> Groups {
    let mut groups = Groups::new(config);
    let (mut records, mut offsets) = (Vec::new(), Vec::new());
    for record in store.values().cloned() {
        match record {
            MetaRecord::Group(group) => records.push(group),
            MetaRecord::Offset(offset) => offsets.push((offset, "t".into())),
            other => panic!("not a group's: {other:?}"),
        }
    }
    groups.load(now, records, offsets);
    groups
}
