//! Files that are no plugin, and cost much to read as one.

use super::{Kind, Part, component, kind, number, section};

pub const KINDS: &[Kind] = &[
    of("nothing-but-zeros", [1_000, 60 << 20], zeros),
    of("begins-like-a-component", [1_000, 60 << 20], noise),
    of("length-beyond-the-end", [1, 100_000], beyond_the_end),
    of("count-that-lies", [1, 100_000], count_that_lies),
    of("empty-sections", [1_000, 15 << 20], empty_sections),
    of("small-notes", [1_000, 8 << 20], small_notes),
    of("large-note", [1_000, 60 << 20], large_note),
    of("manifests", [2, 100_000], manifests),
    of("imports", [1_000, 500_000], imports),
    of("module-in-its-place", [1_000, 900_000], module),
];

const fn of(name: &'static str, sizes: [usize; 2], make: fn(usize) -> Vec<u8>) -> Kind {
    kind(Part::File, name, sizes, make)
}

fn zeros(length: usize) -> Vec<u8> {
    vec![0; length]
}

fn noise(length: usize) -> Vec<u8> {
    let noise: Vec<u8> = (0..length)
        .map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    component(&noise)
}

fn beyond_the_end(before: usize) -> Vec<u8> {
    let section = [&[1][..], &number(u32::MAX as usize)].concat();
    component(&[note("n", &[]).repeat(before), section].concat())
}

/// Sections of types that each say that they have four billion.
fn count_that_lies(count: usize) -> Vec<u8> {
    component(&section(7, &number(u32::MAX as usize)).repeat(count))
}

fn empty_sections(count: usize) -> Vec<u8> {
    component(&section(7, &[0]).repeat(count))
}

fn note(name: &str, content: &[u8]) -> Vec<u8> {
    section(
        0,
        &[&number(name.len())[..], name.as_bytes(), content].concat(),
    )
}

fn small_notes(count: usize) -> Vec<u8> {
    component(&note("n", &[]).repeat(count))
}

fn large_note(length: usize) -> Vec<u8> {
    component(&note("n", &vec![b'n'; length]))
}

fn manifests(count: usize) -> Vec<u8> {
    component(&note("batchgen:plugin", b"{}").repeat(count))
}

/// Imports of instances of the first type, which has nothing in it.
fn imports(count: usize) -> Vec<u8> {
    let types = section(7, &[1, 0x42, 0]);
    let mut imports = number(count);
    for place in 0..count {
        let name = format!("a:b/i{place}");
        imports.extend([&[0][..], &number(name.len()), name.as_bytes(), &[5, 0]].concat());
    }
    component(&[types, section(10, &imports)].concat())
}

/// A core module of so many functions.
fn module(count: usize) -> Vec<u8> {
    let functions = [number(count), vec![0; count]].concat();
    let bodies = [number(count), [2, 0, 0x0b].repeat(count)].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &functions),
        section(10, &bodies),
    ]
    .concat()
}
