//! Writes one message as a Rust module: its structs with `Default`, `decode` and `encode`.

use std::fmt::Write;

use crate::schema::{Field, Message, Struct, Type, Versions};

/// The module's text, not yet formatted.
pub(crate) fn module(message: &Message) -> String {
    let mut out = String::new();
    let Versions { first, last } = message.versions;
    line(
        &mut out,
        &format!(
            "//! `{}` v{first}–{last}, generated from Kafka's schema of that name by `cargo xtask codegen`.",
            message.name
        ),
    );
    line(&mut out, "");
    line(&mut out, &imports(message));
    for (ordinal, part) in message.structs.iter().enumerate() {
        write_struct(&mut out, message, part);
        write_default(&mut out, part, message);
        write_codec(&mut out, message, part, ordinal == 0);
    }
    out
}

/// What the module uses of the runtime.
fn imports(message: &Message) -> String {
    let mut out = String::from("use crate::decode::{DecodeError, Decoder};\n");
    let has = |wanted: &dyn Fn(&Field) -> bool| {
        message.structs.iter().any(|part| fields(message, part).any(wanted))
    };
    let kind = |field: &Field| bare_type(&field.kind);
    let tagged = if has(&|field| field.tagged.is_some()) { ", TaggedFields" } else { "" };
    let _ = writeln!(out, "use crate::encode::{{EncodeError, Encoder{tagged}}};");
    out.push_str("use crate::message::Message;\n");
    for (name, path) in [
        ("Str", "crate::str::Str"),
        ("Records", "crate::records::Records"),
        ("Bytes", "bytes::Bytes"),
        ("TopicId", "highwater_types::TopicId"),
    ] {
        if has(&|field| kind(field).trim_start_matches("Vec<").trim_end_matches('>') == name) {
            let _ = writeln!(out, "use {path};");
        }
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// The fields that any version of the message carries.
fn fields<'a>(message: &'a Message, part: &'a Struct) -> impl Iterator<Item = &'a Field> {
    part.fields.iter().filter(|field| !field.versions.intersect(message.versions).is_empty())
}

fn write_struct(out: &mut String, message: &Message, part: &Struct) {
    let about = if part.about.is_empty() { format!("`{}`.", part.name) } else { part.about.clone() };
    let _ = writeln!(out, "\n/// {}", escape(&about));
    let _ = writeln!(out, "#[derive(Debug, Clone, PartialEq)]\npub struct {} {{", part.name);
    for field in fields(message, part) {
        let carried = describe(field.versions.intersect(message.versions), message.versions);
        let _ = writeln!(out, "/// {}{carried}", escape(&field.about));
        let _ = writeln!(out, "pub {}: {},", snake(&field.name), rust_type(field));
    }
    line(out, "}");
}

fn escape(text: &str) -> String {
    let text = text.replace('[', "\\[").replace(']', "\\]").replace('<', "&lt;").replace('\n', " ");
    if text.trim().is_empty() { "Not described.".to_owned() } else { text.trim().to_owned() }
}

fn describe(carried: Versions, all: Versions) -> String {
    match (carried.first > all.first, carried.last < all.last) {
        (false, false) => String::new(),
        (true, false) => format!(" (v{}+)", carried.first),
        _ if carried.first == carried.last => format!(" (v{})", carried.first),
        _ => format!(" (v{}–{})", carried.first, carried.last),
    }
}

fn is_nullable(field: &Field) -> bool {
    !field.nullable.is_empty()
}

fn rust_type(field: &Field) -> String {
    let bare = bare_type(&field.kind);
    if is_nullable(field) { format!("Option<{bare}>") } else { bare }
}

fn bare_type(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".to_owned(),
        Type::Int8 => "i8".to_owned(),
        Type::Int16 => "i16".to_owned(),
        Type::Uint16 => "u16".to_owned(),
        Type::Int32 => "i32".to_owned(),
        Type::Uint32 => "u32".to_owned(),
        Type::Int64 => "i64".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Uuid => "TopicId".to_owned(),
        Type::String => "Str".to_owned(),
        Type::Bytes => "Bytes".to_owned(),
        Type::Records => "Records".to_owned(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", bare_type(element)),
    }
}

fn default_value(field: &Field) -> String {
    let given = field.default.as_deref().filter(|text| !text.is_empty());
    if is_nullable(field) && (given == Some("null")) {
        return "None".to_owned();
    }
    let value = match (&field.kind, given) {
        (Type::Bool, given) => given.unwrap_or("false").to_owned(),
        (Type::Float64, given) => format!("{}_f64", given.unwrap_or("0")),
        (Type::Int8 | Type::Int16 | Type::Uint16 | Type::Int32 | Type::Uint32 | Type::Int64, given) => {
            number(given.unwrap_or("0"))
        }
        (Type::String, Some(text)) => format!("Str::from({text:?})"),
        (kind, _) => {
            let bare = bare_type(kind);
            match bare.strip_prefix("Vec<") {
                Some(_) => "Vec::new()".to_owned(),
                None => format!("{bare}::default()"),
            }
        }
    };
    if is_nullable(field) { format!("Some({value})") } else { value }
}

fn number(text: &str) -> String {
    match text.strip_prefix("0x") {
        Some(digits) => format!("0x{digits}"),
        None => text.to_owned(),
    }
}

fn write_default(out: &mut String, part: &Struct, message: &Message) {
    let _ = writeln!(out, "\nimpl Default for {} {{\nfn default() -> Self {{\nSelf {{", part.name);
    for field in fields(message, part) {
        let _ = writeln!(out, "{}: {},", snake(&field.name), default_value(field));
    }
    line(out, "}\n}\n}");
}

fn write_codec(out: &mut String, message: &Message, part: &Struct, whole: bool) {
    let name = &part.name;
    if whole {
        let key = message.api_key.map_or("None".to_owned(), |key| format!("Some({key})"));
        let Versions { first, last } = message.versions;
        let flexible = message.flexible.first;
        let _ = writeln!(out, "\nimpl Message for {name} {{");
        let _ = writeln!(out, "const NAME: &'static str = {:?};", message.name);
        let _ = writeln!(out, "const API_KEY: Option<i16> = {key};");
        let _ = writeln!(out, "const VERSIONS: (i16, i16) = ({first}, {last});");
        let _ = writeln!(out, "const FLEXIBLE_FROM: i16 = {flexible};\n");
    } else {
        let _ = writeln!(out, "\nimpl {name} {{");
    }
    let body = decode_body(message, part);
    let version = if body.contains("version") { "version" } else { "_version" };
    let _ = writeln!(
        out,
        "fn decode(input: &mut Decoder, {version}: i16) -> Result<Self, DecodeError> {{\n{body}}}\n"
    );
    let body = encode_body(message, part);
    let version = if body.contains("version") { "version" } else { "_version" };
    let _ = writeln!(
        out,
        "fn encode(&self, output: &mut Encoder, {version}: i16) -> Result<(), EncodeError> {{\n{body}}}\n}}"
    );
}

/// A condition on `version` that says whether it lies in `range`, given that it lies in `all`; `None` when it always does.
fn condition(range: Versions, all: Versions) -> Option<String> {
    let range = range.intersect(all);
    if range.is_empty() {
        return Some("false".to_owned());
    }
    match (range.first > all.first, range.last < all.last) {
        (false, false) => None,
        (true, false) => Some(format!("version >= {}", range.first)),
        (false, true) => Some(format!("version <= {}", range.last)),
        _ if range.first == range.last => Some(format!("version == {}", range.first)),
        _ => Some(format!("({}..={}).contains(&version)", range.first, range.last)),
    }
}

/// An expression that says whether `field` is in its compact form.
fn compact(message: &Message, field: &Field) -> String {
    let flexible = field.flexible.unwrap_or(message.flexible);
    if flexible.intersect(message.versions).is_empty() {
        return "false".to_owned();
    }
    condition(flexible, message.versions).unwrap_or_else(|| "true".to_owned())
}

fn uses_form(kind: &Type) -> bool {
    matches!(kind, Type::String | Type::Bytes | Type::Records | Type::Array(_))
}

fn decode_body(message: &Message, part: &Struct) -> String {
    let mut out = String::new();
    line(&mut out, "let mut value = Self::default();");
    for field in fields(message, part).filter(|field| field.tagged.is_none()) {
        let name = snake(&field.name);
        let read = format!("value.{name} = {};", decode_field(message, field));
        match condition(field.versions, message.versions) {
            None => line(&mut out, &read),
            Some(condition) => line(&mut out, &format!("if {condition} {{ {read} }}")),
        }
    }
    if !message.flexible.intersect(message.versions).is_empty() {
        let tagged: String = fields(message, part)
            .filter_map(|field| {
                let (tag, versions) = field.tagged?;
                let guard =
                    condition(versions, message.versions).map_or(String::new(), |c| format!(" if {c}"));
                Some(format!(
                    "{tag}{guard} => value.{} = {},",
                    snake(&field.name),
                    decode_field(message, field)
                ))
            })
            .collect();
        let read = if tagged.is_empty() {
            "input.skip_tagged_fields()?;".to_owned()
        } else {
            format!(
                "input.tagged_fields(|tag, input| {{ match tag {{ {tagged} _ => return Ok(false), }} Ok(true) }})?;"
            )
        };
        match condition(message.flexible, message.versions) {
            None => line(&mut out, &read),
            Some(condition) => line(&mut out, &format!("if {condition} {{ {read} }}")),
        }
    }
    line(&mut out, "Ok(value)");
    out
}

fn decode_field(message: &Message, field: &Field) -> String {
    let name = snake(&field.name);
    let form = compact(message, field);
    let nullable = is_nullable(field);
    match &field.kind {
        Type::Array(element) => {
            let each = decode_element(element, &name, &form);
            let method = if nullable { "nullable_array" } else { "array" };
            format!("input.{method}({name:?}, {form}, |input| {each})?")
        }
        Type::Struct(part) if nullable => {
            format!("input.nullable_struct({name:?}, |input| {part}::decode(input, version))?")
        }
        Type::Struct(part) => format!("{part}::decode(input, version)?"),
        kind => {
            let prefix = if nullable { "nullable_" } else { "" };
            if uses_form(kind) {
                format!("input.{prefix}{}({name:?}, {form})?", method(kind))
            } else {
                format!("input.{}({name:?})?", method(kind))
            }
        }
    }
}

fn decode_element(kind: &Type, name: &str, form: &str) -> String {
    match kind {
        Type::Struct(part) => format!("{part}::decode(input, version)"),
        Type::Array(element) => {
            format!("input.array({name:?}, {form}, |input| {})", decode_element(element, name, form))
        }
        kind if uses_form(kind) => format!("input.{}({name:?}, {form})", method(kind)),
        kind => format!("input.{}({name:?})", method(kind)),
    }
}

fn method(kind: &Type) -> &'static str {
    match kind {
        Type::Bool => "bool",
        Type::Int8 => "i8",
        Type::Int16 => "i16",
        Type::Uint16 => "u16",
        Type::Int32 => "i32",
        Type::Uint32 => "u32",
        Type::Int64 => "i64",
        Type::Float64 => "f64",
        Type::Uuid => "uuid",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Records => "records",
        Type::Struct(_) | Type::Array(_) => "unreachable",
    }
}

fn encode_body(message: &Message, part: &Struct) -> String {
    let mut out = String::new();
    for field in fields(message, part).filter(|field| field.tagged.is_none()) {
        let write = encode_field(message, field);
        match condition(field.versions, message.versions) {
            None => line(&mut out, &write),
            Some(condition) if field.ignorable => line(&mut out, &format!("if {condition} {{ {write} }}")),
            Some(condition) => {
                let is_set = is_set(field);
                let refusal = format!(
                    "return Err(EncodeError::NotInVersion {{ field: {:?}, version }});",
                    snake(&field.name)
                );
                line(&mut out, &format!("if {condition} {{ {write} }} else if {is_set} {{ {refusal} }}"));
            }
        }
    }
    if !message.flexible.intersect(message.versions).is_empty() {
        let tagged = encode_tagged(message, part);
        match condition(message.flexible, message.versions) {
            None => line(&mut out, &tagged),
            Some(condition) => line(&mut out, &format!("if {condition} {{ {tagged} }}")),
        }
    }
    line(&mut out, "Ok(())");
    out
}

/// An expression that says whether the field differs from its default.
fn is_set(field: &Field) -> String {
    let name = snake(&field.name);
    match default_value(field).as_str() {
        "None" => format!("self.{name}.is_some()"),
        "Vec::new()" => format!("!self.{name}.is_empty()"),
        "false" => format!("self.{name}"),
        "true" => format!("!self.{name}"),
        value => format!("self.{name} != {value}"),
    }
}

fn encode_tagged(message: &Message, part: &Struct) -> String {
    let mut tagged: Vec<(u32, String)> = fields(message, part)
        .filter_map(|field| {
            let (tag, versions) = field.tagged?;
            let carried = condition(versions, message.versions).map_or(String::new(), |c| format!("{c} && "));
            let write = encode_field(message, field);
            Some((
                tag,
                format!(
                    "if {carried}{} {{ tagged.field({tag}, |output| {{ {write} Ok(()) }})?; }}",
                    is_set(field)
                ),
            ))
        })
        .collect();
    if tagged.is_empty() {
        return "output.no_tagged_fields();".to_owned();
    }
    tagged.sort();
    let fields: String = tagged.into_iter().map(|(_, text)| text).collect();
    format!("let mut tagged = TaggedFields::default(); {fields} output.tagged_fields(tagged)?;")
}

fn encode_field(message: &Message, field: &Field) -> String {
    let name = snake(&field.name);
    let form = compact(message, field);
    let nullable = is_nullable(field);
    match &field.kind {
        Type::Array(element) => {
            let each = encode_element(element, &form);
            let method = if nullable { "nullable_array" } else { "array" };
            let borrowed = if nullable { format!("self.{name}.as_deref()") } else { format!("&self.{name}") };
            format!("output.{method}({borrowed}, {form}, |output, item| {each})?;")
        }
        Type::Struct(_) if nullable => {
            format!(
                "output.nullable_struct(self.{name}.as_ref(), |output, item| item.encode(output, version))?;"
            )
        }
        Type::Struct(_) => format!("self.{name}.encode(output, version)?;"),
        kind if uses_form(kind) => {
            let prefix = if nullable { "nullable_" } else { "" };
            let borrowed = if nullable { format!("self.{name}.as_ref()") } else { format!("&self.{name}") };
            format!("output.{prefix}{}({borrowed}, {form})?;", method(kind))
        }
        kind => format!("output.{}(self.{name});", method(kind)),
    }
}

fn encode_element(kind: &Type, form: &str) -> String {
    match kind {
        Type::Struct(_) => "item.encode(output, version)".to_owned(),
        Type::Array(element) => {
            format!("output.array(item, {form}, |output, item| {})", encode_element(element, form))
        }
        kind if uses_form(kind) => format!("output.{}(item, {form})", method(kind)),
        kind => format!("{{ output.{}(*item); Ok(()) }}", method(kind)),
    }
}

/// `ClientSoftwareName` as `client_software_name`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    if matches!(out.as_str(), "type" | "match") { format!("{out}_") } else { out }
}
