//! Markdown as a tree of elements that the page makes one by one. It is no HTML at any time: raw HTML is text, images are
//! their descriptions, and a link leads nowhere but to an address of http, https or mail.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use serde::{Deserialize, Serialize};
use url::Url;

/// Elements within elements; what is deeper is put into the deepest.
const DEEPEST: usize = 40;
/// Schemes that a link may have.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Node {
    Text(String),
    /// An element with what is in it.
    Element(Element),
}

/// An element; the page knows each kind, and makes no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// The name of an HTML element.
    pub tag: Name,
    /// Where a link leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub href: Option<String>,
    /// What is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<Node>,
}

/// All elements there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    P,
    H1,
    H2,
    H3,
    H4,
    H5,
    H6,
    Blockquote,
    Pre,
    Code,
    Ul,
    Ol,
    Li,
    Table,
    Thead,
    Tbody,
    Tr,
    Th,
    Td,
    Em,
    Strong,
    Del,
    A,
    Br,
    Hr,
    Span,
}

/// A Markdown text as a tree. Front matter is a block of code.
pub fn tree(text: &str) -> Vec<Node> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut making = Making::default();
    for event in Parser::new_ext(text, options) {
        making.take(event);
    }
    making.finish()
}

#[derive(Default)]
struct Making {
    done: Vec<Node>,
    open: Vec<Element>,
    /// Elements that were not opened, since they lie too deep.
    too_deep: usize,
    in_head: bool,
}

impl Making {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text)
            | Event::Html(text)
            | Event::InlineHtml(text)
            | Event::InlineMath(text)
            | Event::DisplayMath(text)
            | Event::FootnoteReference(text) => self.add(Node::Text(text.into_string())),
            Event::Code(text) => self.add(Node::Element(Element {
                inner: vec![Node::Text(text.into_string())],
                ..element(Name::Code)
            })),
            Event::SoftBreak => self.add(Node::Text("\n".to_owned())),
            Event::HardBreak => self.add(Node::Element(element(Name::Br))),
            Event::Rule => self.add(Node::Element(element(Name::Hr))),
            Event::TaskListMarker(done) => {
                self.add(Node::Text(if done { "☑ " } else { "☐ " }.to_owned()));
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        if self.open.len() >= DEEPEST {
            self.too_deep += 1;
            return;
        }
        if matches!(tag, Tag::TableHead) {
            self.in_head = true;
            self.open.push(element(Name::Thead));
        } else if matches!(tag, Tag::TableRow) && !self.is_in(Name::Tbody) {
            self.open.push(element(Name::Tbody));
        }
        self.open.push(opened(tag, self.in_head));
        if matches!(
            tag,
            Tag::CodeBlock(CodeBlockKind::Fenced(_) | CodeBlockKind::Indented)
        ) {
            self.open.push(element(Name::Code));
        }
    }

    fn is_in(&self, name: Name) -> bool {
        let mut open = self
            .open
            .iter()
            .rev()
            .take_while(|element| element.tag != Name::Table);
        open.any(|element| element.tag == name)
    }

    fn end(&mut self, tag: TagEnd) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
            return;
        }
        match tag {
            TagEnd::TableHead => {
                self.in_head = false;
                self.close();
            }
            TagEnd::CodeBlock => self.close(),
            TagEnd::Table if self.is_in(Name::Tbody) => self.close(),
            _ => {}
        }
        self.close();
    }

    fn close(&mut self) {
        if let Some(element) = self.open.pop() {
            self.add(Node::Element(element));
        }
    }

    fn add(&mut self, node: Node) {
        let siblings = match self.open.last_mut() {
            Some(parent) => &mut parent.inner,
            None => &mut self.done,
        };
        match (siblings.last_mut(), node) {
            (Some(Node::Text(before)), Node::Text(text)) => before.push_str(&text),
            (_, node) => siblings.push(node),
        }
    }

    fn finish(mut self) -> Vec<Node> {
        while !self.open.is_empty() {
            self.close();
        }
        self.done
    }
}

fn element(tag: Name) -> Element {
    Element {
        tag,
        href: None,
        inner: Vec::new(),
    }
}

/// The element of a tag. Of what is not known, its contents stand in a span.
fn opened(tag: &Tag<'_>, in_head: bool) -> Element {
    let name = match tag {
        Tag::Paragraph => Name::P,
        Tag::Heading { level, .. } => match level {
            HeadingLevel::H1 => Name::H1,
            HeadingLevel::H2 => Name::H2,
            HeadingLevel::H3 => Name::H3,
            HeadingLevel::H4 => Name::H4,
            HeadingLevel::H5 => Name::H5,
            HeadingLevel::H6 => Name::H6,
        },
        Tag::BlockQuote(_) => Name::Blockquote,
        Tag::CodeBlock(_) | Tag::MetadataBlock(_) => Name::Pre,
        Tag::List(Some(_)) => Name::Ol,
        Tag::List(None) => Name::Ul,
        Tag::Item => Name::Li,
        Tag::Table(_) => Name::Table,
        Tag::TableHead | Tag::TableRow => Name::Tr,
        Tag::TableCell if in_head => Name::Th,
        Tag::TableCell => Name::Td,
        Tag::Emphasis => Name::Em,
        Tag::Strong => Name::Strong,
        Tag::Strikethrough => Name::Del,
        Tag::Link { dest_url, .. } => {
            return match safe(dest_url) {
                Some(href) => Element {
                    href: Some(href),
                    ..element(Name::A)
                },
                None => element(Name::Span),
            };
        }
        _ => Name::Span,
    };
    element(name)
}

