//! `cargo xtask build-plugins`: builds every plugin of the repository into one `.wasm` each.
//!
//! Plugins are found, never listed. Each is built by its own cargo invocation: together, one plugin's dependencies
//! would change the features, and so the bytes, of another. Paths of this machine are remapped, so that the bytes depend
//! on source and toolchain alone.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    env, fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    component,
    guest_toolchain::{self, GuestToolchain},
    plugin_folder::{self, PluginFolder},
    workspace::{self, Workspace},
};

/// Builds the plugins into target/plugins, or the examples into target/example-plugins.
#[derive(clap::Args)]
pub struct Args {
    /// Builds plugins/examples/* instead of plugins/*.
    #[arg(long)]
    examples: bool,
}

/// Performs the task.
///
/// # Errors
/// See [`bundled`].
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if args.examples {
        examples(workspace)?
    } else {
        bundled(workspace)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the bundled plugins into `target/plugins`.
///
/// # Errors
/// When the wasm target is missing and cannot be added, or a plugin does not build.
pub fn bundled(workspace: &Workspace) -> Result<()> {
    build_all(
        workspace,
        &workspace.root().join("plugins"),
        &workspace.plugins(),
    )
}

/// Builds the example plugins into `target/example-plugins`.
///
/// # Errors
/// See [`bundled`].
pub fn examples(workspace: &Workspace) -> Result<()> {
    build_all(
        workspace,
        &workspace.root().join("plugins/examples"),
        &workspace.example_plugins(),
    )
}

/// Builds the plugins that only tests load into `target/test-plugins`.
///
/// # Errors
/// See [`bundled`].
pub fn of_tests(workspace: &Workspace) -> Result<()> {
    build_all(
        workspace,
        &workspace.root().join("tests/plugins"),
        &workspace.test_plugins(),
    )
}

fn build_all(workspace: &Workspace, source: &Path, output: &Path) -> Result<()> {
    let plugins = plugin_folder::find_all(workspace, source)?;
    let toolchain = GuestToolchain::prepare(workspace)?;
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    remove_others(workspace, &plugins, output)?;
    for plugin in &plugins {
        build(workspace, plugin, &toolchain, output)
            .with_context(|| format!("plugin `{}`", plugin.name))?;
    }
    Ok(())
}

fn build(
    workspace: &Workspace,
    plugin: &PluginFolder,
    toolchain: &GuestToolchain,
    output: &Path,
) -> Result<()> {
    let built = workspace
        .cargo_target()
        .join(guest_toolchain::TARGET)
        .join(guest_toolchain::PROFILE)
        .join(format!("{}.wasm", plugin.library));
    let mut cargo = workspace.cargo();
    toolchain
        .select(cargo.arg("build"))
        .args(["--package", &plugin.package]);
    // The first build takes a while and shows its progress; later ones have nothing to say unless they fail.
    if built.exists() {
        cargo.arg("--quiet");
    }
    workspace::run(&mut cargo)?;

    let module = fs::read(&built).with_context(|| {
        format!(
            "cargo made no {}; has its Cargo.toml crate-type = [\"cdylib\", \"rlib\"]?",
            workspace.shown(&built)
        )
    })?;
    if let Some(folder) = toolchain.shown_in(&module) {
        bail!(
            "it holds the path {}, so that its bytes are others elsewhere; does a macro write a file's path into it?",
            folder.display()
        );
    }
    let file = output.join(format!("{}.wasm", plugin.name));
    let stamp = Stamp::of(&built, &module, &plugin.embedded)?;
    let mut what = "unchanged";
    if !stamp.is_current(&file) {
        let bytes = component::encode(&module, &plugin.embedded)?;
        if fs::read(&file).ok().as_ref() != Some(&bytes) {
            write_atomically(&file, &bytes)?;
            what = "rebuilt";
        }
        stamp.save(&file)?;
    }
    let size = fs::metadata(&file)?.len();
    eprintln!(
        "{:<40} {:>6.1} kB  {what}",
        workspace.shown(&file).to_string(),
        size as f64 / 1000.0
    );
    ensure!(
        size <= plugin.max_size_kb * 1000,
        "it has {size} bytes, and {} kB are allowed; which dependency is it? If it must be, say \
         `[package.metadata.batchgen] max-size-kb` in its Cargo.toml, and why",
        plugin.max_size_kb
    );
    Ok(())
}

/// Removes what was built from plugins that are no more, so that the host does not run them.
fn remove_others(workspace: &Workspace, plugins: &[PluginFolder], output: &Path) -> Result<()> {
    let expected: BTreeSet<_> = plugins
        .iter()
        .map(|plugin| format!("{}.wasm", plugin.name))
        .collect();
    for entry in fs::read_dir(output)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".wasm") && !expected.contains(name) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            eprintln!(
                "{:<40} {:>10}  removed: no such plugin any more",
                workspace.shown(&path).to_string(),
                ""
            );
        }
    }
    Ok(())
}

/// Other processes see the old file or the new one, never a part.
fn write_atomically(file: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = file.with_extension(format!("tmp-{}", std::process::id()));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, file))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// What a plugin was last encoded from: encoding takes longer than all else when nothing has changed.
struct Stamp {
    path: PathBuf,
    inputs: u64,
}

impl Stamp {
    fn of(built: &Path, module: &[u8], embedded: &str) -> Result<Self> {
        let encoder = fs::metadata(env::current_exe()?)?;
        let inputs = digest(&(
            module,
            embedded,
            component::SECTION,
            encoder.len(),
            encoder.modified()?,
        ));
        Ok(Self {
            path: built.with_extension("stamp"),
            inputs,
        })
    }

    fn is_current(&self, file: &Path) -> bool {
        let Ok(bytes) = fs::read(file) else {
            return false;
        };
        fs::read_to_string(&self.path).is_ok_and(|saved| saved == self.text(&bytes))
    }

    fn save(&self, file: &Path) -> Result<()> {
        let text = self.text(&fs::read(file)?);
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn text(&self, bytes: &[u8]) -> String {
        format!("{:016x} {:016x}\n", self.inputs, digest(&bytes))
    }
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
