//! `batchgen plugins inspect`: all that stands in one plugin file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::super::display::{Display, emit, say};
use super::super::exit::{Exit, Failure};
use super::super::store::bytes;
use super::{Folder, FolderArgs, engine};
use plugin::load::{self, Plugin, Port};
use types::suggest::closest;

/// Show what a plugin imports and exports, its manifest and its prompts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins inspect text
  batchgen plugins inspect safety-notes.wasm --json")]
pub(super) struct InspectArgs {
    /// A .wasm file, or the name of a plugin
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &InspectArgs, display: &Display) -> Result<Exit, Failure> {
    let plugin = find(&args.plugin, &args.folder, display)?;
    plugin.compile().map_err(Failure::usage)?;
    if args.json {
        emit(&json!({
            "file": plugin.origin.file(),
            "size_bytes": plugin.size,
            "digest": plugin.digest,
            "contract": plugin.contract,
            "imports": plugin.imports(),
            "exports": plugin.exports(),
            "manifest": plugin.package.manifest,
            "prompts": plugin.package.prompts,
        }));
    } else {
        say(&render(&plugin).map_err(Failure::internal)?);
    }
    Ok(Exit::Done)
}

/// The plugin of a file, or of a name in the folder.
pub(super) fn find(
    plugin: &str,
    folder: &FolderArgs,
    display: &Display,
) -> Result<Arc<Plugin>, Failure> {
    if plugin.ends_with(".wasm") {
        let file = Path::new(plugin);
        return load::load(&engine(folder.config.as_deref())?, file)
            .map(Arc::new)
            .map_err(Failure::usage);
    }
    let folder = Folder::open(folder, display)?;
    let names = || {
        let plugins = folder.plugins.iter();
        plugins.map(|plugin| plugin.package.manifest.plugin.name.as_str())
    };
    let place = names().position(|name| name == plugin);
    let found = place.and_then(|place| folder.plugins.get(place)).cloned();
    found.ok_or_else(|| {
        let meant = closest(plugin, names())
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        Failure::usage(anyhow!(
            "there is no plugin `{plugin}` in {}\nhint: {meant}The plugins are: {}. A file is named with its ending, .wasm",
            folder.places.directory.display(),
            names().collect::<Vec<_>>().join(", ")
        ))
    })
}

fn render(plugin: &Plugin) -> anyhow::Result<String> {
    let mut text = format!(
        "{}: {}, contract {}\nsha256 {}\n",
        plugin.origin,
        bytes(plugin.size),
        plugin.contract,
        plugin.digest
    );
    for (what, ports) in [("imports", plugin.imports()), ("exports", plugin.exports())] {
        let _ = writeln!(text, "\n{what}");
        ports.iter().for_each(|port| line(&mut text, port));
    }
    let manifest = toml::to_string(&plugin.package.manifest)?;
    let _ = write!(text, "\nmanifest\n{}", indented(&manifest));
    for (name, prompt) in &plugin.package.prompts {
        let _ = write!(text, "\nprompt {name}\n{}", indented(prompt));
    }
    Ok(text)
}

fn line(text: &mut String, port: &Port) {
    let _ = match port.functions.as_slice() {
        [] => writeln!(text, "    {}", port.name),
        functions => writeln!(text, "    {}: {}", port.name, functions.join(", ")),
    };
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("    {line}\n"),
    });
    lines.collect()
}
