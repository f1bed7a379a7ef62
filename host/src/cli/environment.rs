//! Reads `.env` where it lies beside the configuration, before anything else looks at the environment. What the
//! environment has already wins. Values are never printed. The file comes with the project, so it sets no more than a project
//! may: keys of providers, and settings that are harmless. Nothing in it is replaced by values of other variables.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{anyhow, bail};

use super::real_paths::lies_in_project;
use config::Config;
use gateway::providers;
use types::suggest::closest;

/// Name of the file.
const FILE_NAME: &str = ".env";
/// How the variables of this program begin.
const OWN: &str = "BATCHGEN_";
/// Variables that stand for flags and that a project may set: its configuration can say the same.
const HARMLESS: [&str; 8] = [
    "BATCHGEN_CONCURRENCY",
    "BATCHGEN_DATA",
    "BATCHGEN_MODEL",
    "BATCHGEN_OUTPUT",
    "BATCHGEN_PLUGINS",
    "BATCHGEN_REQUESTS_PER_MINUTE",
    "BATCHGEN_STATE",
    "BATCHGEN_TOKENS_PER_MINUTE",
];
/// Those of them that name a place where something is read or written.
const PLACES: [&str; 3] = ["BATCHGEN_DATA", "BATCHGEN_OUTPUT", "BATCHGEN_STATE"];
/// Endings of names that change where a program connects to, and whom it believes.
const STEERING: [&str; 6] = [
    "_PROXY",
    "_BASE_URL",
    "_HOME",
    "_CERT_FILE",
    "_CERT_DIR",
    "_PRELOAD",
];
/// Keys that `.env` gives, by the names of their variables. They are not put into the environment.
static KEYS: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Allows everything that the project chooses, for one command alone.
pub(super) const TRUST: &str = "BATCHGEN_TRUST";

/// Variables that no flag goes with, and what they mean.
static WITHOUT_FLAG: [(&str, &str); 9] = [
    (
        "BATCHGEN_CACHE_DIR",
        "where compiled plugins are kept, outside of the project; the user's cache directory where absent; not read from `.env`",
    ),
    (
        TRUST,
        "1 allows the addresses, keys, folders and places of plugins that the project chooses, for this command; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_USER",
        "the user that a NATS server knows; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_PASSWORD",
        "the password of that user; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_TOKEN",
        "a token that a NATS server knows; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_NKEY",
        "the seed of an NKey that a NATS server knows; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_CREDENTIALS",
        "a file with credentials for a NATS server; not read from `.env`",
    ),
    (
        "BATCHGEN_CLUSTER_CA",
        "a file with certificates of authorities that are trusted for `tls://`; not read from `.env`",
    ),
    (
        "BATCHGEN_LOG",
        "what is logged, as in `debug` or `batchgen=debug`; warnings where absent",
    ),
];
/// Variables that are not this program's alone.
static SHARED: [(&str, &str); 6] = [
    (
        "DOCKER_AUTH_CONFIG",
        "logins of registries, as the text of docker's `config.json`; not read from `.env`",
    ),
    (
        "DOCKER_CONFIG",
        "the folder of docker's `config.json`; `~/.docker` where absent; not read from `.env`",
    ),
    ("NO_COLOR", "no colours on a terminal, if it is not empty"),
    (
        "OPENAI_BASE_URL",
        "address of the provider `openai`; not read from `.env`",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT and others",
        "where spans and metrics are sent, by the names that OpenTelemetry has; see `docs/how-to/telemetry.md`; not read from `.env`",
    ),
    (
        "OPENAI_API_KEY and others",
        "keys of providers, each under the name that its documentation gives; see `docs/PROVIDERS.md`; also read from `.env`",
    ),
];

