//! Damage at rest: a bit flips, or bytes become unreadable, in some file of a directory that nobody uses. Then whatever
//! a client gets must be what was sent, or an error. A batch that does not match its checksum counts as an error: every
//! client checks it. Not covered: the twelve bytes of a batch that its checksum does not cover.
//!
//! Or a bit flips on the device under a running process: consumers get good bytes from the cache still, and the scrub, which
//! reads past it, says which segment it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use highwater_disk::{Disk, EntryKind, OpenMode};
use highwater_partition_log::{Isolation, ReadRequest};
use highwater_store::{LogStore, NewPartition};
use highwater_types::{Offset, TopicIdPartition};
use highwater_wire::record::{BatchHeader, verify};

use crate::model::Batch;
use crate::run::Run;
use crate::stack::{DATA, Stack, partitions_of};
use crate::steps::PAYLOAD_START;
use crate::watch::bytes_of;
use crate::{Verdict, Violation, require};

/// Enough to read every segment that there may be.
const SCRUB_STEPS: usize = 200;
/// More than the scrub waits before it searches again.
const BETWEEN_SCRUBS_NS: u64 = 60_000_000_000;

/// Damages one file and looks at what is served after the next start.
pub(crate) fn damage(run: &mut Run) -> Verdict {
    let files = files(run, Path::new(DATA));
    let Some(path) = files.get(run.random.index(files.len())).cloned() else { return Ok(()) };
    let length = run.disk.open(&path, OpenMode::Read).and_then(|file| file.length()).unwrap_or(0);
    if length == 0 {
        return Ok(());
    }
    let position = run.random.below(length);
    let flips = run.random.coin();
    run.note(|| format!("damage in {} at {position}, a flipped bit: {flips}", path.display()));
    let done = if flips {
        run.disk.flip_bit(&path, position)
    } else {
        run.disk.make_unreadable(&path, position..position + 1)
    };
    require!(done.is_ok(), "the disk cannot be damaged");
    // A process that does not start has reported it.
    let Ok(stack) = Stack::open(&run.disk, &run.ticks, None, run.journal) else { return Ok(()) };
    if run.metadata.found(&stack.records).is_err() && path.ends_with("meta.redb") {
        // Nobody promises to find each flipped bit in a file of redb.
        return Ok(());
    }
    stack.settle();
    let ids: Vec<_> = run.models.keys().copied().collect();
    for id in ids {
        read_what_is_there(run, &stack, id)?;
    }
    for _ in 0..SCRUB_STEPS {
        stack.store.scrub_step();
    }
    let accused = stack.store.status().scrub.damaged;
    require!(accused.iter().all(|damaged| damaged.file == path), "the scrub accuses {accused:?}");
    Ok(())
}

/// Lets a bit rot under the page cache of a running process, in a segment that the scrub has found good before.
pub(crate) fn under_cache(run: &mut Run) -> Verdict {
    let Some(stack) = run.start()? else { return Err(Violation("it did not start".to_owned())) };
    stack.settle();
    run.look(&stack)?;
    scrub_all(run, &stack);
    let sealed: Vec<_> =
        files(run, Path::new(DATA)).into_iter().filter(|path| is_sealed(run, path)).collect();
    let Some(path) = sealed.get(run.random.index(sealed.len())).cloned() else { return Ok(()) };
    let length = run.disk.open(&path, OpenMode::Read).and_then(|file| file.length()).unwrap_or(0);
    let position = run.random.below(length);
    run.note(|| format!("a bit rots under the cache of {} at {position}", path.display()));
    require!(run.disk.flip_bit_under_cache(&path, position).is_ok(), "{} is not durable", path.display());
    scrub_all(run, &stack);
    let accused = stack.store.status().scrub.damaged;
    require!(
        accused.len() == 1 && accused.iter().all(|damaged| damaged.file == path),
        "the scrub accuses {accused:?} of rot in {} at {position}",
        path.display()
    );
    run.count("rot under the cache found by the scrub");
    let ids: Vec<_> = run.models.keys().copied().collect();
    ids.into_iter().try_for_each(|id| run.read_all(&stack, id))
}

/// Has the scrub look at everything once.
fn scrub_all(run: &Run, stack: &Stack) {
    run.ticks.fetch_add(BETWEEN_SCRUBS_NS, Ordering::Relaxed);
    for _ in 0..SCRUB_STEPS {
        stack.store.scrub_step();
    }
}

/// Whether a segment follows it that begins above the log's start, in a directory that is not on its way out.
fn is_sealed(run: &Run, path: &Path) -> bool {
    let Some(directory) = path.parent() else { return false };
    let named = |new: &NewPartition| directory.ends_with(format!("{}-{}", new.topic, new.id.partition));
    let partition = run.metadata.records().flat_map(partitions_of).find(named);
    let Some(model) = partition.and_then(|new| run.models.get(&new.id)) else { return false };
    let base = |path: &Path| -> Option<i64> {
        path.file_name()?.to_str()?.strip_suffix(".log").and_then(|base| base.parse().ok())
    };
    let Some(own) = base(path) else { return false };
    let next =
        files(run, directory).iter().filter_map(|other| base(other)).filter(|other| *other > own).min();
    next.is_some_and(|next| next > model.log_start)
}

pub(crate) fn files(run: &Run, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in run.disk.list(directory).unwrap_or_default() {
        let path = directory.join(&entry.name);
        match entry.kind {
            EntryKind::Directory => found.extend(files(run, &path)),
            _ => found.push(path),
        }
    }
    found
}

pub(crate) fn read_what_is_there(run: &Run, stack: &Stack, id: TopicIdPartition) -> Verdict {
    let Some(partition) = stack.store.partition(id) else { return Ok(()) };
    let partition = Arc::clone(&partition);
    let mut next = partition.offsets().log_start_offset;
    let model = &run.models[&id];
    while next < partition.offsets().high_watermark {
        let isolation = Isolation::ReadUncommitted;
        let request = ReadRequest { offset: next, max_bytes: 1, at_least_one_batch: true, isolation };
        let Some(Ok(outcome)) = stack.drive(partition.read(request)) else { return Ok(()) };
        let Some(bytes) = bytes_of(&outcome) else { return Ok(()) };
        let Ok(header) = BatchHeader::parse(&bytes) else { return Ok(()) };
        if (bytes.len() as u64) < header.size() || verify(&bytes).is_err() {
            return Ok(());
        }
        let at = |offset: Offset| model.branch.get(model.index_of(offset.0));
        let is_stored = |known: &Batch| known.is_stored_as(&bytes[PAYLOAD_START..]);
        // The one at `next` is passed over when its own base offset is what rotted.
        let known = at(next).filter(|known| is_stored(known)).or_else(|| at(header.base_offset));
        let whole = known.is_some_and(is_stored);
        require!(whole, "{id}: of a damaged file a batch is served at {next} that was never there");
        let stands = known.is_some_and(|known| known.base == header.base_offset.0);
        if !stands || header.base_offset > next {
            // Base offset and leader epoch lie outside the checksum: only a scrub finds these bits.
            return Ok(());
        }
        next = Offset(header.last_offset().0 + 1);
    }
    Ok(())
}
