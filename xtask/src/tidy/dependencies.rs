//! Checks the design's invariants on the source, and that every package obeys the workspace's lints.

use super::{
    Fault, Files,
    rules::{RULES, Rule},
    source,
};

/// The faults of all Rust sources and manifests.
pub fn check(files: &Files) -> Vec<Fault> {
    let sources = files
        .ending("rs")
        .flat_map(|(name, text)| check_source(name, text));
    let manifests = files
        .ending("toml")
        .filter_map(|(name, text)| check_manifest(name, text));
    sources.chain(manifests).collect()
}

fn check_source(name: &str, text: &str) -> Vec<Fault> {
    let rules: Vec<_> = RULES.iter().filter(|rule| applies(rule, name)).collect();
    let mut faults = Vec::new();
    if !rules.is_empty() {
        for path in source::named_paths(text) {
            for rule in &rules {
                if let Some(found) = rule.names.iter().find(|wanted| path.contains(wanted)) {
                    faults.push(Fault {
                        file: name.to_owned(),
                        line: Some(path.line),
                        message: format!("`{found}` has no place here: {}", rule.why),
                    });
                }
            }
        }
    }
    // The workspace denies unsafe code, so this is the only way in.
    for (number, line) in (1..).zip(source::code_only(text).lines()) {
        if line.contains("allow(unsafe_code") {
            faults.push(Fault {
                file: name.to_owned(),
                line: Some(number),
                message:
                    "write #[expect(unsafe_code, reason = \"…\")] at the one place that needs it"
                        .to_owned(),
            });
        }
    }
    faults
}

fn applies(rule: &Rule, name: &str) -> bool {
    name.starts_with(rule.folder) && !rule.except.iter().any(|folder| name.starts_with(folder))
}

/// A package that does not inherit the lints is held to none.
fn check_manifest(name: &str, text: &str) -> Option<Fault> {
    let manifest: toml::Table = toml::from_str(text).ok()?;
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if !name.ends_with("Cargo.toml") || !manifest.contains_key("package") || inherits == Some(true)
    {
        return None;
    }
    Some(Fault {
        file: name.to_owned(),
        line: None,
        message: "the package does not obey the workspace's lints; add [lints] workspace = true"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_each_of_its_names() {
        for rule in RULES {
            for name in rule.names {
                let file = format!("{}x.rs", rule.folder);
                let source = if name.ends_with('!') {
                    format!("fn f() {{\n    {name}(1)\n}}\n")
                } else {
                    format!("fn f() {{}}\nuse {name};\n")
                };
                let found = check_source(&file, &source);
                assert!(
                    found.iter().any(|fault| fault.message.contains(name)),
                    "{file}: {name}"
                );
                assert!(found.iter().all(|fault| fault.line == Some(2)), "{found:?}");
            }
        }
    }

    #[test]
    fn rules_hold_for_their_folder_only() {
        let source = "use std::env;\nfn f() { println!(\"std::fs\"); }\n";
        assert_eq!(check_source("host/src/cli/run.rs", source), []);
        assert_eq!(check_source("host/src/store/journal.rs", source).len(), 2);
    }

    #[test]
    fn unsafe_code_needs_a_reason() {
        assert_eq!(check_source("a.rs", "#![allow(unsafe_code)]\n").len(), 1);
        assert_eq!(
            check_source("a.rs", "#[expect(unsafe_code, reason = \"x\")]\n"),
            []
        );
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        let package = "[package]\nname = \"a\"\n";
        assert!(check_manifest("a/Cargo.toml", package).is_some());
        assert!(
            check_manifest(
                "a/Cargo.toml",
                &format!("{package}[lints]\nworkspace = true\n")
            )
            .is_none()
        );
        assert!(check_manifest("Cargo.toml", "[workspace]\n").is_none());
    }
}
