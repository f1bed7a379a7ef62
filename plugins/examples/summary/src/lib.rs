//! Asks for a summary of the record and publishes whatever comes back, unless it is empty.

use sdk::{Component, Failure, Input, TextRequest, Value, ask_text, json};

/// The `summary` component.
pub struct Summary;

impl Component for Summary {
    fn generate(input: &Input) -> Result<String, Failure> {
        let fields: Value = input.fields()?;
        let facts = json!({"name": input.name(), "category": input.category(), "about": fields});
        let request = TextRequest::new(input.prompt("write")?.fill(&[])?, facts);
        Ok(format!("{}\n", ask_text(&request)?))
    }
}

sdk::export!(Summary);

#[cfg(test)]
mod tests;
