//! The facts of a request as a flat list: a label, the group that it stands in, and its value.
//!
//! `name` is the subject. Values are kept as they are written, units and all, and nothing is
//! computed from them. What says nothing (null, empty text, "None") is not a fact.

use serde_json::{Map, Value};

/// The facts of one request.
pub struct Facts {
    pub name: Option<String>,
    /// In the order of the request.
    pub facts: Vec<Fact>,
    /// The request's own object, for looking up a value by its label.
    pub object: Map<String, Value>,
    /// How many sentences, at the beginning, say what is seen.
    pub seen: usize,
}

/// One thing that is known.
pub struct Fact {
    /// The label of the object that it stands in, or the name of the list item.
    pub group: Option<String>,
    /// The group is one of several things, and this is true of that one only.
    pub of_item: bool,
    /// Lower case, with spaces.
    pub label: String,
    pub value: FactValue,
}

/// The value of a fact.
pub enum FactValue {
    /// A number or a short text, with its unit.
    Text(String),
    /// A list of short texts.
    Items(Vec<String>),
    Sentences(Vec<String>),
}

impl FactValue {
    /// The value as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            FactValue::Text(text) => Value::from(text.as_str()),
            FactValue::Items(items) | FactValue::Sentences(items) => Value::from(items.clone()),
        }
    }
}

impl Facts {
    /// Reads the facts of a request; anything but an object holds none.
    pub fn read(value: Value) -> Facts {
        let object = match value {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        let name = object.get("name").and_then(text);
        let mut facts = Facts {
            name,
            facts: Vec::new(),
            object: Map::new(),
            seen: 0,
        };
        for (key, value) in object.iter().filter(|(key, _)| *key != "name") {
            facts.add(Group::None, key, value);
        }
        facts.object = object;
        facts
    }

    /// Adds what is seen, in front of what is told.
    pub fn see(&mut self, sentences: Vec<String>) {
        if sentences.is_empty() {
            return;
        }
        self.seen = sentences.len();
        let seen = Fact {
            group: None,
            of_item: false,
            label: "pictures".to_owned(),
            value: FactValue::Sentences(sentences),
        };
        self.facts.insert(0, seen);
    }

    fn add(&mut self, group: Group<'_>, key: &str, value: &Value) {
        let label = label(key);
        match value {
            Value::Object(fields) => {
                let inner = match group {
                    Group::Item(_) => group,
                    _ if SAYING_NOTHING.contains(&label.as_str()) => Group::None,
                    _ => Group::Object(&label),
                };
                for (key, value) in fields {
                    self.add(inner, key, value);
                }
            }
            Value::Array(items) => self.add_list(group, &label, items),
            _ => {
                if let Some(text) = text(value) {
                    let value = match sentences(&text) {
                        Some(sentences) => FactValue::Sentences(sentences),
                        None => FactValue::Text(text),
                    };
                    self.push(group, &label, value);
                }
            }
        }
    }

    fn add_list(&mut self, group: Group<'_>, label: &str, items: &[Value]) {
        let mut short = Vec::new();
        let mut long = Vec::new();
        let mut details = Vec::new();
        for value in items {
            let name = item(value);
            if let Value::Object(fields) = value {
                let told = name.as_deref().unwrap_or_default();
                let inner = name.clone();
                for (field, value) in fields {
                    if text(value).is_none_or(|text| !told.contains(&text)) {
                        details.push((inner.clone(), field.as_str(), value));
                    }
                }
                short.extend(name);
            } else if let Some(name) = name {
                match sentences(&name) {
                    Some(sentences) => long.extend(sentences),
                    None => short.push(name),
                }
            }
        }
        if !short.is_empty() {
            self.push(group, label, FactValue::Items(short));
        }
        if !long.is_empty() {
            self.push(group, label, FactValue::Sentences(long));
        }
        for (name, field, value) in details {
            self.add(
                name.as_deref().map_or(Group::Object(label), Group::Item),
                field,
                value,
            );
        }
    }

    fn push(&mut self, group: Group<'_>, label: &str, value: FactValue) {
        let (group, of_item) = match group {
            Group::None => (None, false),
            Group::Object(label) => (Some(label.to_owned()), false),
            Group::Item(name) => (Some(name.to_owned()), true),
        };
        self.facts.push(Fact {
            group,
            of_item,
            label: label.to_owned(),
            value,
        });
    }
}

/// What a fact stands in.
#[derive(Clone, Copy)]
enum Group<'g> {
    None,
    /// An object with this label.
    Object(&'g str),
    /// An object of a list, with this name.
    Item(&'g str),
}

/// Labels of objects that say nothing of what is in them.
const SAYING_NOTHING: [&str; 6] = ["about", "data", "details", "facts", "fields", "record"];

/// An item of a list as one line of text. Of an object it is the name, or its first text; if it has
/// just two texts, it is both.
pub fn item(value: &Value) -> Option<String> {
    let Value::Object(fields) = value else {
        return text(value);
    };
    let mut named = ["name", "label", "title"].iter();
    if let Some(name) = named.find_map(|key| text(fields.get(*key)?)) {
        return Some(name);
    }
    let mut texts = fields.values();
    let first = text(texts.next()?)?;
    match (texts.next().and_then(text), texts.next()) {
        (Some(second), None) => Some(format!("{first}: {second}")),
        _ => Some(first),
    }
}

/// A scalar as one line of text, if it says anything.
pub fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let empty = ["", "none", "null", "n/a", "nan", "-", "–"]
        .iter()
        .any(|nothing| text.eq_ignore_ascii_case(nothing));
    (!empty).then_some(text)
}

/// A key as words: `melting_point` is "melting point". Abbreviations keep their capitals, and so
/// does a label that was written for people, such as "Young's modulus".
pub fn label(key: &str) -> String {
    let capital = |word: &str| word.starts_with(char::is_uppercase);
    let for_people = key.contains(' ') && !key.split_whitespace().all(capital);
    let words = key.split(|c: char| c == '_' || c.is_whitespace());
    let words = words.filter(|word| !word.is_empty()).map(|word| {
        if for_people || word.chars().skip(1).any(char::is_uppercase) {
            word.to_owned()
        } else {
            word.to_lowercase()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The sentences of a text that consists of whole ones.
fn sentences(text: &str) -> Option<Vec<String>> {
    let whole = text.ends_with(['.', '!', '?']) || text.ends_with(".)") || text.ends_with(".\"");
    let starts = text
        .chars()
        .next()
        .is_some_and(|c| c.is_uppercase() || c.is_numeric());
    if !whole || !starts || text.split_whitespace().nth(2).is_none() {
        return None;
    }
    let mut sentences: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
        // "e.g." and initials end with a full stop too, so only a word of some length ends a sentence.
        let ends = word.ends_with(['.', '!', '?']) && word.chars().count() > 4;
        let next_starts = words
            .peek()
            .is_none_or(|next| next.chars().next().is_some_and(char::is_uppercase));
        if ends && next_starts {
            sentences.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        match sentences.last_mut() {
            Some(last) => {
                last.push(' ');
                last.push_str(&current);
            }
            None => sentences.push(current),
        }
    }
    Some(sentences)
}
