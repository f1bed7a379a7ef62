//! The state and exports in storage that speaks the API of S3: a real server, and projects that push and pull against each other.

mod exports;
mod output;
mod overtaken;
mod patterns;

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::moto::Moto;
use crate::scene::{Scene, root};

const PLACE: &str = "s3://team/herbs/state";
const GLASS: [&str; 2] = ["--category", "glass"];
const PUSH: [&str; 3] = ["store", "push", PLACE];
const PULL: [&str; 3] = ["store", "pull", PLACE];

fn project(moto: &Moto) -> Scene {
    moto.known_to(Scene::new())
}

fn latest(moto: &Moto) -> Value {
    serde_json::from_slice(&moto.object("herbs/state/latest.json")).unwrap()
}

fn answers(scene: &Scene) -> u64 {
    scene.query("SELECT count(*) FROM completion")
}

#[test]
fn a_state_goes_from_one_machine_to_the_next_and_nothing_is_asked_again() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    let early = ann.host(&PULL).ended(2).stderr;
    assert!(
        early.contains("nothing was pushed to s3://team/herbs/state yet"),
        "{early}"
    );
    ann.host(&[&PULL[..], &["--if-any"]].concat()).ended(0);
    ann.host(&PUSH).ended(2);
    ann.run(&GLASS).ended(0);
    let said = ann.host(&PUSH).ended(0).stderr;
    assert!(
        said.contains("pushed revision 1 to s3://team/herbs/state"),
        "{said}"
    );
    let said = ann.host(&PUSH).ended(0).stderr;
    assert!(said.contains("nothing to push"), "{said}");
    let said = bob.host(&PULL).ended(0).stderr;
    assert!(said.contains("pulled revision 1, pushed by "), "{said}");
    let said = bob.host(&PULL).ended(0).stderr;
    assert!(said.contains("nothing to pull"), "{said}");
    let said = bob.host(&PUSH).ended(0).stderr;
    assert!(said.contains("nothing to push"), "{said}");
    // Bob has no files: they are made of the answers that Ann paid for.
    let ran = bob.run(&GLASS).ended(0);
    assert_eq!(ran.summary().calls("calls"), 0);
    assert_eq!(bob.content(), ann.content());
    bob.host(&["store", "verify"]).ended(0);
    bob.host(&PUSH).ended(0);
    assert_eq!(latest(&moto)["number"], 2);
    // Ann changed nothing, so what Bob pushed takes the place of hers.
    let behind = ann.host(&PUSH).ended(2).stderr;
    assert!(behind.contains("there is nothing new here"), "{behind}");
    ann.host(&PULL).ended(0);
    let ran = ann.run(&GLASS).ended(0);
    assert_eq!(ran.summary().count("kept"), 40);
}

/// What is at the address can be read without this program.
#[test]
fn the_object_is_the_state_itself() {
    let moto = Moto::start();
    let ann = project(&moto);
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let latest = latest(&moto);
    let packed = moto.object(&format!(
        "herbs/state/{}",
        latest["object"].as_str().unwrap()
    ));
    assert_eq!(packed.len() as u64, latest["packed_bytes"]);
    ann.write("packed.zst", "");
    fs::write(ann.path("packed.zst"), &packed).unwrap();
    let unpacked = std::process::Command::new("zstd")
        .args(["-d", "-q", "-f", "-o", "copy.db", "packed.zst"])
        .current_dir(ann.path("."))
        .status();
    // Where that program is not installed, the other tests have to do.
    if unpacked.is_ok_and(|status| status.success()) {
        let (copy, own) = (ann.path("copy.db"), ann.path(".batchgen/state.db"));
        assert_eq!(fs::read(copy).unwrap(), fs::read(own).unwrap());
    }
}

