//! The output directory in storage: what a run makes is there, and what others do there is seen.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{GLASS, project};
use crate::e2e::quality::typed;
use crate::e2e::review_page::parts;
use crate::moto::{BUCKET, Moto};
use crate::scene::{KEY, Ran, Scene, until};
use crate::watched::Viewing;
use crate::web::Web;
use simulator::{Config, Latency, Simulator};

const PLACE: &str = "s3://team/site";
const TAGS: &str = "tags/quartz-glass-laser-cleaning.txt";
const TEXT: &str = "text/quartz-glass-laser-cleaning.md";

fn stored(moto: &Moto) -> Scene {
    project(moto).with("BATCHGEN_OUTPUT", PLACE)
}

fn copy(scene: &Scene) -> BTreeMap<String, String> {
    scene.content_of(".batchgen/state.db.output")
}

/// Every object below the address, without it.
fn there(moto: &Moto) -> BTreeMap<String, String> {
    let keys = moto.keys().into_iter();
    let below = keys.filter_map(|key| {
        let path = key.strip_prefix("site/")?.to_owned();
        Some((path, String::from_utf8(moto.object(&key)).unwrap()))
    });
    below.collect()
}

fn counts(ran: &Ran) -> (u64, u64, u64) {
    let summary = ran.summary();
    (
        summary.count("made"),
        summary.count("kept"),
        summary.count("edited"),
    )
}

#[test]
fn a_run_puts_its_files_and_a_rerun_puts_nothing() {
    let moto = Moto::start();
    let scene = stored(&moto);
    let ran = scene.run(&GLASS).ended(0);
    let made = counts(&ran).0;
    assert!(
        ran.stderr.contains(&format!("{PLACE}: {made} files put")),
        "{}",
        ran.stderr
    );
    assert_eq!(there(&moto), copy(&scene));
    assert_eq!(there(&moto).len() as u64, made);
    assert!(!scene.path("content").exists() && !scene.path("s3:").exists());
    let head = moto.ask("GET", &format!("{BUCKET}/site/{TEXT}"), b"");
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.contains("content-type: text/markdown"), "{head}");
    assert!(
        head.contains("x-amz-checksum-sha256") || !head.contains("x-amz-checksum"),
        "{head}"
    );
    let again = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&again), (0, made, 0));
    assert!(!again.stderr.contains(" put"), "{}", again.stderr);
    let told = scene.host(&["run", "--record", "oak"]).ended(0).stdout;
    assert!(told.contains(&format!("files are in {PLACE}")), "{told}");
    scene.host(&["store", "verify"]).ended(0);
}

/// Whoever has state and address has all files, and whoever loses what is remembered of the objects reads them once.
#[test]
fn a_working_copy_or_its_notes_that_are_gone_are_had_again() {
    let moto = Moto::start();
    let scene = stored(&moto);
    let made = counts(&scene.run(&GLASS).ended(0)).0;
    let files = copy(&scene);
    for lost in [&["output"][..], &["output", "objects"], &["objects"]] {
        for ending in lost {
            let path = scene.path(&format!(".batchgen/state.db.{ending}"));
            match path.is_dir() {
                true => fs::remove_dir_all(&path).unwrap(),
                false => fs::remove_file(&path).unwrap(),
            }
        }
        let ran = scene.run(&GLASS).ended(0);
        assert_eq!(counts(&ran), (0, made, 0), "{lost:?}");
        assert!(!ran.stderr.contains(" put"), "{}", ran.stderr);
        assert_eq!(copy(&scene), files);
    }
}

#[test]
fn what_another_client_writes_is_an_edit() {
    let moto = Moto::start();
    let scene = stored(&moto);
    let made = counts(&scene.run(&GLASS).ended(0)).0;
    moto.put(&format!("site/{TAGS}"), b"by, hand\n");
    let plan = scene.host(&[&["plan"], &GLASS[..]].concat()).ended(0);
    assert!(
        plan.stderr
            .contains(&format!("1 file written there by somebody else: {TAGS}")),
        "{}",
        plan.stderr
    );
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran), (0, made - 1, 1));
    assert_eq!(there(&moto)[TAGS], "by, hand\n");
    scene.host(&["accept"]).ended(0);
    assert_eq!(counts(&scene.run(&GLASS).ended(0)), (0, made, 0));
    moto.put(&format!("site/{TAGS}"), b"by, another, hand\n");
    let ran = scene
        .run(&[&GLASS[..], &["--overwrite-edited"]].concat())
        .ended(0);
    assert_eq!(counts(&ran), (1, made - 1, 0));
    assert!(there(&moto)[TAGS] != "by, another, hand\n");
    scene.host(&["accept", "--restore"]).ended(0);
    assert_eq!(there(&moto)[TAGS], "by, another, hand\n");
    assert_eq!(there(&moto), copy(&scene));
}

