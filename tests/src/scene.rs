//! A folder of its own for one test or benchmark, with everything that a run reads and writes, and the
//! host to run in it. Nothing of the environment reaches the host but what the scene gives it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a scene that cannot be set up leaves a test nothing to go on with"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;

use simulator::Simulator;

/// The key that tests give to host and simulator.
pub const KEY: &str = "sk-test-0123456789abcdef";
/// No wait of a test is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What tests count on. A plugin that is added changes the outcome of none of them.
const PLUGINS: [&str; 5] = ["frontmatter", "metatags", "text", "table", "tags"];

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the repository")
}

/// A program that was built beside this test.
pub fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("this program's own path");
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("`{name}` is missing: `cargo xtask test` builds it"))
}

/// A folder and the host in it.
pub struct Scene {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// How a run of the host ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Default for Scene {
    fn default() -> Scene {
        Scene::new()
    }
}

impl Scene {
    /// A scene with the bundled dataset and the plugins that are enabled by default.
    pub fn new() -> Scene {
        let scene = Scene {
            folder: tempfile::tempdir().expect("a folder"),
            environment: BTreeMap::new(),
        };
        let plugins = scene.path("plugins");
        fs::create_dir(&plugins).expect("a folder");
        for name in PLUGINS {
            let file = format!("{name}.wasm");
            let built = root().join("target/plugins").join(&file);
            assert!(
                built.exists(),
                "{} is missing: `cargo xtask test` builds it",
                built.display()
            );
            std::os::unix::fs::symlink(built, plugins.join(file)).expect("a link");
        }
        fs::copy(
            root().join("data/materials.yaml"),
            scene.path("materials.yaml"),
        )
        .expect("dataset");
        scene.configure("");
        scene
    }

    /// With one plugin of those that were built, `folder/name`, and no other.
    pub fn with_plugin(self, built: &str) -> Scene {
        let plugins = self.path("plugin");
        fs::create_dir(&plugins).expect("a folder");
        let file = root().join("target").join(format!("{built}.wasm"));
        std::os::unix::fs::symlink(&file, plugins.join("plugin.wasm")).expect("a link");
        self.with("BATCHGEN_PLUGINS", &plugins.display().to_string())
    }

    /// With all that was built into a folder of `target/`: `plugins`, `example-plugins`, `test-plugins`. One that lacks
    /// what it depends on is left out.
    pub fn with_plugins(self, folder: &str) -> Scene {
        let built = root().join("target").join(folder);
        let scene = self.with("BATCHGEN_PLUGINS", &built.display().to_string());
        let listed = scene.host(&["plugins", "list", "--json"]).ended(0);
        let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
        let mut plugins = listed["plugins"].as_array().expect("a list").clone();
        let all = plugins.len();
        loop {
            let known = plugins.clone();
            let is_there = |name: &Value| known.iter().any(|plugin| plugin["name"] == *name);
            plugins.retain(|plugin| {
                let needs = plugin["depends_on"].as_array().expect("a list");
                needs.iter().all(is_there)
            });
            if plugins.len() == known.len() {
                break;
            }
        }
        if plugins.len() == all {
            return scene;
        }
        let whole = scene.path("whole");
        fs::create_dir(&whole).expect("a folder");
        for plugin in &plugins {
            // One is in the program itself.
            let Some(file) = plugin["file"].as_str().map(Path::new) else {
                continue;
            };
            let name = file.file_name().expect("a file");
            std::os::unix::fs::symlink(file, whole.join(name)).expect("a link");
        }
        scene.with("BATCHGEN_PLUGINS", &whole.display().to_string())
    }

