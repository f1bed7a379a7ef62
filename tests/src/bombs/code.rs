//! Core modules that cost much to validate or to compile.

use super::{Kind, Part, kind, sections};

pub const KINDS: &[Kind] = &[
    of("parameters", [100, 3_000], parameters),
    of("loops", [40, 400], loops),
    of("locals", [1_000, 400_000], locals),
    of("functions", [10_000, 900_000], functions),
    of("calls", [10_000, 2_000_000], calls),
    of("calls-by-table", [10_000, 1_000_000], calls_by_table),
    of("jump-tables", [2, 100], jump_tables),
    of("edges", [100, 1_000], edges),
    of("blocks", [1_000, 1_000_000], blocks),
    of("wide-blocks", [20, 2_000], wide_blocks),
    of("branches", [1_000, 300_000], branches),
    of("nested-branches", [500, 100_000], nested_branches),
    of("loads", [5_000, 900_000], loads),
    of("chained-loads", [5_000, 2_000_000], chained_loads),
    of("floats", [5_000, 800_000], floats),
    of("constants", [5_000, 350_000], constants),
    of("vectors", [3_000, 500_000], vectors),
    of("copies", [1_000, 400_000], copies),
    of("dead-code", [10_000, 2_500_000], dead_code),
    of("types", [10_000, 900_000], types),
    of("module-imports", [10_000, 900_000], imports),
    of("module-exports", [10_000, 900_000], exports),
    of("globals", [10_000, 900_000], globals),
    of("data", [1, 50], data),
    of("data-segments", [10_000, 99_000], data_segments),
    of("sparse-data", [16, 65_536], sparse_data),
    of("table-entries", [100_000, 9_000_000], table_entries),
    of("large-tables", [4, 100], large_tables),
    of("large-memories", [4, 100], large_memories),
    of("long-names", [10, 500], long_names),
    of("subtypes", [10, 900_000], subtypes),
];

const fn of(name: &'static str, sizes: [usize; 2], make: fn(usize) -> Vec<u8>) -> Kind {
    kind(Part::Sections, name, sizes, make)
}

fn module(text: &str) -> Vec<u8> {
    sections(&format!("(core module {text})"))
}

fn each(count: usize, make: impl Fn(usize) -> String) -> String {
    (0..count).map(make).collect()
}

/// A module with one function of these locals and instructions.
fn function(locals: &str, body: &str) -> Vec<u8> {
    module(&format!(
        "(memory 1) (table 10 funcref) (type $none (func)) (func $own (param i32) {locals} {body})"
    ))
}

/// One function with many parameters and results, which calls itself.
fn parameters(calls: usize) -> Vec<u8> {
    let types = "i32 ".repeat(1000);
    let gets = each(1000, |place| format!("local.get {place} "));
    let calls = "call $f ".repeat(calls);
    module(&format!(
        "(func $f (param {types}) (result {types}) {gets} {calls})"
    ))
}

/// Loops in one another, which change many locals.
fn loops(count: usize) -> Vec<u8> {
    let bodies = each(count, |round| {
        let changes = each(100, |change| {
            let from = (round * 100 + change) % 2000;
            let to = (from * 31 + 7) % 2000;
            format!("local.get {from} i32.const 1 i32.add local.set {to} ")
        });
        format!("{changes} local.get {} br_if 0 end ", round % 2000)
    });
    let locals = format!("(local {})", "i32 ".repeat(2000));
    function(&locals, &format!("{} {bodies}", "loop ".repeat(count)))
}

/// Many locals, each of which has another value after each of many blocks.
fn locals(count: usize) -> Vec<u8> {
    let locals = format!("(local {})", "i32 ".repeat(1000));
    let body = each(count, |round| {
        let (from, to) = (round % 1000, (round * 7 + 1) % 1000);
        format!("block local.get {from} br_if 0 local.get {to} local.set {from} end ")
    });
    function(&locals, &body)
}

fn functions(count: usize) -> Vec<u8> {
    module(&"(func) ".repeat(count))
}

fn calls(count: usize) -> Vec<u8> {
    module(&format!("(func $f {})", "call $f ".repeat(count)))
}

fn calls_by_table(count: usize) -> Vec<u8> {
    function("", &"i32.const 0 call_indirect (type $none) ".repeat(count))
}

fn jump_tables(count: usize) -> Vec<u8> {
    let table = format!("local.get 0 br_table {}", "0 ".repeat(65_000));
    function("", &format!("block {table} end ").repeat(count))
}

/// From each of many blocks there is a way to each block around it.
fn edges(count: usize) -> Vec<u8> {
    let body = "local.get 0 i32.const 1 i32.add local.tee 0 br_if 0 ";
    let tables = each(count, |round| {
        let around = each(count - round, |target| format!("{target} "));
        format!("{body} local.get 0 br_table {around} end ")
    });
    function("", &format!("{} {tables}", "block ".repeat(count)))
}

