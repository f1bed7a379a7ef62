//! Texts as JSON. serde_json writes the same, byte by byte; here a piece without anything to escape is found and written whole.

use std::io::{self, Write};

/// Bytes that are looked at together, which the compiler makes few instructions of.
const PIECE: usize = 64;

/// Writes a text as a JSON string.
///
/// # Errors
/// Those of the writer.
pub fn write(text: &str, mut to: impl Write) -> io::Result<()> {
    let bytes = text.as_bytes();
    to.write_all(b"\"")?;
    let mut written = 0;
    for (start, piece) in (0..).step_by(PIECE).zip(bytes.chunks(PIECE)) {
        if !piece
            .iter()
            .fold(false, |any, byte| any | is_escaped(*byte))
        {
            continue;
        }
        for (place, byte) in (start..).zip(piece) {
            if is_escaped(*byte) {
                to.write_all(bytes.get(written..place).unwrap_or_default())?;
                escape(*byte, &mut to)?;
                written = place + 1;
            }
        }
    }
    to.write_all(bytes.get(written..).unwrap_or_default())?;
    to.write_all(b"\"")
}

// Without it, crates that write texts would call it for each byte.
#[inline]
fn is_escaped(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn escape(byte: u8, mut to: impl Write) -> io::Result<()> {
    match byte {
        b'"' => to.write_all(b"\\\""),
        b'\\' => to.write_all(b"\\\\"),
        b'\n' => to.write_all(b"\\n"),
        b'\r' => to.write_all(b"\\r"),
        b'\t' => to.write_all(b"\\t"),
        0x08 => to.write_all(b"\\b"),
        0x0c => to.write_all(b"\\f"),
        byte => write!(to, "\\u{byte:04x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut json = Vec::new();
        write(text, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn each_character_is_escaped_as_by_serde_json() {
        let all: String = (0..0x2100).filter_map(char::from_u32).collect();
        assert_eq!(written(&all), serde_json::to_string(&all).unwrap());
        assert_eq!(written(""), "\"\"");
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_by_serde_json(text in "([a-z ]{0,70}[\\x00-\\x7fé\u{1f600}]{0,3}){0,5}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
