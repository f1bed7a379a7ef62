//! Where things are in the checkout, and how child processes are started from it.
//!
//! Knows no task. Every path is absolute.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, ExitStatus},
};

use anyhow::{Context, Result, bail};

/// The checkout that this binary was built from.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Finds the workspace from where this crate was built.
    ///
    /// # Errors
    /// When the checkout was moved since: building again helps.
    pub fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .filter(|root| root.join("Cargo.toml").is_file())
            .with_context(|| {
                format!(
                    "{} is not in a checkout; start this as `cargo xtask`",
                    manifest.display()
                )
            })?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder of the root `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub fn cargo_target(&self) -> &Path {
        &self.target
    }

    /// Where the bundled plugins are built to, and where the host looks for them.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("target/plugins")
    }

    /// Where the build of the host finds the plugins that it puts into the program.
    pub fn embedded_plugins(&self) -> PathBuf {
        self.root.join("target/embedded")
    }

    /// Where the plugins that only tests load are put.
    pub fn test_plugins(&self) -> PathBuf {
        self.root.join("target/test-plugins")
    }

    /// Where the example plugins are built to, so that `--all` does not see them.
    pub fn example_plugins(&self) -> PathBuf {
        self.root.join("target/example-plugins")
    }

    /// Where the tools of other languages are installed, and what they make on the way.
    pub fn guest_tools(&self) -> PathBuf {
        self.root.join("target/guest-tools")
    }

    /// A program that was built in release.
    pub fn release(&self, name: &str) -> PathBuf {
        self.target
            .join("release")
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// The reviewed output of one plugin.
    pub fn snapshots(&self, plugin: &str) -> PathBuf {
        self.root.join("snapshots").join(plugin)
    }

    /// `path` as people write it: relative to the root where it is inside.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// A command that starts in the root, with an environment as if it had been typed there.
    ///
    /// `cargo run` sets variables about *this* package, and build scripts that watch them (ring's does) would
    /// make cargo build again what was built by hand.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            command.env("CARGO_TARGET_DIR", &self.target);
        }
        for (name, _) in env::vars_os() {
            let about_this_package = name.to_str().is_some_and(|name| {
                [
                    "CARGO_PKG_",
                    "CARGO_MANIFEST_",
                    "CARGO_BIN_",
                    "CARGO_CRATE_",
                ]
                .iter()
                .any(|prefix| name.starts_with(prefix))
                    || ["CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&name)
            });
            if about_this_package {
                command.env_remove(name);
            }
        }
        command
    }

    /// The cargo that started this program, or the one on the path.
    pub fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Whether `cargo <name>` is installed.
    pub fn has_cargo_command(&self, name: &str) -> bool {
        self.cargo()
            .args([name, "--version"])
            .output()
            .is_ok_and(|output| output.status.success())
    }
}

/// Runs a command to its end with this program's terminal.
///
/// # Errors
/// When it cannot be started, or ends with anything but success.
pub fn run(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs a command to its end with this program's terminal, and gives how it ended.
///
/// # Errors
/// When it cannot be started.
pub fn status(command: &mut Command) -> Result<ExitStatus> {
    command
        .status()
        .with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Starts a command with this program's terminal, beside what else is done.
///
/// # Errors
/// When it cannot be started.
pub fn start(command: &mut Command) -> Result<Child> {
    command
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Becomes the command, so that signals and the exit code are its own. Elsewhere than on Unix it is run to its end, and
/// its exit code given.
///
/// # Errors
/// When it cannot be started.
pub fn replace(command: &mut Command) -> Result<ExitCode> {
    #[cfg(unix)]
    {
        let error = std::os::unix::process::CommandExt::exec(command);
        Err(error).with_context(|| format!("cannot start `{}`", shown(command)))
    }
    #[cfg(not(unix))]
    {
        let code = status(command)?
            .code()
            .and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// Runs a command to its end and gives what it wrote to standard output.
///
/// # Errors
/// When it cannot be started, fails (with what it wrote to standard error), or writes no UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}):\n{}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no UTF-8", shown(command)))
}

/// The command as it would be typed.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
