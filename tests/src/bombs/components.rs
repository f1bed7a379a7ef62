//! Components that cost much to validate or to link.

use std::fmt::Write as _;

use super::{Kind, Part, component, kind, section, sections};

pub const KINDS: &[Kind] = &[
    of("instances", [20, 60], instances),
    of("nested", [100, 20_000], nested),
    of("nested-allowed", [10, 30], nested),
    of("empty-components", [1_000, 500_000], empty_components),
    of("empty-modules", [900, 500_000], empty_modules),
    of("live-modules", [900, 50_000], live_modules),
    of("doubled-types", [12, 60], doubled_types),
    of("fields", [1_000, 500_000], fields),
    of("cases", [1_000, 500_000], cases),
    of("function-types", [100, 20_000], function_types),
    of("aliases", [100, 100_000], aliases),
    of("resources", [1_000, 500_000], resources),
    of("adapters", [4, 16], adapters),
    of("many-adapters", [10, 1_000], many_adapters),
];

const fn of(name: &'static str, sizes: [usize; 2], make: fn(usize) -> Vec<u8>) -> Kind {
    kind(Part::Component, name, sizes, make)
}

/// What a plugin exports, but for the type of the function, which is looked at when it is compiled.
const EXPORT: &str = "(core module $gm (func (export \"g\"))) (core instance $gi (instantiate $gm))
    (func $g (canon lift (core func $gi \"g\"))) (export \"generate\" (func $g))";

/// Sections beside the export, with numbers of their own.
fn beside(text: &str) -> Vec<u8> {
    sections(&format!("{EXPORT} {text}"))
}

fn each(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).map(make).collect()
}

/// Components in one another, each instantiated twice.
fn instances(levels: usize) -> Vec<u8> {
    let twice = section(5, &[2, 0, 0, 0, 0, 0, 0]);
    let nested = (0..levels).fold(component(&[]), |inner, _| {
        component(&[section(4, &inner), twice.clone()].concat())
    });
    let instance = section(5, &[1, 0, 0, 0]);
    [section(4, &nested), instance, sections(EXPORT)].concat()
}

fn nested(levels: usize) -> Vec<u8> {
    let nested = (0..levels).fold(component(&[]), |inner, _| component(&section(4, &inner)));
    [section(4, &nested), sections(EXPORT)].concat()
}

fn empty_components(count: usize) -> Vec<u8> {
    beside(&"(component) ".repeat(count))
}

fn empty_modules(count: usize) -> Vec<u8> {
    beside(&"(core module) ".repeat(count))
}

/// Modules with an instance each.
fn live_modules(count: usize) -> Vec<u8> {
    beside(&each(count, |place| {
        format!(
            "(core module $m{place} (memory 1) (func)) (core instance (instantiate $m{place})) "
        )
    }))
}

/// Each type holds the one before twice.
fn doubled_types(levels: usize) -> Vec<u8> {
    let doubled = each(levels, |level| {
        format!("(type $t{} (tuple $t{level} $t{level})) ", level + 1)
    });
    beside(&format!("(type $t0 (tuple u8 u8)) {doubled}"))
}

fn fields(count: usize) -> Vec<u8> {
    let fields = each(count, |place| format!("(field \"f{place}\" u8) "));
    beside(&format!("(type (record {fields}))"))
}

fn cases(count: usize) -> Vec<u8> {
    let cases = each(count, |place| format!("(case \"c{place}\" string) "));
    beside(&format!("(type (variant {cases}))"))
}

fn function_types(count: usize) -> Vec<u8> {
    beside(&each(count, |place| {
        format!("(type (func (param \"p{place}\" string) (result (list string)))) ")
    }))
}

fn aliases(count: usize) -> Vec<u8> {
    beside(&format!(
        "(type $own (list string)) (component {})",
        "(alias outer 1 $own (type)) ".repeat(count)
    ))
}

fn resources(count: usize) -> Vec<u8> {
    beside(&"(type (resource (rep i32))) ".repeat(count))
}

/// A value of a large type that one inner component gives to another, for which the host has to make code.
fn adapters(levels: usize) -> Vec<u8> {
    beside(&adapter(levels, 1))
}

fn many_adapters(count: usize) -> Vec<u8> {
    beside(&adapter(3, count))
}

fn adapter(levels: usize, functions: usize) -> String {
    let mut types = "(type $t0 (tuple (option string) (list (list string)))) ".to_owned();
    for level in 0..levels {
        let next = level + 1;
        let _ = write!(
            types,
            "(type $t{next} (tuple (list $t{level}) (option $t{level}))) "
        );
    }
    let frame = "(memory (export \"m\") 1)
         (func (export \"r\") (param i32 i32 i32 i32) (result i32) i32.const 0)";
    let memory = "(memory (core memory $i \"m\")) (realloc (core func $i \"r\"))";
    let names = 0..functions;
    let given: String = names.clone().fold(String::new(), |text, name| {
        format!(
            "{text} (func (export \"f{name}\") (param \"a\" $t{levels}) (canon lift (core func $i \"f\") {memory}))"
        )
    });
    let (mut taken, mut lowered, mut with) = (String::new(), String::new(), String::new());
    for name in names {
        let _ = write!(
            taken,
            "(import \"f{name}\" (func $f{name} (param \"a\" $t{levels}))) "
        );
        let _ = write!(
            lowered,
            "(core func $l{name} (canon lower (func $f{name}) {memory})) "
        );
        let _ = write!(with, "(with \"f{name}\" (func $a \"f{name}\")) ");
    }
    // What a core function is given: a value of few parts is laid open, another lies in memory.
    let parts = 5 + 3 * levels;
    let parameters = "(param i32)".repeat(if parts > 16 { 1 } else { parts });
    format!(
        "(component $A {types}
            (core module $m {frame} (func (export \"f\") {parameters}))
            (core instance $i (instantiate $m)) {given})
         (component $B {types} {taken}
            (core module $m {frame}) (core instance $i (instantiate $m)) {lowered})
         (instance $a (instantiate $A)) (instance (instantiate $B {with}))"
    )
}
