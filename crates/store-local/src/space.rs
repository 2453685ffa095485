//! The floor of free space: below it clients' appends are refused, as on a full disk, so that what is left serves
//! metadata, deletion, indexes and checkpoints; above it again they are taken.
//!
//! The file system is asked on the maintenance thread, about once a second while records come in. Between two looks the
//! bytes that appends bring are counted against what the last look allowed, so that a fast writer cannot run through the
//! floor: at half of it another look is asked for, at the whole of it appends are refused until that look. Blocks are
//! reserved ahead only while there is room for those of every partition many times over, and given back when the floor is
//! met.
//!
//! Not here: a disk that is full in spite of the floor, because somebody else filled it
//! ([`failure`](crate::partition)).

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use highwater_disk::{Disk, DiskSpace};
use highwater_store::SpaceState;
use highwater_types::Instant;

use highwater_partition_log::AHEAD_BYTES_MAX;

use crate::options::Live;

/// Between two looks while records come in, or while space is short.
pub(crate) const LOOK_INTERVAL_MS: u64 = 1_000;
/// Between two looks otherwise.
pub(crate) const IDLE_LOOK_INTERVAL_MS: u64 = 10_000;
/// Of a floor that nobody set: at most this,
const AUTOMATIC_MAX: u64 = 1 << 30;
/// and at most this part of the file system.
const AUTOMATIC_ONE_IN: u64 = 20;
/// Appends are taken again when this part of the floor is free above it.
const MARGIN_ONE_IN: u64 = 16;
/// What a partition that ran out of space waits for where no floor is set.
const WITHOUT_FLOOR: u64 = 16 << 20;
/// Blocks are reserved ahead while so many times what all partitions may reserve is free.
const AMPLE: u64 = 4;
/// Between two log lines that say that appends are refused.
const QUIET_MS: u64 = 60_000;

/// Whether a batch may be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Enough,
    /// Enough, and another look is due.
    Dwindling,
    /// None; another look is due.
    Exceeded,
    /// None, as a look has found.
    None,
}

/// What was last seen of the file system, and what was taken since.
pub(crate) struct Space {
    floor: Live<Option<u64>>,
    /// Bytes that may be appended between two looks.
    allowed: AtomicU64,
    /// Bytes appended since the last look.
    taken: AtomicU64,
    low: AtomicBool,
    /// Blocks may be reserved ahead.
    ample: AtomicBool,
    look_wanted: AtomicBool,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    low: bool,
    quiet_until: Option<Instant>,
}

