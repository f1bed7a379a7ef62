//! Checks that no files of a crate use each other in a circle, so that each can be read with those below it alone. A file and those in
//! the folder of its name may use each other.
//!
//! An edge is a path that one file writes to an item of another one, in `use` or elsewhere; what is exported again is looked up where
//! it is defined. Methods that are called are no edges, and neither is what only tests have.

mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Fault, Files};
use source::{Names, Source};

/// A name that is exported again more often than this is taken for one that names itself.
const STEPS: usize = 8;

/// The faults of all crates.
pub fn check(files: &Files) -> Vec<Fault> {
    crates(files)
        .iter()
        .flat_map(|folder| Crate::read(files, folder).faults())
        .collect()
}

/// The folders of sources that have the root of a crate.
fn crates(files: &Files) -> BTreeSet<String> {
    let roots = files.ending("rs").filter_map(|(name, _)| {
        let folder = name
            .strip_suffix("lib.rs")
            .or(name.strip_suffix("main.rs"))?;
        folder.ends_with("src/").then(|| folder.to_owned())
    });
    roots.collect()
}

/// A crate: its files by the paths of their modules.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Names, (String, Source)>,
    /// Modules that are written out in a file.
    inline: BTreeSet<Names>,
    /// What a name stands for in a module, as it is written there.
    aliases: BTreeMap<(Names, String), Names>,
    faults: Vec<Fault>,
}

/// Which files each file uses, and the names of what it uses there.
type Edges = BTreeMap<Names, BTreeMap<Names, BTreeSet<String>>>;

impl Crate {
    fn read(files: &Files, folder: &str) -> Self {
        let mut found = Self::default();
        let has_library = files
            .all()
            .any(|(name, _)| name == format!("{folder}lib.rs"));
        let mut tests = Vec::new();
        for (name, text) in files.ending("rs") {
            let Some(place) = name.strip_prefix(folder) else {
                continue;
            };
            // Programs beside a library are crates of their own.
            if place.starts_with("bin/") || has_library && place == "main.rs" {
                continue;
            }
            let module = module_of(place);
            match Source::read(text, &module) {
                Some(source) => {
                    tests.extend(source.tests.iter().cloned());
                    found.files.insert(module, (name.to_owned(), source));
                }
                None => found.faults.push(Fault {
                    file: name.to_owned(),
                    line: None,
                    message: "is no Rust; mend it".to_owned(),
                }),
            }
        }
        found
            .files
            .retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        for (_, source) in found.files.values() {
            found.inline.extend(source.inline.iter().cloned());
            let aliases = source.aliases.iter().cloned();
            found
                .aliases
                .extend(aliases.map(|(module, name, path)| ((module, name), path)));
        }
        found
    }

    /// A fault for each knot of files that all use each other, directly or not.
    fn faults(mut self) -> Vec<Fault> {
        let edges = self.edges();
        let reached: BTreeMap<&Names, BTreeSet<&Names>> = edges
            .keys()
            .map(|file| (file, reached(&edges, file)))
            .collect();
        let mut told: BTreeSet<&Names> = BTreeSet::new();
        for (file, reach) in &reached {
            if !reach.contains(file) || told.contains(file) {
                continue;
            }
            let leads_back = |other: &&&Names| {
                let back = reached.get(**other);
                back.is_some_and(|back| back.contains(file))
            };
            let knot: Vec<&Names> = reach.iter().filter(leads_back).copied().collect();
            let circles = knot.iter().filter_map(|file| circle(&edges, file));
            if let Some(shortest) = circles.min_by_key(Vec::len) {
                let fault = self.fault(&shortest, &edges);
                self.faults.push(fault);
            }
            told.extend(knot);
        }
        self.faults
    }

