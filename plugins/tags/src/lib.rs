//! Eight tags in one line. Five are fixed; the model chooses three from candidates that are computed
//! from the record, so that it can invent none.

mod candidates;

use materials::facts;
use materials::material::{Category, Material};
use sdk::{Component, Failure, Input, JsonRequest, Value, complete_json, json};
use serde::Deserialize;

/// What every page has, behind the material itself.
const FIXED: [&str; 4] = ["laser", "cleaning", "ablation", "non-contact"];

/// How many the model chooses.
const CHOSEN: usize = 3;

/// The JSON Schema of [`Choice`].
const SCHEMA: &str = include_str!("answer.json");

#[derive(Deserialize)]
struct Choice {
    /// The three most telling tags, each once.
    tags: Vec<String>,
}

/// The `tags` component.
pub struct Tags;

impl Component for Tags {
    fn generate(input: &Input) -> Result<String, Failure> {
        let material: Material = input.fields()?;
        let subject = sdk::markdown::slug(input.name());
        let candidates = candidates::candidates(&subject, input.category(), &material);
        let mut tags = vec![subject];
        tags.extend(FIXED.map(str::to_owned));
        tags.extend(choose(input, &material, &candidates)?);
        Ok(format!("{}\n", tags.join(", ")))
    }
}

fn choose(
    input: &Input,
    material: &Material,
    candidates: &[String],
) -> Result<Vec<String>, Failure> {
    if candidates.len() <= CHOSEN {
        return Ok(candidates.to_vec());
    }
    let facts = facts::facts(input, material, &Category::default());
    let instructions = input.prompt("write")?.fill(&[])?;
    let mut request = JsonRequest::new(instructions, Value::Object(facts), SCHEMA)?;
    request.constrain("/properties/tags", "minItems", json!(CHOSEN))?;
    request.constrain("/properties/tags", "maxItems", json!(CHOSEN))?;
    request.constrain("/properties/tags/items", "enum", json!(candidates))?;
    // The schema admits nothing but candidates, so digits in them are no claims.
    request.numbers_from_facts = false;
    let choice: Choice = complete_json(&request, |_| Vec::new())?;
    Ok(choice.tags)
}

sdk::export!(Tags);

#[cfg(test)]
mod tests;
