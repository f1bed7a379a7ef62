//! Components that are written by configuration alone.

use crate::scene::Scene;

/// A scene with all plugins and one text component, which is all that runs.
const NOTICE: &str = r#"
[component.notice]
plugin = "prompt"
input = { record = ["contaminants"] }
prompts = { write = { text = "Write a notice on {{ record.name }}: {{ record.contaminants | join(', ') }}." } }
options = { min-words = 20, max-words = 60, required-words = ["{{ record.name }}"], whole-sentences = true }
"#;

fn scene() -> Scene {
    Scene::new().with_plugins("plugins")
}

#[test]
fn a_component_written_by_configuration_alone_works_the_first_time() {
    let scene = scene();
    scene.configure(NOTICE);
    let summary = scene.run(&["--component", "notice"]).ended(0).summary();
    assert_eq!((summary.complete(), summary.records()), (109, 109));
    let text = scene.read("content/notice/oak-laser-cleaning.md");
    let words = text.split_whitespace().count();
    assert!(text.contains("Oak") && (20..=60).contains(&words), "{text}");
}

#[test]
fn several_of_them_depend_on_others_and_on_each_other() {
    let scene = scene();
    scene.write(
        "prompts/card.md",
        "Summarize:\n{{ upstream.notice.text }}\nUnder the title {{ upstream.frontmatter.data.title }}.",
    );
    scene.configure(&format!(
        r#"{NOTICE}
[component.card]
plugin = "prompt"
depends-on = ["frontmatter", "notice"]
output = "cards/{{category}}/{{id}}.{{extension}}"
prompts = {{ write = "prompts/card.md" }}
[component.card.options]
media-type = "application/json"
[component.card.options.schema]
type = "object"
required = ["summary"]
properties.summary = {{ type = "string", minLength = 20, maxLength = 200 }}
[component.report]
plugin = "prompt"
depends-on = ["card"]
prompts = {{ write = {{ text = "Report on {{{{ upstream.card.data.summary }}}}" }} }}
options = {{ media-type = "text/plain", max-words = 40 }}
"#
    ));
    let arguments = ["--component", "report", "--sample", "8"];
    let summary = scene.run(&arguments).ended(0).summary();
    assert_eq!(summary.made(), ["frontmatter", "notice", "card", "report"]);
    assert_eq!((summary.complete(), summary.of("report", "made")), (8, 8));
    for (path, text) in scene.content() {
        if path.starts_with("cards/") {
            let card: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(card["summary"].is_string(), "{text}");
        }
    }
    let again = scene.run(&arguments).ended(0).summary();
    assert_eq!(again.count("made"), 0);
}

/// Only what a component asks for is what its artifacts are made from.
#[test]
fn a_field_that_it_does_not_ask_for_makes_nothing_again() {
    let scene = scene();
    let all = NOTICE
        .replace("component.notice", "component.whole")
        .replace("[\"contaminants\"]", "\"all\"");
    scene.configure(&format!("{NOTICE}{all}"));
    let run = |component: &str| {
        let arguments = ["--record", "oak", "--component", component];
        scene.run(&arguments).ended(0).summary().count("made")
    };
    assert_eq!((run("notice"), run("whole")), (1, 1));
    scene.replace(
        "materials.yaml",
        "name: Oak\n",
        "name: Oak\n  colour: brown\n",
    );
    assert_eq!((run("notice"), run("whole")), (0, 1));
    scene.replace("batchgen.toml", "Write a notice", "Write a short notice");
    assert_eq!((run("notice"), run("whole")), (1, 0));
}

