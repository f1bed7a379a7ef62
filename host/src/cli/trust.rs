//! What a project may choose by itself, and what the person who runs it has to allow once: an address that questions or files go to or that
//! plugins come from, and a key that is not the provider's own. What was allowed is remembered by the user and not in the project, as a hash of
//! exactly that choice. SECURITY.md describes the model.

mod allowed;
mod command;

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use anyhow::anyhow;

use super::display::Display;
use super::environment::{self, TRUST, is_trusted_by_variable, variable};
use super::settings::Settings;
use config::Config;
use config::component::Component;
use dataset::DatasetConfig;
use gateway::providers::{AddressChoice, Catalogue, Choice, KeyChoice};
use types::digest::{Digest, DigestBuilder};

use allowed::{allowed, remember};
pub(super) use command::{TrustArgs, perform};

/// A choice of the project that nobody has allowed yet.
pub(super) struct Asked {
    digest: Digest,
    /// What would happen, and where that is written.
    words: String,
}

impl Asked {
    /// The question about a choice that is exactly `kind` and `parts`, unless somebody has allowed it.
    fn unless_allowed(
        file: Option<&Path>,
        kind: &str,
        parts: &[&str],
        words: impl FnOnce() -> String,
    ) -> Option<Self> {
        if is_trusted_by_variable() {
            return None;
        }
        let mut builder = DigestBuilder::new(kind);
        for part in parts {
            builder.text(part);
        }
        let digest = builder.finish();
        if allowed(file).contains(&digest.to_string()) {
            return None;
        }
        let words = words();
        Some(Self { digest, words })
    }
}

/// Whose choices are looked at.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Its file.
    pub file: Option<&'a Path>,
}

impl Chooser<'_> {
    /// A project.
    pub fn of(settings: &Settings) -> Chooser<'_> {
        Chooser {
            config: &settings.config,
            file: settings.file.as_deref(),
        }
    }

    /// What the project chooses for these models and nobody has allowed.
    ///
    /// # Errors
    /// When a provider's name or address will not do.
    pub(super) fn untrusted(self, models: &[String]) -> anyhow::Result<Vec<Asked>> {
        if is_trusted_by_variable() {
            return Ok(Vec::new());
        }
        let catalogue = Catalogue {
            providers: &self.config.provider,
            models: &self.config.models,
        };
        let allowed = allowed(self.file);
        let mut asked: Vec<Asked> = Vec::new();
        for model in models {
            // What is wrong with the name or the address is told by whoever connects.
            for choice in catalogue.choices(model, &variable).unwrap_or_default() {
                let digest = digest(&choice);
                let is_known = allowed.contains(&digest.to_string())
                    || asked.iter().any(|other| other.digest == digest);
                if needs_trust(&choice, &self.config.folder) && !is_known {
                    let words = words(&choice, self.file);
                    asked.push(Asked { digest, words });
                }
            }
        }
        Ok(asked)
    }
}

/// Models that these components may ask, with those that they fall back to.
pub(super) fn models(config: &Config, components: &[Component]) -> Vec<String> {
    let mut models: Vec<String> = components
        .iter()
        .filter_map(|component| Some(component.parameters.as_ref()?.model.clone()))
        .collect();
    let configured = &config.models;
    let fallbacks = models
        .iter()
        .filter_map(|model| configured.get(model))
        .flat_map(|model| model.fallback.clone());
    let fallbacks: Vec<String> = fallbacks.collect();
    models.extend(fallbacks);
    models.sort();
    models.dedup();
    models
}

/// Passes the models if everything that the project chooses for them is trusted. A person at a terminal is asked.
///
/// # Errors
/// When something is not trusted. It names the choice, where it is written, and what allows it.
pub(super) fn check(
    chooser: Chooser<'_>,
    models: &[String],
    display: &Display,
) -> anyhow::Result<()> {
    let asked = chooser.untrusted(models)?;
    pass(&asked, chooser.file, display)
}

/// Passes what a person at the terminal allows, and remembers it.
fn pass(asked: &[Asked], file: Option<&Path>, display: &Display) -> anyhow::Result<()> {
    if asked.is_empty() {
        return Ok(());
    }
    if !is_allowed_by_person(asked, display) {
        return Err(refusal(asked));
    }
    if let Err(error) = remember(file, asked) {
        display.print(&format!("warning: {error:#}"));
    }
    Ok(())
}

/// Passes the dataset and the output if they are on this machine, or if their servers are trusted. A person at a terminal is asked.
///
/// # Errors
/// When it is not trusted. It names the server, where that is written, and what allows it.
pub(super) fn check_sources(settings: &Settings, display: &Display) -> anyhow::Result<()> {
    let file = settings.file.as_deref();
    let mut asked = untrusted_sources(&settings.dataset, settings.dataset_is_named, file);
    asked.extend(untrusted_storage(settings));
    pass(&asked, file, display)
}

/// The error for an address of the output that nobody has allowed.
pub(super) fn refused_storage(settings: &Settings) -> Option<anyhow::Error> {
    untrusted_storage(settings).map(|asked| refusal(&[asked]))
}

