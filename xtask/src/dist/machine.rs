//! What a program was built for, and what it needs of the system that it is started on: read from the program itself, so that no
//! package says more than is true.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A kind of processor, as each kind of package names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// As the compiler and wheels do.
    pub name: &'static str,
    pub npm: &'static str,
    pub debian: &'static str,
}

const MACHINES: [Machine; 2] = [
    Machine {
        name: "x86_64",
        npm: "x64",
        debian: "amd64",
    },
    Machine {
        name: "aarch64",
        npm: "arm64",
        debian: "arm64",
    },
];

impl Machine {
    /// All that packages are made for.
    pub fn all() -> [Machine; 2] {
        MACHINES
    }

    /// The one of a target such as `x86_64-unknown-linux-musl`.
    ///
    /// # Errors
    /// When no package is made for it.
    pub fn of(target: &str) -> Result<Machine> {
        let found = MACHINES.into_iter().find(|machine| {
            let rest = target.strip_prefix(machine.name);
            rest.is_some_and(|rest| rest.starts_with('-') && rest.contains("-linux-"))
        });
        found.with_context(|| format!("no packages are made for {target}"))
    }

    /// Whether its programs start on this machine.
    pub fn is_own(self) -> bool {
        self.name == std::env::consts::ARCH
    }

    /// What a tool of the C compiler is called that makes programs for it, as Debian has it.
    pub fn tool(self, name: &str) -> String {
        match self.is_own() {
            true => name.to_owned(),
            false => format!("{}-linux-gnu-{name}", self.name),
        }
    }
}

/// Which C library a program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libc {
    /// None: all is in the program.
    Static,
    /// The one of GNU, of this version or newer.
    Gnu(u32, u32),
}

/// Looks into a program.
///
/// # Errors
/// When `readelf` cannot read it, or it needs another library than those of every system with glibc.
pub fn libc(program: &Path) -> Result<Libc> {
    let readelf = |what: &str| {
        let mut command = Command::new("readelf");
        command.env("LC_ALL", "C").args(["--wide", what]);
        workspace::output(command.arg(program))
            .context("`readelf` comes with the C compiler (binutils)")
    };
    let dynamic = readelf("--dynamic")?;
    let needed = dynamic
        .lines()
        .filter_map(|line| line.split_once("Shared library: [")?.1.strip_suffix(']'));
    let needed: Vec<&str> = needed.collect();
    if needed.is_empty() {
        return Ok(Libc::Static);
    }
    const USUAL: [&str; 7] = [
        "libc.so.6",
        "libm.so.6",
        "libgcc_s.so.1",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "ld-linux",
    ];
    if let Some(other) = needed
        .iter()
        .find(|name| !USUAL.iter().any(|usual| name.starts_with(usual)))
    {
        bail!("the program needs {other}, which not every system has");
    }
    let versions = readelf("--version-info")?;
    let newest = versions
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("GLIBC_")?.split_once('.'))
        .filter_map(|(major, minor)| {
            let minor = minor.split('.').next().unwrap_or(minor);
            Some((major.parse().ok()?, minor.parse().ok()?))
        })
        .max();
    let (major, minor) = newest.context("the program names no version of glibc")?;
    Ok(Libc::Gnu(major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_of_this_system_needs_its_library() {
        let program = std::env::current_exe().unwrap();
        match libc(&program).unwrap() {
            Libc::Gnu(2, minor) => assert!((17..100).contains(&minor), "2.{minor}"),
            Libc::Static if cfg!(target_env = "musl") => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn machines_are_known_by_their_targets() {
        assert_eq!(
            Machine::of("aarch64-unknown-linux-gnu").unwrap().npm,
            "arm64"
        );
        assert!(Machine::of("x86_64-pc-windows-msvc").is_err());
        assert!(Machine::of("riscv64gc-unknown-linux-gnu").is_err());
    }
}
