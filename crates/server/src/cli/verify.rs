//! `highwater verify`: reads every batch of every partition in a data directory and says what is wrong. Changes nothing.
//!
//! Everything is checked that a broker keeps: the directory's own files, whether metadata and directories agree, each
//! batch's header and checksum, that offsets follow one another without overlap and without gap (unless a file `holes`
//! allows them) up to what was known to be synced, and that indexes fit. What it calls damage is what `highwater repair`
//! does something about, by the same findings (`store_local::repair`). A torn tail, as a crash may leave it, is named and
//! is no damage: the next start cuts it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use highwater_disk::RealDisk;
use highwater_store_local::repair::{Finding, Inspection, PartitionReport, Severity};
use highwater_wire::record::BatchHeader;
use serde_json::{Value, json};

use super::files;
use super::progress::Progress;

/// Arguments of `highwater verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater verify ./highwater-data
  highwater verify ./highwater-data/orders-0 --json")]
pub(crate) struct Verify {
    /// A data directory or a partition's directory.
    directory: PathBuf,
    /// One JSON object for the directory and for each partition, a line each.
    #[arg(long)]
    json: bool,
}

/// Verifies and prints; returns whether nothing was damaged.
pub(crate) fn run(arguments: &Verify, out: &mut dyn Write) -> io::Result<bool> {
    let (inspection, only) = inspect(&arguments.directory)?;
    let mut names = inspection.partitions();
    names.retain(|name| only.as_ref().is_none_or(|only| only == name));
    let damage = |findings: &[Finding]| findings.iter().filter(|found| found.is_damage()).count();
    let mut count = 0;
    if only.is_none() {
        count += damage(inspection.findings());
        print_directory(out, &arguments.directory, inspection.findings(), arguments.json)?;
    }
    let mut progress = Progress::new("verifying", total_bytes(inspection.path(), &names)?);
    for name in &names {
        let (report, records) = look(&inspection, name, &mut progress);
        progress.hide();
        count += damage(&report.findings);
        print(out, &report, records, arguments.json)?;
    }
    progress.hide();
    if !arguments.json {
        let verdict = verdict(&inspection, count);
        writeln!(out, "{} partitions, {verdict}", names.len())?;
    }
    Ok(count == 0)
}

fn verdict(inspection: &Inspection, damage: usize) -> String {
    match damage {
        0 => "no damage found".to_owned(),
        count if inspection.is_in_use() => {
            format!(
                "DAMAGE FOUND in {count} places, while a broker is writing: verify again after it has stopped"
            )
        }
        count => format!(
            "DAMAGE FOUND in {count} places: see what `highwater repair --offline --dry-run` would do"
        ),
    }
}

/// The inspection of a data directory, or of the one around a partition's directory, and then its name.
pub(super) fn inspect(directory: &Path) -> io::Result<(Inspection, Option<String>)> {
    let whole = directory.canonicalize().map_err(files::named(directory))?;
    let open = |path: &Path| {
        Inspection::open(Arc::new(RealDisk::default()), path)
            .map_err(|error| io::Error::other(error.to_string()))
    };
    let inspection = open(&whole)?;
    if inspection.is_data_directory() {
        return Ok((inspection, None));
    }
    let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if let Some(parent) = whole.parent().filter(|_| is_partition(&whole, name)) {
        return Ok((open(parent)?, Some(name.to_owned())));
    }
    let holds_partitions = |name: &String| whole.join(name).join("partition.metadata").is_file();
    if !inspection.partitions().iter().any(holds_partitions) {
        let problem = "neither a data directory (no format file, no partition in it) nor a partition's";
        return Err(files::named(directory)(io::Error::new(io::ErrorKind::InvalidInput, problem)));
    }
    Ok((inspection, None))
}

fn is_partition(path: &Path, name: &str) -> bool {
    let numbered = name.rsplit_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok());
    path.is_dir() && numbered
}

/// Bytes of the segments that are to be read.
pub(super) fn total_bytes(path: &Path, partitions: &[String]) -> io::Result<u64> {
    let mut total = 0;
    for directory in partitions.iter().map(|name| path.join(name)).filter(|directory| directory.is_dir()) {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "log") {
                total += entry.metadata()?.len();
            }
        }
    }
    Ok(total)
}

/// Looks at a partition; also says how many records it has.
pub(super) fn look(inspection: &Inspection, name: &str, progress: &mut Progress) -> (PartitionReport, u64) {
    let mut records = 0;
    let report = inspection.partition(name, &mut |_, _, header, batch| {
        progress.add(header.size);
        records += BatchHeader::parse(batch).map_or(0, |batch| u64::from(batch.record_count));
    });
    (report, records)
}

fn print_directory(out: &mut dyn Write, path: &Path, findings: &[Finding], json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", json!({"directory": path, "findings": described(findings)}));
    }
    for finding in findings {
        writeln!(out, "{}", readable(finding))?;
    }
    Ok(())
}

