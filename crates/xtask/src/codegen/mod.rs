//! Writes `highwater-wire`'s messages from the schemas in the `kafka-clients` jar.

mod apis;
mod index;
mod module;
mod rust;
mod samples;
mod schema;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The jar whose schemas are used.
const KAFKA_CLIENTS: &str = "org.apache.kafka:kafka-clients:4.4.0";
/// Where the jar is unpacked.
const UNPACKED: &str = "target/kafka-clients-4.4.0";
/// The schemas' folder in the jar.
const SCHEMAS: &str = "common/message";
/// The folder that holds generated files only.
const MESSAGES: &str = "crates/wire/src/messages";
/// The generated file among the tests.
const SAMPLES: &str = "crates/wire/tests/codec/samples.rs";

/// Generated texts by path from the root of the repository.
type Files = BTreeMap<PathBuf, String>;

/// Generates, or with `--check` compares.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut check = false;
    let mut schemas = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--schemas" => schemas = Some(rest.next().ok_or("--schemas takes a directory")?.into()),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    let schemas = match schemas {
        Some(directory) => directory,
        None => fetch(&root)?,
    };
    let files = generate(&root, &schemas)?;
    if check { compare(&root, &files) } else { write(&root, &files) }
}

/// Fetches the jar with Maven, unless it is there, and unpacks its schemas.
fn fetch(root: &Path) -> Result<PathBuf, String> {
    let directory = root.join(UNPACKED);
    let schemas = directory.join(SCHEMAS);
    if schemas.join("RequestHeader.json").exists() {
        return Ok(schemas);
    }
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let copy = [
        "-q".to_owned(),
        "dependency:copy".to_owned(),
        format!("-Dartifact={KAFKA_CLIENTS}"),
        "-Dmdep.stripVersion=true".to_owned(),
        "-DoutputDirectory=.".to_owned(),
    ];
    execute(Command::new("mvn").args(copy).current_dir(&directory))?;
    let extract = ["--extract", "--file", "kafka-clients.jar", SCHEMAS];
    execute(Command::new("jar").args(extract).current_dir(&directory))?;
    Ok(schemas)
}

fn execute(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

fn generate(root: &Path, schemas: &Path) -> Result<Files, String> {
    let requests = apis::APIS.iter().map(|api| format!("{api}Request"));
    let responses = apis::APIS.iter().map(|api| format!("{api}Response"));
    let headers = apis::HEADERS.iter().map(|header| (*header).to_owned());
    let names = requests.chain(responses).chain(headers);
    let messages = names.map(|name| schema::read(schemas, &name)).collect::<Result<Vec<_>, _>>()?;
    let mut files = Files::new();
    let mut add = |path: PathBuf, text: &str| -> Result<(), String> {
        let text = format(root, text).map_err(|error| format!("{}: {error}", path.display()))?;
        files.insert(path, text);
        Ok(())
    };
    let folder = Path::new(MESSAGES);
    for message in &messages {
        add(folder.join(format!("{}.rs", rust::snake(&message.name))), &module::module(message))?;
    }
    add(folder.join("mod.rs"), &index::index(&messages))?;
    add(folder.join("api_key.rs"), &index::api_key(&messages))?;
    add(SAMPLES.into(), &samples::samples(&messages))?;
    Ok(files)
}

/// What rustfmt makes of `text` with the repository's settings.
fn format(root: &Path, text: &str) -> Result<String, String> {
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024"]).current_dir(root).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("rustfmt: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).map_err(|error| format!("rustfmt: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    if !output.status.success() {
        return Err(format!("rustfmt: {}\n{text}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("rustfmt: {error}"))
}

/// Files in the folder of generated files that are not generated any more.
fn stale(root: &Path, files: &Files) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(MESSAGES)).into_iter().flatten().flatten();
    let paths = entries.map(|entry| Path::new(MESSAGES).join(entry.file_name()));
    paths.filter(|path| !files.contains_key(path)).collect()
}

fn compare(root: &Path, files: &Files) -> Result<(), String> {
    let changed =
        files.iter().filter(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text));
    let mut differing: Vec<PathBuf> = changed.map(|(path, _)| path.clone()).collect();
    differing.extend(stale(root, files));
    if differing.is_empty() {
        return Ok(());
    }
    let list: String = differing.iter().map(|path| format!("\n  {}", path.display())).collect();
    Err(format!("out of date, run `cargo xtask codegen`:{list}"))
}

fn write(root: &Path, files: &Files) -> Result<(), String> {
    for path in stale(root, files) {
        fs::remove_file(root.join(&path)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    for (path, text) in files {
        let target = root.join(path);
        let parent = target.parent().unwrap_or(root);
        fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        fs::write(&target, text).map_err(|error| format!("{}: {error}", target.display()))?;
    }
    println!("{} files", files.len());
    Ok(())
}
