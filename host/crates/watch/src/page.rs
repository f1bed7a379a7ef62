//! The files of the page, as they were written: no build makes them. `page/uplot.*` are those of the npm package
//! `uplot` 1.6.32 (its `dist/uPlot.iife.min.js` and `dist/uPlot.min.css`), with its licence beside them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{SamenessRow, Snapshot, TaskEvidence};

const INDEX: &str = include_str!("page/index.html");
pub(super) const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const PARTS: &str = include_str!("page/parts.js");
const VIEWS: &str = include_str!("page/views.js");
const VERDICTS: &str = include_str!("page/verdicts.js");
const TASK: &str = include_str!("page/task.js");
const CHANGES: &str = include_str!("page/changes.js");
const REVIEW: &str = include_str!("page/review.js");
const PLOTS: &str = include_str!("page/uplot.iife.min.js");
const PLOTS_STYLE: &str = include_str!("page/uplot.min.css");

/// Every file: where it is served, what it is, its text.
pub(super) const FILES: [(&str, &str, &str); 11] = [
    ("/", "text/html; charset=utf-8", INDEX),
    ("/page.css", "text/css; charset=utf-8", STYLE),
    ("/uplot.min.css", "text/css; charset=utf-8", PLOTS_STYLE),
    ("/uplot.iife.min.js", JAVASCRIPT, PLOTS),
    ("/parts.js", JAVASCRIPT, PARTS),
    ("/views.js", JAVASCRIPT, VIEWS),
    ("/verdicts.js", JAVASCRIPT, VERDICTS),
    ("/task.js", JAVASCRIPT, TASK),
    ("/review.js", JAVASCRIPT, REVIEW),
    ("/changes.js", JAVASCRIPT, CHANGES),
    ("/page.js", JAVASCRIPT, SCRIPT),
];

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What a browser may do with anything that the server gives: run its scripts, ask it, and nothing else. No text
/// can become script, whatever a record or a model says.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The page in one file, with a snapshot and what is known of some tasks and of the sameness of files in it. It asks nobody for
/// anything.
pub fn report(snapshot: &Snapshot, tasks: &[TaskEvidence], alike: &[SamenessRow]) -> String {
    let mut page = INDEX.to_owned();
    let (mut styles, mut scripts) = (Vec::new(), Vec::new());
    for (name, kind, text) in FILES {
        let name = name.trim_start_matches('/');
        if kind == JAVASCRIPT {
            scripts.push(text);
            let tag = format!("<script src=\"{name}\" defer></script>");
            // At the end of the body, since a script in the page does not wait for it.
            page = page.replace(&format!("{tag}\n"), "");
            page = page.replace("</body>", &format!("<script>{text}</script>\n</body>"));
        } else if name.ends_with(".css") {
            styles.push(text);
            let tag = format!("<link rel=\"stylesheet\" href=\"{name}\">");
            page = page.replace(&tag, &format!("<style>{text}</style>"));
        }
    }
    let data = json!({"snapshot": snapshot, "tasks": tasks, "sameness": alike});
    page.replace("<!-- policy -->", &policy(&scripts, &styles))
        .replace("<!-- data -->", &embedded(&data))
}

/// The head of a page that is one file: these scripts and styles, and nothing else.
pub(super) fn policy(scripts: &[&str], styles: &[&str]) -> String {
    let sources = |texts: &[&str]| {
        let sources = texts.iter().map(|text| source(text));
        sources.collect::<Vec<String>>().join(" ")
    };
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        sources(scripts),
        sources(styles)
    );
    format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">")
}

/// How a policy names a text that may run.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// JSON that no text in it can leave: `<` never occurs.
pub(super) fn embedded(data: &impl Serialize) -> String {
    // A value always has a form in JSON.
    let json = types::shown::json(data).unwrap_or_default();
    let json = json.replace('<', "\\u003c");
    format!("<script type=\"application/json\" id=\"data\">{json}</script>")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_page_is_small_and_names_each_of_its_files() {
        let size: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(size < 300_000, "{size}");
        for (name, kind, _) in FILES.iter().skip(1) {
            let name = name.trim_start_matches('/');
            let tag = if *kind == JAVASCRIPT {
                format!("<script src=\"{name}\" defer></script>\n")
            } else {
                format!("<link rel=\"stylesheet\" href=\"{name}\">")
            };
            assert!(INDEX.contains(&tag), "{tag}");
        }
        for mark in ["<!-- policy -->", "<!-- data -->", "</body>"] {
            assert_eq!(INDEX.matches(mark).count(), 1, "{mark}");
        }
        for (_, _, text) in FILES.iter().skip(1) {
            assert!(
                !text.contains("</script")
                    && !text.contains("</style")
                    && !text.contains("</body>")
            );
        }
    }

    #[test]
    fn no_text_can_leave_the_data() {
        let hostile = json!({"cause": "</script><script>alert(1)</script><!--"});
        let text = embedded(&hostile);
        let inner = text
            .strip_prefix("<script type=\"application/json\" id=\"data\">")
            .and_then(|text| text.strip_suffix("</script>"))
            .unwrap();
        assert!(!inner.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(inner).unwrap(), hostile);
    }
}