#[test]
fn a_plan_does_not_hold_once_somebody_has_written_there() {
    let moto = Moto::start();
    let scene = stored(&moto);
    scene.run(&GLASS).ended(0);
    let plan = [&["plan", "--out", "plan.json"], &GLASS[..]].concat();
    let told = scene.host(&plan).ended(0).stderr;
    assert!(told.contains(&format!("files go to {PLACE}")), "{told}");
    scene.host(&["run", "--plan", "plan.json"]).ended(0);
    moto.ask("DELETE", &format!("{BUCKET}/site/{TAGS}"), b"");
    scene.host(&["run", "--plan", "plan.json"]).ended(2);
    assert!(!there(&moto).contains_key(TAGS));
}

#[test]
fn an_object_that_is_gone_is_made_again_and_objects_of_others_stay() {
    let moto = Moto::start();
    let scene = stored(&moto);
    let made = counts(&scene.run(&GLASS).ended(0)).0;
    let files = there(&moto);
    moto.ask("DELETE", &format!("{BUCKET}/site/{TAGS}"), b"");
    moto.put("site/index.html", b"<p>not ours</p>");
    moto.put("site/tags/other.txt", b"not ours either");
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran), (1, made - 1, 0));
    assert_eq!(ran.summary().calls("calls"), 0);
    let mut now = there(&moto);
    assert_eq!(now.remove("index.html").unwrap(), "<p>not ours</p>");
    assert_eq!(now.remove("tags/other.txt").unwrap(), "not ours either");
    assert_eq!(now, files);
}

#[test]
fn clean_removes_objects_and_moved_files_move() {
    let moto = Moto::start();
    let scene = stored(&moto);
    scene.run(&GLASS).ended(0);
    moto.put(&format!("site/{TAGS}"), b"by, hand\n");
    scene.host(&["accept"]).ended(0);
    scene.replace("batchgen.toml", "{id}-laser-cleaning", "{id}");
    scene.run(&GLASS).ended(0);
    // An accepted edit moves, and what is made again leaves the old file until somebody cleans.
    let moved = TAGS.replace("-laser-cleaning", "");
    let now = there(&moto);
    assert_eq!(now[&moved], "by, hand\n");
    assert!(
        !now.contains_key(TAGS) && now.contains_key(TEXT),
        "{:?}",
        now.keys()
    );
    scene.host(&["clean"]).ended(0);
    assert!(there(&moto).contains_key(TEXT));
    scene.host(&["clean", "--moved"]).ended(0);
    let now = there(&moto);
    assert!(now.keys().all(|path| !path.contains("-laser-cleaning")));
    assert_eq!(now, copy(&scene));
    assert_eq!(counts(&scene.run(&GLASS).ended(0)).0, 0);
}

#[test]
fn a_place_that_takes_nothing_is_told_before_anything_is_paid() {
    let mut moto = Moto::start();
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let at = |moto: &Moto, place: &str| {
        let scene = moto.known_to(Scene::new()).asking(&simulator);
        scene.with("BATCHGEN_OUTPUT", place)
    };
    let refused = at(&moto, "s3://nobody/site").run(&GLASS).ended(2).stderr;
    assert!(refused.contains("there is no such bucket"), "{refused}");
    for wrong in ["s3://", "s3://team//a", "https://team/site"] {
        let refused = at(&moto, wrong).run(&GLASS).ended(2).stderr;
        assert!(refused.contains("hint: write s3://BUCKET/KEY"), "{refused}");
    }
    let guarded = Moto::guarded();
    let refused = at(&guarded, PLACE).run(&GLASS).ended(2).stderr;
    assert!(refused.contains("refuses it with these keys"), "{refused}");
    assert!(!refused.contains("wJalrXUtnFEMI"), "{refused}");
    moto.kill();
    let away = at(&moto, PLACE).run(&GLASS).ended(2).stderr;
    assert!(
        away.contains("s3://team/site") && away.contains("is out of reach"),
        "{away}"
    );
    assert_eq!(simulator.totals().requests, 0);
}

