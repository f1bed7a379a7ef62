//! The one filter for text from outside: names, answers, errors and logs may hold what a terminal obeys, and marks that show
//! words in another order than they have.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

/// A text as it may be shown, whoever wrote it.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    let plain = |letter| {
        if is_harmful(letter) {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    };
    Cow::Owned(text.chars().map(plain).collect())
}

/// Whether a terminal obeys a character, or one turns the words around it.
#[must_use]
pub fn is_harmful(letter: char) -> bool {
    let turns = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    turns || (letter.is_control() && letter != '\n' && letter != '\t')
}

/// A value as JSON on one line, in which such characters stand as escapes: it means the same, and may be shown.
///
/// # Errors
/// When the value has no form in JSON, such as a map whose keys are no texts.
pub fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(escaped)
}

/// The same on several lines.
///
/// # Errors
/// Like [`json`].
pub fn json_in_lines(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(escaped)
}

fn escaped(json: String) -> String {
    if !json.chars().any(is_harmful) {
        return json;
    }
    // Outside of its texts, JSON has none of them. None is beyond U+FFFF, so that four digits do.
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_harmful(letter) {
            let _ = write!(text, "\\u{:04x}", u32::from(letter));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const HOSTILE: &str = "a\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}b\rc\u{8}\u{0}\u{7f}";

    #[test]
    fn what_a_terminal_obeys_is_not_shown() {
        let shown = harmless(HOSTILE);
        assert!(!shown.chars().any(is_harmful), "{shown:?}");
        assert!(
            shown.starts_with('a') && shown.contains("]0;title"),
            "{shown:?}"
        );
        assert_eq!(harmless("a\tb\r\nc\n"), "a\tb\nc\n");
        assert!(matches!(harmless("Grüße, 日本\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_means_the_same_and_may_be_shown() {
        let hostile = serde_json::json!({HOSTILE: [HOSTILE, "ä\t\r\n"]});
        let shown = json(&hostile).unwrap();
        assert!(!shown.chars().any(is_harmful), "{shown:?}");
        let again: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(again, hostile);
        assert_eq!(
            json(&serde_json::json!({"a": "Grüße"})).unwrap(),
            r#"{"a":"Grüße"}"#
        );
    }
}
