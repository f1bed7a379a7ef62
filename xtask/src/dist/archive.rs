//! The archive: everything in one folder that works where it is unpacked, with the sample and the documentation.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    PROGRAM,
    stage::{DOCS, MANUAL, PLUGINS, Stage, copy},
    tarball,
};
use crate::workspace::Workspace;

/// Files and folders of the repository that go into it as they are.
const AS_THEY_ARE: [&str; 3] = ["batchgen.toml", "data", "docs"];
/// Where completions lie, by the names that shells look for.
const COMPLETIONS: [&str; 3] = ["batchgen.bash", "_batchgen", "batchgen.fish"];

/// Makes it.
///
/// # Errors
/// When something is missing.
pub fn make(
    workspace: &Workspace,
    stage: &Stage,
    target: &str,
    work: &Path,
    out: &Path,
) -> Result<PathBuf> {
    let name = format!("{PROGRAM}-{}-{target}", stage.version);
    let folder = work.join(&name);
    fs::create_dir_all(folder.join("completions"))?;
    fs::copy(stage.program(), folder.join(PROGRAM))?;
    copy(&stage.folder.join(PLUGINS), &folder.join("plugins"))?;
    copy(&stage.folder.join(DOCS), &folder)?;
    copy(&stage.folder.join(MANUAL), &folder.join("man/man1"))?;
    for name in AS_THEY_ARE {
        copy(&workspace.root().join(name), &folder.join(name))?;
    }
    fs::write(folder.join("README.md"), include_str!("README.md"))?;
    for (file, name) in stage.completions().zip(COMPLETIONS) {
        copy(&file, &folder.join("completions").join(name))?;
    }
    tarball::pack(
        workspace,
        stage,
        work,
        &name,
        out.join(format!("{name}.tar.gz")),
    )
}
