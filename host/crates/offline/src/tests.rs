//! The laws of the writer: whatever rules, schema and facts it is given, as long as they can be
//! obeyed, it obeys them.

mod strategies;

use proptest::prelude::*;
use serde_json::json;

use super::sentence::count_words;
use super::*;
use strategies::{facts, rules, schemas};
use types::image::{Image, ImageType};
use types::request::{Message, Role};

fn request(facts: Value, rules: Option<Rules>, format: ResponseFormat) -> CompletionRequest {
    let messages = vec![
        Message {
            role: Role::System,
            content: "You write short texts about laser cleaning.".to_owned(),
        },
        Message {
            role: Role::User,
            content: "Write about this material.".to_owned(),
        },
    ];
    CompletionRequest {
        messages,
        facts: facts.into(),
        rules,
        format,
        images: Vec::new(),
    }
}

fn aluminum() -> Value {
    json!({
        "name": "Aluminum",
        "category": "Metals",
        "formula": "Al",
        "properties": {"density": "2.7 g/cm³", "melting_point": "660 °C", "thermal conductivity": "237 W/(m·K)"},
        "laser settings": {"fluence": "0.5–3 J/cm², typically 1.5 J/cm²", "passes": 3},
        "industries": ["Aerospace", "Automotive", "Food processing"],
        "contaminants": ["oxide layers", "grease", "paint"],
        "supplier": null,
        "grade": "None",
        "notes": ["Pure aluminum reflects most of the beam at 1064 nm.", "Its oxide layer grows back within hours."],
    })
}

fn schema(schema: Value) -> ResponseFormat {
    ResponseFormat::JsonSchema(schema.into())
}

fn answer(schema_of: Value, facts: Value, seed: u64) -> Value {
    serde_json::from_str(&write(&request(facts, None, schema(schema_of)), seed)).unwrap()
}

/// Digit runs with their decimals: "0.5–3" has 0.5 and 3.
fn numbers(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|run| run.trim_matches('.').to_owned())
        .filter(|run| !run.is_empty())
        .collect()
}

fn begins_a_word(text: &str, word: &str) -> bool {
    let mut before = text
        .match_indices(word)
        .map(|(at, _)| text[..at].chars().next_back());
    before.any(|before| !before.is_some_and(char::is_alphanumeric))
}

fn broken(rules: &Rules, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let words = u32::try_from(count_words(text)).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let count = u32::try_from(lines.len()).unwrap();
    let mut within = |what: &str, number: u32, min: Option<u32>, max: Option<u32>| {
        if number < min.unwrap_or(0) || number > max.unwrap_or(u32::MAX) {
            broken.push(format!("{number} {what}"));
        }
    };
    within("words", words, rules.min_words, rules.max_words);
    within("lines", count, rules.min_lines, rules.max_lines);
    for word in &rules.required_words {
        if !begins_a_word(&text.to_lowercase(), &word.to_lowercase()) {
            broken.push(format!("no {word}"));
        }
    }
    let found: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    if found != rules.headings {
        broken.push(format!("headings {found:?}"));
    }
    if !text.ends_with('.') {
        broken.push("no whole sentence at the end".to_owned());
    }
    broken
}

#[test]
fn says_the_facts_and_nothing_that_is_none() {
    let rules = Rules {
        min_words: Some(140),
        max_words: Some(180),
        ..Rules::default()
    };
    for seed in 0..40 {
        let text = write(
            &request(aluminum(), Some(rules.clone()), ResponseFormat::Text),
            seed,
        );
        assert_eq!(broken(&rules, &text), Vec::<String>::new(), "{text}");
        assert!(
            text.contains("2.7 g/cm³") && text.contains("Its oxide layer grows back within hours."),
            "{text}"
        );
        let lower = text.to_lowercase();
        assert!(!lower.contains("none") && !lower.contains("null"), "{text}");
    }
}

#[test]
fn facts_stand_under_the_heading_that_they_belong_to() {
    let rules = Rules {
        min_words: Some(200),
        max_words: Some(300),
        headings: vec!["Industries".to_owned(), "Properties".to_owned()],
        ..Rules::default()
    };
    let text = write(&request(aluminum(), Some(rules), ResponseFormat::Text), 5);
    let (industries, properties) = text.split_once("## Properties").unwrap();
    assert!(
        industries.contains("Food processing") && properties.contains("2.7 g/cm³"),
        "{text}"
    );
}

