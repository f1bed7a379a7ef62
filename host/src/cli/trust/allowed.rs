//! The file of what a person allowed: a line for each choice, with the user's state and not in the project.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Asked;
use crate::cli::environment::TRUST;
use crate::cli::real_paths::came_with_project;
use types::digest::Digest;
use types::shown::harmless;

/// Where it is remembered: with the user's state, as XDG has it.
fn store() -> Option<PathBuf> {
    let variable = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    let state = variable("XDG_STATE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("batchgen/trusted"))
}

/// What was allowed: the hash of each choice, and behind it the words in which a person saw it.
#[derive(Default)]
pub(super) struct Allowed(String);

impl Allowed {
    /// Whether a choice is among them. The words behind a hash are the project's, and may be those of another hash.
    pub fn holds(&self, choice: &Digest) -> bool {
        let choice = choice.to_string();
        self.0
            .lines()
            .any(|line| line.split(' ').next() == Some(choice.as_str()))
    }
}

/// A line of the file: words of a project make no other line.
fn line(choice: &Asked) -> String {
    let words = harmless(&choice.words).replace('\n', " ");
    format!("{} {words}\n", choice.digest)
}

/// What was allowed. A file that somebody else could have written counts for nothing.
pub(super) fn allowed(config: Option<&Path>) -> Allowed {
    let Some(file) = store() else {
        return Allowed::default();
    };
    let is_own = fs::symlink_metadata(&file).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0
    });
    let came = config.is_some_and(|config| came_with_project(&file, config));
    if !is_own || came {
        return Allowed::default();
    }
    Allowed(fs::read_to_string(file).unwrap_or_default())
}

/// Remembers that these were allowed; gives the file.
pub(super) fn remember(config: Option<&Path>, asked: &[Asked]) -> anyhow::Result<PathBuf> {
    let file = store().with_context(|| {
        format!("there is no place to remember what you allow\nhint: set HOME, or {TRUST}=1 for one command")
    })?;
    let mut text = allowed(config).0;
    text.extend(asked.iter().map(line));
    let written = || -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::rename(&temporary, &file)
    };
    written().with_context(|| {
        format!(
            "cannot write {}\nhint: see that you may write there, or set {TRUST}=1 for one command",
            file.display()
        )
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_one_choice_allow_no_other() {
        let other = Digest::of(b"another choice");
        let choice = Asked {
            digest: Digest::of(b"a choice"),
            words: format!("starts `make # {other}`\n{other} \r\n{other}"),
        };
        let allowed = Allowed(line(&choice));
        assert_eq!(allowed.0.lines().count(), 1, "{}", allowed.0);
        assert!(allowed.holds(&choice.digest));
        assert!(!allowed.holds(&other));
        assert!(!Allowed::default().holds(&choice.digest));
    }
}
