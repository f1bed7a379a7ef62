//! `plugins.lock`: which plugins a project was made with, and where those come from that are fetched. What it names is used as it was
//! locked or not at all, and where it names all plugins, no other is used. It says nothing of who made a plugin, only that it is
//! still the same.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::load::Plugin;
use types::digest::Digest;

/// Name of the file.
pub const FILE_NAME: &str = "plugins.lock";
/// Version of its format. The first one had no sources, and named all plugins.
const FORMAT: u32 = 2;

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// Whether it names all plugins, so that no other is used.
    #[serde(default = "yes")]
    complete: bool,
    /// By name.
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
}

/// What to do about a file that is none.
const AGAIN: &str = "restore it, or let `batchgen plugins lock` write it again, without the plugins that come from elsewhere";

fn yes() -> bool {
    true
}

/// What stands in a file of any format.
#[derive(Deserialize)]
struct Formatted {
    format: u32,
}

/// One plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version, as its manifest has it.
    pub version: String,
    /// Version of the contract that it was built against.
    pub contract: String,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Where it is fetched from; absent for one that lies in the directory of plugins.
    #[serde(default, rename = "from")]
    pub origin: Option<Fetched>,
}

/// Where a plugin is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetched {
    /// What somebody asked for, which may mean another version later.
    pub source: String,
    /// What it meant: exactly this version.
    pub resolved: String,
}

/// Plugins are not those that the file names, or it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("cannot read {file}: {cause}\nhint: {AGAIN}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file is not one.
    #[error("{file}: {cause}\nhint: {AGAIN}")]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Line, column and what is wrong there.
        cause: String,
    },
    /// There are other plugins than it says.
    #[error(
        "the plugins in {directory} are not those of {file}, so none is used:\n{}hint: put the right files there, or \
         accept those that are there with `batchgen plugins lock`",
        in_words(differences)
    )]
    Differs {
        /// The file.
        file: PathBuf,
        /// Where the plugins are.
        directory: PathBuf,
        /// In which way, by name.
        differences: Vec<Difference>,
    },
}

/// How one plugin is not as it was locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It has other bytes.
    Changed {
        /// As the file says.
        locked: Locked,
        /// As it is.
        found: Locked,
    },
    /// The file does not name it.
    New(Locked),
    /// It is not there, or cannot be used.
    Missing(Locked),
}

impl Lock {
    /// What is to be written of these plugins.
    pub fn of(plugins: &[Arc<Plugin>]) -> Lock {
        let mut plugins: Vec<Locked> = plugins.iter().map(|plugin| Locked::of(plugin)).collect();
        plugins.sort_by(|one, other| one.name.cmp(&other.name));
        Lock {
            format: FORMAT,
            complete: true,
            plugins,
        }
    }

