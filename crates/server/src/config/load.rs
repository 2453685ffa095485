//! The settings given at start: from a file, the environment and the command line, later ones winning.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::ignored::{is_ignored, refusal};
use super::properties::{self, PropertiesError};
use super::setting::InvalidValue;
use super::{BROKER_SETTINGS, broker_setting};

/// Prefix of environment variables that are settings: `HIGHWATER_LOG_RETENTION_MS` is `log.retention.ms`.
pub(crate) const ENVIRONMENT_PREFIX: &str = "HIGHWATER_";
/// Variables with the prefix that the tools read.
const TOOL_VARIABLES: [&str; 1] = ["HIGHWATER_BOOTSTRAP"];

/// What was given at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StaticConfig {
    /// Checked values by name.
    pub(crate) values: BTreeMap<String, String>,
    /// Kafka's settings without meaning here that were given, to be listed once.
    pub(crate) ignored: BTreeSet<String>,
    /// Environment variables with our prefix that are no setting.
    pub(crate) unknown_variables: Vec<String>,
}

/// Why the broker does not start with these settings. `Display` is one line.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    File(PathBuf, std::io::Error),
    /// The file is not in Java's properties syntax.
    Syntax(PathBuf, PropertiesError),
    /// Neither ours nor Kafka's.
    Unknown(String),
    /// Known, but relied on for something that is not done here.
    Refused(String, &'static str),
    /// Not of the setting's type or range.
    Invalid(InvalidValue),
    /// `--set` without `=`.
    NotAPair(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Syntax(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unknown(name) => {
                write!(f, "unknown setting {name}: `highwater docs configuration` lists all of them")
            }
            Self::Refused(name, reason) => write!(f, "the setting {name} is not supported: {reason}"),
            Self::Invalid(error) => error.fmt(f),
            Self::NotAPair(text) => write!(f, "--set takes KEY=VALUE, not {text:?}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl StaticConfig {
    /// Adds one setting, replacing what an earlier source said.
    ///
    /// # Errors
    /// [`ConfigError`] when it is unknown, refused or not allowed.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        // Kafka's old name of `node.id`, still in many files.
        let name = if name == "broker.id" { "node.id" } else { name };
        if let Some(setting) = broker_setting(name) {
            setting.parse(value).map_err(ConfigError::Invalid)?;
            self.values.insert(name.to_owned(), value.trim().to_owned());
            return Ok(());
        }
        if let Some(reason) = refusal(name, value) {
            return Err(ConfigError::Refused(name.to_owned(), reason));
        }
        if is_ignored(name) || super::ignored::REFUSED.iter().any(|(known, _)| *known == name) {
            self.ignored.insert(name.to_owned());
            return Ok(());
        }
        Err(ConfigError::Unknown(name.to_owned()))
    }

    /// Adds every setting of a file in Java's properties syntax.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or the setting.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::File(path.to_owned(), error))?;
        let entries =
            properties::parse(&text).map_err(|error| ConfigError::Syntax(path.to_owned(), error))?;
        entries.iter().try_for_each(|(name, value)| self.set(name, value))
    }

    /// Adds the environment variables that are settings. Others with the prefix are noted, not refused: the prefix is not
    /// ours alone.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub(crate) fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (variable, value) in variables {
            let Some(rest) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            match BROKER_SETTINGS.iter().find(|setting| variable_name(setting.name) == rest) {
                Some(setting) => self.set(setting.name, &value)?,
                None if TOOL_VARIABLES.contains(&variable.as_str()) => {}
                None => self.unknown_variables.push(variable),
            }
        }
        self.unknown_variables.sort_unstable();
        Ok(())
    }

    /// Adds `--set KEY=VALUE` arguments.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn add_arguments<'a>(
        &mut self,
        arguments: impl Iterator<Item = &'a str>,
    ) -> Result<(), ConfigError> {
        for argument in arguments {
            let (name, value) =
                argument.split_once('=').ok_or_else(|| ConfigError::NotAPair(argument.to_owned()))?;
            self.set(name.trim(), value)?;
        }
        Ok(())
    }
}

/// What the variable of a setting is called, without the prefix.
pub(crate) fn variable_name(setting: &str) -> String {
    setting.to_ascii_uppercase().replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_sources_win() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.properties");
        std::fs::write(&path, "log.retention.hours=1\nnum.partitions=2\nlog.dirs=/tmp/x\nbroker.id=7\n")
            .unwrap();
        let mut config = StaticConfig::default();
        config.add_file(&path).unwrap();
        let environment = [("HIGHWATER_NUM_PARTITIONS", "3"), ("HIGHWATER_BIN", "x"), ("PATH", "y")];
        config.add_environment(environment.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()))).unwrap();
        config.add_arguments(["log.retention.hours=5"].into_iter()).unwrap();
        let value = |name: &str| config.values.get(name).map(String::as_str);
        assert_eq!(value("log.retention.hours"), Some("5"));
        assert_eq!(value("num.partitions"), Some("3"));
        assert_eq!(value("node.id"), Some("7"));
        assert!(config.ignored.contains("log.dirs"));
        assert_eq!(config.unknown_variables, ["HIGHWATER_BIN"]);
    }

    #[test]
    fn unknown_refused_and_bad_settings_name_the_key() {
        let error =
            |argument| StaticConfig::default().add_arguments([argument].into_iter()).unwrap_err().to_string();
        assert!(error("no.such.key=1").starts_with("unknown setting no.such.key"));
        assert!(error("authorizer.class.name=x").contains("authorizer.class.name is not supported"));
        assert_eq!(
            error("num.partitions=0"),
            "Invalid value 0 for configuration num.partitions: Value must be at least 1"
        );
        assert!(error("num.partitions").contains("KEY=VALUE"));
    }

    #[test]
    fn every_setting_has_a_variable_of_its_own() {
        let names: BTreeSet<_> = BROKER_SETTINGS.iter().map(|setting| variable_name(setting.name)).collect();
        assert_eq!(names.len(), BROKER_SETTINGS.len());
    }
}