/// Lays the file over what the environment does not set. It must run before any thread is started. Gives a warning about
/// variables that it leaves alone.
pub(super) fn load() -> anyhow::Result<Option<String>> {
    let Some((file, config)) = file(env::args_os().skip(1)) else {
        return Ok(None);
    };
    let lines = read(&file)?;
    let sorted = sorted(lines, &file, &named_keys(config.as_deref()))?;
    dotenvy::from_read(written(&sorted.settings).as_bytes()).map_err(|_| {
        anyhow!(
            "{} cannot be used\nhint: write one NAME=value a line",
            file.display()
        )
    })?;
    let holds_keys = !sorted.keys.is_empty();
    let _ = KEYS.set(sorted.keys);
    let exposed = (holds_keys && is_for_all(&file)).then(|| {
        format!(
            "warning: every user of this machine can read {}, which holds a key\nhint: chmod 600 {}",
            file.display(),
            file.display()
        )
    });
    let ignored = (!sorted.ignored.is_empty()).then(|| {
        format!(
            "warning: {} sets {}, which is ignored: a project's file sets keys of providers and BATCHGEN_* alone\nhint: name a \
             variable that holds a key with api-key-env in [provider.NAME]; set others in your shell",
            file.display(),
            sorted.ignored.join(", ")
        )
    });
    let warnings: Vec<String> = exposed.into_iter().chain(ignored).collect();
    Ok((!warnings.is_empty()).then(|| warnings.join("\n")))
}

/// Whether every user of the machine can read a file, as far as its own mode says.
fn is_for_all(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// A key that `.env` gives.
fn key(name: &str) -> Option<String> {
    KEYS.get()?.get(name).cloned()
}

/// A variable of the environment that is set, or a key that `.env` gives.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().or_else(|| key(name))
}

/// Variables that say how storage that speaks the API of S3 is reached.
pub(super) fn storage_variables() -> Vec<(String, String)> {
    let variables = env::vars().filter(|(name, _)| name.starts_with("AWS_"));
    variables.collect()
}

/// The same, and those that say how Hugging Face is reached.
pub(super) fn server_variables() -> Vec<(String, String)> {
    let mut variables = storage_variables();
    let names = ["HF_TOKEN", "HF_ENDPOINT"];
    variables.extend(names.map(|name| (name.to_owned(), env::var(name).unwrap_or_default())));
    variables
}

/// Whether everything that the project chooses is allowed, for this command alone.
pub(super) fn is_trusted_by_variable() -> bool {
    env::var_os(TRUST).is_some_and(|value| !value.is_empty() && value != "0")
}

/// All keys that `.env` gives.
pub(super) fn keys() -> impl Iterator<Item = String> {
    KEYS.get().into_iter().flat_map(BTreeMap::values).cloned()
}

/// Whether a variable has its value from the project's `.env` and from nowhere else.
pub(super) fn is_of_project(name: &str) -> bool {
    env::var_os(name).is_none() && KEYS.get().is_some_and(|keys| keys.contains_key(name))
}

/// Settings as a file that dotenvy reads, which does not replace what the environment has.
fn written(settings: &[(String, String)]) -> String {
    let quoted = |value: &str| {
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('$', "\\$")
            .replace('\n', "\\n")
    };
    let lines = settings
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"\n", quoted(value)));
    lines.collect()
}

/// The lines of a file, by what they may do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sorted {
    settings: Vec<(String, String)>,
    keys: BTreeMap<String, String>,
    ignored: Vec<String>,
}

