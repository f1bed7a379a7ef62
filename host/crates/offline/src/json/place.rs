//! Where a value stands in the answer, and what that suggests.

use serde_json::{Map, Value};

/// Where a value stands.
pub struct Place<'p> {
    /// Name of the property, or of the list that this is an item of.
    pub name: &'p str,
    /// Stems of its name and description.
    pub about: Vec<String>,
    /// The fact of the same name.
    pub fact: Option<&'p Value>,
    /// What this object of a list is about.
    pub focus: Option<&'p Focus>,
    /// This is itself an item of a list.
    pub item: bool,
    /// Where facts are looked up first.
    pub scope: &'p Map<String, Value>,
    /// Objects and lists around it.
    pub depth: usize,
}

impl<'p> Place<'p> {
    /// The answer itself.
    pub fn root(scope: &'p Map<String, Value>) -> Place<'p> {
        Place {
            name: "",
            about: Vec::new(),
            fact: None,
            focus: None,
            item: false,
            scope,
            depth: 0,
        }
    }
}

/// The one thing that an object of a list is about.
pub struct Focus {
    pub term: String,
    /// The list of facts that it comes from.
    pub label: Option<String>,
}

/// The kind of text that a name suggests.
pub enum Form {
    Title,
    Phrase,
    Sentences,
}

/// What the name of a property suggests.
pub fn form(name: &str) -> Form {
    const TITLES: [&str; 8] = [
        "title", "headline", "heading", "name", "label", "subject", "titles", "headings",
    ];
    const PHRASES: [&str; 20] = [
        "keyword",
        "keywords",
        "tag",
        "tags",
        "topic",
        "topics",
        "term",
        "terms",
        "slug",
        "type",
        "category",
        "unit",
        "id",
        "key",
        "kind",
        "code",
        "author",
        "industry",
        "industries",
        "status",
    ];
    let name = split_name(name);
    let last = name.rsplit(' ').next().unwrap_or_default();
    if TITLES.contains(&last) {
        Form::Title
    } else if PHRASES.contains(&last) {
        Form::Phrase
    } else {
        Form::Sentences
    }
}

/// Whether the text of this name speaks for the whole.
pub fn is_summary(name: &str) -> bool {
    const SUMMARIES: [&str; 7] = [
        "description",
        "summary",
        "abstract",
        "overview",
        "introduction",
        "text",
        "body",
    ];
    let name = split_name(name);
    SUMMARIES.iter().any(|summary| name.ends_with(summary))
}

/// `environmentalBenefits` and `environmental_benefits` as words.
pub fn split_name(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut lower_before = false;
    for c in name.chars() {
        if c == '_' || c == '-' {
            words.push(' ');
        } else {
            if c.is_uppercase() && lower_before {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase();
    }
    words
}

/// The fact of this name, here or deeper.
pub fn find<'f>(facts: &'f Map<String, Value>, name: &str) -> Option<&'f Value> {
    let wanted = plain(name);
    let mut here = facts.iter().filter(|(_, value)| !value.is_null());
    let found = here
        .find(|(key, _)| plain(key) == wanted)
        .map(|(_, value)| value);
    let mut deeper = facts.values().filter_map(Value::as_object);
    found.or_else(|| deeper.find_map(|inner| find(inner, name)))
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
