//! The mount.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};

use crate::filesystem::FaultFs;
use crate::machine::Machine;

/// How long the process that was killed may take to let go of its files.
const BUSY_MAX: Duration = Duration::from_secs(20);
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// A mounted file system, served by threads of its own.
#[derive(Debug)]
pub(crate) struct Mounted {
    directory: PathBuf,
    session: BackgroundSession,
}

impl Mounted {
    pub(crate) fn new(directory: &Path, machine: &Arc<Machine>) -> io::Result<Self> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("faultfs".to_string())];
        let session = fuser::spawn_mount(FaultFs::new(machine), directory, &config)?;
        Ok(Self { directory: directory.to_path_buf(), session })
    }

    /// Unmounts when nobody uses it any more, or in the end although somebody does; those who do get errors.
    pub(crate) fn unmount(self) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let flags = if began.elapsed() < BUSY_MAX { MntFlags::empty() } else { MntFlags::MNT_DETACH };
            match umount2(&self.directory, flags) {
                Err(Errno::EBUSY) => thread::sleep(BUSY_PAUSE),
                // Somebody else unmounted it.
                Ok(()) | Err(Errno::EINVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
        drop(self.session);
        Ok(())
    }
}
