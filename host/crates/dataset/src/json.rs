//! JSON documents: an array at the top or under a key, or an object of records, split without keeping it, and the parser of one
//! element, which JSON Lines uses too.
//!
//! The splitter knows strings, escapes and depth, and checks what lies between the elements. The elements
//! themselves are checked when they are parsed.

use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::Value;

use super::DatasetError;
use super::error::At;
use super::input::{Chunk, Input, Line, Mark};
use super::layout::{Keys, Layout, Located, Wanted};
use super::number;
use super::split::{Piece, Split};
use super::value::{Allowance, repeated};

const KEY_LIMIT: usize = 1024;

/// Parses one value that starts at `at`.
pub(super) fn parse(
    text: &str,
    at: &At<'_>,
    limit: usize,
    format: &'static str,
) -> Result<Value, DatasetError> {
    let allowance = Allowance::new(limit);
    // The line feed behind a record is none of its lines.
    let text = number::marked(text.trim_end());
    let mut json = serde_json::Deserializer::from_str(&text);
    let value = allowance
        .seed()
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value));
    value.map_err(|error| {
        let line = at.line + (error.line() as u64).saturating_sub(1);
        let cause = match without_place(&error) {
            cause if cause == "trailing characters" => {
                "something follows the record; write one record a line, with nothing behind it"
                    .to_owned()
            }
            cause => cause,
        };
        if allowance.passed() {
            DatasetError::OverBudget {
                file: at.file(),
                line,
                cause,
            }
        } else {
            DatasetError::Syntax {
                file: at.file(),
                line,
                format,
                cause,
            }
        }
    })
}

/// The message without its line, which counts from the start of the record.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).into()
}

/// Finds the lists of a document. Stops when it has all that are wanted.
pub(super) fn locate(
    input: Input,
    path: &Path,
    wanted: &Wanted<'_>,
) -> Result<Located, DatasetError> {
    let mut scan = Scan {
        input,
        path: path.to_path_buf(),
    };
    scan.space()?;
    match scan.input.next()? {
        None => Err(DatasetError::Empty { file: scan.path }),
        Some(b'[') if wanted.key_field.is_some() => Err(is_list(&scan.path, 1)),
        Some(b'[') => Ok(Located::Top(Layout::Json {
            start: scan.input.mark(),
            key: None,
        })),
        Some(b'{') => {
            let start = scan.input.mark();
            let located = scan.keys(wanted)?;
            Ok(match (located, wanted.key_field) {
                (Located::Keys(keys), Some(field)) if keys.records.is_none() => {
                    Located::Top(Layout::JsonKeyed {
                        start,
                        key: None,
                        field: field.to_owned(),
                    })
                }
                (located, _) => located,
            })
        }
        Some(_) => {
            Err(scan
                .syntax("the document must be an array, or an object with an array under a key"))
        }
    }
}

