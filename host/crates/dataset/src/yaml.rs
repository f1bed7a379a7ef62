//! YAML: where the lists of a document are, and the parser of one record.
//!
//! The rules are those of YAML 1.2 (`no` is a text), and integers with a leading zero and numbers with `_` stay
//! texts too, so that codes survive. Dates stay texts. Every record is parsed alone, under a budget; so an
//! anchor is known only within its record, and what a bomb would expand to is never built.

use std::path::Path;

use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DefaultMessageFormatter, Error, MessageFormatter, Options};

use super::DatasetError;
use super::error::At;
use super::input::{Input, Line, Mark};
use super::layout::{Keys, Layout, Located, Wanted};
use super::number;
use super::value::{Allowance, DEPTH, repeated};
use super::yaml_numbers;

/// Most values and keys of a record.
const NODES: usize = 250_000;
const EXPANSION: &str = "its anchors and aliases expand too far";

/// Bytes of a line that tell what it is.
pub(super) const LINE_HEAD: usize = 4096;

/// Parses one document that starts at `at`.
pub(super) fn parse(text: &str, at: &At<'_>, limit: usize) -> Result<Value, DatasetError> {
    let allowance = Allowance::new(limit);
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |yaml| {
        allowance.seed().deserialize(yaml)
    })
    .map_err(|error| explain(&error, &allowance, at))?;
    if !has_written_number(text) {
        return Ok(value);
    }
    // Once more, with the place of each number: it tells how the number is written.
    Ok(yaml_numbers::read(text, options()).unwrap_or(value))
}

/// Whether something in the text looks like a number that would be printed in another way.
fn has_written_number(text: &str) -> bool {
    let is_end = |character: char| character.is_whitespace() || "[]{},:#".contains(character);
    let mut words = text.split(is_end);
    words.any(|word| {
        let digits = word.strip_prefix('-').unwrap_or(word);
        digits.starts_with(|first: char| first.is_ascii_digit()) && !number::is_plain(word)
    })
}

/// Parses one item of a block sequence, with its dash.
pub(super) fn parse_item(text: &str, at: &At<'_>, limit: usize) -> Result<Value, DatasetError> {
    match parse(text, at, limit)? {
        Value::Array(mut items) if items.len() == 1 => Ok(items.remove(0)),
        _ => Err(DatasetError::CannotSplit {
            file: at.file(),
            line: at.line,
            cause: "the record is not one item of a list".into(),
            remedy: "start every record with `- ` in the same column",
        }),
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            // The list around a record is a level too.
            max_depth: DEPTH + 1,
            max_nodes: NODES,
            // A list or an object is two events.
            max_events: 2 * NODES,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 * 1024 * 1024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
        },
        emit_comments: false,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn explain(error: &Error, allowance: &Allowance, at: &At<'_>) -> DatasetError {
    let error = match error.without_snippet() {
        Error::AliasError { error, .. } => error.without_snippet(),
        error => error,
    };
    let within = error
        .location()
        .map_or(0, |location| location.line().saturating_sub(1));
    let (file, line) = (at.file(), at.line + within);
    let message = DefaultMessageFormatter
        .format_message(error)
        .replace(char::is_control, " ");
    let cause = match error {
        Error::UnknownAnchor { .. } => {
            return DatasetError::CannotSplit {
                file,
                line,
                cause: "an alias names an anchor that is not within its record".into(),
                remedy: "records are read one by one, so write the value out in each of them",
            };
        }
        Error::Budget { breach, .. } => {
            return DatasetError::OverBudget {
                file,
                line,
                cause: breached(breach),
            };
        }
        Error::AliasReplayLimitExceeded { .. } => {
            return DatasetError::OverBudget {
                file,
                line,
                cause: EXPANSION.into(),
            };
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias lies within its own anchor".into()
        }
        _ if allowance.passed() => {
            return DatasetError::OverBudget {
                file,
                line,
                cause: message,
            };
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => repeated(key),
        _ if message.contains("Option<") => {
            "a key is `null`; put it in quotes if it is meant as a text, or give it a name".into()
        }
        _ if message.contains("tagged") => {
            "a value has a tag, such as `!!timestamp`, that is not read; remove the tag, or put the value in quotes".into()
        }
        Error::NonFiniteFloat { value, .. } => {
            format!("`{value}` is no number in JSON; leave the field out, or put it in quotes")
        }
        _ => message,
    };
    DatasetError::Syntax {
        file,
        line,
        format: "YAML",
        cause,
    }
}

fn breached(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => format!("it has more than {DEPTH} levels"),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("it has more than {NODES} values")
        }
        _ => EXPANSION.into(),
    }
}

