use sdk::json;
use sdk::testing::{self, CompletionRequest};

use super::*;

fn run(
    template: &str,
    options: Value,
    answers: &[&str],
) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let mut all = json!({
        "media-type": "text/markdown", "numbers-from-facts": true, "whole-sentences": false,
    });
    for (key, value) in options.as_object().unwrap() {
        all[key] = value.clone();
    }
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields =
        json!({"melting_point_c": 232, "uses": ["cans", "solder"], "formula": null}).to_string();
    input.category_fields = json!({"name": "Metals"}).to_string();
    input.options = all.to_string();
    input.prompts = vec![testing::prompt("write", template)];
    let page = json!({"title": "Tin Laser Cleaning"});
    input.upstreams = vec![testing::upstream("frontmatter", "---\n", Some(&page))];
    testing::generate::<Prompt>(input, answers)
}

fn asked_for(template: &str) -> String {
    let (_, asked) = run(template, json!({}), &["Tin."]);
    asked[0].messages[0].content.clone()
}

#[test]
fn a_template_sees_all_that_the_component_is_given() {
    let filled = asked_for(
        "{{ record.id }}, {{ record.name }}, {{ record.category }}; {{ record.uses | join('+') }}; \
         {{ category.id }} {{ category.name }}; {{ upstream.frontmatter.data.title }}; {{ site.name }}\
         {% if record.formula %}!{% endif %}{% for use in record.uses %} {{ loop.index }}{% endfor %}",
    );
    assert_eq!(
        filled,
        "tin, Tin, metal; cans+solder; metal Metals; Tin Laser Cleaning; Example 1 2"
    );
}

#[test]
fn the_model_is_told_the_same_as_facts() {
    let (text, asked) = run("Write.", json!({}), &["Tin melts at 232 °C."]);
    assert_eq!(text.unwrap(), "Tin melts at 232 °C.\n");
    let facts: Value = serde_json_of(&asked[0].facts);
    assert_eq!(facts["melting_point_c"], 232);
    assert_eq!(facts["of the category"]["name"], "Metals");
    assert_eq!(facts["frontmatter"]["title"], "Tin Laser Cleaning");
    assert!(facts.get("formula").is_none());
}

fn serde_json_of(text: &str) -> Value {
    text.parse().unwrap()
}

#[test]
fn a_value_that_is_absent_is_named_and_not_the_record() {
    for (template, said) in [
        (
            "A\n{{ record.name }} {{ record.formula }} {{ record.id }}",
            "the field `formula` is empty (prompts.write, line 2); {% if record.formula %}...{% endif %}",
        ),
        (
            "{{ record[\"Variant Price\"] | upper }}.",
            "the field `Variant Price` is empty (prompts.write, line 1); {% if record[\"Variant Price\"] %}...{% endif %}",
        ),
        (
            "{{ record['a'].b }}",
            "the field `a.b` is empty (prompts.write, line 1)",
        ),
        (
            "{{ category.color }}",
            "the field `color` of the category is empty",
        ),
        (
            "{{ upstream.frontmatter.data.slug }}",
            "`slug` in the file of `frontmatter` is empty (prompts.write, line 1); {% if upstream.frontmatter.data.slug %}",
        ),
        (
            "{% for use in record.users %}{{ use }}{% endfor %}",
            "the field `users` is empty",
        ),
        ("{{ record.uses[7] }}", "the field `uses.7` is empty"),
    ] {
        let failure = run(template, json!({}), &[]).0.unwrap_err();
        assert!(
            failure.message.contains(said),
            "{template}: {}",
            failure.message
        );
        assert!(!failure.message.contains("tin"), "{}", failure.message);
    }
    let failure = run("{{ record.name | shout }}", json!({}), &[])
        .0
        .unwrap_err();
    assert!(
        failure.message.contains("line 1: filter shout is unknown"),
        "{}",
        failure.message
    );
}

