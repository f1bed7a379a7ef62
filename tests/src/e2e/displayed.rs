//! What comes from outside is shown, and nothing that shows it obeys it: escape sequences, marks that turn the words around,
//! markup. [`SOURCES`] lists where such text comes from. Each command is run, and each page of the server is fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::dev::Developing;
use crate::commands::{ENDLESS, Subject, each};
use crate::parrot::{Parrot, Said};
use crate::scene::{Ran, Scene, root};
use crate::watched::Viewing;
use crate::web::Web;
use simulator::{Config, Simulator};

/// Where text from outside comes from in [`hostile_scene`]: each has to be shown somewhere. A new source belongs here.
const SOURCES: &[&str] = &[
    "name-of-a-record",
    "category",
    "name-of-a-field",
    "value-of-a-field",
    "key-that-is-there-twice",
    "id-that-is-no-id",
    "prompt",
    "name-of-the-site",
    "model-that-answered",
    "answer",
    "refusal",
    "finish-reason",
    "error-message",
    "plain-error",
    "file-of-a-plugin",
    "log-of-a-plugin",
    "failure-of-a-plugin",
    "question-of-a-plugin",
    "option",
    "file-of-the-dataset",
];

/// Sequences of a terminal with one and with two bytes at their beginning, a line that is written over, a text that is turned
/// around, and markup of several kinds.
fn hostile(source: &str) -> String {
    format!(
        "{source} \u{1b}[2J\u{1b}]52;c;aGFja2Vk\u{7}\u{1b}]8;;http://evil.example\u{1b}\\\u{9b}31m\u{85}\u{90}x\r\u{8}\u{7f}\
         \u{202e}\u{2066}\u{200f}<script>hacked()</script><img src=x onerror=hacked()>[x](javascript:hacked()) | {{{{ hacked }}}}"
    )
}

/// What a terminal would obey in a text, if anything.
fn obeyed(text: &str) -> Option<String> {
    let is_harmful = |letter: char| {
        let turns = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        turns || letter.is_control() && letter != '\n' && letter != '\t'
    };
    let place = text.find(is_harmful)?;
    let before = text[..place].char_indices().rev().nth(60);
    let begin = before.map_or(0, |(place, _)| place);
    let end = text[place..].char_indices().nth(30);
    let end = end.map_or(text.len(), |(end, _)| place + end);
    Some(format!("{:?}", &text[begin..end]))
}

fn provider() -> Parrot {
    Parrot::start(|asked| -> Said {
        let json = "application/json";
        match asked.number % 6 {
            0 => (
                "200 OK",
                json,
                json!({
                    "model": hostile("model-that-answered"),
                    "choices": [{"message": {"content": hostile("answer")}, "finish_reason": "stop"}],
                })
                .to_string(),
            ),
            1 => (
                "200 OK",
                json,
                json!({"choices": [{"message": {"content": "", "refusal": hostile("refusal")}}]})
                    .to_string(),
            ),
            2 => (
                "400 Bad Request",
                json,
                json!({"error": {"message": hostile("error-message"), "code": hostile("error-code"), "param": "x"}})
                    .to_string(),
            ),
            3 => (
                "200 OK",
                json,
                json!({"choices": [{"message": {"content": "Some."}, "finish_reason": hostile("finish-reason")}]})
                    .to_string(),
            ),
            4 => ("422 Unprocessable", "text/plain", hostile("plain-error")),
            _ => (
                "200 OK",
                json,
                json!({"choices": [{"message": {"content": "Oak is a hard wood."}, "finish_reason": "stop"}]})
                    .to_string(),
            ),
        }
    })
}

/// What has to fit into a name.
const CATEGORY: &str = "category \u{1b}[2J\u{9b}31m\u{202e}<b>";

const DATASET: &str = "things-of-\u{9b}31m\u{202e}file-of-the-dataset.jsonl";