/// Finds the lists of the first document. Stops when it has all that are wanted.
pub(super) fn locate(
    mut input: Input,
    path: &Path,
    wanted: &Wanted<'_>,
) -> Result<Located, DatasetError> {
    let first = first_content(&mut input, path)?;
    let head = first.trimmed();
    if is_item(head) && wanted.key_field.is_some() {
        let at = At {
            path,
            line: first.start.line,
        };
        return Err(cannot_split(
            &at,
            "the records are a list, and `key-field` is for records that stand under keys",
            "remove `key-field`",
        ));
    }
    if is_item(head) {
        return Ok(Located::Top(Layout::YamlList {
            start: first.start,
            key: None,
        }));
    }
    let at = At {
        path,
        line: first.start.line,
    };
    if head.starts_with(b"[") || head.starts_with(b"{") {
        return Err(cannot_split(
            &at,
            "the document is in flow style",
            "write one record an item, each after `- `, or set `format` to json if it is JSON",
        ));
    }
    if !starts_key(&first) {
        return Err(cannot_split(
            &at,
            "the document does not start in the first column",
            "write its keys without indentation",
        ));
    }
    let top = first.start;
    let mut keys = Keys::default();
    let mut next = Some(first);
    while let Some(line) = next {
        if marker(line.text(), "---")
            .or(marker(line.text(), "..."))
            .is_some()
        {
            break;
        }
        if starts_key(&line) {
            let added = add_key(&mut keys, &line, path, wanted);
            // It may be the line of a record, which costs no other.
            if wanted.key_field.is_none() {
                added?;
            }
            if keys.complete(wanted) {
                break;
            }
        }
        next = input.line(LINE_HEAD)?;
    }
    Ok(match wanted.key_field {
        Some(field) if keys.records.is_none() => Located::Top(Layout::YamlKeyed {
            start: top,
            key: None,
            field: field.to_owned(),
        }),
        _ => Located::Keys(Box::new(keys)),
    })
}

fn first_content(input: &mut Input, path: &Path) -> Result<Line, DatasetError> {
    while let Some(line) = input.line(LINE_HEAD)? {
        match marker(line.text(), "---").or(marker(line.text(), "...")) {
            Some(rest) if is_blank(rest) => {}
            Some(_) => {
                let at = At {
                    path,
                    line: line.start.line,
                };
                return Err(cannot_split(
                    &at,
                    "a document starts on the line of its marker",
                    "start it on the line after `---`",
                ));
            }
            None if is_blank(line.trimmed()) || line.bytes.starts_with(b"%") => {}
            None => return Ok(line),
        }
    }
    Err(DatasetError::Empty {
        file: path.to_path_buf(),
    })
}

