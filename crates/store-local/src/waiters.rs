//! Who waits for a partition: answers that wait for durability, and watchers of its watermarks.
//!
//! A wait for an end is registered under the lock under which ends advance, so no wake-up is lost. It is settled once:
//! by an advance past its target, or by a refusal; a refusal reaches those registered then, even if the same offsets
//! are given out again before they look.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::task::{Poll, Waker};

use highwater_store::{Acknowledgement, PartitionProblem, WatchSet};
use highwater_types::Offset;

/// Wakes what it collected when it is dropped. Declared before a lock is taken, it is dropped after it is released.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Vec<Waker>);

impl Drop for Wakers {
    fn drop(&mut self) {
        for waker in self.0.drain(..) {
            waker.wake();
        }
    }
}

/// How far each kind of wait may be answered, and what watchers look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ends {
    /// For [`Acknowledgement::Written`].
    pub(crate) written: Offset,
    /// For [`Acknowledgement::Durable`].
    pub(crate) durable: Offset,
    /// End of what is on stable storage.
    pub(crate) synced: Offset,
    /// End of what readers see.
    pub(crate) high_watermark: Offset,
    /// End of what read_committed readers see.
    pub(crate) last_stable_offset: Offset,
}

/// What a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// As [`Acknowledgement::Written`].
    Written,
    /// As [`Acknowledgement::Durable`], which the policy says what it is.
    Durable,
    /// On stable storage, whatever the policy.
    Synced,
}

impl From<Acknowledgement> for Level {
    fn from(level: Acknowledgement) -> Self {
        match level {
            Acknowledgement::Written => Self::Written,
            Acknowledgement::Durable => Self::Durable,
        }
    }
}

/// A wait's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitKey {
    target: Offset,
    number: u64,
}

/// What became of a wait at its registration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// It is answered.
    Settled(Result<(), PartitionProblem>),
    /// It waits.
    Waiting(WaitKey),
}

/// All waits and watches of one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    ends: Ends,
    written: Lane,
    durable: Lane,
    synced: Lane,
    numbers: u64,
    /// Waits that were refused and have not looked yet.
    refused: HashMap<u64, PartitionProblem>,
    /// While set, nothing beyond the ends will be reached.
    closed: Option<PartitionProblem>,
    watches: BTreeMap<u64, (Arc<WatchSet>, u32)>,
}

type Lane = BTreeMap<WaitKey, Option<Waker>>;

impl Waiters {
    /// Registers a wait for everything below `target`.
    pub(crate) fn register(&mut self, level: Level, target: Offset) -> Registered {
        let end = match level {
            Level::Written => self.ends.written,
            Level::Durable => self.ends.durable,
            Level::Synced => self.ends.synced,
        };
        if target <= end {
            return Registered::Settled(Ok(()));
        }
        if let Some(problem) = &self.closed {
            return Registered::Settled(Err(problem.clone()));
        }
        let key = WaitKey { target, number: self.number() };
        self.lane(level).insert(key, None);
        Registered::Waiting(key)
    }

    /// Asks what became of a wait, which `waker` is woken for when it is settled.
    pub(crate) fn poll(
        &mut self,
        level: Level,
        key: WaitKey,
        waker: &Waker,
    ) -> Poll<Result<(), PartitionProblem>> {
        if let Some(slot) = self.lane(level).get_mut(&key) {
            match slot {
                Some(known) => known.clone_from(waker),
                None => *slot = Some(waker.clone()),
            }
            return Poll::Pending;
        }
        Poll::Ready(self.refused.remove(&key.number).map_or(Ok(()), Err))
    }

    /// Forgets a wait, settled or not.
    pub(crate) fn forget(&mut self, level: Level, key: WaitKey) {
        self.lane(level).remove(&key);
        self.refused.remove(&key.number);
    }

    /// Takes new ends: answers what they cover and tells the watchers if a watermark rose.
    pub(crate) fn advance(&mut self, ends: Ends, wakers: &mut Wakers) {
        settle(&mut self.written, ends.written, wakers);
        settle(&mut self.durable, ends.durable, wakers);
        settle(&mut self.synced, ends.synced, wakers);
        let rose = ends.high_watermark > self.ends.high_watermark
            || ends.last_stable_offset > self.ends.last_stable_offset;
        self.ends = ends;
        if rose {
            self.tell();
        }
    }

