//! What a project may choose by itself, and what the person who runs it has to allow once: an address that questions or files go to or that
//! plugins come from, and a key that is not the provider's own. What was allowed is remembered by the user and not in the project, as a hash of
//! exactly that choice. SECURITY.md describes the model.

mod allowed;
mod choice;
mod command;
mod outside;

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use anyhow::anyhow;

use super::display::Display;
use super::environment::{TRUST, is_trusted_by_variable, variable};
use super::settings::Settings;
use ::cluster::nats;
use config::Config;
use config::component::Component;
use dataset::DatasetConfig;
use gateway::providers::Catalogue;
use types::digest::{Digest, DigestBuilder};

use allowed::{allowed, remember};
use choice::needs_trust;
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
        (!allowed(file).holds(&digest)).then(|| Self::new(digest, &words()))
    }

    /// A question on one line, whatever the project wrote into it.
    fn new(digest: Digest, words: &str) -> Self {
        let words = words.replace('\n', "\\n");
        Self { digest, words }
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
                let digest = choice::digest(&choice);
                let is_known =
                    allowed.holds(&digest) || asked.iter().any(|other| other.digest == digest);
                if needs_trust(&choice, &self.config.folder) && !is_known {
                    asked.push(Asked::new(digest, &choice::words(&choice, self.file)));
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

/// Passes the servers of the dataset if they are trusted, and the folders of output and state if they lie in the project or are trusted.
/// A person at a terminal is asked.
///
/// # Errors
/// When one is not trusted. It names the folder or server, where that is written, and what allows it.
pub(super) fn check_sources(settings: &Settings, display: &Display) -> anyhow::Result<()> {
    let file = settings.file.as_deref();
    pass(&untrusted_files(settings), file, display)
}

/// What the project reads from servers and writes elsewhere, where nobody has allowed it.
fn untrusted_files(settings: &Settings) -> Vec<Asked> {
    let file = settings.file.as_deref();
    let mut asked = untrusted_sources(&settings.dataset, settings.dataset_is_named, file);
    asked.extend(outside::written(settings));
    asked.extend(untrusted_storage(settings));
    asked
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

/// Passes the server that the project shares its runs over. A person at a terminal is asked.
///
/// # Errors
/// When it is not trusted.
pub(super) fn check_cluster(settings: &Settings, display: &Display) -> anyhow::Result<()> {
    let asked: Vec<Asked> = untrusted_cluster(settings).into_iter().collect();
    pass(&asked, settings.file.as_deref(), display)
}

/// The error for a server of the cluster, and for folders of output and state, that nobody has allowed.
pub(super) fn refused_elsewhere(settings: &Settings) -> Option<anyhow::Error> {
    let mut asked = outside::written(settings);
    asked.extend(untrusted_cluster(settings));
    (!asked.is_empty()).then(|| refusal(&asked))
}

/// The server that the project shares its runs over, where that is elsewhere and nobody has allowed it.
fn untrusted_cluster(settings: &Settings) -> Option<Asked> {
    let url = settings.config.cluster.url.as_deref();
    let url = url.filter(|url| !nats::is_here(url))?;
    let file = settings.file.as_deref();
    Asked::unless_allowed(file, "batchgen trusted cluster 1", &[url], || {
        let (place, server) = (place(file), nats::shown(url));
        format!(
            "{place}[cluster] shares runs over {server}, with all records and prompts, and with the login in BATCHGEN_CLUSTER_* if \
             there is one"
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

/// The servers elsewhere that the project takes its records from, where nobody has allowed them.
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
    let target = url.target();
    Asked::unless_allowed(file, kind, &[&target], || {
        let place = place(file);
        format!("{place}[dataset] asks {target}, with the password in PGPASSWORD if there is one")
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
        "this project is not trusted to choose where questions, files, keys and passwords go, where records and plugins come from, or what is started:\n  {}\nhint: if that is what you want, allow it once \
         with `batchgen trust`, or set {TRUST}=1 for one command",
        words.join("\n  ")
    )
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