/// A project in which everything that somebody else may write is hostile.
fn hostile_scene(provider: &Parrot) -> Scene {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new()
        .asking(&simulator)
        .with("OPENAI_BASE_URL", &provider.url)
        .with("BATCHGEN_CONCURRENCY", "1");
    let record = |number: u32| {
        let id = format!("r{number}");
        let name = hostile("name-of-a-record");
        let (field, value) = (hostile("name-of-a-field"), hostile("value-of-a-field"));
        let row = json!({"id": id, "name": name, "category": CATEGORY, field: value});
        row.to_string() + "\n"
    };
    let mut rows: String = (0..12).map(record).collect();
    let twice = Value::String(hostile("key-that-is-there-twice"));
    rows += &format!("{{\"id\": \"bad\", {twice}: 1, {twice}: 2}}\n");
    rows += &(json!({"id": hostile("id-that-is-no-id"), "name": "x", "category": "c"}).to_string()
        + "\n");
    scene.write(DATASET, &rows);
    scene.write("other.csv", "sku,title,kind\na,A,x\nb,B,x\n");
    let built = root().join("target/test-plugins/hostile.wasm");
    fs::copy(&built, scene.path("hostile.wasm")).unwrap();
    fs::copy(&built, scene.path("plugins/hostile.wasm")).unwrap();
    fs::copy(
        root().join("tests/plugins/hostile/plugin.toml"),
        scene.path("plugin.toml"),
    )
    .unwrap();
    // A file of this name that is no plugin.
    scene.write(
        "plugins/x\u{9b}31m\u{202e}file-of-a-plugin.wasm",
        "no plugin",
    );
    let quoted = |text: &str| {
        Value::String(text.to_owned())
            .to_string()
            .replace('\u{7f}', "\\u007f")
    };
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = {dataset}\nsafe-ids = true\n[site]\nname = {site}\n[plugins]\ndirectory = \"plugins\"\nimplicit = false\n\
             [component.note]\nplugin = \"prompt\"\nenabled = true\ninput = {{ record = \"all\" }}\n\
             prompts.write.text = {prompt}\n\
             [component.hostile]\nenabled = true\n\
             options = {{ record = \"r1\", behaviour = \"say\", text = {text} }}\n",
            dataset = quoted(DATASET),
            site = quoted(&hostile("name-of-the-site")),
            prompt = quoted(&hostile("prompt {{ record.name }}").replace("{{ hacked }}", "")),
            text = quoted(&hostile("option")),
        ),
    );
    scene
}

const SUBJECT: Subject<'static> = Subject {
    record: "r1",
    component: "hostile",
    plugin: "hostile.wasm",
    dataset: "other.csv",
};

/// What all commands say, with logs, by their words.
fn said(scene: &Scene) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for command in each(scene, SUBJECT) {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let ran = scene.host(&words);
        said.insert(words.join(" "), ran.stdout + &ran.stderr);
    }
    said
}

/// Whether what a command prints is a table, which has no escapes; a terminal gets it through the filter.
fn is_table(words: &str) -> bool {
    words.contains("--format csv")
}

#[track_caller]
fn assert_unharmed(sinks: &BTreeMap<String, String>) {
    let harmed: Vec<String> = sinks
        .iter()
        .filter(|(name, _)| !is_table(name))
        .filter_map(|(name, text)| Some(format!("{name}: {}", obeyed(text)?)))
        .collect();
    assert!(harmed.is_empty(), "{harmed:#?}");
}

#[test]
fn no_command_log_page_report_or_metric_obeys_what_it_shows() {
    let provider = provider();
    let scene = hostile_scene(&provider);
    let scene = scene.with("BATCHGEN_LOG", "trace");
    let mut sinks = BTreeMap::new();
    let ran = scene.host(&["run"]);
    sinks.insert("first run".to_owned(), ran.stdout + &ran.stderr);
    sinks.extend(said(&scene));
    assert_eq!(ENDLESS, ["view", "dev"]);
    sinks.extend(pages(&scene));
    let mut dev = Developing::start(&scene, &["--record", "r1"]);
    sinks.insert("dev".to_owned(), dev.round());
    for file in ["report.html", "rows.jsonl", "failures.jsonl", "tasks.jsonl"] {
        sinks.insert(file.to_owned(), scene.read(file));
    }
    assert_unharmed(&sinks);
    for (name, text) in &sinks {
        let is_markup = ["markdown", "html", "metrics"];
        if is_markup.iter().any(|kind| name.contains(kind)) {
            // Markdown has escapes.
            let plain = text.replace("\\<", "").replace("\\[", "");
            for markup in ["<script>hacked", "<img src=x"] {
                assert!(!plain.contains(markup), "{name}: {markup}");
            }
            // Elsewhere it is no link.
            assert!(!name.contains("markdown") || !plain.contains("[x](javascript"));
        }
    }
    let unseen: Vec<&&str> = SOURCES
        .iter()
        .filter(|source| !sinks.values().any(|text| text.contains(**source)))
        .collect();
    assert!(unseen.is_empty(), "nothing shows {unseen:?}");
}

/// The routes of the server, from its code: a new one is fetched, too.
fn routes() -> Vec<String> {
    let code = fs::read_to_string(root().join("host/crates/watch/src/server.rs")).unwrap();
    let routes = code.split(".route(\"").skip(1);
    let routes: Vec<String> = routes
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect();
    assert!(routes.len() >= 7, "{routes:?}");
    routes
}

