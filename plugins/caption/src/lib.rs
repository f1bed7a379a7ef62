//! Caption of a picture before and after cleaning: two lines, each led by a bold label, of 40 to 60
//! words together. The model writes what is seen; the settings behind it are the record's, as many
//! as it takes to reach the fewest words, so that the model has much room and seldom misses it.

mod settings;

use materials::facts;
use materials::material::{Category, Material};
use sdk::{Component, Failure, Input, Map, TextRequest, Value, ask_text_checked};
use sdk::{markdown, mend, rules};
use settings::Settings;

/// Words of the whole caption, labels and settings included.
const FEWEST: usize = 40;
const MOST: usize = 60;

/// Words of the labels.
const LABELS: usize = 2;

/// Fewest words of what is seen, so that a caption is more than settings.
const SEEN: usize = 28;

/// The `caption` component.
pub struct Caption;

impl Component for Caption {
    fn generate(input: &Input) -> Result<String, Failure> {
        let material: Material = input.fields()?;
        let settings = Settings::of(&material);
        let [before, after] = ask(input, material, &settings)?;
        let words = LABELS + rules::words(&before) + rules::words(&after);
        let settings = settings.sentence(FEWEST.saturating_sub(words));
        let behind = settings.map(|text| format!(" {text}")).unwrap_or_default();
        let [before, after] = [before, after].map(|line| markdown::inline(&line));
        Ok(format!(
            "**Before:** {before}\n**After:** {after}{behind}\n"
        ))
    }
}

fn ask(input: &Input, mut material: Material, settings: &Settings) -> Result<[String; 2], Failure> {
    // The model is not told the settings, or it would say them too.
    material.laser.clear();
    let category: Category = input.category_fields()?;
    let facts = seen_first(facts::facts(input, &material, &category));
    let name = input.name();
    if !facts::tell(&facts) && settings.is_empty() {
        return Err(Failure::unsuitable_record(format!(
            "{name} has no facts that a caption could be made of"
        )));
    }
    let (with_few, with_all) = settings.words();
    let least = SEEN.max(FEWEST.saturating_sub(LABELS + with_all));
    let most = MOST.saturating_sub(LABELS + with_few);
    let instructions = input.prompt("write")?.fill(&[])?;
    let mut request = TextRequest::new(instructions, Value::Object(facts));
    request.rules.min_words = u32::try_from(least).ok();
    request.rules.max_words = u32::try_from(most).ok();
    request.rules.min_lines = Some(2);
    request.rules.max_lines = Some(2);
    request.rules.required_words = vec![name.to_owned()];
    request.rules.numbers_from_facts = true;
    request.rules.whole_sentences = true;
    let answer = ask_text_checked(&request, |text| check(text, least))?;
    seen(&answer).ok_or_else(|| Failure::component_fault("the answer has other than two lines"))
}

/// The facts in the order in which a caption wants them: what the surface is called comes last.
fn seen_first(facts: Map<String, Value>) -> Map<String, Value> {
    let (called, mut seen): (Vec<_>, Vec<_>) = facts
        .into_iter()
        .partition(|(key, _)| ["category", "kind", "formula"].contains(&key.as_str()));
    seen.sort_by_key(|(key, _)| !["name", "contaminants"].contains(&key.as_str()));
    seen.into_iter().chain(called).collect()
}

/// What the rules cannot say.
fn check(text: &str, least: usize) -> Vec<String> {
    let mut found = Vec::new();
    if let Some([before, after]) = seen(text) {
        let words = rules::words(&before) + rules::words(&after);
        if words < least && rules::words(text) >= least {
            found.push(format!(
                "without its labels the text has {words} words, must have at least {least}"
            ));
        }
        if !rules::ends_whole(&before) {
            found.push("the first line must end with a whole sentence".to_owned());
        }
    }
    found
}

/// The lines before and after, if there are two.
fn seen(text: &str) -> Option<[String; 2]> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let seen = [tidy(lines.next()?), tidy(lines.next()?)];
    lines.next().is_none().then_some(seen)
}

/// A line without a label, which this component writes itself.
fn tidy(line: &str) -> String {
    const LABELS: [&str; 4] = ["before", "after", "before cleaning", "after cleaning"];
    let line = mend::line(line);
    let behind = line.split_once(':').filter(|(label, _)| {
        let label = label.trim_matches(['-', '•', '*', '#', ' ']).to_lowercase();
        LABELS.contains(&label.as_str())
    });
    markdown::capitalized(behind.map_or(line.as_str(), |(_, text)| text).trim())
}

sdk::export!(Caption);

#[cfg(test)]
mod tests;