    /// Reads the file; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is not well formed.
    pub fn read(file: &Path) -> Result<Option<Lock>, LockError> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(LockError::Unreadable {
                    file: file.to_owned(),
                    cause: error.to_string(),
                });
            }
        };
        let invalid = |cause: String| LockError::Invalid {
            file: file.to_owned(),
            cause,
        };
        let malformed = |error: toml::de::Error| invalid(error.to_string().trim_end().into());
        let Formatted { format } = toml::from_str(&text).map_err(malformed)?;
        if !(1..=FORMAT).contains(&format) {
            return Err(invalid(format!(
                "it has format {format}, and this batchgen knows none above {FORMAT}"
            )));
        }
        let lock: Lock = toml::from_str(&text).map_err(malformed)?;
        Ok(Some(Lock {
            format: FORMAT,
            ..lock
        }))
    }

    /// One that names no plugin yet, and forbids no other.
    pub fn partial() -> Lock {
        Lock {
            format: FORMAT,
            complete: false,
            plugins: Vec::new(),
        }
    }

    /// Names a plugin, in the place of the one that has its name.
    pub fn set(&mut self, locked: Locked) {
        self.plugins.retain(|other| other.name != locked.name);
        self.plugins.push(locked);
        self.plugins.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Whether it says which plugin of this name may be used.
    pub fn governs(&self, name: &str) -> bool {
        self.complete || self.plugins.iter().any(|locked| locked.name == name)
    }

    /// The plugins that are fetched, by name.
    pub fn fetched(&self) -> impl Iterator<Item = (&Locked, &Fetched)> {
        let plugins = self.plugins.iter();
        plugins.filter_map(|locked| Some((locked, locked.origin.as_ref()?)))
    }

    /// The same, with what `before` says of where plugins come from that are still the same.
    #[must_use]
    pub fn fetched_as(mut self, before: &Lock) -> Lock {
        for (known, origin) in before.fetched() {
            let same =
                |locked: &&mut Locked| locked.name == known.name && locked.digest == known.digest;
            if let Some(locked) = self.plugins.iter_mut().find(same) {
                locked.origin = Some(origin.clone());
            }
        }
        self
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let about = match self.complete {
            true => "no other plugin is used in this project",
            false => "these plugins are used as they are here, and others as they are",
        };
        let mut text = format!(
            "# Written by `batchgen plugins`: {about}. Commit it.\nformat = {}\ncomplete = {}\n",
            self.format, self.complete
        );
        for plugin in &self.plugins {
            let quoted = |text: &str| toml::Value::from(text).to_string();
            let _ = write!(
                text,
                "\n[[plugin]]\nname = {}\nversion = {}\ncontract = {}\ndigest = \"{}\"\n",
                quoted(&plugin.name),
                quoted(&plugin.version),
                quoted(&plugin.contract),
                plugin.digest
            );
            if let Some(Fetched { source, resolved }) = &plugin.origin {
                let _ = writeln!(
                    text,
                    "from = {{ source = {}, resolved = {} }}",
                    quoted(source),
                    quoted(resolved)
                );
            }
        }
        text
    }

    /// Number of plugins.
    pub fn len(&self) -> usize {
        self.plugins.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// How plugins differ from it, by name.
    pub fn differences(&self, plugins: &[Arc<Plugin>]) -> Vec<Difference> {
        self.held_against(&Lock::of(plugins))
    }

    /// Refuses plugins that differ from it.
    ///
    /// # Errors
    /// [`LockError::Differs`] names them.
    pub fn enforce(
        &self,
        file: &Path,
        directory: &Path,
        plugins: &[Arc<Plugin>],
    ) -> Result<(), LockError> {
        let differences = self.differences(plugins);
        if differences.is_empty() {
            return Ok(());
        }
        Err(LockError::Differs {
            file: file.to_owned(),
            directory: directory.to_owned(),
            differences,
        })
    }

    fn held_against(&self, now: &Lock) -> Vec<Difference> {
        let of = |lock: &Lock, name: &str| {
            let mut plugins = lock.plugins.iter();
            plugins.find(|plugin| plugin.name == name).cloned()
        };
        let mut names: Vec<&str> = self
            .plugins
            .iter()
            .chain(&now.plugins)
            .map(|plugin| plugin.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter_map(|name| match (of(self, name), of(now, name)) {
                (Some(locked), Some(found)) if locked.digest == found.digest => None,
                (Some(locked), Some(found)) => Some(Difference::Changed { locked, found }),
                (Some(locked), None) => Some(Difference::Missing(locked)),
                (None, _) if !self.complete => None,
                (None, found) => found.map(Difference::New),
            })
            .collect()
    }
}

impl Locked {
    /// A plugin as it is.
    pub fn of(plugin: &Plugin) -> Locked {
        let about = &plugin.package.manifest.plugin;
        Locked {
            name: about.name.clone(),
            version: about.version.clone(),
            contract: plugin.contract.clone(),
            digest: plugin.digest,
            origin: None,
        }
    }
}

fn in_words(differences: &[Difference]) -> String {
    differences
        .iter()
        .fold(String::new(), |mut text, difference| {
            let _ = match difference {
                Difference::Changed { locked, found } => writeln!(
                    text,
                    "  {} has changed\n    locked {} {}\n    found  {} {}",
                    locked.name, locked.digest, locked.version, found.digest, found.version
                ),
                Difference::New(found) => writeln!(
                    text,
                    "  {} is not locked\n    found  {} {}",
                    found.name, found.digest, found.version
                ),
                Difference::Missing(locked) => writeln!(
                    text,
                    "  {} is missing, or cannot be used\n    locked {} {}",
                    locked.name, locked.digest, locked.version
                ),
            };
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(name: &str, bytes: &[u8]) -> Locked {
        Locked {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            contract: "0.1.0".to_owned(),
            digest: Digest::of(bytes),
            origin: None,
        }
    }

    fn from_elsewhere(locked: Locked) -> Locked {
        let origin = Fetched {
            source: "oci:ghcr.io/acme/b:1".to_owned(),
            resolved: "oci:ghcr.io/acme/b@sha256:1234".to_owned(),
        };
        Locked {
            origin: Some(origin),
            ..locked
        }
    }

    fn lock(plugins: &[Locked]) -> Lock {
        Lock {
            format: FORMAT,
            complete: true,
            plugins: plugins.to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        assert_eq!(Lock::read(&file).unwrap(), None);
        let written = lock(&[
            locked("a", b"1"),
            Locked {
                version: "\"odd\\".to_owned(),
                ..from_elsewhere(locked("b", b"2"))
            },
        ]);
        fs::write(&file, written.text()).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(written.clone()));
        let partial = Lock {
            complete: false,
            ..written
        };
        fs::write(&file, partial.text()).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(partial));
        fs::write(&file, "format = 3\nnew = 1\n").unwrap();
        let error = Lock::read(&file).unwrap_err().to_string();
        assert!(error.contains("it has format 3"), "{error}");
        fs::write(&file, "format = 1\n[[plugin]]\nname = \"a\"\n").unwrap();
        let error = Lock::read(&file).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn the_first_format_names_all_plugins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let digest = Digest::of(b"1");
        let entry = "name = \"a\"\nversion = \"0.1.0\"\ncontract = \"0.1.0\"";
        fs::write(
            &file,
            format!("format = 1\n[[plugin]]\n{entry}\ndigest = \"{digest}\"\n"),
        )
        .unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(lock(&[locked("a", b"1")])));
    }

    #[test]
    fn one_that_does_not_name_all_plugins_forbids_no_other() {
        let mut then = Lock::partial();
        then.set(locked("b", b"2"));
        then.set(from_elsewhere(locked("b", b"3")));
        let now = lock(&[locked("a", b"1"), locked("b", b"3")]);
        assert_eq!(then.held_against(&now), []);
        // Where all are locked, it stays known where one comes from, unless it is another now.
        let all = now.clone().fetched_as(&then);
        assert_eq!(all.fetched().count(), 1);
        let other = lock(&[locked("b", b"4")]).fetched_as(&then);
        assert_eq!(other.fetched().count(), 0);
        let found = locked("b", b"4");
        let locked = from_elsewhere(locked("b", b"3"));
        let changed = Difference::Changed { locked, found };
        assert_eq!(then.held_against(&other), [changed]);
    }

    #[test]
    fn changed_new_and_missing_ones_differ_and_equal_ones_do_not() {
        let then = lock(&[locked("a", b"1"), locked("b", b"2"), locked("d", b"4")]);
        let now = lock(&[locked("a", b"1"), locked("b", b"3"), locked("c", b"5")]);
        assert_eq!(then.held_against(&then), []);
        assert_eq!(
            then.held_against(&now),
            [
                Difference::Changed {
                    locked: locked("b", b"2"),
                    found: locked("b", b"3")
                },
                Difference::New(locked("c", b"5")),
                Difference::Missing(locked("d", b"4")),
            ]
        );
    }
}
