//! Sends ranges of segment files: by `sendfile` on the store's reader threads.
//!
//! A range that is small and in memory is read and sent with the bytes around it, in one call. Any other goes in turns of at
//! most [`TURN_BYTES`], each a job of the reader pool that ends when the socket is full: a cold disk or a slow consumer
//! never holds up the threads that serve connections, and readers take turns. What is sent was visible to consumers,
//! so nobody writes to it again.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::FileRange;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Outgoing;

/// What one turn of a reader thread sends at most.
const TURN_BYTES: u64 = 1 << 20;
/// A resident range up to this size is copied rather than handed to another thread.
const COPY_BYTES_MAX: u64 = 64 << 10;

/// The bytes of a small range, if reading them waits for nothing.
pub(super) fn resident(range: &FileRange) -> Option<Bytes> {
    let size = usize::try_from(range.size).ok().filter(|_| range.size <= COPY_BYTES_MAX)?;
    let mut buffer = vec![0; size];
    let read = range.file.read_resident_at(&mut buffer, range.position).ok()??;
    (read == size).then(|| buffer.into())
}

/// Sends a range by turns of the reader threads.
///
/// # Errors
/// What socket or file say; `UnexpectedEof` when the file is shorter than the range; `TimedOut`.
pub(super) async fn send(outgoing: &mut Outgoing<'_>, mut range: FileRange) -> io::Result<()> {
    if range.file.as_std().is_none() {
        let read = outgoing.readers.run(move || range.read()).await.map_err(io::Error::other)?;
        outgoing.gather(read?.into());
        return outgoing.send_gathered().await;
    }
    while range.size > 0 {
        let (socket, todo) = (Arc::clone(outgoing.stream), range.clone());
        let turn = outgoing.readers.run(move || take_turn((*socket).as_ref(), &todo));
        let turn = turn.await.map_err(io::Error::other)??;
        range.position = range.position.saturating_add(turn.sent);
        range.size = range.size.saturating_sub(turn.sent);
        if turn.socket_full {
            outgoing.writable().await?;
        }
    }
    Ok(())
}

/// What a turn did.
struct Turn {
    sent: u64,
    socket_full: bool,
}

fn take_turn(stream: &TcpStream, range: &FileRange) -> io::Result<Turn> {
    let file = range.file.as_std().ok_or(io::ErrorKind::Unsupported)?;
    let turn = range.size.min(TURN_BYTES);
    let mut position = range.position;
    let mut sent = 0;
    while sent < turn {
        let count = usize::try_from(turn - sent).unwrap_or(usize::MAX);
        let step = stream.try_io(Interest::WRITABLE, || {
            rustix::fs::sendfile(stream, file, Some(&mut position), count).map_err(io::Error::from)
        });
        match step {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(step) => sent += step as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Turn { sent, socket_full: true });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Turn { sent, socket_full: false })
}
