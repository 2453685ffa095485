//! One directory's images: the names as they are seen now, and as they are after a power loss.
//!
//! Each change of a name is durable on its own. What a file system's journal promises is kept: a rename within a
//! directory happens whole or not at all, and a change is never durable without the earlier ones of the same names.

use std::collections::{BTreeMap, BTreeSet};

use super::random::Random;

/// Names a file or directory, whatever it is called.
pub(super) type NodeId = u64;

#[derive(Debug, Clone)]
enum Change {
    Link(String, NodeId),
    Unlink(String),
    Rename { from: String, to: String, node: NodeId },
}

/// The images of one directory.
#[derive(Debug, Clone, Default)]
pub(super) struct DirectoryImages {
    cached: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
    dirty: Vec<Change>,
}

impl DirectoryImages {
    pub(super) fn get(&self, name: &str) -> Option<NodeId> {
        self.cached.get(name).copied()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, NodeId)> {
        self.cached.iter().map(|(name, node)| (name, *node))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cached.is_empty()
    }

    pub(super) fn link(&mut self, name: &str, node: NodeId) {
        self.change(Change::Link(name.to_string(), node));
    }

    pub(super) fn unlink(&mut self, name: &str) {
        self.change(Change::Unlink(name.to_string()));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str, node: NodeId) {
        self.change(Change::Rename { from: from.to_string(), to: to.to_string(), node });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.dirty.push(change);
    }

    /// Makes the names as they are seen durable.
    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.cached);
        self.dirty.clear();
    }

    /// What is left after a power loss: the durable names and any of the changes since.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let fate = random.below(4);
        let prefix = random.index(self.dirty.len() + 1);
        let mut lost = BTreeSet::new();
        for (index, change) in std::mem::take(&mut self.dirty).into_iter().enumerate() {
            let kept = match fate {
                0 => false,
                1 => true,
                2 => index < prefix,
                _ => random.coin(),
            };
            if kept && change.names().iter().all(|name| !lost.contains(*name)) {
                change.apply(&mut self.durable);
            } else {
                lost.extend(change.names().into_iter().map(str::to_string));
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Link(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Unlink(name) => {
                names.remove(name);
            }
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::Link(name, _) | Self::Unlink(name) => vec![name],
            Self::Rename { from, to, .. } => vec![from, to],
        }
    }
}
