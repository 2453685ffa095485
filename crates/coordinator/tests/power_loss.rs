//! Groups over the real metadata store on a simulated disk that dies at any operation, with or without its power: what was
//! answered is there afterwards, and members go on in the generation that they were told.
//!
//! `SEED=n` replays one run, `SEEDS=n` sets how many there are.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use highwater_coordinator::{
    Answer, CommitOffset, Effect, GroupConfig, Groups, Heartbeat, Join, Now, OffsetCommit, Protocol, Request,
    Sync, Ticket,
};
use highwater_disk::Disk;
use highwater_disk::sim::{Random, SimDisk};
use highwater_store::MetaRecord;
use highwater_store_local::meta::MetaCore;
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

const GROUP: &str = "workers";
const PARTITIONS: i32 = 5;
/// Lives of one broker in one run.
const LIVES: u64 = 6;
/// Session and rebalance timeout of every member.
const TIMEOUT_MS: u64 = 30_000;
/// A life ends within so many operations of the disk.
const OPERATIONS: u64 = 120;

/// What the clients know, over all lives.
#[derive(Debug, Default)]
struct Known {
    /// For each partition the offsets that were sent, rising, and how many of them are settled by an answer.
    offsets: BTreeMap<i32, (Vec<i64>, usize)>,
    /// The member and the generation that it was told to be stable in.
    stable: Option<(Arc<str>, i32)>,
    next_offset: i64,
    next_member: u8,
}

/// One life of the broker.
struct Life {
    core: MetaCore,
    groups: Groups,
    now: Now,
    tickets: u64,
}

fn partition(index: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TopicId([7; 16]), partition: index }
}

impl Life {
    /// Opens the store and loads the groups; `None` when the disk died meanwhile.
    fn begin(disk: &Arc<SimDisk>) -> Option<Self> {
        let opened = MetaCore::open(Arc::clone(disk) as Arc<dyn Disk>, Path::new("/meta"));
        let mut core = opened.map_err(|error| assert!(disk.has_crashed(), "{error}")).ok()?;
        let records = core.load().map_err(|error| assert!(disk.has_crashed(), "{error}")).ok()?;
        let (mut groups, mut offsets) = (Vec::new(), Vec::new());
        for record in records {
            match record {
                MetaRecord::Group(record) => groups.push(record),
                MetaRecord::Offset(record) => offsets.push((record, "topic".into())),
                other => panic!("nobody wrote {other:?}"),
            }
        }
        let now = Now { instant: Instant(0), timestamp: Timestamp(1_700_000_000_000) };
        let mut loaded = Groups::new(GroupConfig { initial_rebalance_delay_ms: 0, ..GroupConfig::default() });
        loaded.load(now, groups, offsets);
        Some(Self { core, groups: loaded, now, tickets: 0 })
    }

    /// Sends requests at once and carries out what comes of them, all commits in one durable write; the answers, or
    /// `None` when the disk died.
    fn call(&mut self, disk: &SimDisk, requests: Vec<Request>) -> Option<Vec<(Ticket, Answer)>> {
        let (mut answers, mut commits) = (Vec::new(), Vec::new());
        let (mut effects, count) = (Vec::new(), requests.len());
        for request in requests {
            self.tickets += 1;
            effects.extend(self.groups.handle(self.now, Ticket(self.tickets), request));
        }
        effects.extend(self.groups.advance(self.now));
        loop {
            for effect in effects.drain(..) {
                match effect {
                    Effect::Answer(ticket, answer) => answers.push((ticket, answer)),
                    Effect::Commit(id, changes) => commits.push((id, changes)),
                }
            }
            if commits.is_empty() && answers.len() == count {
                return Some(answers);
            }
            if commits.is_empty() {
                // A rebalance waits for a member of an earlier life that nobody speaks for any more.
                self.now.instant = self.now.instant.plus_ms(TIMEOUT_MS + 1);
                effects.extend(self.groups.advance(self.now));
                continue;
            }
            let (ids, changes): (Vec<_>, Vec<_>) = commits.drain(..).unzip();
            let outcome = self.core.commit_many(&changes);
            if let Err(error) = outcome {
                assert!(disk.has_crashed(), "{error}");
                return None;
            }
            for id in ids {
                effects.extend(self.groups.committed(self.now, id, Ok(())));
            }
        }
    }
}

impl Known {
    /// What a start found is what was answered, or something later that was sent.
    fn check(&self, life: &mut Life, disk: &SimDisk, seed: u64) -> Option<()> {
        for (index, (sent, settled)) in &self.offsets {
            let found = life.groups.fetch_offset(GROUP, partition(*index)).map(|committed| committed.offset);
            let place = found.map(|offset| sent.iter().position(|known| *known == offset));
            let is_good = match place {
                None => *settled == 0,
                Some(place) => place.is_some_and(|place| place + 1 >= *settled),
            };
            assert!(
                is_good,
                "seed {seed}: partition {index}: found {found:?}, sent {sent:?}, {settled} settled"
            );
        }
        let Some((member_id, generation)) = &self.stable else { return Some(()) };
        let heartbeat = Heartbeat {
            group_id: GROUP.into(),
            member_id: Arc::clone(member_id),
            instance_id: None,
            generation: *generation,
        };
        let answers = life.call(disk, vec![Request::Heartbeat(heartbeat)])?;
        let [(_, Answer::Code(code))] = &answers[..] else { panic!("seed {seed}: {answers:?}") };
        assert_eq!(*code, ErrorCode::None, "seed {seed}: {member_id} was stable in generation {generation}");
        Some(())
    }

