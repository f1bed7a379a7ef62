//! One plugin on one record, replayed and written down for review.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ::engine::{Asking, Replay, UpstreamText, replay};
use config::component::{Component, resolve};
use config::{ComponentConfig, Config, FILE_NAME};
use conformance::Recorded;
use dataset::{Dataset, Record};
use plan::graph::{order, unsatisfied};
use plugin::{engine, load};
use types::render::render;
use types::request::{Answer, ResponseFormat};

use crate::recording::Recording;

/// Components in `plugins/*/examples.toml`, of plugins that make none by themselves.
fn examples(plugins: &Path) -> BTreeMap<String, ComponentConfig> {
    let folders = fs::read_dir(plugins).expect("plugins");
    folders
        .map(|folder| folder.expect("a folder").path().join("examples.toml"))
        .filter(|file| file.is_file())
        .flat_map(|file| {
            Config::read(&file)
                .unwrap_or_else(|error| panic!("{error}"))
                .component
        })
        .collect()
}

/// Keeps the snapshots of a component that cannot be run from being told to belong to no test.
fn keep(folder: &Path) {
    let Some(list) = std::env::var_os("INSTA_SNAPSHOT_REFERENCES_FILE") else {
        return;
    };
    let mut list = OpenOptions::new()
        .append(true)
        .open(list)
        .expect("the list of references");
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        writeln!(list, "{}", path.display()).expect("the list can be written");
    }
}

/// Dataset and components of the repository.
pub struct Bench {
    root: PathBuf,
    /// Where the sources of the plugins are.
    source: PathBuf,
    config: Config,
    dataset: Dataset,
    records: HashMap<String, Record>,
    components: Vec<Component>,
}

impl Bench {
    /// Loads the plugins of the folder `source` that were built into a folder of `target/`, and the bundled dataset.
    pub fn new(source: &str, built: &str) -> Bench {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("in a workspace")
            .to_owned();
        let mut config =
            Config::read(&root.join(FILE_NAME)).expect("the repository's configuration");
        // What a checkout configures beside is not what its plugins are reviewed for.
        config.component = examples(&root.join(source));
        let dataset = config.dataset.clone().expect("the bundled dataset");
        let dataset = Dataset::open(dataset).expect("the bundled dataset");
        let records = dataset
            .entries()
            .map(|entry| entry.expect("a good record").1)
            .map(|record| (record.id.clone(), record))
            .collect();
        let engine = engine::engine(&root.join("target/wasm-cache")).expect("an engine");
        let places = load::Places::directory(&root.join("target").join(built));
        let (plugins, broken) = load::load_all(&engine, &places)
            .expect("plugins; `cargo xtask build-plugins` makes them");
        assert!(
            broken.is_empty(),
            "{}",
            broken.iter().map(ToString::to_string).collect::<String>()
        );
        let mut components = resolve(&plugins, &config, Some("offline")).expect("components");
        let nodes: Vec<_> = components.iter().map(Component::node).collect();
        let left_out = unsatisfied(&nodes);
        components.retain(|component| !left_out.contains_key(&component.name));
        for (name, error) in &left_out {
            eprintln!("{name} is not compared: {error}");
            keep(&root.join("snapshots").join(name));
        }
        let nodes: Vec<_> = components.iter().map(Component::node).collect();
        let order = order(&nodes).expect("an order");
        components.sort_by_key(|component| order.iter().position(|name| *name == component.name));
        Bench {
            source: root.join(source),
            root,
            config,
            dataset,
            records,
            components,
        }
    }

    /// What to look at.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// One case, as a person reviews it.
    pub fn show(&self, component: &Component, record: &str) -> String {
        let replay = self.replay(component, record);
        let mut text = format!(
            "{} executions, {} completions\n",
            replay.executions,
            replay.told.len()
        );
        for (number, (request, answer)) in (1..).zip(&replay.told) {
            let Answer::Completion(completion) = answer else {
                continue;
            };
            let _ = writeln!(
                text,
                "\n=== completion {number}: {}, {} tokens in, {} out",
                completion.model, completion.usage.input_tokens, completion.usage.output_tokens
            );
            for message in render(request) {
                let _ = writeln!(
                    text,
                    "--- {}\n{}",
                    message.role.as_str(),
                    message.content.trim_end()
                );
            }
            if let ResponseFormat::JsonSchema(schema) = &request.format {
                let schema = serde_json::to_string_pretty(schema).expect("plain data");
                let _ = writeln!(text, "--- schema\n{schema}");
            }
            let _ = writeln!(text, "--- answer\n{}", completion.text.trim_end());
        }
        match &replay.artifact {
            Ok(artifact) => {
                let _ = write!(text, "\n=== {}\n{artifact}", replay.path);
            }
            Err(failure) => {
                let _ = write!(text, "\n=== failed\n{failure}");
            }
        }
        text
    }

    fn replay(&self, component: &Component, id: &str) -> Replay {
        let record = self.records.get(id).expect("a record of the dataset");
        let upstreams: Vec<(&Component, String)> = component
            .depends_on
            .iter()
            .map(|name| {
                let other = self.components.iter().find(|other| other.name == *name);
                let other = other.expect("a dependency that was built");
                let text = self.replay(other, id).artifact;
                (other, text.expect("an upstream that was made"))
            })
            .collect();
        let upstreams: Vec<UpstreamText<'_>> = upstreams
            .iter()
            .map(|(component, text)| UpstreamText { component, text })
            .collect();
        let file = self
            .root
            .join("snapshots")
            .join(&component.name)
            .join(format!("{id}.completions.json"));
        let plugin = &component.plugin.package.manifest.plugin.name;
        let beside = self.source.join(plugin).join(format!("{plugin}.wasm"));
        let recorded =
            Recorded::read(None, &beside, plugin).unwrap_or_else(|error| panic!("{error}"));
        let mut recording = Recording::open(file);
        let site = &self.config.site;
        let replay = replay(
            component,
            &self.dataset,
            site,
            record,
            &upstreams,
            Asking::PLAIN,
            |question| {
                let request = &question.request;
                recording.answer(request, recorded.answer(component, id, request))
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
        recording.save();
        replay
    }
}