fn add_key(
    keys: &mut Keys,
    line: &Line,
    path: &Path,
    wanted: &Wanted<'_>,
) -> Result<(), DatasetError> {
    let at = At {
        path,
        line: line.start.line,
    };
    let Some((key, rest)) = key_of(line.text(), &at)? else {
        let cause = "expected `key:` in the first column".into();
        return Err(DatasetError::Syntax {
            file: at.file(),
            line: at.line,
            format: "YAML",
            cause,
        });
    };
    let is_repeated = keys.add(&key, wanted, || {
        if is_blank(rest.as_bytes()) {
            let start = Mark {
                offset: line.end(),
                line: at.line + 1,
            };
            let key = Some(key.clone());
            return Ok(match wanted.key_field {
                Some(field) if key.as_deref() == Some(wanted.records) => Layout::YamlKeyed {
                    start,
                    key,
                    field: field.to_owned(),
                },
                _ => Layout::YamlList { start, key },
            });
        }
        let cause = if rest.starts_with('[') {
            format!("the list under `{key}` is in flow style")
        } else {
            format!("the value of `{key}` starts on the line of its key")
        };
        Err(cannot_split(
            &at,
            cause,
            "write one record an item on lines of its own, each after `- `",
        ))
    });
    if is_repeated {
        return Err(DatasetError::Syntax {
            file: at.file(),
            line: at.line,
            format: "YAML",
            cause: repeated(&key),
        });
    }
    Ok(())
}

/// Whether a line can only be a key of the top mapping. List items may start in the first column, and many
/// write closing brackets there.
pub(super) fn starts_key(line: &Line) -> bool {
    let text = line.text();
    let starts_in_first_column = !line.bytes.starts_with(b" ") && !line.bytes.starts_with(b"\t");
    starts_in_first_column && !is_blank(text) && !is_item(text) && !closes_flow(text)
}

/// The key that a line starts with, and what follows its colon.
pub(super) fn key_of<'a>(
    text: &'a [u8],
    at: &At<'_>,
) -> Result<Option<(String, &'a str)>, DatasetError> {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // A long line was cut within a character.
        Err(error) if error.error_len().is_none() && text.len() >= LINE_HEAD => text
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
        Err(_) => {
            return Err(DatasetError::NotUtf8 {
                file: at.file(),
                line: at.line,
            });
        }
    };
    let quoted = quoted_length(text);
    let found = text.char_indices().find(|(index, character)| {
        let rest = text.get(index + 1..).unwrap_or_default();
        *character == ':' && *index >= quoted && (rest.is_empty() || rest.starts_with([' ', '\t']))
    });
    let Some((colon, _)) = found else {
        return Ok(None);
    };
    let (Some(key), Some(rest)) = (text.get(..colon), text.get(colon + 1..)) else {
        return Ok(None);
    };
    let key = if quoted > 0 {
        serde_saphyr::from_str(key).ok()
    } else {
        Some(key.trim().to_string())
    };
    Ok(key.map(|key| (key, rest.trim())))
}

/// Length of the quoted scalar that `text` starts with; 0 if it starts with none.
fn quoted_length(text: &str) -> usize {
    let Some(quote) = text
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        return 0;
    };
    let mut escaped = false;
    for (index, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if character == quote
                && !text.get(index + 1..).unwrap_or_default().starts_with(quote) =>
            {
                return index + 1;
            }
            // Single quotes are escaped by doubling them.
            '\'' if quote == '\'' => escaped = true,
            _ => {}
        }
    }
    text.len()
}

/// Whether a trimmed line is an item of a block sequence.
pub(super) fn is_item(trimmed: &[u8]) -> bool {
    trimmed == b"-" || trimmed.starts_with(b"- ") || trimmed.starts_with(b"-\t")
}

/// Whether a trimmed line says nothing.
pub(super) fn is_blank(trimmed: &[u8]) -> bool {
    trimmed.is_empty() || trimmed.starts_with(b"#")
}

/// Whether a trimmed line goes on with a flow collection that was opened above.
pub(super) fn closes_flow(trimmed: &[u8]) -> bool {
    trimmed.starts_with(b"]") || trimmed.starts_with(b"}")
}

