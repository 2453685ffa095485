//! The places of connections. There are a few; a newcomer always gets one, and the oldest that is not being answered goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Whether a connection's request is being answered just now.
#[derive(Debug, Clone, Default)]
pub(super) struct Answering(Arc<AtomicBool>);

/// It is, as long as this lives.
#[derive(Debug)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Answering {
    /// From now on.
    pub(super) fn begin(&self) -> Begun {
        self.0.store(true, Ordering::Relaxed);
        Begun(Arc::clone(&self.0))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The connections, the oldest first.
#[derive(Debug)]
pub(super) struct Places {
    taken: VecDeque<(AbortHandle, Answering)>,
    max: usize,
}

impl Places {
    /// So many at a time.
    pub(super) fn new(max: usize) -> Self {
        Self { taken: VecDeque::new(), max }
    }

    /// Gives a place to a newcomer.
    pub(super) fn take(&mut self, connection: AbortHandle, answering: Answering) {
        self.taken.retain(|(connection, _)| !connection.is_finished());
        if self.taken.len() >= self.max {
            let idle = self.taken.iter().position(|(_, answering)| !answering.0.load(Ordering::Relaxed));
            if let Some((oldest, _)) = self.taken.remove(idle.unwrap_or(0)) {
                oldest.abort();
            }
        }
        self.taken.push_back((connection, answering));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newcomer_takes_the_place_of_the_oldest_that_is_not_answered() {
        let mut places = Places::new(3);
        let mut come = |is_answered: bool| {
            let (answering, connection) = (Answering::default(), tokio::spawn(std::future::pending::<()>()));
            let begun = is_answered.then(|| answering.begin());
            places.take(connection.abort_handle(), answering);
            (connection, begun)
        };
        let (oldest, answered) = come(true);
        let (second, _) = come(false);
        let (third, _) = come(false);
        let (fourth, _) = come(false);
        assert!(second.await.unwrap_err().is_cancelled());
        let _fifth = come(false);
        assert!(third.await.unwrap_err().is_cancelled());
        drop(answered);
        let _sixth = come(false);
        assert!(oldest.await.unwrap_err().is_cancelled());
        assert!(!fourth.is_finished());
    }
}
