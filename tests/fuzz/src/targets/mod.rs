//! The table of targets and what is done with each.

mod journal;
mod messages;
mod planted;
mod records;
mod recovery;
mod small_files;
mod texts;

use std::path::Path;
use std::{fs, io};

use highwater_wire::record::crc32c;

use crate::memory::{Budget, Usage, measure};
use crate::mend;

pub use planted::PLANTED;

/// Bytes that a decoder of text or small fields may take: errors and the harness's own copies, too.
const SMALL: Budget = Budget { fixed: 64 << 10, factor: 32 };

/// A decoder of foreign bytes and the promise that it keeps.
#[derive(Debug)]
pub struct Target {
    /// What `scripts/fuzz` calls it; its corpus is the directory of that name.
    pub name: &'static str,
    /// What it decodes.
    pub about: &'static str,
    /// Decodes and checks; a broken promise is a panic.
    pub run: fn(&[u8]),
    /// Puts lengths and checksums right after a mutation.
    pub mend: fn(&mut [u8]),
    /// Heap bytes that an input may take.
    pub budget: Budget,
    /// Encoded examples from which a search starts.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "request",
        about: "a stream of request frames: size, header, body of every API in every version",
        run: messages::requests,
        mend: mend::frame,
        budget: messages::BUDGET,
        seeds: messages::request_seeds,
    },
    Target {
        name: "response",
        about: "the answers that our client reads: key and version of the API, header, body",
        run: messages::response,
        mend: mend::nothing,
        budget: messages::BUDGET,
        seeds: messages::response_seeds,
    },
    Target {
        name: "batch",
        about: "record batches in a row: headers, checksums, records of every codec",
        run: records::batches,
        mend: mend::batches,
        budget: records::BUDGET,
        seeds: records::seeds,
    },
    Target {
        name: "admission",
        about: "a produced batch under settings from its first byte: admitted, rewritten, recompressed",
        run: records::admission,
        mend: records::mend_admission,
        budget: records::BUDGET,
        seeds: records::admission_seeds,
    },
    Target {
        name: "recovery",
        about: "a partition's directory with any segments, indexes, snapshots and checkpoint: recovered twice, and read",
        run: recovery::recovery,
        mend: recovery::mend,
        budget: recovery::BUDGET,
        seeds: recovery::seeds,
    },
    Target {
        name: "journal",
        about: "a data directory with any journal of small appends: started twice, also over a failure or a crash",
        run: journal::journal,
        mend: journal::mend,
        budget: journal::BUDGET,
        seeds: journal::seeds,
    },
    Target {
        name: "snapshot",
        about: "a producer snapshot and a window file behind each other",
        run: small_files::snapshot,
        mend: small_files::mend_snapshot,
        budget: SMALL,
        seeds: small_files::snapshot_seeds,
    },
    Target {
        name: "txn_index",
        about: "a .txnindex file",
        run: small_files::txn_index,
        mend: mend::nothing,
        budget: SMALL,
        seeds: small_files::txn_index_seeds,
    },
    Target {
        name: "epochs",
        about: "a leader-epoch-checkpoint file",
        run: small_files::epochs,
        mend: mend::nothing,
        budget: SMALL,
        seeds: small_files::epochs_seeds,
    },
    Target {
        name: "metadata",
        about: "key and value of a metadata record",
        run: small_files::metadata,
        mend: mend::nothing,
        budget: small_files::RECORD,
        seeds: small_files::metadata_seeds,
    },
    Target {
        name: "checkpoint",
        about: "the data directory's checkpoint",
        run: texts::checkpoint,
        mend: texts::mend_checkpoint,
        budget: SMALL,
        seeds: texts::checkpoint_seeds,
    },
    Target {
        name: "synced_ends",
        about: "the file of synced ends",
        run: texts::synced_ends,
        mend: texts::mend_synced_ends,
        budget: texts::DISK,
        seeds: texts::synced_ends_seeds,
    },
    Target {
        name: "settings",
        about: "a file of settings, taken for the broker's and for a topic's",
        run: texts::settings,
        mend: mend::nothing,
        budget: texts::SETTINGS,
        seeds: texts::settings_seeds,
    },
    Target {
        name: "members",
        about: "subscription and assignment of a group's members",
        run: texts::members,
        mend: mend::nothing,
        budget: SMALL,
        seeds: texts::members_seeds,
    },
];

/// The target of a name, a planted one too.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().chain(PLANTED).find(|target| target.name == name)
}

impl Target {
    /// Runs one input and returns what it took.
    ///
    /// # Panics
    /// When a promise is broken, or the memory budget is exceeded.
    pub fn check(&self, input: &[u8]) -> Usage {
        let usage = measure(input.len(), || (self.run)(input));
        let limit = self.budget.limit(input.len());
        assert!(
            usage.peak <= limit,
            "{}: {} bytes of input took {} bytes of memory ({limit} are allowed)",
            self.name,
            input.len(),
            usage.peak
        );
        usage
    }

    /// Writes the seeds into a directory, each under a name that follows from its bytes.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_seeds(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for seed in (self.seeds)() {
            fs::write(directory.join(format!("seed-{:08x}-{}", crc32c(&seed), seed.len())), seed)?;
        }
        Ok(())
    }
}
