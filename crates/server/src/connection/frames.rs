//! Cuts a connection's bytes into frames. A frame's size is checked before anything is kept for it, memory for it is taken from
//! the budget before it is read, and grows with what arrives. A connection without a begun frame holds no buffer. One that
//! is slow to fill its frame is closed when others wait for the memory that it holds; one that was quick to fill its last goes before
//! those of which nothing is known. Large frames are read in pieces, between which it is other connections' turn.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use highwater_wire::frame::FrameSize;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, timeout};

use super::budget::{Budget, Share};
use super::buffer::Buffer;

/// Room for what arrives next, when nothing is known of it.
const READ_SIZE: usize = 16 << 10;
/// Room for what arrives next behind frames that filled the room before: many small ones with one call, or much of a large one.
const READ_SIZE_MAX: usize = 32 << 10;
/// Room made for a frame once [`SMALL_MAX`] of it have arrived; later as much again as has arrived.
const ROOM_MIN: usize = 256 << 10;
/// Most that one call reads.
const PIECE_MAX: usize = 256 << 10;
/// So much of a frame waits for no budget, where it is the only one of its connection: what clients send to stay alive is
/// never held up by what is large. Up to this size it does not keep the buffer that it came in.
pub(super) const SMALL_MAX: usize = 16 << 10;
/// A client that has begun a frame must fill the room made for it within this time.
const STALL_MAX: Duration = Duration::from_secs(30);
/// What holds a part of the budget for longer than this must hurry while others wait for it.
pub(crate) const GRACE: Duration = Duration::from_secs(1);
/// How long it may then go on while nobody waits, until it is looked at again.
const LOOK: Duration = Duration::from_secs(10);
/// Who fills a large frame within this time, once there is memory for it, is prompt.
const PROMPT_MAX: Duration = Duration::from_millis(100);
/// Bytes a second below which a client does not hurry.
const HURRY_BYTES: u64 = 64 << 10;

/// Why there is no next frame.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// Nothing came for too long.
    Idle,
    /// The client does not keep to the protocol.
    Refused(String),
    /// The socket failed.
    Io(io::Error),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Replies that a connection owes, told to its reader.
#[derive(Debug, Default)]
pub(crate) struct Dues {
    replies: AtomicUsize,
    unpaid: AtomicUsize,
    fewer: Notify,
}

impl Dues {
    /// One more, to a request of so many bytes, of which it holds this share of the budget.
    pub(crate) fn add(&self, size: usize, share: &Share) -> Due<'_> {
        let unpaid = if share.is_empty() { size } else { 0 };
        self.replies.fetch_add(1, Ordering::Relaxed);
        self.unpaid.fetch_add(unpaid, Ordering::Relaxed);
        Due { dues: self, unpaid }
    }

    /// Waits until none is due. One task at a time.
    pub(super) async fn settled(&self) {
        while self.any() {
            self.fewer.notified().await;
        }
    }

    /// Whether the client did not wait for the answer before its last request.
    pub(super) fn several(&self) -> bool {
        self.replies.load(Ordering::Relaxed) > 1
    }

    fn any(&self) -> bool {
        self.replies.load(Ordering::Relaxed) > 0
    }

    /// Bytes of their requests that the budget does not know of.
    fn unpaid(&self) -> usize {
        self.unpaid.load(Ordering::Relaxed)
    }
}

/// A reply is due as long as this lives.
#[derive(Debug)]
pub(crate) struct Due<'a> {
    dues: &'a Dues,
    unpaid: usize,
}

impl Drop for Due<'_> {
    fn drop(&mut self) {
        self.dues.replies.fetch_sub(1, Ordering::Relaxed);
        self.dues.unpaid.fetch_sub(self.unpaid, Ordering::Relaxed);
        self.dues.fewer.notify_one();
    }
}

/// What was read and not yet cut.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: Buffer,
    limit: usize,
    idle: Option<Duration>,
    /// Room for the beginning of the next frame.
    ahead: usize,
    /// Whether the last large frame came within [`PROMPT_MAX`].
    is_prompt: bool,
}

impl FrameReader {
    /// Frames of at most `limit` bytes; `idle` is how long the next may take to begin.
    pub(crate) fn new(limit: usize, idle: Option<Duration>) -> Self {
        Self { buffer: Buffer::default(), limit, idle, ahead: READ_SIZE, is_prompt: false }
    }