#[test]
fn two_projects_at_one_address_are_told_and_replace_nothing_of_each_other() {
    let moto = Moto::start();
    let simulator = slow();
    let (ann, bob) = (stored(&moto), stored(&moto).asking(&simulator));
    let made = counts(&ann.run(&GLASS).ended(0)).0;
    let files = there(&moto);
    let ran = bob.run(&GLASS).ended(0);
    let told = format!("{made} objects where tasks of this project write");
    assert!(ran.stderr.contains(&told), "{}", ran.stderr);
    assert_eq!(counts(&ran), (0, 0, made));
    assert_eq!(simulator.totals().requests, 0);
    assert_eq!(there(&moto), files);
    // Who throws his copy away removes nothing of the other.
    fs::remove_dir_all(bob.path(".batchgen")).unwrap();
    bob.run(&GLASS).ended(0);
    fs::remove_dir_all(bob.path(".batchgen/state.db.output")).unwrap();
    bob.run(&GLASS).ended(0);
    assert_eq!(there(&moto), files);
    assert_eq!(counts(&ann.run(&GLASS).ended(0)), (0, made, 0));
}

/// A folder that somebody got from elsewhere does not say where files go.
#[test]
fn an_address_of_the_project_is_allowed_once_and_doctor_looks_at_it() {
    let moto = Moto::start();
    let scene = project(&moto);
    let known = tempfile::tempdir().unwrap();
    let scene = scene.with("XDG_STATE_HOME", &known.path().display().to_string());
    scene.replace(
        "batchgen.toml",
        "[output]\n",
        &format!("[output]\ndirectory = \"{PLACE}\"\n"),
    );
    let refused = scene.run(&GLASS).ended(2).stderr;
    assert!(
        refused.contains("[output] puts files at s3://team/site")
            && refused.contains("batchgen trust"),
        "{refused}"
    );
    scene.host(&["doctor"]).ended(2);
    assert_eq!(moto.keys(), Vec::<String>::new());
    scene.host(&["trust"]).ended(0);
    let told = scene.host(&["doctor"]).ended(0).stdout;
    assert!(told.contains("s3://team/site can be written to"), "{told}");
    assert_eq!(moto.keys(), Vec::<String>::new());
    scene.run(&GLASS).ended(0);
    assert_eq!(there(&moto), copy(&scene));
    // A comparison has nothing to do with it.
    let before = moto.keys();
    scene.write("b.md", "Write something else.\n");
    let change = "prompt:text=b.md";
    let words = [
        "compare",
        "--with",
        change,
        "--component",
        "text",
        "--sample",
        "1",
    ];
    scene.host(&words).ended(0);
    assert_eq!(moto.keys(), before);
}

#[test]
fn what_a_person_edits_in_a_review_goes_to_its_address() {
    let moto = Moto::start();
    let scene = stored(&moto).with("EDITOR", "sed -i s/glass/GLASS/");
    scene.run(&GLASS).ended(0);
    let before = there(&moto);
    // In a terminal.
    let only = ["--record", "quartz-glass", "--component", "text"];
    let ran = typed(&scene, &only, "e\na\n").ended(0);
    let edited = there(&moto)[TEXT].clone();
    assert!(edited.contains("GLASS"), "{}", ran.stdout);
    assert_eq!(there(&moto), copy(&scene));
    // On the page: what was saved is there once the review has ended.
    let mut view = Viewing::reviewing(&scene, &only);
    let (page, key) = parts(&view);
    let (page, key) = (page.to_owned(), key.to_owned());
    let web = Web::new();
    let seen = web.json(&format!("{page}review/files?decided=true"))["files"][0].clone();
    let text = format!("{edited}\nMore.\n");
    let body = json!({"record": seen["record"], "component": "text", "content": seen["content"], "text": text});
    let headers = [("x-batchgen-key", key.as_str())];
    let reply = web.ask(
        Method::POST,
        &format!("{page}review/edit"),
        &headers,
        Some(&body),
    );
    assert_eq!(reply.unwrap().status, 200);
    kill_process(Pid::from_child(view.child()), Signal::INT).unwrap();
    assert!(view.child().wait().unwrap().success());
    assert_eq!(there(&moto)[TEXT], text);
    // Nothing else was put, and the next run takes both for what they are.
    let others = |mut files: BTreeMap<String, String>| {
        files.remove(TEXT);
        files
    };
    assert_eq!(others(there(&moto)), others(before));
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran).0, 0, "{}", ran.stderr);
    assert_eq!(there(&moto)[TEXT], text);
    assert_eq!(there(&moto), copy(&scene));
}

