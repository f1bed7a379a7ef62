//! Archives whose bytes depend on nothing but what is in them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::stage::Stage;
use crate::workspace::{self, Workspace};

/// Packs the folder `name` of `parent` into a compressed archive.
///
/// # Errors
/// When `tar` or `gzip` fails.
pub fn pack(
    workspace: &Workspace,
    stage: &Stage,
    parent: &Path,
    name: &str,
    archive: PathBuf,
) -> Result<PathBuf> {
    workspace::run(
        workspace
            .command("tar")
            .arg("--directory")
            .arg(parent)
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{}", stage.made))
            .arg("--mode=u=rwX,go=rX")
            .args(["--use-compress-program=gzip -n", "--create", "--file"])
            .arg(&archive)
            .arg(name),
    )?;
    Ok(archive)
}
