//! Sends ranges of segment files by `sendfile`.
//!
//! A range that is small and in memory is read and sent with the bytes around it, in one call. Any other goes in turns of at
//! most [`TURN_BYTES`], which end when the socket is full. A turn that waits for nothing is taken by the worker itself, if it
//! has not just taken one: to hand it to another thread costs more than to look (decision 0023). Any other turn is a job of the
//! store's reader threads: a cold disk never holds up the threads that serve connections. What is sent was visible to
//! consumers, so nobody writes to it again.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::FileRange;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::Outgoing;

/// What one turn sends at most.
const TURN_BYTES: u64 = 1 << 20;
/// A byte in so many is looked for in memory: what lies together was read together, and leaves together.
const LOOK_BYTES: usize = 512 << 10;
/// A resident range up to this size is copied rather than handed to another thread.
const COPY_BYTES_MAX: u64 = 64 << 10;

/// The bytes of a small range, if reading them waits for nothing.
pub(super) fn resident(range: &FileRange) -> Option<Bytes> {
    let size = usize::try_from(range.size).ok().filter(|_| range.size <= COPY_BYTES_MAX)?;
    let mut buffer = vec![0; size];
    let read = range.file.read_resident_at(&mut buffer, range.position).ok()??;
    (read == size).then(|| buffer.into())
}

/// Sends a range by turns; between them others have theirs.
///
/// # Errors
/// What socket or file say; `UnexpectedEof` when the file is shorter than the range; `TimedOut`.
pub(super) async fn send(outgoing: &mut Outgoing<'_>, mut range: FileRange) -> io::Result<()> {
    if range.file.as_std().is_none() {
        let read = outgoing.readers.run(move || range.read()).await.map_err(io::Error::other)?;
        outgoing.gather(read?.into());
        return outgoing.send_gathered(SendFlags::empty()).await;
    }
    while range.size > 0 {
        let turn = if let Ok(_permit) = outgoing.sending.try_acquire()
            && is_resident(&range)
        {
            let turn = take_turn((**outgoing.stream).as_ref(), &range)?;
            tokio::task::yield_now().await;
            turn
        } else {
            let (socket, todo) = (Arc::clone(outgoing.stream), range.clone());
            let turn = outgoing.readers.run(move || take_turn((*socket).as_ref(), &todo));
            turn.await.map_err(io::Error::other)??
        };
        range.position = range.position.saturating_add(turn.sent);
        range.size = range.size.saturating_sub(turn.sent);
        if turn.socket_full {
            outgoing.writable().await?;
        }
    }
    Ok(())
}

/// Whether the next turn waits for nothing, as far as a few of its bytes tell.
fn is_resident(range: &FileRange) -> bool {
    let look = |place: u64| {
        let position = range.position.saturating_add(place);
        matches!(range.file.read_resident_at(&mut [0], position), Ok(Some(1)))
    };
    places(range.size.min(TURN_BYTES)).all(look)
}

/// Where a turn of `size` bytes is looked at: its first byte, its last one, and between them one in [`LOOK_BYTES`].
fn places(size: u64) -> impl Iterator<Item = u64> {
    (0..size).step_by(LOOK_BYTES).chain(size.checked_sub(1))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_looked_at_from_end_to_end() {
        for size in [1, 2, LOOK_BYTES as u64, LOOK_BYTES as u64 + 1, TURN_BYTES - 1, TURN_BYTES] {
            let places: Vec<_> = places(size).collect();
            assert_eq!((places.first(), places.last()), (Some(&0), Some(&(size - 1))), "{size}");
            assert!(
                places.windows(2).all(|pair| pair[1] - pair[0] <= LOOK_BYTES as u64),
                "{size}: {places:?}"
            );
        }
    }
}
