//! What a measurement took: the broker's processor time and memory, the client's, and the machine's.
//!
//! The kernel's own threads, as those that write pages back, are in no program's account. So the machine's busy time without the
//! client's is told beside the broker's; it holds whatever else ran, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::latencies::float;
use crate::client::ClientError;
use crate::procfs::{MachineSample, ProcessSample};

/// How often memory is looked at for its maximum.
const MEMORY_EVERY: Duration = Duration::from_millis(100);
const GB: f64 = 1e9;
const MIB: f64 = (1u32 << 20) as f64;

/// A measurement under way.
pub(super) struct Probe {
    began: Instant,
    pid: Option<u32>,
    start: Moment,
    peak: Peak,
}

/// Everything at one moment.
#[derive(Debug, Clone, Copy)]
struct Moment {
    broker: Option<ProcessSample>,
    client: ProcessSample,
    machine: MachineSample,
}

impl Moment {
    fn now(pid: Option<u32>) -> Result<Self, ClientError> {
        let broker = pid.map(|pid| {
            ProcessSample::of(pid).map_err(|error| ClientError::Usage(format!("--pid {pid}: {error}")))
        });
        Ok(Self {
            broker: broker.transpose()?,
            client: ProcessSample::own()?,
            machine: MachineSample::now()?,
        })
    }
}

impl Probe {
    /// Begins; `pid` is the broker's, when it runs on this machine.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when there is no such process.
    pub(super) fn start(pid: Option<u32>) -> Result<Self, ClientError> {
        let start = Moment::now(pid)?;
        Ok(Self { began: Instant::now(), pid, start, peak: Peak::watch(pid) })
    }

    /// Ends.
    ///
    /// # Errors
    /// [`ClientError::Usage`] when the process has ended.
    pub(super) fn finish(self) -> Result<Usage, ClientError> {
        let end = Moment::now(self.pid)?;
        Ok(Usage {
            during: self.began.elapsed(),
            start: self.start,
            end,
            own_bytes_max: self.peak.stop(),
            sent_bytes: None,
        })
    }
}

/// What was used between two moments.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    during: Duration,
    start: Moment,
    end: Moment,
    own_bytes_max: u64,
    sent_bytes: Option<u64>,
}

impl Usage {
    /// The same, told per GB of `bytes` too.
    pub(super) fn per_gb_of(mut self, bytes: u64) -> Self {
        self.sent_bytes = Some(bytes).filter(|bytes| *bytes > 0);
        self
    }

    /// As lines for people; the first ones are about the broker, if it is known.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((start, end)) = self.start.broker.zip(self.end.broker) {
            let (user, kernel) =
                (end.user.saturating_sub(start.user), end.kernel.saturating_sub(start.kernel));
            let share = |time: Duration| 100.0 * self.share(time);
            lines.push(format!(
                "broker: {}{:.1} % of a core (user {:.1} %, kernel {:.1} %)",
                self.per_gb_text(&[("", user + kernel), ("user ", user), ("kernel ", kernel)]),
                share(user + kernel),
                share(user),
                share(kernel),
            ));
            let mib = |bytes| float(bytes) / MIB;
            lines.push(format!(
                "broker: memory of its own {:.1} MiB before, {:.1} after, at most {:.1}{}",
                mib(start.own_bytes()),
                mib(end.own_bytes()),
                mib(self.own_bytes_max),
                self.storage_text(start, end),
            ));
        }
        let (client, others) = (self.client(), self.others());
        let stolen = self.end.machine.stolen.saturating_sub(self.start.machine.stolen);
        lines.push(format!(
            "machine without this client: {}{:.2} CPU s; client {:.2} CPU s; stolen {:.2} s",
            self.per_gb_text(&[("", others)]),
            others.as_secs_f64(),
            client.as_secs_f64(),
            stolen.as_secs_f64(),
        ));
        lines
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        let per_gb = |time: Duration| self.sent_bytes.map(|bytes| time.as_secs_f64() / float(bytes) * GB);
        let (client, others) = (self.client(), self.others());
        let broker = self.start.broker.zip(self.end.broker).map(|(start, end)| {
            let (user, kernel) =
                (end.user.saturating_sub(start.user), end.kernel.saturating_sub(start.kernel));
            json!({
                "cpu_s": (user + kernel).as_secs_f64(),
                "core_share": self.share(user + kernel),
                "user_s": user.as_secs_f64(),
                "kernel_s": kernel.as_secs_f64(),
                "cpu_s_per_gb": per_gb(user + kernel),
                "user_s_per_gb": per_gb(user),
                "kernel_s_per_gb": per_gb(kernel),
                "memory_kib": end.resident_bytes >> 10,
                "memory_peak_kib": end.resident_bytes_max >> 10,
                "own_bytes_before": start.own_bytes(),
                "own_bytes_after": end.own_bytes(),
                "own_bytes_max": self.own_bytes_max,
                "storage_bytes": storage_bytes(start, end),
            })
        });
        json!({
            "broker": broker,
            "client_cpu_s": client.as_secs_f64(),
            "client_cpu_s_per_gb": per_gb(client),
            "others_cpu_s": others.as_secs_f64(),
            "others_cpu_s_per_gb": per_gb(others),
            "stolen_s": self.end.machine.stolen.saturating_sub(self.start.machine.stolen).as_secs_f64(),
        })
    }

    fn client(&self) -> Duration {
        let total = |sample: ProcessSample| sample.user + sample.kernel;
        total(self.end.client).saturating_sub(total(self.start.client))
    }

    /// The machine without the client.
    fn others(&self) -> Duration {
        self.end.machine.busy.saturating_sub(self.start.machine.busy).saturating_sub(self.client())
    }

    fn share(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.during.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// `1.23 CPU s/GB (user 0.4, kernel 0.83), `; nothing without bytes.
    fn per_gb_text(&self, times: &[(&str, Duration)]) -> String {
        let Some(bytes) = self.sent_bytes else { return String::new() };
        let value = |time: &Duration| time.as_secs_f64() / float(bytes) * GB;
        let [(_, total), parts @ ..] = times else { return String::new() };
        let parts: Vec<String> =
            parts.iter().map(|(name, time)| format!("{name}{:.2}", value(time))).collect();
        let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        format!("{:.2} CPU s/GB{parts}, ", value(total))
    }

    fn storage_text(&self, start: ProcessSample, end: ProcessSample) -> String {
        match (storage_bytes(start, end), self.sent_bytes) {
            (Some(written), Some(sent)) if written > 0 => {
                format!("; {:.2} bytes to storage per byte", float(written) / float(sent))
            }
            _ => String::new(),
        }
    }
}

