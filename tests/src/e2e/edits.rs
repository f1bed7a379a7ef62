//! A file that a person edited is kept until they say otherwise; a file that batchgen wrote is never taken for one.

use std::fs;
use std::time::{Duration, SystemTime};

use super::power;
use crate::scene::{Scene, root};
use simulator::{Config, Fault, FaultKind, Simulator, When};

const OAK: [&str; 2] = ["--record", "oak"];
const FRONT: &str = "content/frontmatter/oak-laser-cleaning.md";
const TAGS: &str = "content/tags/oak-laser-cleaning.txt";

fn done() -> Scene {
    let scene = Scene::new();
    scene.run(&OAK).ended(0);
    scene
}

fn run(scene: &Scene) -> (u64, u64, u64) {
    let summary = scene.run(&OAK).summary();
    (
        summary.count("made"),
        summary.count("kept"),
        summary.count("edited"),
    )
}

#[test]
fn an_accepted_edit_stays_until_it_is_overwritten_on_purpose() {
    let scene = done();
    scene.replace(FRONT, "title: ", "note: checked by hand\ntitle: ");
    let looked = scene.host(&["accept", "--dry-run"]).ended(0);
    assert!(
        looked.stderr.contains("1 edited file would be accepted"),
        "{}",
        looked.stderr
    );
    let accepted = scene.host(&["accept"]).ended(0);
    assert!(
        accepted
            .stderr
            .contains("frontmatter/oak-laser-cleaning.md\n1 edited file accepted, 0 refused"),
        "{}",
        accepted.stderr
    );
    assert_eq!(run(&scene), (2, 3, 0), "its dependents are made from it");
    assert_eq!(run(&scene), (0, 5, 0));
    let edited = scene.read(FRONT);
    assert!(edited.contains("checked by hand"));
    scene.replace(
        "materials.yaml",
        "- id: oak\n  name: Oak",
        "- id: oak\n  name: Old oak",
    );
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.contains("1 accepted edit is kept"), "{plan}");
    let ran = scene.host(&["run", "--record", "oak"]).ended(0).stdout;
    assert!(ran.contains("1 accepted edit is kept"), "{ran}");
    assert_eq!(run(&scene), (0, 5, 0));
    assert_eq!(scene.read(FRONT), edited);
    let why = scene.host(&["why", "oak", "frontmatter"]).ended(0).stdout;
    assert!(why.contains("an accepted edit, and kept"), "{why}");
    // Accepted once more, it is as it should be.
    scene.host(&["accept"]).ended(0);
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.starts_with("nothing to do"), "{plan}");
    assert!(!plan.contains("accepted edit"), "{plan}");
    // Overwritten on purpose, it can be had back.
    let overwrite = [&OAK[..], &["--overwrite-edited"]].concat();
    assert_eq!(scene.run(&overwrite).ended(0).summary().count("made"), 3);
    assert!(!scene.read(FRONT).contains("checked by hand"));
    let why = scene.host(&["why", "oak", "frontmatter"]).ended(0).stdout;
    assert!(why.contains("accept --restore --record oak"), "{why}");
    let restore = ["accept", "--restore", "--record", "oak"];
    let looked = scene
        .host(&[&restore[..], &["--dry-run"]].concat())
        .ended(0);
    assert!(looked.stderr.contains("1 edited file would be put back"));
    assert!(!scene.read(FRONT).contains("checked by hand"));
    scene.host(&restore).ended(0);
    assert_eq!(scene.read(FRONT), edited);
    run(&scene);
    assert_eq!((run(&scene), scene.read(FRONT)), ((0, 5, 0), edited));
}

/// Whatever becomes of its task meanwhile.
#[test]
fn an_accepted_edit_stays_when_its_task_is_blocked_or_chosen_again() {
    let scene = done();
    let text = "content/text/oak-laser-cleaning.md";
    scene.replace(text, "# ", "# My ");
    let edited = scene.read(text);
    scene.host(&["accept"]).ended(0);
    run(&scene);
    let fresh = ["retry", "--fresh", "--record", "oak", "--component", "text"];
    scene.host(&fresh).ended(0);
    assert_eq!((run(&scene), scene.read(text)), ((0, 5, 0), edited.clone()));
    // A state in which something before it failed.
    let state = rusqlite::Connection::open(scene.path(".batchgen/state.db")).unwrap();
    state
        .execute(
            "UPDATE task SET outcome = 'blocked', cause = 'blocked by x' WHERE component = 'text'",
            [],
        )
        .unwrap();
    store::seal_rows(&state).unwrap();
    drop(state);
    assert_eq!((run(&scene), scene.read(text)), ((0, 5, 0), edited));
    assert_eq!(
        scene.query("SELECT count(*) FROM task WHERE outcome <> 'done'"),
        0
    );
}