/// Whether a file holds one object a line, whatever its name says: an object on its line, and another one behind it.
pub(super) fn is_lines(mut input: Input, limit: usize) -> Result<bool, DatasetError> {
    let mut next = || -> Result<Option<Line>, DatasetError> {
        while let Some(line) = input.line(limit)? {
            if !line.trimmed().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    };
    let Some(first) = next()? else {
        return Ok(false);
    };
    let whole = first.length <= limit as u64
        && first.trimmed().starts_with(b"{")
        && serde_json::from_slice::<IgnoredAny>(first.trimmed()).is_ok();
    Ok(whole && next()?.is_some_and(|second| second.trimmed().starts_with(b"{")))
}

/// Whether a file is one array that goes over several lines, whatever its name says.
pub(super) fn is_array(input: Input) -> Result<bool, DatasetError> {
    let mut scan = Scan {
        input,
        path: PathBuf::new(),
    };
    scan.space()?;
    if scan.input.next()? != Some(b'[') {
        return Ok(false);
    }
    scan.space()?;
    Ok(matches!(scan.input.peek()?, Some(b'{')))
}

/// Splits an array into its elements, or an object into its entries.
pub(super) struct JsonSplit {
    scan: Scan,
    limit: usize,
    is_keyed: bool,
    key: Option<String>,
    first: bool,
    /// Whether it was told that a comma is missing here.
    told: bool,
    /// Whether the rest of the file is looked at, too.
    check_rest: bool,
}

impl JsonSplit {
    /// `input` starts after the opening bracket of an array, or of an object if it is `is_keyed`; `key` is the key of either, if it
    /// has one.
    pub fn new(
        (input, path): (Input, PathBuf),
        is_keyed: bool,
        key: Option<String>,
        limit: usize,
        check_rest: bool,
    ) -> Self {
        Self {
            scan: Scan { input, path },
            limit,
            is_keyed,
            key,
            first: true,
            told: false,
            check_rest,
        }
    }

    /// Takes one element, or one entry with its key.
    fn element(&mut self) -> Result<Chunk, DatasetError> {
        let mut chunk = Chunk::at(self.scan.input.mark());
        if self.is_keyed {
            self.scan.value(Some((&mut chunk, self.limit)))?;
            let mut colons = 0;
            while let Some(byte @ (b':' | b' ' | b'\t' | b'\r' | b'\n')) = self.scan.input.peek()? {
                colons += u32::from(byte == b':');
                chunk.push_byte(byte, self.limit);
                self.scan.input.next()?;
            }
            if colons != 1 {
                return Err(self.scan.syntax("expected `:` after the key of a record"));
            }
        }
        self.scan.value(Some((&mut chunk, self.limit)))?;
        Ok(chunk)
    }

    /// Checks what follows the array.
    fn finish(&mut self) -> Result<(), DatasetError> {
        if let Some(key) = self.key.take() {
            loop {
                self.scan.space()?;
                match self.scan.input.next()? {
                    Some(b'}') => break,
                    Some(b',') => {
                        if self.scan.key()? == key {
                            return Err(self.scan.syntax(repeated(&key)));
                        }
                        self.scan.value(None)?;
                    }
                    _ => return Err(self.scan.syntax("expected `,` or `}` after a value")),
                }
            }
        }
        self.scan.space()?;
        match self.scan.input.peek()? {
            None => Ok(()),
            Some(_) => Err(self.scan.syntax("something follows the document; if it has one record a line, set `format` to jsonl")),
        }
    }
}

impl Split for JsonSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        self.scan.space()?;
        let is_keyed = self.is_keyed;
        let opens = |byte: Option<u8>| match byte {
            Some(b'"') => is_keyed,
            byte => !is_keyed && matches!(byte, Some(b'{' | b'[')),
        };
        let closes = if is_keyed { b'}' } else { b']' };
        match self.scan.input.peek()? {
            Some(byte) if byte == closes => {
                self.scan.input.next()?;
                if self.check_rest {
                    self.finish()?;
                }
                return Ok(None);
            }
            Some(b',') if !self.first => {
                self.scan.input.next()?;
                self.scan.space()?;
                if self.scan.input.peek()? == Some(closes) {
                    return Err(self
                        .scan
                        .syntax("a comma follows the last element; remove it"));
                }
            }
            Some(_) if self.first => {}
            // The element itself is whole, and so is what follows.
            byte if opens(byte) && !self.told => {
                self.told = true;
                let error = self.scan.syntax("a comma is missing before the element");
                return Ok(Some(Piece::Broken(error)));
            }
            byte if opens(byte) => {}
            Some(_) => {
                let closes = char::from(closes);
                let cause = format!("expected `,` or `{closes}` after an element");
                return Err(self.scan.syntax(cause));
            }
            None => {
                let list = if is_keyed { "object" } else { "array" };
                let cause = format!("the file ends within the {list}; it may have been cut off");
                return Err(self.scan.syntax(cause));
            }
        }
        self.first = false;
        self.told = false;
        Ok(Some(Piece::Element(self.element()?)))
    }
}

/// Moves over JSON without keeping it.
struct Scan {
    input: Input,
    path: PathBuf,
}

impl Scan {
    fn syntax(&self, cause: impl Into<String>) -> DatasetError {
        let Mark { line, .. } = self.input.mark();
        DatasetError::Syntax {
            file: self.path.clone(),
            line,
            format: "JSON",
            cause: cause.into(),
        }
    }