#[test]
fn rules_are_told_checked_and_repaired() {
    for (options, bad, good, violation) in [
        (
            json!({"max-words": 2}),
            "Tin is soft.",
            "Tin.",
            "3 words, must have at most 2",
        ),
        (
            json!({"min-lines": 2}),
            "Tin.",
            "Tin.\nSoft.",
            "1 lines, must have at least 2",
        ),
        (
            json!({"max-characters": 5}),
            "Tin is.",
            "Tin.",
            "7 characters, must have at most 5",
        ),
        (
            json!({"min-characters": 9, "max-characters": 20}),
            "Tin.",
            "Tin is soft.",
            "must have 9 to 20",
        ),
        (
            json!({"required-words": ["{{ record.name }}"]}),
            "Soft.",
            "Tin.",
            "must use \"Tin\"",
        ),
        (
            json!({"must-match": ["^Tin"]}),
            "Soft tin.",
            "Tin.",
            "`^Tin` must be found",
        ),
        (
            json!({"must-not-match": ["(?i)very\\s+\\w+"]}),
            "Very soft.",
            "Soft.",
            "must not have \"Very soft\"",
        ),
        (
            json!({"whole-sentences": true}),
            "Tin and",
            "Tin.",
            "whole sentence",
        ),
        (
            json!({}),
            "It melts at 99 °C.",
            "It melts at 232 °C.",
            "not in the facts: 99",
        ),
        (
            json!({"headings": ["Uses"]}),
            "Tin.",
            "## Uses\n\nTin.",
            "\"## Uses\" is missing",
        ),
    ] {
        let (text, asked) = run("Write.", options, &[bad, good]);
        assert_eq!(text.unwrap(), format!("{good}\n"));
        let repair = &asked[1].messages[3].content;
        assert!(repair.contains(violation), "{violation}: {repair}");
    }
    let (_, asked) = run(
        "Write.",
        json!({"must-match": ["^T"], "max-characters": 9}),
        &["Tin."],
    );
    let told = &asked[0].messages[0].content;
    assert!(
        told.contains("`^T` must be found") && told.contains("At most 9 characters"),
        "{told}"
    );
}

#[test]
fn the_person_is_told_what_turns_the_rule_on_numbers_off_and_the_model_is_not() {
    let (text, asked) = run("Write.", json!({}), &["99.", "98.", "97.", "96."]);
    let failure = text.unwrap_err();
    let [violation] = failure.violations.as_slice() else {
        panic!("{failure:?}");
    };
    assert!(
        violation.ends_with("96; leave them out; numbers-from-facts = false turns this off"),
        "{violation}"
    );
    assert!(
        asked
            .iter()
            .all(|asked| !format!("{asked:?}").contains("turns this off"))
    );
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["title"],
        "properties": {
            "title": {"type": "string", "maxLength": 20},
            "uses": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
        },
    })
}

#[test]
fn an_object_becomes_json_yaml_or_front_matter() {
    let answer = r#"{"title": "Tin: soft", "uses": [{"name": "cans"}]}"#;
    for (media_type, file) in [
        (
            "application/json",
            "{\n  \"title\": \"Tin: soft\",\n  \"uses\": [\n    {\n      \"name\": \"cans\"\n    }\n  ]\n}\n",
        ),
        (
            "application/yaml",
            "title: \"Tin: soft\"\nuses:\n  - name: cans\n",
        ),
        (
            "text/markdown",
            "---\ntitle: \"Tin: soft\"\nuses:\n  - name: cans\n---\n",
        ),
    ] {
        let (text, asked) = run(
            "Write.",
            json!({"media-type": media_type, "schema": schema()}),
            &[answer],
        );
        let text = text.unwrap();
        assert_eq!(text, file);
        let read: Value = match media_type {
            "application/yaml" => serde_saphyr::from_str(&text).unwrap(),
            "application/json" => serde_json_of(&text),
            _ => serde_saphyr::from_str(text.trim_matches('-').trim_matches(['\n', '-'])).unwrap(),
        };
        assert_eq!(read, serde_json_of(answer));
        let testing::ResponseFormat::JsonSchema(schema) = &asked[0].response_format else {
            panic!("no schema");
        };
        assert_eq!(
            schema.matches("\"additionalProperties\":false").count(),
            2,
            "{schema}"
        );
    }
}

