//! The file of what a person allowed: a line for each choice, with the user's state and not in the project.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Asked;
use crate::cli::environment::TRUST;
use crate::cli::real_paths::came_with_project;

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

/// What was allowed. A file that somebody else could have written counts for nothing.
pub(super) fn allowed(config: Option<&Path>) -> String {
    let Some(file) = store() else {
        return String::new();
    };
    let is_own = fs::symlink_metadata(&file).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0
    });
    let came = config.is_some_and(|config| came_with_project(&file, config));
    if !is_own || came {
        return String::new();
    }
    fs::read_to_string(file).unwrap_or_default()
}

/// Remembers that these were allowed; gives the file.
pub(super) fn remember(config: Option<&Path>, asked: &[Asked]) -> anyhow::Result<PathBuf> {
    let file = store().with_context(|| {
        format!("there is no place to remember what you allow\nhint: set HOME, or {TRUST}=1 for one command")
    })?;
    let mut text = allowed(config);
    for choice in asked {
        text.push_str(&format!("{} {}\n", choice.digest, choice.words));
    }
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