#[test]
fn who_pushes_second_is_refused_and_loses_no_answer() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    bob.host(&PULL).ended(0);
    ann.run(&["--category", "stone", "--limit", "2"]).ended(0);
    bob.run(&["--category", "wood", "--limit", "2"]).ended(0);
    ann.host(&PUSH).ended(0);
    let object = latest(&moto)["object"].clone();
    let refused = bob.host(&PUSH).ended(2).stderr;
    assert!(
        refused.contains("has revision 2, pushed by ") && refused.contains("comes from revision 1"),
        "{refused}"
    );
    assert_eq!(latest(&moto)["object"], object);
    let refused = bob.host(&PULL).ended(2).stderr;
    assert!(
        refused.contains("has changes that nobody pushed, since revision 1"),
        "{refused}"
    );
    let (own, journal) = (answers(&bob), bob.journal());
    let content = bob.content();
    let said = bob
        .host(&[&PULL[..], &["--set-aside"]].concat())
        .ended(0)
        .stderr;
    assert!(
        said.contains("all of that state is .batchgen/state.db.before-2 now"),
        "{said}"
    );
    assert_eq!(
        bob.journal_of(".batchgen/state.db.before-2").len() as u64,
        own
    );
    let merged = bob.journal();
    assert!(
        journal
            .iter()
            .all(|(key, text)| merged.get(key) == Some(text))
    );
    assert!(ann.journal().keys().all(|key| merged.contains_key(key)));
    bob.host(&["store", "verify", "--no-files"]).ended(0);
    // What Bob had made is made again of his answers, and is no edit.
    let ran = bob.run(&["--category", "wood", "--limit", "2"]).ended(0);
    assert_eq!(ran.summary().calls("calls"), 0);
    assert_eq!(ran.summary().count("edited"), 0);
    assert_eq!(bob.content(), content);
    bob.host(&PUSH).ended(0);
    ann.host(&PULL).ended(0);
    assert_eq!(ann.journal(), bob.journal());
}

/// Files of the state before are not taken for edits, and edits stay.
#[test]
fn files_that_are_of_the_state_before_are_made_again_and_edits_stay() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    bob.host(&PULL).ended(0);
    bob.run(&GLASS).ended(0);
    bob.host(&PUSH).ended(0);
    ann.host(&PULL).ended(0);
    let more = "[component.text.prompts]\nwrite = \"side.md\"\n";
    for scene in [&ann, &bob] {
        scene.configure(more);
        scene.write("side.md", "Write about the other side.\n");
    }
    let plan = ann.host(&["plan", "--category", "glass"]);
    assert_eq!(plan.code, Some(0), "{}", plan.stderr);
    ann.replace("materials.yaml", "Soda-Lime Glass", "Soda Lime Glass");
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    bob.replace("materials.yaml", "Soda-Lime Glass", "Soda Lime Glass");
    let edited = "text/quartz-glass-laser-cleaning.md";
    bob.write(&format!("content/{edited}"), "By hand.\n");
    let said = bob.host(&PULL).ended(0).stderr;
    assert!(
        said.contains("of the output are of the state before"),
        "{said}"
    );
    let ran = bob.run(&GLASS).ended(0);
    assert_eq!(ran.summary().calls("calls"), 0);
    let (mut ours, theirs) = (bob.content(), ann.content());
    assert_eq!(
        ours.insert(edited.to_owned(), theirs[edited].clone())
            .unwrap(),
        "By hand.\n"
    );
    assert_eq!(ours, theirs);
}

#[test]
fn a_state_that_a_run_holds_is_neither_pushed_nor_replaced() {
    let moto = Moto::start();
    let ann = project(&moto);
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let lock = fs::File::open(ann.path(".batchgen/state.db.lock")).unwrap();
    lock.lock().unwrap();
    for words in [PUSH, PULL] {
        let refused = ann.host(&words).ended(2).stderr;
        assert!(refused.contains("is using the state"), "{refused}");
    }
}

#[test]
fn a_damaged_or_missing_object_changes_nothing_here() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    bob.host(&PULL).ended(0);
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let before = fs::read(bob.path(".batchgen/state.db")).unwrap();
    let key = format!("herbs/state/{}", latest(&moto)["object"].as_str().unwrap());
    let whole = moto.object(&key);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let other = moto.object("herbs/state/latest.json");
    for broken in [&whole[..whole.len() / 2], &flipped, b"", &other] {
        moto.put(&key, broken);
        let refused = bob.host(&PULL).ended(2).stderr;
        assert!(refused.contains("is damaged"), "{refused}");
        assert_eq!(fs::read(bob.path(".batchgen/state.db")).unwrap(), before);
    }
    moto.ask("DELETE", &format!("team/{key}"), b"");
    let refused = bob.host(&PULL).ended(2).stderr;
    assert!(refused.contains("is gone"), "{refused}");
    moto.put(&key, &whole);
    bob.host(&PULL).ended(0);
    bob.host(&["store", "verify", "--no-files"]).ended(0);
}

