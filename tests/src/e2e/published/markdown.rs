//! Markdown by a parser of CommonMark with GitHub's tables.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// What a text has that was meant for markup, and is shown as it stands.
const LEFT_OVER: [&str; 3] = ["**", "| -", "|-"];

/// What is wrong with a text: markup that is none, and tables without cells.
pub fn faults(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    let mut line = String::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Text(text) if !code => line.push_str(&text),
            Event::End(
                TagEnd::Paragraph | TagEnd::Item | TagEnd::Heading(_) | TagEnd::TableCell,
            )
            | Event::SoftBreak
            | Event::HardBreak => {
                if let Some(mark) = LEFT_OVER.iter().find(|mark| line.contains(**mark)) {
                    found.push(format!("`{mark}` is no markup here: {line}"));
                }
                line.clear();
            }
            _ => {}
        }
    }
    found.extend(tables(markdown).1);
    found
}

/// The same for a file of tables: there must be one, and nothing but headings around them.
pub fn faults_of_tables(markdown: &str) -> Vec<String> {
    let mut found = faults(markdown);
    if tables(markdown).0 == 0 {
        found.push("it has no table".to_owned());
    }
    let paragraphs = Parser::new_ext(markdown, Options::ENABLE_TABLES)
        .filter(|event| matches!(event, Event::Start(Tag::Paragraph)));
    if paragraphs.count() > 0 {
        found.push("a line of it is no part of a table".to_owned());
    }
    found
}

/// How many tables there are, and which of their cells are empty.
fn tables(markdown: &str) -> (usize, Vec<String>) {
    let (mut count, mut rows, mut cell) = (0, 0, String::new());
    let mut found = Vec::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Table(_)) => (count, rows) = (count + 1, 0),
            Event::Start(Tag::TableRow) => rows += 1,
            Event::End(TagEnd::Table) if rows == 0 => {
                found.push(format!("table {count} has no row"))
            }
            Event::Start(Tag::TableCell) => cell.clear(),
            Event::Text(text) | Event::Code(text) => cell.push_str(&text),
            Event::End(TagEnd::TableCell) if cell.trim().is_empty() => {
                found.push(format!("table {count} has an empty cell in row {rows}"));
            }
            _ => {}
        }
    }
    (count, found)
}