#[test]
fn a_folder_of_accepted_files_is_on_this_machine() {
    let scene = Scene::new();
    scene.configure("publish = \"s3://team/public\"\n");
    let refused = scene.run(&GLASS).ended(2).stderr;
    assert!(
        refused.contains("`publish` of [output] is s3://team/public"),
        "{refused}"
    );
}

/// A model that takes its time, so that a moment in the run can be met.
fn slow() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(30),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

#[test]
fn a_kill_at_any_moment_leaves_only_whole_objects_and_a_rerun_makes_them_equal() {
    let calm = {
        let moto = Moto::start();
        let scene = stored(&moto);
        scene.run(&GLASS).ended(0);
        there(&moto)
    };
    let moto = Moto::start();
    let scene = stored(&moto);
    for milliseconds in [5, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300] {
        let mut running = scene.start(&GLASS);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = running.kill();
        running.wait().unwrap();
        let mut found = there(&moto);
        // The next run removes it.
        found.remove(".batchgen-probe");
        for (path, text) in found {
            assert_eq!(calm.get(&path), Some(&text), "{path}");
        }
    }
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran).2, 0);
    assert_eq!(there(&moto), calm);
    assert_eq!(copy(&scene), calm);
    let again = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&again), (0, calm.len() as u64, 0));
}

/// Changed ingredients, so that objects are replaced while kills come.
#[test]
fn a_kill_while_objects_are_replaced_makes_no_edit_of_them() {
    let moto = Moto::start();
    let scene = stored(&moto);
    scene.run(&GLASS).ended(0);
    for round in 0..10_u64 {
        let color = format!("[component.metatags.options]\ntheme-color = \"#00000{round}\"\n");
        scene.configure(&color);
        let mut running = scene.start(&GLASS);
        std::thread::sleep(Duration::from_millis(40 + 25 * round));
        let _ = running.kill();
        running.wait().unwrap();
    }
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran).2, 0, "{}", ran.stderr);
    assert_eq!(there(&moto), copy(&scene));
}

#[test]
fn an_edit_during_the_run_is_not_replaced() {
    let moto = Moto::start();
    let simulator = slow();
    let scene = stored(&moto).asking(&simulator);
    scene.run(&GLASS).ended(0);
    scene.replace("materials.yaml", "name: Quartz Glass", "name: Fused Quartz");
    let before = simulator.totals().requests;
    let running = scene.start(&GLASS);
    until("a question", || simulator.totals().requests > before);
    moto.put(&format!("site/{TEXT}"), b"by hand\n");
    let ran = Ran::from(running.wait_with_output().unwrap());
    assert!(
        ran.stderr.contains(&format!(
            "{PLACE}/{TEXT} was written by somebody else meanwhile"
        )),
        "{}",
        ran.stderr
    );
    assert_eq!(there(&moto)[TEXT], "by hand\n");
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(counts(&ran).2, 1);
    assert_eq!(there(&moto), copy(&scene));
}

/// Whoever asks this host gets the answers of the server.
fn forward(host: &str, server: &Moto) {
    let listener = TcpListener::bind(host).unwrap();
    let server = server.host().to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map(Result::unwrap) {
            let upstream = TcpStream::connect(&server).unwrap();
            let (mut asked, mut asking) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut asked, &mut asking));
            let (mut answered, mut answering) = (upstream, client);
            std::thread::spawn(move || std::io::copy(&mut answered, &mut answering));
        }
    });
}

