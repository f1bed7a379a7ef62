//! `batchgen store` over the state of a real run.

use std::fs::{self, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::scene::{Scene, program, root};

const GLASS: [&str; 2] = ["--category", "glass"];

fn done() -> Scene {
    let scene = Scene::new();
    scene.run(&GLASS).ended(0);
    scene
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_numbers_are_those_of_the_run() {
    let scene = done();
    let said = scene.host(&["store", "stats", "--json"]).ended(0).stdout;
    let stats = &lines(&said)[0];
    let completions = scene.query("SELECT count(*) FROM completion");
    assert_eq!(stats["lanes"][0]["completions"], completions);
    let components = stats["components"].as_array().unwrap();
    let sum: u64 = components
        .iter()
        .map(|row| row["completions"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, completions);
    let shown = scene.host(&["store", "stats"]).ended(0).stdout;
    for word in [
        "WAL",
        "bytes for each completion",
        "transcript",
        "offline",
        "frontmatter",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    for (what, table) in [
        ("completions", "completion"),
        ("transcripts", "transcript"),
        ("tasks", "task"),
    ] {
        let rows = lines(&scene.host(&["store", "export", what]).ended(0).stdout);
        let count = scene.query(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(rows.len() as u64, count, "{what}");
    }
}

#[test]
fn what_is_wrong_with_files_is_told_and_mended_by_a_run() {
    let scene = done();
    let said = scene.host(&["store", "verify"]).ended(0).stdout;
    assert!(
        said.ends_with("40 tasks and 40 files: all is well\n"),
        "{said}"
    );
    let (gone, edited) = (
        "text/quartz-glass-laser-cleaning.md",
        "tags/quartz-glass-laser-cleaning.txt",
    );
    fs::remove_file(scene.path(&format!("content/{gone}"))).unwrap();
    scene.write(&format!("content/{edited}"), "edited");
    let said = scene.host(&["store", "verify"]).ended(3).stdout;
    assert!(said.contains(gone) && said.contains(edited), "{said}");
    scene.host(&["store", "verify", "--no-files"]).ended(0);
    fs::remove_file(scene.path(&format!("content/{edited}"))).unwrap();
    scene.run(&GLASS).ended(0);
    scene.host(&["store", "verify"]).ended(0);
}

#[test]
fn answers_to_an_old_prompt_can_be_pruned_and_nothing_is_asked_again() {
    let scene = done();
    let prompt = fs::read_to_string(root().join("plugins/tags/prompts/write.md")).unwrap();
    scene.write("tags.md", &format!("{prompt}\nPrefer industries.\n"));
    scene.configure("[component.tags]\nprompts = { write = \"tags.md\" }\n");
    let new = scene.run(&GLASS).ended(0).summary().calls("calls");
    assert!(new >= 8);
    let prune = |flags: &[&str]| {
        let arguments = [&["store", "prune", "--json"], flags].concat();
        let said = scene.host(&arguments).ended(0).stdout;
        lines(&said)[0]["completions"].as_u64().unwrap()
    };
    assert_eq!(prune(&[]), 0, "they count for the limits of a day");
    let before = scene.query("SELECT count(*) FROM completion");
    let old = prune(&["--older-than", "0s", "--dry-run"]);
    assert!(old >= 8, "{old}");
    assert_eq!(scene.query("SELECT count(*) FROM completion"), before);
    assert_eq!(prune(&["--older-than", "0s"]), old);
    assert_eq!(scene.query("SELECT count(*) FROM completion"), before - old);
    scene.host(&["store", "verify"]).ended(0);
    let again = scene.run(&GLASS).ended(0).summary();
    assert_eq!((again.count("made"), again.calls("calls")), (0, 0));
}

#[test]
fn a_damaged_state_is_told_and_what_can_be_read_goes_on() {
    let scene = done();
    let all = scene.journal();
    let leaf = scene.query(
        "SELECT pageno FROM dbstat WHERE name = 'completion' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1",
    );
    let path = scene.path(".batchgen/state.db");
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((leaf - 1) * 16384)).unwrap();
    file.write_all(&[0x5a; 16384]).unwrap();
    drop(file);
    let said = scene.host(&["store", "verify"]).ended(2).stdout;
    assert!(
        said.contains("the file is damaged") && said.contains("table completion"),
        "{said}"
    );
    // Asking for everything anew, the run meets the damage and names it.
    fs::remove_dir_all(scene.path("content")).unwrap();
    let ran = scene.run(&GLASS).ended(2);
    assert!(
        ran.stderr.contains("state.db is damaged") && ran.stderr.contains("batchgen store recover"),
        "{}",
        ran.stderr
    );
    let state = ".batchgen/state.db";
    scene
        .host(&["store", "recover", state, ".batchgen/new.db"])
        .ended(3);
    let saved = scene.journal_of(".batchgen/new.db");
    assert!(!saved.is_empty() && saved.len() < all.len());
    assert!(saved.iter().all(|(key, text)| all.get(key) == Some(text)));
    let scene = scene.with("BATCHGEN_STATE", ".batchgen/new.db");
    let summary = scene.run(&GLASS).ended(0).summary();
    assert_eq!(
        (summary.complete(), summary.calls("calls")),
        (8, (all.len() - saved.len()) as u64)
    );
    scene.host(&["store", "verify"]).ended(0);
}

#[test]
fn a_state_that_is_not_there_or_not_known_is_named() {
    let scene = Scene::new();
    for command in ["stats", "verify"] {
        let ran = scene.host(&["store", command]).ended(2);
        assert!(ran.stderr.contains("nothing was run yet"), "{}", ran.stderr);
    }
    let ran = scene.host(&["store", "prune"]).ended(2);
    assert!(ran.stderr.contains("nothing was run yet"), "{}", ran.stderr);
    scene.run(&["--record", "oak"]).ended(0);
    let state = rusqlite::Connection::open(scene.path(".batchgen/state.db")).unwrap();
    state.execute_batch("PRAGMA user_version = 99").unwrap();
    let ran = scene.host(&["store", "stats"]).ended(2);
    assert!(ran.stderr.contains("version 99"), "{}", ran.stderr);
}

/// What is left of a state that was cut off is saved; of one of which nothing is left, that is said, and what to do.
#[test]
fn a_state_that_was_cut_off_is_saved_as_far_as_it_reaches() {
    let scene = done();
    let path = scene.path(".batchgen/state.db");
    // Pages lie in the order in which they were first written: the file ends behind one that has completions.
    let leaf = scene
        .query("SELECT min(pageno) FROM dbstat WHERE name = 'completion' AND pagetype = 'leaf'");
    let whole = fs::read(&path).unwrap();
    let end = usize::try_from(leaf).unwrap() * 16384;
    assert!(end < whole.len());
    fs::write(&path, &whole[..end]).unwrap();
    let ran = scene.run(&GLASS).ended(2);
    assert!(ran.stderr.contains("is damaged"), "{}", ran.stderr);
    let state = ".batchgen/state.db";
    let said = scene
        .host(&["store", "recover", state, "new.db"])
        .ended(3)
        .stdout;
    let rows = |table: &str| -> u64 {
        let line = said.lines().find(|line| line.starts_with(table)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert!(rows("completion") > 0, "{said}");

    let ran = scene.host(&["store", "recover", state, "new.db"]).ended(2);
    assert!(
        ran.stderr.contains("new.db is there already"),
        "{}",
        ran.stderr
    );
    fs::write(&path, "no state at all").unwrap();
    let ran = scene
        .host(&["store", "recover", state, "other.db"])
        .ended(2);
    assert!(
        ran.stderr.contains("nothing can be read") && ran.stderr.contains("move it away"),
        "{}",
        ran.stderr
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "no state at all");
}

#[test]
fn a_folder_in_the_place_of_the_state_is_named() {
    let scene = Scene::new();
    fs::create_dir_all(scene.path(".batchgen/state.db")).unwrap();
    for command in [&["run"][..], &["failures"], &["store", "stats"]] {
        let ran = scene.host(command).ended(2);
        assert!(
            ran.stderr.contains("it is a directory"),
            "{command:?}: {}",
            ran.stderr
        );
    }
}

/// Whatever the umask, and whatever a run or a command writes beside the state. A mode that somebody gave a file stays.
#[test]
fn files_beside_the_state_are_for_their_owner_alone() {
    let scene = Scene::new();
    let host = program("batchgen").display().to_string();
    let run = |arguments: &str| {
        let script = format!("umask 0; exec \"$0\" {arguments}");
        let mut command = scene.command_of(Path::new("/bin/sh"), &["-c", &script, &host]);
        let ran = command.output().unwrap();
        assert_eq!(ran.status.code(), Some(0), "{arguments}");
    };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    run("run --category glass --dashboard=127.0.0.1:0");
    run("export site.jsonl");
    let state = scene.path(".batchgen");
    let mut seen = 0;
    let mut folders = vec![state.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen} files");

    let (database, text) = (
        state.join("state.db"),
        scene.path("content/text/quartz-glass-laser-cleaning.md"),
    );
    for path in [&database, &text] {
        fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
    }
    fs::write(&text, "by hand").unwrap();
    run("run --category glass --overwrite-edited");
    assert_ne!(fs::read(&text).unwrap(), b"by hand");
    for path in [&database, &text] {
        assert_eq!(mode(path), 0o640, "{}", path.display());
    }
}