/// Everything that the page of the last run gives.
fn pages(scene: &Scene) -> BTreeMap<String, String> {
    let viewing = Viewing::start(scene);
    let web = Web::new();
    let mut pages = BTreeMap::new();
    let mut asked: Vec<String> = routes();
    asked.push("/task?record=r1&component=hostile".to_owned());
    asked.push("/task?record=r2&component=note".to_owned());
    asked.push("/tasks?text=r".to_owned());
    let runs = web.json(&format!("{}runs", viewing.page));
    let run = runs[0]["id"].as_str().unwrap_or_default();
    asked.push(format!("/run?id={run}"));
    for route in asked {
        let url = format!("{}{}", viewing.page, route.trim_start_matches('/'));
        let text = if route == "/events" {
            web.first_event(&url)
        } else {
            let reply = web.get(&url);
            let kind = reply.headers["content-type"].to_str().unwrap().to_owned();
            assert!(!kind.contains("html"), "{route}: {kind}");
            reply.body
        };
        pages.insert(format!("page {route}"), text);
    }
    pages
}

/// Projects that no command can work with, each with what a person is told of it.
#[test]
fn what_is_said_of_a_broken_project_obeys_nothing() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let quoted = |text: &str| {
        Value::String(text.to_owned())
            .to_string()
            .replace('\u{7f}', "\\u007f")
    };
    type Break<'a> = (&'a str, &'a dyn Fn(&Scene));
    let breaks: &[Break<'_>] = &[
        ("unknown-key", &|scene| {
            scene.configure(&format!(
                "[site]\n{} = 1\n",
                quoted(&hostile("unknown-key"))
            ));
        }),
        ("excerpt", &|scene| {
            scene.configure(&format!("[site]\nname = {}\n", hostile("excerpt")))
        }),
        ("component-name", &|scene| {
            scene.configure(&format!(
                "[component.{}]\nenabled = true\n",
                quoted(&hostile("component-name"))
            ));
        }),
        ("variable", &|scene| {
            scene.write(".env", &format!("{}=1\n", hostile("variable")))
        }),
        ("list-key", &|scene| {
            scene.write("materials.yaml", "list-key\u{9b}31m\u{202e}:\n- a\n");
        }),
        ("lock", &|scene| {
            let text = quoted(&hostile("lock"));
            scene.write(
                "plugins.lock",
                &format!("format = 1\n[[plugin]]\nname = {text}\nversion = {text}\ncontract = {text}\ndigest = \"{}\"\n", "0".repeat(64)),
            );
        }),
        ("lock-excerpt", &|scene| {
            scene.write("plugins.lock", &hostile("lock-excerpt"))
        }),
        ("address", &|scene| {
            scene.configure(&format!(
                "[provider.x]\nbase-url = \"https://evil.example/\"\nauth-header = {0}\napi-key-env = {0}\n[models.\"x/m\"]\n",
                quoted(&hostile("address"))
            ));
        }),
        ("manifest", &|scene| plugin_of_somebody(scene)),
        ("status", &|scene| forged_status(scene)),
    ];
    for (source, break_it) in breaks {
        let scene = Scene::new().asking(&simulator);
        scene.write("other.csv", "sku,title,kind\na,A,x\nb,B,x\n");
        for (from, to) in [
            ("target/plugins/tags.wasm", "tags.wasm"),
            ("plugins/tags/plugin.toml", "plugin.toml"),
        ] {
            fs::copy(root().join(from), scene.path(to)).unwrap();
        }
        scene
            .run(&["--component", "tags", "--record", "oak"])
            .ended(0);
        let subject = Subject {
            record: "oak",
            component: "tags",
            plugin: "tags.wasm",
            dataset: "other.csv",
        };
        let mut commands = each(&scene, subject);
        // What breaks here is told before a command looks at most of its flags.
        let mut seen = BTreeSet::new();
        commands.retain(|command| {
            let name = command.words.iter().take(2);
            let is_of_state = ["status", "report"].contains(&command.words[0].as_str());
            is_of_state || seen.insert(name.cloned().collect::<Vec<_>>())
        });
        break_it(&scene);
        let mut sinks = BTreeMap::new();
        for command in commands {
            let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
            let ran = scene.host(&words);
            let name = format!("{source}: {}", words.join(" "));
            sinks.insert(name, ran.stdout + &ran.stderr);
        }
        assert_unharmed(&sinks);
        // A name that is none is told by its line alone.
        let is_shown = *source != "variable";
        assert!(
            !is_shown || sinks.values().any(|text| text.contains(*source)),
            "nothing shows {source}: {:?}",
            sinks.get(&format!("{source}: run"))
        );
    }
}

