//! The disk fails at each place where commands other than an ordinary run write a file: a plan, a dataset that is fetched, a plugin from
//! elsewhere with its lock, tables and reports. Whatever it hits, no half file has the name of a whole one, no lie is told, and the
//! same command succeeds afterwards. [`WORKS`] lists them; a new one belongs there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use crate::scene::{KEY, Ran, Scene, root};
use simulator::{Config, Simulator};

/// What is done, in the project of a scene.
struct Work {
    words: &'static [&'static str],
    /// What it makes.
    makes: &'static [&'static str],
}

const WORKS: &[Work] = &[
    Work {
        words: &["plan", "--all", "--out", "plan.json"],
        makes: &["plan.json"],
    },
    Work {
        words: &[
            "run",
            "--component",
            "summary",
            "--data",
            "SERVER/things.csv",
        ],
        makes: &["content/summary/a.txt", "content/summary/b.txt"],
    },
    Work {
        words: &["plugins", "add", "SERVER/summary.wasm"],
        makes: &["plugins.lock"],
    },
    Work {
        words: &["export", "rows.jsonl"],
        makes: &["rows.jsonl"],
    },
    Work {
        words: &["report", "--json", "-o", "report.json"],
        makes: &["report.json"],
    },
];

/// Calls that fail, each with its error.
const CALLS: [(&str, &str); 8] = [
    ("fsync", "EIO"),
    ("fdatasync", "EIO"),
    ("rename", "EIO"),
    ("renameat2", "EIO"),
    ("linkat", "EPERM"),
    ("mkdir", "EROFS"),
    ("ftruncate", "EIO"),
    ("unlink", "EIO"),
];
/// More calls of one kind than one thread makes.
const PLACES: usize = 60;
/// Blocks of 512 bytes that a file may have: a write beyond them fails.
const SIZES: [u32; 6] = [0, 1, 8, 64, 256, 1024];

/// Serves a dataset and a plugin for as long as the test lives.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    url
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    lines.map_while(Result::ok).find(String::is_empty)?;
    let body = if first.contains("things.csv") {
        b"id,name,category\na,Lamp,light\nb,Torch,light\n".to_vec()
    } else {
        fs::read(root().join("target/example-plugins/summary.wasm")).ok()?
    };
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

/// A project with a state, and a home and a cache of its own beside it.
struct Project {
    scene: Scene,
    server: String,
}

impl Project {
    fn new(server: &str, simulator: &Simulator) -> Project {
        let scene = Scene::new().asking(simulator);
        let (home, cache) = (scene.path("home"), scene.path("cache"));
        let scene = scene
            .with("HOME", &home.display().to_string())
            .with("BATCHGEN_CACHE_DIR", &cache.display().to_string());
        scene.write("project/records.csv", "id,name,category\na,Lamp,light\n");
        scene.write(
            "project/batchgen.toml",
            "[dataset]\npath = \"records.csv\"\n[plugins]\ndirectory = \"own\"\n",
        );
        fs::create_dir(scene.path("project/own")).unwrap();
        Project {
            scene,
            server: server.to_owned(),
        }
    }

    /// Everything that a command needs, made without a fault.
    fn prepare(&self, work: &Work) {
        if work.words[0] != "plugins" {
            let plugin = root().join("target/example-plugins/summary.wasm");
            fs::copy(plugin, self.scene.path("project/own/summary.wasm")).unwrap();
        }
        if ["export", "report"].contains(&work.words[0]) {
            self.host(&["run", "--component", "summary"]).ended(0);
        }
    }

    fn host(&self, words: &[&str]) -> Ran {
        self.ran(&crate::scene::program("batchgen"), &[], words)
    }

    fn ran(&self, program: &Path, before: &[String], words: &[&str]) -> Ran {
        let words = words
            .iter()
            .map(|word| word.replace("SERVER", &self.server));
        let words: Vec<String> = before.iter().cloned().chain(words).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.scene.command_of(program, &words);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .env("PATH", path)
            .current_dir(self.scene.path("project"));
        Ran::from(command.output().unwrap())
    }

