//! A component that needs no code: the configuration says what to ask, by which rules, and what the file is. The
//! answer is the file: a text as it is, or an object as JSON, as YAML or as front matter.

mod digits;
mod given;
mod plain;
mod quoted;
mod rules;
mod values;

use sdk::{
    Component, Failure, Input, JsonRequest, Map, TextRequest, Value, ask_text_checked,
    complete_json, numbers, yaml,
};
use serde::Deserialize;

use given::Given;
use rules::Patterns;

/// As plugin.toml describes them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Options {
    media_type: String,
    min_words: Option<u32>,
    max_words: Option<u32>,
    min_lines: Option<u32>,
    max_lines: Option<u32>,
    min_characters: Option<usize>,
    max_characters: Option<usize>,
    #[serde(default)]
    required_words: Vec<String>,
    #[serde(default)]
    headings: Vec<String>,
    #[serde(default)]
    must_match: Vec<String>,
    #[serde(default)]
    must_not_match: Vec<String>,
    numbers_from_facts: bool,
    whole_sentences: bool,
    schema: Option<Value>,
}

/// The component.
pub struct Prompt;

impl Component for Prompt {
    fn generate(input: &Input) -> Result<String, Failure> {
        Self::make(input).map_err(naming_the_option)
    }
}

/// The failure, in which a broken rule on numbers says what turns it off: it is the one rule that holds without being asked for.
fn naming_the_option(mut failure: Failure) -> Failure {
    for violation in &mut failure.violations {
        if numbers::is_violation(violation) {
            violation.push_str("; numbers-from-facts = false turns this off");
        }
    }
    failure
}

impl Prompt {
    fn make(input: &Input) -> Result<String, Failure> {
        let options: Options = input.options()?;
        let given = Given::read(input)?;
        let mut instructions = given.fill("prompts.write", input.prompt("write")?.text)?;
        let patterns = Patterns::read(&options)?;
        let rules = rules::told(&options, &given)?;
        let (facts, quoted) = given.into_facts(&instructions);
        let mut requirements = patterns.in_words();
        if options.schema.is_some() {
            requirements.extend(rules::in_words(&rules));
        }
        if !requirements.is_empty() {
            instructions.push_str("\n\nWhat must hold:\n");
            instructions.push_str(&requirements.join("\n"));
        }
        let Some(schema) = &options.schema else {
            let mut request = TextRequest::new(instructions, facts);
            request.quoted = quoted;
            request.images = input.images().to_vec();
            request.rules = rules;
            request.begins_markdown = options.media_type == "text/markdown";
            let text = ask_text_checked(&request, |text| patterns.violations(text))?;
            return Ok(format!("{text}\n"));
        };
        let request = JsonRequest {
            instructions,
            schema: closed(schema),
            numbers_from_facts: options.numbers_from_facts,
            facts,
            quoted,
            images: input.images().to_vec(),
        };
        let answer: Map<String, Value> = complete_json(&request, |answer| {
            let text = rules::texts(answer);
            let mut found = sdk::rules::violations(&rules::of_texts(&rules), &request.facts, &text);
            found.extend(patterns.violations(&text));
            found
        })?;
        Ok(match options.media_type.as_str() {
            "application/json" => format!("{:#}\n", Value::Object(answer)),
            "application/yaml" => yaml::document(&answer),
            _ => yaml::front_matter(&answer),
        })
    }
}

/// The schema with every object closed: what it does not name has no place in the file, and providers that hold
/// answers to a schema want it said.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(rules) => {
            let mut rules: Map<String, Value> = rules
                .iter()
                .map(|(keyword, value)| match (keyword.as_str(), value) {
                    ("enum" | "const" | "required", data) => (keyword.clone(), data.clone()),
                    ("properties", Value::Object(named)) => {
                        let named = named
                            .iter()
                            .map(|(name, schema)| (name.clone(), closed(schema)));
                        (keyword.clone(), Value::Object(named.collect()))
                    }
                    (_, value) => (keyword.clone(), closed(value)),
                })
                .collect();
            if rules.contains_key("properties") {
                rules.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(rules)
        }
        Value::Array(schemas) => Value::Array(schemas.iter().map(closed).collect()),
        value => value.clone(),
    }
}

sdk::export!(Prompt);

#[cfg(test)]
mod tests;