#[test]
fn it_begins_with_what_was_asked_for_and_is_plainly_a_placeholder() {
    let mut asked = request(aluminum(), None, ResponseFormat::Text);
    asked.messages[0].content = "Write an SEO title for Aluminum. Be brief.".to_owned();
    let text = write(&asked, 3);
    assert!(
        text.starts_with("Placeholder for: Write an SEO title for Aluminum. The "),
        "{text}"
    );
    assert!(
        text.contains("The density of Aluminum is 2.7 g/cm³."),
        "{text}"
    );
    asked.messages[0].content = "Write a title in 5 words.".to_owned();
    let text = write(&asked, 3);
    assert!(
        !text.contains("in 5 words"),
        "the facts have no such number: {text}"
    );
}

#[test]
fn what_the_facts_do_not_fill_is_padding() {
    let rules = Rules {
        min_words: Some(30),
        max_words: Some(30),
        ..Rules::default()
    };
    let facts = json!({"name": "Oak", "density": "0.7 g/cm³"});
    let text = write(&request(facts, Some(rules), ResponseFormat::Text), 3);
    assert!(
        text.contains("The density of Oak is 0.7 g/cm³. Placeholder "),
        "{text}"
    );
    assert_eq!(count_words(&text), 30, "{text}");
}

#[test]
fn a_bare_question_gets_a_sentence() {
    let text = write(&request(json!({}), None, ResponseFormat::Text), 0);
    assert!(count_words(&text) > 5 && text.ends_with('.'), "{text}");
    let object = write(&request(json!({}), None, ResponseFormat::JsonObject), 0);
    assert!(serde_json::from_str::<Value>(&object).unwrap()["answer"].is_string());
}

#[test]
fn any_object_is_the_facts() {
    let object: Value = serde_json::from_str(&write(
        &request(aluminum(), None, ResponseFormat::JsonObject),
        0,
    ))
    .unwrap();
    assert_eq!(object["name"], "Aluminum");
    assert_eq!(object["density"], "2.7 g/cm³");
    assert_eq!(object["industries"][2], "Food processing");
}

#[test]
fn properties_named_like_facts_get_them() {
    let wanted = json!({"type": "object", "properties": {
        "formula": {"type": "string"}, "density": {"type": "string"}, "passes": {"type": "integer"},
        "industries": {"type": "array", "items": {"type": "string"}},
        "description": {"type": "string", "minLength": 120, "maxLength": 170},
        "keywords": {"type": "array", "minItems": 8, "maxItems": 12, "uniqueItems": true, "items": {"type": "string"}},
    }});
    let object = answer(wanted, aluminum(), 3);
    assert_eq!(object["formula"], "Al");
    assert_eq!(object["density"], "2.7 g/cm³");
    assert_eq!(object["passes"], 3);
    assert_eq!(
        object["industries"],
        json!(["Aerospace", "Automotive", "Food processing"])
    );
    let description = object["description"].as_str().unwrap();
    assert!(
        description.ends_with('.') && description.to_lowercase().contains("aluminum"),
        "{description}"
    );
    assert!(
        object["keywords"]
            .as_array()
            .unwrap()
            .contains(&json!("Aluminum"))
    );
}

#[test]
fn recursive_schemas_end() {
    let wanted = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}});
    let object = answer(wanted.clone(), aluminum(), 3);
    assert!(jsonschema::is_valid(&wanted, &object), "{object}");
}

/// This test does not end where every reference is followed, or every name is looked for among all others.
#[test]
fn a_small_question_never_takes_long() {
    let itself = vec![json!({"$ref": "#/$defs/a"}); 20];
    let doubling = json!({"$defs": {"a": {"allOf": itself}}, "$ref": "#/$defs/a"});
    let any =
        json!({"$defs": {"a": {"anyOf": vec![json!({"allOf": itself}); 20]}}, "$ref": "#/$defs/a"});
    let names: Vec<String> = (0..95_000).map(|number| format!("n{number}")).collect();
    let required = json!({"type": "object", "required": names});
    let large: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({"$ref": "#/$defs/a"})))
        .collect();
    let copied = json!({"type": "object", "properties": large, "$defs": {"a": {"$ref": "#"}}});
    for wanted in [doubling, any, required, copied] {
        answer(wanted, aluminum(), 3);
    }
    let rules = Rules {
        headings: vec!["A".to_owned(); 60_000],
        required_words: vec!["word".to_owned(); 60_000],
        ..Rules::default()
    };
    write(&request(aluminum(), Some(rules), ResponseFormat::Text), 3);
}

