//! `batchgen plugins pack`: puts manifest and prompts into what a compiler made.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::super::args::ForceArgs;
use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::guard::Guard;
use super::super::store::bytes;
use plugin::pack::{PackError, name_of, pack};

/// Make a plugin of a component, or of a module for wasm32-unknown-unknown: with its manifest and the prompts beside
/// that in prompts/*.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins pack component.wasm
  batchgen plugins pack component.wasm --manifest plugin.toml --output safety-notes.wasm")]
pub(super) struct PackArgs {
    /// What the compiler made
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Manifest
    #[arg(long, value_name = "FILE", default_value = "plugin.toml")]
    manifest: PathBuf,
    /// The plugin; NAME.wasm in the working directory where absent
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PackArgs, display: &Display) -> Result<Exit, Failure> {
    let manifest = fs::read_to_string(&args.manifest).map_err(|error| {
        Failure::usage(anyhow::anyhow!(
            "cannot read the manifest {}: {error}\nhint: name another with --manifest FILE",
            args.manifest.display()
        ))
    })?;
    let beside = args.manifest.parent().unwrap_or(Path::new(""));
    let prompts = prompts(&beside.join("prompts")).map_err(Failure::usage)?;
    let binary = fs::read(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))
        .map_err(Failure::usage)?;
    let (package, plugin) = pack(&binary, &manifest, prompts).map_err(|error| {
        let file = match &error {
            PackError::Manifest { .. } => &args.manifest,
            PackError::Encode { .. } | PackError::Refused { .. } => &args.file,
        };
        Failure::usage(anyhow::anyhow!("{}: {error}", file.display()))
    })?;
    let name = format!("{}.wasm", package.manifest.plugin.name);
    let output = args.output.clone().unwrap_or_else(|| name.into());
    // The plugin as it was packed before is what a build replaces.
    let is_own = |file: &Path| {
        let before = fs::read(file).ok().and_then(|before| name_of(&before));
        before.is_some_and(|before| before == package.manifest.plugin.name)
    };
    let mut writing = Guard::of_place(&args.force)
        .begin_unless(Some(&output), is_own)
        .map_err(Failure::usage)?;
    writing.write_all(&plugin).map_err(Failure::internal)?;
    writing.publish().map_err(Failure::internal)?;
    let size = bytes(plugin.len() as u64);
    display.note(&format!("packed {}, {size}", output.display()));
    Ok(Exit::Done)
}

/// `prompts/*.md` by their names without the ending; a plugin that asks nothing has none.
fn prompts(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut prompts = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(prompts);
    }
    let unreadable = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let (Some(stem), true) = (stem, path.extension().is_some_and(|end| end == "md")) else {
            continue;
        };
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        prompts.insert(stem.to_owned(), text);
    }
    Ok(prompts)
}