#[test]
fn rules_count_for_the_texts_of_an_object() {
    let options = json!({"schema": schema(), "required-words": ["soft"], "must-not-match": ["solid"], "max-words": 3});
    let (text, asked) = run(
        "Write.",
        options,
        &[
            r#"{"title": "Tin is a solid 99"}"#,
            r#"{"title": "A title that is far too long"}"#,
            r#"{"title": "Soft tin"}"#,
        ],
    );
    assert_eq!(text.unwrap(), "---\ntitle: Soft tin\n---\n");
    let repair = |index: usize| asked[index].messages[3].content.clone();
    assert!(repair(1).contains("99"), "{}", repair(1));
    assert!(repair(2).contains("characters"), "{}", repair(2));
    assert!(
        asked[0].messages[0]
            .content
            .contains("At most 3 words in all its texts")
    );
}

#[test]
fn a_category_is_told_as_the_dataset_has_it() {
    for (id, written) in [
        ("home-garden-furniture", "Home & Garden > Furniture"),
        ("moebel-co", "Möbel & Co"),
        ("lights", "LIGHTS"),
    ] {
        let mut input = testing::input("tin", "Tin", id);
        input.fields =
            json!({"Size": "m", "Maker": "Übel", "Product Category": written}).to_string();
        input.options = json!({"media-type": "text/markdown", "numbers-from-facts": true, "whole-sentences": false}).to_string();
        input.prompts = vec![testing::prompt(
            "write",
            "{{ record.category }} {{ category.id }}",
        )];
        let (_, asked) = testing::generate::<Prompt>(input, &["Tin."]);
        assert_eq!(asked[0].messages[0].content, format!("{written} {id}"));
        assert_eq!(serde_json_of(&asked[0].facts)["category"], written);
    }
}

#[test]
fn a_template_may_use_filters_tests_and_functions() {
    let template = "{% for number in range(2) %}{{ number }}{% endfor %}{% if record.name is defined %}, {% endif %}";
    let (_, asked) = run(template, json!({}), &["Tin."]);
    assert_eq!(asked[0].messages[0].content, "01, ");
    let (_, asked) = run("{{ record.name | upper }}", json!({}), &["Tin."]);
    assert_eq!(asked[0].messages[0].content, "TIN");
}

fn given(fields: Value, upstreams: Vec<(&str, &str, Option<Value>)>) -> testing::RawInput {
    let mut input = testing::input("tin", "Tin", "metal");
    input.fields = fields.to_string();
    input.category_fields = json!({"name": "Metals", "about": long("metals")}).to_string();
    input.options = json!({"media-type": "text/markdown", "numbers-from-facts": true, "whole-sentences": false}).to_string();
    let upstreams = upstreams.iter();
    input.upstreams = upstreams
        .map(|(name, text, data)| testing::upstream(name, text, data.as_ref()))
        .collect();
    input
}

fn long(of: &str) -> String {
    format!(
        "All that is \"known\" of {of}. {}",
        "It is soft. ".repeat(20)
    )
}

fn told(template: &str, mut input: testing::RawInput) -> (String, Value) {
    input.prompts = vec![testing::prompt("write", template)];
    let (_, asked) = testing::generate::<Prompt>(input, &["Tin."]);
    (
        asked[0].messages[0].content.clone(),
        serde_json_of(&asked[0].facts),
    )
}

#[test]
fn a_long_text_that_the_template_quotes_is_not_told_again() {
    let fields = json!({"about": long("tin"), "more": {"deep": long("ore"), "size": 3}, "short": "Soft.", "id": 7});
    let told = |template: &str| told(template, given(fields.clone(), Vec::new())).1;
    let all = told("Write.");
    assert_eq!(all["about"], long("tin"));
    assert_eq!(all["id"], 7);
    let mut expected = all.clone();
    expected.as_object_mut().unwrap().shift_remove("about");
    assert_eq!(
        told("Rewrite this: {{ record.about }}\n{{ record.short }}"),
        expected
    );
    assert_eq!(told("{{ record['about'] | upper }}"), all);
    assert_eq!(told("{{ record.about[:220] }}"), all);
    let quoted = told("{% if record.more %}{{ record.more.deep }}{% endif %}{{ category.about }}");
    assert_eq!(quoted["more"], json!({"size": 3}));
    assert_eq!(quoted["of the category"], json!({"name": "Metals"}));
    assert_eq!(quoted["about"], long("tin"));
}