fn print(out: &mut dyn Write, report: &PartitionReport, records: u64, json: bool) -> io::Result<()> {
    let log = &report.log.segments;
    if json {
        let fields = json!({
            "partition": report.name, "segments": log.segments, "batches": log.entries, "records": records,
            "bytes": log.bytes, "start_offset": log.start.0, "end_offset": log.end.0,
            "findings": described(&report.findings),
        });
        return writeln!(out, "{fields}");
    }
    let verdict = if report.findings.iter().any(Finding::is_damage) { "DAMAGED" } else { "ok" };
    writeln!(
        out,
        "{}: {verdict}, {} segments, {} batches, {records} records, {} bytes, offsets {}..{}",
        report.name, log.segments, log.entries, log.bytes, log.start, log.end
    )?;
    for finding in &report.findings {
        writeln!(out, "  {}", readable(finding))?;
    }
    Ok(())
}

/// A finding as a line: file, position, bytes, what is wrong, what is lost.
pub(super) fn readable(finding: &Finding) -> String {
    let name = finding.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut line = format!("{name}: ");
    if let Some(position) = finding.position {
        line.push_str(&format!("position {position}, {} bytes: ", finding.bytes));
    }
    line.push_str(&finding.problem);
    if let Some((from, to)) = finding.lost.filter(|_| finding.is_damage()) {
        line.push_str(&format!("; offsets {from}..{to} are lost"));
    }
    line
}

/// Findings for programs.
pub(super) fn described(findings: &[Finding]) -> Vec<Value> {
    let severity = |finding: &Finding| match finding.severity {
        Severity::Note => "note",
        Severity::Repair => "repair",
        Severity::RebuildMetadata => "rebuild-metadata",
        Severity::Person => "person",
    };
    let fields = |finding: &Finding| {
        json!({
            "path": finding.path, "position": finding.position, "bytes": finding.bytes,
            "lost": finding.lost.map(|(from, to)| [from.0, to.0]), "problem": finding.problem,
            "asks_for": severity(finding),
        })
    };
    findings.iter().map(fields).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use highwater_types::{LeaderEpoch, Offset};
    use highwater_wire::record::{BatchBuilder, Record};

    use super::*;

    fn batch(offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new().position(Offset(offset), LeaderEpoch::ZERO);
        builder.push(&Record { value: Some("value".into()), ..Record::default() });
        builder.build().unwrap().to_vec()
    }

    fn partition(segments: &[(i64, Vec<u8>)]) -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("t-0");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("partition.metadata"), "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n")
            .unwrap();
        for (base, bytes) in segments {
            fs::write(directory.join(format!("{base:020}.log")), bytes).unwrap();
        }
        data
    }

    fn verified_at(directory: PathBuf) -> (String, bool) {
        let mut out = Vec::new();
        let good = run(&Verify { directory, json: false }, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), good)
    }

    fn verified(data: &tempfile::TempDir) -> (String, bool) {
        verified_at(data.path().to_path_buf())
    }

    #[test]
    fn a_whole_log_is_good_also_by_its_partitions_directory() {
        let data = partition(&[(0, [batch(0), batch(1)].concat()), (2, batch(2))]);
        for directory in [data.path().to_path_buf(), data.path().join("t-0")] {
            let (text, good) = verified_at(directory);
            assert!(
                good && text.contains("2 segments, 3 batches, 3 records") && text.contains("offsets 0..3"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_flipped_bit_in_a_sealed_segment_is_damage_and_in_the_tail_is_not() {
        let mut damaged = batch(0);
        *damaged.last_mut().unwrap() ^= 1;
        let (text, good) = verified(&partition(&[(0, damaged.clone()), (1, batch(1))]));
        assert!(!good && text.contains("position 0") && text.contains("offsets 0..1 are lost"), "{text}");
        let (text, good) = verified(&partition(&[(0, damaged)]));
        assert!(good && text.contains("a torn tail"), "{text}");
    }

    #[test]
    fn a_gap_is_damage_unless_holes_are_allowed() {
        let data = partition(&[(0, batch(0)), (5, batch(5))]);
        let (text, good) = verified(&data);
        assert!(!good && text.contains("no file holds offsets 1..5"), "{text}");
        fs::write(data.path().join("t-0/holes"), "").unwrap();
        assert!(verified(&data).1);
    }

    #[test]
    fn an_index_without_its_segment_is_damage() {
        let data = partition(&[(0, batch(0))]);
        fs::write(data.path().join("t-0/00000000000000000001.index"), "").unwrap();
        let (text, good) = verified(&data);
        assert!(!good && text.contains("its segment is not there"), "{text}");
    }

    #[test]
    fn offsets_that_go_back_are_damage() {
        let (text, good) = verified(&partition(&[(0, [batch(0), batch(0)].concat()), (1, batch(1))]));
        assert!(!good && text.contains("offset 0 where 1 was expected"), "{text}");
    }

    #[test]
    fn what_is_no_data_directory_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        let arguments = Verify { directory: empty.path().to_path_buf(), json: false };
        assert!(run(&arguments, &mut Vec::new()).unwrap_err().to_string().contains("neither"));
    }
}
