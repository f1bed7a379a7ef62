//! Finds plugin files, verifies them before anything runs, and compiles them. A broken plugin is an
//! error of its own and does not keep the others from loading.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, Validator};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::bindings::ComponentPre;
use super::manifest::{Package, SECTION};
use super::sandbox::State;
use crate::core::digest::Digest;

/// Largest plugin file: a Python guest with its interpreter has 18 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What a component may import; anything else is refused by name.
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
    pub(super) pre: ComponentPre<State>,
    pub(super) engine: Engine,
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
    let rebuild = "build it again with `cargo xtask build-plugins`";
    let size = fs::metadata(file)
        .map_err(|error| refused(error.to_string(), rebuild))?
        .len();
    if size > MAX_BYTES {
        return Err(refused(
            format!("it has {size} bytes, and {MAX_BYTES} are allowed"),
            "strip debug information from it",
        ));
    }
    let bytes = fs::read(file).map_err(|error| refused(error.to_string(), rebuild))?;
    let contents = inspect(&bytes).map_err(|cause| refused(cause, rebuild))?;
    let package = contents.package.ok_or_else(|| {
        refused(
            format!("it has no `{SECTION}` section"),
            "a plugin carries its manifest; `cargo xtask build-plugins` adds it from plugin.toml",
        )
    })?;
    let package: Package = serde_json::from_slice(&package).map_err(|error| {
        refused(
            format!("its manifest is not valid: {error}"),
            "correct plugin.toml and build it again",
        )
    })?;
    if let Some(fault) = package.manifest.fault() {
        return Err(refused(
            format!("its manifest is not valid: {fault}"),
            "correct plugin.toml and build it again",
        ));
    }
    if let Some(import) = contents
        .imports
        .iter()
        .find(|import| !CONTRACT.contains(&import.as_str()))
    {
        return Err(refused(
            format!("it imports `{import}`, which the contract does not offer"),
            "a component has no clock, files, network or environment; build it for \
             wasm32-unknown-unknown against wit/component.wit of this version",
        ));
    }
    let component = Component::new(engine, &bytes)
        .map_err(|error| refused(format!("it does not compile: {error:#}"), rebuild))?;
    let mismatch = |error: wasmtime::Error| {
        refused(
            format!("it does not fit the contract: {error:#}"),
            "build it against wit/component.wit of this version",
        )
    };
    let mut linker = Linker::new(engine);
    super::bindings::Component::add_to_linker::<State, wasmtime::component::HasSelf<State>>(
        &mut linker,
        |state| state,
    )
    .map_err(mismatch)?;
    let pre = linker.instantiate_pre(&component).map_err(mismatch)?;
    let pre = ComponentPre::new(pre).map_err(mismatch)?;
    Ok(Plugin {
        package,
        digest: Digest::of(&bytes),
        file: file.to_owned(),
        pre,
        engine: engine.clone(),
    })
}

struct Contents {
    package: Option<Vec<u8>>,
    imports: Vec<String>,
}

/// Validates the whole file, and reads what lies in its outermost component. Done before compiling,
/// because a compiler given invalid bytes may panic.
fn inspect(bytes: &[u8]) -> Result<Contents, String> {
    if !Parser::is_component(bytes) {
        return Err("it is not a WASM component".to_owned());
    }
    Validator::new()
        .validate_all(bytes)
        .map_err(|error| format!("it is not valid WASM: {error}"))?;
    let mut contents = Contents {
        package: None,
        imports: Vec::new(),
    };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| error.to_string())? {
            Payload::Version {
                encoding: Encoding::Component | Encoding::Module,
                ..
            } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                contents.package = Some(section.data().to_vec());
            }
            Payload::ComponentImportSection(imports) if depth == 1 => {
                for import in imports {
                    let import = import.map_err(|error| error.to_string())?;
                    // A type brings nothing in: the world names those that its export uses.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        contents.imports.push(import.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(contents)
}
