//! Cuts a connection's bytes into frames. A frame's size is checked before anything is kept for it, memory for it is taken from
//! the budget before it is read, and grows with what arrives. A connection without a begun frame holds no buffer.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use highwater_wire::frame::FrameSize;
use tokio::net::TcpStream;

use super::budget::{Budget, Share};

/// Room for what arrives next, when nothing is known of it.
const READ_SIZE: usize = 16 << 10;
/// Room made at first for a frame that was only announced; later as much again as has arrived.
const ROOM_MIN: usize = 64 << 10;
/// A frame up to this size waits for no budget: what clients send to stay alive is never held up by what is large.
const SMALL_MAX: usize = 16 << 10;
/// A client that has begun a frame holds a part of the budget: it must fill the room made for it within this time.
const STALL_MAX: Duration = Duration::from_secs(30);

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

/// What was read and not yet cut.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    limit: usize,
    idle: Option<Duration>,
}

impl FrameReader {
    /// Frames of at most `limit` bytes; `idle` is how long the next may take to begin.
    pub(crate) fn new(limit: usize, idle: Option<Duration>) -> Self {
        Self { buffer: BytesMut::new(), limit, idle }
    }

    /// The next frame without its size, and what it holds of the budget; `None` when the client closed the connection
    /// between frames. While `is_busy` the connection is not idle. Dropping the future loses nothing.
    pub(crate) async fn next(
        &mut self,
        stream: &TcpStream,
        budget: &Budget,
        is_busy: impl Fn() -> bool,
    ) -> Result<Option<(Bytes, Share)>, FrameError> {
        while self.buffer.len() < FrameSize::PREFIX {
            if !self.await_bytes(stream, &is_busy).await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut_off()) };
            }
        }
        let prefix = self.buffer.first_chunk().copied().unwrap_or_default();
        let size =
            FrameSize::check(prefix, self.limit).map_err(|error| FrameError::Refused(error.to_string()))?.0;
        let mut share = Share::default();
        let end = FrameSize::PREFIX + size;
        while let Some(missing) = end.checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            let room = missing.min(self.buffer.len().max(ROOM_MIN));
            if size > SMALL_MAX {
                budget.grow(&mut share, room).await;
            }
            match tokio::time::timeout(STALL_MAX, self.fill_room(stream, room)).await {
                Ok(filled) => filled?,
                Err(_) => {
                    let reason = format!("a frame stopped {missing} bytes before its end");
                    return Err(FrameError::Refused(reason));
                }
            }
        }
        let mut frame = self.buffer.split_to(end);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(Some((frame.split_off(FrameSize::PREFIX).freeze(), share)))
    }

    /// Waits for the beginning of a frame; false when there will be none.
    async fn await_bytes(
        &mut self,
        stream: &TcpStream,
        is_busy: &impl Fn() -> bool,
    ) -> Result<bool, FrameError> {
        let Some(idle) = self.idle else { return Ok(self.fill(stream, READ_SIZE).await? > 0) };
        loop {
            match tokio::time::timeout(idle, self.fill(stream, READ_SIZE)).await {
                Ok(read) => return Ok(read? > 0),
                Err(_) if is_busy() => {}
                Err(_) => return Err(FrameError::Idle),
            }
        }
    }

    /// Reads at least `room` bytes.
    async fn fill_room(&mut self, stream: &TcpStream, room: usize) -> Result<(), FrameError> {
        let wanted = self.buffer.len().saturating_add(room);
        while let Some(missing) = wanted.checked_sub(self.buffer.len()).filter(|missing| *missing > 0) {
            if self.fill(stream, missing).await? == 0 {
                return Err(cut_off());
            }
        }
        Ok(())
    }

    /// Reads what is there, at least a byte unless the client closed; makes room only when something came.
    async fn fill(&mut self, stream: &TcpStream, room: usize) -> io::Result<usize> {
        loop {
            stream.readable().await?;
            self.buffer.reserve(room);
            match stream.try_read_buf(&mut self.buffer) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                other => return other,
            }
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
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = i32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(payload);
        bytes
    }

    #[tokio::test]
    async fn frames_are_cut_however_they_arrive() {
        let (mut client, server) = pair().await;
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
        while let Some((frame, _)) = frames.next(&server, &budget, || false).await.unwrap() {
            seen.push(frame.to_vec());
            assert!(!frames.buffer.is_empty() || frames.buffer.capacity() == 0);
        }
        writer.await.unwrap();
        assert_eq!(seen, [b"one".to_vec(), Vec::new(), large]);
    }

    #[tokio::test]
    async fn a_size_above_the_limit_is_refused_before_anything_is_kept() {
        for size in [-1, 101, i32::MAX] {
            let (mut client, server) = pair().await;
            client.write_all(&size.to_be_bytes()).await.unwrap();
            let mut frames = FrameReader::new(100, None);
            let error = frames.next(&server, &Budget::new(None), || false).await.unwrap_err();
            assert!(matches!(error, FrameError::Refused(_)), "{error:?}");
            assert!(frames.buffer.capacity() <= READ_SIZE);
        }
    }

    #[tokio::test]
    async fn an_announced_frame_takes_no_memory_until_it_comes() {
        let (mut client, server) = pair().await;
        client.write_all(&(64i32 << 20).to_be_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut frames = FrameReader::new(100 << 20, None);
        let error = frames.next(&server, &Budget::new(None), || false).await.unwrap_err();
        assert!(matches!(error, FrameError::Io(_)));
        assert!(frames.buffer.capacity() <= 2 * ROOM_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_is_idle_unless_a_reply_is_due() {
        let (_client, server) = pair().await;
        let mut frames = FrameReader::new(100, Some(Duration::from_secs(10)));
        let busy = std::cell::Cell::new(2);
        let is_busy = || {
            busy.set(busy.get() - 1);
            busy.get() >= 0
        };
        let error = frames.next(&server, &Budget::new(None), is_busy).await.unwrap_err();
        assert!(matches!(error, FrameError::Idle));
        assert_eq!(busy.get(), -1);
    }
}