    /// The next frame without its size, and what it holds of the budget; `None` when the client closed the connection
    /// between frames. While replies are due the connection is not idle. After a dropped future nothing is read any more.
    pub(crate) async fn next(
        &mut self,
        stream: &mut OwnedReadHalf,
        budget: &Budget,
        dues: &Dues,
    ) -> Result<Option<(Bytes, Share)>, FrameError> {
        while self.buffer.len() < FrameSize::PREFIX {
            if !self.await_bytes(stream, dues).await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_off()) };
            }
        }
        let prefix = self.buffer.bytes().first_chunk().copied().unwrap_or_default();
        let size =
            FrameSize::check(prefix, self.limit).map_err(|error| FrameError::Refused(error.to_string()))?.0;
        let end = FrameSize::PREFIX + size;
        if end > READ_SIZE_MAX {
            self.ahead = READ_SIZE_MAX;
        }
        let mut share = Share::default();
        if size <= SMALL_MAX {
            if dues.unpaid().saturating_add(size) > SMALL_MAX {
                budget.grow(&mut share, size).await;
            }
            self.fill_room(stream, end, (budget, &share)).await?;
        } else {
            self.read_large(stream, end, (budget, &mut share)).await?;
        }
        Ok(Some((self.cut(end), share)))
    }

    /// Fits the room for what arrives next to what came into the room before; what came behind the beginning of a frame may be its
    /// end alone, which says nothing of the next.
    fn look_ahead(&mut self, read: usize, begins: bool) {
        if read >= self.ahead {
            self.ahead = (self.ahead * 2).clamp(READ_SIZE, READ_SIZE_MAX);
        } else if begins && read < self.ahead / 4 {
            self.ahead = (self.ahead / 2).max(READ_SIZE);
        }
    }

    /// Reads a large frame up to `end`, its first bytes for nothing.
    async fn read_large(
        &mut self,
        stream: &mut OwnedReadHalf,
        end: usize,
        (budget, share): (&Budget, &mut Share),
    ) -> Result<(), FrameError> {
        let is_prompt = std::mem::take(&mut self.is_prompt) && end <= budget.kept_request_max();
        if end > READ_SIZE_MAX {
            self.fill_room(stream, SMALL_MAX, (budget, share)).await?;
        }
        budget.grow_as(share, self.buffer.len().min(end), is_prompt).await;
        let mut took = Duration::ZERO;
        while let Some(missing) = end.checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            let room = missing.min(self.buffer.len().max(ROOM_MIN));
            budget.grow_as(share, room, is_prompt).await;
            self.buffer.make_space(room, missing).await?;
            let began = Instant::now();
            self.fill_room(stream, self.buffer.len().saturating_add(room), (budget, share)).await?;
            took += began.elapsed();
        }
        // Others came in the same buffer, which this one keeps.
        budget.grow_as(share, self.buffer.kept_by_a_frame().saturating_sub(end), is_prompt).await;
        self.is_prompt = took <= PROMPT_MAX;
        Ok(())
    }

    /// Takes the frame off the buffer. A short one is copied: it may live long, and the buffer with it.
    fn cut(&mut self, end: usize) -> Bytes {
        let payload = self.buffer.cut(end).slice(FrameSize::PREFIX..);
        if payload.len() <= SMALL_MAX { Bytes::copy_from_slice(&payload) } else { payload }
    }

    /// Whether bytes behind the last frame are here.
    pub(super) fn has_more(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Waits for the beginning of a frame; false when there will be none.
    async fn await_bytes(&mut self, stream: &mut OwnedReadHalf, dues: &Dues) -> Result<bool, FrameError> {
        let Some(idle) = self.idle else { return Ok(self.fill(stream, self.ahead).await? > 0) };
        loop {
            match timeout(idle, self.fill(stream, self.ahead)).await {
                Ok(read) => return Ok(read? > 0),
                Err(_) if dues.any() => {}
                Err(_) => return Err(FrameError::Idle),
            }
        }
    }

    /// Reads until `wanted` bytes are there, and gives up a client that takes too long for it.
    async fn fill_room(
        &mut self,
        stream: &mut OwnedReadHalf,
        wanted: usize,
        (budget, share): (&Budget, &Share),
    ) -> Result<(), FrameError> {
        let before = self.buffer.len();
        if before >= wanted {
            return Ok(());
        }
        let began = Instant::now();
        while began.elapsed() < STALL_MAX {
            if let Ok(filled) = timeout(GRACE, self.fill_up(stream, wanted)).await {
                return filled;
            }
            tokio::select! {
                biased;
                () = budget.contended(), if !share.is_empty() => {
                    let arrived = self.buffer.len().saturating_sub(before) as u64;
                    if arrived < HURRY_BYTES.saturating_mul(began.elapsed().as_secs()) {
                        let reason = "a frame came too slowly while others waited for its memory";
                        return Err(FrameError::Refused(reason.to_owned()));
                    }
                }
                filled = timeout(LOOK, self.fill_up(stream, wanted)) => {
                    if let Ok(filled) = filled {
                        return filled;
                    }
                }
            }
        }
        let missing = wanted.saturating_sub(self.buffer.len());
        Err(FrameError::Refused(format!("a frame stopped {missing} bytes before what it had to bring")))
    }

    /// Reads until so many bytes are there; behind few, what else has come.
    async fn fill_up(&mut self, stream: &mut OwnedReadHalf, wanted: usize) -> Result<(), FrameError> {
        while let Some(missing) = wanted.checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            let room = if wanted <= READ_SIZE_MAX { missing.max(self.ahead) } else { missing };
            match self.fill(stream, room).await? {
                0 => return Err(cut_off()),
                PIECE_MAX if missing > PIECE_MAX => tokio::task::yield_now().await,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads what is there, at least a byte unless the client closed and at most `room` or [`PIECE_MAX`]; makes room only when
    /// something came.
    async fn fill(&mut self, stream: &mut OwnedReadHalf, room: usize) -> io::Result<usize> {
        loop {
            stream.readable().await?;
            let begins = self.buffer.is_empty();
            // A read that does not fill the room is known to have emptied the socket, so that no second call has to find out.
            match self.buffer.read(stream, room.min(PIECE_MAX)).await {
                Poll::Ready(read) => {
                    let read = read?;
                    if room >= self.ahead {
                        self.look_ahead(read, begins);
                    }
                    return Ok(read);
                }
                Poll::Pending => self.buffer.shrink(),
            }
            // Nothing came, although there was something, when this task has used up its turn (tokio's cooperative budget): the
            // socket goes on being readable, and only giving others their turn brings a new one.
            tokio::task::yield_now().await;
        }
    }
}

fn cut_off() -> FrameError {
    FrameError::Io(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (TcpStream, OwnedReadHalf) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0.into_split().0)
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = i32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(payload);
        bytes
    }

    #[tokio::test]
    async fn frames_are_cut_however_they_arrive() {
        let (mut client, mut server) = pair().await;
        let large = vec![7; 3 << 20];
        let sent = large.clone();
        let writer = tokio::spawn(async move {
            let mut bytes = frame(b"one");
            bytes.extend(frame(b""));
            for byte in bytes {
                client.write_all(&[byte]).await.unwrap();
            }
            client.write_all(&frame(&sent)).await.unwrap();
        });
        let (mut frames, budget) = (FrameReader::new(10 << 20, None), Budget::new(None));
        let mut seen = Vec::new();
        while let Some((frame, _)) = frames.next(&mut server, &budget, &Dues::default()).await.unwrap() {
            seen.push(frame.to_vec());
            assert!(!frames.buffer.is_empty() || frames.buffer.capacity() == 0);
        }
        writer.await.unwrap();
        assert_eq!(seen, [b"one".to_vec(), Vec::new(), large]);
    }

    #[test]
    fn a_task_that_has_used_up_its_turn_reads_on_in_the_next() {
        let (done, ended) = std::sync::mpsc::channel();
        let reading = async move {
            let (mut client, mut server) = pair().await;
            let (mut frames, budget) = (FrameReader::new(100_000, None), Budget::new(None));
            for _ in 0..20 {
                // Larger than what is read at first: the socket counts as readable when the rest was read.
                client.write_all(&frame(&[7; 20_000])).await.unwrap();
                while tokio::task::coop::has_budget_remaining() {
                    tokio::task::coop::consume_budget().await;
                }
                assert!(frames.next(&mut server, &budget, &Dues::default()).await.unwrap().is_some());
            }
            done.send(()).unwrap();
        };
        // On a thread of its own: what never gives up its turn cannot be timed out from within.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(reading);
        });
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(()));
    }

    #[tokio::test]
    async fn a_size_above_the_limit_is_refused_before_anything_is_kept() {
        for size in [-1, 101, i32::MAX] {
            let (mut client, mut server) = pair().await;
            client.write_all(&size.to_be_bytes()).await.unwrap();
            let mut frames = FrameReader::new(100, None);
            let error = frames.next(&mut server, &Budget::new(None), &Dues::default()).await.unwrap_err();
            assert!(matches!(error, FrameError::Refused(_)), "{error:?}");
            assert!(frames.buffer.capacity() <= READ_SIZE);
        }
    }

    #[tokio::test]
    async fn an_announced_frame_takes_no_memory_until_it_comes() {
        let (mut client, mut server) = pair().await;
        client.write_all(&(64i32 << 20).to_be_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut frames = FrameReader::new(100 << 20, None);
        let error = frames.next(&mut server, &Budget::new(None), &Dues::default()).await.unwrap_err();
        assert!(matches!(error, FrameError::Io(_)));
        assert!(frames.buffer.capacity() <= 2 * ROOM_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_idle_unless_a_reply_is_due() {
        let (_client, mut server) = pair().await;
        let mut frames = FrameReader::new(100, Some(Duration::from_secs(10)));
        let (budget, dues) = (Budget::new(None), Dues::default());
        let due = dues.add(1, &Share::default());
        let waited = timeout(Duration::from_secs(100), frames.next(&mut server, &budget, &dues)).await;
        assert!(waited.is_err(), "a reply is due");
        drop(due);
        let error = frames.next(&mut server, &budget, &dues).await.unwrap_err();
        assert!(matches!(error, FrameError::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_frame_is_given_up_when_others_wait_for_its_memory() {
        let (mut client, mut server) = pair().await;
        client.write_all(&(1i32 << 20).to_be_bytes()).await.unwrap();
        client.write_all(&[0; 100_000]).await.unwrap();
        let (mut frames, budget) = (FrameReader::new(2 << 20, None), Budget::new(Some(300 << 10)));
        let dues = Dues::default();
        {
            let reading = frames.next(&mut server, &budget, &dues);
            tokio::pin!(reading);
            let alone = timeout(Duration::from_secs(20), &mut reading).await;
            assert!(alone.is_err(), "it disturbs nobody");
            let (mut overdraft, mut other) = (Share::default(), Share::default());
            budget.grow(&mut overdraft, 1 << 20).await;
            let other = budget.grow(&mut other, 200 << 10);
            let (refused, ()) = tokio::join!(reading, async {
                // Ends when the slow one gives back what it held.
                timeout(Duration::from_secs(5), other).await.unwrap();
            });
            let refused = refused.unwrap_err();
            assert!(
                matches!(&refused, FrameError::Refused(reason) if reason.contains("slowly")),
                "{refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn who_was_prompt_does_not_wait_behind_who_is_slow() {
        let budget = Budget::with_kept(Some(8 << 20));
        let (mut client, mut server) = pair().await;
        let (mut frames, dues) = (FrameReader::new(1 << 20, None), Dues::default());
        let bytes = frame(&[7; 100_000]);
        client.write_all(&bytes).await.unwrap();
        drop(frames.next(&mut server, &budget, &dues).await.unwrap());
        let (mut all, mut overdraft) = (Share::default(), Share::default());
        budget.grow(&mut all, 6 << 20).await;
        budget.grow(&mut overdraft, 1024).await;
        client.write_all(&bytes).await.unwrap();
        drop(frames.next(&mut server, &budget, &dues).await.unwrap());
        let (mut newcomer, mut its_side) = pair().await;
        newcomer.write_all(&bytes).await.unwrap();
        let mut unknown = FrameReader::new(1 << 20, None);
        let waits = timeout(Duration::from_millis(100), unknown.next(&mut its_side, &budget, &dues)).await;
        assert!(waits.is_err(), "nothing is known of it");
    }

    #[tokio::test(start_paused = true)]
    async fn small_requests_wait_for_no_budget_until_many_are_due() {
        let (mut client, mut server) = pair().await;
        let budget = Budget::new(Some(1024));
        let (mut all, mut overdraft) = (Share::default(), Share::default());
        budget.grow(&mut all, 1024).await;
        budget.grow(&mut overdraft, 1024).await;
        let (mut frames, dues) = (FrameReader::new(1 << 20, None), Dues::default());
        let mut due = Vec::new();
        for _ in 0..4 {
            client.write_all(&frame(&[0; 4096])).await.unwrap();
        }
        for _ in 0..4 {
            let (bytes, share) = frames.next(&mut server, &budget, &dues).await.unwrap().unwrap();
            assert!(share.is_empty());
            due.push(dues.add(bytes.len(), &share));
        }
        client.write_all(&frame(b"x")).await.unwrap();
        let waits = timeout(Duration::from_secs(9), frames.next(&mut server, &budget, &dues)).await;
        assert!(waits.is_err(), "16 KiB of requests are due");
        due.pop();
        assert_eq!(frames.next(&mut server, &budget, &dues).await.unwrap().unwrap().0, &b"x"[..]);
    }
}
