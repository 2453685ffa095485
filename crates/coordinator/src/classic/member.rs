//! A member of a classic group.
//!
//! Its session is a deadline and at most one timer: a sign of life moves the deadline, and the timer, due too early, is set again.
//! A member whose JoinGroup or SyncGroup waits is not expected to give one and may have no timer; it gets one with its answer.

use std::sync::Arc;

use bytes::Bytes;
use highwater_store::meta::ClassicMemberRecord;
use highwater_types::{Instant, TimerId};

use crate::turn::{Due, Turn};
use crate::{Join, Protocol, Ticket};

/// A member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: Arc<str>,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    /// In its order of preference; no name twice.
    pub(crate) protocols: Vec<Protocol>,
    /// What the leader gave it.
    pub(crate) assignment: Bytes,
    /// Its JoinGroup that waits.
    pub(crate) join: Option<Ticket>,
    /// Its SyncGroup that waits.
    pub(crate) sync: Option<Ticket>,
    /// Whether its first JoinGroup is not answered yet: it knows no id and cannot heartbeat.
    pub(crate) is_new: bool,
    deadline: Instant,
    timer: Option<(TimerId, Instant)>,
}

impl Member {
    /// A member that joins.
    pub(crate) fn new(id: Arc<str>, join: &Join) -> Self {
        Self {
            id,
            instance_id: join.instance_id.clone(),
            client_id: Arc::clone(&join.client_id),
            client_host: Arc::clone(&join.client_host),
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            protocols: own_protocols(&join.protocols),
            assignment: Bytes::new(),
            join: None,
            sync: None,
            is_new: true,
            deadline: Instant::default(),
            timer: None,
        }
    }

    /// A member as it was stored.
    pub(crate) fn from_record(record: ClassicMemberRecord) -> Self {
        let protocols = record.protocols.into_iter();
        Self {
            id: record.member_id,
            instance_id: record.instance_id,
            client_id: record.client_id,
            client_host: record.client_host,
            session_timeout_ms: record.session_timeout_ms,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            protocols: protocols
                .map(|(name, metadata)| Protocol { name, metadata: metadata.into() })
                .collect(),
            assignment: record.assignment.into(),
            join: None,
            sync: None,
            is_new: false,
            deadline: Instant::default(),
            timer: None,
        }
    }

    /// What is stored of it, with that assignment.
    pub(crate) fn record(&self, assignment: &[u8]) -> ClassicMemberRecord {
        let protocols = self.protocols.iter();
        ClassicMemberRecord {
            member_id: Arc::clone(&self.id),
            instance_id: self.instance_id.clone(),
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::clone(&self.client_host),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            protocols: protocols.map(|own| (Arc::clone(&own.name), own.metadata.to_vec())).collect(),
            assignment: assignment.to_vec(),
        }
    }

    /// The same member under another id, with nothing that waits and no timer.
    pub(crate) fn renamed(&self, id: Arc<str>) -> Self {
        Self { id, join: None, sync: None, is_new: false, timer: None, ..self.clone() }
    }

    /// Takes over what a later JoinGroup says.
    pub(crate) fn update(&mut self, join: &Join) {
        self.protocols = own_protocols(&join.protocols);
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
    }

    /// Takes back what [`Member::update`] changed since `earlier`.
    pub(crate) fn restore(&mut self, earlier: Self) {
        self.protocols = earlier.protocols;
        self.session_timeout_ms = earlier.session_timeout_ms;
        self.rebalance_timeout_ms = earlier.rebalance_timeout_ms;
    }

    /// Whether these protocols are its own: names, order and metadata.
    pub(crate) fn matches(&self, protocols: &[Protocol]) -> bool {
        self.protocols == own_protocols(protocols)
    }

    /// Its metadata for a protocol; empty when it does not support it.
    pub(crate) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        let own = self.protocols.iter().find(|own| Some(&*own.name) == protocol);
        own.map(|own| own.metadata.clone()).unwrap_or_default()
    }

    /// Milliseconds that it may take to rejoin.
    pub(crate) fn rebalance_timeout_ms(&self) -> u64 {
        u64::try_from(self.rebalance_timeout_ms).unwrap_or(0)
    }

    /// Milliseconds that it may be silent.
    pub(crate) fn session_timeout_ms(&self) -> u64 {
        u64::try_from(self.session_timeout_ms).unwrap_or(0)
    }

    /// Whether it is excused from giving signs of life. A new member is not: it does not know its id, and a JoinGroup whose client
    /// went away would be waited for without end.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.join.is_some() || self.sync.is_some())
    }

    /// A sign of life: its session begins anew.
    pub(crate) fn touch(&mut self, turn: &mut Turn<'_>, group_id: &Arc<str>) {
        self.expect_within(turn, group_id, self.session_timeout_ms());
    }

    /// Expects the next sign of life within that time.
    pub(crate) fn expect_within(&mut self, turn: &mut Turn<'_>, group_id: &Arc<str>, timeout_ms: u64) {
        self.deadline = turn.in_ms(timeout_ms);
        match self.timer {
            Some((_, due)) if due <= self.deadline => {}
            _ => self.set_timer(turn, group_id),
        }
    }

    /// Its timer came: whether its session is over. If not, the timer is set again where that is needed.
    pub(crate) fn timer_came(&mut self, turn: &mut Turn<'_>, group_id: &Arc<str>) -> bool {
        self.timer = None;
        if self.is_excused() {
            return false;
        }
        if self.deadline > turn.now.instant {
            self.set_timer(turn, group_id);
            return false;
        }
        true
    }

    /// Takes its timer back.
    pub(crate) fn cancel_timer(&mut self, turn: &mut Turn<'_>) {
        turn.cancel(self.timer.take().map(|(id, _)| id));
    }

    fn set_timer(&mut self, turn: &mut Turn<'_>, group_id: &Arc<str>) {
        self.cancel_timer(turn);
        let due = Due::Session { group_id: Arc::clone(group_id), member_id: Arc::clone(&self.id) };
        self.timer = Some((turn.timers.set(self.deadline, due), self.deadline));
    }
}

/// The protocols, each name once, in memory of their own: a slice would keep its whole frame.
fn own_protocols(protocols: &[Protocol]) -> Vec<Protocol> {
    let mut own: Vec<Protocol> = Vec::with_capacity(protocols.len());
    let mut names = std::collections::BTreeSet::new();
    for Protocol { name, metadata } in protocols {
        if names.insert(name) {
            own.push(Protocol { name: Arc::clone(name), metadata: Bytes::copy_from_slice(metadata) });
        }
    }
    own
}
