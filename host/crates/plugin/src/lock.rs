//! `plugins.lock`: which plugins a project was made with. Where it lies beside the configuration, no other plugin is
//! used. It says nothing of who made a plugin, only that it is still the same.

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
/// Version of its format.
const FORMAT: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    format: u32,
    /// By name.
    #[serde(default, rename = "plugin")]
    plugins: Vec<Locked>,
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
}

/// Plugins are not those that the file names, or it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("cannot read {file}: {cause}\nhint: `batchgen plugins lock` writes it again")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file is not one.
    #[error("{file}: {cause}\nhint: `batchgen plugins lock` writes it again")]
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
        let lock: Lock =
            toml::from_str(&text).map_err(|error| invalid(error.to_string().trim_end().into()))?;
        if lock.format != FORMAT {
            return Err(invalid(format!(
                "it has format {}, and this batchgen knows {FORMAT}",
                lock.format
            )));
        }
        Ok(Some(lock))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = format!(
            "# Written by `batchgen plugins lock`: no other plugin is used in this project. Commit it.\nformat = {}\n",
            self.format
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
                (None, found) => found.map(Difference::New),
            })
            .collect()
    }
}

impl Locked {
    fn of(plugin: &Plugin) -> Locked {
        let about = &plugin.package.manifest.plugin;
        Locked {
            name: about.name.clone(),
            version: about.version.clone(),
            contract: plugin.contract.clone(),
            digest: plugin.digest,
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
        }
    }

    fn lock(plugins: &[Locked]) -> Lock {
        Lock {
            format: FORMAT,
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
                ..locked("b", b"2")
            },
        ]);
        fs::write(&file, written.text()).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), Some(written));
        fs::write(&file, "format = 2\n").unwrap();
        let error = Lock::read(&file).unwrap_err().to_string();
        assert!(error.contains("it has format 2"), "{error}");
        fs::write(&file, "format = 1\n[[plugin]]\nname = \"a\"\n").unwrap();
        let error = Lock::read(&file).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
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
