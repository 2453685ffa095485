//! Columns for people: a heading, rows, each column as wide as its widest cell up to a limit. Control characters, which names that others
//! gave may have in them, are shown escaped, so that nobody writes to the terminal through a group's id.

use std::io::{self, Write};

/// A cell longer than this is shown whole, and the other rows are not padded to it.
const WIDTH_MAX: usize = 64;

/// Rows under a heading.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with nothing but its heading.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// Writes it, with two spaces between columns and none at the end of a line.
    ///
    /// # Errors
    /// What writing says.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                let count = cell.chars().count();
                if count <= WIDTH_MAX {
                    *width = count.max(*width);
                }
            }
        }
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The text without anything that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// What stands where there is nothing.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_stand_under_each_other() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["long".into(), "é".into()]);
        table.row(vec!["é".into(), "-".into()]);
        assert_eq!(written(&table), "A     B\nlong  é\né     -\n");
    }

    #[test]
    fn one_very_long_name_does_not_widen_the_other_rows() {
        let mut table = Table::new(&["A", "B"]);
        table.row(vec!["x".repeat(1000), "1".into()]);
        table.row(vec!["short".into(), "2".into()]);
        assert_eq!(written(&table), format!("A      B\n{}  1\nshort  2\n", "x".repeat(1000)));
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        let mut table = Table::new(&["A"]);
        table.row(vec!["x\u{1b}[2J\n".into()]);
        assert_eq!(written(&table), "A\nx\\u{1b}[2J\\n\n");
    }
}
