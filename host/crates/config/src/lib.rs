//! The configuration file `batchgen.toml`, and the components that it gives.
//!
//! It owns the keys of the file, their checks with messages that say what to do, and the resolution of a component: its
//! options, prompts, model and output path, from the plugin's manifest and the file. It reads the file, the prompts that it
//! names and the components beside it, and nothing else.
//!
//! It does not know flags, the environment, the state, or a run: the program lays flags and variables over it.

pub mod component;
pub mod component_file;
mod error;
mod matrix;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use component_file::Origin;
pub use error::ConfigError;
pub use matrix::Variant;

use dataset::DatasetConfig;
use gateway::settings::{LimitsConfig, Mode, ModelConfig, ProviderConfig, ServiceTier};
use plan::gate::Otherwise;
use plan::policy::FailurePolicy;
use plan::sample::Sample;
use plugin::manifest::{InputFields, LimitOverrides};
use types::key::Reasoning;

/// Name of the file.
pub const FILE_NAME: &str = "batchgen.toml";

/// What `batchgen.toml` may hold. The file in the repository documents every key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Model that components ask, as `provider/model`.
    pub model: Option<String>,
    pub temperature: Option<f64>,
    pub dataset: Option<DatasetConfig>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    pub output: OutputConfig,
    /// Where the durable state lies.
    pub state: StateConfig,
    pub plugins: PluginsConfig,
    /// Limits of each lane.
    pub limits: LimitsConfig,
    /// When a call is tried again.
    pub retry: RetryConfig,
    /// How batches are formed.
    pub batch: BatchConfig,
    /// How a run is shared with other machines.
    pub cluster: ClusterConfig,
    /// Commands that a run starts.
    pub hooks: HooksConfig,
    pub provider: BTreeMap<String, ProviderConfig>,
    /// Models by `provider/model`.
    pub models: BTreeMap<String, ModelConfig>,
    /// Values, by a name, for each of which a component may be made.
    pub matrix: BTreeMap<String, Vec<String>>,
    /// Flags of a run, by the name that `--profile` gives them.
    pub profile: BTreeMap<String, ProfileConfig>,
    /// Components by name; those with a `for-each` once for each value.
    pub component: BTreeMap<String, ComponentConfig>,
    /// Where the file lies; empty where there is none.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The file; empty where there is none.
    #[serde(skip)]
    pub file: PathBuf,
}

/// `[site]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SiteConfig {
    /// Without a trailing slash.
    pub base_url: String,
    /// Name of the site.
    pub name: String,
    /// As Open Graph writes it.
    pub locale: String,
}

impl Default for SiteConfig {
    fn default() -> Self {
        SiteConfig {
            base_url: "https://example.org".to_owned(),
            name: "Example".to_owned(),
            locale: "en_US".to_owned(),
        }
    }
}

/// `[output]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OutputConfig {
    /// A folder, or an address in storage that speaks the API of S3.
    pub directory: PathBuf,
    /// Path of a file below it, with `{component}`, `{category}`, `{shard}`, `{id}` and `{extension}`, and with the names of the matrix.
    pub path: String,
    /// Folder to which accepted files are copied, with the same paths.
    pub publish: Option<PathBuf>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig {
            directory: PathBuf::from("content"),
            path: "{component}/{id}.{extension}".to_owned(),
            publish: None,
        }
    }
}

/// `[state]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StateConfig {
    pub file: PathBuf,
}

impl Default for StateConfig {
    fn default() -> Self {
        StateConfig {
            file: PathBuf::from(".batchgen/state.db"),
        }
    }
}

/// `[plugins]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PluginsConfig {
    /// Directory of `*.wasm` files; where the program looks for it if absent.
    pub directory: Option<PathBuf>,
    /// Whether a plugin that no component names gives one of its own name.
    pub implicit: bool,
    /// The most that any component may use, whatever its manifest says.
    pub limits: LimitOverrides,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        PluginsConfig {
            directory: None,
            implicit: true,
            limits: LimitOverrides::default(),
        }
    }
}

/// `[retry]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RetryConfig {
    /// Tries of one call, the first included.
    pub max_tries: u32,
    /// No try starts later than this after the first, seconds.
    pub max_elapsed_seconds: u64,
    /// A call fails when nothing arrives for so long, seconds; where absent, that depends on the tier it is asked at.
    pub idle_timeout_seconds: Option<u64>,
    /// Calls wait so long for a provider that is down, seconds.
    pub max_outage_seconds: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        RetryConfig {
            max_tries: 3,
            max_elapsed_seconds: 300,
            idle_timeout_seconds: None,
            max_outage_seconds: 600,
        }
    }
}

