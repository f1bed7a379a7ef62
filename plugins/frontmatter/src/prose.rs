//! What the model writes, and what makes it acceptable.

use materials::facts;
use materials::material::{Application, Category, Material};
use sdk::{Failure, Input, JsonRequest, Value, complete_json, json, markdown};
use serde::Deserialize;

use crate::MOST;

/// Fewest applications that a page shows, if the record names industries.
const FEWEST: usize = 2;

/// Keywords of a finished page.
const KEYWORDS: std::ops::RangeInclusive<usize> = 8..=12;

/// The JSON Schema of [`Answer`].
const SCHEMA: &str = include_str!("answer.json");

/// What is asked for.
#[derive(Deserialize)]
struct Answer {
    /// One line without a full stop.
    headline: String,
    /// One or two whole sentences for search results.
    description: String,
    /// Lower-case search phrases, no two alike.
    keywords: Vec<String>,
    /// One whole sentence for each of the facts' applications, in their order.
    applications: Vec<String>,
}

/// The prose of a page, ready to be published.
pub(crate) struct Prose {
    pub(crate) headline: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
    /// List of `industry`, `use` and `detail`.
    pub(crate) applications: Value,
}

/// Asks for the prose of a page about a material with its [`applications`].
pub(crate) fn ask(
    input: &Input,
    material: &Material,
    category: &Category,
    outcomes: &[Value],
) -> Result<Prose, Failure> {
    let applications = &material.applications;
    let mut facts = facts::facts(input, material, category);
    if !outcomes.is_empty() {
        facts.insert("outcomes".to_owned(), outcomes.into());
    }
    let instructions = input.prompt("write")?.fill(&[])?;
    let mut request = JsonRequest::new(instructions, Value::Object(facts), SCHEMA)?;
    let count = Value::from(applications.len());
    request.constrain("/properties/applications", "minItems", count.clone())?;
    request.constrain("/properties/applications", "maxItems", count)?;
    let answer: Answer = complete_json(&request, |answer: &Answer| check(input, answer))?;
    let with_detail = applications.iter().zip(&answer.applications).map(|(application, detail)| {
        let detail = sentence(&application.industry, detail);
        json!({ "industry": application.industry, "use": application.purpose, "detail": detail })
    });
    Ok(Prose {
        keywords: keywords(input, &answer.keywords),
        applications: with_detail.collect(),
        headline: answer.headline,
        description: answer.description,
    })
}

/// What the schema cannot say.
fn check(input: &Input, answer: &Answer) -> Vec<String> {
    let mut found = Vec::new();
    if !answer.description.ends_with(['.', '!', '?']) {
        found.push("description must end with a whole sentence".to_owned());
    }
    if !answer
        .description
        .to_lowercase()
        .contains(&input.name().to_lowercase())
    {
        found.push(format!(
            "description must name the material, {}",
            input.name()
        ));
    }
    let count = keywords(input, &answer.keywords).len();
    if !KEYWORDS.contains(&count) {
        let (min, max) = (KEYWORDS.start(), KEYWORDS.end());
        found.push(format!(
            "keywords has {count} different phrases, must have {min} to {max}"
        ));
    }
    found
}

/// The detail as a sentence: without the industry as a label in front, with a full stop.
fn sentence(industry: &str, detail: &str) -> String {
    let label = detail
        .strip_prefix(industry)
        .and_then(|rest| rest.strip_prefix(':'));
    let mut sentence = markdown::capitalized(label.unwrap_or(detail).trim());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// Two keywords that every page has and the model's, in lower case and each once.
fn keywords(input: &Input, answer: &[String]) -> Vec<String> {
    let name = input.name().to_lowercase();
    let mut keywords = vec![
        format!("{name} laser cleaning"),
        "laser ablation".to_owned(),
    ];
    for keyword in answer.iter().map(|keyword| keyword.trim().to_lowercase()) {
        if !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    keywords
}

/// The applications that a page shows: the record's; where they are too few, its other industries with cleaning in general.
pub(crate) fn applications(material: &Material) -> Vec<Application> {
    let mut applications: Vec<Application> =
        material.applications.iter().take(MOST).cloned().collect();
    for industry in &material.industries {
        if applications.len() >= FEWEST {
            break;
        }
        if !applications
            .iter()
            .any(|application| application.industry == *industry)
        {
            let purpose = "surface cleaning and preparation".to_owned();
            applications.push(Application {
                industry: industry.clone(),
                purpose,
            });
        }
    }
    applications
}
