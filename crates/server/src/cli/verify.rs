//! `highwater verify`: reads every batch of every partition in a data directory and says what is wrong. Changes nothing.
//!
//! Checked: each batch's header and checksum, that offsets follow one another without overlap and without gap (unless a file
//! `holes` allows them), that index entries point at batches and every index has its segment, that the topic id is there. Bad
//! bytes behind the last good batch of the last segment are what a crash may leave: they are named, and are no damage by
//! themselves. Whether they were once synced only the next start can tell; it then takes the partition offline.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::files;
use super::segment::{self, SegmentEnd};

/// Says which topic a partition's directory belongs to.
const METADATA: &str = "partition.metadata";

/// Arguments of `highwater verify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater verify ./highwater-data
  highwater verify ./highwater-data/orders-0 --json")]
pub(crate) struct Verify {
    /// A data directory or a partition's directory.
    directory: PathBuf,
    /// One JSON object for each partition, a line each.
    #[arg(long)]
    json: bool,
}

/// What was found in one partition.
#[derive(Debug, Default)]
struct Report {
    segments: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    start: i64,
    end: i64,
    /// Offsets may be missing.
    holes: bool,
    notes: Vec<String>,
    damage: Vec<String>,
}

/// Verifies and prints; returns whether nothing was damaged.
pub(crate) fn run(arguments: &Verify, out: &mut dyn Write) -> io::Result<bool> {
    let partitions = partitions(&arguments.directory).map_err(files::named(&arguments.directory))?;
    let mut progress = Progress::new(total_bytes(&partitions)?);
    let mut good = true;
    for partition in &partitions {
        let report = verify_partition(partition, &mut progress)?;
        good &= report.damage.is_empty();
        print(out, partition, &report, arguments.json)?;
    }
    progress.finish();
    if !arguments.json {
        let verdict = if good { "no damage found" } else { "DAMAGE FOUND" };
        writeln!(out, "{} partitions, {verdict}", partitions.len())?;
    }
    Ok(good)
}

