//! Finds plugin files, verifies them before anything runs, and compiles them. A broken plugin is an
//! error of its own and does not keep the others from loading.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::ComponentPre;
use super::cache::Known;
use super::engine::Engine;
use super::inspect::{Contents, inspect};
use super::manifest::{Package, SECTION};
use super::sandbox::State;
use super::wasi;
use crate::core::digest::Digest;

/// Largest plugin file: a Python guest with its interpreter has 18 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Where the names of the contract's interfaces begin.
const CONTRACT_PACKAGE: &str = "batchgen:component/";
/// The version of the contract that is offered. Released ones are offered for ever (docs/CONTRACT.md).
const CONTRACT_VERSION: &str = "0.1.0";
/// What a component may import, beside an empty WASI; anything else is refused by name.
const CONTRACT: [&str; 3] = [
    "batchgen:component/types@0.1.0",
    "batchgen:component/llm@0.1.0",
    "batchgen:component/log@0.1.0",
];

/// A plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The directory cannot be read.
    #[error(
        "cannot read the plugin directory {directory}: {cause}\nhint: build the plugins with `cargo xtask build-plugins`, or name their directory with --plugins DIR"
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        cause: String,
    },
    /// There is no plugin in the directory.
    #[error(
        "no plugin (*.wasm) in {directory}\nhint: build the plugins with `cargo xtask build-plugins`, or name their directory with --plugins DIR"
    )]
    None {
        /// The directory.
        directory: PathBuf,
    },
    /// One file is not a plugin that this host can run.
    #[error("plugin {file} cannot be used: {cause}\nhint: {hint}")]
    Refused {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
        /// What to do.
        hint: String,
    },
    /// Two files give the same plugin.
    #[error("plugin `{name}` comes from two files, {first} and {second}\nhint: remove one of them")]
    Twice {
        /// Name of the plugin.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// A plugin that is ready to run.
pub struct Plugin {
    /// Manifest and prompts.
    pub package: Package,
    /// Hash of the file.
    pub digest: Digest,
    /// Where it came from.
    pub file: PathBuf,
    /// Its size, bytes.
    pub size: u64,
    /// Version of the contract that it was built against.
    pub contract: String,
    pub(super) pre: ComponentPre<State>,
    pub(super) engine: wasmtime::Engine,
}

/// An interface or a function at a plugin's border.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Port {
    /// Its name, with its version.
    pub name: String,
    /// Functions of an interface that are used; none for a function.
    pub functions: Vec<String>,
}

impl Plugin {
    /// What it imports, by name.
    pub fn imports(&self) -> Vec<Port> {
        let component = self.pre.instance_pre().component().component_type();
        let imports = component.imports(&self.engine);
        self.ports(imports.map(|(name, item)| (name, item.ty)))
    }

    /// What it exports, by name.
    pub fn exports(&self) -> Vec<Port> {
        let component = self.pre.instance_pre().component().component_type();
        let exports = component.exports(&self.engine);
        self.ports(exports.map(|(name, item)| (name, item.ty)))
    }

    fn ports<'a>(&self, items: impl Iterator<Item = (&'a str, ComponentItem)>) -> Vec<Port> {
        let mut ports: Vec<Port> = items
            .filter_map(|(name, item)| {
                let functions = match &item {
                    ComponentItem::ComponentInstance(instance) => instance
                        .exports(&self.engine)
                        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
                        .map(|(name, _)| name.to_owned())
                        .collect(),
                    ComponentItem::ComponentFunc(_) => Vec::new(),
                    _ => return None,
                };
                let name = name.to_owned();
                Some(Port { name, functions })
            })
            .collect();
        ports.sort();
        ports
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("file", &self.file)
            .field("digest", &self.digest)
            .finish()
    }
}

/// Loads every `*.wasm` of a directory, in order of name. Broken ones are listed apart.
///
/// # Errors
/// When the directory cannot be read or has no plugin file, or two files give one name.
pub fn load_all(
    engine: &Engine,
    directory: &Path,
) -> Result<(Vec<Arc<Plugin>>, Vec<PluginError>), PluginError> {
    let unreadable = |error: std::io::Error| PluginError::Directory {
        directory: directory.to_owned(),
        cause: error.to_string(),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(PluginError::None {
            directory: directory.to_owned(),
        });
    }
    files.sort();
    let mut plugins: Vec<Arc<Plugin>> = Vec::new();
    let mut broken = Vec::new();
    for file in files {
        match load(engine, &file) {
            Err(error) => broken.push(error),
            Ok(plugin) => {
                let name = &plugin.package.manifest.plugin.name;
                if let Some(other) = plugins
                    .iter()
                    .find(|other| other.package.manifest.plugin.name == *name)
                {
                    return Err(PluginError::Twice {
                        name: name.clone(),
                        first: other.file.clone(),
                        second: file,
                    });
                }
                plugins.push(Arc::new(plugin));
            }
        }
    }
    Ok((plugins, broken))
}

