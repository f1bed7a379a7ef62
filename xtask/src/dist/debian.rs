//! The Debian package.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    PROGRAM, SUMMARY,
    machine::Libc,
    stage::{self, DOCS, Stage, copy},
};
use crate::workspace::{self, Workspace};

/// What is said at more length; each line begins with a space.
const DESCRIPTION: &str =
    " batchgen writes content for every row of a table with a language model, and keeps that
 content up to date. It keeps to the provider's limits, checks every answer, resumes
 after a crash, and never pays for the same answer twice.";

/// Makes it.
///
/// # Errors
/// When `dpkg-deb` is missing or fails.
pub fn make(workspace: &Workspace, stage: &Stage, work: &Path, out: &Path) -> Result<PathBuf> {
    let folder = work.join("debian");
    copy(&stage.folder, &folder.join("usr"))?;
    let docs = folder.join("usr").join(DOCS);
    fs::write(docs.join("copyright"), copyright(&stage.folder.join(DOCS))?)?;
    let control = folder.join("DEBIAN");
    fs::create_dir(&control)?;
    fs::write(control.join("control"), describe(stage)?)?;
    fs::write(control.join("md5sums"), sums(workspace, &folder)?)?;
    for (path, file) in stage::files(&folder)? {
        let mode = if path.starts_with("usr/bin/") {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
    }
    let file = out.join(format!(
        "{PROGRAM}_{}_{}.deb",
        stage.version, stage.machine.debian
    ));
    workspace::run(
        workspace
            .command("dpkg-deb")
            .env("SOURCE_DATE_EPOCH", stage.made.to_string())
            .args(["--root-owner-group", "-Zxz", "-z1", "--build"])
            .arg(&folder)
            .arg(&file)
            .stdout(std::process::Stdio::null()),
    )?;
    Ok(file)
}

fn describe(stage: &Stage) -> Result<String> {
    let mut bytes = 0;
    for (_, file) in stage.files()? {
        bytes += fs::metadata(file)?.len();
    }
    let needs = match stage.libc {
        Libc::Static => String::new(),
        Libc::Gnu(major, minor) => {
            format!("Depends: libc6 (>= {major}.{minor}), libgcc-s1\n")
        }
    };
    Ok(format!(
        "Package: {PROGRAM}\nVersion: {}\nArchitecture: {}\nMaintainer: The batchgen authors <maintainers@batchgen.invalid>\n\
         Installed-Size: {}\n{needs}Recommends: ca-certificates\nSection: utils\nPriority: optional\nDescription: {SUMMARY}\n{DESCRIPTION}\n",
        stage.version,
        stage.machine.debian,
        bytes.div_ceil(1024),
    ))
}

/// Both licences, as Debian wants to find them.
fn copyright(docs: &Path) -> Result<String> {
    let mit = fs::read_to_string(docs.join("LICENSE-MIT"))?;
    Ok(format!(
        "batchgen is licensed under the MIT licence or the Apache License, Version 2.0, at your option. On Debian, the latter is in\n\
         /usr/share/common-licenses/Apache-2.0. THIRD-PARTY-LICENSES.txt has the licences of what the program contains.\n\n{mit}"
    ))
}

/// Checksums of the files, for `dpkg --verify`.
fn sums(workspace: &Workspace, folder: &Path) -> Result<String> {
    let mut text = String::new();
    for (path, file) in stage::files(&folder.join("usr"))? {
        let sum = workspace::output(workspace.command("md5sum").arg(file))?;
        let sum = sum
            .split_whitespace()
            .next()
            .context("md5sum gives a checksum")?;
        let _ = writeln!(text, "{sum}  usr/{path}");
    }
    Ok(text)
}
