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
    let first = first_of_user(request);
    let place = first.unwrap_or_else(|| {
        let of_system = |message: &&Message| message.role == Role::System;
        request.messages.iter().take_while(of_system).count()
    });
    let (before, rest) = request.messages.split_at(place);
    let (said, behind) = match (first, rest) {
        (Some(_), [said, behind @ ..]) => (said.content.as_str(), behind),
        (_, behind) => ("", behind),
    };
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    messages.extend_from_slice(before);
    messages.push(Message {
        role: Role::User,
        content: first_message(request, said),
    });
    messages.extend_from_slice(behind);
    messages
}

/// Bytes of a token that is told and not counted from text.
const BYTES_OF_TOKEN: u64 = 4;

/// Bytes of the messages to send: what tokens are reckoned from. A picture counts as the text of as many tokens.
pub fn bytes(request: &CompletionRequest) -> u64 {
    let messages = &request.messages;
    let all: usize = messages.iter().map(|message| message.content.len()).sum();
    let said = first_of_user(request)
        .and_then(|place| messages.get(place))
        .map_or(0, |message| message.content.len());
    let mut first = said;
    let mut add = |part: usize| {
        first += part + if first > 0 { BETWEEN.len() } else { 0 };
    };
    if let Some(rules) = rules_in_words(request) {
        add(rules.len());
    }
    if request.facts.has_entries() {
        add(FACTS_MARK.len() + request.facts.as_str().len());
    }
    let images = request.images.iter().map(|image| image.tokens());
    (all - said + first) as u64 + images.sum::<u64>().saturating_mul(BYTES_OF_TOKEN)
}

/// Stands between the parts of the first user message.
const BETWEEN: &str = "\n\n";

fn first_of_user(request: &CompletionRequest) -> Option<usize> {
    let is_of_user = |message: &Message| message.role == Role::User;
    request.messages.iter().position(is_of_user)
}

/// The first user message: what the component says in it, the requirements, the facts.
fn first_message(request: &CompletionRequest, said: &str) -> String {
    let mut message = said.to_owned();
    let mut add = |mark: &str, part: &str| {
        if !message.is_empty() {
            message.push_str(BETWEEN);
        }
        message.push_str(mark);
        message.push_str(part);
    };
    if let Some(rules) = rules_in_words(request) {
        add("", &rules);
    }
    if request.facts.has_entries() {
        add(FACTS_MARK, request.facts.as_str());
    }
    message
}

/// The requirements with their mark, if there are any.
fn rules_in_words(request: &CompletionRequest) -> Option<String> {
    let lines = requirements(request);
    (!lines.is_empty()).then(|| format!("{RULES_MARK}{}", lines.join("\n")))
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
        lines.push("- Use no number that you are not given.".to_owned());
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
                        facts: facts.into(),
                        rules: rules.clone(),
                        format: ResponseFormat::Text,
                        images: Vec::new(),
                    };
                    let sent = render(&request);
                    let sum: usize = sent.iter().map(|message| message.content.len()).sum();
                    assert_eq!(bytes(&request), sum as u64, "{request:?}");
                    assert!(sent.iter().any(|message| message.role == Role::User));
                }
            }
        }
    }
}
