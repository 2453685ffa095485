//! The clients at the bare servers, in one process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use highwater_wire::record::{Compression, batches};
use serde_json::Value;

use super::append::{self, Append};
use super::produce_frame::ProduceFrame;
use super::sendfile::{self, Sendfile};
use crate::cli::bench::arrivals::{Arrivals, Until};
use crate::cli::bench::batch::{Prebuilt, Shape};
use crate::cli::bench::pump::{Measured, Pump, Pumped};
use crate::cli::bench::template::Template;
use crate::cli::bench::{Bench, run};

#[derive(Parser)]
struct BenchLine {
    #[command(flatten)]
    bench: Bench,
}

#[derive(Parser)]
struct AppendLine {
    #[command(flatten)]
    append: Append,
}

#[derive(Parser)]
struct SendfileLine {
    #[command(flatten)]
    sendfile: Sendfile,
}

/// Serves on a thread that ends with the process.
fn append_server(arguments: &[&str]) -> SocketAddr {
    let line = AppendLine::parse_from([&["append"], arguments].concat());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || append::start(&listener, &line.append, &mut std::io::sink()));
    address
}

fn bench(address: SocketAddr, line: &str) -> Value {
    let address = address.to_string();
    let words = ["bench"].into_iter().chain(line.split(' '));
    let line = BenchLine::parse_from(words.chain(["--json", "--bootstrap", &address]));
    let mut out = Vec::new();
    run(&line.bench, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

/// The batches at the beginning of a file: how many and their records.
fn stored(path: &Path) -> (usize, u64) {
    let bytes = std::fs::read(path).unwrap();
    let whole: Vec<_> = batches(bytes.into()).map_while(Result::ok).collect();
    let mut next = 0;
    for (header, batch) in &whole {
        highwater_wire::record::verify(batch).unwrap();
        assert_eq!(header.base_offset.0, next, "offsets follow each other");
        next += i64::from(header.record_count);
    }
    (whole.len(), u64::try_from(next).unwrap())
}

#[test]
fn what_is_acknowledged_is_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    for (name, option) in [("a", "--no-sync"), ("b", "--listen=127.0.0.1:0"), ("c", "--direct")] {
        let path = directory.path().join(name);
        let file = path.to_str().unwrap();
        if option == "--direct" && !takes_direct_writes(directory.path()) {
            eprintln!("skipped: no direct writes here");
            continue;
        }
        let address = append_server(&["--file", file, option]);
        let found = bench(address, "produce --records 1000 --batch-records 3 --window 9 --record-bytes 700");
        assert_eq!(found["requests"], 334, "{option}");
        assert_eq!(stored(&path), (334, 1002), "{option}");
        // A batch that is larger than what is read at once.
        let found = bench(address, "produce --records 20 --batch-bytes 5MB --record-bytes 1MB");
        assert_eq!((&found["requests"], stored(&path).0), (&4.into(), 338), "{option}");
    }
}

fn takes_direct_writes(directory: &Path) -> bool {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap();
    let path = directory.join("direct");
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).custom_flags(flags).open(path).is_ok()
}

#[test]
fn a_topic_is_read_once_or_again_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("files");
    let line = format!(
        "x --directory {} --partitions 5 --bytes 500000 --batch-records 10 --record-bytes 100",
        path.display()
    );
    let line = SendfileLine::parse_from(line.split(' '));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || sendfile::start(&listener, &line.sendfile, &mut std::io::sink()));
    for window in [1, 3, 100] {
        for limits in ["", " --partition-max-bytes 3000", " --max-bytes 1", " --connections 2"] {
            let found = bench(address, &format!("consume --topic floor --once --window {window}{limits}"));
            assert_eq!(found["records"], 5000, "window {window}{limits}");
        }
    }
    let found = bench(address, "consume --topic floor --duration 0.5 --warmup 0.1");
    assert!(found["records"].as_u64() > Some(5000), "{found}");
}

#[test]
fn a_broker_that_stalls_makes_everybody_late_who_was_due_meanwhile() {
    const STALL: Duration = Duration::from_millis(400);
    let shape = Shape { record_bytes: 100, records: 1, codec: Compression::None };
    let batch = Prebuilt::new(shape, false).unwrap();
    let pumped = pump_at(&batch, |answered| if answered == 50 { STALL } else { Duration::ZERO });
    // 1 000 a second for 0.6 s, and from the 50th on nothing for 0.4 s: of those due then, three quarters waited more than 0.1 s.
    // Counted from when they could be sent, it would be the 5 of the window.
    assert_eq!((pumped.latencies.count(), pumped.total, pumped.unsent), (600, 600, 0));
    assert!(pumped.latencies.quantile(600) > STALL / 4, "{}", pumped.latencies.line());
    assert!(pumped.latencies.max() >= STALL, "{}", pumped.latencies.line());
}

#[test]
fn what_a_hopeless_broker_never_got_is_counted_as_late() {
    let shape = Shape { record_bytes: 100, records: 1, codec: Compression::None };
    let batch = Prebuilt::new(shape, false).unwrap();
    let pumped = pump_at(&batch, |_| Duration::from_millis(25));
    assert!(pumped.unsent > 0, "{pumped:?}");
    assert_eq!(pumped.latencies.count(), 600);
    assert_eq!(pumped.total + pumped.unsent, 600);
}

/// Sends 1 000 requests a second for 0.6 s, at most 5 at a time, for at most 1.2 s, to a server that waits before each answer as long as it is
/// told.
fn pump_at(batch: &Prebuilt, wait: impl Fn(usize) -> Duration + Send) -> Pumped {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| answer_slowly(listener.accept().unwrap().0, wait));
        let (start, ms) = (Instant::now(), Duration::from_millis(1));
        let measured = Measured { from: start, to: Some(start + ms * 600), give_up: Some(start + ms * 1200) };
        let pump = Pump {
            stream,
            address: "test".to_owned(),
            templates: vec![Template::new(("t", 0), &batch.bytes, -1, 12).unwrap()],
            batch,
            answered: true,
            window: 5,
            arrivals: Arrivals::new(start, Some(1000.0), (0, 1), Until::Time(start + ms * 600)),
            measured,
            epoch: start,
            stop: &AtomicBool::new(false),
        };
        pump.run().unwrap()
    })
}

fn answer_slowly(mut stream: TcpStream, wait: impl Fn(usize) -> Duration) {
    for answered in 0.. {
        let mut prefix = [0; 4];
        if stream.read_exact(&mut prefix).is_err() {
            return;
        }
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
        stream.read_exact(&mut frame).unwrap();
        // The stall is what is tested, not a way to wait for something.
        thread::sleep(wait(answered));
        let mut answer = Vec::new();
        ProduceFrame::parse(&frame).unwrap().answer(&frame, 0, &mut answer).unwrap();
        stream.write_all(&answer).unwrap();
    }
}