    fn made(&self, work: &Work) -> BTreeMap<&'static str, Vec<u8>> {
        let read = |name: &&'static str| {
            let text = fs::read(self.scene.path("project").join(name)).ok()?;
            Some((*name, text))
        };
        work.makes.iter().filter_map(read).collect()
    }
}

fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap()
}

/// Tries every fault at every place of a command.
fn holds(work: &Work) {
    let (server, simulator) = (server(), simulator());
    let calm = Project::new(&server, &simulator);
    calm.prepare(work);
    calm.host(work.words).ended(0);
    let whole = calm.made(work);
    assert_eq!(whole.len(), work.makes.len(), "{:?}", work.words);
    let mut hit = 0;
    for (call, error) in CALLS {
        for place in 1..PLACES {
            let project = Project::new(&server, &simulator);
            project.prepare(work);
            let log = project.scene.path("strace.log");
            let inject = format!("inject={call}:error={error}:when={place}");
            let trace = format!("trace={call}");
            let log_name = log.display().to_string();
            let words = ["-f", "-qq", "-o", &log_name, "-e", &trace, "-e", &inject];
            let mut before: Vec<String> = words.map(str::to_owned).to_vec();
            before.push(program());
            let ran = project.ran(Path::new("strace"), &before, work.words);
            if !fs::read_to_string(&log).is_ok_and(|log| log.contains("(INJECTED)")) {
                break;
            }
            hit += 1;
            lawful(work, &project, &ran, &whole, &format!("{call} {place}"));
        }
    }
    assert!(hit > 0, "no call of {:?} was hit", work.words);
    for size in SIZES {
        let project = Project::new(&server, &simulator);
        project.prepare(work);
        let limited = format!("ulimit -f {size}; exec \"$0\" \"$@\"");
        let before = ["-c".to_owned(), limited, program()];
        let ran = project.ran(&PathBuf::from("/bin/sh"), &before, work.words);
        lawful(
            work,
            &project,
            &ran,
            &whole,
            &format!("files of {size} blocks"),
        );
    }
}

fn program() -> String {
    crate::scene::program("batchgen").display().to_string()
}

/// Whether a file is all that it should be. Times stand in some of those that are JSON.
fn is_whole(name: &str, bytes: &[u8], whole: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    match Path::new(name).extension().and_then(|end| end.to_str()) {
        Some("json") => is_json(&text),
        Some("jsonl") => {
            let lines = String::from_utf8_lossy(whole).lines().count();
            text.lines().count() == lines && text.ends_with('\n') && text.lines().all(is_json)
        }
        _ => bytes == whole,
    }
}

/// What may be after a fault: nothing or all of each file, a cause or success, and the way to success.
#[track_caller]
fn lawful(
    work: &Work,
    project: &Project,
    ran: &Ran,
    whole: &BTreeMap<&'static str, Vec<u8>>,
    fault: &str,
) {
    let made = project.made(work);
    let what = format!("{:?}, {fault}: {ran:?}", work.words);
    for (name, bytes) in &made {
        assert!(
            is_whole(name, bytes, &whole[name]),
            "{name} is not whole: {what}"
        );
    }
    if ran.code == Some(0) {
        assert_eq!(made.len(), whole.len(), "success was said: {what}");
    } else {
        assert!(!ran.stderr.is_empty(), "no cause was told: {what}");
    }
    let again = project.host(work.words);
    // A file whose note was not written may be somebody else's.
    let is_kept = ran.code == Some(0) && again.stderr.contains("replace it with --force");
    assert!(
        again.code == Some(0) || is_kept,
        "the same again: {again:?}, after {what}"
    );
    assert_eq!(project.made(work).len(), whole.len(), "after {what}");
}

#[test]
fn a_plan() {
    holds(&WORKS[0]);
}

#[test]
fn a_dataset_that_is_fetched() {
    holds(&WORKS[1]);
}

#[test]
fn a_plugin_that_is_fetched_and_its_lock() {
    holds(&WORKS[2]);
}

#[test]
fn a_table() {
    holds(&WORKS[3]);
}

#[test]
fn a_report() {
    holds(&WORKS[4]);
}
