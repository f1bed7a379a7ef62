//! The page and the report in a real browser: they live, can be used by keyboard, and no text becomes markup.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::browser::Browser;
use crate::scene::{KEY, Scene, root, until};
use crate::simulator::{Config, Latency, Simulator};
use crate::watched::Watched;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

/// Text that would do something, were it markup.
const HOSTILE: &str = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>";

/// More records than a test waits for, with names that are markup; a component that is made, and one whose answers never fit.
fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .with_plugins("plugins")
        .asking(simulator)
        .with("BATCHGEN_CONCURRENCY", "8");
    let row = |number: u32| {
        let name = format!("{HOSTILE} {number}");
        serde_json::json!({"id": format!("thing-{number}"), "name": name, "category": format!("c{}", number % 3)})
            .to_string()
            + "\n"
    };
    scene.write("things.jsonl", &(0..6000).map(row).collect::<String>());
    scene.write(
        "batchgen.toml",
        r#"
[dataset]
path = "things.jsonl"
records = "things"
[models."openai/sim"]
price = { input = 1.0, output = 2.0 }
[component.notice]
plugin = "prompt"
prompts = { write = { text = "Write a notice on {{ record.name }}" } }
options = { max-words = 60, required-words = ["{{ record.name }}"] }
[component.broken]
plugin = "prompt"
prompts = { write = { text = "Write of {{ record.name }}" } }
[component.broken.options]
media-type = "application/json"
[component.broken.options.schema]
type = "object"
required = ["title"]
properties.title = { type = "string", minLength = 20, maxLength = 10 }
"#,
    );
    scene
}

const COMPONENTS: [&str; 4] = ["--component", "notice", "--component", "broken"];

fn slow() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(50),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

/// A canvas on which something was drawn: dots that are not empty.
const DRAWN: &str =
    "[...document.querySelectorAll('.plot canvas')].filter((canvas) => canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.some((byte) => byte > 0)).length";

