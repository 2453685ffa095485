//! Clients: they join, lead, sync, beat, commit, leave, repeat themselves, fall silent and come back.

use std::sync::Arc;

use bytes::Bytes;
use highwater_coordinator::{
    Answer, Heartbeat, Join, JoinAnswer, JoinedMember, Leave, Leaving, Protocol, Request, Sync, Ticket,
};
use highwater_disk::sim::Random;
use highwater_wire::ErrorCode;

use crate::broker::{Broker, GROUPS, PARTITIONS};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Out,
    Joining(Ticket),
    Joined,
    Syncing(Ticket),
    In,
}

/// One client.
pub(crate) struct Client {
    group_id: Arc<str>,
    instance_id: Option<Arc<str>>,
    member_id: Arc<str>,
    generation: i32,
    phase: Phase,
    /// Of a leader that has to assign.
    members: Vec<JoinedMember>,
    protocols: Vec<&'static str>,
    topic: &'static str,
    is_new: bool,
    silent_steps: u64,
}

impl Client {
    /// A client of one of the groups; some are static, and sometimes two have the same instance.
    pub(crate) fn new(random: &mut Random, index: usize) -> Self {
        let instance_id = (index < 3 && random.coin()).then(|| format!("i{}", random.below(2)).into());
        Self {
            group_id: GROUPS[usize::from(index == 5)].into(),
            instance_id,
            member_id: "".into(),
            generation: -1,
            phase: Phase::Out,
            members: Vec::new(),
            protocols: vec!["x", "y"],
            topic: "t",
            is_new: random.coin(),
            silent_steps: 0,
        }
    }

    /// Does something, or nothing.
    pub(crate) fn step(&mut self, broker: &mut Broker, random: &mut Random) {
        if self.silent_steps > 0 {
            self.silent_steps -= 1;
            return;
        }
        match random.below(60) {
            0 => self.silent_steps = random.below(8),
            1 => self.forget(),
            2 => self.send_strange(broker, random),
            _ => self.go_on(broker, random),
        }
    }

    fn go_on(&mut self, broker: &mut Broker, random: &mut Random) {
        match self.phase {
            Phase::Out => self.join(broker, random),
            Phase::Joining(_) if random.one_in(8) => self.join(broker, random),
            Phase::Joined if !random.one_in(4) => self.sync(broker, random),
            Phase::Syncing(_) if random.one_in(8) => self.sync(broker, random),
            Phase::Joining(_) | Phase::Joined | Phase::Syncing(_) => {}
            Phase::In => match random.below(20) {
                0 => self.leave(broker),
                1 => self.join(broker, random),
                2 => {
                    self.protocols =
                        [vec!["x", "y"], vec!["y", "x"], vec!["x"], vec!["y"]][random.index(4)].clone();
                    self.topic = ["t", "u"][random.index(2)];
                    self.join(broker, random);
                }
                3..9 => {
                    let (group_id, member_id) = (Arc::clone(&self.group_id), Arc::clone(&self.member_id));
                    broker.commit(random, &group_id, &member_id, self.generation);
                }
                _ => self.beat(broker),
            },
        }
    }

