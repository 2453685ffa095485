//! One setting: its name, type, default, check and documentation. Everything that reads, checks, shows or prints settings goes
//! by these, so that a setting is one entry in one table.

use std::fmt;

/// The type of a setting's value, with Kafka's names (`ConfigDef.Type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// Any text.
    String,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Long,
    /// 64-bit floating point.
    Double,
    /// Items separated by commas.
    List,
}

impl Kind {
    /// `ConfigType` of DescribeConfigs v3+.
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
        }
    }

    /// What the documentation calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
        }
    }
}

/// Which values of a setting's type are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Check {
    /// All.
    Any,
    /// A number, at least this.
    AtLeast(i64),
    /// A number from the first to the second, both included.
    Between(i64, i64),
    /// A double from the first to the second, both included.
    BetweenDouble(f64, f64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words, none twice.
    ListOf(&'static [&'static str]),
    /// -1, or 1 to 9.
    GzipLevel,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
}

/// When a change of a broker setting takes effect (`DynamicBrokerConfig`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    /// Only at the next start.
    ReadOnly,
    /// At once, for one broker or as the default of all.
    ClusterWide,
}

/// Why a value is not accepted. `Display` is Kafka's wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidValue {
    /// The setting.
    pub(crate) name: String,
    /// What was given.
    pub(crate) value: String,
    /// What is wrong with it.
    pub(crate) problem: String,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invalid value {} for configuration {}: {}", self.value, self.name, self.problem)
    }
}

impl std::error::Error for InvalidValue {}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// Kafka's name, or ours where Kafka has none.
    pub(crate) name: &'static str,
    /// The type of its value.
    pub(crate) kind: Kind,
    /// The value when nothing else is said; `None` is Kafka's null.
    pub(crate) default: Option<&'static str>,
    /// Which values are allowed.
    pub(crate) check: Check,
    /// When a change takes effect. Topic settings always do at once.
    pub(crate) update: Update,
    /// Not documented and not listed by DescribeConfigs.
    pub(crate) internal: bool,
    /// What it does, for `docs/configuration.md` and DescribeConfigs.
    pub(crate) documentation: &'static str,
}

