//! A bar on a terminal's stderr that tells how far a long read is, how fast, and how long it will take.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two drawings.
const EVERY: Duration = Duration::from_millis(200);
const WIDTH: u64 = 30;

/// Draws nothing where stderr is no terminal, and nothing of what is done at once.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    began: Instant,
    drawn: Instant,
    is_terminal: bool,
    visible: bool,
}

impl Progress {
    /// Of `total` bytes.
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        let (now, is_terminal) = (Instant::now(), io::stderr().is_terminal());
        Self { what, total, done: 0, began: now, drawn: now, is_terminal, visible: false }
    }

    /// So many bytes more are done.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.is_terminal && self.drawn.elapsed() >= EVERY {
            self.drawn = Instant::now();
            self.visible = true;
            // Whoever looks at a terminal that is gone misses nothing.
            let _ = write!(
                io::stderr(),
                "\r{}\x1b[K",
                line(self.what, self.done, self.total, self.began.elapsed())
            );
        }
    }

    /// Takes the bar away, so that something can be printed.
    pub(super) fn hide(&mut self) {
        if std::mem::take(&mut self.visible) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let total = total.max(1);
    let done = done.min(total);
    let filled = done.saturating_mul(WIDTH) / total;
    let bar: String = (0..WIDTH).map(|at| if at < filled { '#' } else { '.' }).collect();
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = (done.saturating_mul(1000) / milliseconds).max(1);
    let left = Duration::from_secs((total - done) / rate);
    format!(
        "{what} [{bar}] {} %, {} of {} MB, {} MB/s, {} left",
        done.saturating_mul(100) / total,
        done / 1_000_000,
        total / 1_000_000,
        rate / 1_000_000,
        readable(left)
    )
}

fn readable(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let text = line("verifying", 250_000_000, 1_000_000_000, Duration::from_secs(2));
        assert_eq!(
            text,
            "verifying [#######.......................] 25 %, 250 of 1000 MB, 125 MB/s, 6 s left"
        );
    }

    #[test]
    fn nothing_to_do_is_no_division_by_zero() {
        assert!(line("x", 0, 0, Duration::ZERO).contains("0 %"));
    }
}
