//! Records that stand in no list but in an object, each under its key: the record of one entry, and the splitter of such a
//! mapping in YAML. The one of JSON splits arrays, too.

use std::path::PathBuf;

use serde_json::Value;

use super::DatasetError;
use super::error::At;
use super::input::{Chunk, Input, Line};
use super::record::object;
use super::split::{Piece, Split};
use super::yaml::{LINE_HEAD, cannot_split, closes_flow, is_blank, is_item, marker};

/// The record of an entry, as it was parsed: an object of its key alone. The key becomes the first field.
pub(super) fn record(entry: Value, field: &str, at: &At<'_>) -> Result<Value, DatasetError> {
    let mut entries = object(entry, at)?.into_iter();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(cannot_split(
            at,
            "the record is not one entry of its object",
            "write each record under a key of its own, and indent what belongs to it deeper",
        ));
    };
    let mut fields = object(value, at)?;
    if fields.get(field).is_some_and(|own| *own != key.as_str()) {
        return Err(cannot_split(
            at,
            format!("the record under `{key}` has another value in its field `{field}`"),
            "name a field that records do not have in `key-field`",
        ));
    }
    fields.shift_insert(0, field.to_owned(), Value::String(key));
    Ok(Value::Object(fields))
}

/// Splits a block mapping of YAML into its entries.
pub(super) struct KeyedSplit {
    input: Input,
    path: PathBuf,
    /// Whether the mapping is the value of a key.
    is_under_key: bool,
    limit: usize,
    /// The column of its keys, once one was seen.
    column: Option<usize>,
    next: Option<Line>,
}

impl KeyedSplit {
    /// `input` starts at a line before the first key.
    pub fn new(input: Input, path: PathBuf, is_under_key: bool, limit: usize) -> Self {
        Self {
            input,
            path,
            is_under_key,
            limit,
            column: None,
            next: None,
        }
    }

    /// Sees that no other document follows this line, which ends the first.
    fn finish(&mut self, end: &Line) -> Result<(), DatasetError> {
        let rest = marker(end.text(), "---").or(marker(end.text(), "..."));
        let mut second = rest
            .is_some_and(|rest| !is_blank(rest))
            .then_some(end.start.line);
        while second.is_none()
            && let Some(line) = self.input.line(LINE_HEAD)?
        {
            let rest = marker(line.text(), "---").or(marker(line.text(), "..."));
            let is_empty = is_blank(rest.unwrap_or(line.trimmed()));
            second = (!is_empty).then_some(line.start.line);
        }
        match second {
            None => Ok(()),
            Some(line) => Err(cannot_split(
                &At {
                    path: &self.path,
                    line,
                },
                "a second document follows the records",
                "keep one document in the file",
            )),
        }
    }

    /// The line of the next key. The mapping ends with its document, or where a line is less deep.
    fn key_line(&mut self) -> Result<Option<Line>, DatasetError> {
        loop {
            let next = match self.next.take() {
                Some(line) => Some(line),
                None => self.input.line(self.limit)?,
            };
            let Some(line) = next else { return Ok(None) };
            if is_blank(line.trimmed()) {
                continue;
            }
            let ends_document = marker(line.text(), "---")
                .or(marker(line.text(), "..."))
                .is_some();
            let is_less_deep = match self.column {
                Some(column) => line.indent() < column,
                None => self.is_under_key && line.indent() == 0,
            };
            let at = At {
                path: &self.path,
                line: line.start.line,
            };
            if ends_document {
                return self.finish(&line).map(|()| None);
            }
            if is_less_deep && line.indent() == 0 {
                return Ok(None);
            }
            if is_less_deep || is_item(line.trimmed()) {
                return Err(cannot_split(
                    &at,
                    "expected the key of a record",
                    "write each record under a key, all keys in the same column; without `key-field`, records are a list",
                ));
            }
            return Ok(Some(line));
        }
    }
}