#[test]
fn a_file_that_the_template_quotes_is_not_told_again() {
    let files = || {
        let page = format!("---\ntitle: Tin\n---\n{}\n", long("pages"));
        let data = json!({"title": "Tin", "body": long("pages")});
        let note = long("notes");
        given(
            json!({}),
            vec![("page", &page, Some(data)), ("note", &note, None)],
        )
    };
    let (_, all) = told("Write.", files());
    assert_eq!(all["page"]["title"], "Tin");
    assert_eq!(all["note"], long("notes"));
    let (filled, facts) = told("{{ upstream.page.text }}{{ upstream.note.text }}", files());
    assert!(filled.contains("title: Tin") && filled.contains("of notes"));
    assert!(facts.get("page").is_none() && facts.get("note").is_none());
    let (_, facts) = told("{{ upstream['page'].data.body }}", files());
    assert_eq!(facts["page"], json!({"title": "Tin"}));
}

#[test]
fn a_number_may_come_from_a_text_that_is_quoted() {
    let about = format!("{}It melts at 232 °C.", long("tin"));
    let mut input = given(json!({"about": about}), Vec::new());
    input.prompts = vec![testing::prompt("write", "{{ record.about }}")];
    let answers = ["It melts at 99 °C.", "It melts at 232 °C."];
    let (text, asked) = testing::generate::<Prompt>(input.clone(), &answers);
    assert_eq!(text.unwrap(), "It melts at 232 °C.\n");
    assert!(!asked[0].facts.contains("232"));
    input.options = json!({"media-type": "application/json", "schema": schema(), "numbers-from-facts": true, "whole-sentences": false}).to_string();
    let answers = [r#"{"title": "99 °C"}"#, r#"{"title": "232 °C"}"#];
    let (text, asked) = testing::generate::<Prompt>(input, &answers);
    assert_eq!(text.unwrap(), "{\n  \"title\": \"232 °C\"\n}\n");
    assert!(!asked[0].facts.contains("232") && asked.len() == 2);
}

/// A template with a comment is filled by the template language, another one without it where that is the same.
#[test]
fn a_plain_template_is_filled_as_the_template_language_does() {
    let fields = json!({
        "a": "Größe {{ x }}", "b": -7, "c": 1.5, "d": [1, "x"], "e": {"f g": "deep", "h": true}, "name": "Own",
        "_x1": 18_446_744_073_709_551_615_u64, "empty": "", "items": "i",
    });
    for template in [
        "{{ record.a }} { {{record.b}} }} {{ record._x1 }}{{ record.empty }}.",
        "{{ record.c }} {{ record.d }} {{ record.d[1] }} {{ record.e }} {{ record.e.h }}",
        "{{ record['e'][\"f g\"] }}{{\nrecord.items\n}}\n\n{{ record.name }} {{ record.fields.name }}",
        "{{ record.id }} {{ record.category }} {{ category.id }} {{ site.base_url }} {{ upstream[\"a-b\"].text }}",
        "{{ record.fields.b }}{{ record.fields }} {{ record }} {{ upstream }} {{ record | length }}",
        "{{ record.a }}-{{- record.b -}} x",
        "a {{ 'record.a' }} {{ record.b + 1 }} {{ record.a.upper() }}",
        "{{ record.none }}",
        "{% raw %}{{ record.a }}{% endraw %}",
        "{% for key in record %}{{ key }} {% endfor %}{{ record.d.1 }}",
    ] {
        let fill = |template: &str| {
            let input = Input::new(given(fields.clone(), vec![("a-b", "File.\n", None)]));
            let filled = Given::read(&input).unwrap().fill("key", template);
            filled.map_err(|failure| failure.message)
        };
        let commented = format!("{template}{{# #}}");
        assert_eq!(fill(template), fill(&commented), "{template}");
    }
}