/// An address that a link may lead to.
fn safe(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    SCHEMES.contains(&url.scheme()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn shown(text: &str) -> Value {
        serde_json::to_value(tree(text)).unwrap()
    }

    fn names(nodes: &[Node], names: &mut Vec<Name>) {
        for node in nodes {
            if let Node::Element(element) = node {
                names.push(element.tag);
                self::names(&element.inner, names);
            }
        }
    }

    #[test]
    fn a_text_is_a_tree() {
        assert_eq!(
            shown("# Title\n\nSome **bold** `code`.\n\n1. one\n2. two"),
            json!([
                {"tag": "h1", "inner": ["Title"]},
                {"tag": "p", "inner": ["Some ", {"tag": "strong", "inner": ["bold"]}, " ", {"tag": "code", "inner": ["code"]}, "."]},
                {"tag": "ol", "inner": [{"tag": "li", "inner": ["one"]}, {"tag": "li", "inner": ["two"]}]},
            ])
        );
    }

    #[test]
    fn a_table_has_a_head_and_a_body() {
        assert_eq!(
            shown("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"),
            json!([{"tag": "table", "inner": [
                {"tag": "thead", "inner": [{"tag": "tr", "inner": [{"tag": "th", "inner": ["a"]}, {"tag": "th", "inner": ["b"]}]}]},
                {"tag": "tbody", "inner": [
                    {"tag": "tr", "inner": [{"tag": "td", "inner": ["1"]}, {"tag": "td", "inner": ["2"]}]},
                    {"tag": "tr", "inner": [{"tag": "td", "inner": ["3"]}, {"tag": "td", "inner": ["4"]}]},
                ]},
            ]}])
        );
    }

    #[test]
    fn raw_html_is_text() {
        let hostile = "<img src=x onerror=alert(1)>\n\ntext <script>alert(1)</script>";
        let mut found = Vec::new();
        names(&tree(hostile), &mut found);
        assert!(
            found
                .iter()
                .all(|name| [Name::P, Name::Span].contains(name)),
            "{found:?}"
        );
        assert!(
            shown(hostile)
                .to_string()
                .contains("<script>alert(1)</script>")
        );
    }

    #[test]
    fn a_link_leads_to_a_safe_address_or_nowhere() {
        let href = |address: &str| shown(&format!("[x]({address})"))[0]["inner"][0]["href"].clone();
        assert_eq!(
            href("https://example.org/a?b=c"),
            "https://example.org/a?b=c"
        );
        assert_eq!(href("mailto:a@example.org"), "mailto:a@example.org");
        for hostile in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java&#10;script:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "vbscript:x",
            "file:///etc/passwd",
            "//example.org/x",
            "/task?record=a",
        ] {
            assert_eq!(href(hostile), Value::Null, "{hostile}");
        }
        assert_eq!(
            shown("![a picture](https://example.org/x.png)")[0]["inner"][0],
            json!({"tag": "span", "inner": ["a picture"]})
        );
    }

    #[test]
    fn code_and_front_matter_are_blocks() {
        assert_eq!(
            shown("---\ntitle: A\n---\n\n```json\n{\"a\": 1}\n```"),
            json!([
                {"tag": "pre", "inner": ["title: A\n"]},
                {"tag": "pre", "inner": [{"tag": "code", "inner": ["{\"a\": 1}\n"]}]},
            ])
        );
    }

    #[test]
    fn what_is_very_deep_stays_shallow_and_whole() {
        let deep = "> ".repeat(500) + "words";
        fn depth(nodes: &[Node]) -> usize {
            let inner = nodes.iter().map(|node| match node {
                Node::Text(_) => 0,
                Node::Element(element) => 1 + depth(&element.inner),
            });
            inner.max().unwrap_or(0)
        }
        let tree = tree(&deep);
        assert!(depth(&tree) <= DEEPEST + 2);
        assert!(serde_json::to_string(&tree).unwrap().contains("words"));
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_link_is_unsafe(text in "[-a-z#*_`>|\\[\\]()<:/ \n.0-9]{0,200}") {
            let json = serde_json::to_string(&tree(&text)).unwrap();
            let mut rest = json.as_str();
            while let Some((_, behind)) = rest.split_once("\"href\":\"") {
                let is_safe = SCHEMES.iter().any(|scheme| behind.starts_with(&format!("{scheme}:")));
                prop_assert!(is_safe);
                rest = behind;
            }
        }
    }
}
