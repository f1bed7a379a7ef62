//! Takes the tags of HTML away.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};

use super::{Kind, Writer};

/// Elements whose text no reader sees.
const UNSEEN: [&[u8]; 5] = [b"head", b"script", b"style", b"template", b"noscript"];
/// Elements within a line: they end no block.
const INLINE: [&[u8]; 30] = [
    b"a", b"abbr", b"b", b"bdi", b"bdo", b"cite", b"code", b"data", b"del", b"dfn", b"em", b"font",
    b"i", b"img", b"ins", b"kbd", b"label", b"mark", b"q", b"s", b"samp", b"small", b"span",
    b"strong", b"sub", b"sup", b"time", b"u", b"var", b"wbr",
];

/// Writes the text and the links of a page, or of a part of one.
pub(super) fn read(text: &str, writer: &mut Writer) {
    let mut emitter = DefaultEmitter::default();
    // Without it, what stands in a script would be taken for tags.
    emitter.naively_switch_states(true);
    let mut unseen: Option<Vec<u8>> = None;
    for token in Tokenizer::new_with_emitter(text, emitter).flatten() {
        match token {
            // A head need not be closed.
            Token::StartTag(tag) if unseen.is_none() || *tag.name == b"body" => {
                let name: &[u8] = &tag.name;
                unseen = None;
                if UNSEEN.contains(&name) {
                    unseen = (!tag.self_closing).then(|| name.to_vec());
                }
                for attribute in [b"href".as_slice(), b"src"] {
                    if let Some(target) = tag.attributes.get(attribute) {
                        writer.link(&String::from_utf8_lossy(target));
                    }
                }
                start(name, writer);
            }
            Token::EndTag(tag) => {
                let name: &[u8] = &tag.name;
                if unseen.as_deref() == Some(name) {
                    unseen = None;
                } else if unseen.is_none() && !INLINE.contains(&name) && name != b"br" {
                    writer.begin(Kind::Text);
                }
            }
            Token::String(text) if unseen.is_none() => {
                writer.push(&String::from_utf8_lossy(&text));
            }
            _ => {}
        }
    }
}

fn start(name: &[u8], writer: &mut Writer) {
    match name {
        b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => writer.begin(Kind::Heading),
        b"td" | b"th" => writer.begin(Kind::Cell),
        b"pre" => writer.begin(Kind::Code),
        b"br" => writer.push(" "),
        // A block within a heading, a cell or code belongs to it.
        name if !INLINE.contains(&name) => writer.begin(writer.kind()),
        _ => {}
    }
}
