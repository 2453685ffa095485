//! `highwater docs`: pages that are printed from tables, and the check that the printed ones are up to date.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::api_table::protocol_page;
use crate::config::print;
use crate::metrics::metrics_page;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Page {
    /// `docs/configuration.md`
    Configuration,
    /// `docs/metrics.md`
    Metrics,
    /// `docs/protocol.md`
    Protocol,
}

#[derive(Debug, Args)]
pub(super) struct DocsArguments {
    /// The page.
    page: Page,
    /// Compare with this file instead of printing; fails when they differ.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// Why a check failed.
#[derive(Debug)]
pub(super) enum DocsError {
    /// The file cannot be read.
    File(PathBuf, std::io::Error),
    /// The file is not what would be printed.
    Stale(PathBuf),
}

impl fmt::Display for DocsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Stale(path) => {
                write!(f, "{} is not up to date: print it again with `highwater docs`", path.display())
            }
        }
    }
}

/// Prints or checks a page.
pub(super) fn docs(arguments: &DocsArguments) -> Result<(), DocsError> {
    let text = match arguments.page {
        Page::Configuration => print::configuration(),
        Page::Metrics => metrics_page(),
        Page::Protocol => protocol_page(),
    };
    let Some(path) = &arguments.check else {
        print!("{text}");
        return Ok(());
    };
    let printed = std::fs::read_to_string(path).map_err(|error| DocsError::File(path.clone(), error))?;
    if printed == text { Ok(()) } else { Err(DocsError::Stale(path.clone())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_pages_are_up_to_date() {
        let docs_of = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        let pages = [
            (Page::Configuration, "configuration.md"),
            (Page::Metrics, "metrics.md"),
            (Page::Protocol, "protocol.md"),
        ];
        for (page, name) in pages {
            let checked = docs(&DocsArguments { page, check: Some(docs_of(name)) });
            assert!(checked.is_ok(), "{}", checked.unwrap_err());
        }
    }

    #[test]
    fn a_page_that_differs_or_is_missing_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("page.md");
        let check = || docs(&DocsArguments { page: Page::Protocol, check: Some(path.clone()) });
        assert!(matches!(check(), Err(DocsError::File(..))));
        std::fs::write(&path, "other").unwrap();
        assert!(matches!(check(), Err(DocsError::Stale(_))));
    }
}
