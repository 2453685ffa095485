//! Partition directories at start: which are known, which are to be removed, which are set aside.
//!
//! A directory is removed only if a tombstone names the topic id that the directory itself states. Whatever else the
//! metadata does not know is renamed to `…-stray` and reported, never removed: metadata may have been lost. Only a
//! directory that never held a record goes without a trace ([`unmade`]).

use std::collections::HashSet;
use std::io;
use std::path::Path;

use highwater_disk::{Disk, DiskError, EntryKind, Operation};
use highwater_types::TopicId;

use crate::files;
use crate::names::{self, Named};
use crate::unmade;

pub(crate) const METADATA: &str = "partition.metadata";
const METADATA_SIZE_MAX: usize = 4096;

/// What the data directory holds.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Directories with the name of a known partition.
    pub(crate) present: HashSet<String>,
    /// Directories to be removed, with the topic each is of.
    pub(crate) removals: Vec<(TopicId, String)>,
    /// Directories set aside now or at an earlier start.
    pub(crate) strays: Vec<String>,
}

/// Sorts the directories; renames what does not belong. `known` gives the topic id for a partition directory's name.
pub(crate) fn settle(
    disk: &dyn Disk,
    path: &Path,
    known: impl Fn(&str) -> Option<TopicId>,
    tombstones: &HashSet<TopicId>,
) -> Result<Layout, DiskError> {
    let mut layout = Layout::default();
    let mut renamed = false;
    let entries = disk.list(path).map_err(DiskError::at(Operation::List, path))?;
    for entry in entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory) {
        let name = entry.name;
        match names::parse(&name) {
            Named::Other => {}
            Named::Stray => match stray_of(disk, path, &name, tombstones)? {
                // Its deletion could not rename it, and a topic made anew under its name set it aside.
                Some(owner) => layout.removals.push((owner, name)),
                None if unmade::remove(disk, &path.join(&name))? => {}
                None => layout.strays.push(name),
            },
            Named::Deleted(id) if tombstones.contains(&id) => layout.removals.push((id, name)),
            Named::Deleted(id) => {
                layout.strays.extend(dispose(disk, path, &name, Some(id))?);
                renamed = true;
            }
            Named::Partition => {
                let id = known(&name);
                // Without tombstones there is nothing to find out before the partition itself looks.
                if id.is_some() && tombstones.is_empty() {
                    layout.present.insert(name);
                    continue;
                }
                let owner = owner(disk, &path.join(&name))?;
                match owner {
                    owner if id.is_some() && (owner.is_none() || owner == id) => {
                        layout.present.insert(name);
                        continue;
                    }
                    Some(owner) if tombstones.contains(&owner) => {
                        let deleted = mark_deleted(disk, path, &name, owner)?;
                        layout.removals.push((owner, deleted));
                    }
                    owner => layout.strays.extend(dispose(disk, path, &name, owner)?),
                }
                renamed = true;
            }
        }
    }
    // Names seen after the death of a process need not be durable. Files must not go before their directory's name
    // tells whose they are.
    if renamed || !layout.removals.is_empty() {
        files::sync_directory(disk, path)?;
    }
    Ok(layout)
}

/// The deleted topic that a directory set aside is of; `None` when it is of none. Where a removal that was broken off took the
/// file that states it, the name does.
fn stray_of(
    disk: &dyn Disk,
    path: &Path,
    name: &str,
    tombstones: &HashSet<TopicId>,
) -> Result<Option<TopicId>, DiskError> {
    if tombstones.is_empty() {
        return Ok(None);
    }
    let owner = owner(disk, &path.join(name))?.or_else(|| names::topic_of_stray(name));
    Ok(owner.filter(|owner| tombstones.contains(owner)))
}

/// The topic id that a partition's directory states; `None` when it states none that can be read.
pub(crate) fn owner(disk: &dyn Disk, directory: &Path) -> Result<Option<TopicId>, DiskError> {
    let Some(bytes) = files::read_bounded(disk, &directory.join(METADATA), METADATA_SIZE_MAX)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"));
    Ok(id.and_then(|id| id.trim().parse().ok()))
}

/// Gives a directory the name under which it is removed. The caller syncs the data directory, or need not care.
pub(crate) fn mark_deleted(
    disk: &dyn Disk,
    path: &Path,
    name: &str,
    id: TopicId,
) -> Result<String, DiskError> {
    let deleted = names::deleted(name, id);
    rename(disk, path, name, &deleted)?;
    Ok(deleted)
}

/// Removes a directory that the metadata does not know if it never held a record, or else sets it aside; the name it
/// has then.
fn dispose(
    disk: &dyn Disk,
    path: &Path,
    name: &str,
    owner: Option<TopicId>,
) -> Result<Option<String>, DiskError> {
    if unmade::remove(disk, &path.join(name))? {
        return Ok(None);
    }
    set_aside(disk, path, name, owner).map(Some)
}

/// Sets a directory aside under a name that is free. The caller syncs the data directory.
pub(crate) fn set_aside(
    disk: &dyn Disk,
    path: &Path,
    name: &str,
    owner: Option<TopicId>,
) -> Result<String, DiskError> {
    let entries = disk.list(path).map_err(DiskError::at(Operation::List, path))?;
    let taken = |name: &String| entries.iter().any(|entry| entry.name == *name);
    let by_owner = owner.map(|owner| names::stray(name, owner));
    let by_number = (1..).map(|number| names::numbered_stray(name, number));
    let aside = by_owner.into_iter().chain(by_number).find(|name| !taken(name));
    let Some(aside) = aside else {
        return Err(DiskError::at(Operation::Rename, &path.join(name))(io::ErrorKind::AlreadyExists.into()));
    };
    rename(disk, path, name, &aside)?;
    Ok(aside)
}

fn rename(disk: &dyn Disk, path: &Path, from: &str, to: &str) -> Result<(), DiskError> {
    let from = path.join(from);
    disk.rename(&from, &path.join(to)).map_err(DiskError::at(Operation::Rename, &from))
}