#[test]
fn a_state_of_a_later_program_is_refused_by_name() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let known = latest(&moto);
    for (key, told) in [
        ("tables", "whose state has version 99"),
        ("format", "was written by a later batchgen"),
    ] {
        let mut later = known.clone();
        later[key] = 99.into();
        moto.put("herbs/state/latest.json", later.to_string().as_bytes());
        let refused = bob.host(&PULL).ended(2).stderr;
        assert!(refused.contains(told), "{refused}");
    }
    moto.put("herbs/state/latest.json", b"something else");
    let refused = bob.host(&PULL).ended(2).stderr;
    assert!(
        refused.contains("is not what `batchgen store push` writes"),
        "{refused}"
    );
    let refused = ann.host(&PUSH).ended(2).stderr;
    assert!(
        refused.contains("is not what `batchgen store push` writes"),
        "{refused}"
    );
}

#[test]
fn a_push_or_a_pull_that_is_killed_leaves_one_whole_state() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let journal = ann.journal();
    for milliseconds in [0, 3, 6, 10, 15, 20, 30, 45, 60, 90] {
        let mut pulling = bob.command(&PULL).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = pulling.kill();
        pulling.wait().unwrap();
        if bob.path(".batchgen/state.db").exists() {
            assert_eq!(bob.journal(), journal);
        }
        ann.run(&GLASS).ended(0);
        let mut pushing = ann.command(&PUSH).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = pushing.kill();
        pushing.wait().unwrap();
    }
    // Whether the last one came to its end or not, it is Ann's.
    ann.host(&PUSH).ended(0);
    bob.host(&PULL).ended(0);
    bob.host(&["store", "verify", "--no-files"]).ended(0);
    assert_eq!(bob.journal(), journal);
}

/// One that is packed to more than a part, with what belongs to it.
#[test]
fn a_large_state_goes_in_parts_and_its_small_files_go_with_it() {
    let moto = Moto::start();
    let (ann, bob) = (project(&moto), project(&moto));
    ann.run(&GLASS).ended(0);
    let state = Connection::open(ann.path(".batchgen/state.db")).unwrap();
    let text = "INSERT INTO edit (dataset, record, component, path, text, checksum)
        VALUES (1, 'a', 'text', 'text/a.md', randomblob(30000000), 0)";
    store::seal_rows(&state).unwrap();
    state.execute(text, []).unwrap();
    store::seal_rows(&state).unwrap();
    drop(state);
    fs::remove_file(ann.path(".batchgen/state.db.seal")).unwrap();
    ann.write(".batchgen/state.db.hook.json", "{\"told\":{\"1\":1}}");
    let noted = format!("[\"text/b.md\",\"{}\"]", "0f".repeat(32));
    ann.write(
        ".batchgen/state.db.unfinished",
        &format!("{{\"boot\":null,\"files\":[{noted}]}}"),
    );
    ann.host(&PUSH).ended(0);
    let parts = latest(&moto)["packed_bytes"].as_u64().unwrap() / (8 << 20);
    assert!(parts >= 3, "{parts}");
    assert_eq!(moto.unfinished_uploads(), 0);
    bob.host(&PULL).ended(0);
    let (ours, theirs) = (
        ann.path(".batchgen/state.db"),
        bob.path(".batchgen/state.db"),
    );
    assert!(fs::read(ours).unwrap() == fs::read(theirs).unwrap());
    assert_eq!(
        bob.read(".batchgen/state.db.hook.json"),
        ann.read(".batchgen/state.db.hook.json")
    );
    assert!(bob.read(".batchgen/state.db.unfinished").contains(&noted));
    bob.host(&["store", "verify", "--no-files"]).ended(0);
}

