//! Plugin files that cost far more to compile than they have bytes. Each is refused by name, or runs, within the limits of the
//! process that compiles it.

use std::fs;

use crate::core_guest::CoreGuest;
use crate::scene::Scene;

const CALM: CoreGuest = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");

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

/// Components in one another, each instantiated twice.
fn instances(levels: usize) -> Vec<u8> {
    let twice = section(5, &[2, 0, 0, 0, 0, 0, 0]);
    let nested = (0..levels).fold(component(&[]), |inner, _| {
        component(&[section(4, &inner), twice.clone()].concat())
    });
    [section(4, &nested), section(5, &[1, 0, 0, 0])].concat()
}

fn nested(levels: usize) -> Vec<u8> {
    let nested = (0..levels).fold(component(&[]), |inner, _| component(&section(4, &inner)));
    section(4, &nested)
}

/// One function with many parameters and results, which calls itself.
fn parameters() -> Vec<u8> {
    let count = 1000;
    let types = [number(count), vec![0x7f; count]].concat();
    let signature = [&[1, 0x60][..], &types, &types].concat();
    let gets: Vec<u8> = (0..count)
        .flat_map(|place| [vec![0x20], number(place)].concat())
        .collect();
    let code = [&[0][..], &gets, &[0x10, 0].repeat(3000), &[0x0b]].concat();
    let bodies = [&[1][..], &number(code.len()), &code].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &signature),
        section(3, &[1, 0]),
        section(10, &bodies),
    ];
    section(1, &module.concat())
}

#[test]
fn a_file_that_takes_for_ever_to_compile_is_refused_and_the_others_run() {
    let scene = Scene::new();
    let calm = CALM.build();
    for (name, bomb) in [
        ("instances", instances(60)),
        ("nested", nested(10_000)),
        ("parameters", parameters()),
    ] {
        // Before the manifest, which is the last section.
        let file = scene.path("plugins/calm.wasm");
        let manifest = calm
            .windows(15)
            .rposition(|part| part == b"batchgen:plugin")
            .unwrap();
        let (_, section_begins) = last_section(&calm);
        assert!(section_begins < manifest);
        let (before, after) = calm.split_at(section_begins);
        fs::write(&file, [before, &bomb, after].concat()).unwrap();
        let ran = scene
            .host(&["run", "--component", "calm", "--limit", "1"])
            .ended(2);
        let said = ran.stderr;
        assert!(said.contains("calm"), "{name}: {said}");
        let is_bounded = ["takes more than", "deep", "not valid", "does not compile"]
            .iter()
            .any(|words| said.contains(words));
        assert!(is_bounded, "{name}: {said}");
        // Those that are not concerned run.
        scene
            .run(&["--component", "frontmatter", "--record", "oak"])
            .ended(0);
    }
}

/// Number and place of the last section.
fn last_section(bytes: &[u8]) -> (u8, usize) {
    let mut place = 8;
    let mut last = (0, place);
    while let Some(id) = bytes.get(place) {
        last = (*id, place);
        let (mut size, mut shift) = (0_usize, 0);
        place += 1;
        loop {
            let byte = bytes[place];
            place += 1;
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        place += size;
    }
    last
}
