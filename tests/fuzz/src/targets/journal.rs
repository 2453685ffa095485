//! The journal of small appends: a start from a data directory whose segments lack what the journal's files hold, or do not hold.
//!
//! | bytes of the input | |
//! |---|---|
//! | 1 | flags, see [`Flags`](input::Flags) |
//! | 1 | what goes wrong in the first start, see [`Trouble`] |
//! | then for each section | place 1, see below; size 2, big-endian; bytes |
//!
//! | bits of a place | |
//! |---|---|
//! | 0 and 1 | 0 and 1: a batch in that half of the journal; 2: one in the half of what was kept; 3: the beginning of a [block](input::Place) |
//! | 2 | at no block of its own, right behind what stands before it |
//! | 3 | a mutation leaves it as it is |
//!
//! Headers that are not given are made, other blocks are zeros, and halves as large as the larger one. A file that no section is of
//! is not there.
//!
//! Of a journal that is not damaged the first start puts the pieces into the segments and changes no other byte; it fails only
//! when the disk does, and then names the file. Recovery then serves all that is good, loses no batch that was durable before, and
//! leaves a log offline as it is. A second start, after a kill or a power loss, comes to that, too, also where the first one was
//! broken off. From a damaged journal a start is refused, with the file's name, and changes nothing; after a repair, which puts what
//! can be read into the segments, it is not, also where the repair was broken off before.
//!
//! A mutation is given its checksum again, so a piece may say anything. Of a journal whose word on a log's end the segments do not
//! bear out, and of a log that is not good up to where it was synced, less is asked: nothing in the segments changes but their end.

mod base;
mod input;
mod mending;
mod model;
mod seeds;
mod segments;

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, OpenMode, write_all_at};
use highwater_store::{LogStore, PartitionState};
use highwater_store_local::LocalStore;
use highwater_store_local::repair::Repair;

use crate::memory::Budget;
use base::{BASE, Contents, NAMES, PARTITIONS, PATH, SYNCED_ENDS};
use input::{Input, Trouble};
use model::{Files, Told};
use segments::Expected;

pub(crate) use mending::mend;
pub(crate) use seeds::seeds;

/// The simulated disk keeps three images of each file; a batch is read as large as its header says.
pub(crate) const BUDGET: Budget = Budget { fixed: 16 << 20, factor: 64 };

pub(crate) fn journal(bytes: &[u8]) {
    let Some(input) = Input::parse(bytes) else { return };
    let before = input.before();
    let files = input.files(bytes);
    let disk = directory(&before, &files, input.flags.told());
    match model::pieces(&files, input.flags.told()) {
        Some(pieces) => check_taken(&disk, &input, &before, &segments::expected(&before, pieces)),
        None => check_refused(&disk, &input, &before, &files),
    }
}

/// Whether the input's journal is damaged or missing.
fn is_refused(bytes: &[u8]) -> bool {
    let input = Input::parse(bytes).unwrap();
    model::pieces(&input.files(bytes), input.flags.told()).is_none()
}

/// So many operations a start of the input takes.
fn operations(bytes: &[u8]) -> u64 {
    let input = Input::parse(bytes).unwrap();
    let disk = directory(&input.before(), &input.files(bytes), input.flags.told());
    let before = disk.operations();
    drop(base::open(&disk, 0).expect("it is good"));
    disk.operations() - before
}

/// The first start, over a trouble, and the second one of a directory whose journal is not damaged.
fn check_taken(disk: &Arc<SimDisk>, input: &Input, before: &Contents, expected: &Expected) {
    let trouble = input.trouble;
    if matches!(trouble, Trouble::Repair) {
        repair(disk);
    }
    trouble.order(disk);
    let first = base::open(disk, 0);
    match (&first, trouble) {
        (Ok(store), Trouble::Nothing | Trouble::Repair) => {
            check_settled(&base::contents(disk), expected);
            base::settle(store);
            check_partitions(disk, store, before, expected);
        }
        (Ok(store), _) => base::settle(store),
        (Err(error), Trouble::File(_, name)) => {
            assert!(error.to_string().contains(name), "which file? {error}");
        }
        (Err(_), Trouble::Crash(_)) if disk.has_crashed() => {}
        (Err(error), _) => panic!("{error} after {trouble:?}"),
    }
    let restarted = restart(disk, input);
    let second = base::open(&restarted, 0).unwrap_or_else(|error| panic!("the second start: {error}"));
    base::settle(&second);
    if let (Ok(first), Trouble::Nothing | Trouble::Repair) = (first, trouble) {
        check_states(&first, &second, expected);
        check_partitions(&restarted, &second, before, expected);
    } else if expected.is_settled {
        // Of pieces that contradict each other a start that is broken off may leave either.
        check_partitions(&restarted, &second, before, expected);
    }
}