/// A call fails when nothing arrives for so long, where nothing is told: at the ordinary tier, and at one that takes its time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const SLOW_IDLE_TIMEOUT: Duration = Duration::from_secs(900);

impl RetryConfig {
    /// A call at this tier fails when nothing arrives for so long.
    pub fn idle_timeout(&self, tier: Option<ServiceTier>) -> Duration {
        let told = self.idle_timeout_seconds.map(Duration::from_secs);
        told.unwrap_or(match tier {
            None => IDLE_TIMEOUT,
            Some(ServiceTier::Flex) => SLOW_IDLE_TIMEOUT,
        })
    }
}

/// `[batch]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BatchConfig {
    /// Most questions of one batch, where the provider takes more.
    pub max_lines: Option<u64>,
    /// Most bytes of its file, where the provider takes more.
    pub max_bytes: Option<u64>,
    /// Tokens of questions that may wait at the provider at once.
    pub enqueued_tokens: Option<u64>,
    /// A batch that takes longer is cancelled, and what it has not answered is asked one by one; hours.
    pub patience_hours: Option<u64>,
    /// While a batch is open, fewer questions than this wait for others. In the mode `auto`, fewer than this are asked one by
    /// one at the end.
    pub min_lines: u64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig {
            max_lines: None,
            max_bytes: None,
            enqueued_tokens: None,
            patience_hours: None,
            min_lines: 100,
        }
    }
}

/// `[cluster]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ClusterConfig {
    /// The NATS server: `nats://host:4222` or `tls://host:4222`. A run is shared if it is there.
    pub url: Option<String>,
    /// A worker that is not heard of for so long is lost, and its records go to others; seconds.
    pub ack_wait_seconds: u64,
    /// Copies of each message that a cluster of NATS servers keeps.
    pub replicas: usize,
    /// Whether messages lie in the memory of the server, and not on its disk.
    pub in_memory: bool,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        ClusterConfig {
            url: None,
            ack_wait_seconds: 30,
            replicas: 1,
            in_memory: false,
        }
    }
}

/// `[hooks]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct HooksConfig {
    /// What a shell runs after a run that made files. It gets them as JSON Lines.
    pub after_run: Option<String>,
    /// It is ended when it takes longer, seconds.
    pub timeout_seconds: u64,
}

impl Default for HooksConfig {
    fn default() -> Self {
        HooksConfig {
            after_run: None,
            timeout_seconds: 900,
        }
    }
}

/// `[profile.NAME]`: flags of a run that belong together, by their names on the command line. Their values are checked there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProfileConfig {
    pub all: bool,
    pub category: Vec<String>,
    pub component: Vec<String>,
    pub concurrency: Option<u64>,
    pub frozen: bool,
    pub limit: Option<u64>,
    /// US dollars.
    pub max_cost: Option<f64>,
    pub max_tokens: Option<u64>,
    pub mode: Option<String>,
    pub model: Option<String>,
    pub no_wait: bool,
    pub record: Vec<String>,
    pub requests_per_minute: Option<u64>,
    pub sample: Option<u64>,
    pub tokens_per_minute: Option<u64>,
}

/// `[component.NAME]`: overrides of a plugin's manifest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ComponentConfig {
    /// Plugin that makes it; the one of the component's name where absent.
    pub plugin: Option<String>,
    /// Whether it runs without `--all`.
    pub enabled: Option<bool>,
    pub priority: Option<i64>,
    /// Model that it asks.
    pub model: Option<String>,
    pub temperature: Option<f64>,
    /// Most tokens of one answer.
    pub max_output_tokens: Option<u32>,
    /// Whether its questions are asked one by one or in batches, where that is not as its model says.
    pub mode: Option<Mode>,
    /// How much its model thinks before it answers.
    pub reasoning: Option<Reasoning>,
    /// Options, as the plugin's manifest documents them.
    pub options: Map<String, Value>,
    /// What takes the place of the plugin's prompts.
    pub prompts: BTreeMap<String, PromptSource>,
    /// Path of the file below the output directory.
    pub output: Option<String>,
    /// The most that it may use, whatever its manifest says.
    pub limits: LimitOverrides,
    /// What its failure means for the rest of the record.
    pub on_failure: FailurePolicy,
    /// Fields that it is given, where its plugin leaves that to the configuration.
    pub input: Option<InputFields>,
    /// Fields whose pictures its questions show, where its plugin leaves that to the configuration.
    pub images: Option<Vec<String>>,
    /// Components whose files it is given, where its plugin leaves that to the configuration.
    pub depends_on: Option<Vec<String>>,
    /// What its files must be before others get them.
    pub gate: Option<GateConfig>,
    /// Names of the matrix: it is made for each of their values.
    #[serde(deserialize_with = "matrix::one_or_more")]
    pub for_each: Vec<String>,
    /// The records that it is made for, where not for all.
    pub sample: Option<Sample>,
    /// The values that it is made for, where it is one of several.
    #[serde(skip)]
    pub variant: Option<Variant>,
    /// The file that it comes from, where it has one of its own.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

