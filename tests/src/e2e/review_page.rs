//! Review on the page: with the keyboard, safe from others, and no decision is lost.

use std::collections::BTreeSet;
use std::fs;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::watch_page::{CONTROL, ENTER, ESCAPE, HOSTILE, pictures, unharmed};
use crate::browser::Browser;
use crate::scene::{Scene, until};
use crate::watched::Viewing;
use crate::web::{Reply, Web};

/// Things with a notice each, in two categories. With `judged` a judge scores each notice, and its gate holds all of them.
pub(super) fn scene(things: usize, judged: bool) -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    let row = |number: usize| {
        let category = if number.is_multiple_of(2) {
            "even"
        } else {
            "odd"
        };
        let name = format!("Thing {number} {HOSTILE}");
        json!({"id": format!("t{number:03}"), "name": name, "category": category, "weight": 7})
            .to_string()
            + "\n"
    };
    scene.write("things.jsonl", &(0..things).map(row).collect::<String>());
    let judge = match judged {
        true => {
            "[component.quality]\nplugin = \"judge\"\ndepends-on = [\"notice\"]\n\
                 [component.notice.gate]\njudge = \"quality\"\nat-least = 6\notherwise = \"hold\"\n"
        }
        false => "",
    };
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = \"things.jsonl\"\nrecords = \"things\"\n[site]\nname = \"A shop of things\"\n\
             [plugins]\nimplicit = false\n[output]\npath = \"{{component}}/{{id}}.md\"\n\
             [component.notice]\nplugin = \"prompt\"\noptions = {{ min-words = 20 }}\n\
             prompts = {{ write = {{ text = \"# {{{{ record.name }}}}\\n\\nWrite of {{{{ record.name }}}}.\" }} }}\n{judge}"
        ),
    );
    if judged {
        scene.replace("batchgen.toml", "{id}.md", "{id}.{extension}");
    }
    scene
}

/// The address of the page without its key, and the key.
pub(super) fn parts(view: &Viewing) -> (&str, &str) {
    view.page.split_once("#key=").unwrap()
}

fn shown(browser: &Browser) -> String {
    browser.text("byId('review-file').dataset.task")
}

fn said(browser: &Browser) -> String {
    browser.text("byId('review-said').textContent")
}

/// Waits until a file is shown, or none is left; whether there is one.
fn a_file(browser: &Browser) -> bool {
    let state = || browser.text("byId('review-file').dataset.state");
    until("a file, or the end", || {
        matches!(state().as_str(), "file" | "end")
    });
    state() == "file"
}

fn open(view: &Viewing) -> Browser {
    let browser = Browser::start();
    browser.open(&view.page);
    until("the review", || {
        browser.holds("document.readyState === 'complete' && !byId('view-review').hidden")
    });
    browser
}

fn decided(scene: &Scene) -> u64 {
    scene.query("SELECT count(*) FROM verdict WHERE giver = 'person'")
}

/// Whether a person decided about a task, as the page names it.
fn is_on_disk(scene: &Scene, task: &str) -> bool {
    let (record, _): (String, String) = serde_json::from_str(task).unwrap();
    let sql =
        format!("SELECT count(*) FROM verdict WHERE giver = 'person' AND record = '{record}'");
    scene.query(&sql) == 1
}

