//! The mode in which a power loss destroys the physical block that was being written, with what was durable in it. The
//! stack assumes that this does not happen; where it does, this still holds, for logs, and is looked at here:
//!
//! - nothing is served that was not sent;
//! - what is lost is a tail, of no more than one block of acknowledged bytes, and it is told: the partition is offline with
//!   its cause, or the rest is kept aside as `<base>.cut-<position>` or `.suspect` and the epoch is higher.
//!
//! Of the metadata only that a process that starts serves nothing else: its file may be beyond use, which is told.

use std::path::Path;

use highwater_disk::{Disk, EntryKind};
use highwater_store::{LogStore, PartitionState};
use highwater_types::TopicIdPartition;

use crate::rot::{files, read_what_is_there};
use crate::run::Run;
use crate::stack::{DATA, Stack};
use crate::{Verdict, Violation, require};

const PHYSICAL_BLOCK_SIZE: usize = 4096;

/// Lives once more, and loses power in the worst way.
pub(crate) fn destroy(run: &mut Run) -> Verdict {
    let Some(mut stack) = run.start()? else { return Err(Violation("it did not start".to_owned())) };
    stack.settle();
    run.look(&stack)?;
    run.disk.crash_at(1 + run.random.below(250));
    for _ in 0..60 {
        if run.disk.has_crashed() {
            break;
        }
        run.step(&mut stack)?;
        run.look(&stack)?;
    }
    run.note(|| "power fails and destroys blocks");
    run.disk.set_destroys_blocks(true);
    let next = run.disk.power_loss(run.random.number());
    run.disk.set_destroys_blocks(false);
    run.pending.clear();
    drop(stack);
    run.disk = next;
    run.disk.set_destroys_blocks(false);
    look(run)
}

fn look(run: &mut Run) -> Verdict {
    let Ok(stack) = Stack::open(&run.disk, &run.ticks, None, run.journal) else {
        run.count("did not start after a destroyed block");
        return Ok(());
    };
    if run.metadata.found(&stack.records).is_err() {
        // redb takes an older state where its newest is beyond use: the file was being written.
        run.count("metadata fell back after a destroyed block");
        return Ok(());
    }
    stack.settle();
    let ids: Vec<_> = run.models.keys().copied().collect();
    for id in ids {
        look_at(run, &stack, id)?;
    }
    Ok(())
}

fn look_at(run: &mut Run, stack: &Stack, id: TopicIdPartition) -> Verdict {
    let Some(partition) = stack.store.partition(id) else { return Ok(()) };
    if let PartitionState::Unavailable(problem) = partition.state() {
        run.note(|| format!("{id} is not served: {problem}"));
        run.count("partition offline after a destroyed block");
        return Ok(());
    }
    read_what_is_there(run, stack, id)?;
    let (end, model) = (partition.offsets().log_end_offset.0, &run.models[&id]);
    if end >= model.power_floor {
        return Ok(());
    }
    let lost = &model.branch[model.index_of(end)..model.index_of(model.power_floor)];
    // The first may begin in the block before.
    let bytes: usize = lost.iter().skip(1).map(|batch| batch.sent.len()).sum();
    require!(
        bytes <= PHYSICAL_BLOCK_SIZE,
        "{id} loses {bytes} bytes that were durable, with one block destroyed"
    );
    let topic = run.disk.list(Path::new(DATA)).unwrap_or_default();
    let kept = topic.iter().filter(|entry| entry.kind == EntryKind::Directory).any(|entry| {
        let names = files(run, &Path::new(DATA).join(&entry.name));
        names.iter().any(|path| {
            let name = path.to_string_lossy();
            name.contains(".cut-") || name.contains(".suspect")
        })
    });
    require!(kept, "{id} loses what was durable from {end} on without a word; one block was destroyed");
    let epoch = partition.offsets().leader_epoch.0;
    require!(epoch > model.leader_epoch, "{id} loses what was durable from {end} on, still in epoch {epoch}");
    run.count("acknowledged tail lost and told of after a destroyed block");
    Ok(())
}
