//! Worker threads. Each looks after connections of its own, with its own poll of sockets and its own timers, so that an event
//! wakes the one thread that it is for. Nothing moves between them: a connection stays where it was put. Of the connections whose clients
//! do not wait for answers, a worker has a few in its queue at a time: a request of somebody who asks for little waits for those only.
//!
//! Not here: what may wait for the disk (the store's threads), accepting, HTTP and signals (the main thread).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// Threads that take from a worker what is large. More would take the processor from it.
const HELPERS: usize = 1;

/// Connections that bring request upon request and are in a worker's queue at a time.
const BUSY_IN_QUEUE: usize = 2;
/// Ranges of files that a worker sends itself before it looks for what has arrived meanwhile.
const SENDING: usize = 1;
/// A worker wakes at least this often.
const TICK: Duration = Duration::from_secs(5);
/// Tasks that run before the worker looks for what has arrived meanwhile: who asks for little waits for a few of those that ask for much.
const TASKS_BETWEEN_LOOKS: u32 = 8;

/// The worker threads; dropping it ends them and waits for them.
#[derive(Debug)]
pub(crate) struct Workers {
    seats: Seats,
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Where connections are put.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    workers: Arc<[Worker]>,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    table: Arc<Table>,
}

/// What a worker's connections share.
#[derive(Debug)]
struct Table {
    connections: AtomicUsize,
    turns: Semaphore,
    sending: Semaphore,
}

/// A connection's seat on a worker; dropping it makes the worker lighter.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Table>);

/// Never ends. A timer that ends before all others interrupts the wait for events, to shorten it: behind this one, those that bound
/// answers do not.
async fn tick() {
    loop {
        tokio::time::sleep(TICK).await;
    }
}

impl Workers {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    /// The system gives no thread or no descriptor.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..count.max(1) {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(HELPERS)
                .event_interval(TASKS_BETWEEN_LOOKS)
                .global_queue_interval(TASKS_BETWEEN_LOOKS)
                .build()?;
            let table = Arc::new(Table {
                connections: AtomicUsize::new(0),
                turns: Semaphore::new(BUSY_IN_QUEUE),
                sending: Semaphore::new(SENDING),
            });
            workers.push(Worker { handle: runtime.handle().clone(), table });
            let mut stopped = stopped.clone();
            let run = move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                        () = tick() => {}
                    }
                });
            };
            threads.push(std::thread::Builder::new().name("worker".to_owned()).spawn(run)?);
        }
        Ok(Self { seats: Seats { workers: workers.into() }, threads, stop })
    }

    /// Where connections are put.
    pub(crate) fn seats(&self) -> Seats {
        self.seats.clone()
    }
}

impl Seats {
    /// A seat on the worker with the fewest connections; `None` without workers.
    pub(crate) fn take(&self) -> Option<(&Handle, Seat)> {
        let load = |worker: &&Worker| worker.table.connections.load(Ordering::Relaxed);
        let worker = self.workers.iter().min_by_key(load)?;
        worker.table.connections.fetch_add(1, Ordering::Relaxed);
        Some((&worker.handle, Seat(Arc::clone(&worker.table))))
    }
}

impl Seat {
    /// Lets others have their turn; the next request of a busy connection is taken up with what this returns, which is given back
    /// before anything is waited for.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.0.turns.try_acquire() {
            tokio::task::yield_now().await;
            return Some(turn);
        }
        // Never closed.
        self.0.turns.acquire().await.ok()
    }

    /// What those that send ranges of files by themselves take from; who gets nothing has others send.
    pub(crate) fn sending(&self) -> &Semaphore {
        &self.0.sending
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            // Panics of tasks are caught by the runtime.
            let _ = thread.join();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_and_a_place_that_was_left_is_taken_again() {
        let workers = Workers::start(2).unwrap();
        let seats = workers.seats();
        let taken: Vec<_> = (0..4).map(|_| seats.take().unwrap()).collect();
        let on = |handle: &Handle| taken.iter().filter(|(taken, _)| taken.id() == handle.id()).count();
        assert_eq!((on(taken[0].0), on(taken[1].0)), (2, 2));
        let (worker, seat) = seats.take().unwrap();
        let id = worker.id();
        drop(seat);
        drop(taken);
        assert_eq!(seats.take().unwrap().0.id(), id, "the first of two that have none");
    }

    #[test]
    fn a_task_runs_on_the_worker_that_it_was_given_to_and_ends_with_it() {
        let workers = Workers::start(1).unwrap();
        let held = Arc::new(());
        let (begun, was_begun) = std::sync::mpsc::channel();
        let seats = workers.seats();
        let (handle, _seat) = seats.take().unwrap();
        let inside = Arc::clone(&held);
        handle.spawn(async move {
            begun.send(std::thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
            drop(inside);
        });
        assert_eq!(was_begun.recv().unwrap().as_deref(), Some("worker"));
        assert_eq!(Arc::strong_count(&held), 2);
        drop(workers);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