/// Loads one plugin file.
///
/// # Errors
/// [`PluginError::Refused`] says what is wrong with the file.
pub fn load(engine: &Engine, file: &Path) -> Result<Plugin, PluginError> {
    let refused = |cause: String, hint: &str| PluginError::Refused {
        file: file.to_owned(),
        cause,
        hint: hint.to_owned(),
    };
    let metadata = fs::metadata(file).map_err(|error| refused(error.to_string(), REBUILD))?;
    if metadata.len() > MAX_BYTES {
        return Err(refused(
            format!(
                "it has {} bytes, and {MAX_BYTES} are allowed",
                metadata.len()
            ),
            "strip debug information from it",
        ));
    }
    if let Some((digest, contents, component)) = engine.cache.find(&engine.wasmtime, &metadata) {
        let package = accepted(&contents).map_err(|(cause, hint)| refused(cause, hint))?;
        let pre = link(engine, &component, &contents.imports)
            .map_err(|(cause, hint)| refused(cause, hint))?;
        return Ok(Plugin {
            package,
            digest,
            file: file.to_owned(),
            size: metadata.len(),
            contract: contract(&contents),
            pre,
            engine: engine.wasmtime.clone(),
        });
    }
    let bytes = fs::read(file).map_err(|error| refused(error.to_string(), REBUILD))?;
    let contents = inspect(&bytes).map_err(|cause| refused(cause, REBUILD))?;
    let package = accepted(&contents).map_err(|(cause, hint)| refused(cause, hint))?;
    let digest = Digest::of(&bytes);
    let compile = || Component::new(&engine.wasmtime, &bytes);
    let component = engine
        .cache
        .component(&engine.wasmtime, &digest, compile)
        .map_err(|error| refused(format!("it does not compile: {error:#}"), REBUILD))?;
    let pre = link(engine, &component, &contents.imports)
        .map_err(|(cause, hint)| refused(cause, hint))?;
    let plugin = Plugin {
        package,
        digest,
        file: file.to_owned(),
        size: metadata.len(),
        contract: contract(&contents),
        pre,
        engine: engine.wasmtime.clone(),
    };
    let known = Known {
        digest: *digest.as_bytes(),
        contents,
    };
    engine.cache.note(&metadata, &known);
    Ok(plugin)
}

const REBUILD: &str = "build it again with `cargo xtask build-plugins`";

/// What is wrong with a file, and what to do.
pub(super) type Fault = (String, &'static str);

/// Version of the contract that it was built against: its world names the contract's types, so one is always there.
fn contract(contents: &Contents) -> String {
    let mut versions = contents.imports.iter().filter_map(|import| version(import));
    versions.next().unwrap_or_default().to_owned()
}

/// A version of the contract that it names and this host does not offer.
fn other_version(contents: &Contents) -> Option<&str> {
    let mut versions = contents.imports.iter().filter_map(|import| version(import));
    versions.find(|version| *version != CONTRACT_VERSION)
}

/// The version of an interface of the contract.
fn version(import: &str) -> Option<&str> {
    let (_, version) = import.strip_prefix(CONTRACT_PACKAGE)?.split_once('@')?;
    Some(version)
}

/// The manifest of a file that the host accepts.
pub(super) fn accepted(contents: &Contents) -> Result<Package, Fault> {
    let package = contents.package.as_deref().ok_or_else(|| {
        (
            format!("it has no `{SECTION}` section"),
            "a plugin carries its manifest; `cargo xtask build-plugins` adds it from plugin.toml",
        )
    })?;
    let correct = "correct plugin.toml and build it again";
    let package: Package = serde_json::from_slice(package)
        .map_err(|error| (format!("its manifest is not valid: {error}"), correct))?;
    if let Some(fault) = package.manifest.fault() {
        return Err((format!("its manifest is not valid: {fault}"), correct));
    }
    if let Some(version) = other_version(contents) {
        return Err((
            format!(
                "it was built against version {version} of the contract, and this batchgen offers {CONTRACT_VERSION}"
            ),
            "use a batchgen that offers it, or build the plugin against wit/component.wit of this one (docs/CONTRACT.md)",
        ));
    }
    let offered = |import: &str| CONTRACT.contains(&import) || wasi::offers(import);
    match contents.imports.iter().find(|import| !offered(import)) {
        None => Ok(package),
        Some(import) => Err((
            format!("it imports `{import}`, which the contract does not offer"),
            "a component has no clock, files, network or environment; build it for \
             wasm32-unknown-unknown against wit/component.wit of this version",
        )),
    }
}

/// Gives the component what it imports: the contract, and an empty WASI where it asks for WASI.
fn link(
    engine: &Engine,
    component: &Component,
    imports: &[String],
) -> Result<ComponentPre<State>, Fault> {
    let mismatch = |error: wasmtime::Error| {
        (
            format!("it does not fit the contract: {error:#}"),
            "build it against wit/component.wit of this version",
        )
    };
    let mut linker = Linker::new(&engine.wasmtime);
    super::bindings::Component::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
        .map_err(mismatch)?;
    if imports.iter().any(|import| wasi::offers(import)) {
        wasi::add_to_linker(&mut linker, component).map_err(mismatch)?;
    }
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
    ComponentPre::new(pre).map_err(mismatch)
}