/// The address that the project puts its files at, where nobody has allowed it.
fn untrusted_storage(settings: &Settings) -> Option<Asked> {
    let address = settings.storage.as_ref()?;
    if settings.output_is_named {
        return None;
    }
    let file = settings.file.as_deref();
    let kind = "batchgen trusted address of output 1";
    Asked::unless_allowed(file, kind, &[&address.to_string()], || {
        let place = place(file);
        format!("{place}[output] puts files at {address}, with the keys in AWS_*")
    })
}

/// Passes the places that plugins have to be fetched from, each with the name of its plugin. A person at a terminal is asked.
///
/// # Errors
/// When one is not trusted.
pub(super) fn check_places(
    places: &[(&str, String)],
    lock: &Path,
    file: Option<&Path>,
    display: &Display,
) -> anyhow::Result<()> {
    let asked = places
        .iter()
        .filter_map(|(plugin, place)| untrusted_place(plugin, place, lock, file));
    let asked: Vec<Asked> = asked.collect();
    pass(&asked, file, display)
}

/// Remembers the place that a person typed for a plugin.
///
/// # Errors
/// When it cannot be remembered.
pub(super) fn allow_place(
    plugin: &str,
    place: &str,
    lock: &Path,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    match untrusted_place(plugin, place, lock, file) {
        Some(asked) => remember(file, &[asked]).map(drop),
        None => Ok(()),
    }
}

/// The place that a plugin is fetched from, where nobody has allowed it.
fn untrusted_place(plugin: &str, place: &str, lock: &Path, file: Option<&Path>) -> Option<Asked> {
    let kind = "batchgen trusted place of plugins 1";
    Asked::unless_allowed(file, kind, &[place], || {
        let lock = lock.display();
        format!(
            "{lock}: the plugin `{plugin}` is fetched from {place}, with your login there if docker has one"
        )
    })
}

/// Passes the command that runs after a run. A person at a terminal is asked.
///
/// # Errors
/// When it is not trusted.
pub(super) fn check_command(settings: &Settings, display: &Display) -> anyhow::Result<()> {
    let file = settings.file.as_deref();
    let asked: Vec<Asked> = untrusted_command(settings).into_iter().collect();
    pass(&asked, file, display)
}

/// The error for a command that nobody has allowed.
pub(super) fn refused_command(settings: &Settings) -> Option<anyhow::Error> {
    untrusted_command(settings).map(|asked| refusal(&[asked]))
}

/// The command that runs after a run, where nobody has allowed it for this folder.
fn untrusted_command(settings: &Settings) -> Option<Asked> {
    let command = settings.config.hooks.after_run.as_deref()?;
    let file = settings.file.as_deref();
    let folder = &settings.config.folder;
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    // The same words mean something else in another folder: `make site`.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let parts = [&*folder.to_string_lossy(), command];
    Asked::unless_allowed(file, "batchgen trusted command 1", &parts, || {
        let place = place(file);
        let folder = folder.display();
        format!("{place}[hooks] after-run starts `{command}` in {folder}")
    })
}

/// The error for a server of the dataset that nobody has allowed. `is_named` where the person named its files.
pub(super) fn refused_sources(
    dataset: &DatasetConfig,
    is_named: bool,
    file: Option<&Path>,
) -> Option<anyhow::Error> {
    let asked = untrusted_sources(dataset, is_named, file);
    (!asked.is_empty()).then(|| refusal(&asked))
}

/// Remembers the addresses that a person typed for a configuration.
///
/// # Errors
/// When they cannot be remembered.
pub(super) fn allow_sources(dataset: &DatasetConfig, file: &Path) -> anyhow::Result<()> {
    let asked = untrusted_addresses(dataset, false, Some(file));
    if !asked.is_empty() {
        remember(Some(file), &asked)?;
    }
    Ok(())
}

/// The servers that the project takes its records from, where nobody has allowed them.
fn untrusted_sources(dataset: &DatasetConfig, is_named: bool, file: Option<&Path>) -> Vec<Asked> {
    let mut asked: Vec<Asked> = untrusted_database(dataset, file).into_iter().collect();
    asked.extend(untrusted_addresses(dataset, is_named, file));
    asked
}

/// Addresses of files that the project chooses, where nobody has allowed them.
fn untrusted_addresses(dataset: &DatasetConfig, is_named: bool, file: Option<&Path>) -> Vec<Asked> {
    let lookups = dataset
        .lookup
        .values()
        .flat_map(|lookup| lookup.path.iter());
    let paths = dataset.path.iter().filter(|_| !is_named);
    let paths = paths
        .chain(lookups)
        .chain(dataset.categories_file.as_deref());
    let mut asked: Vec<Asked> = Vec::new();
    for path in paths.filter(|path| dataset::is_remote(path)) {
        let address = dataset::shown(path).display().to_string();
        let kind = "batchgen trusted address of data 1";
        let new = Asked::unless_allowed(file, kind, &[&address], || {
            let keys = match address.starts_with("s3:") {
                true => ", with the keys in AWS_* if there are any",
                false => "",
            };
            let place = place(file);
            format!("{place}[dataset] reads {address}{keys}")
        });
        asked.extend(new.filter(|new| asked.iter().all(|other| other.digest != new.digest)));
    }
    asked
}

