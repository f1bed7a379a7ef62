//! What the host checks before it publishes, whatever the component promised; and what dependents are
//! given besides the text.

use serde_json::Value;

use super::strict_json;
use plugin::manifest::MediaType;
use quality::FrontMatter;
use repair::is_control;

/// Why an artifact is not published; `None` if it may be.
pub(super) fn fault(text: &str, media_type: MediaType) -> Option<String> {
    if text.trim().is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(control) = text.chars().find(|letter| is_control(*letter)) {
        let code = u32::from(control);
        return Some(format!("it has the control character U+{code:04X}"));
    }
    match media_type {
        MediaType::Markdown => match front_matter(text)? {
            Ok(yaml) => match serde_saphyr::from_str::<Value>(yaml) {
                Ok(Value::Object(_)) => None,
                Ok(_) => Some("its front matter is not a mapping".to_owned()),
                Err(error) => Some(format!("its front matter is not valid YAML: {error}")),
            },
            Err(cause) => Some(cause),
        },
        MediaType::Yaml => serde_saphyr::from_str::<Value>(text)
            .err()
            .map(|error| format!("it is not valid YAML: {error}")),
        MediaType::Json => strict_json::check(text)
            .err()
            .map(|error| format!("it is not valid JSON: {error}")),
        MediaType::Plain | MediaType::Html => None,
    }
}

/// The artifact as JSON, where it can be read as such.
pub(super) fn as_json(text: &str, media_type: MediaType) -> Option<Value> {
    match media_type {
        MediaType::Markdown => serde_saphyr::from_str(front_matter(text)?.ok()?).ok(),
        MediaType::Yaml => serde_saphyr::from_str(text).ok(),
        MediaType::Json => serde_json::from_str(text).ok(),
        MediaType::Plain | MediaType::Html => None,
    }
}

/// The YAML between the first two `---` lines; `None` if the text does not start with one.
fn front_matter(text: &str) -> Option<Result<&str, String>> {
    match FrontMatter::of(text) {
        FrontMatter::Absent => None,
        FrontMatter::Unclosed => Some(Err("its front matter has no closing `---` line".to_owned())),
        FrontMatter::Whole { yaml, .. } => Some(Ok(yaml)),
    }
}

/// A failure's cause with the rules that the last answer broke, a line each.
pub(super) fn with_violations(cause: String, violations: &[String]) -> String {
    violations
        .iter()
        .fold(cause, |text, violation| format!("{text}\n  - {violation}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_parses_is_published() {
        let fault = |text, media_type| fault(text, media_type).is_some();
        assert!(fault("  \n", MediaType::Plain));
        assert!(fault("a\0b\n", MediaType::Plain));
        assert!(fault("a\u{9b}b\n", MediaType::Html));
        assert!(!fault("a\tb\r\n", MediaType::Plain));
        assert!(!fault("# Title\n", MediaType::Markdown));
        assert!(!fault("---\ntitle: A\n---\n", MediaType::Markdown));
        assert!(fault("---\ntitle: A\n", MediaType::Markdown));
        assert!(fault("---\ntitle: [A\n---\n", MediaType::Markdown));
        assert!(fault("---\n- A\n---\n", MediaType::Markdown));
        assert!(fault("{\"a\": 1", MediaType::Json));
        assert!(!fault("{\"a\": 1}", MediaType::Json));
    }

    #[test]
    fn dependents_see_front_matter_as_json() {
        let text = "---\ntitle: A\nn: 2\n---\nBody\n---\n";
        assert_eq!(
            as_json(text, MediaType::Markdown),
            Some(json!({"title": "A", "n": 2}))
        );
        assert_eq!(as_json("# Title", MediaType::Markdown), None);
    }
}
