//! Writes frames to sockets: pieces in memory together, ranges of files as their bytes.

mod file;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use highwater_store_local::ReaderPool;
use highwater_wire::{Frame, RecordsPart};
use tokio::net::TcpStream;

/// Pieces of memory handed to the system at once.
const SLICES_MAX: usize = 64;

/// Writes a whole frame. Fails when the client takes nothing for `idle`.
///
/// # Errors
/// What socket or file say; `TimedOut`. The connection is then useless.
pub(crate) async fn write_frame(
    stream: &Arc<TcpStream>,
    frame: Frame,
    readers: &Arc<ReaderPool>,
    idle: Option<Duration>,
) -> io::Result<()> {
    let mut memory: Vec<Bytes> = Vec::new();
    for part in frame.into_parts() {
        match part {
            RecordsPart::Memory(bytes) => memory.push(bytes),
            RecordsPart::File(range) => match file::resident(&range) {
                Some(bytes) => memory.push(bytes),
                None => {
                    write_memory(stream, &mut memory, idle).await?;
                    file::send(stream, range, readers, idle).await?;
                }
            },
        }
    }
    write_memory(stream, &mut memory, idle).await
}

/// Writes all pieces and leaves none.
pub(super) async fn write_memory(
    stream: &TcpStream,
    pieces: &mut Vec<Bytes>,
    idle: Option<Duration>,
) -> io::Result<()> {
    let mut rest: VecDeque<Bytes> = pieces.drain(..).filter(|piece| !piece.is_empty()).collect();
    while !rest.is_empty() {
        let slices: Vec<_> = rest.iter().take(SLICES_MAX).map(|piece| IoSlice::new(piece)).collect();
        match stream.try_write_vectored(&slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => advance(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => writable(stream, idle).await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
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

pub(super) async fn writable(stream: &TcpStream, idle: Option<Duration>) -> io::Result<()> {
    match idle {
        None => stream.writable().await,
        Some(idle) => match tokio::time::timeout(idle, stream.writable()).await {
            Ok(ready) => ready,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn all_pieces_arrive_in_order_however_many_and_large() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut pieces: Vec<Bytes> =
            (0..1000u32).map(|n| Bytes::from(vec![n.to_be_bytes()[3]; n as usize])).collect();
        pieces.push(Bytes::from(vec![9; 5 << 20]));
        let expected = pieces.concat();
        let writer = tokio::spawn(async move {
            write_memory(&client, &mut pieces, None).await.unwrap();
            assert!(pieces.is_empty());
        });
        let mut seen = Vec::new();
        server.read_to_end(&mut seen).await.unwrap();
        writer.await.unwrap();
        assert!(seen == expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        let mut pieces = vec![Bytes::from(vec![9; 64 << 20])];
        let error = write_memory(&client, &mut pieces, Some(Duration::from_secs(5))).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
