//! Splits YAML into records by indentation: no line is parsed here.
//!
//! In a block sequence a line that is not deeper than its dashes starts the next item or ends the sequence,
//! whatever came before: text blocks and quoted texts are always deeper. Where a file breaks this rule, a
//! record is cut where it should not be, and its parser refuses it: nothing is read wrongly.

use std::path::PathBuf;

use super::DatasetError;
use super::error::At;
use super::input::{Chunk, Input, Line};
use super::split::{Piece, Split};
use super::value::repeated;
use super::yaml::{
    LINE_HEAD, cannot_split, closes_flow, is_blank, is_item, key_of, marker, starts_key,
};

/// Splits a block sequence into its items.
pub(super) struct ListSplit {
    input: Input,
    path: PathBuf,
    /// The key that the sequence is the value of.
    key: Option<String>,
    limit: usize,
    next: Next,
    /// Whether the rest of the file is looked at, too.
    check_rest: bool,
}

/// What follows the item that was handed out last.
enum Next {
    Unknown,
    Item(Line),
    /// A line that belongs to no item.
    Stray(Line, usize),
    Broken(DatasetError),
    End,
}

impl ListSplit {
    /// `input` starts at a line before the first item.
    pub fn new(
        input: Input,
        path: PathBuf,
        key: Option<String>,
        limit: usize,
        check_rest: bool,
    ) -> Self {
        Self {
            input,
            path,
            key,
            limit,
            next: Next::Unknown,
            check_rest,
        }
    }

    /// The line of the first item, if there is one.
    fn first(&mut self) -> Result<Option<Line>, DatasetError> {
        while let Some(line) = self.input.line(self.limit)? {
            if is_blank(line.trimmed()) {
                continue;
            }
            if is_item(line.trimmed()) {
                return Ok(Some(line));
            }
            if self.ends(&line) {
                self.finish(line)?;
                return Ok(None);
            }
            return Err(cannot_split(
                &self.at(&line),
                "expected the first item of a list",
                "write one record an item, each after `- ` in the same column",
            ));
        }
        Ok(None)
    }

    /// Whether a line that is no item ends the sequence.
    fn ends(&self, line: &Line) -> bool {
        let ends_document = marker(line.text(), "---")
            .or(marker(line.text(), "..."))
            .is_some();
        ends_document || (self.key.is_some() && starts_key(line))
    }

    /// Checks what follows the sequence: other keys, but no second list and no second document.
    fn finish(&mut self, line: Line) -> Result<(), DatasetError> {
        let mut next = self.check_rest.then_some(line);
        let mut document_ended = false;
        while let Some(line) = next {
            let at = self.at(&line);
            let rest = marker(line.text(), "---").or(marker(line.text(), "..."));
            if rest.is_some_and(is_blank) {
                document_ended = true;
            } else if rest.is_some() || (document_ended && !is_blank(line.trimmed())) {
                return Err(cannot_split(
                    &at,
                    "a second document follows the list",
                    "keep one document in the file",
                ));
            } else if starts_key(&line)
                && let Some((key, _)) = key_of(line.text(), &at)?
                && Some(&key) == self.key.as_ref()
            {
                let cause = repeated(&key);
                return Err(DatasetError::Syntax {
                    file: at.file(),
                    line: at.line,
                    format: "YAML",
                    cause,
                });
            }
            next = self.input.line(LINE_HEAD)?;
        }
        Ok(())
    }

    /// What a line is that is not deeper than the dashes.
    fn behind(&mut self, line: Line, dashes: usize) -> Next {
        if line.indent() == dashes && is_item(line.trimmed()) {
            Next::Item(line)
        } else if self.ends(&line) {
            self.finish(line).err().map_or(Next::End, Next::Broken)
        } else {
            Next::Stray(line, dashes)
        }
    }

