//! `highwater consume --group`: one member of a group, on one thread.
//!
//! A round is: a heartbeat if one is due, a fetch of at most half a second, printing, a commit if one is due. Only what was printed and handed
//! to the reader of the output is committed. A reader that takes longer than the session timeout to read costs the
//! membership, as with every consumer that processes too slowly; its records are then printed again by whoever gets
//! them. A broker that goes away is awaited; where the group still knows the member, it goes on without a rebalance.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::cursor::{Cursor, Printer, advance};
use super::{Consume, interrupt};
use crate::cli::group::readable;
use crate::client::consumer_protocol::Assignment;
use crate::client::member::{Beat, HEARTBEAT_EVERY, Member};
use crate::client::offsets::{self, EARLIEST, LATEST, TopicPartition};
use crate::client::{ClientError, Cluster, refuse};

/// Kafka's default for consumers that commit by themselves.
const COMMIT_EVERY: Duration = Duration::from_secs(5);
/// Between rounds of a member that was assigned nothing.
const IDLE_PAUSE: Duration = Duration::from_millis(100);
/// A broker that went away may come back within this time.
const RECONNECT_FOR: Duration = Duration::from_secs(120);
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// Joins, prints, commits and leaves.
pub(super) fn run(
    arguments: &Consume,
    group: &str,
    cluster: &mut Cluster,
    printer: &mut Printer<'_>,
) -> Result<(), ClientError> {
    let interrupted = interrupt::watch()?;
    for topic in &arguments.topics {
        cluster.topic(topic)?;
    }
    let mut session = Session {
        arguments,
        group,
        cluster,
        member: Member::new(group, &arguments.topics),
        cursors: Vec::new(),
        committed: BTreeMap::new(),
        beat_at: Instant::now() + HEARTBEAT_EVERY,
        commit_at: Instant::now() + COMMIT_EVERY,
    };
    let consumed = session.consume(printer, || interrupted.load(Ordering::Relaxed));
    // Left in any case, so that the others need not wait for the session to run out; what went wrong first is told.
    let left = session.member.leave(session.cluster);
    consumed.and(left)
}

/// A member and what it works on.
struct Session<'a> {
    arguments: &'a Consume,
    group: &'a str,
    cluster: &'a mut Cluster,
    member: Member,
    cursors: Vec<Cursor>,
    /// The offsets that need no commit: committed already, or where nothing was printed yet.
    committed: BTreeMap<TopicPartition, i64>,
    /// When the next heartbeat and the next commit are due.
    beat_at: Instant,
    commit_at: Instant,
}

