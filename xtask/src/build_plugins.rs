//! `cargo xtask build-plugins`: builds every plugin of the repository into one `.wasm` each.
//!
//! Plugins are found, never listed. Each is built by its own cargo invocation: together, one plugin's dependencies
//! would change the features, and so the bytes, of another. Paths of this machine are remapped, so that the bytes depend
//! on source and toolchain alone. Plugins in other languages are built by `foreign`.

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
    foreign::{self, Language},
    guest_toolchain::{self, GuestToolchain},
    plugin_folder::{self, PluginFolder, Source},
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
        let left_out = examples(workspace)?;
        if !left_out.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
    } else {
        bundled(workspace)?;
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
    )?;
    embed(workspace)
}

/// The plugins that go into the program, as the host's build script knows them.
const EMBEDDED: [&str; 2] = ["prompt", "judge"];

/// Puts the plugins that go into the program where the program's build finds them; an empty file, where there is none.
fn embed(workspace: &Workspace) -> Result<()> {
    let folder = workspace.embedded_plugins();
    fs::create_dir_all(&folder)?;
    for name in EMBEDDED {
        let file = format!("{name}.wasm");
        let plugin = workspace.plugins().join(&file);
        let bytes = match plugin.exists() {
            true => fs::read(&plugin)?,
            false => Vec::new(),
        };
        let embedded = folder.join(&file);
        // A file that is written anew would make cargo link the program again.
        if fs::read(&embedded).ok().as_ref() != Some(&bytes) {
            write_atomically(&embedded, &bytes)?;
        }
    }
    Ok(())
}

/// Builds the example plugins into `target/example-plugins`. Gives the names of those that were left out, and says
/// why, because what their language needs is not installed.
///
/// # Errors
/// See [`bundled`].
pub fn examples(workspace: &Workspace) -> Result<Vec<String>> {
    build_all(
        workspace,
        &workspace.root().join("plugins/examples"),
        &workspace.example_plugins(),
    )
}

/// Builds one plugin, bundled or example, and those of its folder that were never built.
///
/// # Errors
/// When there is no plugin of this name; else see [`bundled`].
pub fn one(workspace: &Workspace, name: &str) -> Result<PluginFolder> {
    let mut names = Vec::new();
    for (folder, output) in [
        ("plugins", workspace.plugins()),
        ("plugins/examples", workspace.example_plugins()),
    ] {
        let plugins = plugin_folder::find_all(workspace, &workspace.root().join(folder))?;
        let Some(place) = plugins.iter().position(|plugin| plugin.name == name) else {
            names.extend(plugins.into_iter().map(|plugin| plugin.name));
            continue;
        };
        let toolchain = GuestToolchain::prepare(workspace)?;
        fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
        remove_others(workspace, &plugins, &output)?;
        for plugin in &plugins {
            let is_built = output.join(format!("{}.wasm", plugin.name)).exists();
            let missing = Language::of(plugin).and_then(|language| language.missing(workspace));
            if plugin.name == name || !is_built && missing.is_none() {
                build(workspace, plugin, &toolchain, &output)
                    .with_context(|| format!("plugin `{}`", plugin.name))?;
            }
        }
        embed(workspace)?;
        return plugins.into_iter().nth(place).context("the plugin is gone");
    }
    bail!(
        "there is no plugin `{name}`; the plugins are: {}",
        names.join(", ")
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
    .map(drop)
}

fn build_all(workspace: &Workspace, source: &Path, output: &Path) -> Result<Vec<String>> {
    let mut plugins = plugin_folder::find_all(workspace, source)?;
    let toolchain = GuestToolchain::prepare(workspace)?;
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    let mut left_out = Vec::new();
    plugins.retain(|plugin| {
        let missing = Language::of(plugin).and_then(|language| language.missing(workspace));
        if let Some(missing) = missing {
            eprintln!(
                "plugin `{}` is left out: {missing}",
                workspace.shown(&plugin.folder)
            );
            left_out.push(plugin.name.clone());
            return false;
        }
        true
    });
    remove_others(workspace, &plugins, output)?;
    for plugin in &plugins {
        build(workspace, plugin, &toolchain, output)
            .with_context(|| format!("plugin `{}`", plugin.name))?;
    }
    Ok(left_out)
}

fn build(
    workspace: &Workspace,
    plugin: &PluginFolder,
    toolchain: &GuestToolchain,
    output: &Path,
) -> Result<()> {
    let file = output.join(format!("{}.wasm", plugin.name));
    let what = match (&plugin.source, Language::of(plugin)) {
        (
            Source::Rust {
                package, library, ..
            },
            _,
        ) => build_rust(workspace, plugin, package, library, toolchain, &file)?,
        (_, Some(language)) => build_foreign(workspace, plugin, language, &file)?,
        (_, None) => bail!("nothing builds its language"),
    };
    let size = fs::metadata(&file)?.len();
    eprintln!(
        "{:<46} {:>8.1} kB  {what}",
        workspace.shown(&file).to_string(),
        size as f64 / 1000.0
    );
    if let Source::Rust { max_size_kb, .. } = plugin.source {
        ensure!(
            size <= max_size_kb * 1000,
            "it has {size} bytes, and {max_size_kb} kB are allowed; which dependency is it? If it must be, say \
             `[package.metadata.batchgen] max-size-kb` in its Cargo.toml, and why"
        );
    }
    Ok(())
}

fn build_foreign(
    workspace: &Workspace,
    plugin: &PluginFolder,
    language: Language,
    file: &Path,
) -> Result<&'static str> {
    let inputs = foreign::inputs(workspace, plugin, language)?;
    let built = workspace
        .guest_tools()
        .join(format!("{}.wasm", plugin.name));
    // The tools that encode are among the inputs, not in this program.
    let stamp = Stamp {
        path: built.with_extension("stamp"),
        inputs: digest(&(&inputs, &plugin.embedded, component::SECTION)),
    };
    if stamp.is_current(file) {
        return Ok("unchanged");
    }
    language.install(workspace)?;
    language.componentize(workspace, plugin, &built)?;
    let component = fs::read(&built)
        .with_context(|| format!("the tool made no {}", workspace.shown(&built)))?;
    write_atomically(file, &component::embed(component, &plugin.embedded))?;
    stamp.save(file)?;
    Ok("rebuilt")
}

fn build_rust(
    workspace: &Workspace,
    plugin: &PluginFolder,
    package: &str,
    library: &str,
    toolchain: &GuestToolchain,
    file: &Path,
) -> Result<&'static str> {
    let built = workspace
        .cargo_target()
        .join(guest_toolchain::TARGET)
        .join(guest_toolchain::PROFILE)
        .join(format!("{library}.wasm"));
    let mut cargo = workspace.cargo();
    // As this crate type alone: beside others cargo does no link-time optimization.
    toolchain
        .select(cargo.arg("rustc"))
        .args(["--package", package, "--crate-type", "cdylib"]);
    // The first build takes a while and shows its progress; later ones have nothing to say unless they fail.
    if built.exists() {
        cargo.arg("--quiet");
    }
    cargo.args(["--", guest_toolchain::SHORT_CALLS]);
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
    let stamp = Stamp::of(&built, &module, &plugin.embedded)?;
    if stamp.is_current(file) {
        return Ok("unchanged");
    }
    let bytes = component::encode(&module, &plugin.embedded)?;
    let same = fs::read(file).ok().as_ref() == Some(&bytes);
    if !same {
        write_atomically(file, &bytes)?;
    }
    stamp.save(file)?;
    Ok(if same { "unchanged" } else { "rebuilt" })
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
