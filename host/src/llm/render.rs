//! Turns a [`CompletionRequest`] into the messages of a chat API: what all records share first
//! (instructions, then requirements), what differs last (facts), so that prompt caches hit.

use super::request::{CompletionRequest, Message, ResponseFormat, Role, Rules};

/// Stands before the facts in the first user message.
pub const FACTS_MARK: &str = "Facts (JSON):\n";
/// Stands before the requirements in the first user message.
pub const RULES_MARK: &str = "Requirements:\n";

/// The messages to send. The first user message carries the requirements and the facts; if the
/// request has none, one is added behind the system messages.
pub fn render(request: &CompletionRequest) -> Vec<Message> {
    let mut messages = request.messages.clone();
    let mut parts = Vec::new();
    let place = messages
        .iter()
        .position(|message| message.role == Role::User);
    let first = match place {
        Some(place) => place,
        None => {
            let place = messages
                .iter()
                .take_while(|message| message.role == Role::System)
                .count();
            messages.insert(
                place,
                Message {
                    role: Role::User,
                    content: String::new(),
                },
            );
            place
        }
    };
    let Some(message) = messages.get_mut(first) else {
        return messages;
    };
    if !message.content.is_empty() {
        parts.push(std::mem::take(&mut message.content));
    }
    let lines = requirements(request);
    if !lines.is_empty() {
        parts.push(format!("{RULES_MARK}{}", lines.join("\n")));
    }
    if request
        .facts
        .as_object()
        .is_some_and(|facts| !facts.is_empty())
    {
        parts.push(format!("{FACTS_MARK}{}", request.facts));
    }
    message.content = parts.join("\n\n");
    messages
}

/// Bytes of the messages to send: what tokens are reckoned from.
pub fn bytes(request: &CompletionRequest) -> u64 {
    let messages = render(request);
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    bytes as u64
}

/// The rules in words, a line each.
fn requirements(request: &CompletionRequest) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rules) = &request.rules {
        lines.extend(span("words", rules.min_words, rules.max_words));
        lines.extend(span("lines", rules.min_lines, rules.max_lines));
        lines.extend(listed(rules));
    }
    match &request.format {
        ResponseFormat::Text => {}
        ResponseFormat::JsonObject => lines.push("- Answer with one JSON object only.".to_owned()),
        ResponseFormat::JsonSchema(_) => {
            lines.push("- Answer with JSON only, as the schema asks.".to_owned());
        }
    }
    lines
}

fn span(unit: &str, min: Option<u32>, max: Option<u32>) -> Option<String> {
    match (min, max) {
        (Some(min), Some(max)) if min == max => Some(format!("- Exactly {min} {unit}.")),
        (Some(min), Some(max)) => Some(format!("- Between {min} and {max} {unit}.")),
        (Some(min), None) => Some(format!("- At least {min} {unit}.")),
        (None, Some(max)) => Some(format!("- At most {max} {unit}.")),
        (None, None) => None,
    }
}

fn listed(rules: &Rules) -> Vec<String> {
    let mut lines = Vec::new();
    if !rules.headings.is_empty() {
        lines.push(format!(
            "- Use these Markdown headings, in this order, each as `## heading`: {}.",
            rules.headings.join(" | ")
        ));
    }
    if !rules.required_words.is_empty() {
        lines.push(format!(
            "- Use each of these: {}.",
            rules.required_words.join(" | ")
        ));
    }
    if rules.numbers_from_facts {
        lines.push("- Use no number that is not in the facts.".to_owned());
    }
    if rules.whole_sentences {
        lines.push("- End with a whole sentence.".to_owned());
    }
    lines
}
