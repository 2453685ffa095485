//! Damage at rest: a bit flips, or bytes become unreadable, in some file of a directory that nobody uses. Then whatever
//! a client gets must be what was sent, or an error. A batch that does not match its checksum counts as an error: every
//! client checks it. Not covered: the twelve bytes of a batch that its checksum does not cover.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, EntryKind, OpenMode};
use highwater_partition_log::{Isolation, ReadRequest};
use highwater_store::LogStore;
use highwater_types::{Offset, TopicIdPartition};
use highwater_wire::record::{BatchHeader, verify};

use crate::run::Run;
use crate::stack::{DATA, Stack};
use crate::steps::PAYLOAD_START;
use crate::watch::bytes_of;
use crate::{Verdict, require};

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
    let Ok(stack) = Stack::open(&run.disk, &run.ticks) else { return Ok(()) };
    if run.metadata.found(&stack.records).is_err() && path.ends_with("meta.redb") {
        // Nobody promises to find each flipped bit in a file of redb.
        return Ok(());
    }
    stack.settle();
    let ids: Vec<_> = run.models.keys().copied().collect();
    for id in ids {
        read_what_is_there(run, &stack, id)?;
    }
    Ok(())
}

fn files(run: &Run, directory: &Path) -> Vec<PathBuf> {
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

fn read_what_is_there(run: &Run, stack: &Stack, id: TopicIdPartition) -> Verdict {
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
        let known = model.branch.get(model.index_of(next.0));
        let whole = known.is_some_and(|known| known.payload[..] == bytes[PAYLOAD_START..]);
        require!(whole, "{id}: of a damaged file a batch is served at {next} that was never there");
        if known.is_none_or(|known| known.base != header.base_offset.0) {
            // Base offset and leader epoch lie outside the checksum: only a scrub finds these bits.
            return Ok(());
        }
        next = Offset(header.last_offset().0 + 1);
    }
    Ok(())
}
