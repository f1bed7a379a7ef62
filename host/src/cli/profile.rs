//! `--profile NAME`: flags that belong together and stand under a name in the configuration. They are laid under the flags that a
//! person types, and over the environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::anyhow;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::config_file;
use config::{Config, ProfileConfig};
use types::suggest::closest;

/// Flags that the profile of this command gave.
static GIVEN: OnceLock<Vec<&'static str>> = OnceLock::new();

/// Whether a flag is the profile's, and not the person's.
pub(super) fn gives(flag: &str) -> bool {
    GIVEN.get().is_some_and(|flags| flags.contains(&flag))
}

/// The words of the command line with the flags of its profile behind them; `None` where it names none.
///
/// # Errors
/// When the configuration cannot be read, or has no such profile.
pub(super) fn applied(
    command: &Command,
    matches: &ArgMatches,
    words: &[OsString],
) -> anyhow::Result<Option<Vec<OsString>>> {
    let Some((name, given)) = matches.subcommand() else {
        return Ok(None);
    };
    let Ok(Some(wanted)) = given.try_get_one::<String>("profile") else {
        return Ok(None);
    };
    let file = given.try_get_one::<PathBuf>("config").ok().flatten();
    let config = match config_file::find(file.map(PathBuf::as_path)) {
        Some(file) => Config::read(&file)?,
        None => Config::default(),
    };
    let profile = config.profile.get(wanted).ok_or_else(|| {
        let names: Vec<&str> = config.profile.keys().map(String::as_str).collect();
        let hint = match (closest(wanted, names.iter().copied()), names.is_empty()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, true) => format!("write [profile.{wanted}] into batchgen.toml"),
            (None, false) => format!("the profiles are: {}", names.join(", ")),
        };
        anyhow!("there is no profile `{wanted}`\nhint: {hint}")
    })?;
    let flags = command.find_subcommand(name);
    let is_known = |flag: &str| {
        flags.is_some_and(|flags| {
            flags
                .get_arguments()
                .any(|argument| argument.get_long() == Some(flag))
        })
    };
    let is_typed = |flag: &str| {
        let id = flag.replace('-', "_");
        given.value_source(&id) == Some(ValueSource::CommandLine)
    };
    let mut words = words.to_vec();
    let mut used = Vec::new();
    for (flag, values) in flags_of(profile) {
        // What a person chooses of the components takes the place of all that the profile chooses of them.
        let chooses = ["all", "component"];
        let is_chosen = chooses.contains(&flag) && chooses.iter().any(|flag| given_by(given, flag));
        if !is_known(flag) || is_chosen || is_typed(flag) {
            continue;
        }
        used.push(flag);
        for value in values {
            words.push(match value {
                Some(value) => format!("--{flag}={value}").into(),
                None => format!("--{flag}").into(),
            });
        }
    }
    let _ = GIVEN.set(used);
    Ok(Some(words))
}

fn given_by(given: &ArgMatches, flag: &str) -> bool {
    matches!(given.try_contains_id(flag), Ok(true))
        && given.value_source(flag) == Some(ValueSource::CommandLine)
}

/// The flags of a profile, each with its values; a switch has none.
fn flags_of(profile: &ProfileConfig) -> Vec<(&'static str, Vec<Option<String>>)> {
    let switch = |is_on: bool| if is_on { vec![None] } else { Vec::new() };
    let one = |value: Option<String>| value.into_iter().map(Some).collect::<Vec<_>>();
    let list = |values: &[String]| values.iter().cloned().map(Some).collect::<Vec<_>>();
    let number = |value: Option<u64>| one(value.map(|value| value.to_string()));
    let flags = vec![
        ("all", switch(profile.all)),
        ("category", list(&profile.category)),
        ("component", list(&profile.component)),
        ("concurrency", number(profile.concurrency)),
        ("frozen", switch(profile.frozen)),
        ("limit", number(profile.limit)),
        (
            "max-cost",
            one(profile.max_cost.map(|dollars| dollars.to_string())),
        ),
        ("max-tokens", number(profile.max_tokens)),
        ("mode", one(profile.mode.clone())),
        ("model", one(profile.model.clone())),
        ("no-wait", switch(profile.no_wait)),
        ("record", list(&profile.record)),
        ("requests-per-minute", number(profile.requests_per_minute)),
        ("sample", number(profile.sample)),
        ("tokens-per-minute", number(profile.tokens_per_minute)),
    ];
    flags
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .collect()
}
