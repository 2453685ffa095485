//! The words that generated code is made of: names, types, defaults, conditions, comments.

use super::schema::{Field, Type, Versions};

/// Where generated comments are wrapped, in characters without indentation.
const COMMENT_WIDTH: usize = 100;

/// `ClientSoftwareName` as `client_software_name`.
pub(super) fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    if matches!(out.as_str(), "type" | "match" | "ref") { format!("{out}_") } else { out }
}

/// `ClientSoftwareName` as `clientSoftwareName`: how Kafka's messages show it.
pub(super) fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

/// A doc comment, wrapped.
pub(super) fn comment(marker: &str, text: &str) -> String {
    let text = text.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<");
    let mut out = String::new();
    let mut width = usize::MAX;
    for word in text.split_whitespace() {
        if width.saturating_add(word.chars().count()) > COMMENT_WIDTH {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(marker);
            width = 0;
        }
        out.push(' ');
        out.push_str(word);
        width += word.chars().count() + 1;
    }
    out.push('\n');
    out
}

/// The type of a field's value.
pub(super) fn field_type(field: &Field) -> String {
    let bare = bare_type(&field.kind);
    if field.is_nullable() { format!("Option<{bare}>") } else { bare }
}

fn bare_type(kind: &Type) -> String {
    let name = match kind {
        Type::Bool => "bool",
        Type::Int8 => "i8",
        Type::Int16 => "i16",
        Type::Uint16 => "u16",
        Type::Int32 => "i32",
        Type::Uint32 => "u32",
        Type::Int64 => "i64",
        Type::Float64 => "f64",
        Type::Uuid => "TopicId",
        Type::String => "Str",
        Type::Bytes => "Bytes",
        Type::Records => "Records",
        Type::Struct(name) => name,
        Type::Array(element) => return format!("Vec<{}>", bare_type(element)),
    };
    name.to_owned()
}

/// The schema's default of a field, and whether it is what `Default` gives for its type.
pub(super) fn default_value(field: &Field) -> (String, bool) {
    let given = field.default.as_deref();
    let null_records = field.kind == Type::Records && given.is_none();
    if field.is_nullable() && (given == Some("null") || null_records) {
        return ("None".to_owned(), true);
    }
    let (value, plain) = match (&field.kind, given) {
        (Type::Bool, given) => (given.unwrap_or("false").to_owned(), given != Some("true")),
        (Type::Float64, given) => (format!("{}_f64", given.unwrap_or("0")), given.is_none()),
        (Type::String, Some(text)) => (format!("Str::from({text:?})"), false),
        (Type::String, None) => ("Str::default()".to_owned(), true),
        (Type::Array(_), _) => ("Vec::new()".to_owned(), true),
        (Type::Bytes, _) => ("Bytes::new()".to_owned(), true),
        (Type::Uuid, _) => ("TopicId::ZERO".to_owned(), true),
        (Type::Struct(_) | Type::Records, _) => (format!("{}::default()", bare_type(&field.kind)), true),
        (_, given) => (number(given.unwrap_or("0")), matches!(given, None | Some("0"))),
    };
    if field.is_nullable() { (format!("Some({value})"), false) } else { (value, plain) }
}

/// Well-known limits by their names.
fn number(text: &str) -> String {
    match text {
        "0x7fffffff" | "2147483647" => "i32::MAX".to_owned(),
        "-2147483648" => "i32::MIN".to_owned(),
        "9223372036854775807" => "i64::MAX".to_owned(),
        other => other.to_owned(),
    }
}

/// An expression that says whether a field has another value than its default.
pub(super) fn is_set(field: &Field) -> String {
    let name = snake(&field.name);
    match default_value(field).0.as_str() {
        "None" => format!("self.{name}.is_some()"),
        "Vec::new()" | "Str::default()" | "Bytes::new()" => format!("!self.{name}.is_empty()"),
        "false" => format!("self.{name}"),
        "true" => format!("!self.{name}"),
        value => format!("self.{name} != {value}"),
    }
}

