//! The rules of the configuration: what of them is told with the question, what this plugin checks itself, and how
//! they read on an answer that is an object.

use regex_lite::Regex;
use sdk::{Failure, Map, Rules, Value};

use crate::Options;
use crate::given::Given;

/// Rules that the contract does not have: characters and regular expressions.
pub struct Patterns {
    min_characters: Option<usize>,
    max_characters: Option<usize>,
    must: Vec<Regex>,
    must_not: Vec<Regex>,
}

impl Patterns {
    /// Reads them.
    ///
    /// # Errors
    /// A component fault, if one is no regular expression.
    pub fn read(options: &Options) -> Result<Patterns, Failure> {
        let compile = |key: &str, patterns: &[String]| {
            let compiled = patterns.iter().map(|pattern| {
                Regex::new(pattern).map_err(|why| {
                    Failure::component_fault(format!("options.{key}: `{pattern}`: {why}"))
                })
            });
            compiled.collect::<Result<Vec<Regex>, Failure>>()
        };
        Ok(Patterns {
            min_characters: options.min_characters,
            max_characters: options.max_characters,
            must: compile("must-match", &options.must_match)?,
            must_not: compile("must-not-match", &options.must_not_match)?,
        })
    }

    /// As the model is told them, a line each.
    pub fn in_words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(wanted) = span(self.min_characters, self.max_characters) {
            lines.push(format!("- {wanted} characters, spaces included."));
        }
        let must = self.must.iter();
        lines.extend(
            must.map(|regex| format!("- The regular expression `{regex}` must be found in it.")),
        );
        let must_not = self.must_not.iter();
        lines.extend(
            must_not.map(|regex| {
                format!("- The regular expression `{regex}` must not be found in it.")
            }),
        );
        lines
    }

    /// Those that a text breaks, one each.
    pub fn violations(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let characters = text.chars().count();
        let few = self.min_characters.is_some_and(|min| characters < min);
        if (few || self.max_characters.is_some_and(|max| characters > max))
            && let Some(wanted) = span(self.min_characters, self.max_characters)
        {
            found.push(format!(
                "the text has {characters} characters, must have {}",
                wanted.to_lowercase()
            ));
        }
        for regex in self.must.iter().filter(|regex| !regex.is_match(text)) {
            found.push(format!(
                "the regular expression `{regex}` must be found in the text"
            ));
        }
        for regex in &self.must_not {
            if let Some(there) = regex.find(text) {
                found.push(format!(
                    "the text must not have \"{}\", which the regular expression `{regex}` finds",
                    there.as_str()
                ));
            }
        }
        found
    }
}

/// Those of the contract; words that are required may name the record.
///
/// # Errors
/// Those of [`Given::fill`].
pub fn told(options: &Options, given: &Given) -> Result<Rules, Failure> {
    let words = options.required_words.iter();
    let words = words.map(|phrase| given.fill("options.required-words", phrase));
    Ok(Rules {
        min_words: options.min_words,
        max_words: options.max_words,
        min_lines: options.min_lines,
        max_lines: options.max_lines,
        required_words: words.collect::<Result<_, _>>()?,
        headings: options.headings.clone(),
        numbers_from_facts: options.numbers_from_facts,
        whole_sentences: options.whole_sentences,
    })
}

/// Those of them that the host does not tell with a question for an object.
pub fn in_words(rules: &Rules) -> Vec<String> {
    let mut lines = Vec::new();
    for (unit, min, max) in [
        ("words", rules.min_words, rules.max_words),
        ("lines", rules.min_lines, rules.max_lines),
    ] {
        if let Some(wanted) = span(min, max) {
            lines.push(format!("- {wanted} {unit} in all its texts together."));
        }
    }
    if !rules.required_words.is_empty() {
        lines.push(format!(
            "- Use each of these: {}.",
            rules.required_words.join(" | ")
        ));
    }
    lines
}

/// Those that count for the texts of an object; its numbers are checked text by text already.
pub fn of_texts(rules: &Rules) -> Rules {
    Rules {
        numbers_from_facts: false,
        ..rules.clone()
    }
}

/// The texts of an object, a line each: what rules look at in it.
pub fn texts(object: &Map<String, Value>) -> String {
    let mut lines = Vec::new();
    object.values().for_each(|value| collect(value, &mut lines));
    lines.join("\n")
}

fn collect<'a>(value: &'a Value, lines: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => lines.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, lines)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, lines)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn span<N: std::fmt::Display>(min: Option<N>, max: Option<N>) -> Option<String> {
    match (min, max) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}")),
        (Some(min), None) => Some(format!("At least {min}")),
        (None, Some(max)) => Some(format!("At most {max}")),
        (None, None) => None,
    }
}
