//! Prints the tables of settings as `docs/configuration.md`.

use std::fmt::Write;

use super::ignored::{IGNORED, IGNORED_PREFIXES, REFUSED};
use super::load::variable_name;
use super::setting::{Setting, Update};
use super::{BROKER_SETTINGS, TOPIC_SETTINGS};

/// The whole page.
pub(crate) fn configuration() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Broker settings\n\n");
    for setting in BROKER_SETTINGS.iter().filter(|setting| !setting.internal) {
        describe(&mut page, setting);
        let change = match setting.update {
            Update::ReadOnly => "at start only",
            Update::ClusterWide => "at run time",
        };
        line(
            &mut page,
            format_args!("- Changed: {change}; variable `HIGHWATER_{}`\n", variable_name(setting.name)),
        );
    }
    page.push_str("## Topic settings\n\nGiven at creation or changed at any time. A topic without its own value has the broker's.\n\n");
    for known in TOPIC_SETTINGS.iter().filter(|known| !known.setting.internal) {
        describe(&mut page, &known.setting);
        let names: Vec<_> = known.synonyms.iter().map(|(name, _)| format!("`{name}`")).collect();
        match names.is_empty() {
            true => page.push('\n'),
            false => line(&mut page, format_args!("- Broker's value: {}\n", names.join(", else "))),
        }
    }
    page.push_str(
        "## Refused\n\nWho sets one of these relies on what it does; the broker does not start with it.\n\n",
    );
    for (name, reason) in REFUSED {
        line(&mut page, format_args!("- `{name}`: {reason}"));
    }
    page.push_str("\n## Ignored\n\nKafka's settings without meaning here. They are accepted, so that an existing `server.properties` works, and listed once at start.\n\n");
    let prefixes = IGNORED_PREFIXES.iter().map(|prefix| format!("`{prefix}*`"));
    let names: Vec<_> = IGNORED.iter().map(|name| format!("`{name}`")).chain(prefixes).collect();
    line(&mut page, format_args!("{}", names.join(", ")));
    page
}

const INTRODUCTION: &str = "# Configuration

Printed from the code's tables by `highwater docs configuration`; do not edit.

Settings have Kafka's names, types, units and defaults wherever Kafka has them. They come, later ones winning, from
`--config FILE` (Java properties, as Kafka's `server.properties`), environment variables (`HIGHWATER_NUM_PARTITIONS` is
`num.partitions`), `--set KEY=VALUE`, the flags of `highwater serve`, and what was changed at run time (IncrementalAlterConfigs,
`kafka-configs --alter`). An unknown setting is an error.
";

fn describe(page: &mut String, setting: &Setting) {
    line(page, format_args!("### `{}`\n\n{}\n", setting.name, setting.documentation));
    let default = match setting.default {
        None => "none".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let valid = setting.valid_values();
    let valid = if valid.is_empty() { valid } else { format!("; {valid}") };
    line(page, format_args!("- Type: {}{valid}; default: {default}", setting.kind.name()));
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(page, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_and_the_tables_are_sorted() {
        let page = configuration();
        for setting in BROKER_SETTINGS.iter().filter(|setting| !setting.internal) {
            assert!(page.contains(&format!("### `{}`\n", setting.name)) && !setting.documentation.is_empty());
        }
        assert!(BROKER_SETTINGS.is_sorted_by(|left, right| left.name < right.name));
        assert!(TOPIC_SETTINGS.is_sorted_by(|left, right| left.setting.name < right.setting.name));
        assert!(!page.contains("internal.segment.bytes"));
    }
}
