//! Writes one message as a Rust module: its structs with `Default`, `decode` and `encode`. Formatting is left to rustfmt.

use super::rust::{
    camel, comment, condition, condition_outside, default_value, field_type, is_set, method, range_note,
    snake,
};
use super::schema::{Field, Message, Role, Struct, Type, Versions};

/// The module's text.
pub(super) fn module(message: &Message) -> String {
    let name = &message.name;
    let Versions { first, last } = message.versions;
    let flexible = message.first_flexible.map_or(String::new(), |first| format!(", flexible from v{first}"));
    let about = format!(
        "`{name}` v{first}–{last}{flexible}. Generated from Kafka's `{name}.json` by `cargo xtask codegen`; do not edit.",
    );
    let mut body = String::new();
    for (ordinal, part) in message.structs.iter().enumerate() {
        body.push_str(&definition(message, part));
        body.push_str(&defaults(part));
        body.push_str(&codec(message, part, ordinal == 0));
    }
    if let Role::Request(_) = message.role {
        let response = name.replace("Request", "Response");
        let module = snake(&response);
        body.push_str(&format!(
            "\nimpl Request for {name} {{ type Response = super::{module}::{response}; }}\n"
        ));
    }
    comment("//!", &about) + "\n" + &imports(&body) + &body
}

/// What `body` uses.
fn imports(body: &str) -> String {
    const KNOWN: &[(&str, &str)] = &[
        ("Bytes", "bytes::Bytes"),
        ("TopicId", "highwater_types::TopicId"),
        ("DecodeError", "crate::decode::DecodeError"),
        ("Decoder", "crate::decode::Decoder"),
        ("EncodeError", "crate::encode::EncodeError"),
        ("Encoder", "crate::encode::Encoder"),
        ("TaggedFields", "crate::encode::TaggedFields"),
        ("present", "crate::encode::present"),
        ("Message", "crate::message::Message"),
        ("Request", "crate::message::Request"),
        ("Records", "crate::records::Records"),
        ("Str", "crate::str::Str"),
    ];
    let code: String = body.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let used = KNOWN.iter().filter(|(name, _)| words(&code).any(|word| word == *name));
    used.map(|(_, path)| format!("use {path};\n")).collect()
}

/// The names and keywords of `code`.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
}

fn definition(message: &Message, part: &Struct) -> String {
    let about = if part.about.is_empty() { format!("`{}`.", part.name) } else { part.about.clone() };
    let mut out = String::from("\n");
    out.push_str(&comment("///", &about));
    let derive = if has_plain_defaults(part) { ", Default" } else { "" };
    out.push_str(&format!("#[derive(Debug, Clone, PartialEq{derive})]\npub struct {} {{", part.name));
    for field in &part.fields {
        let about = if field.about.is_empty() { format!("`{}`.", field.name) } else { field.about.clone() };
        out.push('\n');
        out.push_str(&comment("///", &(about + &range_note(field.versions, message.versions))));
        out.push_str(&format!("pub {}: {},", snake(&field.name), field_type(field)));
    }
    out.push_str("\n}\n");
    out
}

fn has_plain_defaults(part: &Struct) -> bool {
    part.fields.iter().all(|field| default_value(field).1)
}

fn defaults(part: &Struct) -> String {
    if has_plain_defaults(part) {
        return String::new();
    }
    let fields = part.fields.iter();
    let fields: String =
        fields.map(|field| format!("{}: {},", snake(&field.name), default_value(field).0)).collect();
    format!("\nimpl Default for {} {{ fn default() -> Self {{ Self {{ {fields} }} }} }}\n", part.name)
}

/// The `impl` with `decode` and `encode`: of the trait for the message itself, inherent for its parts.
fn codec(message: &Message, part: &Struct, is_message: bool) -> String {
    let name = &part.name;
    let (head, checks) = if is_message {
        let checks = ["input.check_version::<Self>(version)?;", "output.check_version::<Self>(version)?;"];
        (trait_head(message), checks)
    } else {
        (format!("impl {name} {{"), [""; 2])
    };
    let flexible = Flexible::of(message, part);
    let [decode, encode] = [decode_body(part, &flexible), encode_body(part, &flexible)];
    let [decode, encode] = [(checks[0], decode), (checks[1], encode)].map(|(check, body)| {
        let body = format!("{check} {} {body}", flexible.declaration(&body));
        (if words(&body).any(|word| word == "version") { "version" } else { "_version" }, body)
    });
    format!(
        "\n{head}
        fn decode(input: &mut Decoder, {}: i16) -> Result<Self, DecodeError> {{ {} }}

        fn encode(&self, output: &mut Encoder, {}: i16) -> Result<(), EncodeError> {{ {} }}
        }}\n",
        decode.0, decode.1, encode.0, encode.1,
    )
}

