//! `highwater log dump`: shows what is in the files of a log, without a broker. Reads plainly, changes nothing; a
//! segment is shown up to its first bad batch.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use highwater_wire::record::{BatchHeader, Records, RecordsError, default_output_limit};
use serde_json::{Value, json};

use super::files;
use super::segment::{self, SegmentEnd};

/// Arguments of `highwater log dump`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  highwater log dump ./highwater-data/orders-0
  highwater log dump ./highwater-data/orders-0/00000000000000000000.log --records
  highwater log dump ./highwater-data --json | jq .base_offset")]
pub(crate) struct LogDump {
    /// A segment, an index, a partition's directory or a data directory.
    path: PathBuf,
    /// Show each record, not only its batch.
    #[arg(long)]
    records: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Prints every file; says at the end whether all of it was good.
pub(crate) fn run(arguments: &LogDump, out: &mut dyn Write) -> io::Result<bool> {
    let mut dump = Dump { out, records: arguments.records, json: arguments.json, bad: 0 };
    for file in files::log_files(&arguments.path).map_err(files::named(&arguments.path))? {
        dump.file(&file)?;
    }
    Ok(dump.bad == 0)
}

struct Dump<'a> {
    out: &'a mut dyn Write,
    records: bool,
    json: bool,
    bad: u64,
}