    /// Tells of a line that belongs to no item, and goes on at the next item.
    fn pass_over(&mut self, stray: &Line, dashes: usize) -> Result<Piece, DatasetError> {
        let error = cannot_split(
            &self.at(stray),
            "the line is outside of every record",
            "start records with `- ` in the same column, and indent what belongs to them deeper",
        );
        while let Some(line) = self.input.line(self.limit)? {
            let is_item = line.indent() == dashes && is_item(line.trimmed());
            if is_item || !is_blank(line.trimmed()) && line.indent() <= dashes && self.ends(&line) {
                self.next = self.behind(line, dashes);
                break;
            }
        }
        Ok(Piece::Broken(error))
    }

    fn at(&self, line: &Line) -> At<'_> {
        At {
            path: &self.path,
            line: line.start.line,
        }
    }
}

impl Split for ListSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        let first = match std::mem::replace(&mut self.next, Next::End) {
            Next::Unknown => self.first()?,
            Next::Item(line) => Some(line),
            Next::Stray(line, dashes) => return self.pass_over(&line, dashes).map(Some),
            Next::Broken(error) => return Err(error),
            Next::End => None,
        };
        let Some(first) = first else { return Ok(None) };
        let dashes = first.indent();
        let mut chunk = Chunk::at(first.start);
        chunk.push(&first, self.limit);
        while let Some(line) = self.input.line(self.limit)? {
            let trimmed = line.trimmed();
            let is_deeper = line.indent() > dashes || line.bytes.get(line.indent()) == Some(&b'\t');
            if is_blank(trimmed) || is_deeper || closes_flow(trimmed) {
                chunk.push(&line, self.limit);
                continue;
            }
            self.next = self.behind(line, dashes);
            break;
        }
        Ok(Some(Piece::Element(chunk)))
    }
}

/// Splits a stream into its documents. Empty ones are passed over.
pub(super) struct DocumentSplit {
    input: Input,
    limit: usize,
    /// The marker that starts the next document.
    pending: Option<Line>,
}

impl DocumentSplit {
    /// `input` starts at the start of the file.
    pub fn new(input: Input, limit: usize) -> Self {
        Self {
            input,
            limit,
            pending: None,
        }
    }
}

impl Split for DocumentSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        let mut chunk: Option<Chunk> = None;
        let mut has_content = false;
        loop {
            let line = match self.pending.take() {
                Some(line) => line,
                None => match self.input.line(self.limit)? {
                    Some(line) => line,
                    None => break,
                },
            };
            if let Some(rest) = marker(line.text(), "---") {
                if has_content {
                    self.pending = Some(line);
                    break;
                }
                chunk = Some(Chunk::at(line.start));
                has_content = !is_blank(rest);
            } else if marker(line.text(), "...").is_some() {
                if has_content {
                    break;
                }
                chunk = None;
                continue;
            } else if chunk.is_none() && (is_blank(line.trimmed()) || line.bytes.starts_with(b"%"))
            {
                // A directive stands before a marker. Behind one, all lines are the document's: it is read again as a whole.
                continue;
            } else {
                has_content |= !is_blank(line.trimmed());
            }
            chunk
                .get_or_insert_with(|| Chunk::at(line.start))
                .push(&line, self.limit);
        }
        Ok(chunk.filter(|_| has_content).map(Piece::Element))
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    fn report(content: &str) -> String {
        Fixture::new("a.yaml", content).report()
    }

    const AWKWARD: &str = "%YAML 1.2
---
# A note: with a colon
version: 1
notes: |
  records:
  - id: not-a-record
'categories':
  - id: metal
    name: Metals
\"records\":   # the list

# before the first
- id: a
  name: A
  category: metal
  text: |
    - id: no
    # no comment

    end
  flow: [1,
    2
]
# between
-
  id: b
  name: \"two
    lines\"
  category: metal

-   id: c
    name: C
    category: metal
    kept: |+
      text

