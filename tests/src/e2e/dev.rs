//! `batchgen dev`: a round for each change, what it shows, and how it ends.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::Scene;

/// A `batchgen dev` that runs until it is told to end.
pub struct Developing {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Developing {
    pub fn start(scene: &Scene, arguments: &[&str]) -> Developing {
        let words = [&["dev"], arguments].concat();
        let mut command = scene.command(&words);
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Developing { child, lines }
    }

    /// The same with a page, whose address comes with it. What it says on standard error goes nowhere.
    pub fn on_a_page(scene: &Scene, arguments: &[&str]) -> (Developing, String) {
        let words = [&["dev", "--dashboard"], arguments].concat();
        let mut child = scene.command(&words).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let page = said.find_map(|line| Some(line.ok()?.strip_prefix("dashboard: ")?.to_owned()));
        // Read on, or a full pipe would stop it.
        std::thread::spawn(move || said.for_each(drop));
        let page = page.expect("it says where its page is");
        (Developing { child, lines }, page)
    }

    /// What it says up to the end of the round.
    pub fn round(&mut self) -> String {
        let mut said = String::new();
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.starts_with("waiting for a change") {
                return said.trim_start().to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("it ended in a round:\n{said}");
    }

    /// Ends it as Ctrl-C does; gives its exit code.
    pub fn interrupted(&mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Developing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub const TEASER: &str =
    "---\ninput: {record: [category]}\n---\n\nWrite a teaser on {{ record.name }}.\n";

#[test]
fn what_is_saved_makes_a_round_that_shows_what_has_changed() {
    let scene = Scene::new().with_plugins("plugins");
    scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
    scene.write("components/teaser.md", TEASER);
    let mut dev = Developing::start(&scene, &["--record", "oak"]);
    let first = dev.round();
    assert!(
        first.contains("=== teaser/oak-laser-cleaning.md: new")
            && first.ends_with("1 file of 1 changed\n"),
        "{first}"
    );
    let path = "content/teaser/oak-laser-cleaning.md";
    let before = scene.read(path);
    scene.write(
        "components/teaser.md",
        &TEASER.replace("teaser on", "teaser of three sentences on"),
    );
    let second = dev.round();
    let now = scene.read(path);
    assert_ne!(before, now);
    let old = before.lines().next().unwrap();
    assert!(
        second.contains("=== teaser/oak-laser-cleaning.md\n@@")
            && second.contains(&format!("-{old}"))
            && second.contains(&format!("+{}", now.lines().next().unwrap())),
        "{second}"
    );
    scene.write(
        "components/teaser.md",
        &TEASER.replace("record.name", "record.nme"),
    );
    assert_eq!(dev.round(), "", "a fault is told on standard error");
    scene.write("components/teaser.md", TEASER);
    let fourth = dev.round();
    assert_eq!(scene.read(path), before);
    assert!(fourth.contains(&format!("+{old}")), "{fourth}");
    scene.write("components/more.md", &TEASER.replace("teaser", "slogan"));
    let fifth = dev.round();
    assert!(
        fifth.contains("=== more/oak-laser-cleaning.md: new"),
        "{fifth}"
    );
    assert_eq!(dev.interrupted(), Some(0));
}

#[test]
fn three_records_are_made_where_none_is_named() {
    let scene = Scene::new().with_plugins("plugins");
    scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
    scene.write("components/teaser.md", TEASER);
    let mut dev = Developing::start(&scene, &[]);
    let first = dev.round();
    assert!(first.ends_with("3 files of 3 changed\n"), "{first}");
    assert_eq!(dev.interrupted(), Some(0));
    assert_eq!(scene.content().len(), 3);
}
