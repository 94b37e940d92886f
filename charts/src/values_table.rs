//! `values.yaml` as a table: each value with the comment above it.

use std::fmt::Write as _;

/// Longer defaults are to be read in `values.yaml`.
const LONGEST_DEFAULT: usize = 60;

/// A Markdown table of every value that a comment stands above.
#[must_use]
pub fn values_table(values: &str) -> String {
    let mut table = "| value | default | what it is |\n| --- | --- | --- |\n".to_owned();
    let (mut path, mut comment) = (Vec::<(usize, &str)>::new(), Vec::<&str>::new());
    let lines: Vec<&str> = values.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let indentation = line.len() - text.len();
        if let Some(text) = text.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let commented = std::mem::take(&mut comment).join(" ");
        let Some((key, value)) = text.split_once(':').filter(|(key, _)| is_key(key)) else { continue };
        path.retain(|(outer, _)| *outer < indentation);
        path.push((indentation, key));
        if commented.is_empty() {
            continue;
        }
        let name = path.iter().map(|(_, key)| *key).collect::<Vec<_>>().join(".");
        let below = lines[number + 1..].iter().take_while(|line| is_below(line, indentation)).count();
        let value = value.trim();
        let default = if below > 0 || value.len() > LONGEST_DEFAULT {
            "see values.yaml".to_owned()
        } else {
            format!("`{value}`")
        };
        writeln!(table, "| `{name}` | {default} | {commented} |").expect("a string takes every write");
    }
    table
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric())
}

/// Belongs to the key of `indentation` above it: deeper, or an item of its list.
fn is_below(line: &str, indentation: usize) -> bool {
    let text = line.trim_start();
    let depth = line.len() - text.len();
    !text.is_empty() && (depth > indentation || depth == indentation && text.starts_with("- "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_path_its_default_and_the_comment_above_it() {
        let values = "# Not above a value\n\nimages:\n  # How often\n  # it is\n  pull: Always\n  bare: 1\n# Names\nlist:\n- a\n";
        let rows = "| `images.pull` | `Always` | How often it is |\n| `list` | see values.yaml | Names |\n";
        assert!(values_table(values).ends_with(rows), "{}", values_table(values));
    }
}