fn trait_head(message: &Message) -> String {
    let name = &message.name;
    let key = match message.role {
        Role::Request(key) | Role::Response(key) => format!("Some({key})"),
        Role::Header => "None".to_owned(),
    };
    let Versions { first, last } = message.versions;
    let flexible = message.first_flexible.map_or("i16::MAX".to_owned(), |first| first.to_string());
    format!(
        "impl Message for {name} {{
            const NAME: &'static str = \"{name}\";
            const API_KEY: Option<i16> = {key};
            const VERSIONS: (i16, i16) = ({first}, {last});
            const FLEXIBLE_FROM: i16 = {flexible};\n",
    )
}

/// Where, among the versions of a struct, lengths are compact and tagged fields follow.
enum Flexible {
    Never,
    Always,
    From(i16),
}

impl Flexible {
    fn of(message: &Message, part: &Struct) -> Self {
        match message.first_flexible {
            None => Self::Never,
            Some(first) if first > part.versions.last => Self::Never,
            Some(first) if first <= part.versions.first => Self::Always,
            Some(first) => Self::From(first),
        }
    }

    /// The variable that [`Flexible::form`] speaks of, where `body` uses it.
    fn declaration(&self, body: &str) -> String {
        match self {
            Self::From(first) if body.contains("flexible") => format!("let flexible = version >= {first};"),
            _ => String::new(),
        }
    }

    /// An expression that says whether a field is in its compact form.
    fn form(&self, field: &Field) -> &'static str {
        match self {
            _ if field.never_compact => "false",
            Self::Never => "false",
            Self::Always => "true",
            Self::From(_) => "flexible",
        }
    }

    /// Puts `statement` where it runs in flexible versions only.
    fn only(&self, statement: &str) -> String {
        match self {
            Self::Never => String::new(),
            Self::Always => format!("{statement}\n"),
            Self::From(_) => format!("if flexible {{ {statement} }}\n"),
        }
    }
}

/// Fields of this name are codes of `Errors`; frames tell of them.
const ERROR_CODE: &str = "ErrorCode";

fn untagged(part: &Struct) -> impl Iterator<Item = &Field> {
    part.fields.iter().filter(|field| field.tag.is_none())
}

/// The tagged fields in the order of their tags.
fn tagged(part: &Struct) -> Vec<(u32, &Field)> {
    let mut fields: Vec<_> = part.fields.iter().filter_map(|field| Some((field.tag?, field))).collect();
    fields.sort_by_key(|(tag, _)| *tag);
    fields
}

fn decode_body(part: &Struct, flexible: &Flexible) -> String {
    let mut out = "let mut value = Self::default();\n".to_owned();
    for field in untagged(part) {
        let read = format!("value.{} = {};", snake(&field.name), decode_field(field, flexible));
        match condition(field.versions, part.versions) {
            None => out.push_str(&format!("{read}\n")),
            Some(condition) => out.push_str(&format!("if {condition} {{ {read} }}\n")),
        }
    }
    let arms = tagged(part).into_iter().map(|(tag, field)| {
        let guard = condition(field.versions, part.versions);
        let guard = guard.map_or(String::new(), |condition| format!(" if {condition}"));
        format!("{tag}{guard} => value.{} = {},", snake(&field.name), decode_field(field, &Flexible::Always))
    });
    let arms: String = arms.collect();
    out.push_str(&flexible.only(&if arms.is_empty() {
        "input.skip_tagged_fields()?;".to_owned()
    } else {
        format!(
            "input.tagged_fields(|tag, input| {{ match tag {{ {arms} _ => return Ok(false), }} Ok(true) }})?;"
        )
    }));
    out.push_str("Ok(value)");
    out
}

/// An expression that reads a field; where null is allowed in some versions only, the others take the form without it.
fn decode_field(field: &Field, flexible: &Flexible) -> String {
    if !field.is_nullable() {
        return format!("{}?", decode_value(field, flexible, false));
    }
    let with_null = format!("{}?", decode_value(field, flexible, true));
    match condition(field.nullable, field.versions) {
        None => with_null,
        Some(condition) => {
            let without = decode_value(field, flexible, false);
            format!("if {condition} {{ {with_null} }} else {{ Some({without}?) }}")
        }
    }
}

fn decode_value(field: &Field, flexible: &Flexible, nullable: bool) -> String {
    let name = camel(&field.name);
    let form = flexible.form(field);
    let prefix = if nullable { "nullable_" } else { "" };
    match &field.kind {
        Type::Struct(part) if nullable => {
            format!("input.nullable_struct({name:?}, |input| {part}::decode(input, version))")
        }
        Type::Array(element) => {
            let element = decode_element(element, &name, form);
            format!("input.{prefix}array({name:?}, {form}, |input| {element})")
        }
        Type::String | Type::Bytes | Type::Records => {
            format!("input.{prefix}{}({name:?}, {form})", method(&field.kind).0)
        }
        kind => decode_element(kind, &name, form),
    }
}

