//! A pool of threads for what may wait for the device, with a bounded queue: who finds it full waits for a place.
//!
//! A pool of no threads runs a job only in [`ReaderPool::step`]: tests and simulation drive it so.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use crate::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may be queued, not counting those that run.
const QUEUE_MAX: usize = 1024;

/// The pool was closed, or the job panicked: there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolClosed;

impl fmt::Display for PoolClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store's threads have stopped")
    }
}

impl std::error::Error for PoolClosed {}

/// The threads and their queue.
pub struct ReaderPool {
    state: Mutex<State>,
    work: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    parked: usize,
    closed: bool,
    next_waiter: u64,
    /// Those that wait for a place in the queue, the first come first.
    waiting: BTreeMap<u64, Waker>,
}

impl ReaderPool {
    /// Starts `count` threads called `name`.
    ///
    /// # Errors
    /// What the system says when it cannot start one; those started are stopped.
    pub fn start(name: &str, count: usize) -> io::Result<Arc<Self>> {
        let pool =
            Arc::new(Self { state: Mutex::default(), work: Condvar::new(), threads: Mutex::default() });
        for _ in 0..count {
            let worker = Arc::clone(&pool);
            match std::thread::Builder::new().name(name.to_owned()).spawn(move || worker.work()) {
                Ok(thread) => pool.threads().push(thread),
                Err(error) => {
                    pool.close();
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    /// Runs `job` on one of the threads. It is queued at the first poll, when there is a place; dropping the future
    /// before that withdraws it, dropping it later throws its result away.
    ///
    /// # Errors
    /// [`PoolClosed`] when it will not run, or when it panicked.
    pub fn run<T, F>(self: &Arc<Self>, job: F) -> impl Future<Output = Result<T, PoolClosed>> + Send + 'static
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let pool = Arc::clone(self);
        async move {
            let (sender, receiver) = oneshot::channel();
            let job: Job = Box::new(move || sender.send(job()));
            Queued { pool, job: Some(job), registered: None }.await?;
            receiver.await.map_err(|_| PoolClosed)
        }
    }

    /// Queues a job whose number its callers bound, whether or not there is a place. Returns whether it will run.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.lock();
        if state.closed {
            return false;
        }
        state.jobs.push_back(Box::new(job));
        self.wake_one(&state);
        true
    }

    /// Runs the next job, if there is one, on this thread. Returns whether it did.
    pub(crate) fn step(&self) -> bool {
        let job = self.lock().take();
        let Some((job, waker)) = job else { return false };
        if let Some(waker) = waker {
            waker.wake();
        }
        run_caught(job);
        true
    }

    /// Refuses new jobs, drops those that wait, and joins the threads once their job is done. Idempotent.
    pub(crate) fn close(&self) {
        let (jobs, waiting) = {
            let mut state = self.lock();
            state.closed = true;
            (std::mem::take(&mut state.jobs), std::mem::take(&mut state.waiting))
        };
        // Dropping a job drops its sender, which wakes whoever waits for the result.
        drop(jobs);
        waiting.into_values().for_each(Waker::wake);
        self.work.notify_all();
        let threads = std::mem::take(&mut *self.threads());
        crate::threads::join(threads);
    }

    fn work(&self) {
        loop {
            let (job, waker) = {
                let mut state = self.lock();
                loop {
                    if let Some(taken) = state.take() {
                        break taken;
                    }
                    if state.closed {
                        return;
                    }
                    state.parked += 1;
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.parked -= 1;
                }
            };
            if let Some(waker) = waker {
                waker.wake();
            }
            run_caught(job);
        }
    }

    fn wake_one(&self, state: &State) {
        if state.parked > 0 {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside this lock; nothing in it is ever half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next job, and whoever may take its place in the queue.
    fn take(&mut self) -> Option<(Job, Option<Waker>)> {
        let job = self.jobs.pop_front()?;
        Some((job, self.waiting.pop_first().map(|(_, waker)| waker)))
    }
}

impl fmt::Debug for ReaderPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReaderPool").field("queued", &self.lock().jobs.len()).finish_non_exhaustive()
    }
}

/// A panic in one job is reported by the panic hook and ends that job alone.
fn run_caught(job: Job) {
    let _ = catch_unwind(AssertUnwindSafe(job));
}

/// Resolves when the job is in the queue.
struct Queued {
    pool: Arc<ReaderPool>,
    job: Option<Job>,
    registered: Option<u64>,
}

impl Future for Queued {
    type Output = Result<(), PoolClosed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pool = Arc::clone(&self.pool);
        let mut state = pool.lock();
        if state.closed {
            return Poll::Ready(Err(PoolClosed));
        }
        if state.jobs.len() < QUEUE_MAX {
            state.jobs.extend(self.job.take());
            pool.wake_one(&state);
            return Poll::Ready(Ok(()));
        }
        let id = *self.registered.get_or_insert_with(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        state.waiting.insert(id, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let Some(id) = self.registered else { return };
        let mut state = self.pool.lock();
        // A wake-up that this one got and did not use goes to the next.
        let unused =
            state.waiting.remove(&id).is_none() && self.job.is_some() && state.jobs.len() < QUEUE_MAX;
        let next = if unused { state.waiting.pop_first() } else { None };
        drop(state);
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_job_gives_its_result_to_whoever_waits() {
        let pool = ReaderPool::start("test", 0).unwrap();
        let mut wait = Box::pin(pool.run(|| 7));
        assert_eq!(poll(wait.as_mut()), Poll::Pending);
        assert!(pool.step());
        assert_eq!(poll(wait.as_mut()), Poll::Ready(Ok(7)));
        assert!(!pool.step());
    }

    #[test]
    fn a_job_that_finds_the_queue_full_waits_for_a_place() {
        let pool = ReaderPool::start("test", 0).unwrap();
        let mut first: Vec<_> = (0..QUEUE_MAX).map(|index| Box::pin(pool.run(move || index))).collect();
        for wait in &mut first {
            assert_eq!(poll(wait.as_mut()), Poll::Pending);
        }
        let mut late = Box::pin(pool.run(|| usize::MAX));
        assert_eq!(poll(late.as_mut()), Poll::Pending);
        assert_eq!(pool.lock().jobs.len(), QUEUE_MAX);
        assert!(pool.step());
        assert_eq!(poll(late.as_mut()), Poll::Pending);
        assert_eq!(pool.lock().jobs.len(), QUEUE_MAX, "it took the place");
        while pool.step() {}
        assert_eq!(poll(late.as_mut()), Poll::Ready(Ok(usize::MAX)));
    }

    #[test]
    fn a_panic_or_the_end_of_the_pool_is_an_answer() {
        let pool = ReaderPool::start("test", 1).unwrap();
        let mut panicking = Box::pin(pool.run(|| panic!("on purpose")));
        let result = loop {
            match poll(panicking.as_mut()) {
                Poll::Ready(result) => break result,
                Poll::Pending => std::thread::yield_now(),
            }
        };
        assert_eq!(result, Err(PoolClosed));
        pool.close();
        assert_eq!(poll(Box::pin(pool.run(|| ())).as_mut()), Poll::Ready(Err(PoolClosed)));
    }
}
