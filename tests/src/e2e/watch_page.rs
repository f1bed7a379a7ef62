//! The page and the report in a real browser: they live, can be used by keyboard, and no text becomes markup.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::browser::Browser;
use crate::scene::{KEY, Scene, root, until};
use crate::watched::{Viewing, Watched};
use simulator::{Config, Latency, Simulator};

pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";
pub(super) const CONTROL: &str = "\u{e009}";

/// Text that would do something, were it markup.
pub(super) const HOSTILE: &str =
    "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>";

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
[site]
name = "A shop of things"
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
properties.title = { type = "string", minLength = 20, maxLength = 40, pattern = "^[0-9]{3}$" }
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
pub(super) fn unharmed(browser: &Browser) {
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
pub(super) fn tab_to(browser: &Browser, css: &str) {
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

pub(super) fn pictures(browser: &Browser, name: &str) {
    for scheme in ["dark", "light"] {
        browser.prefer(scheme);
        let ground = browser.text("getComputedStyle(document.body).backgroundColor");
        let is_dark = ground == "rgb(13, 17, 23)";
        assert_eq!(is_dark, scheme == "dark", "{ground}");
        assert_eq!(browser.script(FAINT), "", "{scheme}");
        let file = format!("target/pictures/{name}-{scheme}.png");
        browser.picture(&root().join(file));
    }
    // On a phone nothing sticks out, and no word is broken.
    browser.size(400, 1600);
    until("the plots fit", || {
        browser.holds("document.documentElement.scrollWidth <= 400")
    });
    browser.picture(&root().join(format!("target/pictures/{name}-phone.png")));
    let is_folded = "byId('view-run').hidden || [...document.querySelectorAll('#heat .matrix')].every((one) => !one.checkVisibility())
        && document.querySelectorAll('#heat .folded details').length === document.querySelectorAll('#heat .matrix tbody tr').length";
    assert!(browser.holds(is_folded), "a category is one line");
    browser.size(1280, 1600);
}

/// Unfolds the first group of failures by keyboard, opens its first failure, and closes it again.
fn a_failure_opens(browser: &Browser) {
    tab_to(browser, "#kinds summary");
    browser.press(ENTER);
    tab_to(browser, "#kinds .rows button");
    browser.press(ENTER);
    until("the failure", || {
        browser.holds("document.querySelector('#task[open] .answer')")
    });
    assert!(browser.text("location.hash").starts_with("#/task/thing-"));
    let text = browser.text("document.querySelector('#task').textContent");
    assert!(text.contains("invalid-output"), "{text}");
    let question = browser.text("document.querySelector('#task pre.question').textContent");
    assert!(question.contains(HOSTILE), "{question}");
    let cause = browser.text("document.querySelector('#task pre.cause').textContent");
    assert!(cause.contains("title"), "{cause}");
    // The answer stands before the prompt, and the prompt is folded.
    let order = "document.querySelector('#task .answer')
        .compareDocumentPosition(document.querySelector('#task pre.question')) & Node.DOCUMENT_POSITION_FOLLOWING";
    assert!(browser.holds(order));
    assert!(!browser.holds("document.querySelector('#task pre.question').checkVisibility()"));
    let call = browser.text("document.querySelector('#task .call h4').textContent");
    for part in ["openai/sim", "tokens in", "$", " s"] {
        assert!(call.contains(part), "{part}: {call}");
    }
    browser.press(ESCAPE);
    until("it closes", || {
        !browser.holds("document.querySelector('#task').open")
    });
    until("the focus is back", || {
        browser.holds("document.activeElement.matches('#kinds .rows button')")
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
    assert_eq!(
        browser.text("byId('project').textContent"),
        "A shop of things"
    );
    let about = browser.text("byId('about').textContent");
    assert!(
        about.contains("openai/sim") && about.contains("batchgen run --json"),
        "{about}"
    );
    assert!(browser.holds("document.querySelector('#headline strong').textContent"));

    let progress = || browser.text("byId('progress').textContent");
    let before = progress();
    until("numbers that move", || progress() != before);
    until("three plots that are drawn", || browser.text(DRAWN) == "3");
    until("failures", || {
        browser.holds("document.querySelector('#kinds details')")
    });
    // However many fail for one cause, they are one group.
    assert_eq!(
        browser.text("document.querySelectorAll('#kinds details').length"),
        "1"
    );
    let cells = browser.text("document.querySelectorAll('#heat .matrix td').length");
    assert_eq!(cells, "6", "three categories, two components");
    assert!(
        browser
            .text("byId('lanes').textContent")
            .contains("8 calls at once")
    );

    // From the heat map to the tasks of one cell, found by its address.
    tab_to(&browser, "#heat button");
    browser.press(ENTER);
    until("tasks", || {
        browser.holds("document.querySelector('#tasks tbody tr')")
    });
    let address = browser.text("location.hash");
    assert!(
        address.contains("component=broken") && address.contains("outcome=failed"),
        "{address}"
    );
    assert!(browser.holds("[...document.querySelectorAll('#tasks .chip')].every((chip) => chip.textContent === 'failed')"));
    pictures(&browser, "tasks");
    browser.script("byId('search').elements.text.value = 'thing-1'; byId('search').elements.outcome.value = '';
        byId('search').elements.text.dispatchEvent(new Event('input', {bubbles: true}))");
    until("a search", || {
        browser.text("location.hash").contains("text=thing-1")
    });
    until("what it finds", || {
        browser.holds("[...document.querySelectorAll('#tasks tbody th')].every((one) => one.textContent.includes('thing-1'))")
    });
    browser.script("location.hash = '#/'");
    until("the run again", || {
        browser.holds("!byId('view-run').hidden")
    });

    a_failure_opens(&browser);

    until("an artifact", || {
        browser.holds("[...document.querySelectorAll('#made button')].some((one) => one.textContent.includes('notice'))")
    });
    browser.script("[...document.querySelectorAll('#made button')].find((one) => one.textContent.includes('notice')).click()");
    until("its text", || {
        browser.holds("document.querySelector('#task[open] pre.artifact')")
    });
    let artifact = browser.text("document.querySelector('#task pre.artifact').textContent");
    assert!(artifact.contains(HOSTILE), "{artifact}");
    assert!(
        browser.holds("document.querySelector('#task .prose p')"),
        "it is rendered"
    );
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
    assert!(browser.holds("document.querySelector('#kinds details')"));
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
    let address = format!("file://{}", scene.path("report.html").display());
    let browser = Browser::start();
    scene.host(&["report"]).ended(0);
    browser.open(&address);
    assert_eq!(browser.text("byId('sameness-card').hidden"), "true");
    scene.host(&["report", "--sameness"]).ended(0);
    browser.open(&address);
    assert_eq!(
        browser.text("document.querySelector('#sameness tbody td').textContent"),
        "notice"
    );
    assert!(
        browser
            .text("byId('state').textContent")
            .starts_with("Ended with failures")
    );
    assert_eq!(
        browser.text("document.querySelectorAll('#heat .matrix td.lost').length"),
        "3"
    );
    a_failure_opens(&browser);
    pictures(&browser, "report");
    unharmed(&browser);
}

#[test]
fn earlier_runs_are_listed_and_two_are_seen_side_by_side() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator);
    for limit in ["3", "9"] {
        scene
            .run(&[&COMPONENTS[..], &["--limit", limit]].concat())
            .ended(3);
    }
    let view = Viewing::start(&scene);
    let browser = Browser::start();
    browser.open(&format!("{}#/runs", view.page));
    until("two runs", || {
        browser.text("document.querySelectorAll('#runs tbody tr').length") == "2"
    });
    pictures(&browser, "runs");
    browser.script("document.querySelectorAll('#runs input').forEach((box) => box.click())");
    until("both", || {
        browser.holds("document.querySelector('#compare table')")
    });
    let row = "[...document.querySelectorAll('#compare tr')].find((one) => one.firstChild.textContent === 'files made')";
    assert_eq!(browser.text(&format!("{row}.children[1].textContent")), "3");
    assert_eq!(browser.text(&format!("{row}.children[2].textContent")), "6");
    assert_eq!(
        browser.text(&format!("{row}.children[3].textContent")),
        "+3"
    );
    pictures(&browser, "compare");
    browser.script("location.hash = '#/runs'");
    until("the list", || {
        browser.holds("document.querySelector('#runs tbody tr:nth-child(2) a')")
    });
    browser.script("document.querySelector('#runs tbody tr:nth-child(2) a').click()");
    until("the older run", || {
        browser
            .text("byId('progress').textContent")
            .contains("of 3 things")
    });
    assert!(browser.holds("!byId('other').hidden"));
    // An address can be given to somebody else.
    browser.open("about:blank");
    browser.open(&format!("{}#/task/thing-3/notice", view.page));
    until("the task", || {
        browser.holds("document.querySelector('#task[open] .call')")
    });
    unharmed(&browser);
}
