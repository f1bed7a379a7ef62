//! JSON that obeys a schema, filled from the facts.
//!
//! A property whose name is that of a fact gets the fact; every other one gets a text of the kind
//! that its name and description suggest. Items of a list differ from each other.

mod place;
mod scalar;
mod text;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::chance::Chance;
use super::facts::{self, FactValue};
use super::schema::{Kind, Work, kind, limit, resolve};
use super::voice::{Voice, overlap, stems};
use place::{Focus, Form, Place, find, form, split_name};

/// Nesting from which on only what is required is written, so that recursive schemas end.
const DEEP: usize = 6;
/// Nesting from which on nothing is written: what is required without end cannot be had.
const DEEPEST: usize = 40;
/// Most values and characters of an answer, whatever the schema asks for: a component may ask for
/// billions.
const MOST_VALUES: usize = 4_000;
const MOST_CHARS: usize = 1 << 17;
/// Items of a list where the schema leaves it open.
const ITEMS: usize = 3;

/// Writes a value that obeys the schema.
pub fn json(schema: &Value, voice: &Voice<'_>, chance: &mut Chance) -> Value {
    let mut writer = Writer {
        root: schema,
        voice,
        chance,
        said: HashSet::new(),
        vocabulary: HashMap::new(),
        values: 0,
        chars: 0,
        work: Work::default(),
    };
    writer.value(schema, &Place::root(&voice.facts.object), &HashSet::new())
}

struct Writer<'a, 'v, 'f> {
    root: &'a Value,
    voice: &'v Voice<'f>,
    chance: &'v mut Chance,
    /// Sentences, titles and terms that stand elsewhere in the answer already.
    said: HashSet<String>,
    /// Phrases by what they are to be about: the same for every item of a list.
    vocabulary: HashMap<Vec<String>, Vec<String>>,
    /// Values and characters written.
    values: usize,
    chars: usize,
    /// What may still be copied of the schema.
    work: Work,
}

