//! Judges the file of another component by criteria from the configuration. Its own file is the verdict: a score for each criterion, whether
//! the file passes, and why, with the sentences that are doubted. Where it is given two files, `first` and `second`, it says which is better.

use sdk::digits::Digits;
use sdk::{Component, Failure, Input, JsonRequest, Map, Value, complete_json, json, yaml};
use serde::Deserialize;

/// Most sentences that are quoted.
const MOST_DOUBTS: usize = 8;

/// As plugin.toml describes them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Options {
    criteria: Map<String, Value>,
    lowest: i64,
    highest: i64,
    at_least: f64,
    judge_prompts: bool,
}

/// What the model answers.
#[derive(Deserialize)]
struct Answer {
    doubts: Vec<Doubt>,
    reason: String,
    scores: Map<String, Value>,
}

/// A sentence that is doubted.
#[derive(Deserialize)]
struct Doubt {
    quote: String,
    why: String,
}

/// The component.
pub struct Judge;

impl Component for Judge {
    fn generate(input: &Input) -> Result<String, Failure> {
        let options: Options = input.options()?;
        if options.lowest >= options.highest {
            return Err(Failure::component_fault(
                "the options: `lowest` must be less than `highest`",
            ));
        }
        let criteria: Vec<(&str, &str)> = options
            .criteria
            .iter()
            .filter_map(|(name, meaning)| Some((name.as_str(), meaning.as_str()?.trim())))
            .collect();
        if criteria.is_empty() {
            return Err(Failure::component_fault(
                "the options: there is no criterion to judge by",
            ));
        }
        let listed: Vec<String> = criteria
            .iter()
            .map(|(name, meaning)| format!("- {name}: {meaning}"))
            .collect();
        if let (Ok(first), Ok(second)) = (input.upstream("first"), input.upstream("second")) {
            return compare(input, first.text(), second.text(), &listed.join("\n"));
        }
        let judged = input.upstreams().next().ok_or_else(|| {
            Failure::component_fault("there is nothing to judge: name a component in depends-on")
        })?;
        let instructions = input.prompt("judge")?.fill(&[
            ("lowest", &options.lowest.to_string()),
            ("highest", &options.highest.to_string()),
            ("criteria", &listed.join("\n")),
        ])?;
        let request = JsonRequest {
            instructions,
            facts: facts(input, &options, judged.component(), judged.text())?,
            quoted: Vec::new(),
            images: input.images().to_vec(),
            schema: schema(&criteria, &options),
            // The scores are none of the facts'.
            numbers_from_facts: false,
        };
        let text = squeezed(judged.text());
        let answer: Answer = complete_json(&request, |answer: &Answer| {
            let mut found: Vec<String> = answer
                .doubts
                .iter()
                .filter(|doubt| !text.contains(&squeezed(&doubt.quote)))
                .map(|doubt| {
                    format!(
                        "`{}` does not stand in the text: quote it word for word",
                        doubt.quote
                    )
                })
                .collect();
            if answer.reason.trim().is_empty() {
                found.push("the reason is empty".to_owned());
            }
            found
        })?;
        Ok(yaml::document(&verdict(answer, &options)))
    }
}

/// What the model answers that compares two texts.
#[derive(Deserialize)]
struct Choice {
    reason: String,
    better: String,
}

/// Which of two texts is better.
fn compare(input: &Input, first: &str, second: &str, criteria: &str) -> Result<String, Failure> {
    if first == second {
        return Ok(choice("neither", "Both are the same."));
    }
    let mut facts = Map::new();
    facts.insert("first".to_owned(), json!(first));
    facts.insert("second".to_owned(), json!(second));
    facts.insert("facts".to_owned(), known(input)?);
    let schema = json!({
        "title": "comparison",
        "type": "object",
        "required": ["reason", "better"],
        "properties": {
            "reason": {"type": "string", "maxLength": 1000, "description": "What makes the difference"},
            "better": {"enum": ["first", "second", "neither"]},
        },
        "additionalProperties": false,
    });
    let request = JsonRequest {
        instructions: input.prompt("compare")?.fill(&[("criteria", criteria)])?,
        facts: Value::Object(facts),
        quoted: Vec::new(),
        images: input.images().to_vec(),
        schema,
        numbers_from_facts: false,
    };
    let answer: Choice = complete_json(&request, |_: &Choice| Vec::new())?;
    Ok(choice(&answer.better, answer.reason.trim()))
}

