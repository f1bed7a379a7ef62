//! Questions to a language model, whose answers are mended, validated and repaired.
//!
//! Every answer is mended mechanically first. One that still breaks a rule goes back to the model
//! with what it breaks, at most twice; then the question is asked afresh, once; then it is a
//! failure. An answer that was cut off is never accepted. Transport, limits and outages are the
//! host's.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::batchgen::component::llm;
use crate::{Failure, Rules, front_matter, host, mend, numbers, rules, schema};

mod told;

/// How often an answer goes back with its violations.
const REPAIRS: usize = 2;

/// The keys that lead to one fact, from the outermost on.
pub type Path = Vec<String>;

/// A question whose answer is text.
#[derive(Clone, Debug)]
pub struct TextRequest {
    /// What to write and how, the same for every record as far as possible: prompt caches live on it.
    pub instructions: String,
    /// JSON object: what is known of the record.
    pub facts: Value,
    /// Facts that the instructions quote: the model is not told them a second time.
    pub quoted: Vec<Path>,
    /// Fields of the record whose pictures the model is shown, of those that [`crate::Input::images`] names.
    pub images: Vec<String>,
    /// What the answer must obey.
    pub rules: Rules,
    /// Whether the component writes the title itself, so that one in the answer is dropped.
    pub drop_title: bool,
    /// Whether the answer begins a file in Markdown: a rule that it begins with is dropped, since `---` would begin front
    /// matter, and front matter that would not be published is a broken rule.
    pub begins_markdown: bool,
}

/// A question whose answer is a JSON object of one type.
#[derive(Clone, Debug)]
pub struct JsonRequest {
    /// What to write and how, the same for every record as far as possible: prompt caches live on it.
    pub instructions: String,
    /// JSON object: what is known of the record.
    pub facts: Value,
    /// Facts that the instructions quote: the model is not told them a second time.
    pub quoted: Vec<Path>,
    /// Fields of the record whose pictures the model is shown, of those that [`crate::Input::images`] names.
    pub images: Vec<String>,
    /// What the answer must obey.
    pub schema: Value,
    /// Whether every number in the answer's strings must be one of the facts'.
    pub numbers_from_facts: bool,
}

impl TextRequest {
    /// The same question, which shows the model the pictures of a field of the record.
    #[must_use]
    pub fn image(mut self, field: &str) -> Self {
        self.images.push(field.to_owned());
        self
    }

    /// A question without rules.
    pub fn new(instructions: String, facts: Value) -> Self {
        TextRequest {
            instructions,
            facts,
            quoted: Vec::new(),
            images: Vec::new(),
            rules: rules::none(),
            drop_title: false,
            begins_markdown: true,
        }
    }
}

impl JsonRequest {
    /// The same question, which shows the model the pictures of a field of the record.
    #[must_use]
    pub fn image(mut self, field: &str) -> Self {
        self.images.push(field.to_owned());
        self
    }

    /// A question whose answer obeys a JSON Schema, with numbers from the facts only.
    ///
    /// Providers ask that every object is closed and every property required; one that may be absent
    /// is one that may be `null`.
    ///
    /// # Errors
    /// A component fault, if the schema is not JSON.
    pub fn new(instructions: String, facts: Value, schema: &str) -> Result<Self, Failure> {
        let schema = serde_json::from_str(schema)
            .map_err(|why| Failure::component_fault(format!("the JSON Schema: {why}")))?;
        Ok(JsonRequest {
            instructions,
            facts,
            quoted: Vec::new(),
            images: Vec::new(),
            schema,
            numbers_from_facts: true,
        })
    }

    /// Sets a keyword of the part of the schema that a JSON pointer names, such as `enum` at
    /// `/properties/tags/items`, for what is known only at run time.
    ///
    /// # Errors
    /// A component fault, if the pointer leads to no schema.
    pub fn constrain(&mut self, pointer: &str, keyword: &str, rule: Value) -> Result<(), Failure> {
        let part = self
            .schema
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut);
        let part = part.ok_or_else(|| {
            Failure::component_fault(format!("the JSON Schema has nothing at {pointer}"))
        })?;
        part.insert(keyword.to_owned(), rule);
        Ok(())
    }
}

/// Asks for a text that obeys the request's rules.
///
/// # Errors
/// A refusal, or an invalid answer once repairs and a fresh answer are used up.
pub fn ask_text(request: &TextRequest) -> Result<String, Failure> {
    ask_text_checked(request, |_| Vec::new())
}

/// Asks for a text that obeys the request's rules and passes `check`, which returns what is wrong,
/// a message for the model each.
///
/// # Errors
/// A refusal, or an invalid answer once repairs and a fresh answer are used up.
pub fn ask_text_checked(
    request: &TextRequest,
    check: impl Fn(&str) -> Vec<String>,
) -> Result<String, Failure> {
    if let Some(why) = rules::contradiction(&request.rules) {
        return Err(Failure::component_fault(format!(
            "rules that contradict: {why}"
        )));
    }
    let facts = told::facts(&request.facts, &request.quoted);
    let question = llm::CompletionRequest {
        messages: opening(&request.instructions, &facts),
        facts,
        rules: Some(request.rules.clone()),
        response_format: llm::ResponseFormat::Text,
        images: request.images.clone(),
    };
    let mut accepted = String::new();
    converse(question, &mut |answer| {
        let mut text = mend::text(answer);
        if request.drop_title {
            text = mend::without_title(&text).to_owned();
        }
        if request.begins_markdown {
            text = front_matter::without_rule(&text).to_owned();
        }
        let mut found = rules::violations(&request.rules, &request.facts, &text);
        if request.begins_markdown {
            found.extend(front_matter::violation(&text));
        }
        if text.is_empty() {
            found = vec!["the answer is empty".to_owned()];
        } else {
            found.extend(check(&text));
        }
        accepted = text;
        Ok(found)
    })?;
    Ok(accepted)
}