#[test]
fn an_edit_follows_a_changed_path() {
    let scene = done();
    scene.write(TAGS, "- by hand\n");
    scene.replace(FRONT, "title: ", "note: checked by hand\ntitle: ");
    let front = scene.read(FRONT);
    let accept = ["accept", "--component", "frontmatter"];
    scene.host(&accept).ended(0);
    run(&scene);
    scene.configure("");
    scene.replace(
        "batchgen.toml",
        "{component}/{id}-laser-cleaning.{extension}",
        "{category}/{id}/{component}.{extension}",
    );
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(!scene.path("content/wood").exists(), "{plan}");
    let (made, kept, edited) = run(&scene);
    assert_eq!((made, kept, edited), (3, 1, 1));
    assert_eq!(scene.read("content/wood/oak/tags.txt"), "- by hand\n");
    assert_eq!(scene.read("content/wood/oak/frontmatter.md"), front);
    assert!(!scene.path(TAGS).exists() && !scene.path(FRONT).exists());
    assert_eq!(run(&scene), (0, 4, 1), "one of them was not accepted");
    let removed = scene.host(&["clean", "--moved"]).ended(0).stdout;
    assert!(removed.contains("3 removed"), "{removed}");
    assert_eq!(scene.read("content/wood/oak/frontmatter.md"), front);
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(!plan.contains("accepted edit"), "{plan}");
}

#[test]
fn no_file_of_a_real_model_is_replaced_by_the_stand_in_unless_it_is_asked_for_by_name() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.run(&OAK).ended(0);
    let text = "content/text/oak-laser-cleaning.md";
    let paid = scene.read(text);
    // A variable is no more than a configuration.
    let scene = scene.with("BATCHGEN_MODEL", "offline");
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.contains("of a real model are kept"), "{plan}");
    let ran = scene.host(&["run", "--record", "oak"]).ended(0).stdout;
    assert!(ran.contains("of a real model are kept"), "{ran}");
    assert_eq!(scene.read(text), paid);
    scene.replace("materials.yaml", "name: Oak", "name: Old oak");
    run(&scene);
    assert_eq!(scene.read(text), paid);
    let why = scene.host(&["why", "oak", "text"]).ended(0).stdout;
    assert!(why.contains("written by a real model, and kept"), "{why}");
    // The path moves, and with it what was paid for.
    scene.configure("[component.text]\noutput = \"elsewhere/{id}.md\"\n");
    run(&scene);
    assert_eq!(scene.read("content/elsewhere/oak.md"), paid);
    scene.configure("");
    run(&scene);
    assert_eq!(scene.read(text), paid);
    let named = ["run", "--record", "oak", "--model", "offline"];
    let ran = scene.host(&named).ended(0).stdout;
    assert!(ran.contains("written by the offline stand-in"), "{ran}");
    assert_ne!(scene.read(text), paid);
    let why = scene.host(&["why", "oak", "text"]).ended(0).stdout;
    assert!(
        why.contains("by the offline stand-in: a placeholder"),
        "{why}"
    );
    let report = scene.host(&["report", "--markdown"]).ended(0).stdout;
    assert!(
        report.contains("placeholders by the offline stand-in"),
        "{report}"
    );
}

#[test]
fn only_what_was_chosen_and_is_as_promised_is_accepted() {
    let scene = done();
    scene.replace(FRONT, "title: ", "title: [");
    let text = "content/text/oak-laser-cleaning.md";
    scene.replace(text, "# ", "# My ");
    let ran = scene.host(&["accept", "--component", "text"]).ended(0);
    assert!(
        ran.stderr.contains("1 edited file accepted"),
        "{}",
        ran.stderr
    );
    let ran = scene.host(&["accept", "--json"]).ended(3);
    let events = ran.events();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["accepted"], false);
    assert!(
        events[0]["fault"]
            .as_str()
            .unwrap()
            .contains("front matter"),
        "{}",
        events[0]
    );
}

#[test]
fn files_of_another_state_are_kept_and_can_be_accepted() {
    let scene = done();
    fs::remove_dir_all(scene.path(".batchgen")).unwrap();
    assert_eq!(run(&scene), (0, 0, 5));
    scene.host(&["accept", "--record", "oak"]).ended(0);
    assert_eq!(run(&scene), (0, 5, 0));
}

#[test]
fn edits_are_replaced_on_request_without_a_call() {
    let scene = done();
    let before = scene.content();
    scene.replace(FRONT, "title: ", "note: checked by hand\ntitle: ");
    assert_eq!(run(&scene).2, 1);
    let summary = scene
        .run(&[&OAK[..], &["--overwrite-edited"]].concat())
        .ended(0)
        .summary();
    assert_eq!((summary.count("edited"), summary.calls("calls")), (0, 0));
    assert_eq!(scene.content(), before);
    assert_eq!(run(&scene), (0, 5, 0));
}

