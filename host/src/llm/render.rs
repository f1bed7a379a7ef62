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
    match messages.iter_mut().find(|message| is_of_user(message)) {
        Some(message) => message.content = first(request, &message.content),
        None => {
            let place = messages
                .iter()
                .take_while(|message| message.role == Role::System)
                .count();
            let message = Message {
                role: Role::User,
                content: first(request, ""),
            };
            messages.insert(place, message);
        }
    }
    messages
}

/// Bytes of the messages to send: what tokens are reckoned from.
pub fn bytes(request: &CompletionRequest) -> u64 {
    let messages = &request.messages;
    let said = messages.iter().find(|message| is_of_user(message));
    let said = said.map_or("", |message| &message.content);
    let all: usize = messages.iter().map(|message| message.content.len()).sum();
    (all - said.len() + first(request, said).len()) as u64
}

fn is_of_user(message: &Message) -> bool {
    message.role == Role::User
}

/// The first user message: what the component says in it, the requirements, the facts.
fn first(request: &CompletionRequest, said: &str) -> String {
    let mut parts = Vec::new();
    if !said.is_empty() {
        parts.push(said.to_owned());
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
    parts.join("\n\n")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_reckoned_with_is_what_is_sent() {
        let message = |role, content: &str| Message {
            role,
            content: content.to_owned(),
        };
        let (system, user) = (
            message(Role::System, "Be brief."),
            message(Role::User, "Go."),
        );
        let turns = [
            vec![],
            vec![system.clone()],
            vec![system.clone(), user.clone()],
            vec![system, user.clone(), message(Role::Assistant, "No."), user],
        ];
        let rules = Rules {
            min_words: Some(3),
            ..Rules::default()
        };
        for messages in turns {
            for rules in [None, Some(rules.clone())] {
                for facts in [json!({}), json!({"a": 1})] {
                    let request = CompletionRequest {
                        messages: messages.clone(),
                        facts,
                        rules: rules.clone(),
                        format: ResponseFormat::Text,
                    };
                    let sent = render(&request);
                    let sum: usize = sent.iter().map(|message| message.content.len()).sum();
                    assert_eq!(bytes(&request), sum as u64, "{request:?}");
                    assert!(sent.iter().any(is_of_user));
                }
            }
        }
    }
}
