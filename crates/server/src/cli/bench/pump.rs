//! Sends prebuilt batches on one connection, as many at a time as the window allows, and times their answers. One thread; what it
//! costs is a few hundred instructions a request and the system's work of moving the bytes.
//!
//! The socket blocks; calls that must not wait say so. When only an answer can change anything the thread waits in `recv` itself,
//! otherwise in `poll`, until the next arrival at the latest.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_wire::frame::FrameSize;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use super::arrivals::Arrivals;
use super::batch::Prebuilt;
use super::flights::{Flights, Records};
use super::latencies::Latencies;
use super::template::Template;
use crate::client::ClientError;

/// Longer than any broker should take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers are small; many are read at once.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a pump works on.
pub(super) struct Pump<'a> {
    /// The connection.
    pub(super) stream: TcpStream,
    /// Its peer.
    pub(super) address: String,
    /// One for each partition that it sends to, in turn.
    pub(super) templates: Vec<Template>,
    /// What it sends.
    pub(super) batch: &'a Prebuilt,
    /// Whether there are answers: not with `acks=0`, where a request is done when the system has taken it.
    pub(super) answered: bool,
    /// Requests that may wait for an answer.
    pub(super) window: usize,
    /// When.
    pub(super) arrivals: Arrivals,
    /// What is counted.
    pub(super) measured: Measured,
    /// Where stamps count from.
    pub(super) epoch: Instant,
    /// Set by the first that fails: the others stop.
    pub(super) stop: &'a AtomicBool,
}

/// The time that counts. What is sent before is to warm up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// From here.
    pub(super) from: Instant,
    /// To here; `None`: to the end.
    pub(super) to: Option<Instant>,
    /// When to give up sending what is overdue.
    pub(super) give_up: Option<Instant>,
}

impl Measured {
    /// Whether a moment lies in it.
    pub(super) fn holds(&self, moment: Instant) -> bool {
        moment >= self.from && self.to.is_none_or(|to| moment < to)
    }
}

/// What a pump has seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Pumped {
    /// Of the requests that were meant for the time that counts, from that moment to the answer.
    pub(super) latencies: Latencies,
    /// Requests answered within that time.
    pub(super) requests: u64,
    /// Requests answered at all.
    pub(super) total: u64,
    /// Requests that were never sent, because the broker fell too far behind. Each is among the latencies with the time that it had
    /// waited.
    pub(super) unsent: u64,
}

impl Pumped {
    /// Adds what another has seen.
    pub(super) fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.requests += other.requests;
        self.total += other.total;
        self.unsent += other.unsent;
    }
}

