//! JSON Lines: one object a line, blank lines passed over.

use super::DatasetError;
use super::input::{Chunk, Input};
use super::split::{Piece, Split};

/// Splits at the ends of lines.
pub(super) struct JsonlSplit {
    pub input: Input,
    pub limit: usize,
}

impl Split for JsonlSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        while let Some(line) = self.input.line(self.limit)? {
            if line.trimmed().is_empty() && line.bytes.len() as u64 == line.length {
                continue;
            }
            let mut chunk = Chunk::at(line.start);
            chunk.push(&line, self.limit);
            return Ok(Some(Piece::Element(chunk)));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn a_bad_line_costs_no_other_line() {
        let long = format!("{{\"id\": \"d\", \"name\": \"{}\"}}", "x".repeat(3 << 20));
        let lines = [
            "",
            r#"{"id": "a", "name": "A", "category": "metal"}"#,
            r#"{"id": "b", "name": "B", "category": "metal""#,
            "  ",
            r#"["c"]"#,
            &long,
            r#"{"id": "e", "id": "f", "name": "E", "category": "metal"}"#,
            r#"{"id": "g", "name": "G", "category": "metal"}, {}"#,
            r#"{"id": "h", "name": "H", "category": "metal"}"#,
        ];
        insta::assert_snapshot!(Fixture::new("a.jsonl", lines.join("\r\n")).report(), @r#"
        line 2: a
        a.jsonl:3: is not valid JSON Lines: EOF while parsing an object
        a.jsonl:5: expected an object with named fields, found a list; write `field: value` pairs
        a.jsonl:6: the record is larger than 1048576 bytes; keep long texts in files of their own
        a.jsonl:7: is not valid JSON Lines: the key `id` appears twice; keep one of them
        a.jsonl:8: is not valid JSON Lines: something follows the record; write one record a line, with nothing behind it
        line 9: h
        "#);
    }

    #[test]
    fn blank_lines_are_no_records() {
        insta::assert_snapshot!(Fixture::new("a.jsonl", " \n\n").report(), @"a.jsonl: holds no record; add at least one");
    }

    #[test]
    fn what_is_not_utf8_is_named_with_its_line() {
        let lines =
            b"{\"id\": \"a\", \"name\": \"A\", \"category\": \"metal\"}\n{\"id\": \"\xff\"}\n";
        insta::assert_snapshot!(Fixture::new("a.jsonl", lines).report(), @r#"
        line 1: a
        a.jsonl:2: is not UTF-8; save the file as UTF-8
        "#);
        insta::assert_snapshot!(Fixture::new("utf16.jsonl", b"\xff\xfe{\0}\0").report(), @"utf16.jsonl:1: the field `id` is missing; fill it in, or name another field in the configuration");
    }
}
