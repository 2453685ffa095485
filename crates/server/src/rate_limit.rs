//! Keeps a misbehaving client from filling the disk with log lines.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines a second that are let through.
const LINES_MAX: u32 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// Lets a few lines a second through and counts the others.
#[derive(Debug)]
pub(crate) struct RateLimited {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

impl RateLimited {
    /// Nothing was logged yet.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { since: Instant::now(), lines: 0, suppressed: 0 }) }
    }

    /// Calls `log` with the number of lines that were left out before it, or leaves this one out.
    pub(crate) fn warn(&self, log: impl FnOnce(u64)) {
        if let Some(suppressed) = self.admit(Instant::now()) {
            log(suppressed);
        }
    }

    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if now.duration_since(state.since) >= SECOND {
            state.since = now;
            state.lines = 0;
        }
        if state.lines >= LINES_MAX {
            state.suppressed += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_few_lines_and_a_count() {
        let limit = RateLimited::new();
        let now = Instant::now();
        let admitted = (0..100).filter_map(|_| limit.admit(now)).count();
        assert_eq!(admitted, 5);
        assert_eq!(limit.admit(now + SECOND), Some(95));
        assert_eq!(limit.admit(now + SECOND), Some(0));
    }
}
