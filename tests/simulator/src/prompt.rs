//! Reads a request back out of its messages: the inverse of `types::render::render`.
//!
//! A provider sees text only. Facts and rules that a model would read there, the writer reads here.

use serde_json::Value;
use types::json::Json;
use types::render::{FACTS_MARK, RULES_MARK};
use types::request::{CompletionRequest, Message, ResponseFormat, Role, Rules};

/// The request that was rendered into these messages. Text without marks has no facts and no rules.
pub fn read(mut messages: Vec<Message>, mut format: ResponseFormat) -> CompletionRequest {
    let mut facts = Json::empty_object();
    let mut rules = None;
    if let Some(at) = messages
        .iter()
        .position(|message| message.role == Role::User)
        && let Some(message) = messages.get_mut(at)
    {
        if let Some((text, json)) = split_last(&message.content, FACTS_MARK)
            && let Ok(read) = Json::new(json.to_owned())
        {
            facts = read;
            message.content = text.to_owned();
        }
        if let Some((text, lines)) = split_last(&message.content, RULES_MARK)
            && let Some((read, json)) = requirements(lines)
        {
            rules = read;
            // A provider without structured output is only told in words.
            if json && format == ResponseFormat::Text {
                format = ResponseFormat::JsonObject;
            }
            message.content = text.to_owned();
        }
        if message.content.is_empty() {
            messages.remove(at);
        }
    }
    CompletionRequest {
        messages,
        facts,
        rules,
        format,
        images: Vec::new(),
    }
}

/// What words say that come before a schema in a prompt.
const SCHEMA_MARK: &str = "JSON Schema:";

/// The format of a request, with the schema that is only told in words, if one is.
pub fn schema(messages: &[Message], format: &ResponseFormat) -> ResponseFormat {
    if matches!(format, ResponseFormat::JsonSchema(_)) {
        return format.clone();
    }
    let told = messages.iter().find_map(|message| {
        let (_, rest) = message.content.split_once(SCHEMA_MARK)?;
        let rest = rest.trim_start();
        let rest = rest.strip_prefix("```json").unwrap_or(rest);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        values.next()?.ok().filter(Value::is_object)
    });
    told.map_or_else(
        || format.clone(),
        |schema| ResponseFormat::JsonSchema(schema.into()),
    )
}

/// The text before and behind the last part that starts with a mark.
fn split_last<'t>(text: &'t str, mark: &str) -> Option<(&'t str, &'t str)> {
    let at = text.rfind(mark)?;
    let before = text.get(..at)?;
    let before = if before.is_empty() {
        before
    } else {
        before.strip_suffix("\n\n")?
    };
    Some((before, text.get(at + mark.len()..)?))
}

/// The rules that these lines say, and whether they ask for JSON; `None` if a line is no rule.
fn requirements(lines: &str) -> Option<(Option<Rules>, bool)> {
    let mut rules = Rules::default();
    let mut json = false;
    for line in lines.lines() {
        let line = line.strip_prefix("- ")?.strip_suffix('.')?;
        if line.starts_with("Answer with ") {
            json = true;
        } else if line == "Use no number that you are not given" {
            rules.numbers_from_facts = true;
        } else if line == "End with a whole sentence" {
            rules.whole_sentences = true;
        } else if let Some(words) = line.strip_prefix("Use each of these: ") {
            rules.required_words = words.split(" | ").map(str::to_owned).collect();
        } else if let Some((_, headings)) = line.split_once("each as `## heading`: ") {
            rules.headings = headings.split(" | ").map(str::to_owned).collect();
        } else {
            let (bounds, unit) = line.rsplit_once(' ')?;
            let (min, max) = span(bounds)?;
            match unit {
                "words" => (rules.min_words, rules.max_words) = (min, max),
                "lines" => (rules.min_lines, rules.max_lines) = (min, max),
                _ => return None,
            }
        }
    }
    Some(((rules != Rules::default()).then_some(rules), json))
}

fn span(bounds: &str) -> Option<(Option<u32>, Option<u32>)> {
    let number = |text: &str| text.parse::<u32>().ok();
    if let Some(exactly) = bounds.strip_prefix("Exactly ") {
        let exactly = number(exactly)?;
        Some((Some(exactly), Some(exactly)))
    } else if let Some(between) = bounds.strip_prefix("Between ") {
        let (min, max) = between.split_once(" and ")?;
        Some((Some(number(min)?), Some(number(max)?)))
    } else if let Some(min) = bounds.strip_prefix("At least ") {
        Some((Some(number(min)?), None))
    } else {
        Some((None, Some(number(bounds.strip_prefix("At most ")?)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use types::render::render;

    fn message() -> impl Strategy<Value = Message> {
        let role = prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant)];
        let content = prop_oneof![
            "[ -~\n]{1,80}",
            Just("Requirements:\nnone of these".to_owned()),
            Just("- At least 3 words.\n\nFacts (JSON):\nnot JSON".to_owned()),
        ];
        (role, content).prop_map(|(role, content)| Message { role, content })
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let bounds = || {
            prop_oneof![
                Just((None, None)),
                (0..900_u32).prop_map(|min| (Some(min), None)),
                (0..900_u32).prop_map(|max| (None, Some(max))),
                (0..900_u32, 0..90_u32).prop_map(|(min, room)| (Some(min), Some(min + room))),
            ]
        };
        let words = || prop::collection::vec("[A-Za-zé][a-z0-9 .:-]{0,12}[a-z.]", 0..4);
        (
            bounds(),
            bounds(),
            words(),
            words(),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(words, lines, required_words, headings, numbers_from_facts, whole_sentences)| {
                    Rules {
                        min_words: words.0,
                        max_words: words.1,
                        min_lines: lines.0,
                        max_lines: lines.1,
                        required_words,
                        headings,
                        numbers_from_facts,
                        whole_sentences,
                    }
                },
            )
    }

    fn format() -> impl Strategy<Value = ResponseFormat> {
        prop_oneof![
            Just(ResponseFormat::Text),
            Just(ResponseFormat::JsonObject),
            Just(ResponseFormat::JsonSchema(json!({"type": "object"}).into())),
        ]
    }

    proptest! {
        #[test]
        fn reads_what_was_rendered(
            messages in prop::collection::vec(message(), 0..4),
            facts in prop::collection::hash_map("[ -~é]{0,9}", "[ -~\né]{0,20}", 0..4),
            rules in rules(),
            format in format(),
        ) {
            let request = CompletionRequest {
                messages,
                facts: json!(facts).into(),
                rules: Some(rules).filter(|rules| *rules != Rules::default()),
                format: format.clone(),
                images: Vec::new(),
            };
            let rendered = render(&request);
            prop_assert_eq!(read(rendered, format), request);
        }
    }
}