/// `directory` itself when it is a partition's, else its children that are.
///
/// # Errors
/// When it cannot be listed, and when it is neither a data directory nor a partition's.
fn partitions(directory: &Path) -> io::Result<Vec<PathBuf>> {
    if is_partition(directory) {
        return Ok(vec![directory.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if is_partition(&path) {
            found.push(path);
        }
    }
    let ours = directory.join("format").is_file() || found.iter().any(|path| path.join(METADATA).is_file());
    if !ours {
        let problem = "neither a data directory (no format file, no partition in it) nor a partition's";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    found.sort();
    Ok(found)
}

fn is_partition(path: &Path) -> bool {
    let numbered = || {
        let (_, index) = path.file_name()?.to_str()?.rsplit_once('-')?;
        index.parse::<u32>().ok()
    };
    path.is_dir() && numbered().is_some()
}

fn segments(partition: &Path) -> io::Result<Vec<PathBuf>> {
    let files = files::log_files(partition)?;
    Ok(files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect())
}

fn total_bytes(partitions: &[PathBuf]) -> io::Result<u64> {
    let mut total = 0;
    for partition in partitions {
        for segment in segments(partition)? {
            total += fs::metadata(segment)?.len();
        }
    }
    Ok(total)
}

fn verify_partition(partition: &Path, progress: &mut Progress) -> io::Result<Report> {
    let segments = segments(partition)?;
    let mut report = Report { start: -1, end: -1, ..Report::default() };
    if !partition.join(METADATA).is_file() {
        report.damage.push("partition.metadata is missing".to_owned());
    }
    report.holes = partition.join("holes").is_file();
    for (ordinal, path) in segments.iter().enumerate() {
        let last = ordinal + 1 == segments.len();
        verify_segment(path, last, &mut report, progress)?;
    }
    for file in files::log_files(partition)? {
        if file.extension().is_some_and(|extension| extension != "log") && files::base_offset(&file).is_some()
        {
            let segment = file.with_extension("log");
            if !segments.contains(&segment) {
                report.damage.push(format!("{} has no segment", name_of(&file)));
            }
        }
    }
    Ok(report)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Report {
    /// Notes offsets that are not there.
    fn missing(&mut self, name: &str, until: i64) {
        let line = format!("{name}: offsets {}..{until} are missing", self.end);
        if self.holes { self.notes.push(line) } else { self.damage.push(line) }
    }
}

fn verify_segment(path: &Path, last: bool, report: &mut Report, progress: &mut Progress) -> io::Result<()> {
    let name = name_of(path);
    report.segments += 1;
    let base = files::base_offset(path).unwrap_or(-1);
    if report.end >= 0 && base < report.end {
        report
            .damage
            .push(format!("{name}: begins at {base}, before the end {} of the segment before", report.end));
    } else if report.end >= 0 && base > report.end {
        report.missing(&name, base);
    }
    report.start = if report.start < 0 { base } else { report.start };
    report.end = report.end.max(base);
    let mut positions = HashSet::new();
    let end = segment::walk(path, |position, header, _| {
        if header.base_offset.0 < report.end {
            let expected = report.end;
            report.damage.push(format!(
                "{name}: position {position}: offset {} where at least {expected} was expected",
                header.base_offset
            ));
        } else if header.base_offset.0 > report.end {
            report.missing(&name, header.base_offset.0);
        }
        report.end = header.next_offset().0;
        report.batches += 1;
        report.records += u64::from(header.record_count);
        report.bytes += header.size();
        positions.insert(position);
        progress.add(header.size());
        Ok(())
    })?;
    match end {
        SegmentEnd::Whole => {}
        SegmentEnd::Zeros { position, size } => {
            report.notes.push(format!("{name}: {size} reserved bytes from position {position}"));
        }
        SegmentEnd::Bad { position, cause } if last => {
            report.notes.push(format!(
                "{name}: position {position}: bad tail, cut by the next start if it was never synced: {cause}"
            ));
        }
        SegmentEnd::Bad { position, cause } => {
            report.damage.push(format!("{name}: position {position}: {cause}"));
        }
    }
    verify_index(path, &positions, report)
}

/// Every entry of the offset index must point at a batch. Trailing zeros are room that was not used.
fn verify_index(segment: &Path, positions: &HashSet<u64>, report: &mut Report) -> io::Result<()> {
    let path = segment.with_extension("index");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut file = BufReader::new(file);
    let mut entry = [0; 8];
    while file.read_exact(&mut entry).is_ok() {
        let position = entry.iter().skip(4).fold(0, |value, byte| (value << 8) | u64::from(*byte));
        if entry != [0; 8] && !positions.contains(&position) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            report.notes.push(format!(
                "{name}: an entry points at {position}, where no batch is; a start rebuilds it"
            ));
            break;
        }
    }
    Ok(())
}

fn print(out: &mut dyn Write, partition: &Path, report: &Report, json: bool) -> io::Result<()> {
    let name = name_of(partition);
    if json {
        let fields = json!({
            "partition": name, "segments": report.segments, "batches": report.batches, "records": report.records,
            "bytes": report.bytes, "start_offset": report.start.max(0), "end_offset": report.end.max(0),
            "notes": report.notes, "damage": report.damage,
        });
        return writeln!(out, "{fields}");
    }
    let verdict = if report.damage.is_empty() { "ok" } else { "DAMAGED" };
    writeln!(
        out,
        "{name}: {verdict}, {} segments, {} batches, {} records, {} bytes, offsets {}..{}",
        report.segments,
        report.batches,
        report.records,
        report.bytes,
        report.start.max(0),
        report.end.max(0)
    )?;
    for line in report.damage.iter().chain(&report.notes) {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// A line on a terminal's stderr that tells how far a long read is.
struct Progress {
    total: u64,
    done: u64,
    shown_percent: Option<u64>,
}

impl Progress {
    fn new(total: u64) -> Self {
        let shown_percent = io::stderr().is_terminal().then_some(0);
        Self { total, done: 0, shown_percent }
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        let percent = self.done.saturating_mul(100) / self.total.max(1);
        if self.shown_percent.is_some_and(|shown| shown < percent) {
            self.shown_percent = Some(percent);
            eprint!("\rverifying: {percent} % of {} MB", self.total / 1_000_000);
        }
    }

    fn finish(&self) {
        if self.shown_percent.is_some() {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
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

    fn verified(data: &tempfile::TempDir) -> (String, bool) {
        let mut out = Vec::new();
        let arguments = Verify { directory: data.path().to_path_buf(), json: false };
        let good = run(&arguments, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), good)
    }

    #[test]
    fn a_whole_log_is_good() {
        let data = partition(&[(0, [batch(0), batch(1)].concat()), (2, batch(2))]);
        let (text, good) = verified(&data);
        assert!(
            good && text.contains("2 segments, 3 batches, 3 records") && text.contains("offsets 0..3"),
            "{text}"
        );
    }

    #[test]
    fn a_flipped_bit_in_a_sealed_segment_is_damage_and_in_the_tail_is_not() {
        let mut damaged = batch(0);
        *damaged.last_mut().unwrap() ^= 1;
        let (text, good) = verified(&partition(&[(0, damaged.clone()), (1, batch(1))]));
        assert!(!good && text.contains("position 0"), "{text}");
        let (text, good) = verified(&partition(&[(0, damaged)]));
        assert!(good && text.contains("bad tail"), "{text}");
    }

    #[test]
    fn a_gap_is_damage_unless_holes_are_allowed() {
        let data = partition(&[(0, batch(0)), (5, batch(5))]);
        let (text, good) = verified(&data);
        assert!(!good && text.contains("offsets 1..5 are missing"), "{text}");
        fs::write(data.path().join("t-0/holes"), "").unwrap();
        assert!(verified(&data).1);
    }

    #[test]
    fn an_index_without_its_segment_is_damage() {
        let data = partition(&[(0, batch(0))]);
        fs::write(data.path().join("t-0/00000000000000000001.index"), "").unwrap();
        let (text, good) = verified(&data);
        assert!(!good && text.contains("has no segment"), "{text}");
    }

    #[test]
    fn offsets_that_go_back_are_damage() {
        let (text, good) = verified(&partition(&[(0, [batch(0), batch(0)].concat())]));
        assert!(!good && text.contains("at least 1 was expected"), "{text}");
    }
}
