//! What is given random input, and what it promises whatever the input.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::Context;
use dataset::{Dataset, DatasetConfig};
use gateway::adaptation::Adaptations;
use gateway::provider::{Call, Provider};
use gateway::providers::{Endpoint, Key, ModelOptions, connect, preset};
use gateway::settings::{ModelConfig, ProviderConfig};
use plugin::engine::{self, Engine};
use plugin::limits::Limits;
use plugin::load;
use plugin::manifest::Package;
use plugin::sandbox::{Execution, Input, Site, execute};
use tempfile::TempDir;
use types::request::{CompletionRequest, Message, ResponseFormat, Role};

/// Something that takes any bytes.
pub trait Target {
    /// Takes them. What it returns as an error is a broken promise; a panic is one too.
    fn take(&mut self, input: &[u8]) -> Result<(), String>;
}

type Make = fn() -> anyhow::Result<Box<dyn Target>>;

/// Every target by its name.
pub const TARGETS: [(&str, Make); 4] = [
    ("loader", || Ok(Box::new(Loader::new()?))),
    ("manifest", || Ok(Box::new(ManifestReader))),
    ("dataset", || Ok(Box::new(DatasetReader::new()?))),
    ("provider", || Ok(Box::new(Answers::new()?))),
];

/// A plugin file: it is refused, or it runs within its limits.
struct Loader {
    folder: TempDir,
    engine: Engine,
}

impl Loader {
    fn new() -> anyhow::Result<Loader> {
        let folder = tempfile::tempdir()?;
        let engine = engine::engine(&folder.path().join("cache"))?;
        Ok(Loader { folder, engine })
    }
}

impl Target for Loader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let file = self.folder.path().join("plugin.wasm");
        fs::write(&file, input).map_err(|error| error.to_string())?;
        let Ok(plugin) = load::load(&self.engine, &file) else {
            return Ok(());
        };
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
        };
        let executed = execute(
            &plugin,
            Execution {
                input: Arc::new(input),
                context: None,
                answers: Vec::new(),
                limits,
            },
        );
        if executed.cpu > 2 * limits.cpu {
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

/// A dataset in each format: what was read is the same when it is read again by its place.
struct DatasetReader {
    folder: TempDir,
}

impl DatasetReader {
    fn new() -> anyhow::Result<DatasetReader> {
        let folder = tempfile::tempdir()?;
        Ok(DatasetReader { folder })
    }

    fn read(&self, path: PathBuf) -> Result<(), String> {
        let Ok(dataset) = Dataset::open(DatasetConfig::new(path)) else {
            return Ok(());
        };
        for entry in dataset.entries() {
            let Ok((place, record)) = entry else {
                continue;
            };
            match dataset.read(place) {
                Ok(again) if again == record => {}
                other => return Err(format!("{record:?} is {other:?} when read again")),
            }
        }
        Ok(())
    }
}

impl Target for DatasetReader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        for ending in ["yaml", "json", "jsonl", "csv"] {
            let path = self.folder.path().join(format!("records.{ending}"));
            fs::write(&path, input).map_err(|error| error.to_string())?;
            self.read(path)
                .map_err(|broken| format!("as {ending}: {broken}"))?;
        }
        Ok(())
    }
}

const KEY: &str = "sk-fuzz-0123456789abcdef";

/// What a provider sends over its connection, head and body: no answer and no error shows the key.
struct Answers {
    runtime: tokio::runtime::Runtime,
    providers: Vec<Arc<dyn Provider>>,
    next: Sender<Vec<u8>>,
}

impl Answers {
    fn new() -> anyhow::Result<Answers> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let (next, answers) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let mut request = [0; 16 << 10];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(&answer);
            }
        });
        let providers = ["openai", "anthropic", "groq"].map(|name| {
            let preset = preset(name).context("a preset")?;
            let configured = ProviderConfig::default();
            let endpoint = Endpoint::new(name, preset, &configured, url.clone(), Key::new(KEY));
            let options =
                ModelOptions::new("m-1", preset, &configured, Some(&ModelConfig::default()));
            Ok(connect(endpoint, options)?)
        });
        Ok(Answers {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            providers: providers.into_iter().collect::<anyhow::Result<_>>()?,
            next,
        })
    }
}

impl Target for Answers {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let request = CompletionRequest {
            messages: vec![Message {
                role: Role::User,
                content: "What is it?".to_owned(),
            }],
            facts: serde_json::json!({"name": "Oak"}).into(),
            rules: None,
            format: ResponseFormat::Text,
        };
        for provider in &self.providers {
            self.next
                .send(input.to_vec())
                .map_err(|_| "the server is gone".to_owned())?;
            let call = Call {
                request: &request,
                model: "m-1",
                temperature: 0.5,
                max_output_tokens: 100,
                idle_timeout: Duration::from_secs(3),
                seed: 1,
                adaptations: &Adaptations::new(),
                accepted: &|_| {},
            };
            if let Err(error) = self.runtime.block_on(provider.call(call))
                && format!("{error:?} {error}").contains(KEY)
            {
                return Err(format!("{}: the key is shown: {error}", provider.name()));
            }
        }
        Ok(())
    }
}
