//! Reads `.env` where it lies beside the configuration, before anything else looks at the environment. What the
//! environment has already wins. Values are never printed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use config::Config;
use types::suggest::closest;

/// Name of the file.
const FILE_NAME: &str = ".env";
/// How the variables of this program begin.
const OWN: &str = "BATCHGEN_";
/// Variables that no flag goes with, and what they mean.
static WITHOUT_FLAG: [(&str, &str); 2] = [
    (
        "BATCHGEN_CACHE_DIR",
        "where compiled plugins are kept; the user's cache directory where absent",
    ),
    (
        "BATCHGEN_LOG",
        "what is logged, as in `debug` or `batchgen=debug`; warnings where absent",
    ),
];
/// Variables that are not this program's alone.
static SHARED: [(&str, &str); 3] = [
    ("NO_COLOR", "no colours on a terminal, if it is not empty"),
    ("OPENAI_BASE_URL", "address of the provider `openai`"),
    (
        "OPENAI_API_KEY and others",
        "keys of providers, each under the name that its documentation gives; see `docs/PROVIDERS.md`",
    ),
];

/// Lays the file over what the environment does not set. It must run before any thread is started.
pub(super) fn load() -> anyhow::Result<()> {
    match file(env::args_os().skip(1)) {
        Some(file) => read(&file),
        None => Ok(()),
    }
}

/// A variable that looks like this program's and is none of `known`, with the one that was probably meant.
pub(super) fn unknown(known: &[String]) -> Option<String> {
    let unflagged = WITHOUT_FLAG.iter().map(|(name, _)| *name);
    let known = || known.iter().map(String::as_str).chain(unflagged.clone());
    let mut names: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(OWN) && known().all(|other| other != name))
        .collect();
    names.sort();
    let name = names.first()?;
    let hint = match closest(name, known()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "the variables are {}",
            known().collect::<Vec<_>>().join(", ")
        ),
    };
    Some(format!(
        "warning: the environment variable {name} means nothing to batchgen\nhint: {hint}"
    ))
}

/// Variables that no flag stands for, with their meaning.
pub(super) fn unflagged() -> Vec<(&'static str, &'static str)> {
    [&WITHOUT_FLAG[..], &SHARED[..]].concat()
}

/// The file beside the configuration that the flags, the environment or the working directory give; without a
/// configuration, in the working directory.
fn file(arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let config = flag(arguments)
        .or_else(|| env::var_os("BATCHGEN_CONFIG").map(PathBuf::from))
        .or_else(|| Config::find(&here));
    Some(here.join(beside(config.as_deref()))).filter(|file| file.is_file())
}

/// Where the file lies, if there is one: beside the configuration, or in the working directory.
pub(super) fn beside(config: Option<&Path>) -> PathBuf {
    config.map_or_else(
        || PathBuf::from(FILE_NAME),
        |config| config.with_file_name(FILE_NAME),
    )
}

/// The value of `--config`, which is needed before the flags are parsed: they may come from the file.
fn flag(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(value) = argument
            .to_str()
            .and_then(|text| text.strip_prefix("--config="))
        {
            return Some(PathBuf::from(value));
        }
    }
    None
}

fn read(file: &Path) -> anyhow::Result<()> {
    // All of it is looked at before any of it counts.
    let checked =
        dotenvy::from_path_iter(file).and_then(|lines| lines.collect::<Result<Vec<_>, _>>());
    let loaded = checked.and_then(|_| dotenvy::from_path(file));
    loaded.map_err(|error| match error {
        dotenvy::Error::LineParse(line, _) => anyhow!(
            "{}:{}: the line is not NAME=value\nhint: put a value with spaces, quotes or `$` into single quotes, as in \
             NAME='a value'; a comment starts with #",
            file.display(),
            number(file, &line)
        ),
        dotenvy::Error::Io(cause) => anyhow!(
            "cannot read {}: {cause}\nhint: check its permissions, and that it is a text in UTF-8",
            file.display()
        ),
        // Its words may hold a value.
        _ => anyhow!("{} cannot be used\nhint: write one NAME=value a line", file.display()),
    })
}

/// Number of the first line with this text.
fn number(file: &Path, line: &str) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    // It may be no more than the value.
    let first = line.lines().next().unwrap_or_default().trim();
    let mut lines = text.lines();
    let found = lines.position(|other| !first.is_empty() && other.contains(first));
    found.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "")
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_its_value_is_not_shown() {
        let said =
            said("# keys\nBATCHGEN_TEST_GOOD=1\n\nBATCHGEN_TEST_BAD=sk-secret with spaces\n");
        assert!(
            said.starts_with("/.env:4: the line is not NAME=value\nhint: "),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
        assert_eq!(env::var_os("BATCHGEN_TEST_GOOD"), None);
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, [0xff, 0xfe, b'\n']).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("UTF-8"), "{said}");
    }

    #[test]
    fn the_configuration_that_a_flag_names_tells_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let expected = folder.path().join(FILE_NAME);
        let config = folder.path().join("other.toml").display().to_string();
        let looked = |words: &[&str]| file(words.iter().map(OsString::from));
        assert_eq!(looked(&["run", "--config", &config]), None);
        fs::write(&expected, "").unwrap();
        assert_eq!(
            looked(&["run", "--config", &config]),
            Some(expected.clone())
        );
        let joined = format!("--config={config}");
        assert_eq!(looked(&[&joined, "run"]), Some(expected));
    }
}
