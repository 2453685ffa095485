//! The commands, as the table in `main` has them.

use std::io;
use std::path::PathBuf;
use std::str::{FromStr, SplitWhitespace};
use std::sync::Arc;
use std::time::Duration;

use highwater_disk::sim::SimDisk;

use crate::faults::{Faults, kinds_of};
use crate::machine::Machine;
use crate::mount::Mounted;

/// What the commands act on.
#[derive(Debug)]
pub(crate) struct Commands {
    directory: PathBuf,
    faults: Arc<Faults>,
    machine: Arc<Machine>,
    mounted: Option<Mounted>,
}

impl Commands {
    /// Mounts an empty file system.
    pub(crate) fn mount(directory: PathBuf, seed: u64) -> io::Result<Self> {
        let faults = Arc::new(Faults::default());
        let machine = Machine::start(SimDisk::new(seed), &faults);
        let mounted = Some(Mounted::new(&directory, &machine)?);
        Ok(Self { directory, faults, machine, mounted })
    }

    /// Unmounts.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.machine.release();
        self.mounted.take().map_or(Ok(()), Mounted::unmount)
    }

    /// Does what a line says.
    pub(crate) fn obey(&mut self, line: &str) -> Result<String, String> {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("cut") => {
                let (after, limit_ms) = (number(&mut words)?, number(&mut words)?);
                return Ok(self.machine.cut(after, Duration::from_millis(limit_ms)));
            }
            Some("lose") => self.lose(number(&mut words)?)?,
            Some("fail") => self.fail(&mut words)?,
            Some("slow") => {
                let pattern = word(&mut words)?;
                self.faults.slow(pattern, Duration::from_millis(number(&mut words)?));
            }
            Some("clear") => self.faults.clear(),
            Some("capacity") => {
                let bytes = match word(&mut words)? {
                    "none" => None,
                    bytes => Some(parsed(bytes)?),
                };
                self.machine.disk().set_capacity(bytes);
            }
            Some("lie") => self.faults.lie(word(&mut words)?),
            Some("destroy") => self.machine.disk().set_destroys_blocks(word(&mut words)? == "on"),
            Some("stats") => return Ok(self.faults.stats()),
            _ => return Err(format!("unknown command: {line}")),
        }
        Ok(String::new())
    }

    fn fail(&self, words: &mut SplitWhitespace<'_>) -> Result<(), String> {
        let kinds = kinds_of(word(words)?)?;
        let pattern = word(words)?;
        let errno = match word(words)? {
            "EIO" => nix::libc::EIO,
            "ENOSPC" => nix::libc::ENOSPC,
            "EROFS" => nix::libc::EROFS,
            other => return Err(format!("unknown error: {other}")),
        };
        self.faults.fail(kinds, pattern, errno, word(words)? == "once");
        Ok(())
    }

    /// The file system that comes after is mounted when everything of the former one is gone.
    fn lose(&mut self, seed: u64) -> Result<(), String> {
        let left = self.machine.disk().power_loss(seed);
        self.machine.release();
        let told = |error: io::Error| error.to_string();
        if let Some(mounted) = self.mounted.take() {
            mounted.unmount().map_err(told)?;
        }
        self.machine = Machine::start(left, &self.faults);
        self.mounted = Some(Mounted::new(&self.directory, &self.machine).map_err(told)?);
        Ok(())
    }
}

fn word<'a>(words: &mut SplitWhitespace<'a>) -> Result<&'a str, String> {
    words.next().ok_or_else(|| "a word is missing".to_string())
}

fn number(words: &mut SplitWhitespace<'_>) -> Result<u64, String> {
    parsed(word(words)?)
}

fn parsed<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}
