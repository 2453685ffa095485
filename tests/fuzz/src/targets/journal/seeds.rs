//! What a store left: whole, and with each kind of damage; as what was kept, as a copy; with and without trouble.

use super::base::{BASE, MADE};
use super::input::{Flags, MARK, head, put};
use super::mending::{mend, seal_batch, seal_turn};
use super::model::{BLOCK, FRAME_SIZE, HEADER_SIZE, number};

/// Places of sections, and the first byte of one that begins a block.
const HALVES: [u8; 2] = [0, 1];
const KEPT: u8 = 2;
const HEAD: u8 = 3;
const RAW: u8 = 8;
const HEADER: u8 = 0;
const TURNS: [u8; 2] = [1, 2];
const KEPT_HEADER: u8 = 3;
/// Sections of the whole journal: what tells of turn 2, which is half 0's, and of turn 1, and the batches as they are read.
const LAST_TURN: usize = 0;
const TURN_BEFORE: usize = 1;
const OLDEST: usize = 2;
const MIDDLE: usize = 3;
const FIRST: usize = 5;
const NEWEST: usize = 6;
/// Of turn 0.
const STALE: usize = 7;
const END: usize = 8;
const HALF_BYTES: usize = 3 * BLOCK;
/// Where the number of a turn stands, and that of a batch.
const NUMBER: usize = 16;
/// Troubles, the first one within the first write or sync.
const FIRST_CRASH: u8 = 13;
const REPAIR: u8 = 4;
const THERE: u8 = Flags::THERE;
const COPIED: u8 = Flags::COPIED;
const CHAINED: u8 = Flags::CHAINED;

type Sections = Vec<(u8, Vec<u8>)>;

/// An input, and whether a start is refused.
type Seed = (Vec<u8>, bool);

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let whole = whole();
    let groups = [taken, damaged, contradictory, without_end, copied, kept];
    let seeds: Vec<_> = groups.into_iter().flat_map(|group| group(&whole)).collect();
    for (index, (seed, is_refused)) in seeds.iter().enumerate() {
        assert_eq!(super::is_refused(seed), *is_refused, "seed {index}");
    }
    seeds.into_iter().map(|(seed, _)| seed).collect()
}

/// The journal.
fn whole() -> Sections {
    let journal = &BASE.journal;
    let [first, second] = &journal.batches;
    assert_eq!([first.len(), second.len()], [END - FIRST, FIRST - OLDEST], "turn 2 has two batches so far");
    let turns = TURNS.into_iter().zip(&journal.turns).map(|(block, turn)| block_of(block, turn));
    let halves = [(HALVES[1], second), (HALVES[0], first)].into_iter();
    let batches = halves.flat_map(|(half, batches)| batches.iter().map(move |batch| (half, batch.clone())));
    turns.chain(batches).collect()
}

fn block_of(block: u8, bytes: &[u8]) -> (u8, Vec<u8>) {
    (HEAD, [&[block], bytes].concat())
}

fn taken(whole: &Sections) -> Vec<Seed> {
    let flags = [THERE | Flags::POWER_LOSS, THERE | Flags::WRITTEN, THERE | Flags::FORGETS, COPIED];
    let crashes = last_crashes(THERE, whole);
    let segments = [6, 10];
    let files = [11, 39];
    let troubles = [&crashes[..], &segments, &files, &[REPAIR]].concat();
    let mut inputs = flags.map(|flags| input(flags, 0, whole)).to_vec();
    inputs.extend(
        troubles.into_iter().map(|trouble| input(THERE | (trouble & Flags::POWER_LOSS), trouble, whole)),
    );
    inputs.push(mended(CHAINED | Flags::JOINED, whole));
    inputs.push(input(0, 0, &[]));
    inputs.into_iter().map(|input| (input, false)).collect()
}

/// Troubles: the machine stops within the last operations of a start, which end with the journal's removal.
fn last_crashes(flags: u8, sections: &Sections) -> [u8; 6] {
    let operations = super::operations(&input(flags, 0, sections));
    [0, 1, 2, 3, 4, 5].map(|back| u8::try_from(4 * (operations - 1 - back) + 1).unwrap())
}

/// Each section that is not as it was written.
fn damaged(whole: &Sections) -> Vec<Seed> {
    let is_refused = |index| ![TURN_BEFORE, NEWEST, STALE].contains(&index);
    let each = (0..END).map(|index| (input(THERE, 0, &damage(whole, index)), is_refused(index)));
    let troubles = [(THERE, FIRST_CRASH), (0, 7)];
    let over_trouble = troubles.map(|(flags, trouble)| (input(flags, trouble, &damage(whole, MIDDLE)), true));
    each.chain(over_trouble).collect()
}

fn damage(whole: &Sections, index: usize) -> Sections {
    changed(whole, index, |bytes| match index % 3 {
        _ if index < OLDEST => bytes[20] ^= 1,
        0 => bytes.truncate(bytes.len() / 2),
        1 => bytes[HEADER_SIZE + FRAME_SIZE + 9] ^= 4,
        _ => bytes[9] ^= 1,
    })
}

/// Another section in the place of one.
fn changed(whole: &Sections, index: usize, change: impl FnOnce(&mut Vec<u8>)) -> Sections {
    let mut sections = whole.clone();
    let (place, bytes) = &mut sections[index];
    *place |= RAW;
    change(bytes);
    sections
}