#[test]
fn two_hundred_files_are_decided_with_the_keyboard_and_a_kill_loses_none() {
    const FILES: usize = 200;
    let scene = scene(FILES, false);
    scene.run(&[]).ended(0);
    let mut view = Viewing::reviewing(&scene, &["--by", "ada"]);
    let browser = open(&view);
    let mut saved = BTreeSet::new();
    let mut refused = 0;
    let mut round = 0;
    while a_file(&browser) {
        let task = shown(&browser);
        round += 1;
        if round % 10 == 0 {
            browser.press("r");
            browser.press(&format!("Too dry {round}"));
            browser.press(ENTER);
        } else {
            browser.press("a");
        }
        // While the decision is under way, and as soon as the page says that it is saved.
        let (is_killed, is_killed_then) = (round % 60 == 0, round % 45 == 0);
        if is_killed {
            view.child().kill().unwrap();
        }
        until("the next file, or word that it was not saved", || {
            shown(&browser) != task || is_killed && said(&browser).contains("Nobody answers")
        });
        if shown(&browser) != task || is_killed && is_on_disk(&scene, &task) {
            saved.insert(task);
            refused += u64::from(round % 10 == 0);
        }
        if is_killed_then {
            view.child().kill().unwrap();
        }
        if is_killed || is_killed_then {
            assert!(saved.iter().all(|task| is_on_disk(&scene, task)));
            assert_eq!(decided(&scene), saved.len() as u64);
            view = Viewing::reviewing(&scene, &["--by", "ada"]);
            browser.open("about:blank");
            browser.open(&view.page);
            until("the review", || {
                browser.holds("!byId('view-review').hidden")
            });
        }
    }
    assert_eq!(decided(&scene), FILES as u64);
    assert_eq!(
        scene.query("SELECT count(DISTINCT record) FROM verdict WHERE giver = 'person'"),
        FILES as u64
    );
    assert_eq!(
        scene.query("SELECT count(*) FROM verdict WHERE NOT passes AND reason LIKE 'Too dry %'"),
        refused
    );
    kill_process(Pid::from_child(view.child()), Signal::INT).unwrap();
    assert_eq!(view.child().wait().unwrap().code(), Some(0));
}

#[test]
fn a_person_moves_takes_back_and_sees_what_was_said() {
    let scene = scene(6, true);
    scene.run(&[]).ended(0);
    scene.host(&["report"]).ended(0);
    let view = Viewing::reviewing(&scene, &["--held"]);
    let browser = open(&view);
    assert!(a_file(&browser));
    let first = shown(&browser);
    let aside = browser.text("document.querySelector('#review-file aside').textContent");
    for part in ["quality", "faithfulness 5", "Held"] {
        assert!(aside.contains(part), "{part}: {aside}");
    }
    assert!(browser.holds("document.querySelector('#review-file h2 .chip.waits')"));
    pictures(&browser, "review");

    // A note that is given up decides nothing, and its letters are no commands.
    browser.press("raa");
    assert!(browser.holds("!byId('review-note').hidden"));
    pictures(&browser, "review-note");
    browser.press(ESCAPE);
    assert_eq!((shown(&browser), decided(&scene)), (first.clone(), 0));

    browser.press("s");
    until("the second", || shown(&browser) != first);
    let second = shown(&browser);
    browser.press("a");
    until("the third", || shown(&browser) != second);
    assert!(said(&browser).starts_with("Accepted: Thing "));
    assert_eq!(decided(&scene), 1);
    browser.press("u");
    until("the second again", || shown(&browser) == second);
    assert_eq!(decided(&scene), 0);
    browser.press("b");
    until("the first again", || shown(&browser) == first);
    browser.press("u");
    until("an answer", || {
        said(&browser).contains("nothing to take back")
    });

    // What the model was asked is in the dialog, whose keys decide nothing.
    browser.press("i");
    until("the evidence", || {
        browser.holds("document.querySelector('#task[open] .verdict')")
    });
    let evidence = browser.text("byId('task').textContent");
    assert!(
        evidence.contains("Held") && evidence.contains("faithfulness 5"),
        "{evidence}"
    );
    pictures(&browser, "evidence-of-a-judged-file");
    browser.press("a");
    browser.press(ESCAPE);
    until("it closes", || !browser.holds("byId('task').open"));
    assert_eq!((shown(&browser), decided(&scene)), (first, 0));

    browser.script("location.hash = '#/'");
    until("the scores", || {
        browser.holds("!byId('scores-card').hidden && byId('scores').checkVisibility()")
    });
    let scores = browser.text("byId('scores').textContent");
    for part in ["notice by quality", "100 % of 6, 5.00", "100 % of 3"] {
        assert!(scores.contains(part), "{part}: {scores}");
    }
    assert!(
        browser
            .text("byId('numbers').textContent")
            .contains("6 files held by a gate")
    );
    browser.script("byId('scores-card').scrollIntoView()");
    pictures(&browser, "scores");

    // The report has the same in one file.
    let report = Browser::start();
    let file = scene.path("report.html");
    report.open(&format!("file://{}#/task/t000/notice", file.display()));
    until("the evidence in the report", || {
        report
            .holds("document.querySelector('#task[open] .verdict') && !byId('scores-card').hidden")
    });
    assert!(report.holds("document.querySelector('nav a[data-view=review]').hidden"));
    unharmed(&report);

    browser.script("location.hash = '#/review?category=odd'");
    until("one of the others", || {
        browser
            .text("document.querySelector('#review-file header p')?.textContent")
            .contains("odd")
    });
    browser.script("location.hash = '#/review?below=2'");
    until("no file", || {
        browser
            .text("byId('review-file').textContent")
            .contains("No file awaits a decision")
    });
    unharmed(&browser);
}

