//! A disk that is full stops the run in order: it says so, and what was paid for is there when it goes on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::crash::{answered, billed};
use crate::scene::{KEY, Ran, Scene, program};
use simulator::{Config, Simulator};

const METAL: [&str; 2] = ["--category", "metal"];

fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap()
}

/// A file system of its own that is soon full; only root may have one.
pub(super) struct Small(pub PathBuf);

impl Small {
    pub fn mount(scene: &Scene, bytes: u64) -> Option<Small> {
        let folder = scene.path("small");
        std::fs::create_dir(&folder).unwrap();
        let mounted = mount(&format!("size={bytes}"), &folder);
        if !mounted {
            eprintln!("skipped: only root may mount a small file system");
        }
        mounted.then_some(Small(folder))
    }

    /// Leaves no room in it.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        let piece = [0; 4096];
        while file.write_all(&piece).is_ok() {}
    }

    fn grow(&self) {
        assert!(mount("remount,size=256m", &self.0));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        // Its scene, where that has gone already and could not be removed with this in it.
        if let Some(scene) = self.0.parent() {
            let _ = std::fs::remove_dir_all(scene);
        }
    }
}

fn mount(options: &str, folder: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(folder);
    mount.output().is_ok_and(|output| output.status.success())
}

#[test]
fn of_the_output() {
    let simulator = simulator();
    let scene = Scene::new();
    let Some(small) = Small::mount(&scene, 128 << 10) else {
        return;
    };
    let output = small.0.join("content");
    let scene = scene
        .asking(&simulator)
        .with("BATCHGEN_CONCURRENCY", "4")
        .with("BATCHGEN_OUTPUT", &output.display().to_string());
    let ran = scene.run(&METAL).ended(1);
    assert!(
        ran.stderr.contains("No space left on device"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("make room and run again"),
        "{}",
        ran.stderr
    );
    let paid = simulator.totals().billed;
    assert!(paid > 0);
    assert_eq!(
        scene.query("SELECT count(*) FROM completion"),
        paid,
        "all that was paid for is kept"
    );
    small.grow();
    let summary = scene.run(&METAL).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("edited")), (34, 0));
    assert_eq!(simulator.totals().billed_again, 0);
}

#[test]
fn of_the_state() {
    let scene = Scene::new();
    let Some(small) = Small::mount(&scene, (1 << 20) + (128 << 10)) else {
        return;
    };
    let state = "small/state.db";
    let scene = scene.with("BATCHGEN_STATE", state);
    goes_on(scene, state, |scene| {
        let ran = scene.run(&METAL).ended(1);
        assert!(
            ran.stderr.contains("make room and run again"),
            "{}",
            ran.stderr
        );
        || small.grow()
    });
}

/// Where nobody may mount anything: files that may not grow stand for a disk that is full.
#[test]
fn of_a_file_that_may_not_grow() {
    goes_on(Scene::new(), ".batchgen/state.db", |scene| {
        let script = "ulimit -f 3000; exec \"$0\" run --category metal";
        let host = program("batchgen").display().to_string();
        let output = scene
            .command_of(Path::new("/bin/sh"), &["-c", script, &host])
            .output()
            .unwrap();
        let ran = Ran::from(output).ended(1);
        assert!(ran.stderr.contains("state.db failed"), "{}", ran.stderr);
        || ()
    });
}

/// A run that fails for its state, and one that goes on with more room. `fail` gives what makes room.
fn goes_on<M: FnOnce()>(scene: Scene, state: &str, fail: impl FnOnce(&Scene) -> M) {
    let first = simulator();
    let scene = scene.asking(&first).with("BATCHGEN_CONCURRENCY", "4");
    let make_room = fail(&scene);
    let first = first.shutdown();
    let journaled = scene.journal_of(state);
    assert!(!journaled.is_empty());
    make_room();
    let second = simulator();
    let scene = scene.asking(&second).with("BATCHGEN_CONCURRENCY", "4");
    let summary = scene.run(&METAL).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("edited")), (34, 0));
    let after = scene.journal_of(state);
    assert!(
        journaled
            .iter()
            .all(|(key, text)| after.get(key) == Some(text))
    );
    // What had just arrived could not be kept; nothing else is asked again.
    let (second, answers) = (second.shutdown(), answered(&first));
    assert_eq!(
        billed(&second).intersection(&answers).count(),
        answers.len() - journaled.len()
    );
}
