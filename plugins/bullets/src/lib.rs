//! Four to six points on cleaning the material, a line `• **Label**: sentence` each. The model writes
//! labels and sentences; numbers in them are the record's.

use materials::facts;
use materials::material::{Category, Material};
use sdk::{Component, Failure, Input, JsonRequest, Value, complete_json};
use sdk::{markdown, mend, rules};
use serde::Deserialize;

/// Points, each with a label of its own.
const POINTS: std::ops::RangeInclusive<usize> = 4..=6;

/// Characters of a sentence on average. A single one may be somewhat longer.
const AVERAGE: std::ops::RangeInclusive<usize> = 30..=150;

/// Most words of a label.
const LABEL_WORDS: usize = 4;

/// The JSON Schema of [`Answer`].
const SCHEMA: &str = include_str!("answer.json");

/// What is asked for.
#[derive(Deserialize)]
struct Answer {
    /// Contaminants and whatever else matters, the most telling first.
    points: Vec<Point>,
}

#[derive(Deserialize)]
struct Point {
    /// One to three words, no two points alike.
    label: String,
    /// One whole sentence of 10 to 20 words.
    sentence: String,
}

/// The `bullets` component.
pub struct Bullets;

impl Component for Bullets {
    fn generate(input: &Input) -> Result<String, Failure> {
        let material: Material = input.fields()?;
        let category: Category = input.category_fields()?;
        let facts = facts::facts(input, &material, &category);
        if !facts::tell(&facts) {
            let name = input.name();
            return Err(Failure::unsuitable_record(format!(
                "{name} has no facts that points could be made of"
            )));
        }
        let instructions = input.prompt("write")?.fill(&[])?;
        let request = JsonRequest::new(instructions, Value::Object(facts), SCHEMA)?;
        let answer: Answer =
            complete_json(&request, |answer: &Answer| check(input, &mended(answer)))?;
        Ok(mended(&answer).iter().map(render).collect())
    }
}

/// The points as plain lines: a label without its colon, a sentence without its label, and of points
/// with the same label the first.
fn mended(answer: &Answer) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for Point { label, sentence } in &answer.points {
        let (label, sentence) = (mend::line(label), mend::line(sentence));
        let label = label.trim_start_matches(['•', '-', ' ']);
        let label = label.trim_end_matches([':', '.', ' ']);
        let same = |point: &Point| point.label.to_lowercase() == label.to_lowercase();
        if points.iter().any(same) {
            continue;
        }
        let behind = sentence.strip_prefix(label);
        let behind = behind.and_then(|rest| rest.strip_prefix(':'));
        points.push(Point {
            label: markdown::capitalized(label),
            sentence: markdown::capitalized(behind.unwrap_or(&sentence).trim()),
        });
    }
    points
}

/// What the schema cannot say.
fn check(input: &Input, points: &[Point]) -> Vec<String> {
    let mut found = Vec::new();
    let count = points.len();
    if !POINTS.contains(&count) {
        let (min, max) = (POINTS.start(), POINTS.end());
        found.push(format!(
            "the points have {count} different labels, must have {min} to {max}: no two may be alike"
        ));
    }
    for Point { label, sentence } in points {
        let words = rules::words(label);
        if !(1..=LABEL_WORDS).contains(&words) {
            found.push(format!(
                "the label \"{label}\" has {words} words, must have 1 to {LABEL_WORDS}"
            ));
        }
        if !rules::ends_whole(sentence) {
            found.push(format!(
                "the sentence behind \"{label}\" must be whole and end with a full stop"
            ));
        }
    }
    let chars = points.iter().map(|point| point.sentence.chars().count());
    let average = chars.sum::<usize>() / count.max(1);
    if !AVERAGE.contains(&average) {
        let (min, max) = (AVERAGE.start(), AVERAGE.end());
        found.push(format!(
            "the sentences have {average} characters on average, must have {min} to {max}"
        ));
    }
    let named = |point: &Point| rules::occurs(input.name(), &point.sentence);
    if !points.iter().any(named) {
        found.push(format!(
            "at least one sentence must name the material, {}",
            input.name()
        ));
    }
    found
}

fn render(point: &Point) -> String {
    let (label, sentence) = (
        markdown::inline(&point.label),
        markdown::inline(&point.sentence),
    );
    format!("• **{label}**: {sentence}\n")
}

sdk::export!(Bullets);

#[cfg(test)]
mod tests;
