//! `cargo xtask dist`: an archive for people without this repository: the program, plugins, sample data, completions,
//! documentation, licences and a list of all packages. It is tried in an empty folder before it counts.
//!
//! The same commit gives the same bytes, whoever builds it (`--twice`). The program is stripped: a panic still tells its message
//! and its place, but a backtrace has addresses in place of names. A build of the same commit that is not stripped
//! gives the names.

mod builder;
mod licences;
mod packages;
mod sbom;
mod trial;
mod twice;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::{
    build_plugins, run,
    workspace::{self, Workspace},
};

/// Name of the program in the archive.
const PROGRAM: &str = "batchgen";
/// Files and folders of the repository that go into it as they are.
const AS_THEY_ARE: [&str; 5] = [
    "batchgen.toml",
    "data",
    "docs",
    "LICENSE-MIT",
    "LICENSE-APACHE",
];
/// Checksum of the archive, for `sha256sum --check`.
const CHECKSUMS: &str = "SHA256SUMS";
/// Shells with the file that holds their completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "batchgen.bash"),
    ("zsh", "_batchgen"),
    ("fish", "batchgen.fish"),
];

/// Makes an archive for people without this repository, and tries it in an empty folder.
#[derive(clap::Args)]
pub struct Args {
    /// Instead, builds the last commit twice in other folders, and fails if the archives differ.
    #[arg(long)]
    twice: bool,
}

/// Performs the task.
///
/// # Errors
/// When something does not build or a tool is missing, or the archive does not work when it is unpacked.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.twice {
        twice::perform(workspace)?;
        return Ok(ExitCode::SUCCESS);
    }
    build_plugins::bundled(workspace)?;
    run::build_host(workspace)?;
    let version = version(workspace)?;
    let name = format!("{PROGRAM}-{version}-{}", target(workspace)?);
    let out = workspace.cargo_target().join("dist");
    let folder = out.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    fill(workspace, &folder, &version)
        .with_context(|| format!("cannot fill {}", folder.display()))?;
    builder::check(workspace, &folder)?;
    let archive = pack(workspace, &out, &name)?;
    trial::perform(&archive, &name)?;
    let sum = format!("{}  {name}.tar.gz\n", sha256(&archive)?);
    fs::write(out.join(CHECKSUMS), &sum)?;
    let size = fs::metadata(&archive)?.len() as f64 / 1e6;
    println!(
        "{} ({size:.1} MB)\n{}",
        workspace.shown(&archive),
        sum.trim_end()
    );
    Ok(ExitCode::SUCCESS)
}

fn fill(workspace: &Workspace, folder: &Path, version: &str) -> Result<()> {
    let program = folder.join(PROGRAM);
    fs::copy(workspace.release(PROGRAM), &program)?;
    workspace::run(workspace.command("strip").arg(&program))
        .context("`strip` comes with the C compiler (binutils)")?;
    copy(&workspace.plugins(), &folder.join("plugins"))?;
    for name in AS_THEY_ARE {
        copy(&workspace.root().join(name), &folder.join(name))?;
    }
    fs::write(folder.join("README.md"), include_str!("dist/README.md"))?;
    let metadata = packages::metadata(workspace)?;
    fs::write(
        folder.join("THIRD-PARTY-LICENSES.txt"),
        licences::collect(workspace, &metadata)?,
    )?;
    fs::write(
        folder.join(sbom::FILE),
        sbom::collect(workspace, &metadata, PROGRAM, version)?,
    )?;
    let completions = folder.join("completions");
    fs::create_dir(&completions)?;
    for (shell, file) in COMPLETIONS {
        let script = workspace::output(workspace.command(&program).args(["completions", shell]))?;
        fs::write(completions.join(file), script)?;
    }
    Ok(())
}

/// A file, or a folder with all that is in it, but for hidden files.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The same content of the same commit gives the same bytes.
fn pack(workspace: &Workspace, out: &Path, name: &str) -> Result<PathBuf> {
    let archive = out.join(format!("{name}.tar.gz"));
    let made = ["log", "--max-count=1", "--format=%ct"];
    let made = workspace::output(workspace.command("git").args(made))
        .context("the files in the archive are as old as the last commit: run this in a clone")?;
    workspace::run(
        workspace
            .command("tar")
            .arg("--directory")
            .arg(out)
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .arg(format!("--mtime=@{}", made.trim()))
            .arg("--mode=u=rwX,go=rX")
            .args(["--use-compress-program=gzip -n", "--create", "--file"])
            .arg(&archive)
            .arg(name),
    )?;
    Ok(archive)
}

/// Checksum of a file, as `sha256sum` writes it.
fn sha256(file: &Path) -> Result<String> {
    let digest = Sha256::digest(fs::read(file)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn version(workspace: &Workspace) -> Result<String> {
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(workspace.root().join("Cargo.toml"))?)?;
    let version = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("version")?.as_str());
    Ok(version
        .context("[workspace.package] has no version")?
        .to_owned())
}

/// What this machine's programs are built for.
fn target(workspace: &Workspace) -> Result<String> {
    let about = workspace::output(workspace.command("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}