    fn space(&mut self) -> Result<(), DatasetError> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.input.peek()? {
            self.input.next()?;
        }
        Ok(())
    }

    /// Takes a key and its colon.
    fn key(&mut self) -> Result<String, DatasetError> {
        self.space()?;
        if self.input.peek()? != Some(b'"') {
            return Err(self.syntax("expected a key in double quotes"));
        }
        let mut chunk = Chunk::at(self.input.mark());
        self.value(Some((&mut chunk, KEY_LIMIT)))?;
        let key = serde_json::from_slice(&chunk.bytes)
            .map_err(|_| self.syntax("a key is not a valid string, or has more than 1024 bytes"))?;
        self.space()?;
        match self.input.next()? {
            Some(b':') => Ok(key),
            _ => Err(self.syntax(format!("expected `:` after the key `{key}`"))),
        }
    }

    /// Takes one value; what it is made of is not looked at beyond strings and brackets.
    fn value(&mut self, mut keep: Option<(&mut Chunk, usize)>) -> Result<(), DatasetError> {
        self.space()?;
        let mut depth = 0_u64;
        let mut in_string = false;
        let mut length = 0_u64;
        while let Some(byte) = self.input.peek()? {
            let closes = matches!(byte, b']' | b'}');
            if !in_string
                && depth == 0
                && length > 0
                && (closes || matches!(byte, b',' | b':' | b' ' | b'\t' | b'\r' | b'\n'))
            {
                return Ok(());
            }
            if !in_string && depth == 0 && (closes || matches!(byte, b',' | b':')) {
                return Err(self.syntax("a value is missing"));
            }
            let mut take = |input: &mut Input, byte: u8| {
                if let Some((chunk, limit)) = &mut keep {
                    chunk.push_byte(byte, *limit);
                }
                length += 1;
                input.next()
            };
            take(&mut self.input, byte)?;
            match byte {
                b'"' => in_string = !in_string,
                b'\\' if in_string => {
                    if let Some(escaped) = self.input.peek()? {
                        take(&mut self.input, escaped)?;
                    }
                }
                b'[' | b'{' if !in_string => depth += 1,
                b']' | b'}' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 && !in_string && matches!(byte, b'"' | b']' | b'}') {
                return Ok(());
            }
        }
        if length > 0 && depth == 0 && !in_string {
            return Ok(());
        }
        Err(self.syntax("the file ends within a value; it may have been cut off"))
    }

    /// The lists under the keys of the top object.
    fn keys(mut self, wanted: &Wanted<'_>) -> Result<Located, DatasetError> {
        let mut lists = Keys::default();
        match self.walk(wanted, &mut lists) {
            // The keys may be those of records, of which one costs no other.
            Err(error) if wanted.key_field.is_none() => Err(error),
            _ => Ok(Located::Keys(Box::new(lists))),
        }
    }

    /// Walks through the keys of the top object.
    fn walk(&mut self, wanted: &Wanted<'_>, lists: &mut Keys) -> Result<(), DatasetError> {
        self.space()?;
        if self.input.peek()? == Some(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.space()?;
            let line = self.input.mark().line;
            let opening = self.input.peek()?;
            let is_repeated = lists.add(&key, wanted, || {
                let Mark { offset, line } = self.input.mark();
                let start = Mark {
                    offset: offset + 1,
                    line,
                };
                let field = wanted.key_field.filter(|_| key == wanted.records);
                match (opening, field) {
                    (Some(b'['), None) => Ok(Layout::Json {
                        start,
                        key: Some(key.clone()),
                    }),
                    (Some(b'['), Some(_)) => Err(is_list(&self.path, line)),
                    (Some(b'{'), Some(field)) => Ok(Layout::JsonKeyed {
                        start,
                        key: Some(key.clone()),
                        field: field.to_owned(),
                    }),
                    _ => Err(not_a_list(&self.path, line, &key)),
                }
            });
            if is_repeated {
                return Err(DatasetError::Syntax {
                    file: self.path.clone(),
                    line,
                    format: "JSON",
                    cause: repeated(&key),
                });
            }
            if lists.complete(wanted) {
                return Ok(());
            }
            self.value(None)?;
            self.space()?;
            match self.input.next()? {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(self.syntax("expected `,` or `}` after a value")),
            }
        }
    }
}

/// The records are a list, and should stand under keys.
fn is_list(path: &Path, line: u64) -> DatasetError {
    DatasetError::CannotSplit {
        file: path.to_path_buf(),
        line,
        cause: "the records are a list, and `key-field` is for records that stand under keys"
            .into(),
        remedy: "remove `key-field`",
    }
}