/// Done; then its prompt changed and it failed; then it was mended.
#[test]
fn a_file_from_before_a_failure_is_replaced() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.run(&OAK).ended(0);
    let before = scene.read(TAGS);
    let prompt = fs::read_to_string(root().join("plugins/tags/prompts/write.md")).unwrap();
    scene.write("tags.md", &format!("{prompt}\nPrefer industries.\n"));
    scene.configure("[component.tags]\nprompts = { write = \"tags.md\" }\n");
    simulator.set_faults(vec![Fault {
        kind: FaultKind::Unprocessable,
        when: When::Probability(1.0),
    }]);
    let summary = scene.run(&OAK).ended(3).summary();
    assert_eq!(
        (summary.of("tags", "failed"), summary.count("edited")),
        (1, 0)
    );
    assert_eq!(scene.read(TAGS), before, "it stays until there is another");
    simulator.set_faults(Vec::new());
    let summary = scene.run(&OAK).ended(0).summary();
    assert_eq!(
        (summary.made(), summary.count("edited")),
        (vec!["tags".to_owned()], 0)
    );
    // It failed again and was mended by going back: nothing is asked, and nothing is taken for an edit.
    scene.configure("");
    let summary = scene.run(&OAK).ended(0).summary();
    assert_eq!(
        (
            summary.count("made"),
            summary.calls("calls"),
            summary.count("edited")
        ),
        (1, 0, 0)
    );
    assert_eq!(scene.read(TAGS), before);
}

#[test]
fn a_path_that_was_left_and_is_taken_again_holds_no_edit() {
    let scene = done();
    let elsewhere = "[component.tags]\noutput = \"elsewhere/{id}.txt\"\n";
    scene.configure(elsewhere);
    assert_eq!(run(&scene), (1, 4, 0));
    scene.configure("");
    assert_eq!(run(&scene), (1, 4, 0));
    // Nor one that was edited while it was left.
    scene.configure(elsewhere);
    assert_eq!(run(&scene), (1, 4, 0));
    scene.write(TAGS, "- by hand\n");
    scene.configure("");
    assert_eq!(run(&scene), (0, 4, 1));
}

#[test]
fn bytes_count_and_not_times_or_inodes() {
    let scene = done();
    // As a backup that is restored, or a copy of the project.
    for (path, text) in scene.content() {
        let path = scene.path("content").join(path);
        fs::remove_file(&path).unwrap();
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000))
            .unwrap();
    }
    assert_eq!(run(&scene), (0, 5, 0));
}

/// A run that looks at one record only ends in order; what the power cut did to the others is unclear as before.
#[test]
fn what_a_power_cut_left_is_settled_by_a_run_that_looks_at_it() {
    let scene = Scene::new();
    let both = [&OAK[..], &["--record", "aluminum"]].concat();
    scene.run(&both).ended(0);
    let before = scene.content();
    let state = rusqlite::Connection::open(scene.path(".batchgen/state.db")).unwrap();
    state.execute("UPDATE run SET ended_at = NULL", []).unwrap();
    store::seal_rows(&state).unwrap();
    drop(state);
    power::boot(&scene);
    let torn = "content/tags/aluminum-laser-cleaning.txt";
    let half = scene.read(torn).chars().take(20).collect::<String>();
    scene.write(torn, &half);
    assert_eq!(run(&scene), (0, 5, 0));
    let accept = ["accept", "--dry-run"];
    let refused = scene.host(&accept).ended(2).stderr;
    assert!(
        refused.contains("`batchgen run --all` finds out"),
        "{refused}"
    );
    let summary = scene.run(&both).ended(0).summary();
    assert_eq!((summary.count("made"), summary.count("edited")), (1, 0));
    assert_eq!(scene.content(), before);
    scene.host(&accept).ended(2);
    scene.run(&["--all"]).ended(0);
    scene.host(&accept).ended(0);
}

#[test]
fn a_file_that_was_made_for_a_dataset_of_another_name_is_no_edit() {
    let scene = done();
    let tags = scene.read(TAGS);
    fs::rename(scene.path("materials.yaml"), scene.path("renamed.yaml")).unwrap();
    scene.replace(FRONT, "title: ", "note: by hand\ntitle: ");
    let of_renamed = ["--record", "oak", "--data", "renamed.yaml"];
    let ran = |words: &[&str]| {
        let summary = scene.run(words).summary();
        (
            summary.count("made"),
            summary.count("kept"),
            summary.count("edited"),
        )
    };
    assert_eq!(
        ran(&of_renamed),
        (4, 0, 1),
        "what a person wrote stays theirs"
    );
    assert_eq!(scene.read(TAGS), tags);
    assert_eq!(ran(&of_renamed), (0, 4, 1));
    assert!(scene.read(FRONT).contains("by hand"));
}

#[test]
fn no_answer_that_was_written_for_a_dataset_of_another_name_is_replaced_by_a_placeholder() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.run(&OAK).ended(0);
    let text = "content/text/oak-laser-cleaning.md";
    let paid = scene.read(text);
    fs::rename(scene.path("materials.yaml"), scene.path("renamed.yaml")).unwrap();
    // The journal has no answers about the record as it is now.
    scene.replace("renamed.yaml", "name: Oak", "name: Old oak");
    let scene = scene.with("BATCHGEN_MODEL", "offline");
    let renamed = ["--record", "oak", "--data", "renamed.yaml"];
    scene.run(&renamed).ended(0);
    assert_eq!(scene.read(text), paid);
    scene
        .run(&[&renamed[..], &["--model", "offline"]].concat())
        .ended(0);
    assert_ne!(scene.read(text), paid);
}
