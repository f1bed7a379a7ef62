//! An API key. It is shown to a server and to nobody else: not to logs, errors, the store or `Debug`.

use std::fmt;

/// What stands where a key stood.
const HIDDEN: &str = "[key]";
/// What is shorter is a placeholder for a server without keys ("none", "EMPTY"), and occurs in plain words.
const SECRET: usize = 8;

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key in `text`, without the white space around it; `None` when there is none.
    pub fn new(text: &str) -> Option<Key> {
        let text = text.trim();
        (!text.is_empty()).then(|| Key(text.to_owned()))
    }

    /// For the header that carries it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the key, which some servers repeat when they refuse it.
    pub(super) fn redact(&self, text: &str) -> String {
        if !self.is_in(text) {
            return text.to_owned();
        }
        text.replace(&self.0, HIDDEN)
    }

    /// Whether `text` tells the key.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.len() >= SECRET && text.contains(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_seen_nowhere() {
        let key = Key::new(" sk-secret-123\n").unwrap();
        assert_eq!(key.expose(), "sk-secret-123");
        assert_eq!(format!("{key:?}"), "[key]");
        assert_eq!(key.redact("bad key sk-secret-123."), "bad key [key].");
        assert_eq!(Key::new("none").unwrap().redact("none of it"), "none of it");
        assert_eq!(Key::new(" \n"), None);
    }
}
