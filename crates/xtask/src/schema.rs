//! Kafka's message schemas (`common/message/*.json` in the `kafka-clients` jar), as far as the generator needs them.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A closed range of versions; empty when `first > last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { first: i16::MAX, last: -1 };

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

    pub(crate) fn intersect(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.first > self.last
    }
}

/// A field's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
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
    Array(Box<Type>),
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
}

impl Type {
    /// The struct that values of this type are made of.
    pub(crate) fn part(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.part(),
            _ => None,
        }
    }
}

/// A field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) flexible: Option<Versions>,
    pub(crate) tagged: Option<(u32, Versions)>,
    pub(crate) default: Option<String>,
    pub(crate) ignorable: bool,
    pub(crate) about: String,
}

/// A struct: a message or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) about: String,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) api_key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    /// The message itself first, then its parts in the order of their first use.
    pub(crate) structs: Vec<Struct>,
}

/// Reads one schema file, without a last version that Kafka marks as unstable.
pub(crate) fn read(directory: &Path, name: &str) -> Result<Message, String> {
    let path = directory.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let json: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let value: Value = serde_json::from_str(&json).map_err(|error| format!("{}: {error}", path.display()))?;
    message(&value).map_err(|error| format!("{}: {error}", path.display()))
}

fn message(value: &Value) -> Result<Message, String> {
    let mut versions = Versions::parse(text(value, "validVersions")?)?;
    if value.get("latestVersionUnstable").and_then(Value::as_bool).unwrap_or(false) {
        versions.last -= 1;
    }
    let name = text(value, "name")?.to_owned();
    let mut structs = Vec::new();
    collect(&name, "", value, &mut structs)?;
    for common in value.get("commonStructs").and_then(Value::as_array).into_iter().flatten() {
        collect(text(common, "name")?, "", common, &mut structs)?;
    }
    Ok(Message {
        api_key: value.get("apiKey").and_then(Value::as_i64).and_then(|key| i16::try_from(key).ok()),
        flexible: Versions::parse(text(value, "flexibleVersions")?)?,
        name,
        versions,
        structs,
    })
}

fn collect(name: &str, about: &str, value: &Value, structs: &mut Vec<Struct>) -> Result<(), String> {
    let list =
        value.get("fields").and_then(Value::as_array).ok_or_else(|| format!("{name} has no fields"))?;
    let fields = list.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    structs.push(Struct { name: name.to_owned(), fields: fields.clone(), about: about.to_owned() });
    for (field, value) in fields.iter().zip(list) {
        if value.get("fields").is_some()
            && let Some(part) = field.kind.part()
        {
            collect(part, &field.about, value, structs)?;
        }
    }
    Ok(())
}

fn field(value: &Value) -> Result<Field, String> {
    let versions = |key: &str| value.get(key).and_then(Value::as_str).map(Versions::parse).transpose();
    let tag = value.get("tag").and_then(Value::as_u64).and_then(|tag| u32::try_from(tag).ok());
    let default = value.get("default").map(|default| match default {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(Field {
        name: text(value, "name")?.to_owned(),
        kind: Type::parse(text(value, "type")?),
        versions: versions("versions")?.or(versions("taggedVersions")?).unwrap_or(Versions::NONE),
        nullable: versions("nullableVersions")?.unwrap_or(Versions::NONE),
        flexible: versions("flexibleVersions")?,
        tagged: tag.zip(versions("taggedVersions")?),
        default,
        ignorable: value.get("ignorable").is_some_and(|value| value == true || value == "true"),
        about: value.get("about").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or_else(|| format!("no {key}"))
}
