//! The YAML at the head of a text of Markdown, between two `---` lines.

/// What a text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontMatter<'a> {
    /// No `---` line.
    Absent,
    /// A `---` line, and no other one behind it.
    Unclosed,
    /// What stands between the two lines, and what follows.
    Whole {
        /// What stands between the lines.
        yaml: &'a str,
        /// What follows.
        body: &'a str,
    },
}

impl FrontMatter<'_> {
    /// Divides a text.
    pub fn of(text: &str) -> FrontMatter<'_> {
        let unix = text.strip_prefix("---\n");
        let Some(rest) = unix.or_else(|| text.strip_prefix("---\r\n")) else {
            return FrontMatter::Absent;
        };
        let mut at = 0;
        for line in rest.split_inclusive('\n') {
            if line.trim_end() == "---" {
                return FrontMatter::Whole {
                    yaml: rest.get(..at).unwrap_or_default(),
                    body: rest.get(at + line.len()..).unwrap_or_default(),
                };
            }
            at += line.len();
        }
        FrontMatter::Unclosed
    }
}

/// A text without its front matter; the whole text where that is none.
pub fn without_front_matter(text: &str) -> &str {
    match FrontMatter::of(text) {
        FrontMatter::Whole { body, .. } => body,
        FrontMatter::Absent | FrontMatter::Unclosed => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_front_matter_is_taken_for_it() {
        for whole in ["# Title\n---\na\n---\n", "---\na: b\n", ""] {
            assert_eq!(without_front_matter(whole), whole);
        }
        assert_eq!(without_front_matter("---\r\na: b\r\n---\r\nBody"), "Body");
        let text = "---\ntitle: A\n---\nBody\n---\n";
        let (yaml, body) = ("title: A\n", "Body\n---\n");
        assert_eq!(FrontMatter::of(text), FrontMatter::Whole { yaml, body });
        assert_eq!(FrontMatter::of("---\na: b\n"), FrontMatter::Unclosed);
    }
}