#[test]
fn a_field_that_no_record_has_is_told() {
    let scene = scene();
    let asks = |fields: &str| {
        scene.configure(&NOTICE.replace("[\"contaminants\"]", fields));
        let plan = scene.host(&["plan", "--component", "notice", "--record", "oak"]);
        plan.ended(0).stderr
    };
    let told = asks(r#"["contaminants", "contaminats", "formula"]"#);
    assert_eq!(
        told.lines().next().unwrap(),
        "warning: `component.notice.input` names the field `contaminats`, which none of the first 100 materials has; \
         did you mean `contaminants`?"
    );
    assert!(!told.contains("formula"), "{told}");
    let fine = asks(r#"["contaminants", "formula"]"#);
    assert!(!fine.contains("warning"), "{fine}");
}

#[test]
fn the_plugin_makes_no_component_by_itself() {
    let summary = scene()
        .run(&["--all", "--record", "oak"])
        .ended(0)
        .summary();
    assert!(!summary.made().contains(&"prompt".to_owned()));
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let scene = scene();
    scene.write("prompts/open.md", "Line one\n{{ record.name }\n");
    let with = |text: &str, more: &str| {
        format!(
            "[component.a]\nplugin = \"prompt\"\nprompts = {{ write = {{ text = \"{text}\" }} }}\n{more}"
        )
    };
    let cases = [
        "[component.a]\nplugin = \"prompt\"\n".to_owned(),
        "[component.a]\nplugin = \"prompt\"\nprompts = { write = \"prompts/open.md\" }\n"
            .to_owned(),
        "[component.a]\nplugin = \"prompt\"\nprompts = { write = { txt = \"x\" } }\n".to_owned(),
        with("{% if record.name %}", ""),
        with("{{ recrod.name }}", ""),
        with("{{ record.laser }}", ""),
        with("{{ upstream.text.text }}", "depends-on = [\"table\"]\n"),
        with("x", "depends-on = [\"tabel\"]\n"),
        with("x", "input = { record = \"everything\" }\n"),
        with("x", "options = { max-words = \"few\" }\n"),
        with("x", "options = { must-match = [\"ok\", \"(open\"] }\n"),
        with("x", "options = { media-type = \"text/csv\" }\n"),
        with("x", "options = { media-type = \"application/json\" }\n"),
        with(
            "x",
            "options = { media-type = \"text/plain\", schema = { type = \"object\", properties = {} } }\n",
        ),
        with(
            "x",
            "options.schema = { type = \"object\", properties.a = { type = \"text\" } }\n",
        ),
        with(
            "x",
            "options.schema = { type = \"object\", properties.a.oneOf = [] }\n",
        ),
        with("x", "options = { min-words = 20, max-words = 5 }\n"),
        with(
            "x",
            "options = { headings = [\"A\", \"B\"], max-lines = 1 }\n",
        ),
        with(
            "x",
            "options.schema = { type = \"object\", properties.a = { type = \"string\", minLength = 9, maxLength = 5 } }\n",
        ),
        "[component.text]\noptions = { max-words = 150 }\n".to_owned(),
        "[component.text]\ninput = { record = [\"laser\"] }\n".to_owned(),
        "[component.text]\ndepends-on = [\"table\"]\n".to_owned(),
    ];
    let folder = scene.path("").display().to_string();
    let shown: Vec<String> = cases
        .iter()
        .map(|case| {
            scene.configure(case);
            let ran = scene.host(&["run"]).ended(2);
            format!("{case}--\n{}", ran.stderr.replace(&folder, ""))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

/// What only a record can show fails that record, by place.
#[test]
fn a_template_that_a_record_does_not_fit_fails_that_record() {
    let scene = scene();
    scene.configure(
        "[component.a]\nplugin = \"prompt\"\ninput = { record = [\"formula\"] }\n\
         prompts = { write = { text = \"Write on\\n{{ record.formula }}\" } }\n",
    );
    let ran = scene
        .run(&[
            "--component",
            "a",
            "--record",
            "oak",
            "--record",
            "aluminum",
        ])
        .ended(3);
    assert_eq!(ran.failures(), ["oak a unsuitable-record"]);
    assert_eq!(ran.summary().count("made"), 1);
    assert!(
        ran.stdout.contains(
            "the field `formula` is empty (prompts.write, line 2); {% if record.formula %}"
        ),
        "{}",
        ran.stdout
    );
}

/// A rule such as "the question ends with ?" can be tried without a model.
#[test]
fn a_pattern_in_a_schema_is_obeyed_offline() {
    let scene = scene();
    scene.configure(
        r#"[component.faq]
plugin = "prompt"
input = { record = "all" }
prompts = { write = { text = "Write a question and an answer on {{ record.name }}." } }
options.media-type = "application/json"
options.numbers-from-facts = false
[component.faq.options.schema]
type = "object"
required = ["question", "code"]
properties.question = { type = "string", pattern = '^[A-Z].*\?$', minLength = 8 }
properties.code = { type = "string", pattern = '^[A-Z]{2}-[0-9]{4}$' }
"#,
    );
    let ran = scene
        .run(&["--component", "faq", "--record", "oak"])
        .ended(0);
    assert_eq!(ran.summary().count("made"), 1);
    let file: serde_json::Value =
        serde_json::from_str(&scene.read("content/faq/oak-laser-cleaning.json")).unwrap();
    assert!(file["question"].as_str().unwrap().ends_with('?'), "{file}");
    assert_eq!(file["code"].as_str().unwrap().len(), 7, "{file}");
}

/// A model fills a schema from its first property on, so the order is the author's: a reason before a verdict.
#[test]
fn the_properties_of_a_schema_stay_in_the_order_in_which_they_are_written() {
    let scene = scene();
    scene.configure(
        r#"
[component.verdict]
plugin = "prompt"
input = { record = ["contaminants"] }
prompts = { write = { text = "Judge {{ record.name }}." } }
[component.verdict.options]
media-type = "application/yaml"
[component.verdict.options.schema]
type = "object"
required = ["reason", "verdict", "also"]
properties.reason = { type = "string", minLength = 10 }
properties.verdict = { type = "object", required = ["short", "long"], properties = { short = { type = "string" }, long = { type = "string" } } }
properties.also = { type = "string" }
"#,
    );
    let arguments = ["--component", "verdict", "--record", "oak"];
    scene.run(&arguments).ended(0);
    let made = scene.read("content/verdict/oak-laser-cleaning.yaml");
    let keys: Vec<&str> = made
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    assert_eq!(keys, ["reason", "verdict", "short", "long", "also"]);
    let shown = scene.host(&["replay", "oak", "verdict", "--prompts"]);
    let shown = shown.ended(0).stdout;
    let place = |name: &str| shown.find(&format!("\"{name}\": {{")).unwrap();
    let places = ["reason", "verdict", "short", "long", "also"].map(place);
    assert!(places.is_sorted(), "{shown}");
}
