//! When requests are meant to be sent. Closed: as soon as there is room for them. Open: by a fixed schedule that does not wait for the
//! server, as independent users would; latencies count from these times, so a server that stalls pays for everything that
//! it made wait (and not just for the one request that was under way).
//!
//! Pure: the time is an argument.

use std::time::{Duration, Instant};

use super::latencies::float;

/// When there is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// After this moment.
    Time(Instant),
    /// After so many, over all connections.
    Count(u64),
}

/// The arrivals at one of several connections.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    start: Instant,
    /// Seconds between two arrivals over all connections; `None` is closed.
    every: Option<f64>,
    /// The next one's number, over all connections.
    next: u64,
    /// Connections, which take turns.
    step: u64,
    until: Until,
}

impl Arrivals {
    /// The arrivals at connection `index` of `connections`; `rate` a second over all of them, `None` for closed.
    pub(super) fn new(
        start: Instant,
        rate: Option<f64>,
        (index, connections): (usize, usize),
        until: Until,
    ) -> Self {
        let every = rate.map(|rate| 1.0 / rate);
        Self { start, every, next: index as u64, step: connections.max(1) as u64, until }
    }

    /// When the next one is meant to be sent; `None` when there is none or, closed, no time for it.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due =
            self.start.checked_add(Duration::try_from_secs_f64(float(self.next) * self.every?).ok()?)?;
        (!self.is_past(due)).then_some(due)
    }

    /// Takes the next one if it is due: the time that it was meant for.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let intended = match self.every {
            None if !self.is_past(now) => now.max(self.start),
            None => return None,
            Some(_) => self.next_due().filter(|due| *due <= now)?,
        };
        self.next = self.next.saturating_add(self.step);
        Some(intended)
    }

    /// Whether there are no more.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.every {
            None => self.is_past(now),
            Some(_) => self.next_due().is_none(),
        }
    }

    /// Whether an arrival at `time` would be beyond the end.
    fn is_past(&self, time: Instant) -> bool {
        match self.until {
            Until::Time(end) => time >= end,
            Until::Count(count) => self.next >= count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_open_schedule_does_not_wait_for_anybody() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start, Some(1000.0), (0, 1), Until::Time(start + MS * 10));
        assert_eq!(arrivals.take(start), Some(start));
        assert_eq!(arrivals.take(start), None);
        assert_eq!(arrivals.next_due(), Some(start + MS));
        // Nobody looked for a long time: all that should have been sent are there, with their own times.
        let late = start + MS * 500;
        let times: Vec<_> = std::iter::from_fn(|| arrivals.take(late)).collect();
        assert_eq!(times, (1..10).map(|ms| start + MS * ms).collect::<Vec<_>>());
        assert!(arrivals.is_over(late) && arrivals.next_due().is_none());
    }

    #[test]
    fn connections_share_one_schedule() {
        let start = Instant::now();
        let end = start + MS * 7;
        let mut all: Vec<Instant> = (0..3)
            .flat_map(|index| {
                let mut arrivals = Arrivals::new(start, Some(1000.0), (index, 3), Until::Time(end));
                std::iter::from_fn(move || arrivals.take(end)).collect::<Vec<_>>()
            })
            .collect();
        all.sort();
        assert_eq!(all, (0..7).map(|ms| start + MS * ms).collect::<Vec<_>>());
    }

    #[test]
    fn closed_arrivals_come_when_there_is_room_until_the_count_is_reached() {
        let start = Instant::now();
        let takes = |index| {
            let mut arrivals = Arrivals::new(start, None, (index, 2), Until::Count(5));
            std::iter::from_fn(move || arrivals.take(start)).count()
        };
        assert_eq!([takes(0), takes(1)], [3, 2]);
        let mut timed = Arrivals::new(start, None, (0, 1), Until::Time(start + MS));
        assert_eq!((timed.take(start), timed.take(start + MS)), (Some(start), None));
        assert!(timed.is_over(start + MS) && timed.next_due().is_none());
    }
}
