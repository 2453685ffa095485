//! One queue of things due later, driven by `now`: sessions, delayed joins, transaction timeouts, expiry.
//!
//! Nothing here waits. The owner asks [`TimerQueue::next_due`], sleeps until then (for ever when it is `None`) and takes
//! what is due with [`TimerQueue::take_due`]. Setting, cancelling and taking cost the logarithm of how many are set.

use std::collections::{BTreeMap, HashMap};

use crate::Instant;

/// Names a timer that was set; never used again within one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(u64);

/// Events that are due at instants; those of one instant come in the order in which they were set.
#[derive(Debug, Clone)]
pub struct TimerQueue<E> {
    due: BTreeMap<(Instant, TimerId), E>,
    instants: HashMap<TimerId, Instant>,
    next_id: u64,
}

impl<E> Default for TimerQueue<E> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), instants: HashMap::new(), next_id: 0 }
    }
}

impl<E> TimerQueue<E> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes `event` due at `instant`, which may lie in the past.
    pub fn set(&mut self, instant: Instant, event: E) -> TimerId {
        let id = TimerId(self.next_id);
        self.next_id += 1;
        self.due.insert((instant, id), event);
        self.instants.insert(id, instant);
        id
    }

    /// Takes a timer back; `None` when it was taken or cancelled before.
    pub fn cancel(&mut self, id: TimerId) -> Option<E> {
        let instant = self.instants.remove(&id)?;
        self.due.remove(&(instant, id))
    }

    /// When the first timer is due; `None` when none is set.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((instant, _), _)| *instant)
    }

    /// Takes the first event that is due at `now` or before; `None` when there is none.
    pub fn take_due(&mut self, now: Instant) -> Option<E> {
        let first = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        self.instants.remove(&first.key().1);
        Some(first.remove())
    }

    /// How many timers are set.
    pub fn count(&self) -> usize {
        self.due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_when_due_in_the_order_of_their_instants() {
        let mut timers = TimerQueue::new();
        timers.set(Instant(20), "later");
        timers.set(Instant(10), "first");
        timers.set(Instant(10), "second");
        assert_eq!(timers.next_due(), Some(Instant(10)));
        assert_eq!(timers.take_due(Instant(9)), None);
        assert_eq!(timers.take_due(Instant(15)), Some("first"));
        assert_eq!(timers.take_due(Instant(15)), Some("second"));
        assert_eq!(timers.take_due(Instant(15)), None);
        assert_eq!(timers.next_due(), Some(Instant(20)));
    }

    #[test]
    fn a_cancelled_timer_never_comes_and_a_taken_one_cannot_be_cancelled() {
        let mut timers = TimerQueue::new();
        let cancelled = timers.set(Instant(1), 'a');
        let taken = timers.set(Instant(2), 'b');
        assert_eq!(timers.cancel(cancelled), Some('a'));
        assert_eq!(timers.cancel(cancelled), None);
        assert_eq!(timers.take_due(Instant(5)), Some('b'));
        assert_eq!(timers.cancel(taken), None);
        assert_eq!((timers.count(), timers.next_due()), (0, None));
    }

    /// Random settings, cancellations and advances against a plain list.
    #[test]
    fn the_queue_agrees_with_a_sorted_list() {
        for seed in 1..=200u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut random = |bound: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state % bound
            };
            let (mut timers, mut model, mut now) = (TimerQueue::new(), Vec::new(), 0);
            for event in 0..200u64 {
                match random(4) {
                    0 | 1 => {
                        let instant = Instant(now + random(50));
                        model.push((instant, timers.set(instant, event), event));
                    }
                    2 if !model.is_empty() => {
                        let chosen = usize::try_from(random(model.len() as u64)).unwrap();
                        let (_, id, event) = model.remove(chosen);
                        assert_eq!(timers.cancel(id), Some(event), "seed {seed}");
                    }
                    _ => now += random(20),
                }
                model.sort();
                while let Some(event) = timers.take_due(Instant(now)) {
                    assert_eq!(model.remove(0).2, event, "seed {seed}");
                }
                assert_eq!(timers.next_due(), model.first().map(|first| first.0), "seed {seed}");
                assert!(model.iter().all(|(instant, ..)| instant.0 > now), "seed {seed}");
            }
        }
    }
}