/// A condition on `version` that says whether it lies in `range`, given that it lies in `within`; `None` when it always
/// does.
pub(super) fn condition(range: Versions, within: Versions) -> Option<String> {
    match (range.first > within.first, range.last < within.last) {
        (false, false) => None,
        (true, false) => Some(format!("version >= {}", range.first)),
        (false, true) => Some(format!("version <= {}", range.last)),
        _ if range.first == range.last => Some(format!("version == {}", range.first)),
        _ => Some(format!("({}..={}).contains(&version)", range.first, range.last)),
    }
}

/// The opposite of [`condition`]; `None` when it never holds.
pub(super) fn condition_outside(range: Versions, within: Versions) -> Option<String> {
    match (range.first > within.first, range.last < within.last) {
        (false, false) => None,
        (true, false) => Some(format!("version < {}", range.first)),
        (false, true) => Some(format!("version > {}", range.last)),
        (true, true) => Some(format!("!({}..={}).contains(&version)", range.first, range.last)),
    }
}

/// ` (v7+)` and the like; nothing for a field that all versions of its message have.
pub(super) fn range_note(range: Versions, within: Versions) -> String {
    match (range.first > within.first, range.last < within.last) {
        (false, false) => String::new(),
        (true, false) => format!(" (v{}+)", range.first),
        _ if range.first == range.last => format!(" (v{})", range.first),
        _ => format!(" (v{}–{})", range.first, range.last),
    }
}

/// The method of `Decoder` and `Encoder` for a type, and whether its length is written in front: then there is a compact
/// form, and writing may fail.
pub(super) fn method(kind: &Type) -> (&'static str, bool) {
    match kind {
        Type::Bool => ("bool", false),
        Type::Int8 => ("i8", false),
        Type::Int16 => ("i16", false),
        Type::Uint16 => ("u16", false),
        Type::Int32 => ("i32", false),
        Type::Uint32 => ("u32", false),
        Type::Int64 => ("i64", false),
        Type::Float64 => ("f64", false),
        Type::Uuid => ("uuid", false),
        Type::String => ("string", true),
        Type::Bytes => ("bytes", true),
        Type::Records => ("records", true),
        Type::Struct(_) => ("struct", false),
        Type::Array(_) => ("array", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn versions(first: i16, last: i16) -> Versions {
        Versions { first, last }
    }

    #[test]
    fn conditions_say_only_what_is_not_known_already() {
        let within = versions(4, 18);
        assert_eq!(condition(versions(4, 18), within), None);
        assert_eq!(condition(versions(7, 18), within).unwrap(), "version >= 7");
        assert_eq!(condition(versions(4, 12), within).unwrap(), "version <= 12");
        assert_eq!(condition(versions(7, 12), within).unwrap(), "(7..=12).contains(&version)");
        assert_eq!(condition(versions(7, 7), within).unwrap(), "version == 7");
        assert_eq!(condition_outside(versions(4, 18), within), None);
        assert_eq!(condition_outside(versions(16, 18), within).unwrap(), "version < 16");
        assert_eq!(condition_outside(versions(4, 12), within).unwrap(), "version > 12");
    }

    #[test]
    fn names_change_their_form_and_keywords_are_avoided() {
        assert_eq!(snake("ClientSoftwareName"), "client_software_name");
        assert_eq!(snake("Type"), "type_");
        assert_eq!(camel("ClientSoftwareName"), "clientSoftwareName");
    }

    #[test]
    fn comments_are_wrapped_and_make_no_links_or_tags() {
        let text = comment("///", &format!("[a] <b> {}", "word ".repeat(30)));
        assert!(text.starts_with("/// \\[a\\] \\<b> word"));
        assert!(text.lines().count() == 2 && text.lines().all(|line| line.len() < 110));
    }
}
