//! The bytes of a connection that were read and not yet cut into frames.
//!
//! They stand on the heap, except where a frame is large: it gets pages of its own. Of those only the ones that something was read
//! into take memory, so that there may be more than has arrived and little has to be moved; and the system has them back when the
//! frame is dropped, whatever else the heap holds.

use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::{BufMut, Bytes, BytesMut};
use memmap2::{Advice, MmapMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::runtime::Handle;

use super::poll_once;

/// Space for a frame: so many times what has arrived of it.
const SPACE_FACTOR: usize = 8;
/// A frame for which there is more space than this has pages of its own.
const HEAP_MAX: usize = 1 << 20;
/// Where more than this has arrived it is moved on a thread of its own.
const MOVED_HERE_MAX: usize = 512 << 10;
/// Where more than this has arrived its pages are given back on a thread of its own.
const DROPPED_HERE_MAX: usize = 4 << 20;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    heap: BytesMut,
    /// Bytes of the allocation that `heap` is in.
    heap_size: usize,
    /// Holds everything, where there are some.
    pages: Option<Pages>,
}

/// Pages, the first of which are filled.
#[derive(Debug)]
struct Pages {
    /// There until it is dropped.
    map: Option<MmapMut>,
    filled: usize,
    helpers: Handle,
}

impl Pages {
    /// How many bytes there is space for.
    fn size(&self) -> usize {
        self.map.as_ref().map_or(0, |map| map.len())
    }

    /// Space behind what is filled, at most `room` bytes.
    fn space(&mut self, room: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(room).min(self.size());
        self.map.as_mut().and_then(|map| map.get_mut(self.filled..end)).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        self.map.as_ref().and_then(|map| map.get(..self.filled)).unwrap_or_default()
    }
}

impl Drop for Pages {
    /// The system takes ten milliseconds to have a hundred megabytes back: whoever lets go of a frame last does not wait for that.
    fn drop(&mut self) {
        let map = self.map.take();
        if self.filled > DROPPED_HERE_MAX {
            self.helpers.spawn_blocking(move || drop(map));
        }
    }
}

impl Buffer {
    /// Bytes that were read.
    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        self.pages.as_ref().map_or(&self.heap, AsRef::as_ref)
    }

    /// Bytes that there is space for.
    pub(super) fn capacity(&self) -> usize {
        self.pages.as_ref().map_or(self.heap.capacity(), Pages::size)
    }

    /// Memory that lives as long as any slice that is cut from it.
    pub(super) fn kept_by_a_frame(&self) -> usize {
        if self.pages.is_some() { 0 } else { self.heap_size }
    }

    /// Reads what is there, at most `room` bytes; pending when nothing is. Small room is made where there is none.
    pub(super) async fn read(&mut self, stream: &mut OwnedReadHalf, room: usize) -> Poll<io::Result<usize>> {
        // Polled, not awaited: nobody waits with room made.
        match &mut self.pages {
            None => {
                let before = self.heap.capacity();
                self.heap.reserve(room);
                if self.heap.capacity() > before {
                    self.heap_size = self.heap.capacity();
                }
                let mut limited = (&mut self.heap).limit(room);
                poll_once(pin!(stream.read_buf(&mut limited))).await
            }
            Some(pages) => {
                let space = pages.space(room);
                let read = poll_once(pin!(stream.read(space))).await;
                if let Poll::Ready(Ok(count)) = read {
                    pages.filled += count;
                }
                read
            }
        }
    }

    /// Makes space for at least `room` bytes more, of `missing` that a frame still has to bring. Dropping the future loses what was
    /// read.
    ///
    /// # Errors
    /// The system gives no pages, or no thread.
    pub(super) async fn make_space(&mut self, room: usize, missing: usize) -> io::Result<()> {
        let (arrived, capacity) = (self.len(), self.capacity());
        if capacity - arrived >= room {
            return Ok(());
        }
        let size = arrived + missing.min(arrived.saturating_mul(SPACE_FACTOR)).max(room);
        if size <= HEAP_MAX {
            let mut heap = BytesMut::with_capacity(size);
            heap.extend_from_slice(self.bytes());
            *self = Self { heap_size: heap.capacity(), heap, pages: None };
            return Ok(());
        }
        let old = std::mem::take(self);
        let helpers = Handle::current();
        let moved = move || -> io::Result<Self> {
            let mut map = MmapMut::map_anon(size)?;
            // A huge page would take memory beyond what is read into it. Where the system knows of none, it has none.
            let _ = map.advise(Advice::NoHugePage);
            if let Some(space) = map.get_mut(..arrived) {
                space.copy_from_slice(old.bytes());
            }
            Ok(Self { pages: Some(Pages { map: Some(map), filled: arrived, helpers }), ..Self::default() })
        };
        *self = if arrived <= MOVED_HERE_MAX {
            moved()
        } else {
            tokio::task::spawn_blocking(moved).await.map_err(io::Error::from)?
        }?;
        Ok(())
    }

    /// Takes the first `end` bytes off; of pages, all of them.
    pub(super) fn cut(&mut self, end: usize) -> Bytes {
        if let Some(pages) = self.pages.take() {
            return Bytes::from_owner(pages);
        }
        let cut = self.heap.split_to(end.min(self.heap.len())).freeze();
        self.shrink();
        cut
    }

    /// Keeps no space while nothing is there.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_arrived_is_kept_wherever_it_is_moved() {
        let arrived: Vec<u8> = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        let mut buffer = Buffer { heap: BytesMut::from(&arrived[..16 << 10]), ..Buffer::default() };
        buffer.make_space(20_000, 20_000).await.unwrap();
        assert!(buffer.pages.is_none() && buffer.capacity() == (16 << 10) + 20_000);
        buffer.heap = BytesMut::from(&arrived[..]);
        // On this thread, then on another.
        for space in [9 * arrived.len(), 60 << 20] {
            buffer.make_space(1 << 20, 60 << 20).await.unwrap();
            assert!(buffer.capacity() <= space, "{}", buffer.capacity());
            assert_eq!(buffer.bytes(), arrived);
            if let Some(pages) = &mut buffer.pages {
                // What is left is taken, as if it had arrived.
                pages.filled = pages.size();
                buffer.make_space(1, 60 << 20).await.unwrap();
                buffer.pages.as_mut().unwrap().filled = arrived.len();
            }
        }
        assert_eq!(buffer.cut(arrived.len()), arrived);
        assert!(buffer.is_empty() && buffer.capacity() == 0);
    }

    #[test]
    fn a_frame_may_be_let_go_by_any_thread_and_after_its_worker() {
        let worker = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let frame = || {
            worker.block_on(async {
                let mut buffer = Buffer { heap: BytesMut::from(&[7; 1000][..]), ..Buffer::default() };
                buffer.make_space(8 << 20, 8 << 20).await.unwrap();
                buffer.pages.as_mut().unwrap().filled = 8 << 20;
                buffer.cut(8 << 20)
            })
        };
        let (meanwhile, after) = (frame(), frame());
        std::thread::spawn(move || drop(meanwhile)).join().unwrap();
        drop(worker);
        assert_eq!((after.len(), after[999], after[1000]), (8 << 20, 7, 0));
        drop(after);
    }
}
