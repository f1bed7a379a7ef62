//! Takes the marks of Markdown away.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::html;
use super::{Kind, Writer};

/// Writes the text and the links of a document.
pub(super) fn read(text: &str, writer: &mut Writer) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS;
    // A block of HTML comes line by line, and a tag may be longer than a line.
    let mut block = String::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(tag) => start(&tag, writer),
            Event::End(TagEnd::HtmlBlock) => {
                html::read(&block, writer);
                block.clear();
                writer.begin(Kind::Text);
            }
            Event::End(tag) => end(tag, writer),
            Event::Html(line) => block.push_str(&line),
            Event::InlineHtml(tag) => html::read(&tag, writer),
            Event::Text(text) | Event::Code(text) => writer.push(&text),
            Event::SoftBreak | Event::HardBreak => writer.push(" "),
            Event::Rule => writer.begin(Kind::Text),
            Event::FootnoteReference(_)
            | Event::TaskListMarker(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => {}
        }
    }
}

fn start(tag: &Tag<'_>, writer: &mut Writer) {
    match tag {
        Tag::Heading { .. } => writer.begin(Kind::Heading),
        Tag::TableCell => writer.begin(Kind::Cell),
        Tag::CodeBlock(_) => writer.begin(Kind::Code),
        Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => writer.link(dest_url),
        Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Superscript | Tag::Subscript => {}
        _ => writer.begin(Kind::Text),
    }
}

fn end(tag: TagEnd, writer: &mut Writer) {
    match tag {
        TagEnd::Emphasis
        | TagEnd::Strong
        | TagEnd::Strikethrough
        | TagEnd::Superscript
        | TagEnd::Subscript
        | TagEnd::Link
        | TagEnd::Image => {}
        _ => writer.begin(Kind::Text),
    }
}
