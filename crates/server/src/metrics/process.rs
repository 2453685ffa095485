//! What is shown of this process. What the system does not tell is left out.

use std::fs;

use crate::procfs::{ProcessSample, word};

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

impl Process {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let sample = ProcessSample::own().ok();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self {
            resident_bytes: sample.map(|sample| sample.resident_bytes),
            anonymous_bytes: sample.map(|sample| sample.anonymous_bytes),
            cpu_seconds: sample.map(|sample| (sample.user + sample.kernel).as_secs_f64()),
            open_descriptors: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            max_descriptors: word(&limits, "Max open files"),
            threads: sample.map(|sample| sample.threads),
        }
    }
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
}
