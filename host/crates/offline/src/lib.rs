//! The stand-in for a language model, behind the provider `offline`. It answers a request from the request's own facts, rules
//! and schema.
//!
//! Its prose obeys the rules and its JSON the schema, wherever these can be obeyed at all. Every number in an answer stands in
//! the facts, or in a rule or schema that demands it. Equal requests and seeds give equal bytes. What it writes is plainly a
//! placeholder: it begins with what was asked for, says the facts, and adds padding where a rule asks for more words.
//!
//! It does not know plugins, the network or any model.

mod bounded;
mod chance;
mod facts;
mod json;
mod judge;
mod padding;
mod pattern;
mod phrase;
mod picture;
mod prose;
mod schema;
mod sentence;
mod voice;

pub use chance::Chance;

use serde_json::{Map, Value};

use facts::Facts;
use types::request::{CompletionRequest, ResponseFormat, Rules};
use voice::Voice;

/// Answers a request. A longer conversation gives another answer, as a repair should.
pub fn write(request: &CompletionRequest, seed: u64) -> String {
    let mut chance = Chance::new(seed).fork(request.messages.len() as u64);
    let mut facts = Facts::read(bounded::read(&request.facts));
    facts.see(picture::sentences(request));
    let voice = Voice::new(&facts, &request.messages, &mut chance);
    match &request.format {
        ResponseFormat::Text => {
            let rules = request.rules.clone().unwrap_or_else(|| Rules {
                whole_sentences: true,
                ..Rules::default()
            });
            prose::prose(&rules, &voice, &mut chance)
        }
        ResponseFormat::JsonObject => Value::Object(leaves(&facts)).to_string(),
        ResponseFormat::JsonSchema(schema) => {
            let schema = bounded::read(schema);
            let judged = judge::verdict(&schema, &facts.object)
                .or_else(|| judge::comparison(&schema, &facts.object));
            let answer = judged.unwrap_or_else(|| json::json(&schema, &voice, &mut chance));
            answer.to_string()
        }
    }
}

/// What a request for "any JSON object" gets: the facts, flattened.
fn leaves(facts: &Facts) -> Map<String, Value> {
    let mut object = Map::new();
    if let Some(name) = &facts.name {
        object.insert("name".to_owned(), Value::from(name.as_str()));
    }
    for fact in &facts.facts {
        let label = fact.label.replace(' ', "_");
        let key = match &fact.group {
            Some(group) if object.contains_key(&label) => {
                format!("{}_{label}", group.replace(' ', "_"))
            }
            _ => label,
        };
        object.entry(key).or_insert_with(|| fact.value.to_json());
    }
    if object.is_empty() {
        object.insert("answer".to_owned(), Value::from(padding::of_words(6, 0)));
    }
    object
}

#[cfg(test)]
mod tests;
