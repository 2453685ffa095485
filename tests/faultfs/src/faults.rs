//! Which operations are to fail or to take their time, and how many there were.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a process asks of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Read,
    Write,
    Sync,
    SyncDirectory,
    Create,
    Rename,
    Remove,
    Allocate,
    SetLength,
}

const NAMES: [(&str, Kind); 9] = [
    ("read", Kind::Read),
    ("write", Kind::Write),
    ("sync", Kind::Sync),
    ("sync-directory", Kind::SyncDirectory),
    ("create", Kind::Create),
    ("rename", Kind::Rename),
    ("remove", Kind::Remove),
    ("allocate", Kind::Allocate),
    ("set-length", Kind::SetLength),
];

/// The kinds that a word of a command means.
pub(crate) fn kinds_of(word: &str) -> Result<Vec<Kind>, String> {
    let changes = |kind: &Kind| !matches!(kind, Kind::Read | Kind::Sync | Kind::SyncDirectory);
    let named: Vec<Kind> = NAMES.iter().filter(|(name, _)| *name == word).map(|(_, kind)| *kind).collect();
    match word {
        "change" => Ok(NAMES.iter().map(|(_, kind)| *kind).filter(changes).collect()),
        _ if named.is_empty() => Err(format!("unknown kind: {word}")),
        _ => Ok(named),
    }
}

#[derive(Debug)]
struct Rule {
    kinds: Vec<Kind>,
    pattern: String,
    errno: i32,
    once: bool,
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    slow: Vec<(String, Duration)>,
    lies: Vec<String>,
    counts: BTreeMap<Kind, u64>,
    last_change: String,
}

/// Shared by the file system and the commands; outlives a power loss.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, kinds: Vec<Kind>, pattern: &str, errno: i32, once: bool) {
        self.lock().rules.push(Rule { kinds, pattern: pattern.to_string(), errno, once });
    }

    pub(crate) fn slow(&self, pattern: &str, duration: Duration) {
        self.lock().slow.push((pattern.to_string(), duration));
    }

    pub(crate) fn lie(&self, pattern: &str) {
        self.lock().lies.push(pattern.to_string());
    }

    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.slow.clear();
        state.lies.clear();
    }

    /// Counts an operation. The number of the error that it is to fail with, if it is.
    pub(crate) fn meet(&self, kind: Kind, path: &Path) -> Option<i32> {
        let path = path.to_string_lossy();
        let mut state = self.lock();
        *state.counts.entry(kind).or_default() += 1;
        if kind != Kind::Read {
            state.last_change = format!("{kind:?} {path}");
        }
        let fits = |rule: &Rule| rule.kinds.contains(&kind) && matches(&rule.pattern, &path);
        let index = state.rules.iter().position(fits)?;
        let rule = state.rules.get(index)?;
        let (errno, once) = (rule.errno, rule.once);
        if once {
            state.rules.remove(index);
        }
        Some(errno)
    }

    /// How long a sync of this file takes.
    pub(crate) fn sync_takes(&self, path: &Path) -> Option<Duration> {
        let path = path.to_string_lossy();
        self.lock().slow.iter().find(|(pattern, _)| matches(pattern, &path)).map(|(_, duration)| *duration)
    }

    /// Whether a sync of this file or directory only pretends.
    pub(crate) fn is_a_lie(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.lock().lies.iter().any(|pattern| matches(pattern, &path))
    }

    /// The last operation that changed something, or tried to.
    pub(crate) fn last_change(&self) -> String {
        self.lock().last_change.clone()
    }

    /// `name=count` of every kind that was met.
    pub(crate) fn stats(&self) -> String {
        let state = self.lock();
        let count = |kind| state.counts.get(kind).copied().unwrap_or(0);
        let pairs: Vec<String> = NAMES.iter().map(|(name, kind)| format!("{name}={}", count(kind))).collect();
        pairs.join(" ")
    }
}

/// Whether the whole text fits a pattern, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        let Some(position) = rest.find(piece) else { return false };
        rest = rest.get(position + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in
            [("*", ""), ("*", "a/b"), ("a", "a"), ("*/0.log", "t/0.log"), ("t-*/*.log", "t-0/1.log")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("", "a"), ("*.log", "0.log.x"), ("t*x*x", "tx"), ("b*", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_for_once_is_met_once() {
        let faults = Faults::default();
        faults.fail(kinds_of("sync").unwrap(), "*.log", 5, true);
        let path = Path::new("t/0.log");
        assert_eq!(faults.meet(Kind::Write, path), None);
        assert_eq!(faults.meet(Kind::Sync, path), Some(5));
        assert_eq!(faults.meet(Kind::Sync, path), None);
        assert!(faults.stats().contains("write=1 sync=2"));
    }

    #[test]
    fn reading_and_syncing_are_no_changes() {
        let changes = kinds_of("change").unwrap();
        assert!(
            changes.contains(&Kind::Rename)
                && !changes.contains(&Kind::Read)
                && !changes.contains(&Kind::Sync)
        );
        assert!(kinds_of("swim").is_err());
    }
}