impl ComponentConfig {
    /// A setting of the component `name` as a person finds it.
    pub fn place(&self, name: &str, setting: &str) -> String {
        match &self.origin {
            Some(origin) => {
                format!(
                    "{}:{}: `{setting}`",
                    origin.file.display(),
                    origin.line(setting)
                )
            }
            None => format!("`component.{name}.{setting}`"),
        }
    }
}

/// `[component.NAME.gate]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GateConfig {
    /// The component that judges its files.
    pub judge: Option<String>,
    /// Least score that the judge must give.
    pub at_least: Option<f64>,
    /// What becomes of a file that is not good enough.
    pub otherwise: Otherwise,
    /// How often it is asked for anew.
    pub retries: Option<u32>,
    /// Words that must be there.
    pub required_words: Vec<String>,
    /// Words that must not be there.
    pub forbidden_words: Vec<String>,
    pub min_words: Option<u64>,
    pub max_words: Option<u64>,
    /// Least reading ease, by Flesch's formula or that of the locale's language.
    pub reading_ease: Option<f64>,
    /// Whether relative links must lead to a file of the output folder.
    pub links: bool,
    /// The greatest share of its word groups that a file may have in common with another file of the component.
    pub max_similarity: Option<f64>,
}

/// Where a prompt comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected the path of a file, or { text = \"...\" }"
)]
pub enum PromptSource {
    File(PathBuf),
    Inline(InlinePrompt),
}

/// `{ text = "..." }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlinePrompt {
    pub text: String,
}

impl Config {
    /// Reads a configuration file, and the components in files beside it. Paths in them count from its directory.
    ///
    /// # Errors
    /// With file, line and column, and the key that was probably meant.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(file).map_err(|error| ConfigError::Unreadable {
            file: file.to_owned(),
            cause: error.to_string(),
        })?;
        let mut config = Config::parsed(file, &text)?;
        config.add_component_files(file, &text)?;
        if let Err(error) = config.expand_matrix() {
            return Err(error.at_its_place(&config));
        }
        config.anchor(&config.folder.clone());
        Ok(config)
    }

    /// The configuration in a text that is, or is to be, in `file`, by itself.
    ///
    /// # Errors
    /// Like [`Config::read`].
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let mut config = Config::parsed(file, text)?;
        config.expand_matrix()?;
        config.anchor(&config.folder.clone());
        Ok(config)
    }

    fn parsed(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|error| ConfigError::Invalid {
            file: file.to_owned(),
            cause: error::without_keys(&error.to_string()),
        })?;
        config.file = file.to_owned();
        config.folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(config)
    }

    /// The configuration file that counts in `directory`: there or in the nearest one above it.
    pub fn find(directory: &Path) -> Option<PathBuf> {
        directory
            .ancestors()
            .map(|ancestor| ancestor.join(FILE_NAME))
            .find(|file| file.is_file())
    }

    fn anchor(&mut self, base: &Path) {
        let anchor = |path: &mut PathBuf| *path = base.join(&*path);
        if let Some(dataset) = &mut self.dataset {
            dataset.path.anchor(base);
            for lookup in dataset.lookup.values_mut() {
                lookup.path.anchor(base);
            }
            dataset.url.iter_mut().for_each(|url| url.anchor(base));
            dataset.categories_file.iter_mut().for_each(anchor);
        }
        // An address is no path.
        if !dataset::is_remote(&self.output.directory) {
            anchor(&mut self.output.directory);
        }
        let published = self.output.publish.iter_mut();
        published
            .filter(|path| !dataset::is_remote(path))
            .for_each(anchor);
        anchor(&mut self.state.file);
        self.plugins.directory.iter_mut().for_each(anchor);
        for provider in self.provider.values_mut() {
            provider.api_key_file.iter_mut().for_each(anchor);
            for endpoint in &mut provider.endpoints {
                endpoint.api_key_file.iter_mut().for_each(anchor);
            }
        }
        for component in self.component.values_mut() {
            for prompt in component.prompts.values_mut() {
                if let PromptSource::File(file) = prompt {
                    anchor(file);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
