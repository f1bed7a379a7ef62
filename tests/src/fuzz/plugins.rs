//! Plugin files and their manifests.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use plugin::engine::{self, Engine};
use plugin::limits::Limits;
use plugin::load::{self, Places};
use plugin::manifest::Package;
use plugin::sandbox::{Execution, Input, Site, execute};
use tempfile::TempDir;

use super::Target;

/// Larger files are read and not compiled: here nothing limits the compiler, as the program does.
const COMPILED: usize = 6 << 10;

pub fn manifest() -> anyhow::Result<Box<dyn Target>> {
    Ok(Box::new(ManifestReader))
}

pub fn component() -> anyhow::Result<Box<dyn Target>> {
    let folder = tempfile::tempdir()?;
    let engine = engine::engine(&folder.path().join("cache"))?;
    Ok(Box::new(Loader { folder, engine }))
}

/// A plugin file: it is refused, or it runs within its limits.
struct Loader {
    folder: TempDir,
    engine: Engine,
}

impl Target for Loader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let file = self.folder.path().join("plugin.wasm");
        fs::write(&file, input).map_err(|error| error.to_string())?;
        let read = load::load_all(&self.engine, &Places::directory(self.folder.path()));
        let Ok((plugins, _)) = read else {
            return Ok(());
        };
        let Some(plugin) = plugins.first().filter(|_| input.len() < COMPILED) else {
            return Ok(());
        };
        if plugin.compile().is_err() {
            return Ok(());
        }
        let limits = Limits {
            memory: 8 << 20,
            cpu: Duration::from_millis(20),
            ..Limits::new(&plugin.package.manifest.limits, &[])
        };
        let text = String::new;
        let input = Input {
            id: text(),
            name: text(),
            category: text(),
            fields: "{}".to_owned(),
            category_fields: "{}".to_owned(),
            site: Site {
                base_url: text(),
                name: text(),
                locale: text(),
                output_path: text(),
            },
            options: "{}".to_owned(),
            prompts: Vec::new(),
            upstreams: Vec::new(),
            images: Vec::new(),
        };
        let executed = execute(
            plugin,
            Execution {
                input: Arc::new(input),
                pictures: Arc::default(),
                context: None,
                answers: Vec::new(),
                feedback: None,
                limits,
            },
        );
        // The watch over it may start late on a busy machine.
        if executed.cpu > limits.cpu + Duration::from_secs(1) {
            return Err(format!("it ran for {:?} of {:?}", executed.cpu, limits.cpu));
        }
        Ok(())
    }
}

/// A manifest: one that is accepted is the same when it is written and read again, and its name leads nowhere.
struct ManifestReader;

impl Target for ManifestReader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let Ok(package) = serde_json::from_slice::<Package>(input) else {
            return Ok(());
        };
        if package.manifest.fault().is_some() {
            return Ok(());
        }
        let name = &package.manifest.plugin.name;
        if name.is_empty() || name.contains(['/', '\\', '.', '\0']) {
            return Err(format!("the name {name:?} was accepted"));
        }
        let text = serde_json::to_vec(&package).map_err(|error| error.to_string())?;
        match serde_json::from_slice::<Package>(&text) {
            Ok(again) if again == package => Ok(()),
            other => Err(format!("written and read again it is {other:?}")),
        }
    }
}
