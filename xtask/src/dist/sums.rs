//! Checksums of all packages, and a signature of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::workspace::{self, Workspace};

/// The file, for `sha256sum --check`.
pub const FILE: &str = "SHA256SUMS";

/// Writes the checksums of these files of a folder.
///
/// # Errors
/// When one cannot be read.
pub fn write(out: &Path, files: &[PathBuf]) -> Result<PathBuf> {
    let mut lines = Vec::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        lines.push(format!("{}  {name}\n", sha256(file)?));
    }
    lines.sort_by(|one, other| one.get(64..).cmp(&other.get(64..)));
    let sums = out.join(FILE);
    fs::write(&sums, lines.concat())?;
    Ok(sums)
}

/// Signs the checksums, and with them all that they stand for. `minisign` asks for the password of the key.
///
/// # Errors
/// When `minisign` is missing or fails.
pub fn sign(workspace: &Workspace, sums: &Path, key: &Path, version: &str) -> Result<()> {
    let key = std::env::current_dir()?.join(key);
    workspace::run(
        workspace
            .command("minisign")
            .args(["-S", "-t", &format!("batchgen {version}"), "-s"])
            .arg(key)
            .arg("-m")
            .arg(sums),
    )
    .context("on Debian and Ubuntu, `apt-get install minisign` installs what signs")
}

/// Checksum of a file, as `sha256sum` writes it.
fn sha256(file: &Path) -> Result<String> {
    let digest = Sha256::digest(fs::read(file)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
