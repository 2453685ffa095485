//! Kafka's message schemas (`common/message/*.json` in the `kafka-clients` jar), as far as the generator needs them.
//!
//! Versions are cut to those that can occur: of a field to those of its struct, of a struct to those of the field that
//! holds it, of a message to the stable ones. What is left of nothing is dropped.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A closed range of versions; empty when `first > last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) first: i16,
    pub(super) last: i16,
}

impl Versions {
    const NONE: Self = Self { first: i16::MAX, last: -1 };

    /// `"3+"`, `"3-7"`, `"3"` or `"none"`.
    fn parse(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| format!("bad version {text:?}"));
        if text == "none" {
            return Ok(Self::NONE);
        }
        if let Some(first) = text.strip_suffix('+') {
            return Ok(Self { first: number(first)?, last: i16::MAX });
        }
        match text.split_once('-') {
            Some((first, last)) => Ok(Self { first: number(first)?, last: number(last)? }),
            None => number(text).map(|only| Self { first: only, last: only }),
        }
    }

    fn intersect(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.first > self.last
    }
}

/// A field's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Self>),
}

impl Type {
    fn parse(text: &str) -> Self {
        if let Some(element) = text.strip_prefix("[]") {
            return Self::Array(Box::new(Self::parse(element)));
        }
        match text {
            "bool" => Self::Bool,
            "int8" => Self::Int8,
            "int16" => Self::Int16,
            "uint16" => Self::Uint16,
            "int32" => Self::Int32,
            "uint32" => Self::Uint32,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "uuid" => Self::Uuid,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "records" => Self::Records,
            name => Self::Struct(name.to_owned()),
        }
    }

    /// The struct that values of this type are made of.
    fn part(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.part(),
            _ => None,
        }
    }
}

/// A field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Kafka's name, such as `TopicId`.
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) versions: Versions,
    /// The versions that have null.
    pub(super) nullable: Versions,
    /// Whether it keeps the plain form in flexible versions.
    pub(super) never_compact: bool,
    pub(super) tag: Option<u32>,
    pub(super) default: Option<String>,
    /// Whether a version that does not carry it may drop its value.
    pub(super) ignorable: bool,
    pub(super) about: String,
}

impl Field {
    pub(super) fn is_nullable(&self) -> bool {
        !self.nullable.is_empty()
    }
}

/// A struct: a message or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) versions: Versions,
    pub(super) fields: Vec<Field>,
    pub(super) about: String,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Request(i16),
    Response(i16),
    Header,
}

/// A message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) versions: Versions,
    /// The first flexible version, unless no version is.
    pub(super) first_flexible: Option<i16>,
    /// The message itself first, then its parts in the order of their first use.
    pub(super) structs: Vec<Struct>,
}

/// Reads the schema `name` of `directory`.
pub(super) fn read(directory: &Path, name: &str) -> Result<Message, String> {
    let path = directory.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let json: String = text.lines().filter(|line| !is_comment(line)).collect::<Vec<_>>().join("\n");
    let value: Value = serde_json::from_str(&json).map_err(|error| format!("{}: {error}", path.display()))?;
    message(&value).map_err(|error| format!("{}: {error}", path.display()))
}

fn message(value: &Value) -> Result<Message, String> {
    let mut versions = Versions::parse(text(value, "validVersions")?)?;
    if flag(value, "latestVersionUnstable") {
        versions.last -= 1;
    }
    let name = text(value, "name")?.to_owned();
    let mut structs = Vec::new();
    for common in value.get("commonStructs").and_then(Value::as_array).into_iter().flatten() {
        let range = Versions::parse(text(common, "versions")?)?.intersect(versions);
        collect(text(common, "name")?, range, "", common, &mut structs)?;
    }
    let commons = structs.len();
    collect(&name, versions, "", value, &mut structs)?;
    structs.rotate_left(commons);
    let flexible = Versions::parse(text(value, "flexibleVersions")?)?.intersect(versions);
    Ok(Message {
        role: role(value)?,
        first_flexible: (!flexible.is_empty()).then_some(flexible.first),
        name,
        versions,
        structs,
    })
}

fn role(value: &Value) -> Result<Role, String> {
    let key = || {
        let key = value.get("apiKey").and_then(Value::as_i64).and_then(|key| i16::try_from(key).ok());
        key.ok_or_else(|| "no apiKey".to_owned())
    };
    match text(value, "type")? {
        "request" => key().map(Role::Request),
        "response" => key().map(Role::Response),
        "header" => Ok(Role::Header),
        other => Err(format!("unknown type {other:?}")),
    }
}

/// Adds the struct that `value` describes, then the structs inside it.
fn collect(
    name: &str,
    versions: Versions,
    about: &str,
    value: &Value,
    structs: &mut Vec<Struct>,
) -> Result<(), String> {
    let list =
        value.get("fields").and_then(Value::as_array).ok_or_else(|| format!("{name} has no fields"))?;
    let place = structs.len();
    let about = about.to_owned();
    structs.push(Struct { name: name.to_owned(), versions, fields: Vec::new(), about });
    let mut fields = Vec::new();
    for value in list {
        let field = field(value, versions)?;
        if field.versions.is_empty() {
            continue;
        }
        // Without fields of its own it is one of the message's common structs.
        if let Some(part) = field.kind.part().filter(|_| value.get("fields").is_some()) {
            collect(part, field.versions, &field.about, value, structs)?;
        }
        fields.push(field);
    }
    if let Some(part) = structs.get_mut(place) {
        part.fields = fields;
    }
    Ok(())
}

fn field(value: &Value, within: Versions) -> Result<Field, String> {
    let range = |key: &str| value.get(key).and_then(Value::as_str).map(Versions::parse).transpose();
    let tagged = range("taggedVersions")?;
    let versions = range("versions")?.or(tagged).unwrap_or(Versions::NONE).intersect(within);
    let tag = value.get("tag").and_then(Value::as_u64).and_then(|tag| u32::try_from(tag).ok());
    if tagged.is_some_and(|tagged| tagged.intersect(within) != versions) {
        return Err(format!("{}: a field that is tagged in some of its versions only", text(value, "name")?));
    }
    let default = value.get("default").map(|default| match default {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(Field {
        name: text(value, "name")?.to_owned(),
        kind: Type::parse(text(value, "type")?),
        versions,
        nullable: range("nullableVersions")?.unwrap_or(Versions::NONE).intersect(versions),
        never_compact: range("flexibleVersions")?.is_some_and(Versions::is_empty),
        tag,
        default: default.filter(|text| !text.is_empty()),
        ignorable: flag(value, "ignorable"),
        about: value.get("about").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).is_some_and(|value| value == true || value == "true")
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key}"))
}