    /// Several clients commit at once.
    fn commit(&mut self, life: &mut Life, disk: &SimDisk, random: &mut Random) -> Option<()> {
        let (member_id, generation) = self.stable.clone().unwrap_or_else(|| ("".into(), -1));
        let mut asked = Vec::new();
        let requests = (0..=random.below(4)).map(|_| {
            self.next_offset += 1;
            let index = i32::try_from(random.below(PARTITIONS.unsigned_abs().into())).unwrap();
            self.offsets.entry(index).or_default().0.push(self.next_offset);
            asked.push((index, self.next_offset));
            let offset = CommitOffset {
                partition: partition(index),
                topic: "topic".into(),
                offset: self.next_offset,
                leader_epoch: 0,
                metadata: "".into(),
            };
            Request::Commit(OffsetCommit {
                group_id: GROUP.into(),
                member_id: Arc::clone(&member_id),
                instance_id: None,
                generation,
                retention_ms: None,
                offsets: vec![offset],
            })
        });
        let requests = requests.collect();
        let answers = life.call(disk, requests)?;
        assert_eq!(answers.len(), asked.len());
        for (index, offset) in asked {
            let (sent, settled) = self.offsets.entry(index).or_default();
            *settled =
                sent.iter().position(|known| *known == offset).map_or(0, |place| place + 1).max(*settled);
        }
        Some(())
    }

    /// The first member comes, or another one beside it, and everybody gets an assignment.
    fn rebalance(&mut self, life: &mut Life, disk: &SimDisk) -> Option<()> {
        let known = self.stable.take().map_or_else(|| "".into(), |(member_id, _)| member_id);
        self.next_member += 1;
        let join = |member_id: Arc<str>, metadata: u8| {
            Request::Join(Join {
                group_id: GROUP.into(),
                member_id,
                instance_id: None,
                fresh_id: [metadata; 16],
                client_id: "client".into(),
                client_host: "/127.0.0.1".into(),
                protocol_type: "consumer".into(),
                // Another metadata each time: a rebalance each time.
                protocols: vec![Protocol { name: "range".into(), metadata: vec![metadata].into() }],
                session_timeout_ms: i32::try_from(TIMEOUT_MS).unwrap(),
                rebalance_timeout_ms: i32::try_from(TIMEOUT_MS).unwrap(),
                id_required: false,
                can_skip_assignment: false,
                reason: None,
            })
        };
        let answers = life.call(disk, vec![join(known, self.next_member)])?;
        let [(_, Answer::Join(joined))] = &answers[..] else { panic!("{answers:?}") };
        if joined.error == ErrorCode::UnknownMemberId {
            // It was told of a generation that nobody was told to be durable.
            return Some(());
        }
        assert_eq!(joined.error, ErrorCode::None);
        let sync = Sync {
            group_id: GROUP.into(),
            member_id: Arc::clone(&joined.member_id),
            instance_id: None,
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments: vec![(Arc::clone(&joined.member_id), vec![self.next_member].into())],
        };
        let (member_id, generation) = (Arc::clone(&joined.member_id), joined.generation);
        let answers = life.call(disk, vec![Request::Sync(sync)])?;
        let [(_, Answer::Sync(synced))] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!((synced.error, &synced.assignment[..]), (ErrorCode::None, &[self.next_member][..]));
        self.stable = Some((member_id, generation));
        Some(())
    }
}

/// One broker over several lives.
fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed);
    let mut known = Known::default();
    let mut crashes = 0;
    for _ in 0..LIVES {
        disk.crash_at(disk.operations() + 1 + random.below(OPERATIONS));
        live(&mut known, &disk, &mut random, seed);
        assert!(disk.has_crashed());
        crashes += 1;
        disk = if random.coin() { disk.kill() } else { disk.power_loss(random.number()) };
    }
    let mut life = Life::begin(&disk).expect("nothing fails any more");
    known.check(&mut life, &disk, seed).expect("nothing fails any more");
    crashes
}

/// Goes on until the disk dies.
fn live(known: &mut Known, disk: &Arc<SimDisk>, random: &mut Random, seed: u64) -> Option<()> {
    let mut life = Life::begin(disk)?;
    known.check(&mut life, disk, seed)?;
    loop {
        if known.stable.is_none() && random.coin() || random.one_in(8) {
            known.rebalance(&mut life, disk)?;
        } else if known.stable.is_some()
            || life.groups.describe(GROUP).is_none_or(|group| group.members.is_empty())
        {
            known.commit(&mut life, disk, random)?;
        }
    }
}

#[test]
fn what_a_group_was_answered_survives_any_crash() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(100),
    };
    let crashes: u64 = seeds.map(run).sum();
    println!("{crashes} crashes");
}