/// Servers that give no answer of a model, and a file that somebody else wrote: each is shown, and obeyed by nothing. A new one belongs here.
#[test]
fn what_storage_registries_and_plans_say_obeys_nothing() {
    let storage = Parrot::start(|_| -> Said {
        let said = hostile("word-of-storage").replace('<', "&lt;");
        let body = format!("<Error><Code>Odd</Code><Message>{said}</Message></Error>");
        ("400 Bad Request", "application/xml", body)
    });
    let refusing = Parrot::start(|_| -> Said {
        let said = json!({"errors": [{"message": hostile("word-of-a-registry")}]});
        ("403 Forbidden", "application/json", said.to_string())
    });
    let layers = Parrot::start(|_| -> Said {
        let media = hostile("type-of-a-layer");
        let digest = format!("sha256:{}", "0".repeat(64));
        let layer = json!({"mediaType": media, "digest": digest, "size": 1, "annotations": {"note": media}});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": {"note": media},
            "config": layer, "layers": [layer],
        });
        (
            "200 OK",
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string(),
        )
    });
    let host = |parrot: &Parrot| {
        let url = parrot.url.trim_start_matches("http://");
        url.trim_end_matches("/v1").to_owned()
    };
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("BATCHGEN_TRUST", "1")
        .with("AWS_ENDPOINT_URL", &format!("http://{}", host(&storage)))
        .with("AWS_ACCESS_KEY_ID", "AKIATESTKEY")
        .with("AWS_SECRET_ACCESS_KEY", "a-secret-of-somebody");
    scene.run(&["--limit", "1"]).ended(0);
    let plan = json!({
        "format": 1, "tasks": "0".repeat(64), "files": 1, "cost_micros": null, "all": false,
        "components": [hostile("component-of-a-plan")], "categories": [hostile("x")], "records": [], "limit": null,
        "sample": null, "overwrite_edited": false,
    });
    scene.write("plan.json", &plan.to_string());
    scene.write(
        "other.json",
        &json!({hostile("key-of-a-plan"): 1}).to_string(),
    );
    let refused = format!("oci:{}/acme/notes:1", host(&refusing));
    let layered = format!("oci:{}/acme/notes:1", host(&layers));
    for (source, words) in [
        ("word-of-storage", &["store", "push", "s3://team/state"][..]),
        ("word-of-storage", &["store", "pull", "s3://team/state"]),
        ("word-of-storage", &["run", "--data", "s3://team/rows.csv"]),
        ("word-of-storage", &["run", "--output", "s3://team/site"]),
        ("word-of-a-registry", &["plugins", "add", &refused]),
        ("type-of-a-layer", &["plugins", "add", &layered]),
        ("component-of-a-plan", &["run", "--plan", "plan.json"]),
        ("key-of-a-plan", &["run", "--plan", "other.json"]),
    ] {
        for log in ["warn", "trace"] {
            let output = scene.command(words).env("BATCHGEN_LOG", log).output();
            let ran = Ran::from(output.unwrap());
            let said = ran.stdout + &ran.stderr;
            assert!(
                said.contains(source),
                "{words:?} does not show {source}: {said}"
            );
            assert_unharmed(&BTreeMap::from([(words.join(" "), said)]));
        }
    }
}

/// A plugin file that was not made here, with texts of its own in its manifest.
fn plugin_of_somebody(scene: &Scene) {
    let manifest = fs::read_to_string(root().join("plugins/tags/plugin.toml")).unwrap();
    let text = Value::String(hostile("manifest"))
        .to_string()
        .replace('\u{7f}', "\\u007f");
    let replaced: String = manifest
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some((key @ ("version" | "description"), _)) => format!("{key} = {text}\n"),
            Some(("name", _)) => "name = \"somebody\"\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    scene.write("somebody.toml", &replaced);
    scene.host(&[
        "plugins",
        "pack",
        "tags.wasm",
        "--manifest",
        "somebody.toml",
        "--output",
        "plugins/somebody.wasm",
    ]);
}

/// The status file as somebody else may have written it.
fn forged_status(scene: &Scene) {
    let file = ".batchgen/state.db.status.json";
    let mut status: Value = serde_json::from_str(&scene.read(file)).unwrap();
    for key in ["records", "project", "command"] {
        status["run"][key] = hostile("status").into();
    }
    status["run"]["models"] = json!([hostile("status")]);
    status["end"]["cause"] = hostile("status").into();
    scene.write(file, &status.to_string());
}