    /// Refuses every wait that is left, and with `closed` every later one beyond the ends until
    /// [`Waiters::reopen`]; tells the watchers.
    pub(crate) fn refuse(&mut self, problem: &PartitionProblem, wakers: &mut Wakers) {
        for lane in [&mut self.written, &mut self.durable, &mut self.synced] {
            for (key, waker) in std::mem::take(lane) {
                // One that was never polled finds its answer at its first poll.
                self.refused.insert(key.number, problem.clone());
                wakers.0.extend(waker);
            }
        }
        self.closed = Some(problem.clone());
        self.tell();
    }

    /// Lets waits beyond the ends be registered again; tells the watchers.
    pub(crate) fn reopen(&mut self) {
        self.closed = None;
        self.tell();
    }

    /// Adds a watch; the number ends it.
    pub(crate) fn watch(&mut self, set: Arc<WatchSet>, token: u32) -> u64 {
        let number = self.number();
        self.watches.insert(number, (set, token));
        number
    }

    /// Ends a watch.
    pub(crate) fn unwatch(&mut self, number: u64) {
        self.watches.remove(&number);
    }

    /// Whether somebody waits for a sync that the policy may not ask for.
    pub(crate) fn want_sync(&self) -> bool {
        !self.synced.is_empty()
    }

    /// How many waits and watches there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.written.len() + self.durable.len() + self.synced.len() + self.refused.len() + self.watches.len()
    }

    fn tell(&self) {
        for (set, token) in self.watches.values() {
            set.tell(*token);
        }
    }

    fn lane(&mut self, level: Level) -> &mut Lane {
        match level {
            Level::Written => &mut self.written,
            Level::Durable => &mut self.durable,
            Level::Synced => &mut self.synced,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

/// Removes and wakes every wait whose target `end` has reached.
fn settle(lane: &mut Lane, end: Offset, wakers: &mut Wakers) {
    while let Some(entry) = lane.first_entry().filter(|entry| entry.key().target <= end) {
        wakers.0.extend(entry.remove());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURABLE: Level = Level::Durable;

    fn ends(end: i64) -> Ends {
        let end = Offset(end);
        Ends { written: end, durable: end, synced: end, high_watermark: end, last_stable_offset: end }
    }

    fn waiting(waiters: &mut Waiters, target: i64) -> WaitKey {
        match waiters.register(DURABLE, Offset(target)) {
            Registered::Waiting(key) => key,
            settled => panic!("{settled:?}"),
        }
    }

    fn poll(waiters: &mut Waiters, key: WaitKey) -> Poll<Result<(), PartitionProblem>> {
        waiters.poll(DURABLE, key, Waker::noop())
    }

    #[test]
    fn an_advance_answers_exactly_what_it_covers() {
        let mut waiters = Waiters::default();
        let keys = [5, 3, 4].map(|target| waiting(&mut waiters, target));
        waiters.advance(ends(4), &mut Wakers::default());
        assert_eq!(poll(&mut waiters, keys[0]), Poll::Pending);
        assert_eq!(poll(&mut waiters, keys[1]), Poll::Ready(Ok(())));
        assert_eq!(poll(&mut waiters, keys[2]), Poll::Ready(Ok(())));
        assert_eq!(waiters.register(DURABLE, Offset(4)), Registered::Settled(Ok(())));
    }

    #[test]
    fn a_refused_wait_stays_refused_when_its_offsets_are_given_out_again() {
        let mut waiters = Waiters::default();
        let lost = waiting(&mut waiters, 7);
        waiters.refuse(&PartitionProblem::OutOfSpace, &mut Wakers::default());
        assert_eq!(
            waiters.register(DURABLE, Offset(7)),
            Registered::Settled(Err(PartitionProblem::OutOfSpace)),
            "registered late, while nothing is taken"
        );
        waiters.reopen();
        let again = waiting(&mut waiters, 7);
        waiters.advance(ends(7), &mut Wakers::default());
        assert_eq!(poll(&mut waiters, lost), Poll::Ready(Err(PartitionProblem::OutOfSpace)));
        assert_eq!(poll(&mut waiters, again), Poll::Ready(Ok(())));
        assert_eq!(waiters.count(), 0);
    }

    #[test]
    fn watchers_hear_of_risen_watermarks_only() {
        let mut waiters = Waiters::default();
        let set = WatchSet::new();
        let watch = waiters.watch(Arc::clone(&set), 9);
        waiters.advance(Ends { written: Offset(5), ..Ends::default() }, &mut Wakers::default());
        assert!(set.take().is_empty());
        waiters.advance(ends(5), &mut Wakers::default());
        assert_eq!(set.take().into_iter().collect::<Vec<_>>(), [9]);
        waiters.unwatch(watch);
        waiters.advance(ends(6), &mut Wakers::default());
        assert!(set.take().is_empty());
        assert_eq!(waiters.count(), 0);
    }
}
