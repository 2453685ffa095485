//! One value from a thread to a future. Needs no runtime.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The sender is gone and sent nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped;

#[derive(Debug)]
struct Cell<T> {
    value: Option<T>,
    waker: Option<Waker>,
    sender_gone: bool,
}

/// Sends at most one value.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Mutex<Cell<T>>>);

/// Resolves to the value. Dropping it throws the value away.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mutex<Cell<T>>>);

/// A sender and its receiver.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let cell = Arc::new(Mutex::new(Cell { value: None, waker: None, sender_gone: false }));
    (Sender(Arc::clone(&cell)), Receiver(cell))
}

impl<T> Sender<T> {
    /// Hands over the value and wakes the receiver.
    pub(crate) fn send(self, value: T) {
        lock(&self.0).value = Some(value);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut cell = lock(&self.0);
            cell.sender_gone = true;
            cell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, Dropped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut cell = lock(&self.0);
        match cell.value.take() {
            Some(value) => Poll::Ready(Ok(value)),
            None if cell.sender_gone => Poll::Ready(Err(Dropped)),
            None => {
                cell.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(cell: &Mutex<Cell<T>>) -> MutexGuard<'_, Cell<T>> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}