/// The first start, over a trouble, and the second one of a directory whose journal is damaged; its repair, and a start after that.
fn check_refused(disk: &Arc<SimDisk>, input: &Input, before: &Contents, files: &Files) {
    let found = base::contents(disk);
    input.trouble.order(disk);
    match (base::open(disk, 0), input.trouble) {
        (Ok(_), trouble) => panic!("the damage is not told, with {trouble:?}"),
        (Err(_), Trouble::Crash(_)) if disk.has_crashed() => {}
        (Err(error), Trouble::File(_, name)) if error.to_string().contains(name) => {}
        (Err(error), _) => check_names_journal(&error.to_string()),
    }
    let restarted = restart(disk, input);
    let error = base::open(&restarted, 0).expect_err("the damage is told at the second start");
    check_names_journal(&error.to_string());
    let left = base::contents(&restarted);
    found.iter().for_each(|(name, bytes)| assert!(left.get(name) == Some(bytes), "{name} was changed"));

    let expected = segments::expected(before, model::salvaged(files));
    let repaired = check_repaired(&restarted, input, files);
    let store = base::open(&repaired, 0).unwrap_or_else(|error| panic!("the start after a repair: {error}"));
    let must_be_settled = expected.is_settled || !input.trouble.is_crash();
    if must_be_settled {
        check_settled(&base::contents(&repaired), &expected);
    }
    base::settle(&store);
    if must_be_settled {
        check_partitions(&repaired, &store, before, &expected);
    }
    // Readers may have seen what is gone. Of a log whose slot was torn nothing tells which epoch it had.
    if before.contains_key(SYNCED_ENDS) && !input.trouble.is_crash() {
        let partitions = store.partitions().into_iter();
        let serving = partitions.filter(|partition| partition.state() == PartitionState::Online);
        serving.for_each(|partition| assert!(partition.offsets().leader_epoch.0 > 0, "{:?}", partition.id()));
    }
}

/// Repairs the directory, once more where the machine stops, and restarts.
fn check_repaired(disk: &Arc<SimDisk>, input: &Input, files: &Files) -> Arc<SimDisk> {
    let mut disk = Arc::clone(disk);
    let is_broken_off = input.trouble.is_crash();
    if is_broken_off {
        input.trouble.order(&disk);
        let repair = Repair::open(Arc::clone(&disk) as Arc<dyn Disk>, Path::new(PATH));
        assert!(repair.is_ok() || disk.has_crashed(), "the repair: {repair:?}");
        disk = restart(&disk, input);
    }
    repair(&disk);
    let repaired = restart(&disk, input);
    let left = base::contents(&repaired);
    for (name, bytes) in NAMES.into_iter().zip([&files.journal, &files.kept]) {
        let kept = left.get(&format!("{name}.suspect"));
        // When the one that is damaged is out of use, the other one may be used.
        assert!(kept == bytes.as_ref() || is_broken_off && kept.is_none(), "{name} was not kept");
    }
    repaired
}

fn repair(disk: &Arc<SimDisk>) {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    drop(Repair::open(disk, Path::new(PATH)).unwrap_or_else(|error| panic!("the repair: {error}")));
}

fn restart(disk: &SimDisk, input: &Input) -> Arc<SimDisk> {
    if input.flags.power_loss() { disk.power_loss(1) } else { disk.kill() }
}

fn check_names_journal(error: &str) {
    assert!(error.contains(NAMES[0]), "which file? {error}");
}

/// The segments hold the pieces, how far these reach is noted, there is no journal, and nothing tells of one.
fn check_settled(contents: &Contents, expected: &Expected) {
    assert!(
        only_segments(contents) == only_segments(&expected.contents),
        "the segments are not as they must be"
    );
    let mut names = contents.keys().filter(|name| name.starts_with(NAMES[0]));
    assert!(names.all(|name| name.ends_with(".suspect")), "{:?}", contents.keys());
    let slots = &contents[SYNCED_ENDS];
    assert!(base::without_journal(slots) == *slots, "a journal is told that is not there");
    for (number, end) in (0..PARTITIONS).filter_map(|number| Some((number, expected.end(number)?))) {
        let noted = base::synced_end(slots, number);
        assert!(noted >= Some(end), "{number}: {noted:?} is noted of {end:?}");
    }
}

