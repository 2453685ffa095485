//! Metadata made anew from what the directories of partitions say, or completed by it where it is older than they are.
//!
//! - A topic is brought back with its name, its id and as many partitions as the highest number says. Directories that were
//!   set aside get their names again.
//! - A topic of the metadata whose name a directory claims for another topic gives way only if no directory of its own
//!   ever held a record: then it was deleted, and made anew after the metadata was saved.
//! - What cannot be known from directories is lost with the metadata, and said so: settings of topics and of brokers,
//!   groups and their offsets, the cluster's id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_store::meta::TopicRecord;
use highwater_store::{MetaChange, MetaError, MetaKey, MetaRecord};
use highwater_types::TopicId;

use super::inspect::METADATA;
use super::partition::keep;
use super::{Done, Inspection, Repair};
use crate::meta::MetaCore;
use crate::{OpenError, files, layout, names, unmade};

/// Highest partition number that a directory may bring in.
const PARTITION_MAX: i32 = 100_000;

/// What the directories say of one topic name.
#[derive(Debug, Default)]
struct Claims {
    /// Directories by topic id: partition number and name.
    by_id: BTreeMap<TopicId, Vec<(i32, String)>>,
    /// Partition numbers whose directory states no id.
    nameless: Vec<i32>,
}

impl Repair {
    /// Brings back every topic that directories tell of and the metadata does not. What cannot be read is kept beside.
    ///
    /// # Errors
    /// [`OpenError`]: the disk fails. What is half done is finished by another repair.
    pub fn rebuild_metadata(&mut self) -> Result<(), OpenError> {
        let (disk, path) = (Arc::clone(&self.inspection.disk), self.inspection.path.clone());
        let mut changes = Vec::new();
        for (name, claims) in self.inspection.claims()? {
            self.bring_back(&name, &claims, &mut changes)?;
        }
        let lost = self.inspection.topics.is_none();
        if lost {
            let kept = keep(disk.as_ref(), &path, METADATA)?;
            self.done.extend(kept.map(|kept| Done::new(kept, "kept, out of use")));
            files::sync_directory(disk.as_ref(), &path)?;
        }
        if lost || !changes.is_empty() {
            let mut meta = MetaCore::open(Arc::clone(&disk), &path.join(METADATA)).map_err(meta_error)?;
            meta.commit_many(&[changes]).map_err(meta_error)?;
        }
        if lost {
            let what = "made anew; settings of topics and brokers, groups with their offsets and the cluster's id are lost";
            self.done.push(Done::new(path.join(METADATA), what));
        }
        self.inspection = Inspection::open(disk, &path)?;
        Ok(())
    }

    /// One topic name.
    fn bring_back(
        &mut self,
        name: &str,
        claims: &Claims,
        changes: &mut Vec<MetaChange>,
    ) -> Result<(), OpenError> {
        let known = self.inspection.topics.iter().flatten().find(|topic| *topic.name == *name).cloned();
        let Some(id) = self.chosen(claims, known.as_ref())? else { return Ok(()) };
        let Some(directories) = claims.by_id.get(&id) else { return Ok(()) };
        let numbers = directories.iter().map(|(number, _)| *number).chain(claims.nameless.iter().copied());
        let partitions = numbers.max().unwrap_or(0).saturating_add(1);
        let same = known.as_ref().filter(|known| TopicId(known.id) == id);
        for (number, directory) in directories {
            self.give_name(directory, &names::partition(name, *number), id)?;
        }
        if same.is_some_and(|same| same.partitions >= partitions) {
            return Ok(());
        }
        if let Some(other) = known.as_ref().filter(|_| same.is_none()) {
            changes.push(MetaChange::Remove(MetaKey::Topic(TopicId(other.id))));
        }
        let configs = same.map(|same| same.configs.clone()).unwrap_or_default();
        let what = format!("topic {name} is known again: id {id}, {partitions} partitions");
        self.done.push(Done::new(self.inspection.path.join(METADATA), what));
        changes.push(MetaChange::Put(MetaRecord::Topic(TopicRecord {
            id: id.0,
            name: name.into(),
            partitions,
            configs,
        })));
        Ok(())
    }

