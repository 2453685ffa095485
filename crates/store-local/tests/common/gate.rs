//! A disk on which the syncs of some files wait until they are let through.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use highwater_disk::{Disk, Entry, File, OpenMode};

/// Holds back syncs of files whose path contains the pattern, while there is one.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pattern: Option<String>,
    waiting: usize,
}

impl Gate {
    pub fn close(&self, pattern: &str) {
        self.state.lock().unwrap().pattern = Some(pattern.to_owned());
    }

    pub fn open(&self) {
        self.state.lock().unwrap().pattern = None;
        self.changed.notify_all();
    }

    /// Waits until a sync is held back.
    pub fn wait_for_sync(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    fn pass(&self, path: &Path) {
        let held = |state: &mut State| {
            state.pattern.as_ref().is_some_and(|pattern| path.to_string_lossy().contains(pattern))
        };
        let mut state = self.state.lock().unwrap();
        if held(&mut state) {
            state.waiting += 1;
            self.changed.notify_all();
            state = self.changed.wait_while(state, held).unwrap();
            state.waiting -= 1;
        }
    }
}

/// Opens a gate however the test ends: a thread that is held back would never be joined.
#[derive(Debug)]
pub struct OpenAtEnd(pub Arc<Gate>);

impl Drop for OpenAtEnd {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A disk behind a gate.
#[derive(Debug)]
pub struct GateDisk {
    pub disk: Arc<dyn Disk>,
    pub gate: Arc<Gate>,
}

struct GateFile {
    file: Arc<dyn File>,
    gate: Arc<Gate>,
}

impl fmt::Debug for GateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Disk for GateDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(GateFile { file, gate: Arc::clone(&self.gate) }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_directory(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(path)
    }
    fn space(&self, path: &Path) -> io::Result<highwater_disk::DiskSpace> {
        self.disk.space(path)
    }
}

impl File for GateFile {
    fn path(&self) -> &Path {
        self.file.path()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }
    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.file.read_resident_at(buffer, position)
    }
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.file.write_at(slices, position)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass(self.file.path());
        self.file.sync_data()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn allocate(&self, position: u64, size: u64) -> io::Result<()> {
        self.file.allocate(position, size)
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
    fn as_std(&self) -> Option<&std::fs::File> {
        self.file.as_std()
    }
}