/// What follows a document marker, if a line is one.
pub(super) fn marker<'a>(text: &'a [u8], marker: &str) -> Option<&'a [u8]> {
    let rest = text.strip_prefix(marker.as_bytes())?;
    (rest.is_empty() || rest.starts_with(b" ") || rest.starts_with(b"\t"))
        .then(|| rest.trim_ascii())
}

pub(super) fn cannot_split(
    at: &At<'_>,
    cause: impl Into<String>,
    remedy: &'static str,
) -> DatasetError {
    DatasetError::CannotSplit {
        file: at.file(),
        line: at.line,
        cause: cause.into(),
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use serde_json::json;

    fn report(content: &str) -> String {
        Fixture::new("a.yaml", content).report()
    }

    fn fields(text: &str) -> Value {
        let content = format!("- id: a\n  name: A\n  category: metal\n{text}");
        Fixture::new("a.yaml", content)
            .records()
            .remove(0)
            .fields
            .into()
    }

    #[test]
    fn scalars_follow_yaml_1_2_and_keep_codes() {
        let text = "  norway: no\n  on: off\n  date: 2026-11-24\n  code: 007\n  grouped: 1_000\n  time: 12:30:45\n  version: 1.10.0\n  \
                    large: 1.0e+14\n  int: -5\n  unsigned: 18446744073709551615\n  hex: 0x1f\n  yes: true\n  nothing: ~\n  empty:\n  quoted: '5'\n";
        let found = fields(text);
        let expected = json!({
            "norway": "no", "on": "off", "date": "2026-11-24", "code": "007", "grouped": "1_000", "time": "12:30:45", "version": "1.10.0",
            "large": 1.0e14, "int": -5, "unsigned": 18446744073709551615_u64, "hex": 31, "yes": true, "nothing": null, "empty": null, "quoted": "5",
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn anchors_serve_within_their_record() {
        assert_eq!(
            fields("  x: &x {a: 1}\n  y: *x\n  z: {<<: *x, b: 2}\n"),
            json!({"x": {"a": 1}, "y": {"a": 1}, "z": {"a": 1, "b": 2}})
        );
        let crossing = "common: &common {a: 1}\nrecords:\n- id: a\n  name: A\n  x: *common\n";
        insta::assert_snapshot!(report(crossing), @"a.yaml:5: an alias names an anchor that is not within its record; records are read one by one, so write the value out in each of them");
    }

    #[test]
    fn a_bomb_is_an_error_of_one_record() {
        let good = "- {id: z, name: Z, category: metal}\n";
        let mut laughs = String::from("- id: a\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n");
        for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
            laughs += &format!(
                "  {name}: &{name} [{}]\n",
                vec![format!("*{before}"); 10].join(", ")
            );
        }
        let large = format!(
            "- id: a\n  a: &a {}\n  b: [{}]\n",
            "x".repeat(500_000),
            ["*a"; 900].join(", ")
        );
        let deep = format!("- id: a\n  x: {}{}\n", "[".repeat(80), "]".repeat(80));
        let recursive = "- &a\n  id: a\n  x: *a\n";
        let reports =
            [&laughs, &large, &deep, recursive].map(|bomb| report(&format!("{bomb}{good}")));
        insta::assert_snapshot!(reports.join("\n"), @r#"
        a.yaml:2: takes too much to parse: its anchors and aliases expand too far; write it with fewer levels, values or aliases
        line 11: z
        a.yaml:1: takes too much to parse: it expands to more than 1048576 bytes; write it with fewer levels, values or aliases
        line 4: z
        a.yaml:2: takes too much to parse: it has more than 64 levels; write it with fewer levels, values or aliases
        line 3: z
        a.yaml:3: is not valid YAML: an alias lies within its own anchor
        line 4: z
        "#);
    }

    #[test]
    fn what_json_cannot_say_is_an_error_with_its_line() {
        let reports = [
            "x: .nan",
            "x: -.inf",
            "x: 1e999",
            "x: 1\n  x: 2",
            "x: !!python/object {}",
            "? [a]\n  : b",
            "x: \"open",
            "x: [1, 2",
            "\tx: 1",
        ]
        .map(|text| report(&format!("# note\n- id: a\n  name: A\n  {text}\n")));
        insta::assert_snapshot!(reports.join("\n"), @r#"
        a.yaml:4: is not valid YAML: `.nan` is no number in JSON; leave the field out, or put it in quotes
        a.yaml:4: is not valid YAML: `-.inf` is no number in JSON; leave the field out, or put it in quotes
        a.yaml:4: is not valid YAML: `1e999` is no number in JSON; leave the field out, or put it in quotes
        a.yaml:5: is not valid YAML: the key `x` appears twice; keep one of them
        a.yaml:4: is not valid YAML: unsupported tag `!!python/object`
        a.yaml:4: is not valid YAML: expected string scalar
        a.yaml:4: is not valid YAML: unclosed quote
        a.yaml:4: is not valid YAML: unclosed bracket '['
        a.yaml:3: is not valid YAML: while scanning a plain scalar, found a tab
        "#);
    }

    #[test]
    fn a_layout_that_cannot_be_split_says_what_to_do() {
        let reports = [
            "[{id: a}]\n",
            "{records: []}\n",
            "records: [{id: a}]\n",
            "records: &all\n- id: a\n",
            "records:\n  a: {name: A}\n",
            "records:\nversion: 1\n",
            "records: 5\n",
            "  records:\n  - id: a\n",
            "--- [a]\n",
            "kinds:\n- id: a\nversion: 1\n",
            "just text\n",
            "",
            "# nothing\n---\n",
            "records:\n- {id: a, name: A, category: c}\nrecords:\n- id: b\n",
            "version: 1\nrecords:\nversion: 2\nrecords:\n",
        ]
        .map(report);
        insta::assert_snapshot!(reports.join("\n"), @r#"
        a.yaml:1: the document is in flow style; write one record an item, each after `- `, or set `format` to json if it is JSON
        a.yaml:1: the document is in flow style; write one record an item, each after `- `, or set `format` to json if it is JSON
        a.yaml:1: the list under `records` is in flow style; write one record an item on lines of its own, each after `- `
        a.yaml:1: the value of `records` starts on the line of its key; write one record an item on lines of its own, each after `- `
        a.yaml:2: expected the first item of a list; write one record an item, each after `- ` in the same column
        a.yaml: holds no record; add at least one
        a.yaml:1: the value of `records` starts on the line of its key; write one record an item on lines of its own, each after `- `
        a.yaml:1: the document does not start in the first column; write its keys without indentation
        a.yaml:1: a document starts on the line of its marker; start it on the line after `---`
        a.yaml: has no list under `records`; its keys are kinds, version; name the key of the list in the configuration, or write the list at the top
        a.yaml:1: is not valid YAML: expected `key:` in the first column
        a.yaml: holds no record; add at least one
        a.yaml: holds no record; add at least one
        a.yaml:3: is not valid YAML: the key `records` appears twice; keep one of them
        a.yaml:4: is not valid YAML: the key `records` appears twice; keep one of them
        "#);
    }

    #[test]
    fn keys_may_be_quoted_and_stand_before_any_colon() {
        let at = At {
            path: Path::new("a.yaml"),
            line: 1,
        };
        let key = |text: &str| {
            key_of(text.as_bytes(), &at)
                .unwrap()
                .map(|(key, rest)| format!("{key}|{rest}"))
        };
        for (text, expected) in [
            ("records:", Some("records|")),
            ("records:   # all", Some("records|# all")),
            ("'it''s: so': 1", Some("it's: so|1")),
            (r#""a\": b" : [c]"#, Some(r#"a": b|[c]"#)),
            ("http://x: y", Some("http://x|y")),
            ("a:b", None),
            ("'open: 1", None),
        ] {
            assert_eq!(key(text).as_deref(), expected, "{text}");
        }
    }
}