impl Pump<'_> {
    /// Sends until there is nothing more to send and all is answered.
    ///
    /// # Errors
    /// An error in an answer, a lost connection, no answer within a minute.
    pub(super) fn run(mut self) -> Result<Pumped, ClientError> {
        self.stream.set_read_timeout(Some(PATIENCE)).map_err(|error| self.lost(error))?;
        let mut state = State { answers: vec![0; ANSWER_BYTES_MAX], ..State::default() };
        loop {
            let now = Instant::now();
            self.give_up(&mut state, now);
            self.admit(&mut state, now);
            self.send(&mut state)?;
            if state.flights.len() == 0 && self.arrivals.is_over(now) || self.stop.load(Ordering::Relaxed) {
                return Ok(state.pumped);
            }
            if self.answered || !state.flights.all_sent() {
                self.wait(&mut state)?;
            } else if let Some(due) = self.arrivals.next_due() {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }

    /// Queues what is due and has room.
    fn admit(&mut self, state: &mut State, now: Instant) {
        while state.flights.len() < self.window {
            let Some(intended) = self.arrivals.take(now) else { return };
            let lane = state.next_lane % self.templates.len().max(1);
            let Some(template) = self.templates.get(lane) else { return };
            state.next_lane = lane + 1;
            state.next_correlation_id = state.next_correlation_id.wrapping_add(1);
            let mut head = state.flights.buffer();
            template.head(state.next_correlation_id, &mut head);
            let records = match self.batch.stamp_at() {
                None => Records::Shared(self.batch.bytes.clone()),
                Some(_) => {
                    let stamp = intended.saturating_duration_since(self.epoch).as_nanos();
                    let mut own = state.flights.buffer();
                    self.batch.stamped(u64::try_from(stamp).unwrap_or(u64::MAX), &mut own);
                    Records::Own(own)
                }
            };
            let tail = Bytes::clone(template.tail());
            state.flights.push((intended, lane, state.next_correlation_id), head, records, tail);
        }
    }

    /// Counts what is overdue as never sent when it is too late.
    fn give_up(&mut self, state: &mut State, now: Instant) {
        if self.measured.give_up.is_none_or(|end| now < end) {
            return;
        }
        while let Some(intended) = self.arrivals.next_due().and_then(|_| self.arrivals.take(now)) {
            state.pumped.unsent += 1;
            if self.measured.holds(intended) {
                state.pumped.latencies.add(now - intended);
            }
        }
    }

    /// Gives the system as much as it takes at once.
    fn send(&self, state: &mut State) -> Result<(), ClientError> {
        while !state.flights.all_sent() {
            let mut pieces: Vec<IoSlice<'_>> = Vec::new();
            state.flights.unsent(&mut pieces);
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.stream, &pieces, &mut SendAncillaryBuffer::default(), flags) {
                Ok(count) => state.flights.taken(count),
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(self.lost(error.into())),
            }
        }
        let now = Instant::now();
        while !self.answered
            && let Some(flight) = state.flights.pop_sent()
        {
            self.count(state, flight.intended, now);
            state.flights.done(flight);
        }
        Ok(())
    }

    /// Waits until something can go on, and takes the answers that have come.
    fn wait(&mut self, state: &mut State) -> Result<(), ClientError> {
        let due = self.arrivals.next_due().filter(|_| state.flights.len() < self.window);
        if state.flights.all_sent() && due.is_none() {
            return self.receive(state, RecvFlags::empty());
        }
        let patience = due.map_or(PATIENCE, |due| due.saturating_duration_since(Instant::now()));
        let mut events = PollFlags::IN;
        events.set(PollFlags::OUT, !state.flights.all_sent());
        let mut fds = [PollFd::new(&self.stream, events)];
        let timeout = Timespec::try_from(patience).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) if due.is_none() => Err(self.lost(io::ErrorKind::TimedOut.into())),
            Ok(_) | Err(rustix::io::Errno::INTR) => match fds[0].revents().contains(PollFlags::OUT) {
                true if !fds[0].revents().contains(PollFlags::IN) => Ok(()),
                _ => self.receive(state, RecvFlags::DONTWAIT),
            },
            Err(error) => Err(self.lost(error.into())),
        }
    }

    fn receive(&mut self, state: &mut State, flags: RecvFlags) -> Result<(), ClientError> {
        let room = state.answers.get_mut(state.filled..).unwrap_or_default();
        match recv(&self.stream, room, flags) {
            Ok((_, 0)) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Ok((_, count)) => {
                state.filled += count;
                self.take_answers(state)
            }
            Err(rustix::io::Errno::AGAIN) if flags.is_empty() => {
                Err(self.lost(io::ErrorKind::TimedOut.into()))
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(self.lost(error.into())),
        }
    }

    /// Cuts what was read into answers, checks and counts them.
    fn take_answers(&mut self, state: &mut State) -> Result<(), ClientError> {
        let now = Instant::now();
        let answers = std::mem::take(&mut state.answers);
        let mut rest = answers.get(..state.filled).unwrap_or_default();
        let mut result = Ok(());
        while let Some((prefix, body)) = rest.split_first_chunk::<{ FrameSize::PREFIX }>() {
            let size = FrameSize::check(*prefix, ANSWER_BYTES_MAX - FrameSize::PREFIX);
            let size = size.map_err(|source| ClientError::BadFrame { address: self.address.clone(), source });
            let Some(answer) = size.as_ref().ok().and_then(|size| body.get(..size.0)) else {
                result = size.map(|_| ());
                break;
            };
            rest = body.get(answer.len()..).unwrap_or_default();
            result = self.take_answer(state, answer, now);
            if result.is_err() {
                break;
            }
        }
        let left = rest.len();
        state.answers = answers;
        state.answers.copy_within(state.filled - left..state.filled, 0);
        state.filled = left;
        result
    }

    fn take_answer(&mut self, state: &mut State, answer: &[u8], now: Instant) -> Result<(), ClientError> {
        let out_of_step = || ClientError::OutOfStep { address: self.address.clone() };
        let flight = state.flights.pop_sent().ok_or_else(out_of_step)?;
        let correlation_id = answer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes));
        if correlation_id != Some(flight.correlation_id) {
            return Err(out_of_step());
        }
        self.templates.get(flight.lane).map_or(Ok(()), |template| template.check(answer))?;
        self.count(state, flight.intended, now);
        state.flights.done(flight);
        Ok(())
    }

    fn count(&self, state: &mut State, intended: Instant, now: Instant) {
        state.pumped.total += 1;
        if self.measured.holds(now) {
            state.pumped.requests += 1;
        }
        if self.measured.holds(intended) {
            state.pumped.latencies.add(now.saturating_duration_since(intended));
        }
    }

    fn lost(&self, source: io::Error) -> ClientError {
        ClientError::Lost { address: self.address.clone(), source }
    }
}

/// What changes while it runs.
#[derive(Default)]
struct State {
    flights: Flights,
    pumped: Pumped,
    /// Answers as they come; the first `filled` bytes.
    answers: Vec<u8>,
    filled: usize,
    next_lane: usize,
    next_correlation_id: i32,
}
