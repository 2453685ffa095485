//! Writes `crates/wire/src/messages/` from the schemas in the `kafka-clients` jar.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::rust;
use crate::schema;

/// The jar whose schemas are used.
const KAFKA_CLIENTS: &str = "org.apache.kafka:kafka-clients:4.4.0";

/// What is generated: the APIs that the broker serves or our own client calls. Each is a request and a response.
const APIS: [&str; 17] = [
    "AlterConfigs",
    "ApiVersions",
    "CreatePartitions",
    "CreateTopics",
    "DeleteTopics",
    "DescribeCluster",
    "DescribeConfigs",
    "DescribeTopicPartitions",
    "Fetch",
    "FindCoordinator",
    "IncrementalAlterConfigs",
    "InitProducerId",
    "ListOffsets",
    "Metadata",
    "OffsetForLeaderEpoch",
    "Produce",
    "DeleteRecords",
];

const HEADERS: [&str; 2] = ["RequestHeader", "ResponseHeader"];

/// Generates, or with `--check` compares.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut check = false;
    let mut schemas = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--schemas" => schemas = rest.next().map(PathBuf::from),
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    let schemas = match schemas {
        Some(directory) => directory,
        None => fetch(&root)?,
    };
    let files = generate(&schemas)?;
    let target = root.join("crates/wire/src/messages");
    if check { compare(&target, &files) } else { write(&target, &files) }
}

/// Brings the jar by Maven and unpacks its schemas below `target/`.
fn fetch(root: &Path) -> Result<PathBuf, String> {
    let directory = root.join("target/kafka-schemas");
    let schemas = directory.join("common/message");
    if schemas.join("ProduceRequest.json").is_file() {
        return Ok(schemas);
    }
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    call(
        Command::new("mvn")
            .args(["-q", "dependency:copy", &format!("-Dartifact={KAFKA_CLIENTS}")])
            .arg(format!("-DoutputDirectory={}", directory.display())),
    )?;
    let jar = directory.join("kafka-clients-4.4.0.jar");
    call(Command::new("jar").current_dir(&directory).arg("xf").arg(jar).arg("common/message"))?;
    Ok(schemas)
}

fn call(command: &mut Command) -> Result<(), String> {
    let status = command.stdout(Stdio::null()).status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}

/// Every file by name, formatted.
fn generate(schemas: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut files = BTreeMap::new();
    let mut index = String::from(
        "//! Kafka's messages, generated from its schemas by `cargo xtask codegen`. Do not edit.\n\n\
         // The schemas decide how long a function is and which fields look alike.\n\
         #![allow(clippy::too_many_lines, clippy::derivable_impls, clippy::field_reassign_with_default)]\n\n",
    );
    let halves = APIS.iter().flat_map(|api| [format!("{api}Request"), format!("{api}Response")]);
    let mut names: Vec<String> = HEADERS.iter().map(|name| (*name).to_owned()).chain(halves).collect();
    names.sort();
    for name in &names {
        let message = schema::read(schemas, name)?;
        let module = rust::snake(name);
        files.insert(format!("{module}.rs"), format(&rust::module(&message))?);
        let _ = writeln!(index, "pub mod {module};");
    }
    index.push('\n');
    for name in &names {
        let _ = writeln!(index, "pub use {}::{name};", rust::snake(name));
    }
    for api in APIS {
        let _ = write!(
            index,
            "\nimpl crate::Request for {api}Request {{\n    type Response = {api}Response;\n}}\n"
        );
    }
    index.push_str(&api_keys(schemas)?);
    files.insert("mod.rs".to_owned(), format(&index)?);
    Ok(files)
}

/// The enum of the generated APIs.
fn api_keys(schemas: &Path) -> Result<String, String> {
    let (mut variants, mut codes, mut names, mut versions, mut flexible) =
        (String::new(), String::new(), String::new(), String::new(), String::new());
    for api in APIS {
        let request = schema::read(schemas, &format!("{api}Request"))?;
        let key = request.api_key.ok_or_else(|| format!("{api}Request has no key"))?;
        let _ = writeln!(variants, "/// `{api}`, key {key}.\n{api},");
        let _ = writeln!(codes, "Self::{api} => {key},");
        let _ = writeln!(names, "Self::{api} => {api:?},");
        let _ = writeln!(versions, "Self::{api} => ({}, {}),", request.versions.first, request.versions.last);
        let _ = writeln!(flexible, "Self::{api} => {},", request.flexible.first);
    }
    let all: String = APIS.iter().map(|api| format!("Self::{api},")).collect();
    Ok(format!(
        "/// An API whose messages are generated.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ApiKey {{ {variants} }}

        impl ApiKey {{
            /// Every API.
            pub const ALL: &'static [Self] = &[{all}];

            /// Its number.
            pub fn code(self) -> i16 {{ match self {{ {codes} }} }}

            /// Kafka's name.
            pub fn name(self) -> &'static str {{ match self {{ {names} }} }}

            /// First and last version of the request that the schema calls valid and stable.
            pub fn versions(self) -> (i16, i16) {{ match self {{ {versions} }} }}

            /// First flexible version (KIP-482).
            pub fn flexible_from(self) -> i16 {{ match self {{ {flexible} }} }}

            /// The API of a number; `None` when its messages are not generated.
            pub fn from_code(code: i16) -> Option<Self> {{
                Self::ALL.iter().copied().find(|api| api.code() == code)
            }}
        }}"
    ))
}

fn format(source: &str) -> Result<String, String> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("rustfmt: {error}"))?;
    let mut input = child.stdin.take().ok_or("rustfmt takes no input")?;
    let source = source.to_owned();
    let writer = std::thread::spawn(move || input.write_all(source.as_bytes()));
    let output = child.wait_with_output().map_err(|error| format!("rustfmt: {error}"))?;
    let written = writer.join().map_err(|_| "the writer to rustfmt panicked")?;
    written.map_err(|error| format!("rustfmt: {error}"))?;
    if !output.status.success() {
        return Err("rustfmt refused generated code".to_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn write(target: &Path, files: &BTreeMap<String, String>) -> Result<(), String> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error| format!("{path}: {error}")
    };
    if target.is_dir() {
        fs::remove_dir_all(target).map_err(at(target))?;
    }
    fs::create_dir_all(target).map_err(at(target))?;
    for (name, text) in files {
        let path = target.join(name);
        fs::write(&path, text).map_err(at(&path))?;
    }
    println!("wrote {} files", files.len());
    Ok(())
}

fn compare(target: &Path, files: &BTreeMap<String, String>) -> Result<(), String> {
    let stale: Vec<&str> = files
        .iter()
        .filter(|(name, text)| fs::read_to_string(target.join(name)).ok().as_deref() != Some(text))
        .map(|(name, _)| name.as_str())
        .collect();
    if stale.is_empty() {
        println!("{} generated files are current", files.len());
        return Ok(());
    }
    Err(format!("not what `cargo xtask codegen` writes: {}", stale.join(", ")))
}