impl Space {
    /// Allows nothing before the first look.
    pub(crate) fn new(floor: Live<Option<u64>>) -> Self {
        Self {
            floor,
            allowed: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            low: AtomicBool::new(false),
            ample: AtomicBool::new(false),
            look_wanted: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Counts a batch that a client wants to append. A batch that is refused afterwards stays counted until the next
    /// look.
    pub(crate) fn take(&self, bytes: u64) -> Room {
        if self.is_low() {
            return Room::None;
        }
        let allowed = self.allowed.load(Ordering::Relaxed);
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if taken > allowed {
            self.low.store(true, Ordering::Relaxed);
            return Room::Exceeded;
        }
        if taken > allowed / 2 && !self.look_wanted.swap(true, Ordering::Relaxed) {
            return Room::Dwindling;
        }
        Room::Enough
    }

    /// Whether clients' appends are refused.
    pub(crate) fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Whether so much is left that every partition may reserve blocks ahead of what it writes.
    pub(crate) fn is_ample(&self) -> bool {
        self.ample.load(Ordering::Relaxed)
    }

    /// Whether anything was appended since the last look.
    pub(crate) fn is_used(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > 0
    }

    /// Asks the file system and decides. `used` tells the bytes that are appended and not yet written, and how many partitions
    /// may reserve blocks. Returns whether clients' appends are refused.
    pub(crate) fn look(
        &self,
        disk: &dyn Disk,
        path: &Path,
        used: impl FnOnce() -> (u64, usize),
        now: Instant,
    ) -> bool {
        self.look_wanted.store(false, Ordering::Relaxed);
        // What is appended from here on may be counted twice, never not at all.
        let before = self.taken.swap(0, Ordering::Relaxed);
        let Ok(found) = disk.space(path) else {
            tracing::debug!(bytes = before, "the file system does not tell what is free");
            self.allowed.store(u64::MAX, Ordering::Relaxed);
            self.ample.store(false, Ordering::Relaxed);
            self.low.store(false, Ordering::Relaxed);
            return false;
        };
        let floor = self.floor_of(found);
        let (staged, partitions) = used();
        let above = found.free.saturating_sub(floor).saturating_sub(staged);
        let reserves = AHEAD_BYTES_MAX.saturating_mul(partitions as u64).saturating_mul(AMPLE);
        self.ample.store(above >= reserves, Ordering::Relaxed);
        let low = if floor == 0 {
            false
        } else if self.is_low() {
            found.free < resume_at(floor)
        } else {
            above == 0
        };
        self.allowed.store(if floor == 0 { u64::MAX } else { above }, Ordering::Relaxed);
        self.low.store(low, Ordering::Relaxed);
        self.tell(low, found.free, floor, now);
        low
    }

    /// Whether a partition that ran out of space may try again.
    pub(crate) fn may_resume(&self, disk: &dyn Disk, path: &Path) -> bool {
        // A file system that cannot tell is tried.
        disk.space(path).map_or(true, |found| match self.floor_of(found) {
            0 => found.free >= WITHOUT_FLOOR,
            floor => found.free >= floor,
        })
    }

    /// How it stands; `None` when the file system does not tell.
    pub(crate) fn state(&self, disk: &dyn Disk, path: &Path) -> Option<SpaceState> {
        let found = disk.space(path).ok()?;
        let (total_bytes, free_bytes) = (found.total, found.free);
        Some(SpaceState { total_bytes, free_bytes, floor_bytes: self.floor_of(found), low: self.is_low() })
    }

    fn floor_of(&self, found: DiskSpace) -> u64 {
        (self.floor)().unwrap_or_else(|| AUTOMATIC_MAX.min(found.total / AUTOMATIC_ONE_IN))
    }

    /// Says in the log when it begins and ends.
    fn tell(&self, low: bool, free_bytes: u64, floor_bytes: u64, now: Instant) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if low && !told.low && told.quiet_until.is_none_or(|until| until <= now) {
            told.low = true;
            told.quiet_until = Some(now.plus_ms(QUIET_MS));
            tracing::warn!(
                free_bytes,
                floor_bytes,
                "little space is left: produce is refused until there is more (storage.min.free.bytes)"
            );
        } else if !low && told.low {
            told.low = false;
            tracing::warn!(free_bytes, floor_bytes, "there is space again: produce is taken");
        }
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("low", &self.is_low()).finish_non_exhaustive()
    }
}

/// Free bytes from which on appends are taken again.
fn resume_at(floor: u64) -> u64 {
    floor.saturating_add(floor / MARGIN_ONE_IN)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use highwater_disk::sim::SimDisk;

    use super::*;

    fn space(floor: Option<u64>) -> Space {
        Space::new(Arc::new(move || floor))
    }

    fn look(space: &Space, disk: &SimDisk, free: u64, staged: u64) {
        disk.set_capacity(Some(free));
        space.look(disk, Path::new(""), || (staged, 1), Instant(0));
    }

    #[test]
    fn appends_between_two_looks_cannot_run_through_the_floor() {
        let (space, disk) = (space(Some(1_000)), SimDisk::new(1));
        look(&space, &disk, 2_000, 0);
        assert_eq!(space.take(500), Room::Enough);
        assert_eq!(space.take(100), Room::Dwindling);
        assert_eq!(space.take(100), Room::Enough, "one look is asked for, not one for each batch");
        assert_eq!(space.take(400), Room::Exceeded);
        assert_eq!(space.take(1), Room::None);
        look(&space, &disk, 2_000, 0);
        assert_eq!(space.take(500), Room::Enough, "the bytes went into blocks that were reserved");
    }

    #[test]
    fn blocks_are_reserved_only_where_every_partition_may_have_some() {
        let (space, disk) = (space(Some(1_000)), SimDisk::new(1));
        assert!(!space.is_ample(), "before the first look");
        look(&space, &disk, 1_000 + AMPLE * AHEAD_BYTES_MAX - 1, 0);
        assert!(!space.is_ample());
        look(&space, &disk, 1_000 + AMPLE * AHEAD_BYTES_MAX, 0);
        assert!(space.is_ample());
        look(&space, &disk, 1_000 + AMPLE * AHEAD_BYTES_MAX, 1);
        assert!(!space.is_ample(), "staged bytes will be written");
    }

    #[test]
    fn below_the_floor_appends_are_refused_until_there_is_somewhat_more() {
        let (space, disk) = (space(Some(1_600)), SimDisk::new(1));
        look(&space, &disk, 1_600, 0);
        assert_eq!((space.take(1), space.is_low()), (Room::None, true));
        look(&space, &disk, 1_699, 0);
        assert!(space.is_low(), "within the margin nothing changes");
        look(&space, &disk, 1_700, 0);
        assert!(!space.is_low());
        look(&space, &disk, 1_601, 0);
        assert!(!space.is_low(), "within the margin nothing changes");
        look(&space, &disk, 1_601, 1);
        assert!(space.is_low(), "staged bytes will be written");
    }

    #[test]
    fn the_automatic_floor_is_a_part_of_a_small_disk_and_bounded_on_a_large_one() {
        let automatic = space(None);
        let floor = |total| automatic.floor_of(DiskSpace { total, free: 0 });
        assert_eq!((floor(64 << 20), floor(1 << 40)), ((64 << 20) / 20, 1 << 30));
    }

    #[test]
    fn without_a_floor_nothing_is_refused() {
        let (space, disk) = (space(Some(0)), SimDisk::new(1));
        look(&space, &disk, 0, 0);
        assert_eq!((space.take(1 << 40), space.is_low()), (Room::Enough, false));
    }
}
