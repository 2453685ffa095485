//! Bounds what becomes of requests between their bytes and the bytes of their answers.
//!
//! A large request of many small parts takes several times its size once it is decoded, and its answer again: such requests
//! take turns. Produce is not among them: its bytes are records, which are not decoded. An answer pays for its memory once
//! it is there; where a small request may have a large answer, none is begun while no memory for answers is left, or before
//! its connection has written what it owes. Nor is a Fetch begun before that: what it becomes while it waits for records is not
//! counted, and no client sends a second one meanwhile.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use highwater_wire::{ApiKey, RecordsPart};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Shared;
use super::budget::{Budget, Share};
use super::frames::{Dues, SMALL_MAX};
use crate::dispatch::{Dispatched, dispatch};
use crate::request::{ConnectionInfo, Reply};

/// Large requests that are decoded and answered at a time. More would take every thread from those who ask for little.
const TURNS: usize = 1;
/// An answer up to this size pays nothing.
const SMALL_ANSWER_MAX: usize = 16 << 10;

/// Whose turn it is to have a large request decoded.
#[derive(Debug)]
pub(crate) struct Turns(Semaphore);

impl Turns {
    /// It is nobody's.
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(TURNS))
    }

    async fn take(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.0.acquire().await.ok()
    }
}

/// Handles a frame when there is room for it. What the answer holds of the budget is given with it.
pub(super) async fn handle(
    shared: &Shared,
    info: &Arc<ConnectionInfo>,
    frame: Bytes,
    dues: &Dues,
) -> (Dispatched, Share) {
    let (api, mut answer) = (api_of(&frame), Share::default());
    let is_large = frame.len() > SMALL_MAX && api != Some(ApiKey::Produce);
    if is_large || api.is_some_and(may_answer_much) {
        // An answer that waits for its turn would hold memory for as long as those before it wait.
        dues.settled().await;
        shared.answers.grow(&mut answer, 1).await;
    } else if api == Some(ApiKey::Fetch) {
        dues.settled().await;
    }
    // Kept until the answer is paid for.
    let (dispatched, _turn) = if is_large {
        handle_large(shared, info, frame, api).await
    } else {
        (dispatch(&shared.broker, info, frame).await, None)
    };
    pay(&shared.answers, &mut answer, size_of(&dispatched.reply)).await;
    (dispatched, answer)
}

/// Handles a large request when it is its turn, which is over when the request had to wait.
async fn handle_large<'a>(
    shared: &'a Shared,
    info: &Arc<ConnectionInfo>,
    frame: Bytes,
    api: Option<ApiKey>,
) -> (Dispatched, Option<SemaphorePermit<'a>>) {
    let turn = shared.turns.take().await;
    let (broker, info) = (Arc::clone(&shared.broker), Arc::clone(info));
    let begun = begin_elsewhere(Box::pin(async move { dispatch(&broker, &info, frame).await })).await;
    match begun.first {
        Poll::Ready(dispatched) => (dispatched, turn),
        Poll::Pending => {
            // Who waits for other members has handed over what was decoded, and waits long.
            let _turn = turn.filter(|_| !matches!(api, Some(ApiKey::JoinGroup | ApiKey::SyncGroup)));
            (begun.rest.await, None)
        }
    }
}

/// A request that was taken up: what it came to at once, and what is left of it where that is nothing yet.
struct Begun<F> {
    first: Poll<Dispatched>,
    rest: Pin<Box<F>>,
}

/// Takes a large request up on a thread of its own: until it is decoded, its worker serves others.
async fn begin_elsewhere<F>(mut request: Pin<Box<F>>) -> Begun<F>
where
    F: Future<Output = Dispatched> + Send + 'static,
{
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let begin = move || {
        let first = request.as_mut().poll(&mut Context::from_waker(&waker));
        Begun { first, rest: request }
    };
    match tokio::task::spawn_blocking(begin).await {
        Ok(begun) => begun,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The worker ends, and this connection with it.
        Err(_) => std::future::pending().await,
    }
}

/// Bytes of memory that an answer takes that is there.
pub(super) fn size_of(reply: &Reply) -> usize {
    match reply {
        Reply::Now(frame) => frame.parts().iter().map(memory).sum(),
        Reply::Nothing | Reply::Later(_) | Reply::Close(_) => 0,
    }
}

/// Pays for the memory of an answer; one that is small gives back what was taken for it.
pub(super) async fn pay(answers: &Budget, share: &mut Share, size: usize) {
    if size <= SMALL_ANSWER_MAX {
        *share = Share::default();
    } else {
        answers.grow(share, size).await;
    }
}

fn memory(part: &RecordsPart) -> usize {
    match part {
        RecordsPart::Memory(bytes) => bytes.len(),
        RecordsPart::File(_) => 0,
    }
}

/// The API of a frame, from its first two bytes.
fn api_of(frame: &[u8]) -> Option<ApiKey> {
    ApiKey::from_code(i16::from_be_bytes(*frame.first_chunk()?))
}

/// Whether a small request may have an answer of megabytes.
fn may_answer_much(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::Metadata
            | ApiKey::DescribeConfigs
            | ApiKey::DescribeGroups
            | ApiKey::DescribeTopicPartitions
            | ApiKey::ListGroups
            | ApiKey::OffsetFetch
            | ApiKey::CreateTopics
            | ApiKey::JoinGroup
            | ApiKey::SyncGroup
    )
}
