//! Runs the `highwater` binary for tests that speak to it through a client library.
//!
//! The binary is built beforehand (`cargo build --bin highwater`); the environment variable `HIGHWATER_BIN` names another one.
//! Not here: the tests themselves, which are in `tests/`.

use std::io::{BufRead, BufReader, Error, Result};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A broker process over a temporary directory. Dropping it kills the process and removes the directory.
#[derive(Debug)]
pub struct Broker {
    process: Child,
    /// Stays open, so that the broker never writes into a closed pipe.
    _stdout: BufReader<std::process::ChildStdout>,
    address: String,
    directory: TempDir,
}

impl Broker {
    /// Starts a broker on a free port and waits until it serves.
    ///
    /// # Errors
    /// The binary is missing, or its first line is not `ready HOST:PORT`.
    pub fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (process, stdout, address) = spawn(&directory, "127.0.0.1:0")?;
        Ok(Self { process, _stdout: stdout, address, directory })
    }

    /// `HOST:PORT`, as `bootstrap.servers` takes it. Stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends the process by SIGTERM and starts it again.
    ///
    /// # Errors
    /// The process did not end with success, or does not start again.
    pub fn restart(&mut self) -> Result<()> {
        let id = i32::try_from(self.process.id()).map_err(Error::other)?;
        let id = Pid::from_raw(id).ok_or_else(|| Error::other("the broker has no process id"))?;
        kill_process(id, Signal::TERM)?;
        let status = self.process.wait()?;
        if !status.success() {
            return Err(Error::other(format!("the broker ended with {status} after SIGTERM")));
        }
        self.start_again()
    }

    /// Ends the process by SIGKILL and starts it again.
    ///
    /// # Errors
    /// The process cannot be killed, or does not start again.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.start_again()
    }

    fn start_again(&mut self) -> Result<()> {
        let (process, stdout, address) = spawn(&self.directory, &self.address)?;
        (self.process, self._stdout, self.address) = (process, stdout, address);
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing else to do about an error here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(directory: &TempDir, listen: &str) -> Result<(Child, BufReader<std::process::ChildStdout>, String)> {
    let mut process = Command::new(binary()?)
        .args(["serve", "--http", "none", "--listen", listen, "--data-dir"])
        .arg(directory.path().join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = process.stdout.take().ok_or_else(|| Error::other("no stdout"))?;
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    stdout.read_line(&mut line)?;
    match line.trim().strip_prefix("ready ") {
        Some(address) => Ok((process, stdout, address.to_owned())),
        None => Err(Error::other(format!("expected `ready HOST:PORT`, got {line:?}"))),
    }
}

/// `HIGHWATER_BIN`, or `highwater` beside the directory of this test's own executable.
fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("HIGHWATER_BIN") {
        return Ok(named.into());
    }
    let test = std::env::current_exe()?;
    let profile =
        test.parent().and_then(|deps| deps.parent()).ok_or_else(|| Error::other("no target directory"))?;
    Ok(profile.join("highwater"))
}
