//! What a worker needs of a project: components with their prompts and options, plugins, and how models are asked. Keys are not in it:
//! each worker has its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::wire::{decode, encode};
use config::component::{Component, ComponentParts};
use config::{Config, SiteConfig};
use plugin::engine::Engine;
use plugin::load::{self, Plugin, PluginError};
use types::digest::Digest;

/// What is in a bundle.
#[derive(Serialize, Deserialize)]
struct Contents {
    components: Vec<ComponentParts>,
    /// By the hash of their files, in hexadecimal.
    plugins: BTreeMap<String, ByteBuf>,
    site: SiteConfig,
    /// The parts of `batchgen.toml` that say how models are asked.
    models: String,
}

/// A bundle, unpacked.
pub struct Bundle {
    /// The components of the run, in its order.
    pub components: Vec<Component>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    /// How models are asked.
    pub config: Config,
}

/// A bundle cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A plugin's file cannot be read, or written.
    #[error("the plugin file {file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A plugin was replaced since it was loaded, or differs from what was announced.
    #[error("the plugin `{plugin}` is not the one that the run began with")]
    Changed {
        /// Its name.
        plugin: String,
    },
    /// A plugin cannot be run here.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The bytes are no bundle, or its configuration will not do.
    #[error("the bundle of the run cannot be used: {cause}")]
    Damaged {
        /// Why.
        cause: String,
    },
}

/// The sections of `batchgen.toml` that say how models are asked.
const SECTIONS: [&str; 3] = ["provider", "models", "retry"];

/// Packs what a worker needs.
///
/// # Errors
/// When a plugin cannot be read, or is not the one that was loaded.
pub fn pack(
    components: &[Component],
    site: &SiteConfig,
    configuration: &str,
) -> Result<Bytes, BundleError> {
    let mut plugins = BTreeMap::new();
    for component in components {
        let digest = component.recipe.code;
        if plugins.contains_key(&digest.to_string()) {
            continue;
        }
        let origin = &component.plugin.origin;
        let bytes = origin.read().map_err(|source| BundleError::File {
            file: origin.to_string(),
            source,
        })?;
        if Digest::of(&bytes) != digest {
            return Err(BundleError::Changed {
                plugin: component.recipe.plugin.clone(),
            });
        }
        plugins.insert(digest.to_string(), ByteBuf::from(bytes.into_owned()));
    }
    Ok(Bytes::from(encode(&Contents {
        components: components.iter().map(Component::parts).collect(),
        plugins,
        site: site.clone(),
        models: sections(configuration)?,
    })))
}

/// Unpacks a bundle; plugins are written below `folder`.
///
/// # Errors
/// When it is not what its hash says, or cannot be used on this machine.
pub fn unpack(bytes: &[u8], engine: &Engine, folder: &Path) -> Result<Bundle, BundleError> {
    let damaged = |cause: String| BundleError::Damaged { cause };
    let contents: Contents = decode(bytes).map_err(|error| damaged(error.to_string()))?;
    let mut plugins: BTreeMap<String, Arc<Plugin>> = BTreeMap::new();
    for (digest, bytes) in &contents.plugins {
        let file = folder.join(format!("{digest}.wasm"));
        let failed = |source| BundleError::File {
            file: file.display().to_string(),
            source,
        };
        if Digest::of(bytes).to_string() != *digest {
            return Err(BundleError::Changed {
                plugin: digest.clone(),
            });
        }
        fs::create_dir_all(folder).map_err(failed)?;
        fs::write(&file, bytes).map_err(failed)?;
        plugins.insert(digest.clone(), Arc::new(load::load(engine, &file)?));
    }
    let mut components = Vec::with_capacity(contents.components.len());
    for parts in contents.components {
        let plugin = plugins.get(&parts.code().to_string());
        let plugin = plugin.ok_or_else(|| BundleError::Changed {
            plugin: parts.name().to_owned(),
        })?;
        components.push(parts.with(Arc::clone(plugin)));
    }
    let config = Config::parse(Path::new(config::FILE_NAME), &contents.models)
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Bundle {
        components,
        site: contents.site,
        config,
    })
}

/// The sections of a configuration that say how models are asked.
fn sections(configuration: &str) -> Result<String, BundleError> {
    let damaged = |cause: String| BundleError::Damaged { cause };
    let mut table: toml::Table = configuration
        .parse()
        .map_err(|error: toml::de::Error| damaged(error.to_string()))?;
    table.retain(|name, _| SECTIONS.contains(&name));
    toml::to_string(&table).map_err(|error| damaged(error.to_string()))
}
