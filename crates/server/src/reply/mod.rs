//! Writes frames to sockets: pieces in memory together, ranges of files as their bytes.

mod file;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use highwater_store_local::ReaderPool;
use highwater_wire::{Frame, RecordsPart};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

use crate::connection::budget::{Budget, Share};
use crate::connection::frames::GRACE;

/// Pieces of memory handed to the system at once.
const SLICES_MAX: usize = 64;
/// Bytes for a client that does not read that need no room in the budget.
const UNPAID_MAX: usize = 16 << 10;
/// So many bytes are sent without waiting for more.
const GATHERED_MAX: usize = 64 << 10;

/// What is on its way to one client. Pieces of memory are gathered over frames until somebody wants them sent, so that
/// answers which are ready together leave with one call.
///
/// A client that does not read keeps what is sent to it in memory: for longer than [`GRACE`] only as far as the budget has
/// room, and while nobody waits for that.
pub(crate) struct Outgoing<'a> {
    stream: &'a Arc<OwnedWriteHalf>,
    readers: &'a Arc<ReaderPool>,
    /// A range of a file is sent by this thread with a permit.
    sending: &'a Semaphore,
    budget: &'a Budget,
    idle: Option<Duration>,
    /// What the pieces hold of the budget.
    share: Share,
    pieces: Vec<Bytes>,
    size: usize,
}

impl<'a> Outgoing<'a> {
    /// Nothing yet. Sending fails when the client takes nothing for `idle`.
    pub(crate) fn new(
        stream: &'a Arc<OwnedWriteHalf>,
        (readers, sending): (&'a Arc<ReaderPool>, &'a Semaphore),
        budget: &'a Budget,
        idle: Option<Duration>,
    ) -> Self {
        Self { stream, readers, sending, budget, idle, share: Share::default(), pieces: Vec::new(), size: 0 }
    }

    /// Takes a whole frame; sends what is gathered when that is much, and at once ranges of files and what holds a share of the
    /// budget, which is given back then.
    ///
    /// # Errors
    /// What socket or file say; `TimedOut`. The connection is then useless.
    pub(crate) async fn push(&mut self, frame: Frame, share: Share) -> io::Result<()> {
        let is_paid = !share.is_empty();
        if is_paid {
            self.flush().await?;
            self.share = share;
        }
        for part in frame.into_parts() {
            match part {
                RecordsPart::Memory(bytes) => self.gather(bytes),
                RecordsPart::File(range) => match file::resident(&range) {
                    Some(bytes) => self.gather(bytes),
                    None => {
                        self.send_gathered(SendFlags::MORE).await?;
                        file::send(self, range).await?;
                    }
                },
            }
            if self.size >= GATHERED_MAX {
                self.send_gathered(SendFlags::empty()).await?;
            }
        }
        if is_paid { self.flush().await } else { Ok(()) }
    }

