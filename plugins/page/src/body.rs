//! What stands below the front matter.

use sdk::{Failure, Input, Map, Value, markdown};

/// The blocks of the page in their order; those that somebody emptied are left out.
pub(crate) fn body(input: &Input, front: &Map<String, Value>) -> Result<String, Failure> {
    let upstream = |name| input.upstream(name);
    let (text, caption) = (upstream("text")?, upstream("caption")?);
    let (bullets, table) = (upstream("bullets")?, upstream("table")?);
    let (author, jsonld) = (upstream("author")?, upstream("jsonld")?);
    let (title, article) = titled(text.text());
    let title = title.or_else(|| front.get("title").and_then(Value::as_str));
    let picture = front.get("images").and_then(|images| images.get("micro"));
    let blocks = [
        Some(format!("# {}", title.unwrap_or(input.name()).trim())),
        picture.and_then(image),
        lines(caption.text(), "\n\n", str::to_owned),
        block(article),
        section("At a Glance", lines(bullets.text(), "\n", list_item)),
        block(table.text()),
        section("About the Author", block(author.text())),
        block(jsonld.text()),
    ];
    let blocks: Vec<String> = blocks.into_iter().flatten().collect();
    Ok(blocks.join("\n\n"))
}

/// An article's title, if it starts with one, and the rest of it.
fn titled(text: &str) -> (Option<&str>, &str) {
    let text = text.trim();
    let Some(rest) = text.strip_prefix("# ") else {
        return (None, text);
    };
    let (title, article) = rest.split_once('\n').unwrap_or((rest, ""));
    (Some(title), article)
}

/// The picture that the caption belongs to.
fn image(image: &Value) -> Option<String> {
    let field = |name| image.get(name).and_then(Value::as_str);
    let alt = markdown::inline(field("alt").unwrap_or_default());
    // In angle brackets, an address may hold brackets; it holds neither line breaks nor these.
    let url = field("url").filter(|url| !url.contains(['<', '>', '\n']))?;
    Some(format!("![{alt}](<{url}>)"))
}

fn block(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn section(heading: &str, text: Option<String>) -> Option<String> {
    text.map(|text| format!("## {heading}\n\n{text}"))
}

/// Lines that are no paragraph together: Markdown would run them into one.
fn lines(text: &str, between: &str, line: impl Fn(&str) -> String) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|text| !text.is_empty());
    block(&lines.map(line).collect::<Vec<_>>().join(between))
}

/// `•` begins no list in Markdown.
fn list_item(line: &str) -> String {
    match line.strip_prefix('•') {
        Some(rest) => format!("- {}", rest.trim_start()),
        None => line.to_owned(),
    }
}