fn not_a_list(path: &Path, line: u64, key: &str) -> DatasetError {
    DatasetError::CannotSplit {
        file: path.to_path_buf(),
        line,
        cause: format!("the value of `{key}` is no array"),
        remedy: "write it as an array of objects; if it is an object of records, name the field that its keys are to become: `key-field = \"id\"`",
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    fn report(content: &str) -> String {
        Fixture::new("a.json", content).report()
    }

    #[test]
    fn records_may_come_before_or_after_the_category_facts() {
        let records = r#""records": [{"id": "a", "name": "A]}", "category": "metal"}, {"id": 7, "name": "\\\"", "category": "wood"}]"#;
        let facts = r#""categories": [{"id": "metal", "name": "Metals"}, {"id": "wood"}]"#;
        for document in [
            format!("{{{records}, {facts}}}"),
            format!("{{\"v\": {{\"records\": []}}, {facts},\n{records}}}"),
        ] {
            let fixture = Fixture::new("a.json", document);
            let ids: Vec<String> = fixture
                .records()
                .into_iter()
                .map(|record| record.id)
                .collect();
            assert_eq!(ids, ["a", "7"]);
            let dataset = fixture.open();
            assert_eq!(dataset.categories().len(), 2);
            assert_eq!(dataset.category_fields("metal").unwrap()["name"], "Metals");
            assert!(dataset.category_fields("glass").is_none());
        }
    }

    #[test]
    fn a_bad_element_costs_no_other_element() {
        let document = r#"[
  {"id": "a", "name": "A", "category": "metal"},
  {"id": "b", "name": "B",
   "category": metal},
  7, [{]},
  {"id": "c", "name": "C", "category": "metal"}
]"#;
        insta::assert_snapshot!(report(document), @r#"
        line 2: a
        a.json:4: is not valid JSON: expected value
        a.json:5: expected an object with named fields, found a number; write `field: value` pairs
        a.json:5: is not valid JSON: key must be a string
        line 6: c
        "#);
    }

    #[test]
    fn a_large_element_is_passed_over() {
        let document = format!(
            r#"[{{"id": "{}"}}, {{"id": "b", "name": "B", "category": "metal"}}]"#,
            "x".repeat(1 << 20)
        );
        insta::assert_snapshot!(report(&document), @r#"
        a.json:1: the record is larger than 1048576 bytes; keep long texts in files of their own
        line 1: b
        "#);
    }

    #[test]
    fn a_broken_document_says_where() {
        let record = r#"{"id": "a", "name": "A", "category": "metal"}"#;
        let reports: Vec<String> = [
            "",
            " \n",
            "7",
            "[]",
            "{}",
            r#"{"items": [], "version": 1}"#,
            r#"{"records": {"a": 1}}"#,
            r#"{"records": [], "records": []}"#,
            r#"{"records" []}"#,
            r#"{records: []}"#,
            r#"{"version": , "records": []}"#,
            &format!("[{record},\n]"),
            &format!("[{record}\n{record}]"),
            &format!("[{record},\n"),
            &format!("[{record},\n{{\"id"),
            &format!("[{record}]\n[]"),
            &format!("{{\"records\": [{record}],\n\"records\": []}}"),
            &format!("{{\"records\": [{record}]"),
            &format!("{record}\n{record}"),
        ]
        .iter()
        .map(|document| report(document))
        .collect();
        insta::assert_snapshot!(reports.join("\n---\n"), @r#"
        a.json: holds no record; add at least one
        ---
        a.json: holds no record; add at least one
        ---
        a.json:1: is not valid JSON: the document must be an array, or an object with an array under a key
        ---
        a.json: holds no record; add at least one
        ---
        a.json: has no list under `records`; it has no key; name the key of the list in the configuration, or write the list at the top
        ---
        a.json: has no list under `records`; its keys are items, version; name the key of the list in the configuration, or write the list at the top
        ---
        a.json:1: the value of `records` is no array; write it as an array of objects; if it is an object of records, name the field that its keys are to become: `key-field = "id"`
        ---
        a.json:1: is not valid JSON: the key `records` appears twice; keep one of them
        ---
        a.json:1: is not valid JSON: expected `:` after the key `records`
        ---
        a.json:1: is not valid JSON: expected a key in double quotes
        ---
        a.json:1: is not valid JSON: a value is missing
        ---
        line 1: a
        a.json:2: is not valid JSON: a comma follows the last element; remove it
        ---
        line 1: a
        a.json:2: is not valid JSON: a comma is missing before the element
        line 2: a
        ---
        line 1: a
        a.json:2: is not valid JSON: the file ends within a value; it may have been cut off
        ---
        line 1: a
        a.json:2: is not valid JSON: the file ends within a value; it may have been cut off
        ---
        line 1: a
        a.json:2: is not valid JSON: something follows the document; if it has one record a line, set `format` to jsonl
        ---
        a.json:2: is not valid JSON: the key `records` appears twice; keep one of them
        ---
        a.json:1: is not valid JSON: expected `,` or `}` after a value
        ---
        line 1: a
        line 2: a
        "#);
    }

    #[test]
    fn what_no_reader_can_hold_is_refused_as_in_yaml() {
        let values = ["1e999999", "-1e400", "\"\\ud800\"", "{\"a\": 1, \"a\": 2}"];
        let reports = values.map(|value| {
            let record =
                format!("{{\"id\": \"a\", \"name\": \"A\", \"category\": \"c\", \"x\": {value}}}");
            let json = report(&format!("[{record}]"));
            let yaml = Fixture::new("a.yaml", format!("- {record}\n")).report();
            assert!(yaml.contains("is not valid YAML"), "{yaml}");
            json
        });
        insta::assert_snapshot!(reports.join("\n"), @r#"
        a.json:1: is not valid JSON: number out of range
        a.json:1: is not valid JSON: number out of range
        a.json:1: is not valid JSON: unexpected end of hex escape
        a.json:1: is not valid JSON: the key `a` appears twice; keep one of them
        "#);
    }

    #[test]
    fn depth_is_limited_within_a_record() {
        let nested = "[".repeat(100_000) + &"]".repeat(100_000);
        insta::assert_snapshot!(report(&format!("[\n{{\"id\": {nested}}}]")), @"a.json:2: takes too much to parse: it has more than 64 levels; write it with fewer levels, values or aliases");
    }
}
