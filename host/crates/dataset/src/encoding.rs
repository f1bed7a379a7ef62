//! Text that is not UTF-8: a file in UTF-16 is decoded as a whole when it is opened, a row of a table in Windows-1252 when
//! it is read. What cannot be told for certain is left to an error.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::path::Path;

use encoding_rs::{CoderResult, Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::DatasetError;

/// Letters beyond ASCII that follow one another in no word of a language that Windows-1252 is for.
const RUN: usize = 3;

/// How a file is encoded that is not UTF-8, by its first bytes.
pub(super) fn of_head(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        head => without_mark(head),
    }
}

/// UTF-16 without a mark: of text in it, every other byte is zero where the letters are Latin.
fn without_mark(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |offset: usize| {
        let bytes = head.iter().skip(offset).step_by(2);
        bytes.filter(|byte| **byte == 0).count()
    };
    let (even, odd, half) = (zeros(0), zeros(1), head.len() / 2);
    if half < 8 {
        None
    } else if even == 0 && odd > half / 2 {
        Some(UTF_16LE)
    } else if odd == 0 && even > half / 2 {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Writes the same text in UTF-8. Where the encoding was told, bytes that it does not have are an error; where it was guessed,
/// they become signs that say so.
///
/// # Errors
/// With the line of such bytes, or what reading or writing says.
pub(super) fn decode(
    text: &mut dyn Read,
    encoding: &'static Encoding,
    is_told: bool,
    path: &Path,
    out: &mut dyn Write,
) -> Result<(), DatasetError> {
    let failed = |cause| DatasetError::io(path, cause);
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut bytes = vec![0; 64 * 1024];
    let mut decoded = vec![0; 256 * 1024];
    let mut line = 1;
    loop {
        let read = text.read(&mut bytes).map_err(failed)?;
        let mut rest = bytes.get(..read).unwrap_or_default();
        loop {
            let (result, taken, written, is_wrong) =
                decoder.decode_to_utf8(rest, &mut decoded, read == 0);
            let part = decoded.get(..written).unwrap_or_default();
            let is_foreign = |at: &usize| part.get(*at..at + 3) == Some("\u{fffd}".as_bytes());
            let wrong = (is_wrong && is_told).then(|| (0..part.len()).find(is_foreign));
            let before = wrong.map_or(part, |at| part.get(..at.unwrap_or(0)).unwrap_or_default());
            line += memchr::memchr_iter(b'\n', before).count() as u64;
            if wrong.is_some() {
                return Err(DatasetError::NotEncoded {
                    file: path.into(),
                    line,
                    encoding: encoding.name(),
                });
            }
            out.write_all(part).map_err(failed)?;
            rest = rest.get(taken..).unwrap_or_default();
            if result == CoderResult::InputEmpty {
                break;
            }
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// The text of a row: UTF-8, or else Windows-1252, if it reads like that; `None` where it is neither.
pub(super) fn row_text(bytes: &[u8]) -> Option<Cow<'_, str>> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(Cow::Borrowed(text));
    }
    is_western(bytes).then(|| WINDOWS_1252.decode_without_bom_handling(bytes).0)
}

/// Whether a text that is not UTF-8 is like one in Windows-1252: no byte without a meaning, no letters in UTF-8 beside,
/// no long run of letters beyond ASCII, which other scripts have, and none of the signs that nobody writes (ƒ, ˆ, ˜)
/// and that begin letters in Shift-JIS.
fn is_western(bytes: &[u8]) -> bool {
    let defined =
        |byte: &u8| !matches!(byte, 0x81 | 0x83 | 0x88 | 0x8d | 0x8f | 0x90 | 0x98 | 0x9d);
    let mut runs = bytes.split(|byte| byte.is_ascii());
    let is_word =
        |run: &[u8]| run.len() < RUN && (run.len() < 2 || std::str::from_utf8(run).is_err());
    bytes.iter().all(defined) && runs.all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn western_rows_are_read_and_others_are_not_guessed() {
        let western = |text: &str| WINDOWS_1252.encode(text).0.into_owned();
        for text in ["Größe;Café au lait;12,50 €;„gut“", "Ærø, Öl"] {
            let bytes = western(text);
            assert_eq!(row_text(&bytes).as_deref(), Some(text));
        }
        let cyrillic = encoding_rs::WINDOWS_1251.encode("стол;стул").0.into_owned();
        let japanese = encoding_rs::SHIFT_JIS
            .encode("日本;テーブル")
            .0
            .into_owned();
        let katakana = encoding_rs::SHIFT_JIS.encode("テスト").0.into_owned();
        let mixed = [western("Größe").as_slice(), "é".as_bytes()].concat();
        for bytes in [cyrillic, japanese, katakana, mixed, b"a\x81b".to_vec()] {
            assert_eq!(row_text(&bytes), None, "{bytes:x?}");
        }
        assert_eq!(row_text("стол".as_bytes()).as_deref(), Some("стол"));
    }

    #[test]
    fn a_file_in_utf_16_is_decoded_with_its_mark_and_without() {
        let text = format!("id,name\n1,Größe {}\n", "x".repeat(100_000));
        for (big, mark) in [(false, true), (true, true), (false, false), (true, false)] {
            let units: Vec<u16> = text.encode_utf16().collect();
            let bytes = |unit: u16| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            };
            let marked = mark.then_some(0xfeff);
            let all: Vec<u8> = marked.into_iter().chain(units).flat_map(bytes).collect();
            let head = all.get(..4096).unwrap_or(&all);
            let encoding = of_head(head).unwrap();
            let mut found = Vec::new();
            let mut bytes = all.as_slice();
            decode(&mut bytes, encoding, false, Path::new("a.csv"), &mut found).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), text);
        }
        for plain in ["id,name\n1,Oak\n", "", "\u{feff}id\n1\n"] {
            assert!(of_head(plain.as_bytes()).is_none());
        }
    }

    #[test]
    fn bytes_that_a_told_encoding_does_not_have_are_named_with_their_line() {
        let mut bytes = encoding_rs::SHIFT_JIS
            .encode("id,name\n1,\u{65e5}\u{672c}\n2,x")
            .0
            .into_owned();
        let fixture = |bytes: &[u8]| {
            Fixture::new("a.csv", bytes).with(|config| {
                config.encoding = Some(String::from("shift_jis").try_into().unwrap());
                config.category = "name".into();
            })
        };
        assert_eq!(fixture(&bytes).open().rows().count(), 2);
        bytes.extend([0xfd, b'\n']);
        insta::assert_snapshot!(fixture(&bytes).report(), @"a.csv:3: is not Shift_JIS; name another `encoding` in [dataset], or save the file as UTF-8");
    }

    #[test]
    fn what_is_no_text_is_named() {
        let wide = |text: &str| -> Vec<u8> {
            let letters = text
                .chars()
                .flat_map(|letter| u32::from(letter).to_le_bytes());
            [0xff, 0xfe, 0, 0].into_iter().chain(letters).collect()
        };
        for (bytes, named) in [
            (wide("id,name\n1,Oak\n"), "UTF-32"),
            (b"\x1f\x8b\x08packed".to_vec(), "gzip"),
            (b"PK\x03\x04sheet".to_vec(), "workbook"),
        ] {
            let report = Fixture::new("a.csv", bytes).report();
            assert!(report.contains(named), "{report}");
        }
    }
}
