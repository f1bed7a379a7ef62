//! A plugin's source: a folder with a `plugin.toml`, prompt files, and a cargo package or one file in another language.
//!
//! Reads only what the build needs. Whether a manifest makes sense is for the host to say, which alone knows what its
//! keys mean.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::workspace::Workspace;

/// Largest plugin in Rust, kB of 1000 bytes, unless its `Cargo.toml` says `[package.metadata.batchgen] max-size-kb`.
const MAX_SIZE_KB: u64 = 300;

/// One plugin's source.
pub struct PluginFolder {
    pub folder: PathBuf,
    /// Name of the plugin and of its folder.
    pub name: String,
    /// What it is written in.
    pub source: Source,
    /// Components whose output is reviewed: those of its `examples.toml`, or the one of its own name.
    pub reviewed: Vec<String>,
    /// What the build embeds in the `.wasm`: manifest and prompts, as JSON in a fixed order.
    pub embedded: String,
}

/// What a plugin is written in.
pub enum Source {
    Rust {
        package: String,
        /// Name of its library, as in the names of the files that cargo makes.
        library: String,
        /// Largest file that it may become, kB of 1000 bytes.
        max_size_kb: u64,
    },
    /// `component.py`: with an interpreter, of whatever size that is.
    Python,
    /// `component.js`, likewise.
    JavaScript,
}

/// The plugins in `parent`, by name: every folder in it that has a `plugin.toml`.
///
/// # Errors
/// When a file of one of them cannot be read or is wrong, with file, place and cause.
pub fn find_all(workspace: &Workspace, parent: &Path) -> Result<Vec<PluginFolder>> {
    folders(parent)?
        .iter()
        .map(|folder| read(workspace, folder))
        .collect()
}

/// The folders in `parent` that have a `plugin.toml`, by name.
///
/// # Errors
/// When `parent` cannot be read.
pub fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in
        fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?
    {
        let folder = entry?.path();
        if folder.join("plugin.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn read(workspace: &Workspace, folder: &Path) -> Result<PluginFolder> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{}: a folder's name must be UTF-8", folder.display()))?
        .to_owned();
    let manifest_path = folder.join("plugin.toml");
    let manifest = read_toml(workspace, &manifest_path)?;
    let named = manifest
        .get("plugin")
        .and_then(|plugin| plugin.get("name"))
        .and_then(toml::Value::as_str);
    ensure!(
        named == Some(&name),
        "{}: [plugin] name must be the folder's name; write name = \"{name}\"",
        workspace.shown(&manifest_path)
    );

    let source = source(workspace, folder)?;
    let manifest = to_json(&toml::Value::Table(manifest))
        .with_context(|| workspace.shown(&manifest_path).to_string())?;
    let prompts = read_prompts(workspace, &folder.join("prompts"))?;
    let examples = folder.join("examples.toml");
    let reviewed = if examples.is_file() {
        let examples = read_toml(workspace, &examples)?;
        let components = examples.get("component").and_then(toml::Value::as_table);
        components.map_or_else(Vec::new, |components| components.keys().cloned().collect())
    } else {
        vec![name.clone()]
    };
    Ok(PluginFolder {
        folder: folder.to_owned(),
        name,
        source,
        reviewed,
        embedded: json!({ "manifest": manifest, "prompts": prompts }).to_string(),
    })
}

fn source(workspace: &Workspace, folder: &Path) -> Result<Source> {
    let cargo_path = folder.join("Cargo.toml");
    if cargo_path.is_file() {
        let cargo = read_toml(workspace, &cargo_path)?;
        let name_in = |table: &str| cargo.get(table)?.get("name")?.as_str();
        let package = name_in("package")
            .with_context(|| format!("{}: no [package] name", workspace.shown(&cargo_path)))?;
        let max_size_kb = cargo
            .get("package")
            .and_then(|package| package.get("metadata")?.get("batchgen")?.get("max-size-kb"))
            .and_then(toml::Value::as_integer)
            .and_then(|size| u64::try_from(size).ok());
        return Ok(Source::Rust {
            package: package.to_owned(),
            library: name_in("lib").unwrap_or(package).replace('-', "_"),
            max_size_kb: max_size_kb.unwrap_or(MAX_SIZE_KB),
        });
    }
    if folder.join("component.py").is_file() {
        return Ok(Source::Python);
    }
    if folder.join("component.js").is_file() {
        return Ok(Source::JavaScript);
    }
    bail!(
        "{}: it has no source; write a cargo package, a component.py or a component.js",
        workspace.shown(folder)
    )
}

fn read_toml(workspace: &Workspace, path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", workspace.shown(path)))?;
    // The parser's message gives line, column and the line itself.
    toml::from_str(&text).map_err(|error| {
        anyhow::anyhow!(
            "{}: {}",
            workspace.shown(path),
            error.to_string().trim_end()
        )
    })
}

/// The same value as JSON. TOML tables come sorted by key, so the order is fixed.
fn to_json(value: &toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => match serde_json::Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => bail!("{number} has no place in JSON; use a finite number"),
        },
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(date) => {
            bail!("a bare date ({date}) has no place in JSON; put it in quotes")
        }
        toml::Value::Array(values) => values.iter().map(to_json).collect::<Result<_>>()?,
        toml::Value::Table(table) => {
            let mut object = Map::new();
            for (key, value) in table {
                object.insert(
                    key.clone(),
                    to_json(value).with_context(|| format!("key `{key}`"))?,
                );
            }
            Value::Object(object)
        }
    })
}

/// The prompt files `*.md` by their names without the ending. A plugin that asks nothing has none.
fn read_prompts(workspace: &Workspace, folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut prompts = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(prompts);
    }
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", workspace.shown(folder)))?
    {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", workspace.shown(&path)))?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem =
            stem.with_context(|| format!("{}: a file's name must be UTF-8", path.display()))?;
        prompts.insert(stem.to_owned(), text);
    }
    Ok(prompts)
}
