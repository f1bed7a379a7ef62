//! Nothing in the archive names a folder of whoever built it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use memchr::memmem;

use crate::workspace::Workspace;

/// Looks through all files of a folder.
///
/// # Errors
/// When one names such a folder, or cannot be read.
pub fn check(workspace: &Workspace, folder: &Path) -> Result<()> {
    let variable = |name| env::var_os(name).map(PathBuf::from);
    let folders: Vec<String> = [
        Some(workspace.root().to_owned()),
        Some(workspace.cargo_target().to_owned()),
        variable("HOME"),
        variable("CARGO_HOME"),
        variable("RUSTUP_HOME"),
    ]
    .into_iter()
    .flatten()
    .filter(|folder| folder.parent().is_some())
    .map(|folder| format!("{}/", folder.display()))
    .collect();
    check_all(&folders, folder)
}

fn check_all(folders: &[String], folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            check_all(folders, &path)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        let named = folders
            .iter()
            .find(|folder| memmem::find(&bytes, folder.as_bytes()).is_some());
        if let Some(named) = named {
            bail!(
                "{} names {named}, a folder of this machine\nhint: remove target/release and target/guest, if they were made before \
                 `.cargo/rustc.sh`, or build without a RUSTC_WRAPPER of your own",
                path.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_names_a_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let file = folder.path().join("in/program");
        fs::write(&file, b"\x7fELF\0/srv/somebody/.cargo/registry\0").unwrap();
        let others = ["/srv/other/".to_owned()];
        assert!(check_all(&others, folder.path()).is_ok());
        let named = ["/srv/somebody/".to_owned()];
        let error = check_all(&named, folder.path()).unwrap_err().to_string();
        assert!(error.contains("in/program names /srv/somebody/"), "{error}");
    }
}
