//! How a plugin from elsewhere comes into `plugins.lock`: what it may do is shown, and a change of that is agreed to.

use std::sync::Arc;

use anyhow::anyhow;

use super::super::ask;
use super::super::display::Display;
use super::super::exit::Failure;
use super::super::fetched;
use super::super::settings;
use super::Folder;
use super::terms::Terms;
use plugin::engine::Engine;
use plugin::load::{self, Plugin};
use plugin::lock::{Fetched, Lock, Locked};
use registry::Release;
use registry::cache::Cache;
use registry::source::Source;

/// Whether a person agrees to what a plugin may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// They said so beforehand.
    Given,
    /// They are asked, if they are there.
    Asked,
}

/// The lock in the making.
pub(super) struct Intake<'a> {
    folder: &'a Folder,
    engine: Engine,
    cache: Cache,
    lock: Lock,
}

impl<'a> Intake<'a> {
    /// Begins with the lock as it is; with one that forbids no other plugin, where there is none.
    pub fn of(folder: &'a Folder) -> Result<Intake<'a>, Failure> {
        Ok(Intake {
            folder,
            engine: settings::engine(&folder.cache)?,
            cache: Cache::below(&folder.cache),
            lock: folder.lock.clone().unwrap_or_else(Lock::partial),
        })
    }

    /// Whether the lock has a plugin of this name from elsewhere.
    pub fn is_fetched(&self, name: &str) -> bool {
        self.lock.fetched().any(|(locked, _)| locked.name == name)
    }

    /// The plugin of a file that was fetched. One that cannot be used is refused.
    pub fn plugin(&self, bytes: &[u8]) -> Result<Plugin, Failure> {
        let file = fetched::keep(&self.cache, bytes)?;
        load::load(&self.engine, &file).map_err(Failure::usage)
    }

    /// Writes a plugin into the lock, if the person agrees.
    pub fn take(
        &mut self,
        plugin: &Plugin,
        source: &Source,
        release: &Release,
        consent: Consent,
        display: &Display,
    ) -> Result<(), Failure> {
        let about = &plugin.package.manifest.plugin;
        let terms = Terms::of(plugin, &self.folder.config);
        match self.before(plugin) {
            Before::Nothing => display.note(&format!(
                "{} {}: {}\n{}",
                about.name,
                about.version,
                about.description.replace(char::is_whitespace, " "),
                terms.lines()
            )),
            Before::Same => {}
            Before::Unknown => agree(&about.name, &terms.lines(), consent, display)?,
            Before::Plugin(before) => {
                let changes = terms.changes(&Terms::of(&before, &self.folder.config));
                if !changes.is_empty() {
                    agree(&about.name, &changes.join("\n"), consent, display)?;
                }
            }
        }
        self.lock.set(Locked {
            origin: Some(Fetched {
                source: source.to_string(),
                resolved: release.address.to_string(),
            }),
            ..Locked::of(plugin)
        });
        Ok(())
    }

    /// What the project has from elsewhere, of the name of a plugin.
    fn before(&self, plugin: &Plugin) -> Before {
        let name = &plugin.package.manifest.plugin.name;
        let mut fetched = self.lock.fetched();
        let Some((locked, _)) = fetched.find(|(locked, _)| locked.name == *name) else {
            return Before::Nothing;
        };
        if locked.digest == plugin.digest {
            return Before::Same;
        }
        let mut plugins = self.folder.plugins.iter();
        let known = plugins.find(|plugin| plugin.digest == locked.digest);
        known.map_or(Before::Unknown, |known| Before::Plugin(Arc::clone(known)))
    }

    /// Writes the lock.
    pub fn write(&self) -> Result<(), Failure> {
        fetched::write(&self.lock, &self.folder.lock_file)
    }
}

/// What there was before a plugin came.
enum Before {
    /// No plugin of its name.
    Nothing,
    /// The same one.
    Same,
    /// One that is not in the cache.
    Unknown,
    /// This one.
    Plugin(Arc<Plugin>),
}

/// Shows what changes, and asks.
fn agree(name: &str, changes: &str, consent: Consent, display: &Display) -> Result<(), Failure> {
    display.print(&format!(
        "`{name}` may do something else than before:\n{changes}"
    ));
    if consent == Consent::Given {
        return Ok(());
    }
    let answer = match ask::is_possible(display) {
        true => ask::ask("Take it? Type y for yes: ").map_err(Failure::internal)?,
        false => None,
    };
    if answer.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")) {
        return Ok(());
    }
    Err(Failure::usage(anyhow!(
        "nothing was changed, since nobody agreed to what `{name}` may do now\nhint: say --yes if that is what you want"
    )))
}
