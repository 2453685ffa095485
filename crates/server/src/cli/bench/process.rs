//! What a process on this machine has used, from `/proc`.

use std::fs;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

/// Ticks of the times in `/proc/<pid>/stat`: 100 a second for programs, whatever the kernel's own clock.
const TICK: Duration = Duration::from_millis(10);
/// Where the times stand behind the name, which is the only field that may contain spaces and ends with the last `)`.
const USER_TICKS: usize = 11;
const KERNEL_TICKS: usize = 12;

/// The state of a process at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    user: Duration,
    kernel: Duration,
    memory_kib: u64,
    memory_peak_kib: u64,
}

impl Sample {
    /// Looks at a process.
    ///
    /// # Errors
    /// What reading `/proc` says, `InvalidData` when it does not read as expected.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let unexpected =
            || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}: not as expected"));
        let fields: Vec<&str> = stat.rsplit_once(')').ok_or_else(unexpected)?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
        let time = |index| ticks(index).map(|ticks: u32| TICK.saturating_mul(ticks)).ok_or_else(unexpected);
        let kib = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        Ok(Self {
            user: time(USER_TICKS)?,
            kernel: time(KERNEL_TICKS)?,
            memory_kib: kib("VmRSS:"),
            memory_peak_kib: kib("VmHWM:"),
        })
    }
}

/// What a process used between two samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    user: Duration,
    kernel: Duration,
    during: Duration,
    end: Sample,
}

impl Usage {
    /// From one sample to a later one, `during` apart.
    pub(super) fn between(start: Sample, end: Sample, during: Duration) -> Self {
        let (user, kernel) = (end.user.saturating_sub(start.user), end.kernel.saturating_sub(start.kernel));
        Self { user, kernel, during, end }
    }

    /// As a line.
    pub(super) fn line(&self) -> String {
        let share = |time| 100.0 * self.share(time);
        format!(
            "broker: {:.2} CPU s = {:.1} % of a core (user {:.1} %, kernel {:.1} %), memory {} MiB, at most {} MiB",
            (self.user + self.kernel).as_secs_f64(),
            share(self.user + self.kernel),
            share(self.user),
            share(self.kernel),
            self.end.memory_kib >> 10,
            self.end.memory_peak_kib >> 10,
        )
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        json!({
            "cpu_s": (self.user + self.kernel).as_secs_f64(),
            "core_share": self.share(self.user + self.kernel),
            "user_s": self.user.as_secs_f64(),
            "kernel_s": self.kernel.as_secs_f64(),
            "memory_kib": self.end.memory_kib,
            "memory_peak_kib": self.end.memory_peak_kib,
        })
    }

    fn share(&self, time: Duration) -> f64 {
        time.as_secs_f64() / self.during.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_can_be_measured() {
        let start = Sample::of(std::process::id()).unwrap();
        assert!(start.memory_kib > 0 && start.memory_peak_kib >= start.memory_kib);
        let end = Sample { user: start.user + TICK, ..start };
        let usage = Usage::between(start, end, TICK * 4);
        assert_eq!(usage.fields()["core_share"], 0.25);
        assert!(usage.line().contains("25.0 % of a core (user 25.0 %, kernel 0.0 %)"), "{}", usage.line());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        assert!(Sample::of(u32::MAX).is_err());
    }
}
