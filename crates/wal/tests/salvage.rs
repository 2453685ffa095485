//! What a survey finds in damaged logs, and what is served after a salvage.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::sim::{Random, SimDisk};
use highwater_disk::{Disk, OpenMode};
use highwater_types::Offset;
use highwater_wal::format::{HEADER_SIZE, SimpleFormat};
use highwater_wal::{RecoverFrom, Survey, SurveyFrom, Wal};
use support::{
    DIRECTORY, Known, contents, create, known, names, new_disk, options, path, read_all, recover,
    segment_name, stage, stage_many, sync, write, write_file,
};

/// Bytes of an entry with a payload of 68.
const ENTRY_SIZE: u64 = 100;

fn log(count: usize, per_segment: u64) -> (Arc<SimDisk>, Vec<Known>) {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(per_segment * ENTRY_SIZE));
    let entries = stage_many(&mut wal, count, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    (disk, entries)
}

fn survey(disk: &Arc<SimDisk>, boundary: usize, holes_allowed: bool) -> Survey {
    let boundary = Some(Offset(i64::try_from(boundary).unwrap()));
    let from = SurveyFrom { log_start_offset: Some(Offset::ZERO), boundary, holes_allowed };
    Wal::survey(disk.clone(), DIRECTORY.into(), &SimpleFormat, from, &mut |_, _, _, _| {}).unwrap()
}

/// An entry over the offsets that are lost at the end.
fn bridge(survey: &Survey) -> Option<Vec<u8>> {
    let (from, end) = survey.lost_end?;
    SimpleFormat::entry(from, u32::try_from(end.since(from)).unwrap(), BRIDGE)
}

const BRIDGE: &[u8] = b"nothing but offsets";

/// Salvages and recovers; returns the entries that are served, but for bridges, and the end.
fn salvage(disk: &Arc<SimDisk>, survey: &Survey, boundary: usize) -> (Vec<Known>, Offset) {
    Wal::salvage(disk.clone(), DIRECTORY.into(), survey, bridge(survey).as_deref()).unwrap();
    let boundary = Some(Offset(i64::try_from(boundary).unwrap()));
    let from = RecoverFrom { boundary, holes_allowed: true, ..RecoverFrom::default() };
    let (wal, report) = recover(disk, options(10_000), from).unwrap();
    assert_eq!(report.cut, None);
    let (mut entries, end) = (read_all(&wal), wal.staged_end().offset);
    assert!(entries.last().is_none_or(|last| last.last.next() == end), "an entry leads to the end");
    entries.retain(|entry| !entry.bytes.ends_with(BRIDGE));
    (entries, end)
}

fn change(disk: &SimDisk, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = contents(disk, name);
    change(&mut bytes);
    write_file(disk, &path(name), &bytes).unwrap();
    disk.open(&path(name), OpenMode::ReadWrite).unwrap().sync_data().unwrap();
}

fn lost(survey: &Survey) -> Vec<(i64, i64)> {
    survey.damage.iter().map(|damage| (damage.lost.0.0, damage.lost.1.0)).collect()
}

#[test]
fn a_whole_log_has_no_damage_and_a_torn_tail_is_none() {
    let (disk, _) = log(10, 4);
    let whole = survey(&disk, 10, false);
    assert!(!whole.is_damaged() && whole.tail.is_none());
    assert_eq!((whole.segments, whole.entries, whole.end), (3, 10, Offset(10)));
    change(&disk, &segment_name(8), |bytes| bytes.extend([9; 30]));
    let torn = survey(&disk, 10, false);
    assert!(!torn.is_damaged());
    assert_eq!(torn.tail.map(|tail| (tail.position.0, tail.bytes)), Some((200, 30)));
}

#[test]
fn behind_a_bad_payload_the_log_goes_on_and_the_old_file_is_kept() {
    let (disk, mut entries) = log(10, 4);
    change(&disk, &segment_name(4), |bytes| bytes[150] ^= 1);
    let before = contents(disk.as_ref(), &segment_name(4));
    let found = survey(&disk, 10, false);
    assert_eq!(lost(&found), [(5, 6)]);
    assert_eq!((found.damage[0].position.0, found.damage[0].bytes), (100, 100));
    entries.remove(5);
    assert_eq!(salvage(&disk, &found, 10), (entries, Offset(10)));
    assert_eq!(contents(disk.as_ref(), "00000000000000000004.log.suspect"), before);
    assert!(!survey(&disk, 10, true).is_damaged());
}