/// Sorts lines by their names; `named` are the variables that the configuration names as holders of keys.
fn sorted(lines: Vec<(String, String)>, file: &Path, named: &[String]) -> anyhow::Result<Sorted> {
    let mut sorted = Sorted::default();
    let of_presets = || providers::names().filter_map(providers::preset);
    for (name, value) in lines {
        let is_key = of_presets().any(|preset| preset.keys.contains(&name.as_str()))
            || named.contains(&name);
        let is_harmless = HARMLESS.contains(&name.as_str());
        if is_harmless && dataset::is_remote(Path::new(&value)) {
            bail!(
                "{}:{}: a project may not set {name} to an address without your permission\nhint: write the address into \
                 batchgen.toml, which `batchgen trust` asks about, or set the variable in your shell",
                file.display(),
                line_of(file, &name)
            );
        } else if is_harmless && leads_out(&name, &value, file) {
            bail!(
                "{}:{}: a project may not set {name} to a place outside of its folder without your permission\nhint: write the path \
                 into batchgen.toml, which `batchgen trust` asks about, or set the variable in your shell",
                file.display(),
                line_of(file, &name)
            );
        } else if is_harmless {
            sorted.settings.push((name, value));
        } else if is_steering(&name) {
            bail!(
                "{}:{}: a project may not set {name}: it changes what runs, or where questions and keys go\nhint: remove the line, \
                 and set the variable in your shell if you want it; the address of a provider is base-url in [provider.NAME]",
                file.display(),
                line_of(file, &name)
            );
        } else if is_key {
            // As dotenv has it: the first line counts.
            sorted.keys.entry(name).or_insert(value);
        } else if !sorted.ignored.contains(&name) {
            sorted.ignored.push(name);
        }
    }
    Ok(sorted)
}

/// Whether a variable names a file or folder that is not the project's.
fn leads_out(name: &str, value: &str, file: &Path) -> bool {
    let folder = file.parent().unwrap_or(Path::new(""));
    PLACES.contains(&name)
        && !["", "-"].contains(&value)
        && !lies_in_project(Path::new(value), folder)
}

/// Whether a variable decides more than a project may.
fn is_steering(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let begins = [OWN, "LD_", "DYLD_", "SSL_", "XDG_", "RUST_", "MALLOC_"];
    begins.iter().any(|begin| upper.starts_with(begin))
        || STEERING.iter().any(|end| upper.ends_with(end))
        || ["HOME", "PATH", "TMPDIR"].contains(&upper.as_str())
}

/// Names that the configuration gives to variables with keys. What else is wrong with the file is told later.
fn named_keys(config: Option<&Path>) -> Vec<String> {
    let text = config.and_then(|config| fs::read_to_string(config).ok());
    let table = text.and_then(|text| text.parse::<toml::Table>().ok());
    let table = table.unwrap_or_default();
    let providers = table.get("provider").and_then(toml::Value::as_table);
    let providers = providers.into_iter().flat_map(toml::Table::values);
    providers
        .filter_map(|provider| provider.get("api-key-env")?.as_str())
        .map(ToOwned::to_owned)
        .collect()
}