#[test]
fn what_is_asked_without_end_is_cut_short() {
    let huge = u64::from(u32::MAX);
    let endless = json!({"type": "object", "required": ["one", "two"], "properties": {"one": {"$ref": "#"}, "two": {"$ref": "#"}}});
    for wanted in [
        json!({"type": "array", "minItems": huge, "items": {"type": "array", "minItems": huge, "items": {"type": "string"}}}),
        json!({"type": "array", "minItems": huge, "items": {"type": "string", "minLength": huge}}),
        json!({"type": "string", "pattern": "^((a{900}){900}){900}$"}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        endless,
    ] {
        let text = write(&request(aluminum(), None, schema(wanted)), 0);
        assert!(text.len() < 1 << 20, "{}", text.len());
    }
    let rules = Rules {
        min_words: Some(u32::MAX),
        max_words: Some(3),
        min_lines: Some(u32::MAX),
        ..Rules::default()
    };
    let text = write(&request(aluminum(), Some(rules), ResponseFormat::Text), 0);
    assert!(text.len() < 1 << 20, "{}", text.len());
}

#[test]
fn many_short_lines_leave_no_room_for_what_was_asked() {
    let rules = Rules {
        max_words: Some(9),
        min_lines: Some(8),
        ..Rules::default()
    };
    let text = write(
        &request(json!({}), Some(rules.clone()), ResponseFormat::Text),
        0,
    );
    assert_eq!(broken(&rules, &text), Vec::<String>::new(), "{text}");
}

#[test]
fn what_is_true_of_one_thing_is_not_said_of_the_whole() {
    let facts = json!({"name": "Steel", "coatings": [{"name": "primer", "thickness": "80 µm"}, {"name": "zinc", "thickness": "9 µm"}]});
    let rules = Rules {
        min_words: Some(60),
        ..Rules::default()
    };
    for seed in 0..40 {
        let text = write(
            &request(facts.clone(), Some(rules.clone()), ResponseFormat::Text),
            seed,
        );
        for sentence in text
            .split(". ")
            .filter(|sentence| sentence.contains("80 µm"))
        {
            assert!(
                sentence.contains("primer") || sentence.contains("Primer"),
                "{text}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn prose_obeys_its_rules(facts in facts(), rules in rules(), seed: u64) {
        let text = write(&request(facts.clone(), Some(rules.clone()), ResponseFormat::Text), seed);
        prop_assert_eq!(broken(&rules, &text), Vec::<String>::new(), "{}", text);
        let known = numbers(&facts.to_string());
        for number in numbers(&text) {
            prop_assert!(known.contains(&number), "{} in {}", number, text);
        }
    }

    #[test]
    fn json_obeys_its_schema(facts in facts(), wanted in schemas(), seed: u64) {
        let value = answer(wanted.clone(), facts, seed);
        let validator = jsonschema::validator_for(&wanted).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        prop_assert_eq!(errors, Vec::<String>::new(), "{}", value);
    }

    #[test]
    fn equal_requests_get_equal_answers(facts in facts(), rules in rules(), wanted in schemas(), seed: u64) {
        let text = request(facts.clone(), Some(rules), ResponseFormat::Text);
        prop_assert_eq!(write(&text, seed), write(&text, seed));
        let object = request(facts, None, schema(wanted));
        prop_assert_eq!(write(&object, seed), write(&object, seed));
    }
}

#[test]
fn it_says_what_a_picture_is_and_breaks_no_rule_by_it() {
    let image = |source: &str| Image {
        source: source.to_owned(),
        digest: types::digest::Digest::of(b"picture"),
        media_type: ImageType::Jpeg,
        width: 800,
        height: 600,
        bytes: 1,
    };
    let mut question = request(json!({"name": "Oak"}), None, ResponseFormat::Text);
    question.images = vec![image("photos/oak-2.jpg")];
    let text = write(&question, 1);
    assert!(
        text.contains("The JPEG picture oak-2.jpg has 800 by 600 pixels."),
        "{text}"
    );
    question.rules = Some(Rules {
        numbers_from_facts: true,
        ..Rules::default()
    });
    let text = write(&question, 1);
    assert!(
        text.contains("The JPEG picture is wider than it is tall."),
        "{text}"
    );
    assert!(!text.contains(char::is_numeric), "{text}");
    question.images = vec![image("oak.jpg")];
    assert!(write(&question, 1).contains("The JPEG picture oak.jpg is wider"));
}