#[test]
fn a_lost_end_is_skipped_so_that_no_offset_is_given_out_twice() {
    let (disk, mut entries) = log(10, 4);
    change(&disk, &segment_name(8), |bytes| bytes.truncate(130));
    let found = survey(&disk, 10, false);
    assert_eq!(lost(&found), [(9, 10)]);
    entries.truncate(9);
    assert_eq!(salvage(&disk, &found, 10), (entries, Offset(10)));
}

#[test]
fn a_hole_at_the_end_is_damage_until_an_entry_leads_over_it() {
    let (disk, mut entries) = log(10, 4);
    change(&disk, &segment_name(8), |bytes| bytes.truncate(130));
    // What was salvaged without an entry over the hole, or a salvage that was killed before it wrote that, leaves this.
    Wal::salvage(disk.clone(), DIRECTORY.into(), &survey(&disk, 10, false), None).unwrap();
    let found = survey(&disk, 10, true);
    assert_eq!((lost(&found), found.lost_end), (vec![(9, 10)], Some((Offset(9), Offset(10)))));
    assert_eq!((found.holes.as_slice(), found.end), ([].as_slice(), Offset(10)));
    entries.truncate(9);
    assert_eq!(salvage(&disk, &found, 10), (entries, Offset(10)));
    let after = survey(&disk, 10, true);
    assert!(!after.is_damaged() && after.holes.is_empty(), "{after:?}");
}

#[test]
fn a_directory_in_the_place_of_the_last_segment_is_kept_beside() {
    let (disk, mut entries) = log(10, 4);
    disk.remove_file(&path(&segment_name(8))).unwrap();
    disk.create_directory(&path(&segment_name(8))).unwrap();
    let found = survey(&disk, 10, false);
    assert_eq!(lost(&found), [(8, 10)]);
    entries.truncate(8);
    assert_eq!(salvage(&disk, &found, 10), (entries, Offset(10)));
    assert!(names(disk.as_ref()).contains(&format!("{}.suspect", segment_name(8))));
}

#[test]
fn with_every_segment_lost_the_log_is_empty_and_ends_where_it_did() {
    let (disk, _) = log(10, 4);
    for name in names(disk.as_ref()) {
        disk.remove_file(&path(&name)).unwrap();
    }
    let found = survey(&disk, 10, false);
    assert_eq!(lost(&found), [(0, 10)]);
    assert_eq!(salvage(&disk, &found, 10), (Vec::new(), Offset(10)));
}

#[test]
fn an_entry_inside_the_payload_of_a_damaged_one_is_not_served() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(10_000));
    let mut entries = stage_many(&mut wal, 2, 68);
    // Two entries that would continue the log, as records of another log's segment would.
    let inner = [known(Offset(3), 1, &[7; 40]).bytes, known(Offset(4), 1, &[7; 40]).bytes].concat();
    let outer = known(Offset(2), 1, &[&[5; 20], inner.as_slice(), &[5; 20]].concat());
    stage(&mut wal, &outer);
    let more = stage_many(&mut wal, 5, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    change(&disk, &segment_name(0), |bytes| bytes[200..200 + HEADER_SIZE].fill(0xee));
    let found = survey(&disk, 8, false);
    assert_eq!(lost(&found), [(2, 3)]);
    entries.extend(more);
    assert_eq!(salvage(&disk, &found, 8), (entries, Offset(8)));
}

#[test]
fn any_damage_is_found_and_everything_else_is_served() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    for seed in seed.map_or(0..400, |seed: u64| seed..seed + 1) {
        println!("seed {seed}");
        any_damage(seed);
    }
}

