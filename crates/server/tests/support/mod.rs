//! The real binary on free ports and a directory of its own, and a client that sends encoded requests.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing helper fails its test"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use highwater_wire::Request;
use highwater_wire::header::{decode_response, encode_request};

/// How long an answer or a line may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running broker; killed when dropped.
pub(crate) struct Broker {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// `highwater serve` over `directory`, not yet started.
pub(crate) fn serve(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.args(["serve", "--http", "none", "--data-dir"]).arg(directory).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Broker {
    /// Starts a broker on a free port and waits for its `ready` line.
    pub(crate) fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = serve(directory, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("no ready line: {line:?}"));
        Self { address: address.parse().unwrap(), child }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { stream, correlation_id: 0, answered: 0 }
    }

    /// How many file descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that is expected to fail by itself; returns what it wrote to stderr.
pub(crate) fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Of the request that was sent last.
    correlation_id: i32,
    /// Of the one that was answered last.
    answered: i32,
}

impl Client {
    /// Sends a request in `version` and returns the answer.
    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request);
        self.receive::<R>(version).unwrap_or_else(|| panic!("{} v{version} was not answered", R::NAME))
    }

    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) {
        let frame = self.encode(version, request);
        self.write(&frame);
    }

    /// The frame of the next request.
    pub(crate) fn encode<R: Request>(&mut self, version: i16, request: &R) -> Vec<u8> {
        self.correlation_id += 1;
        let frame = encode_request(request, version, self.correlation_id, "test");
        frame.unwrap_or_else(|error| panic!("{} v{version}: {error}", R::NAME)).read().unwrap().to_vec()
    }

    /// Sends frames at once, so that the broker has read all of them before it answers the first.
    pub(crate) fn write(&mut self, frames: &[u8]) {
        self.stream.write_all(frames).unwrap();
    }

    /// The next answer, to the first request that has none; `None` when the connection is closed.
    pub(crate) fn receive<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).ok()?;
        let mut body = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
        self.stream.read_exact(&mut body).unwrap();
        let (correlation_id, answer) = decode_response::<R>(Bytes::from(body), version).unwrap();
        self.answered += 1;
        assert_eq!(correlation_id, self.answered);
        Some(answer)
    }
}
