//! A project from elsewhere: before a person allowed what it chooses, nothing is sent, nothing is started, and nothing outside of its folder
//! is written. [`CHOICES`] lists where a project can choose something; a new one belongs there.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::scene::{Ran, Scene};

/// What a project chooses, by its configuration; `PORT` is of a server that is not of this machine alone, `OUTSIDE` a folder of the person.
const CHOICES: &[(&str, &str)] = &[
    (
        "address",
        "model = 'there/m'\n[provider.there]\nbase-url = 'http://0.0.0.0:PORT/v1'\nallow-http = true\n",
    ),
    (
        "endpoint",
        "model = 'there/m'\n[provider.there]\nallow-http = true\nendpoints = ['http://127.0.0.1:9/v1', 'http://0.0.0.0:PORT/v1']\n",
    ),
    (
        "fallback",
        "model = 'ollama/m'\n[models.'ollama/m']\nfallback = ['there/m']\n\
         [provider.there]\nbase-url = 'http://0.0.0.0:PORT/v1'\nallow-http = true\n",
    ),
    (
        "model of a component",
        "[component.summary]\nmodel = 'there/m'\n[provider.there]\nbase-url = 'http://0.0.0.0:PORT/v1'\nallow-http = true\n",
    ),
    (
        "address of a preset",
        "model = 'openai/m'\n[provider.openai]\nbase-url = 'http://0.0.0.0:PORT/v1'\nallow-http = true\n",
    ),
    (
        "key of somebody else",
        "model = 'here/m'\n[provider.here]\nbase-url = 'http://127.0.0.1:PORT/v1'\napi-key-env = 'AWS_SECRET_ACCESS_KEY'\n",
    ),
    (
        "file with a key",
        "model = 'here/m'\n[provider.here]\nbase-url = 'http://127.0.0.1:PORT/v1'\napi-key-file = 'OUTSIDE/key'\n",
    ),
    ("dataset", "[dataset]\npath = 'http://0.0.0.0:PORT/a.csv'\n"),
    (
        "dataset among files",
        "[dataset]\npath = ['records.csv', 'http://0.0.0.0:PORT/a.csv']\n",
    ),
    (
        "dataset in storage",
        "[dataset]\npath = 's3://bucket/*.csv'\n",
    ),
    (
        "lookup",
        "[dataset.lookup.more]\npath = 'http://0.0.0.0:PORT/a.csv'\nkey = 'id'\n",
    ),
    (
        "categories",
        "[dataset]\npath = 'records.csv'\ncategories-file = 'http://0.0.0.0:PORT/a.yaml'\n",
    ),
    (
        "database",
        "[dataset]\nurl = 'postgres://0.0.0.0:PORT/shop'\nsql = 'SELECT 1'\n",
    ),
    (
        "database by a parameter",
        "[dataset]\nurl = 'postgres://localhost:PORT/shop?hostaddr=0.0.0.0'\nsql = 'SELECT 1'\n",
    ),
    (
        "output in storage",
        "[output]\ndirectory = 's3://bucket/site'\n",
    ),
    ("cluster", "[cluster]\nurl = 'nats://0.0.0.0:PORT'\n"),
    ("command", "[hooks]\nafter-run = 'touch OUTSIDE/started'\n"),
    ("output outside", "[output]\ndirectory = 'OUTSIDE'\n"),
    ("output behind a link", "[output]\ndirectory = 'link'\n"),
    (
        "output above",
        "[output]\ndirectory = 'not-there/../../outside'\n",
    ),
    ("accepted files outside", "[output]\npublish = 'OUTSIDE'\n"),
    ("state outside", "[state]\nfile = 'OUTSIDE/state.db'\n"),
];

/// Commands that may send, start, read or write something.
const COMMANDS: &[&[&str]] = &[
    &["run", "--all"],
    &["plan", "--all"],
    &["doctor"],
    &["retry"],
    &["clean"],
    &["batches", "collect"],
    &["batches", "orphans"],
    &[
        "compare",
        "--with",
        "temperature=0.1",
        "--sample",
        "1",
        "--component",
        "summary",
    ],
];

/// A project, and beside it a folder of the person who runs it.
struct Elsewhere {
    scene: Scene,
    listener: TcpListener,
}