/// The server that the project takes its records from, where that is elsewhere and nobody has allowed it.
fn untrusted_database(dataset: &DatasetConfig, file: Option<&Path>) -> Option<Asked> {
    let url = dataset.url.as_ref().filter(|url| !url.is_here())?;
    let kind = "batchgen trusted database 1";
    Asked::unless_allowed(file, kind, &[&url.to_string()], || {
        let place = place(file);
        format!("{place}[dataset] asks {url}, with the password in PGPASSWORD if there is one")
    })
}

/// The configuration, as the beginning of what is said about it.
fn place(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| format!("{}: ", file.display()))
}

/// The error for choices that are not trusted.
pub(super) fn refusal(asked: &[Asked]) -> anyhow::Error {
    let words: Vec<&str> = asked.iter().map(|choice| choice.words.as_str()).collect();
    anyhow!(
        "this project is not trusted to choose where questions, files, keys and passwords go, where plugins come from, or what is started:\n  {}\nhint: if that is what you want, allow it once \
         with `batchgen trust`, or set {TRUST}=1 for one command",
        words.join("\n  ")
    )
}

/// Whether a person has to allow it: an address elsewhere that the project chose, or a secret that is neither the
/// provider's own nor the project's.
fn needs_trust(choice: &Choice, folder: &Path) -> bool {
    let is_foreign = match &choice.key {
        KeyChoice::None | KeyChoice::Own(_) => false,
        KeyChoice::Variable(name) => !environment::is_of_project(name),
        KeyChoice::File(file) => !is_within(file, folder),
    };
    choice.address == AddressChoice::Configured || is_foreign
}

/// Whether a file lies in the folder, wherever links lead.
fn is_within(file: &Path, folder: &Path) -> bool {
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match (file.canonicalize(), here.canonicalize()) {
        (Ok(file), Ok(folder)) => file.starts_with(folder),
        // A file that is not there is told by whoever reads it.
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    }
}

/// Exactly what is allowed: where questions go, and with which key.
fn digest(choice: &Choice) -> Digest {
    let mut builder = DigestBuilder::new("batchgen trusted choice 1");
    builder.text(&choice.base_url);
    match &choice.key {
        KeyChoice::None => builder.text("none"),
        KeyChoice::Own(names) => builder.text("own").text(&names.join(" ")),
        KeyChoice::Variable(name) => builder.text("variable").text(name),
        KeyChoice::File(file) => {
            let file = file.canonicalize().unwrap_or_else(|_| file.clone());
            builder.text("file").text(&file.to_string_lossy())
        }
    };
    builder.text(choice.key_header.as_deref().unwrap_or_default());
    builder.finish()
}

fn words(choice: &Choice, file: Option<&Path>) -> String {
    let Choice {
        provider, base_url, ..
    } = choice;
    let (key, setting) = match &choice.key {
        KeyChoice::None => ("without a key".to_owned(), "base-url"),
        KeyChoice::Own(names) => (
            format!("with the key in {}", names.join(" or ")),
            "base-url",
        ),
        KeyChoice::Variable(name) => (format!("with the key in {name}"), "api-key-env"),
        KeyChoice::File(file) => (
            format!("with the key in {}", file.display()),
            "api-key-file",
        ),
    };
    let place = file.map_or_else(String::new, |file| {
        let line = line(file, provider, setting);
        format!("{}:{line}: ", file.display())
    });
    format!("{place}[provider.{provider}] sends questions to {base_url} {key}")
}

/// The line of a provider's setting, or of its section.
fn line(file: &Path, provider: &str, setting: &str) -> usize {
    let text = fs::read_to_string(file).unwrap_or_default();
    let headers = [
        format!("[provider.{provider}]"),
        format!("[provider.\"{provider}\"]"),
    ];
    let mut section = None;
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if headers.iter().any(|header| line.starts_with(header)) {
            section = Some(place + 1);
        } else if line.starts_with('[') && section.is_some() {
            break;
        } else if section.is_some() && line.starts_with(setting) {
            return place + 1;
        }
    }
    section.unwrap_or(1)
}

/// Asks who sits at the terminal; false where nobody does.
fn is_allowed_by_person(asked: &[Asked], display: &Display) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    for choice in asked {
        display.print(&choice.words);
    }
    display.print(
        "Allow this for now and later? A project from elsewhere could read your questions and keys. Type y for yes: ",
    );
    is_yes(&mut io::stdin().lock())
}

/// Whether a person says so. The end of the input says no.
fn is_yes(input: &mut impl BufRead) -> bool {
    let mut line = String::new();
    let is_read = input.read_line(&mut line).is_ok();
    is_read && matches!(line.trim(), "y" | "Y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_input_says_no() {
        for (typed, is_said) in [
            ("", false),
            ("\n", false),
            ("no\n", false),
            ("y\n", true),
            ("yes", true),
        ] {
            assert_eq!(is_yes(&mut typed.as_bytes()), is_said, "{typed:?}");
        }
    }
}