impl Session<'_> {
    fn consume(&mut self, printer: &mut Printer<'_>, stop: impl Fn() -> bool) -> Result<(), ClientError> {
        self.join()?;
        let mut lost_at = None;
        while printer.left > 0 && !stop() {
            match self.round(printer) {
                Ok(true) => lost_at = None,
                Ok(false) => break,
                Err(error) if error.is_passing() => {
                    // What is printed may be committed soon, so it goes out first.
                    printer.out.flush()?;
                    let lost_at = *lost_at.get_or_insert_with(|| {
                        eprintln!("highwater: {error}; trying again");
                        Instant::now()
                    });
                    self.reconnect(lost_at.elapsed(), error)?;
                }
                Err(error) => return Err(error),
            }
        }
        if self.commit()? != Beat::Steady {
            self.warn_of_lost_commits();
        }
        Ok(())
    }

    /// One heartbeat, fetch and commit, as far as they are due. `false` when everything that was wanted is printed.
    fn round(&mut self, printer: &mut Printer<'_>) -> Result<bool, ClientError> {
        if self.beat_at <= Instant::now() {
            let beat = self.member.heartbeat(self.cluster)?;
            self.follow(beat)?;
            self.beat_at = Instant::now() + HEARTBEAT_EVERY;
        }
        if self.arguments.exit_at_end && self.cursors.iter().all(Cursor::is_done) {
            return Ok(false);
        }
        self.print(printer)?;
        if self.commit_at <= Instant::now() {
            let beat = self.commit()?;
            self.follow(beat)?;
            self.commit_at = Instant::now() + COMMIT_EVERY;
        }
        Ok(true)
    }

    /// Connects again after the broker went away. The member is the same; the next heartbeat tells whether the group still
    /// knows it.
    fn reconnect(&mut self, lost_for: Duration, cause: ClientError) -> Result<(), ClientError> {
        if lost_for > RECONNECT_FOR {
            return Err(cause);
        }
        std::thread::sleep(RECONNECT_PAUSE);
        if let Ok(cluster) = Cluster::connect(&self.arguments.common.bootstrap) {
            *self.cluster = cluster;
            self.beat_at = Instant::now();
        }
        Ok(())
    }

    fn print(&mut self, printer: &mut Printer<'_>) -> Result<(), ClientError> {
        if self.cursors.is_empty() {
            std::thread::sleep(IDLE_PAUSE);
            return Ok(());
        }
        let out_of_range = advance(self.cluster, &mut self.cursors, printer)?;
        printer.out.flush()?;
        self.start_over(&out_of_range)
    }

    /// Does what the coordinator says.
    fn follow(&mut self, beat: Beat) -> Result<(), ClientError> {
        match beat {
            Beat::Steady => return Ok(()),
            Beat::Rebalance if self.commit()? == Beat::Steady => {}
            Beat::Rebalance | Beat::Lost => self.warn_of_lost_commits(),
        }
        self.join()
    }

    fn join(&mut self) -> Result<(), ClientError> {
        let assignment = self.member.join(self.cluster)?;
        let (generation, mine) = (self.member.generation_id(), readable(&assignment));
        eprintln!("group {}, generation {generation}: assigned {mine}", self.group);
        self.cursors = self.begin(assignment)?;
        self.committed = self.positions();
        Ok(())
    }

    /// Where each assigned partition goes on.
    fn begin(&mut self, assignment: Assignment) -> Result<Vec<Cursor>, ClientError> {
        let partitions: Vec<TopicPartition> = assignment
            .into_iter()
            .flat_map(|(topic, partitions)| {
                partitions.into_iter().map(move |partition| (topic.clone(), partition))
            })
            .collect();
        let committed = offsets::committed(self.cluster, self.group)?;
        let ends = offsets::log_offsets(self.cluster, &partitions, LATEST)?;
        let starts = match self.arguments.from_beginning {
            true => offsets::log_offsets(self.cluster, &partitions, EARLIEST)?,
            false => ends.clone(),
        };
        let mut cursors = Vec::new();
        for partition in partitions {
            let known = committed.get(&partition).or_else(|| starts.get(&partition)).copied();
            let (topic, number) = &partition;
            let missing = || ClientError::NoLeader { topic: topic.clone(), partition: *number };
            let next = known.ok_or_else(missing)?;
            let end = ends.get(&partition).copied().filter(|_| self.arguments.exit_at_end);
            cursors.push(Cursor { partition, next, end });
        }
        Ok(cursors)
    }

    /// Partitions whose log no longer has what comes next go on at its start or end.
    fn start_over(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        if partitions.is_empty() {
            return Ok(());
        }
        let time = if self.arguments.from_beginning { EARLIEST } else { LATEST };
        let found = offsets::log_offsets(self.cluster, partitions, time)?;
        for cursor in &mut self.cursors {
            if let Some(offset) =
                found.get(&cursor.partition).filter(|_| partitions.contains(&cursor.partition))
            {
                let (topic, partition) = &cursor.partition;
                eprintln!(
                    "highwater: {topic}-{partition}: offset {} is not in the log, going on at {offset}",
                    cursor.next
                );
                cursor.next = *offset;
            }
        }
        Ok(())
    }

    fn positions(&self) -> BTreeMap<TopicPartition, i64> {
        self.cursors.iter().map(|cursor| (cursor.partition.clone(), cursor.next)).collect()
    }

    fn uncommitted(&self) -> BTreeMap<TopicPartition, i64> {
        let mut positions = self.positions();
        positions.retain(|partition, next| self.committed.get(partition) != Some(next));
        positions
    }

    /// Commits what was printed since the last time.
    fn commit(&mut self) -> Result<Beat, ClientError> {
        let offsets = self.uncommitted();
        if offsets.is_empty() {
            return Ok(Beat::Steady);
        }
        let refused = offsets::commit(self.cluster, self.group, &self.member.committer(), &offsets)?;
        for ((topic, partition), code) in refused {
            match Beat::of(code) {
                Some(beat) => return Ok(beat),
                None => refuse(code, "OffsetCommit", Some(&format!("{topic}-{partition}")))?,
            }
        }
        self.committed.extend(offsets);
        Ok(Beat::Steady)
    }

    fn warn_of_lost_commits(&self) {
        for ((topic, partition), next) in self.uncommitted() {
            eprintln!(
                "highwater: {topic}-{partition}: printed up to {next}, but the group went on without the commit"
            );
        }
    }
}