    fn fault(&self, circle: &[Names], edges: &Edges) -> Fault {
        let name = |module: &Names| self.files.get(module).map_or("", |(name, _)| name.as_str());
        let next = circle.iter().skip(1).chain(circle.first());
        let steps = circle.iter().zip(next).map(|(from, to)| {
            let names = edges.get(from).and_then(|edges| edges.get(to));
            let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
            format!(
                "\n  {} uses {} ({})",
                name(from),
                name(to),
                names.join(", ")
            )
        });
        Fault {
            file: circle.first().map(name).unwrap_or_default().to_owned(),
            line: None,
            message: format!(
                "files use each other in a circle; move what both need to a file of its own, give one the values that it takes from the \
                 other, or put a file that only one uses into the folder of that one:{}",
                steps.collect::<String>()
            ),
        }
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (file, (_, source)) in &self.files {
            for (module, path) in &source.paths {
                let Some((target, name)) =
                    self.absolute(module, path).and_then(|path| self.find(path))
                else {
                    continue;
                };
                // A file and those in its folder may use each other.
                if !target.starts_with(file) && !file.starts_with(&target) {
                    let uses = edges.entry(file.clone()).or_default();
                    uses.entry(target).or_default().insert(name);
                }
            }
        }
        edges
    }

    /// A path from the root of the crate; `None` where it leads out of it.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        let mut names = module.to_vec();
        match first.as_str() {
            "crate" => names.clear(),
            "self" => {}
            "super" => {
                names.pop();
                // Another `super` counts from there.
                if rest.first().is_some_and(|next| next == "super") {
                    return self.absolute(&names, rest);
                }
            }
            name => {
                names.push(name.to_owned());
                let is_here = self.is_module(&names)
                    || self
                        .aliases
                        .contains_key(&(module.to_vec(), name.to_owned()));
                if !is_here {
                    return None;
                }
            }
        }
        names.extend(rest.iter().cloned());
        Some(names)
    }

    fn is_module(&self, names: &[String]) -> bool {
        self.files.contains_key(names) || self.inline.contains(names)
    }

    /// The file that an item is defined in, and the item's name there.
    fn find(&self, mut path: Names) -> Option<(Names, String)> {
        let mut steps = 0;
        while let Some(next) = self.followed(&path) {
            path = next?;
            steps += 1;
            // One that names itself, as in `use anyhow::anyhow`, leads out of the crate.
            if steps > STEPS {
                return None;
            }
        }
        let file = prefix(&path, |module| self.files.contains_key(module))?.to_vec();
        let name = path.get(file.len()).or(path.last());
        Some((file, name.cloned().unwrap_or_default()))
    }

    /// The path with what its first name behind a module stands for there. The inner `None` leads out of the crate.
    fn followed(&self, path: &[String]) -> Option<Option<Names>> {
        let module = prefix(path, |module| module.is_empty() || self.is_module(module))?;
        let (name, behind) = path.get(module.len()..)?.split_first()?;
        let alias = self.aliases.get(&(module.to_vec(), name.clone()))?;
        let whole = self.absolute(module, alias).map(|mut names| {
            names.extend(behind.iter().cloned());
            names
        });
        Some(whole)
    }
}

/// The longest beginning of a path that satisfies this.
fn prefix(path: &[String], is_it: impl Fn(&[String]) -> bool) -> Option<&[String]> {
    let mut beginnings = (0..=path.len())
        .rev()
        .filter_map(|length| path.get(..length));
    beginnings.find(|beginning| is_it(beginning))
}

/// The path of a file's module.
fn module_of(place: &str) -> Names {
    let place = place.strip_suffix(".rs").unwrap_or(place);
    let place = place.strip_suffix("/mod").unwrap_or(place);
    match place {
        "lib" | "main" => Names::new(),
        place => place.split('/').map(str::to_owned).collect(),
    }
}

/// All files that a file uses, directly or not.
fn reached<'e>(edges: &'e Edges, file: &Names) -> BTreeSet<&'e Names> {
    let mut reached = BTreeSet::new();
    let used = |file: &Names| edges.get(file).into_iter().flat_map(BTreeMap::keys);
    let mut waiting: Vec<&Names> = used(file).collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(used(file));
        }
    }
    reached
}