/// Nothing of the hostile text became an element, and none of it ran.
fn unharmed(browser: &Browser) {
    assert!(!browser.holds("window.hacked"), "a text ran as a script");
    assert_eq!(browser.text("document.images.length"), "0");
    assert_eq!(
        browser.text("[...document.scripts].filter((one) => one.text.includes('window.hacked=1') && one.id !== 'data').length"),
        "0"
    );
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// Presses Tab until something has the focus.
fn tab_to(browser: &Browser, css: &str) {
    for _ in 0..200 {
        if browser.holds(&format!("document.activeElement.matches({css:?})")) {
            return;
        }
        browser.press(TAB);
    }
    panic!("{css} is not reached by the Tab key")
}

/// The texts that stand out from their ground by less than 4.5, what people with weak sight need.
const FAINT: &str = r"
const dot = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const seen = (colours) => {
  for (const colour of colours) {
    dot.fillStyle = colour;
    dot.fillRect(0, 0, 1, 1);
  }
  const part = (byte) => (byte / 255 <= 0.03928 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = [...dot.getImageData(0, 0, 1, 1).data].map(part);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
};
const faint = [];
for (const element of document.querySelectorAll('body *')) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!hasText || !element.checkVisibility()) continue;
  const grounds = [];
  for (let at = element; at; at = at.parentElement) grounds.unshift(getComputedStyle(at).backgroundColor);
  const ground = seen(grounds);
  const text = seen([...grounds, getComputedStyle(element).color]);
  const ratio = Math.max(ground, text) / Math.min(ground, text);
  if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${element.tagName} ${element.textContent.slice(0, 40)}`);
}
return faint.join('\n');";

fn pictures(browser: &Browser, name: &str) {
    for scheme in ["dark", "light"] {
        browser.prefer(scheme);
        let ground = browser.text("getComputedStyle(document.body).backgroundColor");
        let is_dark = ground != "rgb(255, 255, 255)";
        assert_eq!(is_dark, scheme == "dark", "{ground}");
        assert_eq!(browser.script(FAINT), "", "{scheme}");
        let file = format!("target/pictures/{name}-{scheme}.png");
        browser.picture(&root().join(file));
    }
}

/// Opens the first failure by keyboard and closes it again.
fn a_failure_opens(browser: &Browser) {
    tab_to(browser, "#failed button");
    browser.press(ENTER);
    until("the failure", || {
        browser.holds("document.querySelector('#task[open] pre.answer')")
    });
    assert!(
        browser
            .text("document.querySelector('#task').textContent")
            .contains("invalid-output")
    );
    let question = browser.text("document.querySelector('#task pre.question').textContent");
    assert!(question.contains(HOSTILE), "{question}");
    let cause = browser.text("document.querySelector('#task pre.cause').textContent");
    assert!(cause.contains("title"), "{cause}");
    browser.press(ESCAPE);
    until("it closes", || {
        !browser.holds("document.querySelector('#task').open")
    });
    until("the focus is back", || {
        browser.holds("document.activeElement.matches('#failed button')")
    });
}

#[test]
fn the_page_lives_as_long_as_the_run_and_keeps_its_last_state() {
    let simulator = slow();
    let scene = scene(&simulator);
    let mut run = Watched::start(&scene, &COMPONENTS);
    let browser = Browser::start();
    browser.open(&run.page);
    until("numbers", || {
        browser.holds("document.querySelector('#numbers dd')")
    });
    assert_eq!(browser.text("byId('state').textContent"), "Running");

    let calls = || {
        browser.text("[...document.querySelectorAll('#numbers dd')].at(-2).firstChild.textContent")
    };
    let before = calls();
    until("numbers that move", || calls() != before);
    until("three plots that are drawn", || browser.text(DRAWN) == "3");
    until("failures", || {
        browser.holds("document.querySelector('#failed button')")
    });
    let cells = browser.text("document.querySelectorAll('#heat td').length");
    assert_eq!(cells, "6", "three categories, two components");
    assert!(
        browser
            .text("byId('lanes').textContent")
            .contains("openai/sim")
    );

    // From the heat map to the failures of one cell.
    tab_to(&browser, "#heat button");
    browser.press(ENTER);
    until("a filter", || !browser.holds("byId('filter').hidden"));
    assert!(browser.holds("document.activeElement.closest('#failures')"));

    a_failure_opens(&browser);

    until("an artifact", || {
        browser.holds("[...document.querySelectorAll('#made button')].some((one) => one.textContent.endsWith('notice'))")
    });
    browser.script("[...document.querySelectorAll('#made button')].find((one) => one.textContent.endsWith('notice')).click()");
    until("its text", || {
        browser.holds("document.querySelector('#task pre.artifact')")
    });
    let artifact = browser.text("document.querySelector('#task pre.artifact').textContent");
    assert!(artifact.contains(HOSTILE), "{artifact}");
    pictures(&browser, "task");
    browser.press(ESCAPE);
    pictures(&browser, "page");
    unharmed(&browser);

    kill_process(Pid::from_child(run.child()), Signal::INT).unwrap();
    run.end().ended(130);
    until("the end", || {
        browser
            .text("byId('state').textContent")
            .starts_with("Interrupted")
    });
    assert!(browser.holds("document.querySelector('#failed button')"));
    assert_eq!(browser.text(DRAWN), "3");
    unharmed(&browser);
}

#[test]
fn the_report_shows_the_same_from_a_file() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator);
    scene
        .run(&[&COMPONENTS[..], &["--sample", "12"]].concat())
        .ended(3);
    scene.host(&["report"]).ended(0);
    let browser = Browser::start();
    browser.open(&format!("file://{}", scene.path("report.html").display()));
    assert!(
        browser
            .text("byId('state').textContent")
            .starts_with("Ended")
    );
    assert_eq!(
        browser.text("document.querySelectorAll('#heat td.lost').length"),
        "3"
    );
    a_failure_opens(&browser);
    pictures(&browser, "report");
    unharmed(&browser);
}