#[test]
fn a_person_edits_a_file_and_what_its_component_refuses_is_put_back() {
    let scene = scene(2, false);
    scene.run(&[]).ended(0);
    let view = Viewing::reviewing(&scene, &[]);
    let browser = open(&view);
    assert!(a_file(&browser));
    let file = scene.path("content/notice/t000.md");
    let before = fs::read_to_string(&file).unwrap();
    browser.press("e");
    until("the text", || {
        browser.holds("document.activeElement.matches('#review-edit textarea')")
    });
    // Letters are a text, and Esc gives it up.
    browser.press("aa");
    pictures(&browser, "review-edit");
    browser.press(ESCAPE);
    until("the file", || !browser.holds("byId('review-edit')"));
    assert_eq!(
        (fs::read_to_string(&file).unwrap(), decided(&scene)),
        (before.clone(), 0)
    );

    browser.press("e");
    until("the text again", || {
        browser.holds("document.activeElement.matches('#review-edit textarea')")
    });
    browser.press("Mine: ");
    browser.chord(CONTROL, ENTER);
    until("word of it", || said(&browser).starts_with("Saved"));
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after, format!("Mine: {before}"));
    let text = browser.text("document.querySelector('#review-file .text').textContent");
    assert!(text.starts_with("Mine: "), "{text}");
    browser.press("a");
    until("the next", || shown(&browser).contains("t001"));
    assert_eq!(decided(&scene), 1);

    browser.script("location.hash = '#/'");
    until("what was decided", || {
        browser
            .text("byId('scores').textContent")
            .contains("notice by persons")
    });

    // What is empty is no Markdown.
    let (page, key) = parts(&view);
    let web = Web::new();
    let seen = web.json(&format!("{page}review/files"))["files"][0]["content"].clone();
    let other = scene.path("content/notice/t001.md");
    let before = fs::read_to_string(&other).unwrap();
    let edit = |text: &str, key: &str| {
        let body = json!({"record": "t001", "component": "notice", "content": seen, "text": text});
        let headers = [("x-batchgen-key", key)];
        let reply = web.ask(
            Method::POST,
            &format!("{page}review/edit"),
            &headers,
            Some(&body),
        );
        reply.unwrap().status
    };
    assert_eq!(edit("Any", "other"), 403);
    assert_eq!(edit("  ", key), 422);
    assert_eq!(fs::read_to_string(&other).unwrap(), before);
    assert_eq!(edit("Any", key), 200);
    assert_eq!(
        edit("Another", key),
        409,
        "it has changed since it was seen"
    );
    unharmed(&browser);
    drop(view);
    let ran = scene.run(&[]).ended(0).summary();
    assert_eq!(ran.of("notice", "kept"), 2, "edits stay");
}

