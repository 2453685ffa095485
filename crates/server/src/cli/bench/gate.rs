//! How the threads of a measurement wait for each other: before each phase for all ([`Gate`]), and the members of a group for
//! one generation in which all have their parts ([`Progress`]).

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::client::ClientError;

/// What comes next, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// All are connected and join.
    Join,
    /// All groups have settled and the measured work begins.
    Work,
    /// The work is measured.
    Leave,
}

/// Opened by one thread when all others have arrived; broken by the first that fails.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    /// How many have arrived at the phase that comes next.
    arrived: usize,
    opened: Option<Phase>,
    has_failed: bool,
    failure: Option<ClientError>,
}

impl Gate {
    /// One more waits for the next phase.
    pub(super) fn arrive(&self) {
        self.state.lock().arrived += 1;
        self.changed.notify_all();
    }

    /// Waits until `phase` has begun, or for `at_most`; says whether it has begun.
    pub(super) fn wait(&self, phase: Phase, at_most: Duration) -> bool {
        let mut state = self.state.lock();
        if state.opened < Some(phase) && !state.has_failed {
            self.changed.wait_for(&mut state, at_most);
        }
        state.opened >= Some(phase)
    }

    /// Waits until `count` have arrived; `None` when one failed.
    pub(super) fn await_all(&self, count: usize) -> Option<()> {
        let mut state = self.state.lock();
        while state.arrived < count && !state.has_failed {
            self.changed.wait(&mut state);
        }
        (!state.has_failed).then_some(())
    }

    /// Begins `phase`.
    pub(super) fn open(&self, phase: Phase) {
        let mut state = self.state.lock();
        state.opened = Some(phase);
        state.arrived = 0;
        drop(state);
        self.changed.notify_all();
    }

    /// Stops everybody. The first failure is kept.
    pub(super) fn fail(&self, error: ClientError) {
        let mut state = self.state.lock();
        state.has_failed = true;
        state.failure.get_or_insert(error);
        drop(state);
        self.changed.notify_all();
    }

    /// Whether somebody failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state.lock().has_failed
    }

    /// What went wrong.
    pub(super) fn take_failure(&self) -> Option<ClientError> {
        self.state.lock().failure.take()
    }
}

/// How far a group is.
#[derive(Default)]
pub(super) struct Progress {
    state: Mutex<Generation>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Generation {
    id: i32,
    synced: usize,
    assigned: usize,
}

impl Progress {
    /// A member has its part, of `assigned` partitions, of a generation.
    pub(super) fn synced(&self, generation: i32, assigned: usize) {
        let mut state = self.state.lock();
        if generation > state.id {
            *state = Generation { id: generation, ..Generation::default() };
        }
        if generation == state.id {
            state.synced += 1;
            state.assigned += assigned;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until all `members` have their parts, or for `at_most`; says whether they have.
    pub(super) fn wait(&self, members: usize, at_most: Duration) -> bool {
        let mut state = self.state.lock();
        let timeout = std::time::Instant::now() + at_most;
        while state.synced < members {
            if self.changed.wait_until(&mut state, timeout).timed_out() {
                break;
            }
        }
        state.synced >= members
    }

    /// Whether together they have all `partitions`.
    ///
    /// # Errors
    /// [`ClientError::BadGroup`].
    pub(super) fn check(&self, partitions: usize, group: &str) -> Result<(), ClientError> {
        match self.state.lock().assigned == partitions {
            true => Ok(()),
            false => Err(ClientError::BadGroup {
                group: group.to_owned(),
                cause: "its members do not have each partition once",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_settled_when_all_are_in_one_generation() {
        let progress = Progress::default();
        progress.synced(1, 4);
        progress.synced(2, 2);
        assert!(!progress.wait(2, Duration::ZERO));
        progress.synced(1, 4);
        assert!(!progress.wait(2, Duration::ZERO), "one of an older generation does not count");
        progress.synced(2, 2);
        assert!(progress.wait(2, Duration::ZERO));
        assert!(progress.check(4, "g").is_ok() && progress.check(5, "g").is_err());
    }

    #[test]
    fn a_failure_opens_nothing_and_stops_all() {
        let gate = Gate::default();
        gate.arrive();
        gate.fail(ClientError::NoBootstrap);
        gate.fail(ClientError::Usage("second".to_owned()));
        assert_eq!(gate.await_all(2), None);
        assert!(!gate.wait(Phase::Join, Duration::from_secs(60)));
        assert!(matches!(gate.take_failure(), Some(ClientError::NoBootstrap)));
    }

    #[test]
    fn a_phase_begins_when_all_have_arrived() {
        let gate = Gate::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for phase in [Phase::Join, Phase::Work, Phase::Leave] {
                        gate.arrive();
                        while !gate.wait(phase, Duration::from_secs(60)) {}
                    }
                });
            }
            for phase in [Phase::Join, Phase::Work, Phase::Leave] {
                assert_eq!(gate.await_all(3), Some(()));
                assert!(!gate.wait(phase, Duration::ZERO));
                gate.open(phase);
            }
        });
    }
}