/// A directory with these files, the journal's that are there, and what is told of it.
fn directory(before: &Contents, files: &Files, told: Told) -> Arc<SimDisk> {
    let disk = base::new_disk();
    let root = Path::new(PATH);
    disk.create_directory(root).unwrap();
    let mut contents = before.clone();
    let journal = NAMES.into_iter().zip([&files.journal, &files.kept]);
    contents.extend(journal.filter_map(|(name, bytes)| Some((name.to_owned(), bytes.clone()?))));
    if let Some(slot) = base::slot(told) {
        contents.entry(SYNCED_ENDS.to_owned()).or_default().extend(slot);
    }
    for (name, bytes) in &contents {
        let path = root.join(name);
        let parent = path.parent().unwrap();
        if disk.list(parent).is_err() {
            disk.create_directory(parent).unwrap();
        }
        let file = disk.open(&path, OpenMode::CreateNew).unwrap();
        write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory(parent).unwrap();
    }
    for directory in [root, Path::new("/")] {
        disk.sync_directory(directory).unwrap();
    }
    disk
}

/// Nothing that was durable is lost, what is good is in the log, and nothing was changed but that a log may have lost a bad end.
fn check_partitions(disk: &SimDisk, store: &LocalStore, before: &Contents, expected: &Expected) {
    let after = base::contents(disk);
    for number in 0..PARTITIONS {
        let partition = store.partition(base::id(number)).expect("a partition of the topic");
        let serves = partition.state() == PartitionState::Online;
        let must_serve = must_serve(before, expected, number);
        assert!(serves || !must_serve, "{number}: {:?}", partition.state());
        let agrees = expected.is_in_row(number) && is_good_to_synced_end(before, expected, number);
        for (name, bytes) in only_segments(&after).iter().filter(|(name, _)| is_of(name, number)) {
            let whole = expected.contents.get(name).map_or(&[][..], |whole| whole);
            assert!(whole.starts_with(bytes), "{name} was changed");
            let may_be_cut = serves || !agrees;
            assert!(may_be_cut || whole == bytes, "{name} was cut, and then {:?}", partition.state());
        }
        let good = segments::row(&expected.contents, number).0;
        let (row, whole) = segments::row(&after, number);
        let durable = segments::row(before, number).0;
        let kept = durable.iter().zip(&good).take_while(|(one, other)| one == other).count();
        assert!(row.len() >= kept, "{number}: {kept} batches were durable, {row:?} are left");
        if must_serve {
            assert!(whole && row == good, "{number}: {row:?} of {good:?}");
            assert_eq!(partition.offsets().log_end_offset.0, row.last().map_or(0, |end| end.0), "{number}");
        }
    }
}

/// Whether everything in the partition's segments is good, and reaches as far as it was synced. A log that ends before is not put
/// into service; sealed segments before that are read by nobody at a start.
fn must_serve(before: &Contents, expected: &Expected, number: i32) -> bool {
    expected.is_good(number) && is_good_to_synced_end(before, expected, number)
}

fn is_good_to_synced_end(before: &Contents, expected: &Expected, number: i32) -> bool {
    let good = segments::row(&expected.contents, number).0;
    let synced = before.contains_key(SYNCED_ENDS).then(|| segments::row(&BASE.written, number).0);
    synced.is_none_or(|synced| synced.iter().all(|end| good.contains(end)))
}

/// A partition that served serves again, if what the journal said of its end is so. Where its segments are not good, the second
/// start may see another end: how far they were synced was told by the journal alone, which is gone.
fn check_states(first: &LocalStore, second: &LocalStore, expected: &Expected) {
    let serves = |store: &LocalStore, number| {
        store.partition(base::id(number)).expect("it is there").state() == PartitionState::Online
    };
    for number in (0..PARTITIONS).filter(|number| expected.is_in_row(*number) && serves(first, *number)) {
        assert!(serves(second, number), "{number} does not serve after a second start");
    }
}

fn only_segments(contents: &Contents) -> Contents {
    let segments = contents.iter().filter(|(name, _)| name.ends_with(".log"));
    segments.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

fn is_of(name: &str, partition: i32) -> bool {
    name.starts_with(&format!("topic-{partition}/"))
}
