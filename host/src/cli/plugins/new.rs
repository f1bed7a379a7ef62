//! `batchgen plugins new`: a plugin's project that lies anywhere, with all that it is built from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::super::display::Display;
use super::super::exit::{Exit, Failure};

/// Make a folder with a plugin that builds and passes `batchgen plugins check`, for you to change.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins new safety-notes
  batchgen plugins new safety-notes --lang python")]
pub(super) struct NewArgs {
    /// Lower-case letters, digits and hyphens, such as `safety-notes`
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    Rust,
    Python,
    #[value(name = "javascript", alias = "js")]
    JavaScript,
}

type Files = &'static [(&'static str, &'static str)];

const ALL: Files = &[
    (
        "plugin.toml",
        include_str!("../../../templates/plugin.toml"),
    ),
    (
        "prompts/write.md",
        include_str!("../../../../xtask/templates/write.md"),
    ),
    (
        "wit/component.wit",
        include_str!("../../../../wit/component.wit"),
    ),
];
const RUST: Files = &[
    (
        "Cargo.toml",
        include_str!("../../../templates/rust/package.toml"),
    ),
    (
        "src/lib.rs",
        include_str!("../../../../xtask/templates/lib.rs"),
    ),
    (
        "src/tests.rs",
        include_str!("../../../templates/rust/tests.rs"),
    ),
    (
        "sdk/Cargo.toml",
        include_str!("../../../templates/rust/sdk.toml"),
    ),
    ("build.sh", include_str!("../../../templates/rust/build.sh")),
    ("test.sh", include_str!("../../../templates/rust/test.sh")),
    (
        "README.md",
        include_str!("../../../templates/rust/README.md"),
    ),
    (".gitignore", "/target\n/*.wasm\n"),
];
const PYTHON: Files = &[
    (
        "component.py",
        include_str!("../../../../plugins/examples/summary-python/component.py"),
    ),
    (
        "requirements.txt",
        include_str!("../../../../xtask/toolchains/python/requirements.txt"),
    ),
    (
        "build.sh",
        include_str!("../../../templates/python/build.sh"),
    ),
    ("test.sh", include_str!("../../../templates/python/test.sh")),
    (
        "README.md",
        include_str!("../../../templates/python/README.md"),
    ),
    (".gitignore", "/.tools\n/build\n/*.wasm\n__pycache__\n"),
];
const JAVASCRIPT: Files = &[
    (
        "component.js",
        include_str!("../../../../plugins/examples/summary-javascript/component.js"),
    ),
    (
        "componentize.mjs",
        include_str!("../../../../xtask/toolchains/javascript/componentize.mjs"),
    ),
    (
        "package.json",
        include_str!("../../../../xtask/toolchains/javascript/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../../../xtask/toolchains/javascript/package-lock.json"),
    ),
    (
        "build.sh",
        include_str!("../../../templates/javascript/build.sh"),
    ),
    (
        "test.sh",
        include_str!("../../../templates/javascript/test.sh"),
    ),
    (
        "README.md",
        include_str!("../../../templates/javascript/README.md"),
    ),
    (".gitignore", "/node_modules\n/build\n/*.wasm\n"),
];
/// The crate for plugins, path by path below its `src`.
const SDK: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/sdk_sources.rs"));

/// Runs the subcommand.
pub(super) fn perform(args: &NewArgs, display: &Display) -> Result<Exit, Failure> {
    let name = &args.name;
    check_name(name).map_err(Failure::usage)?;
    let folder = Path::new(name);
    if folder.exists() {
        return Err(Failure::usage(anyhow!(
            "{name} exists already\nhint: choose another name, or another working directory"
        )));
    }
    let of_language = match args.lang {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::JavaScript => JAVASCRIPT,
    };
    for (file, template) in ALL.iter().chain(of_language) {
        write(folder, file, &filled(template, name)).map_err(Failure::internal)?;
    }
    if matches!(args.lang, Language::Rust) {
        for (file, source) in SDK {
            write(folder, &format!("sdk/src/{file}"), &sdk_source(source))
                .map_err(Failure::internal)?;
        }
        let tests = "\n#[cfg(test)]\nmod tests;\n";
        let lib = fs::read_to_string(folder.join("src/lib.rs")).map_err(Failure::internal)?;
        write(folder, "src/lib.rs", &format!("{lib}{tests}")).map_err(Failure::internal)?;
    }
    display.note(&format!(
        "made {name}/. Next:\n  cd {name}\n  ./test.sh          builds {name}.wasm and checks it\n  \
         README.md says what each file is"
    ));
    Ok(Exit::Done)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let words = name.split('-');
    let well_formed = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && words
            .into_iter()
            .all(|word| !word.is_empty() && word.chars().all(allowed));
    if !well_formed {
        return Err(anyhow!(
            "`{name}` will not do as a name\nhint: use lower-case letters, digits and single hyphens, and start with a \
             letter, as in `safety-notes`"
        ));
    }
    if ["sdk", "test", "core", "std", "alloc"].contains(&name) {
        return Err(anyhow!(
            "`{name}` is the name of something else already\nhint: choose another"
        ));
    }
    Ok(())
}

/// The template for a plugin of this name.
fn filled(template: &str, name: &str) -> String {
    template
        .replace("new-plugin", name)
        .replace("new_plugin", &name.replace('-', "_"))
        .replace("NewPlugin", &type_name(name))
}

/// `safety-notes` as a type: `SafetyNotes`.
fn type_name(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    });
    words.collect()
}

/// A source as it stands in a project of its own: its tests stay here, and the contract lies elsewhere.
fn sdk_source(source: &str) -> String {
    source
        .replace("\n#[cfg(test)]\nmod tests;\n", "")
        .replace("path: \"../../wit\"", "path: \"../wit\"")
}

/// Writes a new file; a script can be run.
fn write(folder: &Path, file: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    written
        .and_then(|()| fs::write(&path, text))
        .and_then(|()| match file.ends_with(".sh") {
            true => fs::set_permissions(&path, fs::Permissions::from_mode(0o755)),
            false => Ok(()),
        })
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_folder_and_a_package_are_refused() {
        for good in ["tags", "safety-notes", "faq2"] {
            check_name(good).unwrap();
        }
        for bad in [
            "", "Tags", "a--b", "-a", "a-", "2d", "a_b", "../a", "sdk", "é",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_name_the_plugin_everywhere() {
        for files in [ALL, RUST, PYTHON, JAVASCRIPT] {
            for (file, template) in files {
                let text = filled(template, "safety-notes");
                for left in ["new-plugin", "new_plugin", "NewPlugin"] {
                    assert!(!text.contains(left), "{file}");
                }
            }
        }
    }

    /// The SDK needs no file that is not given out.
    #[test]
    fn no_module_of_the_sdk_is_missing() {
        assert!(SDK.iter().any(|(file, _)| *file == "lib.rs"));
        for (file, source) in SDK {
            let source = sdk_source(source);
            assert!(!source.contains("mod tests;"), "{file}");
            assert!(!source.contains("../../"), "{file}");
        }
    }
}
