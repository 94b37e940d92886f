//! How answers are said: tables for people, JSON and YAML for programs.

use std::io::{ErrorKind, Write, stdout};

use clap::ValueEnum;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
}

impl Output {
    /// `answer` for programs, or for people what `table` says of it; it is told whether there is room.
    pub(crate) fn print<T: Serialize>(self, answer: &T, table: impl FnOnce(bool) -> String) -> anyhow::Result<()> {
        match self {
            Self::Table | Self::Wide => write!(stdout(), "{}", table(self == Self::Wide))?,
            Self::Json => writeln!(stdout(), "{}", serde_json::to_string_pretty(answer)?)?,
            Self::Yaml => write!(stdout(), "{}", serde_saphyr::to_string(answer)?)?,
        }
        Ok(())
    }
}

/// Whether this is the error of writing to who has heard enough, as `head` has.
pub(crate) fn nobody_listens(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Columns as wide as what stands in them, as kubectl writes them.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let header = header.iter().map(|&cell| cell.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| lines.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in lines {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

/// A time span as kubectl says it: its largest unit.
pub(crate) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows = [vec!["a".to_owned(), "é".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "X"], &rows), "NAME     X\na        é\nlonger\n");
    }

    #[test]
    fn a_span_is_said_by_its_largest_unit() {
        for (seconds, said) in [(-1, "0s"), (119, "119s"), (300, "5m"), (7200, "2h"), (200_000, "2d")] {
            assert_eq!(span(seconds), said);
        }
    }
}
