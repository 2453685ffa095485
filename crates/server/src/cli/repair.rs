//! `highwater repair`: makes a damaged data directory servable again, without a broker. Removes nothing: what is taken
//! out of use keeps its bytes under another name beside it, and every step is printed.
//!
//! Not here: what is damaged and what is done about it (`store_local::repair`).

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use highwater_disk::RealDisk;
use highwater_store_local::repair::{Done, Finding, Inspection, Repair as Repairing, Severity};
use highwater_types::Timestamp;
use serde_json::json;

use super::progress::Progress;
use super::{files, verify};

/// Arguments of `highwater repair`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater repair ./highwater-data --offline --dry-run
  highwater repair ./highwater-data --offline
  highwater repair ./highwater-data --offline --rebuild-metadata")]
pub(crate) struct Repair {
    /// A data directory that no broker uses.
    directory: PathBuf,
    /// Says that no broker serves the directory meanwhile. There is no other way yet.
    #[arg(long, required = true)]
    offline: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Make meta.redb anew, or complete it, from the directories of partitions: brings back topics, not their settings
    /// nor the offsets of groups.
    #[arg(long)]
    rebuild_metadata: bool,
    /// One JSON object a line for each finding and each step.
    #[arg(long)]
    json: bool,
}

/// Repairs and prints; returns whether nothing is damaged now (with --dry-run: whether nothing is).
pub(crate) fn run(arguments: &Repair, out: &mut dyn Write) -> io::Result<bool> {
    let path = arguments.directory.as_path();
    let inspection = inspect(path)?;
    let mut findings = inspection.findings().to_vec();
    let names = inspection.partitions();
    let mut progress = Progress::new("looking", verify::total_bytes(path, &names)?);
    for name in &names {
        findings.extend(verify::look(&inspection, name, &mut progress).0.findings);
    }
    progress.hide();
    findings.retain(|finding| finding.is_damage() || arguments.rebuild_metadata);
    for finding in &findings {
        print_finding(out, path, finding, arguments)?;
    }
    let damaged = findings.iter().any(Finding::is_damage);
    if arguments.dry_run || (!damaged && !arguments.rebuild_metadata) {
        if !arguments.json {
            let verdict = if damaged { "nothing was changed" } else { "nothing to repair" };
            writeln!(out, "{verdict}")?;
        }
        return Ok(!damaged);
    }
    if inspection.is_in_use() {
        return Err(other(format!("the data directory {} is in use by another process", path.display())));
    }
    act(path, arguments, out)?;
    finish(path, arguments, out)
}

fn inspect(path: &Path) -> io::Result<Inspection> {
    let inspection = Inspection::open(Arc::new(RealDisk::default()), path).map_err(other)?;
    if !inspection.is_data_directory() {
        return Err(files::named(path)(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a data directory: it has no format file",
        )));
    }
    Ok(inspection)
}

/// Sets right whatever can be.
fn act(path: &Path, arguments: &Repair, out: &mut dyn Write) -> io::Result<()> {
    let mut repair = Repairing::open(Arc::new(RealDisk::default()), path).map_err(other)?;
    if arguments.rebuild_metadata {
        repair.rebuild_metadata().map_err(other)?;
    }
    print_done(out, path, &repair.take_done(), arguments.json)?;
    let names = repair.inspection().partitions();
    let mut progress = Progress::new("repairing", verify::total_bytes(path, &names)?);
    for name in &names {
        let (report, _) = verify::look(repair.inspection(), name, &mut progress);
        progress.hide();
        if let Err(error) = repair.partition(&report, now()) {
            writeln!(out, "{name}: NOT REPAIRED: {error}")?;
        }
        print_done(out, path, &repair.take_done(), arguments.json)?;
    }
    Ok(())
}

/// Looks again, and says what is left.
fn finish(path: &Path, arguments: &Repair, out: &mut dyn Write) -> io::Result<bool> {
    let inspection = inspect(path)?;
    let mut left = inspection.findings().to_vec();
    let names = inspection.partitions();
    let mut progress = Progress::new("verifying", verify::total_bytes(path, &names)?);
    for name in &names {
        left.extend(verify::look(&inspection, name, &mut progress).0.findings);
    }
    progress.hide();
    left.retain(Finding::is_damage);
    for finding in &left {
        print_finding(out, path, finding, arguments)?;
    }
    if !arguments.json {
        let verdict = if left.is_empty() { "no damage is left" } else { "DAMAGE IS LEFT" };
        writeln!(out, "{verdict}")?;
    }
    Ok(left.is_empty())
}

fn print_finding(out: &mut dyn Write, path: &Path, finding: &Finding, arguments: &Repair) -> io::Result<()> {
    if arguments.json {
        let fields = verify::described(std::slice::from_ref(finding));
        return writeln!(out, "{}", json!({"finding": fields.first()}));
    }
    let advice = match finding.severity {
        Severity::RebuildMetadata if !arguments.rebuild_metadata => "; needs --rebuild-metadata",
        Severity::Person => "; no repair helps: restore it",
        _ => "",
    };
    let parent = finding.path.parent().and_then(|parent| parent.strip_prefix(path).ok());
    let place = parent.filter(|parent| !parent.as_os_str().is_empty());
    let place = place.map(|place| format!("{}/", place.display())).unwrap_or_default();
    writeln!(out, "found    {place}{}{advice}", verify::readable(finding))
}

fn print_done(out: &mut dyn Write, path: &Path, done: &[Done], json: bool) -> io::Result<()> {
    for done in done {
        if json {
            writeln!(out, "{}", json!({"path": done.path, "done": done.what}))?;
        } else {
            let name = done.path.strip_prefix(path).unwrap_or(&done.path);
            writeln!(out, "repaired {}: {}", name.display(), done.what)?;
        }
    }
    Ok(())
}

fn other(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