fn decode_element(kind: &Type, name: &str, form: &str) -> String {
    match (kind, method(kind)) {
        (Type::Struct(part), _) => format!("{part}::decode(input, version)"),
        (_, (method, true)) => format!("input.{method}({name:?}, {form})"),
        (_, (method, false)) => format!("input.{method}({name:?})"),
    }
}

fn encode_body(part: &Struct, flexible: &Flexible) -> String {
    let mut out = String::new();
    for field in untagged(part) {
        let write = encode_field(field, flexible);
        match condition(field.versions, part.versions) {
            None => out.push_str(&format!("{write}\n")),
            Some(condition) if field.ignorable => out.push_str(&format!("if {condition} {{ {write} }}\n")),
            Some(condition) => out.push_str(&format!(
                "if {condition} {{ {write} }} else if {} {{ {} }}\n",
                is_set(field),
                refusal(field)
            )),
        }
    }
    let mut adds = String::new();
    for (tag, field) in tagged(part) {
        if let Some(outside) = condition_outside(field.versions, part.versions).filter(|_| !field.ignorable) {
            out.push_str(&format!("if {outside} && {} {{ {} }}\n", is_set(field), refusal(field)));
        }
        adds.push_str(&encode_tagged(tag, field, condition(field.versions, part.versions)));
    }
    out.push_str(&flexible.only(&if adds.is_empty() {
        "output.no_tagged_fields();".to_owned()
    } else {
        format!("let mut tagged = TaggedFields::default(); {adds} output.tagged_fields(tagged);")
    }));
    out.push_str("Ok(())");
    out
}

fn refusal(field: &Field) -> String {
    format!("return Err(EncodeError::NotInVersion {{ field: {:?}, version }});", camel(&field.name))
}

/// Adds a tagged field when the version carries it and it has another value than its default.
fn encode_tagged(tag: u32, field: &Field, carried: Option<String>) -> String {
    let write = encode_field(field, &Flexible::Always);
    let write = match write.strip_suffix("?;") {
        Some(fallible) => fallible.to_owned(),
        None => format!("{{ {write} Ok(()) }}"),
    };
    let carried = carried.map_or(String::new(), |condition| format!("{condition} && "));
    format!(
        "if {carried}{} {{ tagged.field({:?}, {tag}, |output| {write})?; }}\n",
        is_set(field),
        camel(&field.name)
    )
}

/// A statement that writes a field; where null is allowed in some versions only, the others refuse it.
fn encode_field(field: &Field, flexible: &Flexible) -> String {
    let place = format!("self.{}", snake(&field.name));
    if !field.is_nullable() {
        let borrowed = if method(&field.kind).1 { format!("&{place}") } else { place };
        return encode_value(field, flexible, &borrowed, false);
    }
    let borrow = if matches!(field.kind, Type::Array(_)) { "as_deref" } else { "as_ref" };
    let with_null = encode_value(field, flexible, &format!("{place}.{borrow}()"), true);
    match condition(field.nullable, field.versions) {
        None => with_null,
        Some(condition) => {
            let value = format!("present({:?}, {place}.as_ref())?", camel(&field.name));
            let without = encode_value(field, flexible, &value, false);
            format!("if {condition} {{ {with_null} }} else {{ {without} }}")
        }
    }
}

fn encode_value(field: &Field, flexible: &Flexible, value: &str, nullable: bool) -> String {
    let name = camel(&field.name);
    let form = flexible.form(field);
    let prefix = if nullable { "nullable_" } else { "" };
    match (&field.kind, method(&field.kind)) {
        (Type::Struct(_), _) if nullable => {
            format!("output.nullable_struct({value}, |output, value| value.encode(output, version))?;")
        }
        (Type::Struct(_), _) => format!("{value}.encode(output, version)?;"),
        (Type::Array(element), _) => {
            let element = encode_element(element, &name, form);
            format!("output.{prefix}array({name:?}, {value}, {form}, |output, item| {element})?;")
        }
        (_, (method, true)) => format!("output.{prefix}{method}({name:?}, {value}, {form})?;"),
        (Type::Int16, _) if field.name == ERROR_CODE => format!("output.error_code({value});"),
        (_, (method, false)) => format!("output.{method}({value});"),
    }
}

fn encode_element(kind: &Type, name: &str, form: &str) -> String {
    match (kind, method(kind)) {
        (Type::Struct(_), _) => "item.encode(output, version)".to_owned(),
        (_, (method, true)) => format!("output.{method}({name:?}, item, {form})"),
        (_, (method, false)) => format!("{{ output.{method}(*item); Ok(()) }}"),
    }
}
