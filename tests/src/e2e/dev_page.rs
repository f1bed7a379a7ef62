//! The page of `batchgen dev` in a real browser: it stays between rounds, and shows what the last one changed.

use serde_json::json;

use super::dev::{Developing, TEASER};
use super::watch_page::{ENTER, ESCAPE, HOSTILE, pictures, tab_to, unharmed};
use crate::browser::Browser;
use crate::scene::{Scene, until};

const CONFIG: &str = r#"
[dataset]
path = "things.jsonl"
[plugins]
implicit = false
"#;
const SAID: &str = "byId('changes-said').textContent";
const CHANGED: &str = "byId('changes').textContent";

#[test]
fn a_page_stays_through_all_rounds_and_shows_what_the_last_one_changed() {
    let scene = Scene::new().with_plugins("plugins");
    let oak =
        json!({"id": "oak", "name": format!("{HOSTILE} oak"), "category": "wood", "price": 129.5});
    scene.write("things.jsonl", &oak.to_string());
    scene.write("batchgen.toml", CONFIG);
    scene.write("components/teaser.md", TEASER);
    let (mut dev, page) = Developing::on_a_page(&scene, &["--record", "oak"]);
    assert!(page.ends_with("/#/changes"), "{page}");
    let browser = Browser::start();
    browser.open(&page);
    dev.round();
    until("the first round", || {
        browser.text(SAID) == "Round 1: 1 of 1 file changed. Waiting for a change."
    });
    let changed = browser.text(CHANGED);
    assert!(
        changed.contains("teaser/oak.md") && changed.contains("new"),
        "{changed}"
    );
    assert!(browser.holds("document.querySelector('nav a[data-view=changes][aria-current=page]')"));

    let path = "content/teaser/oak.md";
    let before = scene.read(path);
    let other = TEASER.replace("[category]", "[category, price]");
    scene.write("components/teaser.md", &other);
    let second = dev.round();
    assert!(second.ends_with("1 file of 1 changed\n"), "{second}");
    until("the second round", || {
        browser.text(SAID).starts_with("Round 2: 1 of 1")
    });
    let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    let shown = |kind: &str| {
        let all = "[...document.querySelectorAll('#changes .diff";
        browser.text(&format!(
            "{all} .{kind}')].map((one) => one.textContent).join('\\n')"
        ))
    };
    let (old, new) = (shown("old"), shown("new"));
    assert!(old.contains(&format!("− {}", line(&before))), "{old}");
    assert!(
        new.contains(&format!("+ {}", line(&scene.read(path)))),
        "{new}"
    );
    pictures(&browser, "changes");

    // From a file to its task, which is looked up in the newest round, and back.
    tab_to(&browser, "#changes a");
    browser.press(ENTER);
    until("the task", || {
        browser.holds("document.querySelector('#task[open] pre.question')")
    });
    let question = browser.text("byId('task-body').textContent");
    assert!(question.contains("129.5"), "{question}");
    browser.press(ESCAPE);
    until("the changes again", || {
        browser.text("location.hash") == "#/changes"
    });

    // A fault is told on the page, and the page stays.
    let wrong = other.replace("record.name", "record.nme");
    scene.write("components/teaser.md", &wrong);
    dev.round();
    until("the third round", || {
        browser
            .text(SAID)
            .starts_with("Round 3: stopped by an error.")
    });
    let told = browser.text(CHANGED);
    assert!(
        told.contains("components/teaser.md") && told.contains("nme"),
        "{told}"
    );
    pictures(&browser, "changes-fault");
    scene.write("components/teaser.md", TEASER);
    dev.round();
    until("the fourth round", || {
        browser.text(SAID).starts_with("Round 4: 1 of 1")
    });
    unharmed(&browser);
    assert_eq!(dev.interrupted(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_told_and_nothing_is_made() {
    let scene = Scene::new().with_plugins("plugins");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = scene.host(&["dev", "--record", "oak", "--dashboard", &address]);
    assert!(ran.ended(2).stderr.contains("cannot be served at"));
}