/// A value that passed its setting's type and check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Kafka's null.
    Null,
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::Int`] and [`Kind::Long`].
    Number(i64),
    /// Of [`Kind::Double`].
    Double(f64),
    /// Of [`Kind::String`].
    Text(String),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

impl Setting {
    /// A documented setting that is fixed at start.
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: Option<&'static str>,
        check: Check,
        documentation: &'static str,
    ) -> Self {
        Self { name, kind, default, check, update: Update::ReadOnly, internal: false, documentation }
    }

    /// The same, changeable at run time.
    pub(super) const fn dynamic(mut self) -> Self {
        self.update = Update::ClusterWide;
        self
    }

    /// The same, not documented.
    pub(super) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Reads and checks a value.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is not of the setting's type or not allowed.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let trimmed = text.trim();
        let parsed = self.parse_kind(trimmed).map_err(|problem| self.invalid(trimmed, problem))?;
        self.verify(&parsed).map_err(|problem| self.invalid(trimmed, problem))?;
        Ok(parsed)
    }

    fn invalid(&self, value: &str, problem: String) -> InvalidValue {
        InvalidValue { name: self.name.to_owned(), value: value.to_owned(), problem }
    }

    fn parse_kind(&self, text: &str) -> Result<Value, String> {
        match self.kind {
            Kind::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            Kind::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            Kind::Boolean => Err("Expected value to be either true or false".to_owned()),
            Kind::String => Ok(Value::Text(text.to_owned())),
            Kind::Int => {
                let number: i32 = text.parse().map_err(|_| "Not a number of type INT".to_owned())?;
                Ok(Value::Number(number.into()))
            }
            Kind::Long => text.parse().map(Value::Number).map_err(|_| "Not a number of type LONG".to_owned()),
            Kind::Double => {
                text.parse().map(Value::Double).map_err(|_| "Not a number of type DOUBLE".to_owned())
            }
            Kind::List if text.is_empty() => Ok(Value::List(Vec::new())),
            Kind::List => Ok(Value::List(text.split(',').map(|item| item.trim().to_owned()).collect())),
        }
    }

    fn verify(&self, value: &Value) -> Result<(), String> {
        match (self.check, value) {
            (Check::AtLeast(least), Value::Number(number)) if *number < least => {
                Err(format!("Value must be at least {least}"))
            }
            (Check::Between(least, _), Value::Number(number)) if *number < least => {
                Err(format!("Value must be at least {least}"))
            }
            (Check::Between(_, most), Value::Number(number)) if *number > most => {
                Err(format!("Value must be no more than {most}"))
            }
            (Check::BetweenDouble(least, _), Value::Double(number)) if number.is_nan() || *number < least => {
                Err(format!("Value must be at least {least}"))
            }
            (Check::BetweenDouble(_, most), Value::Double(number)) if *number > most => {
                Err(format!("Value must be no more than {most}"))
            }
            (Check::OneOf(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
                Err(format!("String must be one of: {}", words.join(", ")))
            }
            (Check::ListOf(words), Value::List(items)) => verify_items(words, items),
            (Check::GzipLevel, Value::Number(number)) if *number != -1 && !(1..=9).contains(number) => {
                Err("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            (Check::ThrottledReplicas, Value::List(items)) => verify_throttled(items),
            _ => Ok(()),
        }
    }

    /// The check in words, for the documentation; empty when all values are allowed.
    pub(crate) fn valid_values(&self) -> String {
        match self.check {
            Check::Any => String::new(),
            Check::AtLeast(least) => format!("at least {least}"),
            Check::Between(least, most) => format!("{least} to {most}"),
            Check::BetweenDouble(least, most) => format!("{least} to {most}"),
            Check::OneOf(words) => words.join(", "),
            Check::ListOf(words) => format!("a list of {}", words.join(", ")),
            Check::GzipLevel => "-1, or 1 to 9".to_owned(),
            Check::ThrottledReplicas => "`*`, or a list of partition:broker".to_owned(),
        }
    }
}

fn verify_items(words: &[&str], items: &[String]) -> Result<(), String> {
    if let Some(wrong) = items.iter().find(|item| !words.contains(&item.as_str())) {
        return Err(format!("String {wrong:?} must be one of: {}", words.join(", ")));
    }
    let mut seen = items.to_vec();
    seen.sort_unstable();
    seen.dedup();
    if seen.len() < items.len() { Err("The same value is listed twice.".to_owned()) } else { Ok(()) }
}

/// `ThrottledReplicaListValidator`.
fn verify_throttled(items: &[String]) -> Result<(), String> {
    let is_pair = |item: &String| {
        item.split_once(':').is_some_and(|(partition, broker)| {
            !partition.is_empty()
                && !broker.is_empty()
                && partition.bytes().chain(broker.bytes()).all(|byte| byte.is_ascii_digit())
        })
    };
    let everything = matches!(items, [item] if item == "*");
    if everything || items.iter().all(is_pair) {
        Ok(())
    } else {
        Err("Must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],..."
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: Kind, check: Check) -> Setting {
        Setting::new("x", kind, None, check, "")
    }

    #[test]
    fn a_value_outside_its_range_is_refused_in_kafkas_words() {
        let retention = Setting::new("retention.ms", Kind::Long, None, Check::AtLeast(-1), "");
        assert_eq!(retention.parse(" -1 "), Ok(Value::Number(-1)));
        assert_eq!(
            retention.parse("-2").unwrap_err().to_string(),
            "Invalid value -2 for configuration retention.ms: Value must be at least -1"
        );
        assert_eq!(
            retention.parse("soon").unwrap_err().to_string(),
            "Invalid value soon for configuration retention.ms: Not a number of type LONG"
        );
    }

    #[test]
    fn an_int_does_not_take_more_than_32_bits() {
        assert!(setting(Kind::Int, Check::Any).parse("2147483647").is_ok());
        assert!(setting(Kind::Int, Check::Any).parse("2147483648").is_err());
        assert!(setting(Kind::Long, Check::Any).parse("2147483648").is_ok());
        assert!(setting(Kind::Long, Check::Any).parse("9223372036854775808").is_err());
    }

    #[test]
    fn lists_take_known_items_once() {
        let policy = setting(Kind::List, Check::ListOf(&["compact", "delete"]));
        assert_eq!(policy.parse("compact, delete"), Ok(Value::List(vec!["compact".into(), "delete".into()])));
        assert_eq!(policy.parse(""), Ok(Value::List(Vec::new())));
        assert!(policy.parse("compact,compact").is_err());
        assert!(policy.parse("burn").is_err());
    }

    #[test]
    fn special_checks_hold() {
        let gzip = setting(Kind::Int, Check::GzipLevel);
        for (text, good) in [("-1", true), ("0", false), ("1", true), ("9", true), ("10", false)] {
            assert_eq!(gzip.parse(text).is_ok(), good, "{text}");
        }
        let throttled = setting(Kind::List, Check::ThrottledReplicas);
        for (text, good) in [("", true), ("*", true), ("0:1,2:3", true), ("0", false), ("a:1", false)] {
            assert_eq!(throttled.parse(text).is_ok(), good, "{text}");
        }
        let ratio = setting(Kind::Double, Check::BetweenDouble(0.0, 1.0));
        for (text, good) in [("0", true), ("1.0", true), ("1.1", false), ("NaN", false), ("x", false)] {
            assert_eq!(ratio.parse(text).is_ok(), good, "{text}");
        }
    }
}