impl Split for KeyedSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        let Some(first) = self.key_line()? else {
            return Ok(None);
        };
        let column = *self.column.get_or_insert(first.indent());
        let mut chunk = Chunk::at(first.start);
        chunk.push(&first, self.limit);
        while let Some(line) = self.input.line(self.limit)? {
            let trimmed = line.trimmed();
            let is_deeper = line.indent() > column || line.bytes.get(line.indent()) == Some(&b'\t');
            let is_own_list = line.indent() == column && is_item(trimmed);
            if is_blank(trimmed) || is_deeper || is_own_list || closes_flow(trimmed) {
                chunk.push(&line, self.limit);
                continue;
            }
            self.next = Some(line);
            break;
        }
        Ok(Some(Piece::Element(chunk)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fixture::Fixture;

    fn keyed(name: &str, content: &str) -> Fixture {
        Fixture::new(name, content).with(|config| {
            config.key_field = Some("id".into());
            config.records = "things".into();
        })
    }

    const FLAT: &str = "# All of them
---
oak:
  name: Oak
  category: wood
  uses:
  - floors
  - 'doors: of houses'

# the second
\"ash tree\": {name: Ash, category: wood,
  hard: 1.10
}
304:
    name: Steel
    category: metal
    text: |
      oak:
        no key
...
";

    #[test]
    fn records_stand_under_their_keys_in_yaml() {
        let safe = |fixture: Fixture| fixture.with(|config| config.safe_ids = true);
        let under = format!(
            "version: 1\nthings:\n{}after:\n  id: none\n",
            FLAT.lines()
                .filter(|line| !["---", "..."].contains(line))
                .map(|line| format!("  {line}\n"))
                .collect::<String>()
        );
        for (content, lines) in [(FLAT, [3, 11, 14]), (&under, [4, 12, 15])] {
            let fixture = safe(keyed("a.yaml", content));
            let entries = fixture.entries();
            let found: Vec<_> = entries
                .iter()
                .map(|(place, record)| (place.line, record.id.as_str(), record.name.as_str()))
                .collect();
            let expected = [
                (lines[0], "oak", "Oak"),
                (lines[1], "ash-tree", "Ash"),
                (lines[2], "304", "Steel"),
            ];
            assert_eq!(found, expected);
            let [(_, oak), (_, ash), (_, steel)] = &entries[..] else {
                panic!("three records");
            };
            assert_eq!(oak.fields["uses"], json!(["floors", "doors: of houses"]));
            assert_eq!(ash.written_id(), "ash tree");
            assert!(ash.fields.to_string().contains("1.10"), "{}", ash.fields);
            assert_eq!(steel.fields["text"], "oak:\n  no key\n");
        }
    }

    #[test]
    fn records_stand_under_their_keys_in_json() {
        let records = r#""oak": {"name": "Oak", "category": "wood", "n": 1.10},
          "a \"b\": {" : {"name": "B", "category": "wood"},
          "steel":
            {"name": "Steel", "category": "metal", "in": {"id": 5}}"#;
        for document in [
            format!("{{{records}}}"),
            format!(r#"{{"version": {{"a": 1}}, "things": {{{records}}}, "after": []}}"#),
        ] {
            let fixture = keyed("a.json", &document).with(|config| config.safe_ids = true);
            let entries = fixture.entries();
            let found: Vec<_> = entries
                .iter()
                .map(|(place, record)| (place.line, record.id.as_str(), record.name.as_str()))
                .collect();
            let expected = [(1, "oak", "Oak"), (2, "a-b", "B"), (3, "steel", "Steel")];
            assert_eq!(found, expected);
            let fields: Value = entries[2].1.fields.clone().into();
            assert_eq!(fields["in"], json!({"id": 5}));
        }
    }

    #[test]
    fn what_is_no_record_costs_no_other_record() {
        let good = r#""b": {"name": "B", "category": "c"}"#;
        let documents = [
            format!("{{\n\"a\": 5,\n{good}}}"),
            format!(
                "{{\n\"a\": {{\"id\": \"x\", \"name\": \"A\", \"category\": \"c\"}},\n{good}}}"
            ),
            format!("{{\n\"a\": {{\"name\": nothing}},\n{good}}}"),
            format!("{{\n{good}\n\"c\": {{}}}}"),
            format!("{{\n{good},\n}}"),
            format!("{{\n\"a\" {{}}, {good}}}"),
            format!("{{\n{good}"),
            "[]".to_owned(),
            r#"{"things": []}"#.to_owned(),
        ];
        let json = documents.map(|document| keyed("a.json", &document).report());
        let good = "b:\n  name: B\n  category: c\n";
        let documents = [
            format!("a: 5\n{good}"),
            format!("a:\n- x\n{good}"),
            format!("a\n{good}"),
            format!("- a\n{good}"),
            format!("things:\n    a: 1\n  {good}"),
            format!("{good}---\n# none\n...\n"),
            format!("{good}---\n{good}"),
            format!("{good}--- {{c: {{}}}}\n"),
        ];
        let yaml = documents.map(|document| keyed("a.yaml", &document).report());
        let lines = keyed("a.jsonl", "{}").report();
        insta::assert_snapshot!(format!("{}\n---\n{}\n---\n{lines}", json.join("\n---\n"), yaml.join("\n---\n")), @r#"
        a.json:2: expected an object with named fields, found a number; write `field: value` pairs
        line 3: b
        ---
        a.json:2: the record under `a` has another value in its field `id`; name a field that records do not have in `key-field`
        line 3: b
        ---
        a.json:2: is not valid JSON: expected ident
        line 3: b
        ---
        line 2: b
        a.json:3: is not valid JSON: a comma is missing before the element
        a.json:3: the field `name` is missing; fill it in, or name another field in the configuration
        ---
        line 2: b
        a.json:3: is not valid JSON: a comma follows the last element; remove it
        ---
        a.json:2: is not valid JSON: expected `:` after the key of a record
        ---
        line 2: b
        a.json:2: is not valid JSON: the file ends within the object; it may have been cut off
        ---
        a.json:1: the records are a list, and `key-field` is for records that stand under keys; remove `key-field`
        ---
        a.json:1: the records are a list, and `key-field` is for records that stand under keys; remove `key-field`
        ---
        a.yaml:1: expected an object with named fields, found a number; write `field: value` pairs
        line 2: b
        ---
        a.yaml:1: expected an object with named fields, found a list; write `field: value` pairs
        line 3: b
        ---
        a.yaml:1: expected an object with named fields, found a text; write `field: value` pairs
        line 2: b
        ---
        a.yaml:1: the records are a list, and `key-field` is for records that stand under keys; remove `key-field`
        ---
        a.yaml:2: expected an object with named fields, found a number; write `field: value` pairs
        a.yaml:3: expected the key of a record; write each record under a key, all keys in the same column; without `key-field`, records are a list
        ---
        line 1: b
        ---
        line 1: b
        a.yaml:5: a second document follows the records; keep one document in the file
        ---
        line 1: b
        a.yaml:4: a second document follows the records; keep one document in the file
        ---
        a.jsonl: `key-field` is for JSON and YAML, and this is JSON Lines; remove `key-field`
        "#);
    }
}