/// What stands at the address may be from anybody.
#[test]
fn what_is_told_of_a_revision_obeys_nothing() {
    let moto = Moto::start();
    let ann = project(&moto);
    ann.run(&GLASS).ended(0);
    ann.host(&PUSH).ended(0);
    let mut hostile = latest(&moto);
    hostile["by"] = "\u{1b}[31m\u{202e}someone".into();
    hostile["sha256"] = "ab".repeat(32).into();
    hostile["object"] = "../../other/secret".into();
    moto.put("herbs/state/latest.json", hostile.to_string().as_bytes());
    for words in [
        &PUSH[..],
        &PULL[..],
        &[&PULL[..], &["--set-aside"]].concat(),
    ] {
        let said = ann.host(words).ended(2).stderr;
        assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said}");
    }
}

#[test]
fn only_the_last_revisions_are_kept() {
    let moto = Moto::start();
    let ann = project(&moto);
    for _ in 0..7 {
        ann.run(&GLASS).ended(0);
        ann.host(&PUSH).ended(0);
    }
    let keys = moto.keys();
    let states = keys.iter().filter(|key| key.ends_with(".db.zst"));
    let numbers: Vec<&str> = states
        .map(|key| key.rsplit('/').next().unwrap().split('-').next().unwrap())
        .collect();
    assert_eq!(
        numbers,
        ["00000003", "00000004", "00000005", "00000006", "00000007"]
    );
}

#[test]
fn storage_that_cannot_be_reached_is_told_with_what_to_do() {
    let mut moto = Moto::start();
    let ann = project(&moto);
    ann.run(&GLASS).ended(0);
    let elsewhere = ann
        .host(&["store", "push", "s3://nobody/state"])
        .ended(2)
        .stderr;
    assert!(elsewhere.contains("there is no such bucket"), "{elsewhere}");
    for wrong in ["herbs/state", "https://team/state", "s3://", "s3://team//a"] {
        let refused = ann.host(&["store", "push", wrong]).ended(2).stderr;
        assert!(refused.contains("hint: write s3://BUCKET/KEY"), "{refused}");
    }
    moto.kill();
    let away = ann.host(&PUSH).ended(2).stderr;
    assert!(away.contains("is out of reach: "), "{away}");
    assert!(
        !away.contains("wJalrXUtnFEMI") && !away.contains("AKIATESTKEY"),
        "{away}"
    );
    let guarded = Moto::guarded();
    let refused = guarded.known_to(Scene::new()).host(&PULL).ended(2).stderr;
    assert!(refused.contains("refuses it with these keys"), "{refused}");
    assert!(!refused.contains("wJalrXUtnFEMI"), "{refused}");
}

/// The steps of the page, as a runner performs them: each time in a fresh checkout, which has no state and no files.
#[test]
fn the_workflow_with_the_state_in_storage_asks_for_changed_records_only() {
    let page = fs::read_to_string(root().join("docs/how-to/pull-requests.md")).unwrap();
    let steps = page.split("```yaml\n").nth(2).unwrap();
    let steps = steps.split("```").next().unwrap();
    let steps: Vec<Vec<&str>> = steps
        .lines()
        .filter_map(|line| line.trim().strip_prefix("run: batchgen "))
        .map(|words| words.split(' ').collect())
        .collect();
    assert_eq!(steps.len(), 3, "{steps:?}");
    let moto = Moto::start();
    let perform = |change: Option<(&str, &str)>| -> (u64, usize) {
        let checkout = project(&moto);
        if let Some((from, to)) = change {
            checkout.replace("materials.yaml", from, to);
        }
        let mut asked = 0;
        for step in &steps {
            let words = match step[0] {
                "run" => vec!["run", "--json", "--category", "glass"],
                _ => step.clone(),
            };
            let ran = checkout.host(&words).ended(0);
            if step[0] == "run" {
                asked = ran.summary().calls("calls");
            }
        }
        (asked, checkout.content().len())
    };
    let (all, files) = perform(None);
    assert!(all > 0);
    assert_eq!(perform(None), (0, files));
    let (asked, again) = perform(Some(("name: Quartz Glass", "name: Fused Quartz")));
    assert!(asked > 0 && asked < all / 2, "{asked} of {all}");
    assert_eq!(again, files);
    assert_eq!(latest(&moto)["number"], 3);
}
