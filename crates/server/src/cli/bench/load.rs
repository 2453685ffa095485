//! A load of Produce requests over all connections of a topic: connects, starts a thread for each connection, measures from the end of
//! the warm-up to the end of the time, and adds up what the threads have seen.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use highwater_wire::messages::produce_request::ProduceRequest;

use super::arrivals::{Arrivals, Until};
use super::batch::Prebuilt;
use super::pump::{Measured, Pump, Pumped};
use super::target::{self, Target};
use super::template::{self, Template};
use super::usage::{Probe, Usage};
use crate::client::{ClientError, Connection};

/// How often a wait for the end looks whether a thread has failed.
const LOOK: Duration = Duration::from_millis(50);
/// How long overdue requests are still sent when the time is over, at least.
const GRACE: Duration = Duration::from_secs(5);

/// How long a load lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// So long, after a time that does not count.
    Time {
        /// What does not count.
        warmup: Duration,
        /// What counts.
        duration: Duration,
    },
    /// So many requests.
    Count(u64),
}

/// What is to be sent, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    /// The batch of each request.
    pub(super) batch: &'a Prebuilt,
    /// -1, 0 or 1.
    pub(super) acks: i16,
    /// Requests under way on each connection.
    pub(super) window: usize,
    /// Requests a second over all connections; `None`: as fast as the window allows.
    pub(super) rate: Option<f64>,
    /// How long.
    pub(super) span: Span,
    /// The broker's process, if it runs on this machine.
    pub(super) pid: Option<u32>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    /// What the connections have seen.
    pub(super) pumped: Pumped,
    /// The time that counts.
    pub(super) during: Duration,
    /// What was used in it.
    pub(super) usage: Usage,
}

/// When a load begins and what of it counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    start: Instant,
    until: Until,
    /// What counts.
    pub(super) measured: Measured,
}

impl Timing {
    /// Beginning now.
    pub(super) fn now(span: Span, is_open: bool) -> Self {
        let start = Instant::now();
        match span {
            Span::Count(count) => {
                let measured = Measured { from: start, to: None, give_up: None };
                Self { start, until: Until::Count(count), measured }
            }
            Span::Time { warmup, duration } => {
                let (from, to) = (start + warmup, start + warmup + duration);
                let give_up = is_open.then(|| to + duration.max(GRACE));
                Self { start, until: Until::Time(to), measured: Measured { from, to: Some(to), give_up } }
            }
        }
    }
}

/// Connections that are made, ready to send.
pub(super) struct Ready {
    lanes: Vec<(Connection, String, Vec<Template>)>,
}

impl Load<'_> {
    /// Connects to the leaders and prepares the requests.
    ///
    /// # Errors
    /// What connecting says; [`ClientError::NotServed`].
    pub(super) fn connect(&self, target: &Target) -> Result<Ready, ClientError> {
        let mut lanes = Vec::new();
        for (link, connection) in target.links.iter().zip(target::connect(&target.links)?) {
            let version = connection.version_up_to::<ProduceRequest>(template::LAST_VERSION_BY_NAME)?;
            let template = |partition: &i32| {
                Template::new((&target.topic, *partition), &self.batch.bytes, self.acks, version)
            };
            let templates = link.partitions.iter().map(template).collect::<Result<_, _>>()?;
            lanes.push((connection, link.address.clone(), templates));
        }
        Ok(Ready { lanes })
    }

    /// Sends and measures. Stamps count from `epoch`.
    ///
    /// # Errors
    /// The first thing that goes wrong on any connection.
    pub(super) fn run(&self, ready: Ready, timing: Timing, epoch: Instant) -> Result<Loaded, ClientError> {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            let count = ready.lanes.len();
            let counted = matches!(self.span, Span::Count(_));
            let probe = counted.then(|| Probe::start(self.pid)).transpose()?;
            for (index, (connection, address, templates)) in ready.lanes.into_iter().enumerate() {
                let pump = Pump {
                    stream: connection.into_stream(),
                    address,
                    templates,
                    batch: self.batch,
                    answered: self.acks != 0,
                    window: self.window,
                    arrivals: Arrivals::new(timing.start, self.rate, (index, count), timing.until),
                    measured: timing.measured,
                    epoch,
                    stop: &stop,
                };
                let thread = std::thread::Builder::new().name(format!("bench-{index}"));
                let started = thread.spawn_scoped(scope, || {
                    precise_timers();
                    pump.run().inspect_err(|_| stop.store(true, Ordering::Relaxed))
                });
                threads.push(started.inspect_err(|_| stop.store(true, Ordering::Relaxed))?);
            }
            self.measure(threads, probe, timing.measured, &stop)
        })
    }

    /// Waits for the time that counts, and for the threads. `probe` has begun already when not the time says where the end is.
    fn measure(
        &self,
        threads: Vec<Thread<'_>>,
        probe: Option<Probe>,
        measured: Measured,
        stop: &AtomicBool,
    ) -> Result<Loaded, ClientError> {
        let (pumped, usage, during) = if let Some(probe) = probe {
            let pumped = join(threads)?;
            (pumped, probe.finish()?, measured.from.elapsed())
        } else {
            let to = measured.to.unwrap_or(measured.from);
            wait_until(measured.from, stop);
            let usage = Probe::start(self.pid).and_then(|probe| {
                wait_until(to, stop);
                probe.finish()
            });
            // A broker that has ended shows on the connections too, in better words.
            let usage = usage.inspect_err(|_| stop.store(true, Ordering::Relaxed));
            (join(threads)?, usage?, to.saturating_duration_since(measured.from))
        };
        let bytes = pumped.requests.saturating_mul(self.batch.payload_bytes);
        Ok(Loaded { pumped, during, usage: usage.per_gb_of(bytes) })
    }
}

type Thread<'scope> = ScopedJoinHandle<'scope, Result<Pumped, ClientError>>;

/// What all threads have seen, when all have ended.
fn join(threads: Vec<Thread<'_>>) -> Result<Pumped, ClientError> {
    let mut pumped = Pumped::default();
    for thread in threads {
        let ended = || ClientError::Usage("a thread of the measurement ended early".to_owned());
        pumped.merge(&thread.join().map_err(|_| ended())??);
    }
    Ok(pumped)
}

/// Waits, unless a thread fails.
pub(super) fn wait_until(moment: Instant, stop: &AtomicBool) {
    while Instant::now() < moment && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(moment.saturating_duration_since(Instant::now()).min(LOOK));
    }
}

/// Lets this thread's waits end when they are due: by default the system may add 50 us, which would be in every latency.
pub(super) fn precise_timers() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