    fn join(&mut self, broker: &mut Broker, random: &mut Random) {
        let mut fresh_id = [0; 16];
        random.fill(&mut fresh_id);
        let mut metadata = vec![0, 0, 0, 0, 0, 1, 0, 1];
        metadata.extend(self.topic.as_bytes());
        let protocols = self
            .protocols
            .iter()
            .map(|name| Protocol { name: (*name).into(), metadata: metadata.clone().into() });
        let request = Request::Join(Join {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            instance_id: self.instance_id.clone(),
            fresh_id,
            client_id: "c".into(),
            client_host: "/h".into(),
            protocol_type: "consumer".into(),
            protocols: protocols.collect(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 15_000,
            id_required: self.is_new,
            can_skip_assignment: self.is_new,
            reason: None,
        });
        // The answer may be there before the ticket is known here: it is delivered later.
        self.phase = Phase::Joining(broker.send(request));
    }

    /// A leader gives each partition to one member, and sometimes leaves one out.
    fn sync(&mut self, broker: &mut Broker, random: &mut Random) {
        let mut given = vec![Vec::new(); self.members.len()];
        for partition in 0..PARTITIONS {
            if !given.is_empty() && !random.one_in(10) {
                given[random.index(self.members.len())].push(u8::try_from(partition).unwrap());
            }
        }
        let members = self.members.iter().map(|member| Arc::clone(&member.member_id));
        let request = Request::Sync(Sync {
            group_id: Arc::clone(&self.group_id),
            member_id: Arc::clone(&self.member_id),
            instance_id: self.instance_id.clone(),
            generation: self.generation,
            protocol_type: Some("consumer".into()),
            protocol: None,
            assignments: members.zip(given.into_iter().map(Bytes::from)).collect(),
        });
        self.phase = Phase::Syncing(broker.send(request));
    }

    fn beat(&self, broker: &mut Broker) {
        let (group_id, member_id) = (Arc::clone(&self.group_id), Arc::clone(&self.member_id));
        let (instance_id, generation) = (self.instance_id.clone(), self.generation);
        broker.send(Request::Heartbeat(Heartbeat { group_id, member_id, instance_id, generation }));
    }

    fn leave(&mut self, broker: &mut Broker) {
        let (group_id, member_id) = (Arc::clone(&self.group_id), Arc::clone(&self.member_id));
        let members = vec![Leaving { member_id, instance_id: self.instance_id.clone(), reason: None }];
        broker.send(Request::Leave(Leave { group_id, members }));
        self.forget();
    }

    /// Requests that no client of today would send.
    fn send_strange(&mut self, broker: &mut Broker, random: &mut Random) {
        let generation = self.generation.wrapping_add([-1, 1][random.index(2)]);
        match random.below(3) {
            0 => {
                let member_id = Arc::clone(&self.member_id);
                broker.commit(random, &Arc::clone(&self.group_id), &member_id, generation);
            }
            1 => {
                let kept = std::mem::replace(&mut self.member_id, "nobody".into());
                self.beat(broker);
                self.sync(broker, random);
                self.member_id = kept;
                self.phase = Phase::Out;
            }
            _ => {
                let kept = std::mem::replace(&mut self.generation, generation);
                self.sync(broker, random);
                self.generation = kept;
                self.phase = Phase::Out;
            }
        }
    }

    /// Loses all that it knew: the process was killed.
    fn forget(&mut self) {
        (self.phase, self.member_id, self.generation) = (Phase::Out, "".into(), -1);
        self.members.clear();
    }

    /// Loses the request that waits.
    pub(crate) fn lost_connection(&mut self) {
        match self.phase {
            Phase::Joining(_) => self.phase = Phase::Out,
            Phase::Syncing(_) => self.phase = Phase::Joined,
            Phase::Out | Phase::Joined | Phase::In => {}
        }
    }

    /// Takes an answer to a request of its own that it still waits for.
    pub(crate) fn on_answer(
        &mut self,
        ticket: Ticket,
        request: &Request,
        answer: &Answer,
        random: &mut Random,
    ) {
        match (request, answer) {
            (_, Answer::Join(answer)) if self.phase == Phase::Joining(ticket) => self.on_joined(answer),
            (_, Answer::Sync(answer)) if self.phase == Phase::Syncing(ticket) => {
                self.phase = Phase::In;
                self.on_code(answer.error);
            }
            (Request::Heartbeat(sent), Answer::Code(code)) if self.is_mine(sent) && !random.one_in(4) => {
                self.on_code(*code);
            }
            _ => {}
        }
    }

    fn is_mine(&self, sent: &Heartbeat) -> bool {
        sent.member_id == self.member_id && sent.generation == self.generation && self.phase == Phase::In
    }

    fn on_joined(&mut self, answer: &JoinAnswer) {
        self.phase = Phase::Joined;
        match answer.error {
            ErrorCode::None => {
                self.member_id = Arc::clone(&answer.member_id);
                self.generation = answer.generation;
                let assigns = answer.leader == answer.member_id && !answer.skip_assignment;
                self.members = if assigns { answer.members.clone() } else { Vec::new() };
            }
            ErrorCode::MemberIdRequired => {
                self.phase = Phase::Out;
                self.member_id = Arc::clone(&answer.member_id);
            }
            code => self.on_code(code),
        }
    }

    fn on_code(&mut self, code: ErrorCode) {
        match code {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress | ErrorCode::CoordinatorNotAvailable => self.phase = Phase::Out,
            _ => self.forget(),
        }
    }
}