    /// The topic id that has the name: the metadata's, unless it never held a record and another did; else the one with
    /// the most directories.
    fn chosen(&self, claims: &Claims, known: Option<&TopicRecord>) -> Result<Option<TopicId>, OpenError> {
        let most = claims.by_id.iter().max_by_key(|(_, directories)| directories.len()).map(|(id, _)| *id);
        let Some(known) = known.map(|known| TopicId(known.id)) else { return Ok(most) };
        for (_, directory) in claims.by_id.get(&known).into_iter().flatten() {
            let directory = self.inspection.path.join(directory);
            if !unmade::is_unmade(self.inspection.disk.as_ref(), &directory)? {
                return Ok(Some(known));
            }
        }
        let held =
            self.inspection.entries.iter().any(|(id, entry)| id.topic_id == known && entry.holds_data());
        let others = claims.by_id.iter().filter(|(id, _)| **id != known);
        let other = others.max_by_key(|(_, directories)| directories.len()).map(|(id, _)| *id);
        Ok(Some(other.filter(|_| !held).unwrap_or(known)))
    }

    /// Gives a directory that was set aside its name again; whatever has it is set aside.
    fn give_name(&mut self, directory: &str, wanted: &str, id: TopicId) -> Result<(), OpenError> {
        if directory == wanted {
            return Ok(());
        }
        let (disk, path) = (Arc::clone(&self.inspection.disk), self.inspection.path.clone());
        if self.inspection.directories.contains(wanted) {
            let owner = layout::owner(disk.as_ref(), &path.join(wanted))?;
            if owner == Some(id) {
                let what = format!("left as it is: {wanted} is there too, of the same topic");
                self.done.push(Done::new(path.join(directory), what));
                return Ok(());
            }
            let aside = layout::set_aside(disk.as_ref(), &path, wanted, owner)?;
            self.done.push(Done::new(path.join(wanted), format!("set aside as {aside}")));
        }
        let from = path.join(directory);
        disk.rename(&from, &path.join(wanted)).map_err(DiskError::at(Operation::Rename, &from))?;
        files::sync_directory(disk.as_ref(), &path)?;
        self.inspection.directories.insert(wanted.to_owned());
        self.done.push(Done::new(from, format!("named {wanted} again")));
        Ok(())
    }
}

impl Inspection {
    /// What the directories say, by topic name. Directories of deleted topics say nothing.
    fn claims(&self) -> Result<BTreeMap<String, Claims>, OpenError> {
        let mut claims: BTreeMap<String, Claims> = BTreeMap::new();
        let mut taken: BTreeSet<(TopicId, i32)> = BTreeSet::new();
        // Directories that have their name come first: a stray of the same partition is a copy.
        for directory in self.directories.iter().chain(&self.strays) {
            let plain = original_name(directory);
            let Some((topic, number)) = plain.rsplit_once('-') else { continue };
            let number = number.parse().ok().filter(|number| (0..=PARTITION_MAX).contains(number));
            let Some(number) = number else { continue };
            let path = self.path.join(directory);
            // Whose a directory is that cannot be read is as unknown as where nothing says it.
            let id = layout::owner(self.disk.as_ref(), &path).unwrap_or_default();
            if id.is_some_and(|id| self.tombstones.contains(&id)) {
                continue;
            }
            // A directory that is set aside and never held a record tells of a topic that was not made.
            if self.strays.contains(directory) && unmade::is_unmade(self.disk.as_ref(), &path)? {
                continue;
            }
            let claim = claims.entry(topic.to_owned()).or_default();
            match id {
                Some(id) if taken.insert((id, number)) => {
                    claim.by_id.entry(id).or_default().push((number, directory.clone()));
                }
                Some(_) => {}
                None => claim.nameless.push(number),
            }
        }
        Ok(claims)
    }
}

/// The name that a directory had before it was set aside.
fn original_name(directory: &str) -> &str {
    let Some(rest) = directory.strip_suffix("-stray") else { return directory };
    rest.rsplit_once('.').map_or(rest, |(name, _)| name)
}

fn meta_error(error: MetaError) -> OpenError {
    OpenError::Metadata(error)
}
