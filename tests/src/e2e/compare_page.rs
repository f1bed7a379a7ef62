//! The page of a comparison in a real browser.

use super::compare::{simulator, unchecked};
use crate::browser::Browser;
use crate::scene::{root, until};

#[test]
fn the_page_shows_texts_and_their_differences_and_runs_nothing_of_them() {
    let simulator = simulator();
    let scene = unchecked().asking(&simulator);
    let hostile = "Describe {{ record.name }} <script>window.hacked = 1</script> <img src=x onerror=window.hacked=1>\n";
    scene.write("b.md", hostile);
    let arguments = [
        "compare",
        "--with",
        "model=openai/bad",
        "--with",
        "prompt:description=b.md",
        "--sample",
        "12",
        "--page",
        "page.html",
    ];
    let ran = scene.host(&arguments).ended(0);
    assert!(ran.stderr.contains("page.html"), "{}", ran.stderr);
    let browser = Browser::start();
    browser.open(&format!("file://{}", scene.path("page.html").display()));
    until("the records", || {
        browser.holds("document.querySelectorAll('.record').length === 12")
    });
    assert!(browser.holds("document.querySelectorAll('.record:first-child .cell').length === 3"));
    assert!(browser.holds("document.querySelectorAll('.says').length === 2"));
    assert!(!browser.holds("window.hacked"));
    assert!(
        browser.complaints().is_empty(),
        "{:?}",
        browser.complaints()
    );
    let second = "document.querySelectorAll('.record:first-child pre')[1]";
    assert!(!browser.holds(&format!("{second}.querySelector('ins')")));
    browser.script(&format!("{second}.focus()"));
    assert!(browser.holds(&format!("{second}.querySelector('ins')")));
    browser.script("const choice = document.querySelector('select'); choice.value = 'A'; choice.dispatchEvent(new Event('change'))");
    assert!(browser.holds("document.querySelectorAll('.record').length < 12"));
    browser.script("const choice = document.querySelector('select'); choice.value = ''; choice.dispatchEvent(new Event('change'))");
    for scheme in ["dark", "light"] {
        browser.prefer(scheme);
        browser.picture(&root().join(format!("target/pictures/comparison-{scheme}.png")));
    }
    browser.size(400, 1600);
    until("it fits a phone", || {
        browser.holds("document.documentElement.scrollWidth <= 400")
    });
    browser.picture(&root().join("target/pictures/comparison-phone.png"));
}
