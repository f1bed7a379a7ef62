//! The page on the configuration, from the comments of `batchgen.toml`. A test of the host sees to it that every key
//! stands in that file, and that every line of it is accepted.

use std::fmt::Write as _;

/// The page.
pub fn page(text: &str) -> String {
    let mut page = String::from(
        "# Configuration\n\nThis page is made from the repository's `batchgen.toml` by `cargo xtask docs`. The file is found in the working \
         directory or the nearest one above it, or named with `--config`. Paths in it count from its own directory. Flags beat \
         variables of the environment, which beat the file, which beats the defaults.\n",
    );
    for section in sections(text) {
        let _ = writeln!(page, "\n## {}\n", section.title);
        if !section.about.is_empty() {
            let _ = writeln!(page, "{}\n", section.about);
        }
        if section.keys.is_empty() {
            continue;
        }
        page.push_str("| key | default, or an example | meaning |\n|---|---|---|\n");
        for key in section.keys {
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| `{}` | `{}` | {} |",
                key.name,
                cell(&key.value),
                cell(&key.about)
            );
        }
    }
    page
}

/// A table of the file.
pub(super) struct Section {
    pub title: String,
    pub about: String,
    pub keys: Vec<Key>,
}

/// A key of a table, with its default or an example.
pub(super) struct Key {
    pub name: String,
    pub value: String,
    pub about: String,
}

/// The tables of the file, with what its comments say.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section {
        title: "At the top".to_owned(),
        about: String::new(),
        keys: Vec::new(),
    }];
    // Lines of comment since the last key or blank line.
    let mut about: Vec<&str> = Vec::new();
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if line.is_empty() || line == "#" {
            about.clear();
        } else if let Some(title) = table(bare) {
            sections.push(Section {
                title: format!("`{title}`"),
                about: std::mem::take(&mut about).join(" "),
                keys: Vec::new(),
            });
        } else if let Some((name, value)) = key(bare) {
            // A comment is about the one key below it.
            let about = std::mem::take(&mut about).join(" ");
            if let Some(section) = sections.last_mut() {
                section.keys.push(Key {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    about,
                });
            }
        } else if line.starts_with('#') {
            about.push(bare);
        }
    }
    sections
}

fn table(line: &str) -> Option<&str> {
    let title = line.strip_prefix('[')?;
    line.ends_with(']')
        .then_some(line)
        .filter(|_| !title.is_empty())
}

fn key(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(" = ")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    (!name.is_empty() && name.bytes().all(plain)).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_keys_and_comments_are_told_apart() {
        let text = "# About the file.\n\n# A model.\n# Or two.\nmodel = \"a\"\n\n# The records.\n[dataset]\n# Where.\n# path = \"x|y\"\n# a = 1\n#\n# [other]\n# b = 2\n";
        let page = page(text);
        let tables: Vec<&str> = page
            .lines()
            .skip(4)
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(
            tables,
            [
                "## At the top",
                "| key | default, or an example | meaning |",
                "|---|---|---|",
                "| `model` | `\"a\"` | A model. Or two. |",
                "## `[dataset]`",
                "The records.",
                "| key | default, or an example | meaning |",
                "|---|---|---|",
                "| `path` | `\"x\\|y\"` | Where. |",
                "| `a` | `1` |  |",
                "## `[other]`",
                "| key | default, or an example | meaning |",
                "|---|---|---|",
                "| `b` | `2` |  |",
            ]
        );
    }
    #[test]
    fn every_key_of_the_configuration_has_a_comment_of_its_own() {
        let text = include_str!("../../../batchgen.toml");
        for section in sections(text) {
            for key in section.keys {
                assert!(!key.about.is_empty(), "{} in {}", key.name, section.title);
            }
        }
    }
}
