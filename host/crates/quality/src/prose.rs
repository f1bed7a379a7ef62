//! The words of a file as a reader sees them, without the marks of its format.

mod html;
mod markdown;

use super::front_matter::without_front_matter;

/// The format of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Markdown, with front matter or without.
    Markdown,
    /// HTML: a page or a part of one.
    Html,
    /// Text without marks.
    Plain,
}

/// What a block of text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A paragraph, an item of a list, a quotation.
    #[default]
    Text,
    /// A heading.
    Heading,
    /// A cell of a table.
    Cell,
    /// Code between fences, indented, or in `<pre>`.
    Code,
}

/// A link of a text, or the address of a picture in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// As it is written.
    pub target: String,
    /// The block of the text that it is in.
    pub(crate) block: usize,
}

/// A text without marks, block by block, and its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prose {
    text: String,
    /// What each block is, and where it ends.
    blocks: Vec<(Kind, usize)>,
    links: Vec<Link>,
}

impl Prose {
    /// Takes the marks away from a text.
    pub fn of(text: &str, form: Form) -> Prose {
        let mut writer = Writer::default();
        match form {
            Form::Markdown => markdown::read(without_front_matter(text), &mut writer),
            Form::Html => html::read(text, &mut writer),
            Form::Plain => plain(text, &mut writer),
        }
        writer.finish()
    }

    /// The whole text. A line feed ends each block.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What each block is, and its text.
    pub fn blocks(&self) -> impl Iterator<Item = (Kind, &str)> {
        let starts = std::iter::once(0).chain(self.blocks.iter().map(|(_, end)| *end));
        self.blocks.iter().zip(starts).map(|((kind, end), start)| {
            let block = self.text.get(start..*end).unwrap_or_default();
            (*kind, block.trim())
        })
    }

    /// The links, in the order of the text.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
}

/// Puts a [`Prose`] together.
#[derive(Debug, Default)]
pub(super) struct Writer {
    prose: Prose,
    /// Where the block began that is being written.
    start: usize,
    kind: Kind,
}

impl Writer {
    /// Adds text to the block. A line break within a block is a space.
    pub fn push(&mut self, text: &str) {
        let mut lines = text.split(['\n', '\r']);
        self.prose.text.push_str(lines.next().unwrap_or_default());
        for line in lines {
            self.prose.text.push(' ');
            self.prose.text.push_str(line);
        }
    }

    /// Ends the block, if it has anything, and begins another.
    pub fn begin(&mut self, kind: Kind) {
        let Prose { text, blocks, .. } = &mut self.prose;
        if text.get(self.start..).is_some_and(is_blank) {
            text.truncate(self.start);
        } else {
            text.push('\n');
            blocks.push((self.kind, text.len()));
            self.start = text.len();
        }
        self.kind = kind;
    }

    /// What is being written.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Notes a link, which begins here.
    pub fn link(&mut self, target: &str) {
        let at = self.prose.blocks.len();
        self.prose.links.push(Link {
            target: target.to_owned(),
            block: at,
        });
    }

    fn finish(mut self) -> Prose {
        self.begin(Kind::Text);
        self.prose
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// Blank lines divide a text without marks into blocks.
fn plain(text: &str, writer: &mut Writer) {
    for line in text.lines() {
        if is_blank(line) {
            writer.begin(Kind::Text);
        } else {
            writer.push(line);
            writer.push(" ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, form: Form) -> Vec<(Kind, String)> {
        let prose = Prose::of(text, form);
        let blocks = prose.blocks();
        blocks.map(|(kind, text)| (kind, text.to_owned())).collect()
    }

    fn block(kind: Kind, text: &str) -> (Kind, String) {
        (kind, text.to_owned())
    }

    #[test]
    fn markdown_is_read_without_its_marks() {
        let text = "---\ntitle: Oak\n---\n# Oak *wood*\n\nIt is **hard**,\nand [heavy](b.md \"t\").\n\n- one\n- two\n\n\
                    | a | b |\n|---|---|\n| 1 | 2 |\n\n```sh\nls\n```\n> quoted<br>line\n\n<div class=\"x\">boxed\n\n</div>\n";
        let found = blocks(text, Form::Markdown);
        assert_eq!(
            found,
            [
                block(Kind::Heading, "Oak wood"),
                block(Kind::Text, "It is hard, and heavy."),
                block(Kind::Text, "one"),
                block(Kind::Text, "two"),
                block(Kind::Cell, "a"),
                block(Kind::Cell, "b"),
                block(Kind::Cell, "1"),
                block(Kind::Cell, "2"),
                block(Kind::Code, "ls"),
                block(Kind::Text, "quoted line"),
                block(Kind::Text, "boxed"),
            ]
        );
    }

    #[test]
    fn html_is_read_without_its_tags() {
        let text = "<!doctype html><html><head><title>T</title><style>p { a: b }</style></head><body><h1>Oak</h1>\
                    <p>It is <b>hard</b> &amp; heavy.<br>Very.</p><script>for (i = 0; i<n; i++) {}</script>\n<!-- no -->\
                    <ul><li>one<li>two</ul><table><tr><th>a<td>1</table><pre>x = 1</pre></body></html>";
        let found = blocks(text, Form::Html);
        assert_eq!(
            found,
            [
                block(Kind::Heading, "Oak"),
                block(Kind::Text, "It is hard & heavy. Very."),
                block(Kind::Text, "one"),
                block(Kind::Text, "two"),
                block(Kind::Cell, "a"),
                block(Kind::Cell, "1"),
                block(Kind::Code, "x = 1"),
            ]
        );
    }

    #[test]
    fn blank_lines_divide_plain_text() {
        let found = blocks("# one\ntwo\r\n\r\n three \n", Form::Plain);
        assert_eq!(
            found,
            [block(Kind::Text, "# one two"), block(Kind::Text, "three")]
        );
        assert_eq!(blocks(" \n\n", Form::Plain), []);
    }
}
