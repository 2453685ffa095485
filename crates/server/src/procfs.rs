//! What the system says of a process and of the whole machine, from `/proc`. The one reader of these files: what the broker shows of
//! itself and what a benchmark says of a broker are the same figures.
//!
//! Times have the grain of the system's accounting, 10 ms.

use std::fs;
use std::io;
use std::time::Duration;

/// Ticks of the times in `/proc`: 100 a second for programs, whatever the kernel's own clock.
const TICK: Duration = Duration::from_millis(10);
/// Where the times stand behind the name in `stat`, which may hold anything and ends with the last `)`.
const USER_FIELD: usize = 11;
const KERNEL_FIELD: usize = 12;

/// A process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ProcessSample {
    /// Processor time of all its threads outside the kernel.
    pub(crate) user: Duration,
    /// Processor time of all its threads in the kernel.
    pub(crate) kernel: Duration,
    /// Bytes of memory that are resident.
    pub(crate) resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub(crate) resident_bytes_max: u64,
    /// Resident bytes that are no file's pages (`RssAnon`).
    pub(crate) anonymous_bytes: u64,
    /// Resident bytes of shared memory (`RssShmem`).
    pub(crate) shared_bytes: u64,
    /// Threads.
    pub(crate) threads: u64,
    /// Bytes that it has made storage write: file pages made dirty, and direct writes. `None` when the system does not tell, as of
    /// somebody else's process.
    pub(crate) storage_bytes: Option<u64>,
}

impl ProcessSample {
    /// Looks at a process.
    ///
    /// # Errors
    /// What reading `/proc` says, `InvalidData` when it does not read as expected.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Self::read(&pid.to_string())
    }

    /// Looks at this process.
    ///
    /// # Errors
    /// As [`ProcessSample::of`].
    pub(crate) fn own() -> io::Result<Self> {
        Self::read("self")
    }

    /// Memory that is the process's own, in bytes: pages of files are the system's to take.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.anonymous_bytes.saturating_add(self.shared_bytes)
    }

    fn read(name: &str) -> io::Result<Self> {
        let file = |file: &str| fs::read_to_string(format!("/proc/{name}/{file}"));
        let (stat, status) = (file("stat")?, file("status")?);
        let unexpected =
            || io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{name}: not as expected"));
        let (user, kernel) = times(&stat).ok_or_else(unexpected)?;
        let bytes = |name| word(&status, name).unwrap_or_default().saturating_mul(1024);
        Ok(Self {
            user,
            kernel,
            resident_bytes: bytes("VmRSS:"),
            resident_bytes_max: bytes("VmHWM:"),
            anonymous_bytes: bytes("RssAnon:"),
            shared_bytes: bytes("RssShmem:"),
            threads: word(&status, "Threads:").ok_or_else(unexpected)?,
            storage_bytes: file("io").ok().and_then(|text| word(&text, "write_bytes:")),
        })
    }
}

/// The processors of the machine, all together, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct MachineSample {
    /// Time in which a processor worked for anybody: programs, the kernel's own threads, interrupts.
    pub(crate) busy: Duration,
    /// Time in which a processor had work and the hypervisor gave it to others.
    pub(crate) stolen: Duration,
}

impl MachineSample {
    /// Looks at the machine.
    ///
    /// # Errors
    /// What reading `/proc/stat` says, `InvalidData` when it does not read as expected.
    pub(crate) fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        parse_machine(&stat)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat: not as expected"))
    }
}

/// The first number behind `name` at the beginning of a line.
pub(crate) fn word(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and kernel time in a `stat` of a process.
fn times(stat: &str) -> Option<(Duration, Duration)> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let time = |index: usize| ticks(fields.get(index)?);
    Some((time(USER_FIELD)?, time(KERNEL_FIELD)?))
}

/// The line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal (`proc_stat(5)`).
fn parse_machine(stat: &str) -> Option<MachineSample> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<Duration> = line.split_whitespace().map_while(ticks).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, stolen, ..] = times.as_slice() else {
        return None;
    };
    Some(MachineSample { busy: *user + *nice + *system + *irq + *softirq, stolen: *stolen })
}

fn ticks(field: &str) -> Option<Duration> {
    let ticks: u64 = field.parse().ok()?;
    let tick_ms = u64::try_from(TICK.as_millis()).ok()?;
    Some(Duration::from_millis(ticks.checked_mul(tick_ms)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_looked_at() {
        let own = ProcessSample::own().unwrap();
        assert!(own.anonymous_bytes > 0 && own.own_bytes() <= own.resident_bytes);
        assert!(own.resident_bytes <= own.resident_bytes_max && own.threads >= 1);
        assert!(ProcessSample::of(std::process::id()).unwrap().storage_bytes.is_some());
        assert!(ProcessSample::of(u32::MAX).is_err());
    }

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(times(stat), Some((Duration::from_millis(1_500), Duration::from_millis(500))));
        assert_eq!(times("7 (a) S 1 2"), None);
    }

    #[test]
    fn the_machine_is_busy_for_everybody_but_itself() {
        let stat = "cpu  100 1 20 5000 7 3 4 50 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let sample = parse_machine(stat).unwrap();
        assert_eq!((sample.busy.as_millis(), sample.stolen.as_millis()), (1_280, 500));
        assert_eq!(parse_machine("cpu  1 2 3\n"), None);
        assert!(MachineSample::now().unwrap().busy > Duration::ZERO);
    }
}
