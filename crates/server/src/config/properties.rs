//! Java's properties syntax, as `server.properties` has it: comments, `=`, `:` or blanks between key and value, backslash escapes and
//! lines that go on.

/// Why a file is not in that syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PropertiesError {
    /// 1-based line.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) problem: &'static str,
}

impl std::fmt::Display for PropertiesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for PropertiesError {}

/// Reads keys and values in the order of the file. A key that comes twice stands twice.
///
/// # Errors
/// [`PropertiesError`] for a bad `\u` escape.
pub(crate) fn parse(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let first = line.trim_start_matches(BLANKS);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while ends_with_open_escape(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, next)) => logical.push_str(next.trim_start_matches(BLANKS)),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let unescape = |part| unescape(part).map_err(|problem| PropertiesError { line: index + 1, problem });
        entries.push((unescape(key)?, unescape(value)?));
    }
    Ok(entries)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Whether the line ends with an odd number of backslashes.
fn ends_with_open_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value, still escaped: the key ends at the first unescaped `=`, `:` or blank.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, letter)| {
            let ends = !escaped && (matches!(letter, '=' | ':') || BLANKS.contains(letter));
            escaped = !escaped && *letter == '\\';
            ends
        })
        .map_or(line.len(), |(position, _)| position);
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(BLANKS);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            None => {}
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = letters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                plain.push(code.and_then(char::from_u32).ok_or("\\u needs four hexadecimal digits")?);
            }
            Some(other) => plain.push(other),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn separators_comments_and_blanks_are_those_of_java() {
        let text = "# comment\n ! other\n\na=1\nb : 2\n  c   3\nd=\ne\nf = x = y \n";
        let expected = [
            pair("a", "1"),
            pair("b", "2"),
            pair("c", "3"),
            pair("d", ""),
            pair("e", ""),
            pair("f", "x = y "),
        ];
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn lines_go_on_after_a_backslash() {
        assert_eq!(pairs("a=1,\\\n   2\nb=c\\\\\nd=e"), [pair("a", "1,2"), pair("b", "c\\"), pair("d", "e")]);
        assert_eq!(pairs("a=1\\"), [pair("a", "1")]);
    }

    #[test]
    fn escapes_stand_for_themselves() {
        assert_eq!(pairs(r"a\ b\:c=d\u0041\t\q"), [pair("a b:c", "dA\tq")]);
        assert_eq!(parse("x=1\na=\\u00g1").unwrap_err().line, 2);
        assert!(parse("a=\\ud800").is_err());
    }
}
