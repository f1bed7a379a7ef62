//! Finds plugins and reads their manifests; verifies and compiles those that are used. A broken plugin is an
//! error of its own and does not keep the others from loading.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::cache::Known;
use super::compile::CompileError;
use super::contract::{self, Code};
use super::engine::Engine;
use super::inspect::{Contents, code_size, inspect, validate};
use super::manifest::{Package, SECTION};
use super::wasi;
use types::digest::Digest;

/// Largest plugin file: a Python guest with its interpreter has 18 MB.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// What a component exports.
const EXPORT: &str = "generate";

/// A plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The directory cannot be read.
    #[error("cannot read the plugin directory {directory}: {cause}")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        cause: String,
    },
    /// There is no plugin in the directory, and none in the program.
    #[error("no plugin (*.wasm) in {directory}")]
    None {
        /// The directory.
        directory: PathBuf,
    },
    /// One plugin cannot be run by this host.
    #[error("plugin {origin} cannot be used: {cause}\nhint: {hint}")]
    Refused {
        /// Where it is.
        origin: Origin,
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
        first: Origin,
        /// The other.
        second: Origin,
    },
}

impl PluginError {
    /// Name of the plugin that is lost by it, as far as the file's name tells it.
    pub fn plugin(&self) -> Option<&str> {
        match self {
            PluginError::Refused {
                origin: Origin::File(file),
                ..
            } => file.file_stem()?.to_str(),
            PluginError::Twice { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// Where a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File(PathBuf),
    /// In the program itself.
    Embedded(&'static [u8]),
}

impl Origin {
    /// Its file; `None` for one that is in the program.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Origin::File(file) => Some(file),
            Origin::Embedded(_) => None,
        }
    }

    /// The bytes of the plugin.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn read(&self) -> std::io::Result<Cow<'static, [u8]>> {
        match self {
            Origin::File(file) => Ok(Cow::Owned(fs::read(file)?)),
            Origin::Embedded(bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(file) => write!(f, "{}", file.display()),
            Origin::Embedded(_) => f.write_str("(built in)"),
        }
    }
}

/// A plugin whose manifest is known. Its code is compiled when it is first used.
pub struct Plugin {
    /// Manifest and prompts.
    pub package: Package,
    /// Hash of the file.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// Its size, bytes.
    pub size: u64,
    /// Version of the contract that it was built against.
    pub contract: String,
    pub(super) engine: Engine,
    /// Names of all that it imports, other than types.
    imports: Vec<String>,
    code: OnceLock<Result<Code, Fault>>,
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
    /// Verifies and compiles it, unless that was done before.
    ///
    /// # Errors
    /// [`PluginError::Refused`] says what is wrong with its code.
    pub fn compile(&self) -> Result<(), PluginError> {
        self.code().map(drop)
    }

    /// Its code, compiled at the first call.
    pub(super) fn code(&self) -> Result<&Code, PluginError> {
        let code = self.code.get_or_init(|| self.compiled());
        code.as_ref()
            .map_err(|(cause, hint)| self.refused(cause.clone(), hint))
    }

    fn compiled(&self) -> Result<Code, Fault> {
        let wasmtime = &self.engine.wasmtime;
        let compile = || self.made().map_err(Uncompiled);
        let component = self
            .engine
            .cache
            .component(wasmtime, &self.digest, compile)
            .map_err(|Uncompiled(fault)| fault)?;
        link(&self.engine, &component, &self.imports, &self.contract)
    }

    /// Compiles it.
    fn made(&self) -> Result<Vec<u8>, Fault> {
        let bytes = self
            .origin
            .read()
            .map_err(|error| (error.to_string(), REBUILD))?;
        if Digest::of(&bytes) != self.digest {
            return Err((
                "the file changed after its manifest was read".to_owned(),
                "run the command again",
            ));
        }
        let Some(compiler) = &self.engine.compiler else {
            validate(&bytes).map_err(|cause| (cause, REBUILD))?;
            let compiled = self.engine.wasmtime.precompile_component(&bytes);
            return compiled.map_err(|error| (format!("it does not compile: {error:#}"), REBUILD));
        };
        let name = &self.package.manifest.plugin.name;
        let compiled = compiler.compile(name, &bytes, code_size(&bytes));
        compiled.map_err(|error| {
            let hint = match error {
                CompileError::Plugin(_) => REBUILD,
                CompileError::TooMuch { .. } => {
                    "make it smaller or simpler, and build it with optimizations; do not use it if you do not know who made it"
                }
                CompileError::Process(_) => "run the command again",
            };
            (error.to_string(), hint)
        })
    }

    fn refused(&self, cause: String, hint: &str) -> PluginError {
        PluginError::Refused {
            origin: self.origin.clone(),
            cause,
            hint: hint.to_owned(),
        }
    }

    /// What it imports, by name; nothing where it does not compile.
    pub fn imports(&self) -> Vec<Port> {
        self.code().map_or_else(
            |_| Vec::new(),
            |code| {
                let component = code.component().component_type();
                let imports = component.imports(&self.engine.wasmtime);
                self.ports(imports.map(|(name, item)| (name, item.ty)))
            },
        )
    }

    /// What it exports, by name; nothing where it does not compile.
    pub fn exports(&self) -> Vec<Port> {
        self.code().map_or_else(
            |_| Vec::new(),
            |code| {
                let component = code.component().component_type();
                let exports = component.exports(&self.engine.wasmtime);
                self.ports(exports.map(|(name, item)| (name, item.ty)))
            },
        )
    }

    fn ports<'a>(&self, items: impl Iterator<Item = (&'a str, ComponentItem)>) -> Vec<Port> {
        let mut ports: Vec<Port> = items
            .filter_map(|(name, item)| {
                let functions = match &item {
                    ComponentItem::ComponentInstance(instance) => instance
                        .exports(&self.engine.wasmtime)
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
            .field("origin", &self.origin.to_string())
            .field("digest", &self.digest)
            .finish()
    }
}

/// Where plugins are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The directory of plugin files.
    pub directory: PathBuf,
    /// Whether somebody named that directory, so that it has to be there.
    pub named: bool,
    /// Files of plugins that the project has from elsewhere. Each counts in place of one of its name that came with the program.
    pub fetched: Vec<PathBuf>,
    /// The plugins in the program itself. Each counts where no file gives a plugin of its name.
    pub embedded: Vec<&'static [u8]>,
}

impl Places {
    /// A directory that has to be there, and nothing else.
    pub fn directory(directory: &Path) -> Places {
        Places {
            directory: directory.to_owned(),
            named: true,
            fetched: Vec::new(),
            embedded: Vec::new(),
        }
    }
}

/// Reads the manifest of every plugin, in order of names; compiles none. Broken ones are listed apart.
///
/// # Errors
/// When the directory cannot be read, or there is no plugin at all.
pub fn load_all(
    engine: &Engine,
    places: &Places,
) -> Result<(Vec<Arc<Plugin>>, Vec<PluginError>), PluginError> {
    let has_others = !places.embedded.is_empty() || !places.fetched.is_empty();
    let files = match files(&places.directory) {
        Err(_) if !places.named && has_others => Vec::new(),
        files => files.map_err(|error| PluginError::Directory {
            directory: places.directory.clone(),
            cause: error.to_string(),
        })?,
    };
    if files.is_empty() && !has_others {
        return Err(PluginError::None {
            directory: places.directory.clone(),
        });
    }
    let mut plugins: Vec<Arc<Plugin>> = Vec::new();
    let mut broken = Vec::new();
    for file in files {
        match read(engine, Origin::File(file)) {
            Err(error) => broken.push(error),
            Ok(plugin) => plugins.push(Arc::new(plugin)),
        }
    }
    for file in &places.fetched {
        let plugin = read(engine, Origin::File(file.clone()))?;
        let name = &plugin.package.manifest.plugin.name;
        // A file of the project's own directory is meant, too: nobody said which.
        plugins.retain(|other| {
            let is_same = other.digest == plugin.digest;
            let is_called = other.package.manifest.plugin.name == *name;
            !is_same && (places.named || !is_called)
        });
        plugins.push(Arc::new(plugin));
    }
    without_doubles(&mut plugins, &mut broken);
    for bytes in &places.embedded {
        let plugin = read(engine, Origin::Embedded(bytes))?;
        let name = &plugin.package.manifest.plugin.name;
        let given = plugins
            .iter()
            .any(|other| other.package.manifest.plugin.name == *name);
        let lost = broken.iter().any(|error| error.plugin() == Some(name));
        if !given && !lost {
            plugins.push(Arc::new(plugin));
        }
    }
    plugins.sort_by_cached_key(|plugin| plugin.package.manifest.plugin.name.clone());
    Ok((plugins, broken))
}

/// The `*.wasm` of a directory, by name.
fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Takes plugins out that several files give: nobody said which of them is meant.
fn without_doubles(plugins: &mut Vec<Arc<Plugin>>, broken: &mut Vec<PluginError>) {
    let name = |plugin: &Arc<Plugin>| plugin.package.manifest.plugin.name.clone();
    let mut doubled = Vec::new();
    for (place, plugin) in plugins.iter().enumerate() {
        let earlier = plugins.iter().take(place);
        if let Some(other) = earlier
            .into_iter()
            .find(|other| name(other) == name(plugin))
        {
            doubled.push(name(plugin));
            broken.push(PluginError::Twice {
                name: name(plugin),
                first: other.origin.clone(),
                second: plugin.origin.clone(),
            });
        }
    }
    plugins.retain(|plugin| !doubled.contains(&name(plugin)));
}

/// Loads one plugin file, and compiles it.
///
/// # Errors
/// [`PluginError::Refused`] says what is wrong with the file.
pub fn load(engine: &Engine, file: &Path) -> Result<Plugin, PluginError> {
    let plugin = read(engine, Origin::File(file.to_owned()))?;
    plugin.compile()?;
    Ok(plugin)
}

/// Reads what a plugin says of itself. A file that has not changed since is not read again.
fn read(engine: &Engine, origin: Origin) -> Result<Plugin, PluginError> {
    let refused = |(cause, hint): Fault| PluginError::Refused {
        origin: origin.clone(),
        cause,
        hint: hint.to_owned(),
    };
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => refused(("there is no such file".to_owned(), "check its path")),
        _ => refused((error.to_string(), "see that it is a file that you may read")),
    };
    let metadata = origin.file().map(fs::metadata).transpose();
    let metadata = metadata.map_err(unreadable)?;
    if let Some(length) = metadata
        .as_ref()
        .map(fs::Metadata::len)
        .filter(|length| *length > MAX_BYTES)
    {
        return Err(refused((
            format!("it has {length} bytes, and {MAX_BYTES} are allowed"),
            "strip debug information from it",
        )));
    }
    let plugin = |digest, contents: Contents, size| {
        Ok(Plugin {
            package: accepted(&contents).map_err(refused)?,
            digest,
            origin: origin.clone(),
            size,
            contract: built_against(&contents).to_owned(),
            engine: engine.clone(),
            imports: contents.imports,
            code: OnceLock::new(),
        })
    };
    let known = metadata
        .as_ref()
        .and_then(|metadata| engine.cache.find(metadata));
    if let (Some((digest, contents)), Some(metadata)) = (known, &metadata) {
        return plugin(digest, contents, metadata.len());
    }
    let bytes = origin.read().map_err(unreadable)?;
    let contents = inspect(&bytes).map_err(|cause| refused((cause, REBUILD)))?;
    let digest = Digest::of(&bytes);
    let known = Known {
        digest: *digest.as_bytes(),
        contents,
    };
    if let Some(metadata) = &metadata {
        engine.cache.note(metadata, &known);
    }
    plugin(digest, known.contents, bytes.len() as u64)
}

const FIT: &str = "build it against wit/component.wit of this version";
const REBUILD: &str = "build it again with `cargo xtask build-plugins`";

/// What is wrong with a file, and what to do.
pub(super) type Fault = (String, &'static str);

/// Why there is no code of a plugin.
struct Uncompiled(Fault);

impl From<wasmtime::Error> for Uncompiled {
    fn from(error: wasmtime::Error) -> Uncompiled {
        Uncompiled((format!("its code cannot be loaded: {error:#}"), REBUILD))
    }
}

/// Version of the contract that it was built against: its world names the contract's types, so one is always there.
fn built_against(contents: &Contents) -> &str {
    contract::versions(&contents.imports)
        .next()
        .unwrap_or_default()
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
    if let Some(version) = contract::unknown(&contents.imports) {
        return Err((
            format!(
                "it was built against version {version} of the contract, and this batchgen offers {}",
                contract::OFFERED
            ),
            "use a batchgen that offers it, or build the plugin against wit/component.wit of this one (docs/CONTRACT.md)",
        ));
    }
    let offered = |import: &str| contract::has(import) || wasi::offers(import);
    match contents.imports.iter().find(|import| !offered(import)) {
        None if !contents.exports.iter().any(|export| export == EXPORT) => Err((
            format!("it does not fit the contract: no export `{EXPORT}` found"),
            FIT,
        )),
        None => Ok(package),
        Some(import) if wasi::is_later(import) => Err((
            format!(
                "it imports `{import}`, and this batchgen offers an empty WASI of the version 0.2"
            ),
            "build it for WASI 0.2 (in Rust the target wasm32-wasip2, in other languages an option or an earlier version of the tool), \
             or for wasm32-unknown-unknown, which needs no WASI",
        )),
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
    version: &str,
) -> Result<Code, Fault> {
    let mismatch =
        |error: wasmtime::Error| (format!("it does not fit the contract: {error:#}"), FIT);
    let mut linker = Linker::new(&engine.wasmtime);
    contract::add_to_linker(version, &mut linker).map_err(mismatch)?;
    if imports.iter().any(|import| wasi::offers(import)) {
        wasi::add_to_linker(&mut linker, component).map_err(mismatch)?;
    }
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
    Code::new(version, pre).map_err(mismatch)
}