impl Dump<'_> {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        if !self.json {
            writeln!(self.out, "{}", path.display())?;
        }
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("log") => self.segment(path),
            Some("index") => self.entries::<8>(path, |base, entry| {
                let (relative, position) = (number(entry, 0, 4), number(entry, 4, 4));
                json!({"offset": base.saturating_add(relative), "position": position})
            }),
            Some("timeindex") => self.entries::<12>(path, |base, entry| {
                let (timestamp, relative) = (number(entry, 0, 8), number(entry, 8, 4));
                json!({"timestamp": timestamp, "offset": base.saturating_add(relative)})
            }),
            Some("txnindex") => self.entries::<34>(path, |_, entry| {
                json!({
                    "producer_id": number(entry, 2, 8),
                    "first_offset": number(entry, 10, 8),
                    "last_offset": number(entry, 18, 8),
                    "last_stable_offset": number(entry, 26, 8),
                })
            }),
            _ => self.text(path),
        }
    }

    fn segment(&mut self, path: &Path) -> io::Result<()> {
        match segment::walk(path, |position, header, batch| self.batch(path, position, header, batch))? {
            SegmentEnd::Whole => Ok(()),
            SegmentEnd::Zeros { position, size } => {
                self.line(path, &json!({"position": position, "zeros": size}))
            }
            SegmentEnd::Bad { position, cause } => self.bad(path, position, &cause),
        }
    }

    fn batch(&mut self, path: &Path, position: u64, header: &BatchHeader, batch: &[u8]) -> io::Result<()> {
        self.line(path, &describe(position, header))?;
        if !self.records {
            return Ok(());
        }
        match self.records(path, header, batch)? {
            Ok(()) => Ok(()),
            Err(error) => self.bad(path, position, &error.to_string()),
        }
    }

    /// Shows the records of a batch; the inner error is the batch's, the outer one the output's.
    fn records(
        &mut self,
        path: &Path,
        header: &BatchHeader,
        batch: &[u8],
    ) -> io::Result<Result<(), RecordsError>> {
        let mut records = match Records::new(batch, header, default_output_limit(header.size())) {
            Ok(records) => records,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match records.next_record() {
                Ok(Some((record, _))) => self.line(path, &files::describe_record(header, &record))?,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    fn entries<const SIZE: usize>(
        &mut self,
        path: &Path,
        describe: impl Fn(i64, &[u8; SIZE]) -> Value,
    ) -> io::Result<()> {
        let base = files::base_offset(path).unwrap_or(0);
        let mut file = BufReader::new(File::open(path)?);
        let mut entry = [0; SIZE];
        loop {
            match file.read_exact(&mut entry) {
                Ok(()) => self.line(path, &describe(base, &entry))?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn text(&mut self, path: &Path) -> io::Result<()> {
        let mut text = String::new();
        File::open(path)?.take(1 << 20).read_to_string(&mut text)?;
        for line in text.lines() {
            self.line(path, &json!({"text": line}))?;
        }
        Ok(())
    }

    fn bad(&mut self, path: &Path, position: u64, cause: &str) -> io::Result<()> {
        self.bad += 1;
        self.line(path, &json!({"position": position, "bad": cause}))
    }

    fn line(&mut self, path: &Path, fields: &Value) -> io::Result<()> {
        if self.json {
            let mut fields = fields.clone();
            if let Some(object) = fields.as_object_mut() {
                object.insert("file".to_owned(), json!(path.display().to_string()));
            }
            return writeln!(self.out, "{fields}");
        }
        writeln!(self.out, "  {}", files::readable(fields))
    }
}

fn describe(position: u64, header: &BatchHeader) -> Value {
    let mut fields = json!({
        "position": position,
        "base_offset": header.base_offset.0,
        "last_offset": header.last_offset().0,
        "records": header.record_count,
        "size": header.size(),
        "leader_epoch": header.leader_epoch.0,
        "max_timestamp": header.max_timestamp.0,
        "codec": header.attributes.compression().map_or("unknown", |codec| codec.name()),
        "crc": format!("{:#010x}", header.crc),
    });
    if let Some(object) = fields.as_object_mut() {
        if header.has_producer_id() {
            object.insert("producer_id".to_owned(), json!(header.producer_id.0));
            object.insert("producer_epoch".to_owned(), json!(header.producer_epoch.0));
            object.insert("base_sequence".to_owned(), json!(header.base_sequence.0));
        }
        if header.attributes.is_transactional() {
            object.insert("transactional".to_owned(), json!(true));
        }
        if header.attributes.is_control() {
            object.insert("control".to_owned(), json!(true));
        }
    }
    fields
}

/// A big-endian signed number of `size` bytes at `at`; 0 where bytes are missing.
fn number(entry: &[u8], at: usize, size: usize) -> i64 {
    let bytes = entry.get(at..at + size).unwrap_or_default();
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| (value << 8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use highwater_wire::record::{BatchBuilder, Record};

    use super::*;

    fn dump(path: &Path, records: bool, json: bool) -> (String, bool) {
        let mut out = Vec::new();
        let good = run(&LogDump { path: path.to_path_buf(), records, json }, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), good)
    }

    fn segment(directory: &Path) -> PathBuf {
        let mut builder = BatchBuilder::new();
        builder.push(&Record { key: Some("k".into()), value: Some("v".into()), ..Record::default() });
        let path = directory.join("00000000000000000000.log");
        std::fs::write(&path, builder.build().unwrap()).unwrap();
        path
    }

    #[test]
    fn a_segment_is_shown_batch_by_batch_and_record_by_record() {
        let directory = tempfile::tempdir().unwrap();
        let path = segment(directory.path());
        let (text, good) = dump(&path, true, false);
        assert!(good && text.contains("base_offset 0") && text.contains("value v"), "{text}");
        let (lines, _) = dump(directory.path(), true, true);
        let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!((first["records"].as_u64(), first["codec"].as_str()), (Some(1), Some("none")));
    }

    #[test]
    fn a_damaged_batch_is_named_with_its_position() {
        let directory = tempfile::tempdir().unwrap();
        let path = segment(directory.path());
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (text, good) = dump(&path, false, false);
        assert!(!good && text.contains("position 0") && text.contains("bad"), "{text}");
    }

    #[test]
    fn numbers_keep_their_sign() {
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xfe], 0, 4), -2);
        assert_eq!(number(&[0, 0, 1, 0], 0, 4), 256);
    }
}
