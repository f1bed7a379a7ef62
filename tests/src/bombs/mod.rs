//! Plugin files that cost far more to look at than they have bytes: kinds of them, each in two sizes. Whatever reads
//! plugins has to refuse each, or load it, with little time and memory.

#![expect(
    clippy::panic,
    reason = "a file that cannot be made leaves a test nothing to go on with"
)]

mod code;
mod components;
mod files;
mod manifests;
mod trial;

use serde_json::{Value, json};

use crate::core_guest::{CoreGuest, append_section};

pub use trial::{CPU, Cost, MEMORY, Trial, measure};

/// Name of the plugin that each of them gives.
const NAME: &str = "calm";
const CALM: CoreGuest = CoreGuest::new(NAME, "", "(call $put (i32.const 79)) (call $make)");

type Maker = fn(usize) -> Vec<u8>;

/// What of a plugin file is made so large.
#[derive(Clone, Copy)]
enum Part {
    /// Sections of a component, beside those of a plugin that works.
    Sections,
    /// A whole component, but for its manifest.
    Component,
    /// The package with manifest and prompts, of a plugin that works.
    Package,
    /// The whole file.
    File,
}

/// One way to make a file that costs much.
pub struct Kind {
    pub name: &'static str,
    /// A size that takes short to refuse or to load, and one that asks for more than a plugin may take.
    pub sizes: [usize; 2],
    part: Part,
    make: Maker,
}

const fn kind(part: Part, name: &'static str, sizes: [usize; 2], make: Maker) -> Kind {
    Kind {
        name,
        sizes,
        part,
        make,
    }
}

impl Kind {
    /// The plugin file of a size.
    pub fn file(&self, size: usize) -> Vec<u8> {
        let made = (self.make)(size);
        let calm = CALM.build();
        // The manifest is the last section.
        let (before, manifest) = calm.split_at(last_section(&calm));
        match self.part {
            Part::Sections => [before, &made, manifest].concat(),
            Part::Component => [&component(&made), manifest].concat(),
            Part::Package => {
                let mut file = before.to_vec();
                append_section(&mut file, "batchgen:plugin", &made);
                file
            }
            Part::File => made,
        }
    }
}

/// Every kind.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    [
        code::KINDS,
        components::KINDS,
        manifests::KINDS,
        files::KINDS,
    ]
    .into_iter()
    .flatten()
}

/// The least package of a plugin.
fn package() -> Value {
    json!({
        "manifest": {
            "plugin": {"name": NAME, "version": "0.1.0", "description": "Misbehaves"},
            "component": {"enabled": true},
            "output": {"extension": "md", "media-type": "text/markdown"},
        },
        "prompts": {},
    })
}

/// Sections of a component, from its text.
fn sections(text: &str) -> Vec<u8> {
    let component = wat::parse_str(format!("(component {text})"))
        .unwrap_or_else(|error| panic!("a bomb does not parse: {error}"));
    component.get(8..).unwrap_or_default().to_vec()
}

/// The number as WASM has it.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

fn component(content: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", content].concat()
}

/// Where the last section of a component begins.
fn last_section(bytes: &[u8]) -> usize {
    let mut place = 8;
    let mut last = place;
    while place < bytes.len() {
        last = place;
        let (mut size, mut shift) = (0_usize, 0);
        place += 1;
        while let Some(byte) = bytes.get(place) {
            place += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if *byte < 0x80 {
                break;
            }
        }
        place += size;
    }
    last
}