/// The files of the shortest circle that a file is on.
fn circle(edges: &Edges, start: &Names) -> Option<Vec<Names>> {
    let mut before: BTreeMap<&Names, &Names> = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let back = |file: &&Names| before.get(*file).copied();
                let mut files: Vec<Names> =
                    std::iter::successors(Some(file), back).cloned().collect();
                files.reverse();
                return Some(files);
            }
            if !before.contains_key(next) {
                before.insert(next, file);
                waiting.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a crate of these files.
    fn told(files: &[(&str, &str)]) -> Vec<String> {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let faults = check(&Files(files.collect()));
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_files_of_a_circle_are_told_with_the_names_that_make_it() {
        let told = told(&[
            ("x/src/lib.rs", "mod a; mod b; mod c; mod d;"),
            ("x/src/a.rs", "use super::b::{Big, Other as _};"),
            (
                "x/src/b.rs",
                "fn make() -> Vec<u8> { vec![crate::c::small()] }",
            ),
            ("x/src/c.rs", "use crate::{a, d};"),
            ("x/src/d.rs", "pub fn alone() {}"),
        ]);
        let [fault] = told.as_slice() else {
            panic!("{told:?}")
        };
        let steps: Vec<&str> = fault.lines().skip(1).collect();
        assert_eq!(
            steps,
            [
                "  x/src/a.rs uses x/src/b.rs (Big, Other)",
                "  x/src/b.rs uses x/src/c.rs (small)",
                "  x/src/c.rs uses x/src/a.rs (a)",
            ]
        );
    }

    #[test]
    fn what_is_exported_again_counts_where_it_is_defined() {
        let told = told(&[
            (
                "x/src/lib.rs",
                "mod a; mod b; pub use b::Thing; use a::of as made;",
            ),
            ("x/src/a.rs", "pub fn of(_: crate::Thing) {}"),
            (
                "x/src/b.rs",
                "pub struct Thing; fn f() { super::made(Thing) }",
            ),
        ]);
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn a_file_and_those_in_its_folder_may_use_each_other() {
        let none: [String; 0] = [];
        assert_eq!(
            told(&[
                ("x/src/main.rs", "mod a; use a::A;"),
                ("x/src/a.rs", "mod inner; pub struct A; use inner::B;"),
                (
                    "x/src/a/inner.rs",
                    "pub struct B; use super::A; use crate::a;"
                ),
            ]),
            none
        );
    }

    #[test]
    fn tests_and_other_crates_make_no_circle() {
        let none: [String; 0] = [];
        assert_eq!(
            told(&[
                (
                    "x/src/lib.rs",
                    "mod a; mod b; #[cfg(test)] mod only; mod tests {}"
                ),
                (
                    "x/src/a.rs",
                    "use crate::b::B; use anyhow::anyhow; fn f() { anyhow::bail(b::c()) }"
                ),
                (
                    "x/src/b.rs",
                    r#"use ::a::A; pub struct B; // crate::a::A
                    const TEXT: &str = "crate::a::A";
                    #[cfg(test)] use crate::a::A; #[cfg(test)] mod tests { use crate::a::A; }"#
                ),
                ("x/src/only.rs", "use crate::a::A;"),
                ("y/src/lib.rs", "mod a; mod b;"),
                ("y/src/a.rs", "use crate::b::B;"),
                ("y/src/b.rs", "use a::A; pub struct B;"),
            ]),
            none
        );
    }

    #[test]
    fn modules_within_a_file_are_a_part_of_it() {
        let told = told(&[
            ("x/src/lib.rs", "mod a; mod b;"),
            ("x/src/a.rs", "pub mod inner { use super::super::b::B; }"),
            ("x/src/b.rs", "pub struct B; use crate::a::inner::C;"),
        ]);
        assert_eq!(told.len(), 1, "{told:?}");
    }
}
