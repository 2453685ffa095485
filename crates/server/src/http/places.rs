//! The places of connections. There are a few; a newcomer always gets one, and the oldest that is not being answered goes, once it
//! has had the time to ask.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant};

/// Time in which a client that has connected sends its request.
const TIME_TO_ASK: Duration = Duration::from_millis(5);

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
    taken: VecDeque<Taken>,
    max: usize,
}

#[derive(Debug)]
struct Taken {
    connection: AbortHandle,
    answering: Answering,
    since: Instant,
}

impl Places {
    /// So many at a time.
    pub(super) fn new(max: usize) -> Self {
        Self { taken: VecDeque::new(), max }
    }

    /// Waits until a newcomer drives out nobody who has just come.
    pub(super) async fn room(&mut self) {
        self.forget_finished();
        if let Some(oldest) = self.oldest().and_then(|index| self.taken.get(index)) {
            tokio::time::sleep_until(oldest.since + TIME_TO_ASK).await;
        }
    }

    /// Gives a place to a newcomer.
    pub(super) fn take(&mut self, connection: AbortHandle, answering: Answering) {
        self.forget_finished();
        if let Some(oldest) = self.oldest().and_then(|index| self.taken.remove(index)) {
            oldest.connection.abort();
        }
        self.taken.push_back(Taken { connection, answering, since: Instant::now() });
    }

    fn forget_finished(&mut self) {
        self.taken.retain(|taken| !taken.connection.is_finished());
    }

    /// Which of them has to go for a newcomer; `None` while there are places.
    fn oldest(&self) -> Option<usize> {
        let is_idle = |taken: &Taken| !taken.answering.0.load(Ordering::Relaxed);
        (self.taken.len() >= self.max).then(|| self.taken.iter().position(is_idle).unwrap_or(0))
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
    #[tokio::test(start_paused = true)]
    async fn nobody_goes_before_it_could_ask() {
        let mut places = Places::new(1);
        let connection = tokio::spawn(std::future::pending::<()>());
        places.room().await;
        places.take(connection.abort_handle(), Answering::default());
        let began = Instant::now();
        places.room().await;
        assert_eq!(began.elapsed(), TIME_TO_ASK);
        places.room().await;
        assert_eq!(began.elapsed(), TIME_TO_ASK, "it has had its time");
        assert!(!connection.is_finished());
        connection.abort();
        assert!(connection.await.unwrap_err().is_cancelled());
        places.take(tokio::spawn(std::future::pending::<()>()).abort_handle(), Answering::default());
        places.room().await;
        assert_eq!(began.elapsed(), 2 * TIME_TO_ASK);
    }
}