    /// Sends what is gathered.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.send_gathered(SendFlags::empty()).await?;
        self.share = Share::default();
        Ok(())
    }

    fn gather(&mut self, bytes: Bytes) {
        self.size = self.size.saturating_add(bytes.len());
        self.pieces.push(bytes);
    }

    async fn send_gathered(&mut self, flags: SendFlags) -> io::Result<()> {
        let mut rest: VecDeque<Bytes> = self.pieces.drain(..).filter(|piece| !piece.is_empty()).collect();
        while !rest.is_empty() {
            let slices: Vec<_> = rest.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
            match self.try_send(&slices, flags) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.size = self.size.saturating_sub(written);
                    advance(&mut rest, written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn try_send(&self, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
        let stream: &TcpStream = (**self.stream).as_ref();
        stream.try_io(Interest::WRITABLE, || {
            let sent =
                sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), flags | SendFlags::NOSIGNAL);
            sent.map_err(io::Error::from)
        })
    }

    /// Waits until the client takes something.
    async fn writable(&mut self) -> io::Result<()> {
        if let Ok(ready) = timeout(GRACE, self.stream.writable()).await {
            return ready;
        }
        if self.size > UNPAID_MAX
            && self.share.is_empty()
            && !self.budget.try_grow(&mut self.share, self.size)
        {
            return Err(io::ErrorKind::TimedOut.into());
        }
        tokio::select! {
            biased;
            ready = within(self.idle, self.stream.writable()) => ready,
            () = self.budget.contended(), if !self.share.is_empty() => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn within(idle: Option<Duration>, ready: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match idle {
        None => ready.await,
        Some(idle) => timeout(idle, ready).await.unwrap_or(Err(io::ErrorKind::TimedOut.into())),
    }
}

fn advance(rest: &mut VecDeque<Bytes>, mut written: usize) {
    while let Some(first) = rest.front_mut() {
        if first.len() > written {
            first.advance(written);
            return;
        }
        written -= first.len();
        rest.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    /// A socket and its peer.
    async fn pair() -> (Arc<OwnedWriteHalf>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_split().1;
        (Arc::new(sink), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn all_pieces_arrive_in_order_however_many_and_large() {
        let (sink, mut client) = pair().await;
        let mut pieces: Vec<Bytes> =
            (0..1000u32).map(|n| Bytes::from(vec![n.to_be_bytes()[3]; n as usize])).collect();
        pieces.push(Bytes::from(vec![9; 5 << 20]));
        let expected = pieces.concat();
        let writer = tokio::spawn(async move {
            let (readers, budget) = (ReaderPool::start("reader", 0).unwrap(), Budget::new(None));
            let sending = Semaphore::new(1);
            let mut outgoing = Outgoing::new(&sink, (&readers, &sending), &budget, None);
            pieces.into_iter().for_each(|piece| outgoing.gather(piece));
            outgoing.flush().await.unwrap();
            assert!(outgoing.pieces.is_empty() && outgoing.size == 0);
        });
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).await.unwrap();
        writer.await.unwrap();
        assert!(seen == expected);
    }

    /// How sending 64 MiB to a client that reads nothing ends, and after how many seconds.
    async fn unread(budget: &Budget, is_paid: bool) -> (io::ErrorKind, u64) {
        let (readers, mut share) = (ReaderPool::start("reader", 0).unwrap(), Share::default());
        if is_paid {
            // At once: others come for the rest.
            budget.grow(&mut share, 1024).await;
        }
        let (sink, _client) = pair().await;
        let sending = Semaphore::new(1);
        let mut outgoing = Outgoing::new(&sink, (&readers, &sending), budget, Some(Duration::from_secs(5)));
        outgoing.share = share;
        outgoing.gather(Bytes::from(vec![9; 64 << 20]));
        let began = Instant::now();
        let error = outgoing.flush().await.unwrap_err();
        (error.kind(), began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        for (budget, is_paid) in [(None, false), (Some(100 << 20), false), (Some(1024), true)] {
            // Nobody waits for what it holds. The system may take a little more after each second.
            let (error, after) = unread(&Budget::new(budget), is_paid).await;
            assert!(error == io::ErrorKind::TimedOut && after >= 6, "{budget:?} {after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up_sooner_where_memory_is_short() {
        let budget = Budget::new(Some(1024));
        let mut all = Share::default();
        budget.grow(&mut all, 1024).await;
        let (error, after) = unread(&budget, false).await;
        assert!(error == io::ErrorKind::TimedOut && after < 6, "there is no room: {after}");
        drop(all);
        let (mut overdraft, mut waiting) = (Share::default(), Share::default());
        let others = async {
            budget.grow(&mut overdraft, 1024).await;
            budget.grow(&mut waiting, 1024).await;
        };
        let ((error, after), ()) = tokio::join!(biased; unread(&budget, true), others);
        assert!(error == io::ErrorKind::TimedOut && after < 6, "somebody waits for what it holds: {after}");
    }
}