/// On another machine, the state and the address are enough.
#[test]
fn who_pulls_the_state_has_the_files_and_asks_nothing() {
    let moto = Moto::start();
    let (ann, bob) = (stored(&moto), stored(&moto));
    let made = counts(&ann.run(&GLASS).ended(0)).0;
    moto.put(&format!("site/{TAGS}"), b"by, hand\n");
    ann.host(&["accept"]).ended(0);
    ann.host(&["store", "push", "s3://team/state"]).ended(0);
    bob.host(&["store", "pull", "s3://team/state"]).ended(0);
    let ran = bob.run(&GLASS).ended(0);
    assert_eq!(counts(&ran), (0, made, 0));
    assert_eq!(ran.summary().calls("calls"), 0);
    assert!(!ran.stderr.contains(" put"), "{}", ran.stderr);
    assert_eq!(copy(&bob), there(&moto));
}

/// Stands before the server and takes the conditions out of writes, as a server does that does not know them.
fn without_conditions(moto: &Moto) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = moto.host().to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().map(Result::unwrap) {
            let upstream = TcpStream::connect(&server).unwrap();
            let (mut asked, mut asking) =
                (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(read @ 1..) = asked.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..read]);
                    let text = text.replace("if-none-match:", "x-none-match:");
                    if asking.write_all(text.as_bytes()).is_err() {
                        break;
                    }
                }
            });
            let (mut answered, mut answering) = (upstream, client);
            std::thread::spawn(move || std::io::copy(&mut answered, &mut answering));
        }
    });
    address
}

#[test]
fn a_server_that_does_not_know_conditions_is_refused_before_anything_is_paid() {
    let moto = Moto::start();
    let simulator = slow();
    let scene = stored(&moto).asking(&simulator);
    let scene = scene.with("AWS_ENDPOINT_URL", &without_conditions(&moto));
    let refused = scene.run(&GLASS).ended(2).stderr;
    assert!(
        refused.contains("does not know conditional writes"),
        "{refused}"
    );
    assert_eq!(simulator.totals().requests, 0);
    assert_eq!(moto.keys(), Vec::<String>::new());
}

#[test]
fn a_server_that_starts_again_in_the_run_is_waited_for() {
    let mut moto = Moto::start();
    let simulator = slow();
    let scene = stored(&moto).asking(&simulator);
    let running = scene.start(&GLASS);
    until("a question", || simulator.totals().requests > 2);
    moto.kill();
    let again = Moto::start();
    forward(moto.host(), &again);
    let moto = again;
    Ran::from(running.wait_with_output().unwrap()).ended(0);
    // What it had before is lost, which is as if somebody had removed it.
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(ran.summary().calls("calls"), 0);
    assert_eq!(there(&moto), copy(&scene));
}

#[test]
fn a_server_that_stays_away_ends_the_run_and_the_next_one_puts_the_rest() {
    let mut moto = Moto::start();
    let simulator = slow();
    let scene = stored(&moto).asking(&simulator);
    scene.configure("[retry]\nmax-outage-seconds = 2\n");
    let running = scene.start(&GLASS);
    until("a question", || simulator.totals().requests > 2);
    moto.kill();
    let ran = Ran::from(running.wait_with_output().unwrap()).ended(2);
    assert!(
        ran.stderr.contains("is out of reach")
            && ran
                .stderr
                .contains("the next run puts what is missing there"),
        "{}",
        ran.stderr
    );
    // It says once what happened and once what to do.
    let error = ran.stderr.split("error: the run stopped: ").nth(1);
    assert_eq!(error.unwrap_or_default().matches("hint: ").count(), 1);
    assert!(
        ran.stdout.contains(r#""interrupted":false"#),
        "{}",
        ran.stdout
    );
    let status = scene.host(&["status"]).ended(0).stdout;
    assert!(
        status.contains("stopped by an error") && status.contains("is out of reach"),
        "{status}"
    );
    let answers = scene.query("SELECT count(*) FROM completion");
    assert!(answers > 0);
    // It comes back with nothing of what it had.
    let moto = Moto::start();
    let scene = moto.known_to(scene);
    let running = scene.start(&GLASS);
    let ran = Ran::from(running.wait_with_output().unwrap()).ended(0);
    assert_eq!(counts(&ran).2, 0);
    assert_eq!(there(&moto), copy(&scene));
    scene.host(&["store", "verify"]).ended(0);
}
