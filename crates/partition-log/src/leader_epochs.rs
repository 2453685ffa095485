//! Which leader epoch begins at which offset, as `LeaderEpochFileCache` keeps it, and the text of
//! `leader-epoch-checkpoint`:
//!
//! ```text
//! 0                      version
//! 2                      number of lines that follow
//! 0 0                    epoch, start offset
//! 3 1042
//! ```
//!
//! Invariant: epochs and start offsets both rise. Not here: when an epoch begins, reading and writing the file.

use std::fmt;

use highwater_types::{LeaderEpoch, Offset};

use crate::EpochEnd;

/// The first offset of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch, never negative.
    pub epoch: LeaderEpoch,
    /// Offset of its first record, never negative.
    pub start_offset: Offset,
}

/// The epochs of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<EpochStart>,
}

/// The 1-based line of a `leader-epoch-checkpoint` that is not what it must be. 0: the file is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochCheckpointError {
    /// The line.
    pub line: usize,
}

impl fmt::Display for EpochCheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed leader epoch checkpoint at line {}", self.line)
    }
}

impl std::error::Error for EpochCheckpointError {}

impl LeaderEpochs {
    /// All epochs, rising.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The newest epoch; `None` before the first append.
    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    /// Notes that `epoch` begins at `start_offset`, unless it is the newest one already and begins no earlier. What
    /// contradicts it (same or later epoch, same or later start) goes. Returns whether anything changed. Negative
    /// numbers are ignored.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        let known =
            self.latest().is_some_and(|latest| latest.epoch == epoch && latest.start_offset <= start_offset);
        if known || epoch.0 < 0 || start_offset.0 < 0 {
            return false;
        }
        self.pop_while(|entry| entry.epoch >= epoch || entry.start_offset >= start_offset);
        self.entries.push(EpochStart { epoch, start_offset });
        true
    }

    /// Forgets epochs that begin at or after `end` (the log was cut there). Returns whether anything changed.
    pub fn truncate_from_end(&mut self, end: Offset) -> bool {
        self.pop_while(|entry| entry.start_offset >= end)
    }

    /// Forgets epochs that ended at or before `start` (the log begins there now); the one that holds `start` then begins
    /// there. Returns whether anything changed.
    pub fn truncate_from_start(&mut self, start: Offset) -> bool {
        let begun = self.entries.iter().take_while(|entry| entry.start_offset <= start).count();
        let Some(current) = begun.checked_sub(1) else { return false };
        let unchanged = current == 0 && self.entries.first().is_some_and(|first| first.start_offset == start);
        self.entries.drain(..current);
        if let Some(first) = self.entries.first_mut() {
            first.start_offset = start;
        }
        !unchanged
    }

    /// Kafka's answer to OffsetForLeaderEpoch. For the newest epoch: the log's end. For one that is known or has
    /// gaps around it: the largest known epoch at or below it and where the next one begins. For one before all known:
    /// itself, and where the first known begins. For one after all known, or with nothing known: none.
    pub fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> EpochEnd {
        let none = EpochEnd { leader_epoch: LeaderEpoch::NONE, end_offset: Offset(-1) };
        if epoch == LeaderEpoch::NONE {
            return none;
        }
        if self.latest().is_some_and(|latest| latest.epoch == epoch) {
            return EpochEnd { leader_epoch: epoch, end_offset: log_end };
        }
        let Some(higher) = self.entries.iter().find(|entry| entry.epoch > epoch) else { return none };
        let floor = self.entries.iter().rfind(|entry| entry.epoch <= epoch);
        EpochEnd { leader_epoch: floor.map_or(epoch, |entry| entry.epoch), end_offset: higher.start_offset }
    }

    /// The epoch in which the record at `offset` was appended; `None` before the first known epoch.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.entries.iter().rfind(|entry| entry.start_offset <= offset).map(|entry| entry.epoch)
    }

    /// The text of the checkpoint file.
    pub fn encode(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            text.push_str(&format!("{} {}\n", entry.epoch, entry.start_offset));
        }
        text
    }

    /// Reads the checkpoint file.
    ///
    /// # Errors
    /// [`EpochCheckpointError`]; the file is a hint and is then rebuilt from the batches.
    pub fn decode(bytes: &[u8]) -> Result<Self, EpochCheckpointError> {
        let error = |line| EpochCheckpointError { line };
        let text = std::str::from_utf8(bytes).map_err(|_| error(0))?;
        let mut lines = text.lines();
        if lines.next() != Some("0") {
            return Err(error(1));
        }
        let count: usize = lines.next().and_then(|line| line.parse().ok()).ok_or(error(2))?;
        let mut epochs = Self::default();
        for (index, line) in lines.enumerate() {
            let entry = parse_line(line).ok_or(error(index + 3))?;
            let rises = epochs
                .latest()
                .is_none_or(|last| last.epoch < entry.epoch && last.start_offset < entry.start_offset);
            if !rises {
                return Err(error(index + 3));
            }
            epochs.entries.push(entry);
        }
        if epochs.entries.len() == count { Ok(epochs) } else { Err(error(2)) }
    }

    fn pop_while(&mut self, unwanted: impl Fn(&EpochStart) -> bool) -> bool {
        let before = self.entries.len();
        while self.entries.last().is_some_and(&unwanted) {
            self.entries.pop();
        }
        self.entries.len() != before
    }
}

