//! What the component is given: as the values of a template, and as the facts of its question.

use std::sync::Arc;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use sdk::ask::Path as FactPath;
use sdk::digits::Digits;
use sdk::{Failure, Input, Map, Value, json};

use crate::digits;
use crate::plain;
use crate::quoted;
use crate::values::{Node, ROOTS, Values};

/// Everything that a template may name.
pub struct Given {
    values: Arc<Values>,
    digits: Digits,
}

impl Given {
    /// Reads it. A value that is `null` is absent.
    ///
    /// # Errors
    /// An unsuitable record, if its fields are no objects.
    pub fn read(input: &Input) -> Result<Given, Failure> {
        let mut record = input.all_fields()?;
        let mut category = input.all_category_fields()?;
        let mut digits = Digits::default();
        digits.read(&record, input.fields_json());
        digits.read(&category, input.category_fields_json());
        let label = label(&record, input.category()).unwrap_or_else(|| json!(input.category()));
        let mut hidden = Map::new();
        for (key, mapped) in [
            ("id", json!(input.id())),
            ("name", json!(input.name())),
            ("category", label),
        ] {
            if let Some(own) = record.insert(key.to_owned(), mapped) {
                hidden.insert(key.to_owned(), own);
            }
        }
        category.insert("id".to_owned(), json!(input.category()));
        let upstreams = input.upstreams().map(|upstream| {
            let mut file = Map::new();
            file.insert("text".to_owned(), json!(upstream.text()));
            if let Some(data) = upstream.value() {
                file.insert("data".to_owned(), data);
            }
            (upstream.component().to_owned(), Value::Object(file))
        });
        let site = input.site();
        let site = json!({"base_url": site.base_url, "name": site.name, "locale": site.locale});
        let values = Values::new(
            [
                ("record", Value::Object(record)),
                ("category", Value::Object(category)),
                ("upstream", Value::Object(upstreams.collect())),
                ("site", site),
            ],
            hidden,
        );
        Ok(Given {
            values: Arc::new(values),
            digits,
        })
    }

    /// What is known of the record, and which of it need not be told since the filled template quotes it.
    pub fn into_facts(self, filled: &str) -> (Value, Vec<FactPath>) {
        let mut values = Arc::unwrap_or_clone(self.values);
        let mut record = values.take("record");
        let mut take = |key: &str| record.get_mut(key).map(Value::take).unwrap_or_default();
        let mut facts = Map::new();
        facts.insert("name".to_owned(), take("name"));
        facts.insert("category".to_owned(), take("category"));
        for (name, value) in values.own_of(record) {
            // A field of the record's own that is called so is not what it is called by.
            let key = match facts.get(&name) {
                Some(mapped) if !says_the_same(mapped, &value) => format!("{name} (field)"),
                _ => name,
            };
            facts.insert(key, value);
        }
        let mut category = values.take("category");
        category.shift_remove("id");
        if !category.is_empty() {
            facts.insert("of the category".to_owned(), Value::Object(category));
        }
        self.digits.put_into(&mut facts);
        let mut files = Vec::new();
        for (component, mut file) in values.take("upstream") {
            let text = file.get_mut("text").map(Value::take).unwrap_or_default();
            if text
                .as_str()
                .is_some_and(|text| quoted::is_in(filled, text))
            {
                files.push(vec![component.clone()]);
            }
            let data = file.get_mut("data").map(Value::take);
            facts.insert(component, data.unwrap_or(text));
        }
        let mut quoted = quoted::texts(&facts, filled);
        quoted.extend(files);
        (Value::Object(facts), quoted)
    }

    /// Fills a template. `key` is where it stands in the component's configuration.
    ///
    /// # Errors
    /// An unsuitable record, if a value is put in that it has not, or that is of another kind; a component fault otherwise. Both name the place.
    pub fn fill(&self, key: &str, template: &str) -> Result<String, Failure> {
        if let Some(filled) = plain::fill(template.trim(), &self.values) {
            return Ok(filled);
        }
        let values = minijinja::Value::from_object(Node::root(Arc::clone(&self.values)));
        let render = |mut environment: Environment<'_>| {
            environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
            let digits = self.digits.clone();
            environment
                .set_formatter(move |out, state, value| digits::format(&digits, out, state, value));
            environment.render_str(template.trim(), values.clone())
        };
        // The language has many filters, tests and functions, which take longer to set up than most templates to fill. A
        // template that needs one of them fails without.
        let filled = if template.contains('|') {
            render(Environment::new())
        } else {
            render(Environment::empty()).or_else(|_| render(Environment::new()))
        };
        filled.map_err(|error| {
            let line = error
                .line()
                .map_or_else(String::new, |line| format!("line {line}: "));
            let what = error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            let there = placed(template, &error).unwrap_or_default();
            // Nothing here names the record: one cause of many records is one line of a list.
            match error.kind() {
                ErrorKind::UndefinedError => {
                    let place = error.line().map_or_else(
                        || key.to_owned(),
                        |line| format!("{key}, line {line}"),
                    );
                    Failure::unsuitable_record(self.absent(&place, there, template, &what))
                }
                ErrorKind::InvalidOperation | ErrorKind::CannotUnpack => {
                    Failure::unsuitable_record(format!(
                        "{key}: {line}{what}: a value is not of the kind that is needed here ({there})"
                    ))
                }
                _ => Failure::component_fault(format!("{key}: {line}{what}")),
            }
        })
    }

    /// Says which value is absent, and how a template does without it.
    fn absent(&self, place: &str, line: &str, template: &str, what: &str) -> String {
        let mut paths = paths(line).into_iter().chain(paths(template));
        let Some(path) = paths.find(|path| path.is_absent(&self.values)) else {
            return format!(
                "{place}: {what} ({line}); put it between {{% if ... %}} and {{% endif %}}, which asks for it first"
            );
        };
        let expression = path.expression;
        let named = match path.keys.as_slice() {
            [root, field @ ..] if root == "record" => {
                format!("the field `{}` is empty", field.join("."))
            }
            [root, field @ ..] if root == "category" => {
                format!("the field `{}` of the category is empty", field.join("."))
            }
            [root, name, _, field @ ..] if root == "upstream" && !field.is_empty() => {
                format!("`{}` in the file of `{name}` is empty", field.join("."))
            }
            _ => format!("`{expression}` is empty"),
        };
        format!(
            "{named} ({place}); {{% if {expression} %}}...{{% endif %}} around what needs it leaves that out"
        )
    }
}

