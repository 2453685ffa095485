//! What the tools that look at files share: which files make a log, in which order, and how a line reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use highwater_wire::record::{BatchHeader, RecordView};
use serde_json::{Value, json};

/// Names in a partition's directory that the tools show, by extension or whole.
const SHOWN: [&str; 4] = ["log", "index", "timeindex", "txnindex"];
const SHOWN_TEXT: [&str; 2] = ["leader-epoch-checkpoint", "partition.metadata"];

/// The files to show for `path`: itself, or those of a partition's directory, or of all partitions of a data directory.
///
/// # Errors
/// What listing says; `NotFound` naming the path when there is nothing.
pub(crate) fn log_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        fs::metadata(path)?;
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    let mut directories = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        if entry.is_dir() {
            directories.push(entry);
        } else if is_shown(&entry) {
            files.push(entry);
        }
    }
    files.sort();
    directories.sort();
    for directory in directories {
        files.extend(log_files(&directory)?);
    }
    Ok(files)
}

/// Puts the path in front of what the system says.
pub(crate) fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

fn is_shown(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let name = path.file_name().and_then(|name| name.to_str());
    extension.is_some_and(|extension| SHOWN.contains(&extension))
        || name.is_some_and(|name| SHOWN_TEXT.contains(&name))
}

/// The base offset in a segment file's name.
pub(crate) fn base_offset(path: &Path) -> Option<i64> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// One record as fields; bytes that are not UTF-8 are shown with replacement characters.
pub(crate) fn describe_record(header: &BatchHeader, record: &RecordView<'_>) -> Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers = record.headers().map(|header| json!([text(Some(header.key)), text(header.value)]));
    let mut fields = json!({
        "offset": header.base_offset.0.saturating_add(i64::from(record.offset_delta)),
        "timestamp": header.base_timestamp.0.saturating_add(record.timestamp_delta),
        "key": text(record.key),
        "value": text(record.value),
    });
    let headers: Vec<Value> = headers.collect();
    if let Some(object) = fields.as_object_mut().filter(|_| !headers.is_empty()) {
        object.insert("headers".to_owned(), Value::Array(headers));
    }
    fields
}

/// `{"offset": 3, "key": "a"}` as `offset 3, key a`.
pub(crate) fn readable(fields: &Value) -> String {
    let Some(object) = fields.as_object() else { return fields.to_string() };
    let parts = object.iter().map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name} {text}"),
        None => format!("{name} {value}"),
    });
    parts.collect::<Vec<_>>().join(", ")
}
