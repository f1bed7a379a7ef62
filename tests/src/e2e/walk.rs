//! Somebody who edits data, prompts, options, plugins and outputs for a while, and kills the host now and then: `plan`
//! says what `run` then does, an edit stays until they say otherwise, and what batchgen wrote is never taken for one.
//!
//! `WALK_SEED=7 cargo xtask test walk` is one walk, `WALKS=100` are many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::plan::{COMPONENTS, SELECTION, planned, touch_plugin};
use crate::scene::{Scene, root, until};

/// Walks in CI.
const WALKS: u64 = 4;
/// Steps of each.
const STEPS: u64 = 8;
const RECORDS: [&str; 4] = [
    "silicon",
    "gallium-arsenide",
    "silicon-carbide",
    "silicon-germanium",
];

/// One walk.
struct Walk {
    scene: Scene,
    dice: Dice,
    /// Counts up, so that no change is the same as one before.
    number: u64,
    configured: BTreeMap<&'static str, String>,
    /// Files that were edited by hand, as they were left.
    edited: BTreeMap<String, String>,
    /// What was done, to be told when something is wrong.
    done: Vec<String>,
}

#[test]
fn whatever_is_edited_in_whatever_order_plan_is_right_and_edits_are_safe() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seeds = match number("WALK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WALKS").unwrap_or(WALKS),
    };
    for seed in seeds {
        Walk::new(seed).go();
    }
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let scene = Scene::new();
        scene.run(&SELECTION).ended(0);
        Walk {
            scene,
            dice: Dice::new(seed),
            number: 0,
            configured: BTreeMap::new(),
            edited: BTreeMap::new(),
            done: vec![format!("WALK_SEED={seed}")],
        }
    }

    fn go(mut self) {
        for _ in 0..STEPS {
            for _ in 0..=self.dice.below(3) {
                self.edit();
            }
            self.check();
        }
    }

    /// Does one thing.
    fn edit(&mut self) {
        self.number += 1;
        let number = self.number;
        let record = RECORDS[self.dice.below(4) as usize];
        let component = COMPONENTS[self.dice.below(5) as usize];
        let path = format!("content/{component}/{record}-laser-cleaning");
        let path = ["md", "txt"]
            .map(|extension| format!("{path}.{extension}"))
            .into_iter()
            .find(|path| self.scene.path(path).exists());
        let what = match self.dice.below(11) {
            0 => {
                let data = self.scene.read("materials.yaml");
                let id = format!("- id: {record}\n");
                let place = data.find(&id).unwrap();
                let (before, rest) = data.split_at(place);
                let (head, rest) = rest.split_once("  name: ").unwrap();
                let (_, rest) = rest.split_once('\n').unwrap();
                let data = format!("{before}{head}  name: Thing {number}\n{rest}");
                self.scene.write("materials.yaml", &data);
                format!("another name of {record}")
            }
            1 => {
                let record = format!("- id: {record}\n");
                let noted = format!("{record}  remark-{number}: x\n");
                self.scene.replace("materials.yaml", &record, &noted);
                "a field that nobody asks for".to_owned()
            }
            2 => {
                let prompt =
                    fs::read_to_string(root().join("plugins/tags/prompts/write.md")).unwrap();
                self.scene
                    .write("tags.md", &format!("{prompt}\nNumber {number}.\n"));
                self.configure(
                    "prompt",
                    "[component.tags]\nprompts = { write = \"tags.md\" }\n".to_owned(),
                )
            }
            3 => self.configure(
                "colour",
                format!("[component.metatags.options]\ntheme-color = \"#{number:06}\"\n"),
            ),
            4 => self.configure("site", format!("[site]\nname = \"Site {number}\"\n")),
            5 => {
                self.configured.clear();
                self.scene.configure("");
                "the configuration as it was".to_owned()
            }
            6 => {
                touch_plugin(&self.scene, component);
                format!("another file of the plugin {component}")
            }
            7 => self.host(&["accept"]),
            8 => self.killed(),
            9 => match path {
                Some(path) => {
                    fs::remove_file(self.scene.path(&path)).unwrap();
                    self.edited.remove(&path);
                    format!("{path} removed")
                }
                None => return,
            },
            _ => match path {
                // An edit that another component could not read would be a failure, and another story.
                Some(path) if !path.contains("frontmatter") => {
                    let text = format!("{}\nBy hand, {number}.\n", self.scene.read(&path));
                    self.scene.write(&path, &text);
                    self.edited.insert(path.clone(), text);
                    format!("{path} edited")
                }
                _ => return,
            },
        };
        self.done.push(what);
    }

    fn configure(&mut self, what: &'static str, text: String) -> String {
        self.configured.insert(what, text);
        let all: String = self.configured.values().map(String::as_str).collect();
        self.scene.configure(&all);
        format!("another {what}")
    }

    /// Accepts all edits, if the last run ended in order.
    fn host(&mut self, arguments: &[&str]) -> String {
        let ran = self.scene.host(arguments);
        if ran.code == Some(0) {
            self.edited.clear();
        }
        format!("{arguments:?} ended with {:?}", ran.code)
    }

    /// Begins a run and kills it.
    fn killed(&mut self) -> String {
        let mut child = self.scene.start(&SELECTION);
        let moment = Instant::now() + Duration::from_micros(self.dice.below(150_000));
        until("a moment", || {
            Instant::now() >= moment || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        "a run that is killed".to_owned()
    }

    /// Plans, runs, and runs again.
    fn check(&mut self) {
        let told = self.done.join("; ");
        let before = self.scene.content();
        let plan = planned(&self.scene, &SELECTION);
        assert_eq!(
            before,
            self.scene.content(),
            "{told}: a plan writes nothing"
        );
        let summary = self.scene.run(&SELECTION).ended(0).summary();
        let says = |component: &str, key: &str| plan[component][key].as_u64().unwrap();
        for component in COMPONENTS {
            let (least, more) = (
                says(component, "to_make"),
                says(component, "depends_on_upstream"),
            );
            let made = summary.of(component, "made");
            assert!(
                (least..=least + more).contains(&made),
                "{told}: {component}: {least} and perhaps {more} were said, {made} were made"
            );
        }
        let after = self.scene.content();
        let names: BTreeSet<&str> = self.edited.keys().map(String::as_str).collect();
        for (path, text) in &self.edited {
            assert_eq!(
                &self.scene.read(path),
                text,
                "{told}: {path} is as it was left"
            );
        }
        assert_eq!(
            summary.count("edited"),
            names.len() as u64,
            "{told}: {names:?}"
        );
        let again = self.scene.run(&SELECTION).ended(0).summary();
        assert_eq!(again.count("made"), 0, "{told}: nothing is left to do");
        assert_eq!(after, self.scene.content(), "{told}");
        self.done.push("a run".to_owned());
    }
}