impl Elsewhere {
    fn new() -> Elsewhere {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let scene = Scene::new().with_plugin("example-plugins/summary");
        let home = scene.path("home").display().to_string();
        let scene = scene
            .with("HOME", &home)
            .with("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"))
            .with("AWS_ACCESS_KEY_ID", "AKIATESTKEY")
            .with("AWS_SECRET_ACCESS_KEY", "a-secret-of-somebody")
            .with("PGPASSWORD", "a-secret-of-somebody")
            .with("OPENAI_API_KEY", "a-secret-of-somebody")
            .with("BATCHGEN_CLUSTER_TOKEN", "a-secret-of-somebody");
        scene.write("outside/key", "a-secret-of-somebody\n");
        scene.write(
            "outside/private.csv",
            "id,name,category\nprivate,Private,c\n",
        );
        scene.write("project/records.csv", "id,name,category\na,Lamp,light\n");
        symlink(scene.path("outside"), scene.path("project/link")).unwrap();
        Elsewhere { scene, listener }
    }

    fn choose(&self, choice: &str) {
        let port = self.listener.local_addr().unwrap().port();
        let outside = self.scene.path("outside").display().to_string();
        let choice = choice
            .replace("PORT", &port.to_string())
            .replace("OUTSIDE", &outside);
        let dataset = match choice.contains("[dataset]") {
            true => "",
            false => "[dataset]\npath = 'records.csv'\n",
        };
        let model = match choice.contains("model = ") {
            true => "",
            false => "model = 'offline'\n",
        };
        let (first, rest) = choice.split_at(choice.find('[').unwrap());
        self.scene.write(
            "project/batchgen.toml",
            &format!("{model}{first}{dataset}{rest}"),
        );
    }

    fn host(&self, words: &[&str]) -> Ran {
        let mut command = self.scene.command(words);
        let output = command.current_dir(self.scene.path("project")).output();
        Ran::from(output.unwrap())
    }

    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        let heard = self.listener.accept().map_err(|error| error.kind());
        assert_eq!(heard.unwrap_err(), ErrorKind::WouldBlock, "{what}: asked");
        let outside = names(&self.scene.path("outside"));
        assert_eq!(outside, ["key", "private.csv"], "{what}: written");
        let state = fs::read(self.scene.path("project/.batchgen/state.db"));
        let state = String::from_utf8_lossy(&state.unwrap_or_default()).into_owned();
        assert!(!state.contains("Private"), "{what}: read");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_that_a_project_chooses_is_used_before_a_person_allowed_it() {
    let elsewhere = Elsewhere::new();
    for (what, choice) in CHOICES {
        elsewhere.choose(choice);
        let mut refused = 0;
        for words in COMMANDS {
            let ran = elsewhere.host(words);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            elsewhere.assert_untouched(&format!("{what}: {words:?}: {said}"));
            refused += usize::from(said.contains("is not trusted to choose"));
        }
        assert!(refused > 1, "{what}: nobody was told");
    }
}

#[test]
fn what_was_allowed_is_used_and_nothing_else() {
    let elsewhere = Elsewhere::new();
    elsewhere.choose("[output]\ndirectory = 'OUTSIDE/made'\n");
    let told = elsewhere.host(&["trust"]).ended(0).stderr;
    assert!(told.contains("[output] writes files to"), "{told}");
    // The folder is not there yet at the first time.
    for _ in 0..2 {
        elsewhere.host(&["run"]).ended(0);
    }
    assert!(elsewhere.scene.path("outside/made/summary/a.txt").exists());
    elsewhere.choose("[output]\ndirectory = 'OUTSIDE/other'\n");
    elsewhere.host(&["run"]).ended(2);
    // What a person types is no choice of the project.
    let data = elsewhere.scene.path("outside/private.csv");
    let output = elsewhere.scene.path("outside/typed");
    let (data, output) = (data.to_str().unwrap(), output.to_str().unwrap());
    elsewhere.choose("[site]\nname = 'x'\n");
    elsewhere
        .host(&["run", "--data", data, "--output", output])
        .ended(0);
    assert!(
        elsewhere
            .scene
            .path("outside/typed/summary/private.txt")
            .exists()
    );
}

/// The words of a choice are the project's: they may be the hash of another choice.
#[test]
fn a_choice_that_was_allowed_brings_no_other_with_it() {
    let elsewhere = Elsewhere::new();
    let hook = |command: &str| format!("[hooks]\nafter-run = \"{command}\"\n");
    // What the second command is remembered as, found out by allowing it somewhere else in the same place.
    elsewhere.choose(&hook("touch OUTSIDE/started"));
    elsewhere.host(&["trust"]).ended(0);
    let memory = "home/.local/state/batchgen/trusted";
    let line = elsewhere.scene.read(memory);
    let hash = line.split(' ').next().unwrap().to_owned();
    elsewhere.scene.write(memory, "");
    for command in [
        format!("true # {hash}"),
        format!("true # \\n{hash} x"),
        format!("true # \\r\\n{hash}"),
    ] {
        elsewhere.choose(&hook(&command));
        elsewhere.host(&["trust"]).ended(0);
        assert!(elsewhere.scene.read(memory).contains(&hash));
        elsewhere.choose(&hook("touch OUTSIDE/started"));
        let said = elsewhere.host(&["run"]).ended(2).stderr;
        assert!(said.contains("after-run starts `touch"), "{said}");
    }
    elsewhere.assert_untouched("the command");
}

/// A file that comes with the project sets no place outside of it.
#[test]
fn the_variables_of_a_project_lead_to_places_within_it() {
    let elsewhere = Elsewhere::new();
    elsewhere.choose("[site]\nname = 'x'\n");
    for (name, value) in [
        ("BATCHGEN_OUTPUT", "../outside"),
        ("BATCHGEN_OUTPUT", "link/deeper"),
        ("BATCHGEN_STATE", "../outside/state.db"),
        ("BATCHGEN_DATA", "../outside/private.csv"),
        ("BATCHGEN_DATA", "not-there/../../outside/private.csv"),
    ] {
        elsewhere
            .scene
            .write("project/.env", &format!("{name}={value}\n"));
        let said = elsewhere.host(&["run"]).ended(2).stderr;
        let words = format!(".env:1: a project may not set {name} to a place outside");
        assert!(said.contains(&words), "{said}");
        elsewhere.assert_untouched(value);
    }
    elsewhere
        .scene
        .write("project/.env", "BATCHGEN_OUTPUT=made\n");
    elsewhere.host(&["run"]).ended(0);
    assert!(elsewhere.scene.path("project/made/summary/a.txt").exists());
}
