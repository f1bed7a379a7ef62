//! An article on cleaning the material with a laser. The title comes from the front matter and is
//! written by this component; the model writes what stands below it.

use materials::facts;

use sdk::{Component, Failure, Input, TextRequest, Value, ask_text, json, rules};
use serde::Deserialize;

/// The article's sections, in this order.
const HEADINGS: [&str; 3] = [
    "Contaminants and Where They Occur",
    "How It Responds to the Laser",
    "Settings and Practice",
];

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Options {
    min_words: u32,
    max_words: u32,
}

/// What is taken from the front matter.
#[derive(Deserialize)]
struct FrontMatter {
    title: String,
    description: String,
}

/// The `text` component.
pub struct Text;

impl Component for Text {
    fn generate(input: &Input) -> Result<String, Failure> {
        let options: Options = input.options()?;
        let page: FrontMatter = input.upstream("frontmatter")?.json()?;
        let title = page.title.trim();
        // The title counts as well, so that the whole file keeps the limit.
        let title_words = u32::try_from(rules::words(title)).unwrap_or(u32::MAX);
        let max_words = options.max_words.saturating_sub(title_words);
        if max_words < options.min_words {
            return Err(Failure::component_fault(format!(
                "the options: max-words {} leaves no room for min-words {} under a title of {title_words} words; \
                 raise max-words or lower min-words",
                options.max_words, options.min_words
            )));
        }
        let mut facts = facts::facts(input, &input.fields()?, &input.category_fields()?);
        facts.insert("description".to_owned(), json!(page.description));
        let instructions = input.prompt("write")?.fill(&[])?;
        let mut request = TextRequest::new(instructions, Value::Object(facts));
        request.drop_title = true;
        request.rules.min_words = Some(options.min_words);
        request.rules.max_words = Some(max_words);
        request.rules.required_words = vec![input.name().to_owned()];
        request.rules.headings = HEADINGS.map(str::to_owned).to_vec();
        request.rules.numbers_from_facts = true;
        request.rules.whole_sentences = true;
        Ok(format!("# {title}\n\n{}\n", ask_text(&request)?))
    }
}

sdk::export!(Text);

#[cfg(test)]
mod tests;