after: {
  records: 1
}
...
";

    #[test]
    fn what_looks_like_an_item_and_is_none_stays_where_it_is() {
        for content in [
            AWKWARD.to_string(),
            format!("\u{feff}{}", AWKWARD.replace('\n', "\r\n")),
        ] {
            let fixture = Fixture::new("a.yaml", content);
            insta::allow_duplicates! {
                insta::assert_snapshot!(fixture.report(), @r#"
                line 14: a
                line 26: b
                line 32: c
                "#);
            }
            let records = fixture.records();
            assert_eq!(records[0].fields["text"], "- id: no\n# no comment\n\nend\n");
            assert_eq!(records[0].fields["flow"], serde_json::json!([1, 2]));
            assert_eq!(records[1].name, "two lines");
            assert_eq!(records[2].fields["kept"], "text\n\n");
            assert_eq!(
                fixture.open().category_fields("metal").unwrap()["name"],
                "Metals"
            );
        }
    }

    #[test]
    fn category_facts_may_follow_the_records() {
        let fixture = Fixture::new(
            "a.yaml",
            "records:\n  - {id: a, name: A, category: metal}\ncategories:\n  - id: metal\n",
        );
        assert_eq!(
            (fixture.records().len(), fixture.open().categories().len()),
            (1, 1)
        );
    }

    #[test]
    fn a_line_outside_of_every_record_ends_the_stream() {
        let good = "{id: a, name: A, category: c}";
        let reports = [
            format!("  - {good}\n - id: b\n"),
            format!("- {good}\nstray\n"),
            format!("- {good}\n---\n- id: b\n"),
            format!("records:\n- {good}\n--- x\n"),
            format!("records:\n  - {good}\n - id: b\n"),
            format!("- {good}\n- id: \"b\n- c\"\n"),
        ]
        .map(|content| report(&content));
        insta::assert_snapshot!(reports.join("\n---\n"), @r#"
        line 1: a
        a.yaml:2: the line is outside of every record; start records with `- ` in the same column, and indent what belongs to them deeper
        ---
        line 1: a
        a.yaml:2: the line is outside of every record; start records with `- ` in the same column, and indent what belongs to them deeper
        ---
        line 1: a
        a.yaml:3: a second document follows the list; keep one document in the file
        ---
        line 2: a
        a.yaml:3: a second document follows the list; keep one document in the file
        ---
        line 2: a
        a.yaml:3: the line is outside of every record; start records with `- ` in the same column, and indent what belongs to them deeper
        ---
        line 1: a
        a.yaml:2: is not valid YAML: unclosed quote
        a.yaml:3: expected an object with named fields, found a text; write `field: value` pairs
        "#);
    }

    #[test]
    fn a_large_record_is_passed_over() {
        let content = format!(
            "- id: a\n  x:\n{}- {{id: b, name: B, category: c}}\n",
            "  - some text\n".repeat(100_000)
        );
        insta::assert_snapshot!(report(&content), @r#"
        a.yaml:1: the record is larger than 1048576 bytes; keep long texts in files of their own
        line 100003: b
        "#);
    }

    #[test]
    fn a_stream_of_documents_has_one_record_each() {
        let content = "# note\nid: a\nname: A\ncategory: c\ntext: |\n  --- no\n---\n# empty\n---\n--- {id: b, name: B, category: c}\n...\n%YAML 1.2\n---\n\
                       id: c\nname: C\n---\nid: d\nname: D\ncategory: c\ncategories: [e]\n---\n";
        insta::assert_snapshot!(report(content), @r#"
        line 2: a
        line 10: b
        a.yaml:13: the field `category` is missing; fill it in, or name another field in the configuration
        line 16: d
        "#);
    }

    #[test]
    fn all_lines_behind_a_marker_belong_to_its_document() {
        let good = "id: a\nname: A\ncategory: c\n";
        let reports = [
            format!("---\n# note\n\n{good}tags: [\n"),
            format!("---\n%: no directive\n{good}---\n{good}"),
        ]
        .map(|content| report(&content));
        insta::assert_snapshot!(reports.join("\n---\n"), @r"
        a.yaml:7: is not valid YAML: unclosed bracket '['
        ---
        a.yaml:2: is not valid YAML: missing explicit document end marker before directive
        line 6: a
        ");
        let commented = Fixture::new("a.yaml", format!("%YAML 1.2\n---\n# note\n\n{good}"));
        assert_eq!(commented.records().len(), 1);
    }
}