/// Something that a template names, such as `record["Variant Price"].amount`.
struct Path<'a> {
    expression: &'a str,
    keys: Vec<String>,
}

impl Path<'_> {
    fn is_absent(&self, values: &Values) -> bool {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        !values.has(&keys)
    }
}

/// What the tags in a text of a template name, in their order.
fn paths(text: &str) -> Vec<Path<'_>> {
    let mut found = Vec::new();
    for (start, root) in ROOTS.iter().flat_map(|root| text.match_indices(root)) {
        let before = text.get(..start).unwrap_or_default();
        let in_tag =
            before.rfind("{{").max(before.rfind("{%")) > before.rfind("}}").max(before.rfind("%}"));
        let begins = !before.ends_with(|letter: char| {
            letter.is_alphanumeric() || matches!(letter, '_' | '.' | '"' | '\'')
        });
        let mut end = start + root.len();
        let mut keys = vec![(*root).to_owned()];
        while let Some((key, length)) = text.get(end..).and_then(plain::key) {
            keys.push(key.to_owned());
            end += length;
        }
        if in_tag && begins && keys.len() > 1 {
            found.push((
                start,
                Path {
                    expression: text.get(start..end).unwrap_or_default(),
                    keys,
                },
            ));
        }
    }
    found.sort_by_key(|(start, _)| *start);
    found.into_iter().map(|(_, path)| path).collect()
}

/// Whether a field says the same as what was made of it for a file name: `Home & Garden` and `home-garden`.
fn says_the_same(mapped: &Value, field: &Value) -> bool {
    let (Some(mapped), Some(field)) = (mapped.as_str(), field.as_str()) else {
        return mapped == field;
    };
    let letters = |text: &str| -> String {
        let text = text.to_lowercase();
        text.chars().filter(char::is_ascii_alphanumeric).collect()
    };
    mapped == field || letters(mapped) == letters(field)
}

/// The label of a category has at most so many times the bytes of its id.
const LABEL: usize = 16;

/// The category as the dataset has it: `Home & Garden` where the id is `home-garden`.
fn label(own: &Map<String, Value>, id: &str) -> Option<Value> {
    // A text that is much longer is none, and to read all of it would take long.
    let longest = LABEL.saturating_mul(id.len().max(1));
    let id = Value::from(id);
    let is_label = |value: &&Value| {
        value.as_str().is_some_and(|text| text.len() <= longest)
            && **value != id
            && (says_the_same(&id, value) || is_transliterated(value, &id))
    };
    let called_so = own.get("category").filter(is_label);
    called_so.or_else(|| own.values().find(is_label)).cloned()
}

/// Whether an id was made of a text with some letters of other scripts: `moebel-co` of `M\u{f6}bel & Co`.
fn is_transliterated(text: &Value, id: &Value) -> bool {
    let (Some(text), Some(id)) = (text.as_str(), id.as_str()) else {
        return false;
    };
    let text: Vec<char> = text
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect();
    let plain = text.iter().filter(|letter| letter.is_ascii());
    let mut letters = id.chars().filter(char::is_ascii_alphanumeric);
    let is_near = plain.clone().count() < text.len()
        && plain.clone().count() * 2 >= text.len()
        && letters.clone().count() < text.len() * 2;
    let mut plain = plain;
    is_near && plain.all(|letter| letters.any(|other| other == *letter))
}

/// The line of the template in which it went wrong.
fn placed<'a>(template: &'a str, error: &minijinja::Error) -> Option<&'a str> {
    let line = template.trim().lines().nth(error.line()?.checked_sub(1)?)?;
    Some(line.trim())
}