    /// The plugins of the scene.
    pub fn plugins(&self) -> Vec<PathBuf> {
        let folder = self.environment.get("BATCHGEN_PLUGINS");
        let folder = folder.map_or_else(|| self.path("plugins"), PathBuf::from);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("an entry").path())
            .filter(|file| file.extension().is_some_and(|end| end == "wasm"))
            .collect();
        files.sort();
        files
    }

    /// With a model behind this simulator, fast, and known by [`KEY`].
    pub fn asking(mut self, simulator: &Simulator) -> Scene {
        for (name, value) in [
            ("OPENAI_API_KEY", KEY),
            ("OPENAI_BASE_URL", simulator.base_url()),
            ("BATCHGEN_MODEL", "openai/sim"),
            ("BATCHGEN_REQUESTS_PER_MINUTE", "1000000"),
            ("BATCHGEN_CONCURRENCY", "32"),
        ] {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// With an environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Scene {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Without the limits that a scene sets else, so that the host finds out what the provider allows.
    pub fn without_limits(mut self) -> Scene {
        for name in ["BATCHGEN_REQUESTS_PER_MINUTE", "BATCHGEN_CONCURRENCY"] {
            self.environment.remove(name);
        }
        self
    }

    /// Writes the configuration: the usual dataset and output path, and `more`.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "[dataset]\npath = \"materials.yaml\"\nrecords = \"materials\"\n\
             [plugins]\ndirectory = \"plugins\"\n[output]\npath = \"{{component}}/{{id}}-laser-cleaning.{{extension}}\"\n{more}"
        );
        self.write("batchgen.toml", &text);
    }

    /// A path in the folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Reads a file of the folder.
    pub fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file of the folder.
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Replaces a text that must occur in a file.
    pub fn replace(&self, relative: &str, from: &str, to: &str) {
        let text = self.read(relative);
        assert!(text.contains(from), "{relative} has no `{from}`");
        self.write(relative, &text.replacen(from, to, 1));
    }

    /// Every output file and its text.
    pub fn content(&self) -> BTreeMap<String, String> {
        self.content_of("content")
    }

    /// Every file below a folder and its text.
    pub fn content_of(&self, root: &str) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path(root)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("an output folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path(root)).expect("below it");
                    files.insert(
                        name.display().to_string(),
                        fs::read_to_string(&path).expect("text"),
                    );
                }
            }
        }
        files
    }

    /// The host with these arguments, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&program("batchgen"), arguments)
    }

    /// A program as the host would be started, not yet started.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("BATCHGEN_CACHE_DIR", root().join("target/wasm-cache"))
            .envs(&self.environment)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the host to its end.
    pub fn host(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().expect("the host starts"))
    }

    /// `batchgen run --json` with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.host(&[&["run", "--json"], arguments].concat())
    }

    /// Starts `batchgen run --json` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(&[&["run", "--json"], arguments].concat())
            .spawn()
            .expect("the host starts")
    }

    /// Reads the state.
    pub fn query(&self, sql: &str) -> u64 {
        let connection = self.state(".batchgen/state.db");
        connection
            .query_row(sql, [], |row| row.get(0))
            .expect("the query works")
    }

    /// Key and text of every completion in the journal.
    pub fn journal(&self) -> BTreeMap<Vec<u8>, String> {
        self.journal_of(".batchgen/state.db")
    }

    /// The same of a state that lies elsewhere in the folder; nothing where there is no state yet.
    pub fn journal_of(&self, relative: &str) -> BTreeMap<Vec<u8>, String> {
        let connection = self.state(relative);
        let Ok(mut statement) =
            connection.prepare("SELECT key, text FROM completion WHERE kind <> 'lost'")
        else {
            return BTreeMap::new();
        };
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.expect("the query works")
            .collect::<Result<_, _>>()
            .expect("keys and texts")
    }

    /// For reading only: a state that was left behind by a kill stays as it is.
    fn state(&self, relative: &str) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(self.path(relative), flags).expect("the state opens")
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("standard output is text"),
            stderr: String::from_utf8(output.stderr).expect("standard error is text"),
        }
    }
}

impl Ran {
    /// Fails the test unless the host ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Ran {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The events of `--json`.
    pub fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
            })
            .collect()
    }

    /// The summary of `--json`.
    pub fn summary(&self) -> Summary {
        let events = self.events();
        let found = events.iter().find(|event| event["event"] == "summary");
        let summary =
            found.unwrap_or_else(|| panic!("no summary in:\n{}\n{}", self.stdout, self.stderr));
        Summary(summary.clone())
    }

    /// Failures as `record component class`, in order of name.
    pub fn failures(&self) -> Vec<String> {
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let mut failures: Vec<String> = self
            .events()
            .iter()
            .filter(|event| event["event"] == "failure")
            .map(|event| {
                ["record", "component", "class"]
                    .map(|key| text(event, key))
                    .join(" ")
            })
            .collect();
        failures.sort();
        failures
    }

    /// What was told besides, by `--json`.
    pub fn notes(&self) -> Vec<String> {
        let events = self.events();
        let notes = events.iter().filter(|event| event["event"] == "note");
        notes
            .filter_map(|note| note["message"].as_str().map(str::to_owned))
            .collect()
    }
}

/// What a run says at its end.
pub struct Summary(Value);

impl Summary {
    /// Records that have every wanted artifact.
    pub fn complete(&self) -> u64 {
        self.0["summary"]["complete"].as_u64().expect("a number")
    }

    /// Records wanted.
    pub fn records(&self) -> u64 {
        self.0["summary"]["records"].as_u64().expect("a number")
    }

    /// A count over all components: made, kept, edited, failed, blocked.
    pub fn count(&self, key: &str) -> u64 {
        self.components()
            .iter()
            .map(|row| row[key].as_u64().expect("a number"))
            .sum()
    }

    /// A count of one component.
    pub fn of(&self, component: &str, key: &str) -> u64 {
        let rows = self.components();
        let row = rows
            .iter()
            .find(|row| row["component"] == component)
            .expect("a component");
        row[key].as_u64().expect("a number")
    }

    /// Names of components that made something.
    pub fn made(&self) -> Vec<String> {
        self.components()
            .iter()
            .filter(|row| row["made"] != 0)
            .map(|row| row["component"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// A count of calls: calls, failed_tries, journaled.
    pub fn calls(&self, key: &str) -> u64 {
        self.0["summary"]["calls"][key].as_u64().expect("a number")
    }

    /// Most memory that the host had, bytes.
    pub fn peak_memory(&self) -> u64 {
        self.0["peak_memory_bytes"].as_u64().expect("a number")
    }

    fn components(&self) -> Vec<Value> {
        self.0["summary"]["components"]
            .as_array()
            .expect("a list")
            .clone()
    }
}

/// Waits for a state, looking again and again; fails the test when it never comes.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what} did not come in {PATIENCE:?}"
        );
        std::thread::yield_now();
    }
}
