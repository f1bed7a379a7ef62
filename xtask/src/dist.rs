//! `cargo xtask dist`: what people install who have no compiler. One tree is staged, and from it an archive, a Python wheel, packages
//! for npm and a Debian package are made. Each is installed and used before it counts.
//!
//! The same commit gives the same bytes, whoever builds it (`--twice`). The program is stripped: a panic still tells its message
//! and its place, but a backtrace has addresses in place of names. A build of the same commit that is not stripped
//! gives the names.

mod archive;
mod builder;
mod debian;
mod licences;
mod machine;
mod npm;
mod packages;
mod sbom;
mod stage;
mod sums;
mod tarball;
mod trial;
mod twice;
mod wheel;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{
    build_plugins, run,
    workspace::{self, Workspace},
};
use machine::Machine;
use stage::Stage;

/// Name of the program and of the packages.
const PROGRAM: &str = "batchgen";
/// What registries say in a line.
const SUMMARY: &str = "Writes content for every row of a table with a language model";
/// What they show below it.
const ABOUT: &str = include_str!("dist/about.md");

/// Makes the packages for people without this repository, and tries each on a clean prefix.
#[derive(clap::Args)]
pub struct Args {
    /// Instead, builds the last commit twice in other folders, and fails if a package differs.
    #[arg(long)]
    twice: bool,
    /// Target to build for: x86_64-unknown-linux-musl gives a program that needs no C library. Packages for another kind of
    /// processor, such as aarch64-unknown-linux-gnu, are made and not tried. Default: what the compiler builds for.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Secret key of minisign that signs the checksums.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// What was made.
struct Made {
    archive: PathBuf,
    wheel: PathBuf,
    npm: [PathBuf; 2],
    /// Not there where `dpkg-deb` is not.
    debian: Option<PathBuf>,
}

/// Performs the task.
///
/// # Errors
/// When something does not build or a tool is missing, or a package does not work when it is installed.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.twice {
        twice::perform(workspace, args.target.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = match &args.target {
        Some(target) => target.clone(),
        None => own_target(workspace)?,
    };
    let machine = Machine::of(&target)?;
    build_plugins::bundled(workspace)?;
    let built = build(workspace, machine, args.target.as_deref())?;
    let runs = if machine.is_own() {
        built.clone()
    } else {
        build(workspace, machine, None)?
    };
    let [out, work] = ["dist", "dist-work"].map(|name| workspace.cargo_target().join(name));
    for folder in [&out, &work] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    let folder = work.join("stage");
    let stage =
        Stage::fill(workspace, folder, &built, &runs, machine).context("cannot fill the stage")?;
    builder::check(workspace, &stage.folder)?;
    let made = make(workspace, &stage, &target, &work, &out)?;
    if machine.is_own() {
        trial::perform(&made, &stage)?;
    } else {
        let name = machine.name;
        eprintln!("the packages are not tried, since programs for {name} do not start here");
    }
    let mut files = vec![made.archive, made.wheel];
    files.extend(made.npm);
    files.extend(made.debian);
    let list = out.join(format!("{PROGRAM}-{}-{target}.cdx.json", stage.version));
    fs::copy(stage.folder.join(stage::DOCS).join(sbom::FILE), &list)?;
    files.push(list);
    let sums = sums::write(&out, &files)?;
    if let Some(key) = &args.key {
        sums::sign(workspace, &sums, key, &stage.version)?;
    }
    for file in &files {
        let size = fs::metadata(file)?.len() as f64 / 1e6;
        println!("{} ({size:.1} MB)", workspace.shown(file));
    }
    print!("{}", fs::read_to_string(&sums)?);
    Ok(ExitCode::SUCCESS)
}

/// Builds the program; gives where it lies. A target for another kind of processor is built with the C compiler of Debian for it.
fn build(workspace: &Workspace, machine: Machine, target: Option<&str>) -> Result<PathBuf> {
    let Some(target) = target else {
        run::build_host(workspace)?;
        return Ok(workspace.release(PROGRAM));
    };
    let mut command = workspace.cargo();
    command.args(run::HOST).args(["--target", target]);
    let compiler = machine.tool("gcc");
    if !machine.is_own() {
        let words = target.replace('-', "_");
        command.env(format!("CC_{words}"), &compiler);
        command.env(
            format!("CARGO_TARGET_{}_LINKER", words.to_uppercase()),
            &compiler,
        );
    }
    workspace::run(&mut command).with_context(|| {
        format!(
            "`rustup target add {target}` adds the library; on Debian and Ubuntu, `apt-get install` installs the C compiler: \
             `musl-tools` for a musl target, `gcc-aarch64-linux-gnu` for arm64"
        )
    })?;
    Ok(workspace
        .cargo_target()
        .join(target)
        .join("release")
        .join(PROGRAM))
}

/// Makes all packages of a stage.
fn make(
    workspace: &Workspace,
    stage: &Stage,
    target: &str,
    work: &Path,
    out: &Path,
) -> Result<Made> {
    let debian = if is_there("dpkg-deb", "the Debian package is")? {
        Some(debian::make(workspace, stage, work, out)?)
    } else {
        None
    };
    Ok(Made {
        archive: archive::make(workspace, stage, target, work, out)?,
        wheel: wheel::make(stage, out)?,
        npm: npm::make(workspace, stage, work, out)?,
        debian,
    })
}

/// Whether a tool is there; where it is not, what is left out is said, and in CI it is an error.
fn is_there(tool: &str, what: &str) -> Result<bool> {
    let version = Command::new(tool).arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(true);
    }
    if std::env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!("`{tool}` cannot be found, so that {what} not made or tried");
    }
    eprintln!("{what} left out, since `{tool}` cannot be found");
    Ok(false)
}

/// What this machine's programs are built for.
fn own_target(workspace: &Workspace) -> Result<String> {
    let about = workspace::output(workspace.command("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

#[cfg(test)]
mod tests;