fn any_damage(seed: u64) {
    let mut random = Random::new(seed);
    let disk = new_disk(seed);
    let mut wal = create(&disk, options(600));
    let mut entries = Vec::new();
    for _ in 0..5 + random.index(40) {
        let count = 1 + u32::try_from(random.index(4)).unwrap();
        let mut payload = vec![0; random.index(150)];
        random.fill(&mut payload);
        let entry = known(wal.staged_end().offset, count, &payload);
        stage(&mut wal, &entry);
        entries.push(entry);
    }
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    let end = wal.synced_end().offset;
    drop(wal);
    let boundary = usize::try_from(end.0).unwrap();
    let mut holes_allowed = false;
    for _ in 0..1 + random.index(3) {
        let before = read_files(&disk);
        damage(&disk, &mut random);
        let changed = read_files(&disk) != before;
        let found = survey(&disk, boundary, holes_allowed);
        if !holes_allowed {
            assert_eq!(found.is_damaged() || found.tail.is_some(), changed, "seed {seed}: {found:?}");
        }
        if !found.is_damaged() {
            break;
        }
        let (served, served_end) = salvage(&disk, &found, boundary);
        assert_eq!(served_end, end, "seed {seed}");
        let is_lost = |entry: &Known| {
            found.damage.iter().any(|damage| damage.lost.0 <= entry.base && entry.last < damage.lost.1)
        };
        let expected: Vec<_> = entries.iter().filter(|entry| !is_lost(entry)).cloned().collect();
        assert_eq!(served, expected, "seed {seed}: {found:?}");
        entries = expected;
        holes_allowed = true;
        let after = survey(&disk, boundary, true);
        assert!(!after.is_damaged() && after.tail.is_none(), "seed {seed}: {after:?}");
    }
}

fn segments(disk: &SimDisk) -> Vec<String> {
    names(disk).into_iter().filter(|name| name.ends_with(".log")).collect()
}

fn read_files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    segments(disk).into_iter().map(|name| (name.clone(), contents(disk, &name))).collect()
}

fn damage(disk: &SimDisk, random: &mut Random) {
    let all: Vec<_> = segments(disk).into_iter().filter(|name| !contents(disk, name).is_empty()).collect();
    let Some(name) = all.get(random.index(all.len().max(1))) else { return };
    let size = contents(disk, name).len();
    let (at, count) = (random.index(size), 1 + random.index(200));
    let end = (at + count).min(size);
    match random.below(6) {
        0 => change(disk, name, |bytes| bytes[at] ^= 1 << random.below(8)),
        1 => change(disk, name, |bytes| random.fill(&mut bytes[at..end])),
        2 => change(disk, name, |bytes| bytes[at..end].fill(0)),
        3 => change(disk, name, |bytes| bytes.truncate(at)),
        4 => change(disk, name, |bytes| bytes.extend(std::iter::repeat_n(0xab, count))),
        _ => disk.remove_file(&path(name)).unwrap(),
    }
}

#[test]
fn a_salvage_that_is_killed_anywhere_is_done_again() {
    let damaged = || {
        let (disk, entries) = log(12, 4);
        change(&disk, &segment_name(4), |bytes| bytes[150] ^= 1);
        change(&disk, &segment_name(8), |bytes| bytes.truncate(130));
        (disk, entries)
    };
    let (disk, _) = damaged();
    let found = survey(&disk, 12, false);
    let before = disk.operations();
    salvage(&disk, &found, 12);
    for crash in before..disk.operations() {
        for seed in 0..3 {
            let (disk, mut entries) = damaged();
            let found = survey(&disk, 12, false);
            disk.crash_at(crash);
            let _ = Wal::salvage(disk.clone(), DIRECTORY.into(), &found, bridge(&found).as_deref());
            let disk = if seed == 0 { disk.kill() } else { disk.power_loss(seed) };
            Wal::finish_replacements(disk.clone(), DIRECTORY.into()).unwrap();
            let again = survey(&disk, 12, true);
            entries.retain(|entry| entry.base != Offset(5) && entry.base.0 < 9);
            assert_eq!(salvage(&disk, &again, 12), (entries, Offset(12)), "crash at {crash}, seed {seed}");
        }
    }
}

#[test]
fn a_survey_shows_each_good_entry_whole() {
    let (disk, entries) = log(3, 10);
    let mut seen = Vec::new();
    let from = SurveyFrom::default();
    Wal::survey(
        disk.clone(),
        DIRECTORY.into(),
        &SimpleFormat,
        from,
        &mut |segment, position, header, bytes| {
            assert_eq!(segment, Offset::ZERO);
            seen.push((position.0, header.base_offset, Bytes::copy_from_slice(bytes)));
        },
    )
    .unwrap();
    let expected: Vec<_> = entries
        .iter()
        .zip(0..)
        .map(|(entry, at)| (at * 100, entry.base, Bytes::from(entry.bytes.clone())))
        .collect();
    assert_eq!(seen, expected);
}