/// Every checksum is right, but what is said does not fit.
fn contradictory(whole: &Sections) -> Vec<Seed> {
    let turn = |index, mark, number| {
        changed(whole, index, |bytes| {
            put(&mut bytes[1..], NUMBER, number);
            seal_turn(&mut bytes[1..], mark);
        })
    };
    let batch = |index, mark, change: &dyn Fn(&mut Vec<u8>)| {
        changed(whole, index, |bytes| {
            change(bytes);
            seal_batch(bytes, mark);
        })
    };
    let sequence = |sequence| move |bytes: &mut Vec<u8>| put(bytes, NUMBER, sequence);
    let newest = number(&whole[NEWEST].1, NUMBER, 8).unwrap();
    let too_many = [&whole[..FIRST], &[(HALVES[1], whole[FIRST].1.clone())], &whole[FIRST..]].concat();
    vec![
        (input(THERE, 0, &turn(LAST_TURN, MARK, 4)), true),
        (input(THERE, 0, &turn(LAST_TURN, MARK + 1, 2)), true),
        // Of the other half: as if it could not be read.
        (input(THERE, 0, &turn(TURN_BEFORE, MARK, 0)), false),
        (input(THERE, 0, &too_many), true),
        (input(THERE, 0, &batch(FIRST, MARK, &|bytes: &mut Vec<u8>| bytes.push(0))), true),
        // Another journal's are not looked at.
        (input(THERE, 0, &batch(STALE, MARK + 1, &sequence(newest + 1))), false),
        (input(THERE, 0, &batch(STALE, MARK, &sequence(newest + 2))), true),
        (input(THERE, 0, &first_turns(whole)), true),
        (input(THERE, 0, &[first_turns(whole), vec![(HEAD | RAW, vec![TURNS[1], 1])]].concat()), true),
    ]
}

/// Turns 0 and 1, of which nothing tells of the second one.
fn first_turns(whole: &Sections) -> Sections {
    let mut turn = whole[TURN_BEFORE].1[1..].to_vec();
    put(&mut turn, NUMBER, 0);
    seal_turn(&mut turn, MARK);
    let halves = [(HALVES[0], OLDEST..FIRST), (HALVES[1], FIRST..STALE)];
    let batches = halves.map(|(half, of)| whole[of].iter().map(move |(_, batch)| (half, batch.clone())));
    [block_of(TURNS[0], &turn)].into_iter().chain(batches.into_iter().flatten()).collect()
}

/// Headers that cannot be read or say something else, a journal that is cut or not there.
fn without_end(whole: &Sections) -> Vec<Seed> {
    let with = |made, size| [&[block_of(HEADER, &head(MARK, made, size))], whole.as_slice()].concat();
    let unreadable = changed(&with(MADE, HALF_BYTES), 0, |bytes| bytes[12] ^= 1);
    // Nothing but its length tells that a block of zeros is gone.
    let longer = [whole.as_slice(), &[(HALVES[1], vec![0])]].concat();
    vec![
        (input(THERE, 0, &unreadable), true),
        (input(THERE, 0, &with(MADE - 1, HALF_BYTES)), true),
        (input(Flags::NEWER, 0, &with(MADE + 1, HALF_BYTES)), false),
        (input(Flags::NEWER, 0, whole), true),
        (input(0, 0, &with(MADE, HALF_BYTES - BLOCK)), true),
        (input(Flags::CUT, 0, &longer), true),
        (input(THERE, 0, &[]), true),
    ]
}

/// Of a copy nothing but what was kept must be whole.
fn copied(whole: &Sections) -> Vec<Seed> {
    let middle = damage(whole, MIDDLE);
    // Older than what can be read of the last turns, and not used.
    let stale = changed(&middle, STALE, |bytes| {
        bytes[HEADER_SIZE + FRAME_SIZE] ^= 1;
        seal_batch(bytes, MARK);
    });
    let mut inputs = vec![
        input(COPIED, 0, &[]),
        input(COPIED | Flags::CUT, 0, whole),
        input(COPIED | Flags::WRITTEN, 0, &stale),
        input(COPIED, REPAIR, &middle),
        input(COPIED, 0, &damage(whole, LAST_TURN)),
    ];
    let [_, removal, _, noted, ..] = last_crashes(COPIED, &middle);
    inputs.extend([removal, noted].map(|trouble| input(COPIED | Flags::POWER_LOSS, trouble, &middle)));
    inputs.into_iter().map(|input| (input, false)).collect()
}

fn kept(whole: &Sections) -> Vec<Seed> {
    let kept: Sections = whole[OLDEST..FIRST].iter().map(|(_, batch)| (KEPT, batch.clone())).collect();
    let last = kept.len() - 1;
    let longer = block_of(KEPT_HEADER, &head(0, 0, HALF_BYTES + BLOCK));
    vec![
        (mended(CHAINED, &kept), false),
        (mended(CHAINED | THERE, &[&kept[..1], whole].concat()), false),
        (mended(CHAINED | COPIED, &damage(&kept, last)), true),
        (mended(CHAINED | THERE, &[&damage(&kept, 0)[..1], whole].concat()), true),
        (mended(0, &[&[longer], kept.as_slice()].concat()), true),
    ]
}

/// The input after what a mutation does to all that is not raw.
fn mended(flags: u8, sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut input = input(flags, 0, sections);
    mend(&mut input);
    input
}

fn input(flags: u8, trouble: u8, sections: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut input = vec![flags, trouble];
    for (place, bytes) in sections {
        input.push(*place);
        input.extend(u16::try_from(bytes.len()).unwrap().to_be_bytes());
        input.extend(bytes);
    }
    input
}