#[test]
fn a_file_that_changes_ends_the_decision_and_shows_what_changed() {
    let scene = scene(1, false);
    scene.run(&[]).ended(0);
    let file = scene.path("content/notice/t000.md");
    let accept = ["review", "--accept", "--by", "ada"];
    scene.host(&accept).ended(0);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\nMore of it.\n")).unwrap();

    let view = Viewing::reviewing(&scene, &["--by", "bob"]);
    let browser = open(&view);
    assert!(a_file(&browser));
    let added = || browser.text("[...document.querySelectorAll('.diff .new')].pop()?.textContent");
    assert_eq!(added(), "+ More of it.");
    pictures(&browser, "review-difference");
    fs::write(&file, format!("{text}\nLess of it.\n")).unwrap();
    browser.press("a");
    until("word of the change", || {
        said(&browser).contains("has changed")
    });
    until("the change", || added() == "+ Less of it.");
    assert_eq!(decided(&scene), 1, "only what ada said");
    let complaints = browser.complaints();
    assert!(
        complaints.iter().all(|one| one.contains("409")),
        "{complaints:#?}"
    );
    browser.press("a");
    until("the end", || !a_file(&browser));
    assert_eq!(decided(&scene), 2);
    unharmed(&browser);
}

#[test]
fn nobody_decides_without_the_key_of_this_start() {
    let scene = scene(2, false);
    scene.run(&[]).ended(0);
    let web = Web::new();
    let viewing = Viewing::start(&scene);
    let post = |page: &str, path: &str, headers: &[(&str, &str)], body: &Value| -> Reply {
        web.ask(Method::POST, &format!("{page}{path}"), headers, Some(body))
            .unwrap()
    };
    for path in ["review/decide", "review/undo", "review/files"] {
        assert_eq!(
            post(&viewing.page, path, &[], &json!({})).status,
            404,
            "{path}"
        );
    }
    drop(viewing);

    let view = Viewing::reviewing(&scene, &["--by", "ada"]);
    let (page, key) = parts(&view);
    let listed = web.json(&format!("{page}review/files"));
    let file = &listed["files"][0];
    assert_eq!(
        (&listed["by"], &listed["files"][1]["record"]),
        (&"ada".into(), &"t001".into())
    );
    let decision = |content: &Value| json!({"record": "t000", "component": "notice", "content": content, "accepts": true});
    let good = decision(&file["content"]);
    let own = page.trim_end_matches('/');
    let with = ("x-batchgen-key", key);
    for (headers, status) in [
        (vec![], 403),
        (vec![("x-batchgen-key", "")], 403),
        (vec![("x-batchgen-key", &key[1..])], 403),
        (vec![("cookie", key)], 403),
        (vec![with, ("origin", "http://evil.example")], 403),
        (vec![with, ("origin", "null")], 403),
        (vec![with, ("host", "evil.example")], 403),
        (vec![with, ("sec-fetch-site", "cross-site")], 403),
    ] {
        assert_eq!(
            post(page, "review/decide", &headers, &good).status,
            status,
            "{headers:?}"
        );
        assert_eq!(
            post(page, "review/undo", &headers, &json!({})).status,
            status,
            "{headers:?}"
        );
    }
    let own = [with, ("origin", own)];
    for (body, status) in [
        (json!({"record": "t000"}), 400),
        (decision(&"0".repeat(64).into()), 409),
        (
            json!({"record": "../t000", "component": "notice", "content": "", "accepts": true}),
            404,
        ),
    ] {
        assert_eq!(
            post(page, "review/decide", &own, &body).status,
            status,
            "{body}"
        );
    }
    assert_eq!(decided(&scene), 0);
    let answer = post(page, "review/decide", &own, &good);
    assert_eq!(
        (answer.status, decided(&scene)),
        (200, 1),
        "{}",
        answer.body
    );
    let left = web.json(&format!("{page}review/files"));
    assert_eq!(left["files"].as_array().unwrap().len(), 1);
    let all = web.json(&format!("{page}review/files?decided=true"));
    assert_eq!(all["files"][0]["judged"]["accepted"], true);
    let taken = post(page, "review/undo", &own, &json!({}));
    assert_eq!((taken.status, decided(&scene)), (200, 0), "{}", taken.body);
    assert_eq!(
        web.json(&format!("{page}review/files?after=x"))["files"],
        json!([])
    );
    // The page that all get does not have the key.
    assert!(!web.get(page).body.contains(key));
}