impl Writer<'_, '_, '_> {
    /// Writes a value that is not among the `taken` (as JSON text), if there is another.
    fn value(&mut self, schema: &Value, place: &Place<'_>, taken: &HashSet<String>) -> Value {
        self.values += 1;
        if place.depth > DEEPEST || self.full() {
            return Value::Null;
        }
        let shallow = place.depth > DEEP;
        let root = self.root;
        let schema = resolve(root, schema, shallow, &self.work);
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(members) = schema.get("enum").and_then(Value::as_array) {
            return self.member(members, place, taken);
        }
        match kind(&schema, shallow) {
            Kind::Null => Value::Null,
            Kind::Boolean => Value::Bool(!taken.contains("true")),
            Kind::Integer => self.number(&schema, place, true, taken),
            Kind::Number => self.number(&schema, place, false, taken),
            Kind::String => self.string(&schema, place, taken),
            Kind::Array => self.array(&schema, place),
            Kind::Object => self.object(&schema, place),
        }
    }

    fn full(&self) -> bool {
        self.values > MOST_VALUES || self.chars > MOST_CHARS
    }

    fn object(&mut self, schema: &Value, place: &Place<'_>) -> Value {
        let empty = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let required: Vec<&str> = required.filter_map(Value::as_str).collect();
        let needed: HashSet<&str> = required.iter().copied().collect();
        let scope = place.fact.and_then(Value::as_object).unwrap_or(place.scope);
        let open = schema
            .get("additionalProperties")
            .filter(|schema| schema.is_object());
        let any = Value::Bool(true);
        let extra = required
            .iter()
            .filter(|name| !properties.contains_key(**name));
        let extra = extra.map(|name| (*name, open.unwrap_or(&any)));
        let named = properties
            .iter()
            .map(|(name, schema)| (name.as_str(), schema));
        let mut object = Map::new();
        for (name, schema) in named.chain(extra) {
            if self.full() && needed.contains(name) {
                object.insert(name.to_owned(), Value::Null);
                continue;
            }
            if (place.depth > DEEP || self.full()) && !needed.contains(name) {
                continue;
            }
            let mut about = stems(&split_name(name));
            let described = schema.get("description").and_then(Value::as_str);
            about.extend(described.into_iter().flat_map(stems));
            let inner = Place {
                name,
                about,
                fact: find(scope, name).or_else(|| find(&self.voice.facts.object, name)),
                focus: place.focus,
                item: false,
                scope,
                depth: place.depth + 1,
            };
            let value = self.value(schema, &inner, &HashSet::new());
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    fn array(&mut self, schema: &Value, place: &Place<'_>) -> Value {
        let any = Value::Bool(true);
        let items = schema.get("items").unwrap_or(&any);
        let given = place.fact.and_then(Value::as_array);
        let given = given.map(Vec::as_slice).unwrap_or_default();
        let min = limit(schema, "minItems").unwrap_or(0);
        let max = limit(schema, "maxItems").unwrap_or(usize::MAX);
        let wanted = match (min, max) {
            _ if place.depth > DEEP => min,
            (0, usize::MAX) if !given.is_empty() => given.len(),
            (0, most) => most.min(ITEMS),
            (least, usize::MAX) => least,
            (least, most) => least + most.saturating_sub(least).div_ceil(2),
        };
        let unique = schema
            .get("uniqueItems")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let focuses = self.focuses(items, place, wanted);
        let mut list: Vec<Value> = Vec::new();
        let mut taken: HashSet<String> = HashSet::new();
        for at in 0..wanted {
            if self.full() {
                break;
            }
            let inner = Place {
                name: place.name,
                about: place.about.clone(),
                fact: given.get(at),
                focus: focuses.get(at).or(place.focus),
                item: true,
                scope: given
                    .get(at)
                    .and_then(Value::as_object)
                    .unwrap_or(place.scope),
                depth: place.depth + 1,
            };
            let value = self.value(items, &inner, &taken);
            let new = taken.insert(value.to_string());
            if !new && (unique || list.len() >= min) {
                break;
            }
            list.push(value);
        }
        Value::Array(list)
    }

    /// What the items of a list may be about: the facts of its name, else the lists of facts that fit
    /// best, else the names of facts. Lists of keywords and titles are not about one thing each.
    fn focuses(&mut self, items: &Value, place: &Place<'_>, wanted: usize) -> Vec<Focus> {
        let items = resolve(self.root, items, false, &self.work);
        let objects = kind(&items, false) == Kind::Object;
        if !objects && !matches!(form(place.name), Form::Sentences) {
            return Vec::new();
        }
        let mut about = place.about.clone();
        let properties = items.get("properties").and_then(Value::as_object);
        let names = properties.into_iter().flat_map(Map::keys);
        about.extend(names.flat_map(|name| stems(&split_name(name))));

        let named = place.fact.and_then(Value::as_array).into_iter().flatten();
        let named = named.filter_map(facts::item);
        let mut focuses: Vec<Focus> = named
            .map(|term| Focus {
                term,
                label: Some(split_name(place.name)),
            })
            .collect();
        let mut lists: Vec<(usize, &str, &Vec<String>)> = Vec::new();
        for fact in &self.voice.facts.facts {
            if let FactValue::Items(items) = &fact.value {
                lists.push((overlap(&about, &stems(&fact.label)), &fact.label, items));
            }
        }
        // Where no list fits, those come first that were not spoken of yet.
        lists.sort_by_key(|(score, _, items)| {
            let said = items
                .iter()
                .filter(|item| self.said.contains(*item))
                .count();
            (std::cmp::Reverse(*score), said)
        });
        for (_, label, items) in lists {
            let label = Some(label.to_owned());
            let listed = items.iter().map(|term| Focus {
                term: term.clone(),
                label: label.clone(),
            });
            focuses.extend(listed);
        }
        let labels = self.voice.labels.iter();
        focuses.extend(labels.map(|label| Focus {
            term: label.clone(),
            label: None,
        }));
        let mut seen = HashSet::new();
        focuses.retain(|focus| seen.insert(focus.term.to_lowercase()));
        focuses.truncate(wanted);
        self.said
            .extend(focuses.iter().map(|focus| focus.term.clone()));
        focuses
    }
}
