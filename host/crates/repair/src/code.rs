//! Which parts of a text are code in Markdown: what stands there is shown to people, and is no mark of a model.

use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The parts of a text that are code, in their order.
pub(super) struct Code(Vec<Range<usize>>);

impl Code {
    pub fn of(text: &str) -> Code {
        if !text.contains(['`', '~']) {
            return Code(Vec::new());
        }
        let mut found = Vec::new();
        let mut block = None;
        for (event, range) in Parser::new(text).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(_)) => block = Some(range),
                Event::End(TagEnd::CodeBlock) => found.extend(block.take()),
                Event::Code(_) => found.push(range),
                _ => {}
            }
        }
        Code(found)
    }

    /// Whether a place, in bytes, is in code.
    pub fn has(&self, place: usize) -> bool {
        let next = self.0.partition_point(|range| range.end <= place);
        self.0.get(next).is_some_and(|range| range.contains(&place))
    }
}
