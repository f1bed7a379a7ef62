//! The Rust that guests are built with: its target, and flags that keep this machine out of the bytes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::workspace::{self, Workspace};

/// Imports nothing but the contract: no WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// One profile for all guests: each further one would build their macros again.
pub const PROFILE: &str = "guest";

/// The linker's flag for addresses as short as they can be, not as long as any may be.
pub const SHORT_CALLS: &str = "-Clink-arg=--compress-relocations";

/// A toolchain that has the guests' target.
pub struct GuestToolchain {
    flags: String,
    /// Folders of this machine, which must not show in what is built.
    hidden: Vec<PathBuf>,
}

impl GuestToolchain {
    /// Finds the toolchain, and adds the target where it is missing.
    ///
    /// # Errors
    /// When there is no Rust, or the target is missing and cannot be added, with what to install.
    pub fn prepare(workspace: &Workspace) -> Result<Self> {
        let rustc =
            |arguments: &[&str]| workspace::output(workspace.command("rustc").args(arguments));
        let version = rustc(&["-vV"])
            .context("Rust is not installed, or not on the path: see https://rustup.rs")?;
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "));
        let paths = rustc(&[
            "--print",
            "sysroot",
            "--print",
            "target-libdir",
            "--target",
            TARGET,
        ])?;
        let (sysroot, libraries) = paths
            .trim_end()
            .split_once('\n')
            .context("rustc names no sysroot")?;
        if !PathBuf::from(libraries).is_dir() {
            add_target(workspace)?;
        }
        let cargo_home = cargo_home()?;
        let flags = flags(
            workspace,
            &cargo_home,
            sysroot.as_ref(),
            commit.unwrap_or("unknown"),
        );
        let hidden = vec![workspace.root().to_owned(), cargo_home, sysroot.into()];
        Ok(Self { flags, hidden })
    }

    /// A folder of this machine that shows in what was built. The same source gives other bytes elsewhere, then.
    pub fn shown_in(&self, module: &[u8]) -> Option<&Path> {
        let shows = |folder: &Path| {
            let folder = folder.as_os_str().as_encoded_bytes();
            module
                .windows(folder.len().max(1))
                .any(|window| window == folder)
        };
        self.hidden
            .iter()
            .map(PathBuf::as_path)
            .find(|folder| shows(folder))
    }

    /// Makes a cargo command build for the guests' target, in their profile and with their flags.
    pub fn select<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        cargo
            .args(["--profile", PROFILE, "--target", TARGET])
            .env("CARGO_ENCODED_RUSTFLAGS", &self.flags)
    }
}

fn add_target(workspace: &Workspace) -> Result<()> {
    eprintln!("adding the target {TARGET}");
    let added = workspace::run(workspace.command("rustup").args(["target", "add", TARGET]));
    if let Err(error) = added {
        bail!(
            "plugins are built for {TARGET}, which this Rust does not have, and it could not be added: {error:#}\n\
             hint: install rustup (https://rustup.rs) and run `rustup target add {TARGET}`, or install your \
             distribution's package of Rust's standard library for that target"
        );
    }
    Ok(())
}

/// rustc's flags as cargo takes them: separated by 0x1f, since paths may hold spaces. Of two that match, rustc takes the
/// later one.
fn flags(workspace: &Workspace, cargo_home: &Path, sysroot: &Path, commit: &str) -> String {
    // Where the source of the standard library is installed, rustc shows it by its path; elsewhere by this one.
    let std_source = sysroot.join("lib/rustlib/src/rust");
    let std_shown = format!("/rustc/{commit}");
    let mut shown = vec![
        (workspace.root().to_owned(), "/batchgen"),
        (cargo_home.to_owned(), "/cargo"),
        (sysroot.to_owned(), "/rust"),
        (std_source, std_shown.as_str()),
    ];
    // Each registry has a folder of its own, and a mirror another one.
    let registries = fs::read_dir(cargo_home.join("registry/src"));
    let mut registries: Vec<_> = registries.into_iter().flatten().flatten().collect();
    registries.sort_by_key(fs::DirEntry::file_name);
    shown.extend(registries.iter().map(|folder| (folder.path(), "/crates")));
    let flags = shown.iter();
    let flags = flags.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    flags.collect::<Vec<_>>().join("\x1f")
}

fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Ok(env::home_dir()
            .context("no home folder is known; set CARGO_HOME")?
            .join(".cargo")),
    }
}
