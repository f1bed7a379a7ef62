//! Asks one question about the record and publishes the answer.

use sdk::{Component, Failure, Input, TextRequest, Value, ask_text, json};

/// The `new-plugin` component.
pub struct NewPlugin;

impl Component for NewPlugin {
    fn generate(input: &Input) -> Result<String, Failure> {
        let fields: Value = input.fields()?;
        let facts = json!({"name": input.name(), "category": input.category(), "about": fields});
        let mut request = TextRequest::new(input.prompt("write")?.fill(&[])?, facts);
        // What the answer must obey: the LLM is told, and an answer that breaks it goes back for repair.
        request.rules.min_words = Some(20);
        request.rules.max_words = Some(80);
        request.rules.numbers_from_facts = true;
        request.rules.whole_sentences = true;
        Ok(format!("{}\n", ask_text(&request)?))
    }
}

sdk::export!(NewPlugin);
