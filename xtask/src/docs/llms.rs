//! `docs/llms.txt`: the documentation in the form that <https://llmstxt.org> describes, for those who let a model read it.

/// The file: the pages of the book, each with its first sentence. `read` gives the text of a page by its path.
pub fn text(summary: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::from(
        "# batchgen\n\n> batchgen writes content for every row of a table with a language model, and keeps that content up to date.\n",
    );
    for line in summary.lines() {
        if let Some(title) = line.strip_prefix("# ").filter(|title| *title != "Summary") {
            text.push_str(&format!("\n## {title}\n\n"));
            continue;
        }
        let Some((title, path)) = link(line) else {
            continue;
        };
        let about = read(path).and_then(|page| first_sentence(&page));
        let about = about.map_or_else(String::new, |about| format!(": {about}"));
        if line.starts_with("- ") {
            text.push_str(&format!("- [{title}]({path}){about}\n"));
        }
    }
    text
}

/// Title and path of a link in Markdown.
fn link(line: &str) -> Option<(&str, &str)> {
    let (title, rest) = line.split_once('[')?.1.split_once("](")?;
    Some((title, rest.split_once(')')?.0))
}

/// The first sentence of a page's first paragraph.
fn first_sentence(page: &str) -> Option<String> {
    let is_text =
        |line: &&str| line.starts_with(|first: char| first.is_alphabetic() || first == '`');
    let mut lines = page.lines().skip_while(|line| !is_text(line));
    let paragraph: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |end| end + 1);
    let sentence = paragraph.get(..end)?;
    (!sentence.is_empty()).then(|| sentence.trim_end_matches(':').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_stands_with_its_first_sentence() {
        let summary = "# Summary\n\n[batchgen](README.md)\n\n# How to\n\n- [Install](install.md)\n- [Gone](gone.md)\n";
        let read = |path: &str| {
            (path == "install.md")
                .then(|| "# Install\n\nIt takes\na minute. Then more.\n".to_owned())
        };
        assert!(text(summary, read).ends_with(
            "## How to\n\n- [Install](install.md): It takes a minute.\n- [Gone](gone.md)\n"
        ));
    }
}
