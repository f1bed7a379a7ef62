//! The page of a comparison, in one file that asks nobody for anything: records down, variants across.

use serde::Serialize;

use super::page;

const INDEX: &str = include_str!("page/comparison.html");
const STYLE: &str = include_str!("page/comparison.css");
const SCRIPT: &str = include_str!("page/comparison.js");

/// The page of comparisons, one for each component. Each is an object as `batchgen compare --json` prints it, with the texts in its rows.
pub fn comparison(compared: &[impl Serialize]) -> String {
    let styles = [page::STYLE, STYLE];
    let policy = page::policy(&[SCRIPT], &styles);
    let styles = styles.map(|style| format!("<style>{style}</style>"));
    let data = page::embedded(&compared);
    // The data last: what stands in it is no mark.
    INDEX
        .replace("<!-- policy -->", &policy)
        .replace("<!-- styles -->", &styles.concat())
        .replace("<!-- script -->", &format!("<script>{SCRIPT}</script>"))
        .replace("<!-- data -->", &data)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_text_leaves_its_place_in_the_page() {
        let page = comparison(&[json!({"component": "</script><!-- script --><b>"})]);
        assert!(
            page.contains(r"\u003c/script>\u003c!-- script -->"),
            "{page}"
        );
        assert_eq!(page.matches("<script").count(), 2);
        for mark in ["<!-- policy", "<!-- styles", "<!-- script", "<!-- data"] {
            assert!(!page.contains(mark), "{mark}");
        }
    }
}