fn storage_bytes(start: ProcessSample, end: ProcessSample) -> Option<u64> {
    Some(end.storage_bytes?.saturating_sub(start.storage_bytes?))
}

/// Looks at a process's memory from time to time, in a thread of its own.
struct Peak {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peak {
    fn watch(pid: Option<u32>) -> Self {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (its_most, its_stop) = (Arc::clone(&most), Arc::clone(&stop));
        let look = move |pid| {
            while !its_stop.load(Ordering::Relaxed) {
                if let Ok(sample) = ProcessSample::of(pid) {
                    its_most.fetch_max(sample.own_bytes(), Ordering::Relaxed);
                }
                std::thread::park_timeout(MEMORY_EVERY);
            }
        };
        // Without the thread the maximum is that of the two ends.
        let thread = pid.and_then(|pid| {
            std::thread::Builder::new().name("bench-memory".to_owned()).spawn(move || look(pid)).ok()
        });
        Self { most, stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            thread.thread().unpark();
            let _ = thread.join();
        }
        self.most.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_can_be_measured() {
        let probe = Probe::start(Some(std::process::id())).unwrap();
        let hold = vec![1u8; 64 << 20];
        let deadline = Instant::now() + Duration::from_secs(60);
        while probe.peak.most.load(Ordering::Relaxed) < hold.len() as u64 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let peak = hold.len() as u64;
        drop(hold);
        let usage = probe.finish().unwrap().per_gb_of(500_000_000);
        let fields = usage.fields();
        assert!(usage.own_bytes_max >= peak && fields["broker"]["memory_kib"].as_u64() > Some(0));
        // The process was busy all the time, as broker and as client alike.
        let (cpu, per_gb) = (&fields["broker"]["cpu_s"], &fields["broker"]["cpu_s_per_gb"]);
        assert_eq!(cpu.as_f64().unwrap() * 2.0, per_gb.as_f64().unwrap());
        assert!(usage.lines()[0].contains("CPU s/GB (user "), "{:?}", usage.lines());
    }

    #[test]
    fn the_machine_is_told_without_the_client() {
        let s = Duration::from_secs;
        let mut start = Moment {
            broker: None,
            client: ProcessSample::default(),
            machine: MachineSample { busy: s(100), stolen: s(1) },
        };
        let mut end = start;
        (start.client.user, end.client.user, end.client.kernel) = (s(1), s(3), s(2));
        (end.machine.busy, end.machine.stolen) = (s(110), s(3));
        let usage = Usage { during: s(10), start, end, own_bytes_max: 0, sent_bytes: Some(2_000_000_000) };
        let fields = usage.fields();
        assert_eq!((&fields["client_cpu_s"], &fields["others_cpu_s"]), (&json!(4.0), &json!(6.0)));
        assert_eq!((&fields["others_cpu_s_per_gb"], &fields["stolen_s"]), (&json!(3.0), &json!(2.0)));
        assert_eq!(fields["broker"], Value::Null);
    }

    #[test]
    fn a_process_that_is_not_there_is_told() {
        assert!(Probe::start(Some(u32::MAX)).err().unwrap().to_string().contains("--pid"));
    }
}