/// Number of the line that sets a variable.
fn line_of(file: &Path, name: &str) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let sets = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    text.lines().position(sets).map_or(1, |index| index + 1)
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
/// configuration, in the working directory. The configuration is given with it.
fn file(arguments: impl Iterator<Item = OsString>) -> Option<(PathBuf, Option<PathBuf>)> {
    let here = env::current_dir().ok()?;
    let config = flag(arguments)
        .or_else(|| env::var_os("BATCHGEN_CONFIG").map(PathBuf::from))
        .or_else(|| Config::find(&here));
    let file = here.join(beside(config.as_deref()));
    file.is_file().then_some((file, config))
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

/// Stands for `$` while the file is parsed, so that nothing is put in its place.
const DOLLAR: &str = "\u{f8ff}";

/// Names and values of the file, in its order.
fn read(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let unreadable = |cause: std::io::Error| {
        anyhow!(
            "cannot read {}: {cause}\nhint: check its permissions, and that it is a text in UTF-8",
            file.display()
        )
    };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    let text = text.replace('$', DOLLAR);
    let lines: Result<Vec<_>, _> = dotenvy::from_read_iter(text.as_bytes()).collect();
    let lines = lines.map_err(|error| match error {
        dotenvy::Error::LineParse(line, _) => anyhow!(
            "{}:{}: the line is not NAME=value\nhint: put a value with spaces or quotes into single quotes, as in \
             NAME='a value'; a comment starts with #",
            file.display(),
            number(file, &line.replace(DOLLAR, "$"))
        ),
        dotenvy::Error::Io(cause) => unreadable(cause),
        // Its words may hold a value.
        _ => anyhow!("{} cannot be used\nhint: write one NAME=value a line", file.display()),
    })?;
    let plain = |(name, value): (String, String)| (name, value.replace(DOLLAR, "$"));
    Ok(lines.into_iter().map(plain).collect())
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
        let looked = |words: &[&str]| looked(words).map(|(file, _)| file);
        assert_eq!(looked(&["run", "--config", &config]), None);
        fs::write(&expected, "").unwrap();
        assert_eq!(
            looked(&["run", "--config", &config]),
            Some(expected.clone())
        );
        let joined = format!("--config={config}");
        assert_eq!(looked(&[&joined, "run"]), Some(expected));
    }

    fn lines(text: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, text).unwrap();
        read(&path).unwrap()
    }

    #[test]
    fn nothing_in_a_value_is_replaced() {
        let text =
            "A=${PATH}x\nB=\"$HOME ${A}\"\nC='$A'\nD=\"a\n'${PATH}'\"\n# it's ${A}\nE=\\\\$HOME\n";
        let found: Vec<String> = lines(text).into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            found,
            ["${PATH}x", "$HOME ${A}", "$A", "a\n'${PATH}'", "\\$HOME"]
        );
    }

    #[test]
    fn a_project_names_no_address_as_if_a_person_had_done_so() {
        let sort = |name: &str, value: &str| {
            let line = (name.to_owned(), value.to_owned());
            sorted(vec![line], Path::new(FILE_NAME), &[])
        };
        for (name, value) in [
            ("BATCHGEN_OUTPUT", "s3://theirs/site"),
            ("BATCHGEN_DATA", "https://example.org/a.csv"),
        ] {
            let said = sort(name, value).unwrap_err().to_string();
            assert!(
                said.contains(&format!("may not set {name} to an address")),
                "{said}"
            );
        }
        let folder = sort("BATCHGEN_OUTPUT", "content").unwrap();
        assert_eq!(folder.settings.len(), 1);
    }

    #[test]
    fn settings_are_taken_over_as_they_are() {
        let values = ["plain", "it's ${HOME}", "a \"b\"\nc", "\\", ""];
        let settings = values.map(|value| ("A".to_owned(), value.to_owned()));
        let text = written(&settings);
        let read: Result<Vec<_>, _> = dotenvy::from_read_iter(text.as_bytes()).collect();
        assert_eq!(read.unwrap(), settings);
    }

    #[test]
    fn a_project_sets_keys_and_what_is_harmless_and_nothing_else() {
        let sort = |text: &str| {
            let named = ["GATEWAY_TOKEN".to_owned(), "HTTPS_PROXY".to_owned()];
            sorted(lines(text), Path::new("no/.env"), &named)
        };
        let good = sort("OPENAI_API_KEY=1\nBATCHGEN_MODEL=m\nGATEWAY_TOKEN=2\nDATABASE_URL=3\n");
        let good = good.unwrap();
        assert_eq!(
            good.settings,
            [("BATCHGEN_MODEL".to_owned(), "m".to_owned())]
        );
        assert_eq!(
            Vec::from_iter(good.keys.keys()),
            ["GATEWAY_TOKEN", "OPENAI_API_KEY"]
        );
        assert_eq!(good.ignored, ["DATABASE_URL"]);
        for name in [
            "BATCHGEN_CACHE_DIR",
            "BATCHGEN_CONFIG",
            "BATCHGEN_TRUST",
            "BATCHGEN_ANYTHING",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "NO_PROXY",
            "SSL_CERT_FILE",
            "OPENAI_BASE_URL",
            "LD_PRELOAD",
            "HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
        ] {
            let error = sort(&format!("{name}=x\n")).unwrap_err().to_string();
            assert!(error.contains(&format!("may not set {name}")), "{error}");
        }
    }
}