fn blocks(count: usize) -> Vec<u8> {
    let (open, close) = ("block ".repeat(count), "end ".repeat(count));
    function("", &format!("{open} {close}"))
}

/// Blocks that take and give many values.
fn wide_blocks(count: usize) -> Vec<u8> {
    let types = "i32 ".repeat(1000);
    let constants = "i32.const 1 ".repeat(1000);
    let blocks = "block (type $wide) local.get 0 br_if 0 end ".repeat(count);
    module(&format!(
        "(type $wide (func (param {types}) (result {types})))
         (func (param i32) (result {types}) {constants} {blocks})"
    ))
}

fn branches(count: usize) -> Vec<u8> {
    let branch = "local.get 0 if local.get 1 local.set 2 else local.get 2 local.set 1 end ";
    function("(local i32 i32)", &branch.repeat(count))
}

fn nested_branches(count: usize) -> Vec<u8> {
    let open = "local.get 0 if local.get 1 local.set 2 else local.get 2 local.set 1 ";
    let body = format!("{} {}", open.repeat(count), "end ".repeat(count));
    function("(local i32 i32)", &body)
}

fn loads(count: usize) -> Vec<u8> {
    function("", &"local.get 0 i32.load offset=70000 drop ".repeat(count))
}

fn chained_loads(count: usize) -> Vec<u8> {
    let loads = "i32.load ".repeat(count);
    function("", &format!("local.get 0 {loads} drop"))
}

/// The host makes each not-a-number the same one, which is code after each operation.
fn floats(count: usize) -> Vec<u8> {
    let operations = "local.get 1 local.get 1 f32x4.mul local.set 1 ".repeat(count);
    function("(local v128)", &operations)
}

fn constants(count: usize) -> Vec<u8> {
    let constant = |place: usize| format!("v128.const i64x2 {place} {place} local.set 1 ");
    function("(local v128)", &each(count, constant))
}

fn vectors(count: usize) -> Vec<u8> {
    let operation = "local.get 1 local.get 1 i8x16.swizzle i8x16.popcnt i64x2.abs local.set 1 ";
    function("(local v128)", &operation.repeat(count))
}

fn copies(count: usize) -> Vec<u8> {
    let copy = "local.get 0 local.get 0 local.get 0 memory.copy ";
    function("", &copy.repeat(count))
}

fn dead_code(count: usize) -> Vec<u8> {
    let dead = "i32.const 1 drop ".repeat(count);
    function("", &format!("unreachable {dead}"))
}

/// Types that differ.
fn types(count: usize) -> Vec<u8> {
    module(&each(count, |place| {
        let kinds = (0..20).map(|bit| {
            if place >> bit & 1 == 1 {
                "i32 "
            } else {
                "i64 "
            }
        });
        let parameters: String = kinds.collect();
        format!("(type (func (param {parameters})))")
    }))
}

fn imports(count: usize) -> Vec<u8> {
    module(&each(count, |place| {
        format!("(import \"m\" \"f{place}\" (func)) ")
    }))
}

fn exports(count: usize) -> Vec<u8> {
    let exports = each(count, |place| format!("(export \"f{place}\" (func 0)) "));
    module(&format!("(func) {exports}"))
}

fn globals(count: usize) -> Vec<u8> {
    module(&"(global (mut i32) (i32.const 0)) ".repeat(count))
}

/// A segment of so many megabytes.
fn data(megabytes: usize) -> Vec<u8> {
    let text = "d".repeat(megabytes << 20);
    module(&format!("(memory 1) (data \"{text}\")"))
}

fn data_segments(count: usize) -> Vec<u8> {
    let segments = "(data (i32.const 0) \"d\") ".repeat(count);
    module(&format!("(memory 1) {segments}"))
}

/// One byte at the beginning and one at the end of a memory of so many pages.
fn sparse_data(pages: usize) -> Vec<u8> {
    let end = (pages << 16) - 1;
    module(&format!(
        "(memory {pages}) (data (i32.const 0) \"d\") (data (i32.const {end}) \"d\")"
    ))
}

fn table_entries(count: usize) -> Vec<u8> {
    let entries = "0 ".repeat(count);
    module(&format!(
        "(func) (table {count} funcref) (elem (i32.const 0) func {entries})"
    ))
}

fn large_tables(count: usize) -> Vec<u8> {
    module(&"(table 10000000 funcref) ".repeat(count))
}

fn large_memories(count: usize) -> Vec<u8> {
    module(&"(memory 65536) ".repeat(count))
}

fn long_names(count: usize) -> Vec<u8> {
    let name = "n".repeat(99_000);
    module(&each(count, |place| {
        format!("(import \"{name}\" \"{name}{place}\" (func)) ")
    }))
}

/// Types that are each one of the kind before.
fn subtypes(count: usize) -> Vec<u8> {
    let types = each(count, |place| format!("(type (sub {place} (struct))) "));
    module(&format!("(type (sub (struct))) {types}"))
}
