//! Options that no answer could obey all at once. Found before anything is asked: each record would pay for it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What a schema may nest.
const DEPTH: usize = 64;

/// Options that contradict each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contradiction {
    /// Keys from the options to the place, with dots.
    pub place: String,
    /// Why nothing can obey.
    pub cause: String,
    pub hint: String,
}

/// The first contradiction among options; `set` are those that the configuration has, the others are defaults.
pub(super) fn find(options: &Value, set: &Map<String, Value>) -> Option<Contradiction> {
    let options = options.as_object()?;
    let spans = options.iter().find_map(|(name, low)| {
        let unit = name.strip_prefix("min-")?;
        let most = format!("max-{unit}");
        let high = options.get(&most)?;
        (low.as_f64()? > high.as_f64()?).then(|| {
            let shown = |name: &str, value: &Value| {
                let default = if set.contains_key(name) {
                    ""
                } else {
                    " by default"
                };
                format!("`{name}` is {value}{default}")
            };
            Contradiction {
                place: if set.contains_key(name) {
                    name.clone()
                } else {
                    most.clone()
                },
                cause: format!(
                    "{} and {}, so no answer can obey both",
                    shown(name, low),
                    shown(&most, high)
                ),
                hint: format!("lower `{name}` or raise `{most}`"),
            }
        })
    });
    spans
        .or_else(|| of_texts(options))
        .or_else(|| of_patterns(options))
        .or_else(|| {
            let schema = options.get("schema")?;
            let fault = of_schema(schema, schema, 0)?;
            Some(Contradiction {
                place: format!("schema{}", fault.place),
                cause: fault.cause,
                hint: "correct the schema; no answer can obey it".to_owned(),
            })
        })
}

/// Words and headings that must occur, and lengths that leave no room for them.
fn of_texts(options: &Map<String, Value>) -> Option<Contradiction> {
    let number = |name: &str| options.get(name).and_then(Value::as_u64);
    let texts = |name: &str| -> Vec<&str> {
        let list = options.get(name).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let headings = texts("headings");
    // What a template becomes is not known yet.
    let required: Vec<&str> = texts("required-words")
        .into_iter()
        .filter(|text| !text.contains('{'))
        .collect();
    let in_headings: usize = headings.iter().map(|text| words(text).count()).sum();
    let needed = in_headings.max(distinct(&required)) as u64;
    let room = |place: &str, cause: String, most: &str| Contradiction {
        place: place.to_owned(),
        cause,
        hint: format!("raise `{most}`, or ask for less"),
    };
    if let Some(most) = number("max-words").filter(|most| needed > *most) {
        let place = if in_headings as u64 > most {
            "headings"
        } else {
            "required-words"
        };
        let cause = format!("what must occur has {needed} words, and `max-words` is {most}");
        return Some(room(place, cause, "max-words"));
    }
    if let Some(most) = number("max-lines").filter(|most| headings.len() as u64 > *most) {
        let cause = format!(
            "there are {} of them, each on a line of its own, and `max-lines` is {most}",
            headings.len()
        );
        return Some(room("headings", cause, "max-lines"));
    }
    let most = number("max-characters")?;
    let longest = required
        .iter()
        .chain(&headings)
        .map(|text| text.chars().count())
        .max();
    if let Some(longest) = longest.filter(|longest| *longest as u64 > most) {
        let cause = format!("it is {most}, and what must occur has {longest} characters");
        return Some(room("max-characters", cause, "max-characters"));
    }
    // Words of one letter, with spaces between.
    let least =
        number("min-words").filter(|least| least.saturating_mul(2).saturating_sub(1) > most)?;
    let cause = format!("it is {most}, and `min-words` is {least}: so many words do not fit");
    Some(room("max-characters", cause, "max-characters"))
}

fn of_patterns(options: &Map<String, Value>) -> Option<Contradiction> {
    let not = options.get("must-not-match")?.as_array()?;
    let must = options.get("must-match")?.as_array()?;
    let both = must.iter().find(|pattern| not.contains(pattern))?;
    Some(Contradiction {
        place: "must-not-match".to_owned(),
        cause: format!("{both} is among `must-match`, too"),
        hint: "remove one of them".to_owned(),
    })
}

/// A word is what the SDK counts as one: it has a letter or digit.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .filter(|word| word.contains(char::is_alphanumeric))
}

