//! Text that is not UTF-8: a file in UTF-16 is decoded as a whole when it is opened, a row of a table in Windows-1252 when
//! it is read. What cannot be told for certain is left to an error.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use encoding_rs::{CoderResult, Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes of a file that are looked at.
const HEAD: usize = 4096;
/// Letters beyond ASCII that follow one another in no word of a language that Windows-1252 is for.
const RUN: usize = 3;

/// How a file is encoded that is not UTF-8, by its first bytes.
pub(super) fn of_file(file: &File) -> io::Result<Option<&'static Encoding>> {
    let mut head = vec![0; HEAD];
    let read = file.read_at(&mut head, 0)?;
    head.truncate(read);
    Ok(match head.as_slice() {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        head => without_mark(head),
    })
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

/// The same text in UTF-8, in a file that has no name and is gone with its last reader.
///
/// # Errors
/// When it cannot be read, or there is no room for it.
pub(super) fn decoded(file: &File, encoding: &'static Encoding) -> io::Result<File> {
    let target = tempfile::tempfile()?;
    let mut source = file.try_clone()?;
    source.seek(SeekFrom::Start(0))?;
    let mut out = BufWriter::new(target);
    let mut decoder = encoding.new_decoder_with_bom_removal();
    let mut bytes = vec![0; 64 * 1024];
    let mut text = vec![0; 256 * 1024];
    loop {
        let read = source.read(&mut bytes)?;
        let mut rest = bytes.get(..read).unwrap_or_default();
        loop {
            let (result, taken, written, _) = decoder.decode_to_utf8(rest, &mut text, read == 0);
            out.write_all(text.get(..written).unwrap_or_default())?;
            rest = rest.get(taken..).unwrap_or_default();
            if result == CoderResult::InputEmpty {
                break;
            }
        }
        if read == 0 {
            break;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
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
            std::fs::write(&path, all).unwrap();
            let file = File::open(&path).unwrap();
            let encoding = of_file(&file).unwrap().unwrap();
            let mut copy = decoded(&file, encoding).unwrap();
            let mut found = String::new();
            copy.seek(SeekFrom::Start(0)).unwrap();
            copy.read_to_string(&mut found).unwrap();
            assert_eq!(found, text);
        }
        for plain in ["id,name\n1,Oak\n", "", "\u{feff}id\n1\n"] {
            std::fs::write(&path, plain).unwrap();
            assert!(of_file(&File::open(&path).unwrap()).unwrap().is_none());
        }
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
            (b"PK\x03\x04sheet".to_vec(), "spreadsheet"),
        ] {
            let report = Fixture::new("a.csv", bytes).report();
            assert!(report.contains(named), "{report}");
        }
    }
}
