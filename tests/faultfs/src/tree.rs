//! What the kernel knows: numbers of files and directories, and open handles.
//!
//! A number stays with its file when it is renamed, and after it was removed for as long as the kernel remembers it. The simulated disk
//! goes by paths; only the open files here tell which one is meant when a name is gone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Entry, File};

/// FUSE's number of the root.
const ROOT: u64 = 1;

/// What a number stands for. A file is open for as long as the kernel remembers it.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    File(Arc<dyn File>),
    Directory,
}

#[derive(Debug)]
struct Known {
    path: PathBuf,
    node: Node,
    lookups: u64,
}

/// What was opened.
#[derive(Debug, Clone)]
pub(crate) enum Handle {
    File(Arc<dyn File>),
    Directory(Arc<[Entry]>),
}

/// Numbers and handles.
#[derive(Debug)]
pub(crate) struct Tree {
    known: BTreeMap<u64, Known>,
    numbers: BTreeMap<PathBuf, u64>,
    next_number: u64,
    handles: BTreeMap<u64, Handle>,
    next_handle: u64,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let root = Known { path: PathBuf::new(), node: Node::Directory, lookups: 1 };
        Self {
            known: BTreeMap::from([(ROOT, root)]),
            numbers: BTreeMap::from([(PathBuf::new(), ROOT)]),
            next_number: ROOT + 1,
            handles: BTreeMap::new(),
            next_handle: 1,
        }
    }

    /// Where something is, or was when it was removed.
    pub(crate) fn path(&self, number: u64) -> io::Result<PathBuf> {
        self.known.get(&number).map(|known| known.path.clone()).ok_or_else(missing)
    }

    pub(crate) fn node(&self, number: u64) -> io::Result<Node> {
        self.known.get(&number).map(|known| known.node.clone()).ok_or_else(missing)
    }

    /// The number and the node of a path that the kernel knows already.
    pub(crate) fn find(&self, path: &Path) -> Option<(u64, Node)> {
        let number = self.numbers.get(path)?;
        Some((*number, self.known.get(number)?.node.clone()))
    }

    /// The number of what is at a path, which the kernel is told once more.
    pub(crate) fn remember(&mut self, path: &Path, node: Node) -> u64 {
        let number = self.numbers.get(path).copied().unwrap_or_else(|| {
            self.next_number += 1;
            self.numbers.insert(path.to_path_buf(), self.next_number);
            self.next_number
        });
        let known =
            self.known.entry(number).or_insert_with(|| Known { path: path.to_path_buf(), node, lookups: 0 });
        known.lookups += 1;
        number
    }

    pub(crate) fn forget(&mut self, number: u64, lookups: u64) {
        let Some(known) = self.known.get_mut(&number) else { return };
        known.lookups = known.lookups.saturating_sub(lookups);
        if known.lookups == 0 && number != ROOT {
            if self.numbers.get(&known.path) == Some(&number) {
                self.numbers.remove(&known.path);
            }
            self.known.remove(&number);
        }
    }

    pub(crate) fn removed(&mut self, path: &Path) {
        self.numbers.remove(path);
    }

    /// Everything below moves with it.
    pub(crate) fn renamed(&mut self, from: &Path, to: &Path) {
        self.removed(to);
        for (path, number) in std::mem::take(&mut self.numbers) {
            let moved = match path.strip_prefix(from) {
                Ok(below) if below.as_os_str().is_empty() => to.to_path_buf(),
                Ok(below) => to.join(below),
                Err(_) => path,
            };
            if let Some(known) = self.known.get_mut(&number) {
                known.path.clone_from(&moved);
            }
            self.numbers.insert(moved, number);
        }
    }

    pub(crate) fn open(&mut self, handle: Handle) -> u64 {
        self.next_handle += 1;
        self.handles.insert(self.next_handle, handle);
        self.next_handle
    }

    pub(crate) fn close(&mut self, handle: u64) {
        self.handles.remove(&handle);
    }

    pub(crate) fn file(&self, handle: u64) -> io::Result<Arc<dyn File>> {
        match self.handles.get(&handle) {
            Some(Handle::File(file)) => Ok(Arc::clone(file)),
            _ => Err(io::Error::from_raw_os_error(nix::libc::EBADF)),
        }
    }

    pub(crate) fn entries(&self, handle: u64) -> io::Result<Arc<[Entry]>> {
        match self.handles.get(&handle) {
            Some(Handle::Directory(entries)) => Ok(Arc::clone(entries)),
            _ => Err(io::Error::from_raw_os_error(nix::libc::EBADF)),
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_moves_with_its_directory_and_stays_after_removal() {
        let mut tree = Tree::new();
        let directory = tree.remember(Path::new("a"), Node::Directory);
        let below = tree.remember(Path::new("a/b"), Node::Directory);
        let beside = tree.remember(Path::new("ab"), Node::Directory);
        tree.renamed(Path::new("a"), Path::new("c"));
        assert_eq!(tree.path(directory).unwrap(), Path::new("c"));
        assert_eq!(tree.path(below).unwrap(), Path::new("c/b"));
        assert_eq!(tree.path(beside).unwrap(), Path::new("ab"));
        tree.removed(Path::new("c/b"));
        assert!(tree.node(below).is_ok());
        assert_ne!(tree.remember(Path::new("c/b"), Node::Directory), below);
        tree.forget(below, 1);
        assert!(tree.node(below).is_err());
        assert!(tree.find(Path::new("c/b")).is_some());
    }
}