fn choice(better: &str, reason: &str) -> String {
    let file = [("better", json!(better)), ("reason", json!(reason))];
    let file = file.map(|(name, value)| (name.to_owned(), value));
    yaml::document(&file.into_iter().collect())
}

/// What is known of the record.
fn known(input: &Input) -> Result<Value, Failure> {
    let mut known = Map::new();
    known.insert("name".to_owned(), json!(input.name()));
    known.insert("category".to_owned(), json!(input.category()));
    let fields = input.all_fields()?;
    let of_category = input.all_category_fields()?;
    // The writer was given the digits, too.
    let mut digits = Digits::default();
    digits.read(&fields, input.fields_json());
    digits.read(&of_category, input.category_fields_json());
    known.extend(fields);
    if !of_category.is_empty() {
        known.insert("of the category".to_owned(), Value::Object(of_category));
    }
    digits.put_into(&mut known);
    Ok(Value::Object(known))
}

/// What the judge is told: the text, what is known of the record, and what was asked for.
fn facts(input: &Input, options: &Options, judged: &str, text: &str) -> Result<Value, Failure> {
    let mut facts = Map::new();
    facts.insert("text".to_owned(), json!(text));
    facts.insert("facts".to_owned(), known(input)?);
    if options.judge_prompts {
        let own = format!("{judged}.");
        let asked: Vec<&str> = input
            .prompts()
            .filter(|prompt| prompt.name.starts_with(&own))
            .map(|prompt| prompt.text)
            .collect();
        if !asked.is_empty() {
            facts.insert("asked for".to_owned(), json!(asked));
        }
    }
    Ok(Value::Object(facts))
}

/// Doubts come first: a model that has looked for them scores better.
fn schema(criteria: &[(&str, &str)], options: &Options) -> Value {
    let text = |description: &str, most: usize| json!({"type": "string", "maxLength": most, "description": description});
    let closed = |properties: Map<String, Value>| {
        let required: Vec<&String> = properties.keys().collect();
        json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
    };
    let score = json!({"type": "integer", "minimum": options.lowest, "maximum": options.highest});
    let scores: Map<String, Value> = criteria
        .iter()
        .map(|(name, _)| ((*name).to_owned(), score.clone()))
        .collect();
    let doubt: Map<String, Value> = [
        ("quote", text("The sentence, word for word", 1000)),
        ("why", text("Why it is doubted", 500)),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect();
    let whole: Map<String, Value> = [
        (
            "doubts",
            json!({"type": "array", "maxItems": MOST_DOUBTS, "items": closed(doubt)}),
        ),
        ("reason", text("What the writer has to change", 1000)),
        ("scores", closed(scores)),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect();
    let mut schema = closed(whole);
    if let Some(keywords) = schema.as_object_mut() {
        keywords.insert("title".to_owned(), json!("verdict"));
    }
    schema
}

/// The file.
fn verdict(answer: Answer, options: &Options) -> Map<String, Value> {
    let worst = answer
        .scores
        .values()
        .filter_map(Value::as_f64)
        .fold(f64::INFINITY, f64::min);
    let mut reason = answer.reason.trim().to_owned();
    for doubt in &answer.doubts {
        let quote = doubt.quote.trim();
        reason.push_str(&format!("\n\"{quote}\": {}", doubt.why.trim()));
    }
    let score = if worst.fract() == 0.0 {
        json!(worst as i64)
    } else {
        json!(worst)
    };
    [
        ("passes", json!(worst >= options.at_least)),
        ("score", score),
        ("scores", Value::Object(answer.scores)),
        ("reason", json!(reason)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

/// A text with one blank between its words, and without marks of Markdown: a quotation keeps neither.
fn squeezed(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|letter| !matches!(letter, '*' | '_' | '`' | '#'))
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

sdk::export!(Judge);

#[cfg(test)]
mod tests;