fn parse_line(line: &str) -> Option<EpochStart> {
    let (epoch, start_offset) = line.split_once(' ')?;
    let entry = EpochStart {
        epoch: LeaderEpoch(epoch.parse().ok()?),
        start_offset: Offset(start_offset.parse().ok()?),
    };
    (entry.epoch.0 >= 0 && entry.start_offset.0 >= 0).then_some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for &(epoch, start) in entries {
            assert!(epochs.assign(LeaderEpoch(epoch), Offset(start)), "{epoch} {start}");
        }
        epochs
    }

    fn list(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.entries().iter().map(|entry| (entry.epoch.0, entry.start_offset.0)).collect()
    }

    fn end(epochs: &LeaderEpochs, epoch: i32) -> (i32, i64) {
        let end = epochs.end_of(LeaderEpoch(epoch), Offset(100));
        (end.leader_epoch.0, end.end_offset.0)
    }

    #[test]
    fn the_end_of_an_epoch_is_kafkas_answer() {
        let epochs = epochs(&[(2, 5), (4, 20), (7, 60)]);
        assert_eq!(end(&epochs, 7), (7, 100), "newest: the log's end");
        assert_eq!(end(&epochs, 4), (4, 60));
        assert_eq!(end(&epochs, 5), (4, 60), "unknown in between: the one below");
        assert_eq!(end(&epochs, 1), (1, 5), "before all: itself, until the first");
        assert_eq!(end(&epochs, 8), (-1, -1), "after all: none");
        assert_eq!(end(&epochs, -1), (-1, -1));
        assert_eq!(end(&LeaderEpochs::default(), 0), (-1, -1));
    }

    #[test]
    fn an_epoch_is_noted_once_and_what_contradicts_it_goes() {
        let mut epochs = epochs(&[(0, 0), (1, 10), (2, 20)]);
        assert!(!epochs.assign(LeaderEpoch(2), Offset(25)));
        assert!(epochs.assign(LeaderEpoch(2), Offset(15)));
        assert_eq!(list(&epochs), [(0, 0), (1, 10), (2, 15)]);
        assert!(epochs.assign(LeaderEpoch(3), Offset(10)));
        assert_eq!(list(&epochs), [(0, 0), (3, 10)]);
        assert!(!epochs.assign(LeaderEpoch(-1), Offset(10)));
    }

    #[test]
    fn cutting_the_log_cuts_the_epochs() {
        let mut epochs = epochs(&[(0, 0), (1, 10), (2, 20)]);
        assert!(!epochs.truncate_from_end(Offset(21)));
        assert!(epochs.truncate_from_end(Offset(20)));
        assert_eq!(list(&epochs), [(0, 0), (1, 10)]);
        assert!(epochs.truncate_from_start(Offset(4)));
        assert_eq!(list(&epochs), [(0, 4), (1, 10)]);
        assert!(!epochs.truncate_from_start(Offset(4)));
        assert!(!epochs.truncate_from_start(Offset(2)));
        assert!(epochs.truncate_from_start(Offset(10)));
        assert_eq!(list(&epochs), [(1, 10)]);
        assert!(epochs.truncate_from_start(Offset(500)));
        assert_eq!(list(&epochs), [(1, 500)]);
    }

    #[test]
    fn a_record_is_of_the_epoch_that_had_begun() {
        let epochs = epochs(&[(3, 5), (4, 20)]);
        let at = |offset| epochs.epoch_at(Offset(offset)).map(|epoch| epoch.0);
        assert_eq!([at(4), at(5), at(19), at(20)], [None, Some(3), Some(3), Some(4)]);
    }

    #[test]
    fn the_checkpoint_has_kafkas_text() {
        let epochs = epochs(&[(0, 0), (3, 1042)]);
        assert_eq!(epochs.encode(), "0\n2\n0 0\n3 1042\n");
        assert_eq!(LeaderEpochs::decode(epochs.encode().as_bytes()), Ok(epochs));
        assert_eq!(LeaderEpochs::decode(b"0\n0\n"), Ok(LeaderEpochs::default()));
    }

    #[test]
    fn a_damaged_checkpoint_names_its_line() {
        let line = |text: &[u8]| LeaderEpochs::decode(text).unwrap_err().line;
        assert_eq!(line(b""), 1);
        assert_eq!(line(b"1\n0\n"), 1);
        assert_eq!(line(b"0\nx\n"), 2);
        assert_eq!(line(b"0\n2\n0 0\n"), 2);
        assert_eq!(line(b"0\n1\n0 0\n1 5\n"), 2);
        assert_eq!(line(b"0\n2\n1 0\n0 5\n"), 4);
        assert_eq!(line(b"0\n2\n0 5\n1 5\n"), 4);
        assert_eq!(line(b"0\n1\n0 -5\n"), 3);
        assert_eq!(line(b"0\n1\n05\n"), 3);
        assert_eq!(line(b"\xff"), 0);
        assert_eq!(line(b"0\n99999999999999999999\n"), 2);
    }
}
