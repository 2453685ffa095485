//! What the system says of this process, from `/proc`. What cannot be read is left out.

use std::fs;

/// This process at one moment.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub(crate) struct Process {
    /// Bytes of memory that are resident.
    pub(crate) resident_bytes: Option<u64>,
    /// Those of them that are its own: no file's pages.
    pub(crate) anonymous_bytes: Option<u64>,
    /// Processor time of all threads, in seconds.
    pub(crate) cpu_seconds: Option<f64>,
    /// Open file descriptors.
    pub(crate) open_descriptors: Option<u64>,
    /// File descriptors that it may open.
    pub(crate) max_descriptors: Option<u64>,
    /// Threads.
    pub(crate) threads: Option<u64>,
}

/// Ticks of a second in `/proc`: 100 on every Linux that runs on today's machines.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            resident_bytes: kilobytes(&status, "VmRSS:"),
            anonymous_bytes: kilobytes(&status, "RssAnon:"),
            cpu_seconds: cpu_seconds(&stat),
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            max_descriptors: word(&limits, "Max open files", 0),
            threads: word(&status, "Threads:", 0),
        }
    }
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    word(text, name, 0)?.checked_mul(1024)
}

/// The number behind `name` at the beginning of a line.
fn word(text: &str, name: &str, index: usize) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().nth(index)?.parse().ok()
}

/// User and system time: the 14th and 15th field, counted behind the name, which may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_descriptors_and_threads() {
        let process = Process::read();
        assert!(process.resident_bytes > Some(100_000) && process.anonymous_bytes < process.resident_bytes);
        assert!(process.open_descriptors >= Some(3) && process.max_descriptors >= process.open_descriptors);
        assert!(process.threads >= Some(1) && process.cpu_seconds.is_some());
    }

    #[test]
    fn a_name_may_hold_parentheses_and_spaces() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
    }
}