/// How many words phrases need at least: one that begins another may be part of it.
fn distinct(phrases: &[&str]) -> usize {
    let all: BTreeSet<String> = phrases
        .iter()
        .flat_map(|phrase| words(phrase))
        .map(str::to_lowercase)
        .collect();
    let begins_another = |word: &&String| {
        all.iter()
            .any(|other| other != *word && other.starts_with(word.as_str()))
    };
    let apart = all.iter().filter(|word| !begins_another(word)).count();
    let longest = phrases.iter().map(|phrase| words(phrase).count()).max();
    apart.max(longest.unwrap_or_default())
}

/// What is wrong in a schema, and where.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    place: String,
    cause: String,
}

fn of_schema(schema: &Value, root: &Value, depth: usize) -> Option<Fault> {
    let rules = schema.as_object().filter(|_| depth < DEPTH)?;
    pattern(rules)
        .or_else(|| bounds(rules))
        .or_else(|| values(rules, root))
        .or_else(|| required(rules))
        .or_else(|| unique(rules))
        .map(|(keyword, cause)| Fault {
            place: format!(".{keyword}"),
            cause,
        })
        .or_else(|| {
            let named = ["properties", "$defs"].into_iter().flat_map(|keyword| {
                let schemas = rules.get(keyword).and_then(Value::as_object);
                schemas
                    .into_iter()
                    .flatten()
                    .map(move |(name, schema)| (format!(".{keyword}.{name}"), schema))
            });
            let forms = rules
                .get("anyOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let forms = forms
                .enumerate()
                .map(|(index, schema)| (format!(".anyOf[{index}]"), schema));
            let items = rules
                .get("items")
                .map(|schema| (".items".to_owned(), schema));
            named.chain(forms).chain(items).find_map(|(place, schema)| {
                let fault = of_schema(schema, root, depth + 1)?;
                Some(Fault {
                    place: format!("{place}{}", fault.place),
                    ..fault
                })
            })
        })
}

type Found = Option<(&'static str, String)>;

fn bounds(rules: &Map<String, Value>) -> Found {
    const PAIRS: [(&str, &str); 3] = [
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minimum", "maximum"),
    ];
    for (low, high) in PAIRS {
        let bound = |keyword: &str| rules.get(keyword).and_then(Value::as_f64);
        let Some((least, most)) = bound(low).zip(bound(high)) else {
            continue;
        };
        let whole =
            rules.get("type").and_then(Value::as_str) == Some("integer") && low == "minimum";
        if least > most {
            return Some((low, format!("it is {least}, and `{high}` is {most}")));
        }
        if whole && least.ceil() > most.floor() {
            return Some((low, format!("there is no integer from {least} to {most}")));
        }
    }
    None
}

/// A pattern that is no regular expression: the option's own schema sees to it, other than in a default.
fn pattern(rules: &Map<String, Value>) -> Found {
    let pattern = rules.get("pattern").and_then(Value::as_str)?;
    let why = regex_lite::Regex::new(pattern).err()?;
    Some(("pattern", format!("`{pattern}`: {why}")))
}

/// Values of which the other rules allow none.
fn values(rules: &Map<String, Value>, root: &Value) -> Found {
    let (keyword, values) = match (
        rules.get("const"),
        rules.get("enum").and_then(Value::as_array),
    ) {
        (Some(value), _) => ("const", std::slice::from_ref(value)),
        (None, Some(values)) => ("enum", values.as_slice()),
        (None, None) => return None,
    };
    let mut alone = rules.clone();
    if let Some(definitions) = root.get("$defs") {
        alone.insert("$defs".to_owned(), definitions.clone());
    }
    // A reference that does not lead there is told elsewhere.
    options::allows_none_of(&Value::Object(alone), values).then(|| {
        (
            keyword,
            "the other rules beside it allow none of its values".to_owned(),
        )
    })
}

fn required(rules: &Map<String, Value>) -> Found {
    let known = rules.get("properties").and_then(Value::as_object)?;
    let wanted = rules.get("required").and_then(Value::as_array)?;
    let missing = wanted
        .iter()
        .filter_map(Value::as_str)
        .find(|name| !known.contains_key(*name))?;
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    Some((
        "required",
        format!(
            "`{missing}` is not among its properties, and others are not allowed; they are: {}",
            names.join(", ")
        ),
    ))
}

/// More different items than there are values for them.
fn unique(rules: &Map<String, Value>) -> Found {
    let least = rules.get("minItems").and_then(Value::as_u64)?;
    let items = rules
        .get("items")
        .filter(|_| rules.get("uniqueItems") == Some(&Value::Bool(true)))?;
    let values = match items.get("enum").and_then(Value::as_array) {
        Some(values) => values.len() as u64,
        None if items.get("const").is_some() => 1,
        None if items.get("type").and_then(Value::as_str) == Some("boolean") => 2,
        None => return None,
    };
    (values < least).then(|| {
        (
            "minItems",
            format!("it is {least}, and there are {values} different values for its items"),
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(options: Value) -> Option<(String, String)> {
        let set = options.as_object().cloned().unwrap_or_default();
        find(&options, &set).map(|found| (found.place, found.cause))
    }

    #[test]
    fn bounds_that_cross_are_found_whatever_they_count() {
        for unit in ["words", "lines", "characters", "things"] {
            let found =
                found(json!({format!("min-{unit}"): 20, format!("max-{unit}"): 5})).expect(unit);
            assert_eq!(found.0, format!("min-{unit}"));
            assert!(
                found.1.contains("20") && found.1.contains('5'),
                "{}",
                found.1
            );
        }
        assert_eq!(
            found(json!({"min-words": 5, "max-words": 5, "min-lines": 9})),
            None
        );
        let set = json!({"max-words": 150});
        let both = json!({"max-words": 150, "min-words": 280});
        let one = find(&both, set.as_object().unwrap()).unwrap();
        assert_eq!(one.place, "max-words");
        assert!(one.cause.contains("280 by default"), "{}", one.cause);
    }

    #[test]
    fn what_must_occur_must_have_room() {
        for (options, place) in [
            (
                json!({"required-words": ["one two", "three"], "max-words": 2}),
                "required-words",
            ),
            (
                json!({"headings": ["One two", "Three"], "max-words": 2}),
                "headings",
            ),
            (
                json!({"headings": ["A", "B", "C"], "max-lines": 2}),
                "headings",
            ),
            (
                json!({"required-words": ["extraction"], "max-characters": 9}),
                "max-characters",
            ),
            (
                json!({"min-words": 20, "max-characters": 38}),
                "max-characters",
            ),
            (
                json!({"must-match": ["^a"], "must-not-match": ["b", "^a"]}),
                "must-not-match",
            ),
        ] {
            assert_eq!(
                found(options.clone()).map(|found| found.0).as_deref(),
                Some(place),
                "{options}"
            );
        }
        for possible in [
            json!({"required-words": ["oak", "Oak tree"], "max-words": 2}),
            json!({"required-words": ["{{ record.name }} and more"], "max-words": 1}),
            json!({"headings": ["A", "B"], "max-lines": 2, "max-words": 2}),
            json!({"min-words": 20, "max-characters": 39}),
        ] {
            assert_eq!(found(possible.clone()), None, "{possible}");
        }
    }

    #[test]
    fn schemas_that_nothing_obeys_are_found_at_their_place() {
        for (schema, place) in [
            (json!({"minLength": 5, "maxLength": 4}), "minLength"),
            (
                json!({"type": "array", "minItems": 3, "maxItems": 2}),
                "minItems",
            ),
            (json!({"minimum": 2, "maximum": 1.5}), "minimum"),
            (
                json!({"type": "integer", "minimum": 1.2, "maximum": 1.8}),
                "minimum",
            ),
            (json!({"enum": []}), "enum"),
            (json!({"type": "integer", "enum": ["a", "b"]}), "enum"),
            (
                json!({"type": "string", "maxLength": 2, "enum": ["long", "longer"]}),
                "enum",
            ),
            (json!({"type": "string", "const": 1}), "const"),
            (
                json!({"type": "object", "properties": {"b": {}}, "required": ["a"]}),
                "required",
            ),
            (
                json!({"minItems": 3, "uniqueItems": true, "items": {"enum": [1, 2]}}),
                "minItems",
            ),
        ] {
            for (outer, path) in [
                (schema.clone(), String::new()),
                (
                    json!({"type": "object", "properties": {"x": schema}}),
                    "properties.x.".to_owned(),
                ),
                (
                    json!({"properties": {"x": {"items": {"anyOf": [{}, schema]}}}}),
                    "properties.x.items.anyOf[1].".to_owned(),
                ),
                (
                    json!({"properties": {}, "$defs": {"d": schema}}),
                    "$defs.d.".to_owned(),
                ),
            ] {
                let found = found(json!({"schema": outer})).unwrap_or_else(|| panic!("{outer}"));
                assert_eq!(found.0, format!("schema.{path}{place}"));
            }
        }
        let possible = json!({"schema": {
            "type": "object", "required": ["a"],
            "properties": {"a": {"type": "string", "minLength": 2, "maxLength": 2, "enum": ["a", "ab"]}, "b": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": "integer", "minimum": 1, "maximum": 1, "enum": [1]}},
        }});
        assert_eq!(found(possible), None);
    }
}