/// Asks for a JSON object that obeys the request's schema, is a `T` and passes `check`, which returns
/// what is wrong, a message for the model each.
///
/// # Errors
/// A refusal, an invalid answer once repairs and a fresh answer are used up, or a component fault if
/// the schema is outside the supported part of JSON Schema or lets pass what is no `T`.
pub fn complete_json<T: DeserializeOwned>(
    request: &JsonRequest,
    check: impl Fn(&T) -> Vec<String>,
) -> Result<T, Failure> {
    if let Some(why) = schema::contradiction(&request.schema) {
        return Err(Failure::component_fault(format!(
            "the JSON Schema contradicts itself: {why}"
        )));
    }
    let facts = told::facts(&request.facts, &request.quoted);
    let rules = Rules {
        numbers_from_facts: request.numbers_from_facts,
        ..rules::none()
    };
    let question = llm::CompletionRequest {
        messages: opening(&request.instructions, &facts),
        facts,
        rules: Some(rules),
        response_format: llm::ResponseFormat::JsonSchema(request.schema.to_string()),
        images: request.images.clone(),
    };
    let mut accepted = None;
    converse(question, &mut |answer| {
        let value = match mend::json(answer) {
            Ok(value) => value,
            Err(why) => return Ok(vec![why]),
        };
        let mut found = schema::violations(&request.schema, &value)?;
        if request.numbers_from_facts {
            strange_numbers(&request.facts, &value, "", &mut found);
        }
        if found.is_empty() {
            let typed: T = serde_path_to_error::deserialize(&value).map_err(|error| {
                Failure::component_fault(format!(
                    "the JSON Schema allows what the type does not: {error}"
                ))
            })?;
            found = check(&typed);
            accepted = Some(typed);
        }
        Ok(found)
    })?;
    accepted.ok_or_else(|| Failure::component_fault("no answer was accepted"))
}

/// Asks, repairs and asks afresh until `judge` finds nothing wrong.
fn converse(
    mut question: llm::CompletionRequest,
    judge: &mut dyn FnMut(&str) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    let opening = question.messages.len();
    let mut violations = Vec::new();
    for attempt in 0..REPAIRS + 2 {
        let answer = host::complete(&question).map_err(refusal)?;
        violations = match answer.stop_reason {
            llm::StopReason::Stop => judge(&answer.text)?,
            llm::StopReason::Length => vec!["the answer was cut off: write less".to_owned()],
        };
        if violations.is_empty() {
            return Ok(());
        }
        crate::log::debug(&format!(
            "answer {}: {}",
            attempt + 1,
            violations.join("; ")
        ));
        question.messages.truncate(opening);
        if attempt < REPAIRS {
            question.messages.extend(repair(answer.text, &violations));
        }
    }
    let message = "the model gave no acceptable answer: two repairs and a fresh answer failed too";
    Err(Failure::invalid_answer(message, violations))
}

/// The turns that show the model its bad answer and what is wrong with it.
fn repair(answer: String, violations: &[String]) -> [llm::Message; 2] {
    let shown = if answer.trim().is_empty() {
        "(nothing)".to_owned()
    } else {
        answer
    };
    let mut content = String::from("Your answer breaks these rules:\n");
    for violation in violations {
        content.push_str("- ");
        content.push_str(violation);
        content.push_str(".\n");
    }
    content.push_str(
        "Write the whole answer again so that it obeys them and all earlier requirements. \
         Answer with it alone: no comment, no apology.",
    );
    [
        llm::Message {
            role: llm::Role::Assistant,
            content: shown,
        },
        llm::Message {
            role: llm::Role::User,
            content,
        },
    ]
}

/// The instructions, and the user's turn in which the host writes requirements and facts.
fn opening(instructions: &str, facts: &str) -> Vec<llm::Message> {
    let content = if facts == told::NOTHING {
        "Write it now.".to_owned()
    } else {
        String::new()
    };
    vec![
        llm::Message {
            role: llm::Role::System,
            content: instructions.to_owned(),
        },
        llm::Message {
            role: llm::Role::User,
            content,
        },
    ]
}

fn strange_numbers(facts: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(numbers::violations(facts, place, text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strange_numbers(facts, item, &format!("{place}[{index}]"), found);
            }
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                let separator = if place.is_empty() { "" } else { "." };
                strange_numbers(facts, value, &format!("{place}{separator}{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn refusal(error: llm::Error) -> Failure {
    Failure::refused(match error {
        llm::Error::ContentFiltered(why) => format!("the content filter refused: {why}"),
        llm::Error::ContextTooLong(why) => {
            format!("the question does not fit the model's context: {why}")
        }
    })
}

#[cfg(test)]
mod tests;
