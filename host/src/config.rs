//! The configuration file `batchgen.toml`: what may stand in it, and errors that say what to do about
//! what may not. It reads one file and nothing else; flags and environment are laid over it by `cli`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::core::class::FailureClass;
use crate::core::limit::{Amount, Limit};
use crate::dataset::DatasetConfig;
use crate::llm::prices::Price;
use crate::llm::providers::{Api, Dialect};

/// Name of the file.
pub const FILE_NAME: &str = "batchgen.toml";

/// What `batchgen.toml` may hold. The file in the repository documents every key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// Model that components ask, as `provider/model`.
    pub model: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// The records.
    pub dataset: Option<DatasetConfig>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    /// Where files go.
    pub output: OutputConfig,
    /// Where the durable state lies.
    pub state: StateConfig,
    /// Where plugins are.
    pub plugins: PluginsConfig,
    /// Limits of each lane.
    pub limits: LimitsConfig,
    /// When a call is tried again.
    pub retry: RetryConfig,
    /// Providers by name.
    pub provider: BTreeMap<String, ProviderConfig>,
    /// Models by `provider/model`.
    pub models: BTreeMap<String, ModelConfig>,
    /// Components by name.
    pub component: BTreeMap<String, ComponentConfig>,
}

/// `[site]`.
#[derive(Clone, Debug, Deserialize)]
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
    /// The output directory.
    pub directory: PathBuf,
    /// Path of a file below it, with `{component}`, `{category}`, `{id}` and `{extension}`.
    pub path: String,
}

impl Default for OutputConfig {
    fn default() -> Self {
        OutputConfig {
            directory: PathBuf::from("content"),
            path: "{component}/{id}.{extension}".to_owned(),
        }
    }
}

/// `[state]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StateConfig {
    /// The SQLite file.
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
    /// Directory of `*.wasm` files.
    pub directory: PathBuf,
}

impl Default for PluginsConfig {
    fn default() -> Self {
        PluginsConfig {
            directory: PathBuf::from("target/plugins"),
        }
    }
}

/// `[limits]`, and `[models."provider/model".limits]`: of each lane with a real model; the offline provider
/// has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LimitsConfig {
    /// Requests in any second.
    pub requests_per_second: Option<u64>,
    /// Requests in any minute; 30 where no limit on requests is set.
    pub requests_per_minute: Option<u64>,
    /// Requests in any day.
    pub requests_per_day: Option<u64>,
    /// Tokens, in and out together, in any second.
    pub tokens_per_second: Option<u64>,
    /// Tokens, in and out together, in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Tokens, in and out together, in any day.
    pub tokens_per_day: Option<u64>,
    /// Tokens of questions in any second.
    pub input_tokens_per_second: Option<u64>,
    /// Tokens of questions in any minute.
    pub input_tokens_per_minute: Option<u64>,
    /// Tokens of questions in any day.
    pub input_tokens_per_day: Option<u64>,
    /// Tokens of answers in any second.
    pub output_tokens_per_second: Option<u64>,
    /// Tokens of answers in any minute.
    pub output_tokens_per_minute: Option<u64>,
    /// Tokens of answers in any day.
    pub output_tokens_per_day: Option<u64>,
    /// Requests at once; 8 where absent.
    pub concurrency: Option<u64>,
}

/// Requests a minute of a real model where no limit on requests is set.
const REQUESTS_PER_MINUTE: u64 = 30;
/// Requests at once of a real model where nothing else is set.
const CONCURRENCY: u64 = 8;

impl LimitsConfig {
    /// Each amount with its key, the span of its window and its value.
    fn windows(&self) -> [(Amount, &'static str, u64, Option<u64>); 12] {
        use Amount::{InputTokens, OutputTokens, Requests, Tokens};
        [
            (Requests, "requests-per-second", 1, self.requests_per_second),
            (
                Requests,
                "requests-per-minute",
                60,
                self.requests_per_minute,
            ),
            (Requests, "requests-per-day", 86_400, self.requests_per_day),
            (Tokens, "tokens-per-second", 1, self.tokens_per_second),
            (Tokens, "tokens-per-minute", 60, self.tokens_per_minute),
            (Tokens, "tokens-per-day", 86_400, self.tokens_per_day),
            (
                InputTokens,
                "input-tokens-per-second",
                1,
                self.input_tokens_per_second,
            ),
            (
                InputTokens,
                "input-tokens-per-minute",
                60,
                self.input_tokens_per_minute,
            ),
            (
                InputTokens,
                "input-tokens-per-day",
                86_400,
                self.input_tokens_per_day,
            ),
            (
                OutputTokens,
                "output-tokens-per-second",
                1,
                self.output_tokens_per_second,
            ),
            (
                OutputTokens,
                "output-tokens-per-minute",
                60,
                self.output_tokens_per_minute,
            ),
            (
                OutputTokens,
                "output-tokens-per-day",
                86_400,
                self.output_tokens_per_day,
            ),
        ]
    }

    /// The windows that are set.
    pub fn limits(&self) -> Vec<Limit> {
        let set = self
            .windows()
            .into_iter()
            .filter_map(|(amount, _, seconds, most)| {
                Some(Limit {
                    amount,
                    span: Duration::from_secs(seconds),
                    most: most?,
                })
            });
        set.collect()
    }

    /// The key of a limit that is 0, so that nothing could ever be asked.
    pub fn zero(&self) -> Option<&'static str> {
        let concurrency = (self.concurrency == Some(0)).then_some("concurrency");
        let mut windows = self.windows().into_iter();
        concurrency
            .or_else(|| windows.find_map(|(_, key, _, most)| (most == Some(0)).then_some(key)))
    }

    /// These limits with those of one model in their place, and the defaults where nothing is set.
    #[must_use]
    pub fn for_model(&self, model: &LimitsConfig) -> LimitsConfig {
        let mut limits = LimitsConfig {
            requests_per_second: model.requests_per_second.or(self.requests_per_second),
            requests_per_minute: model.requests_per_minute.or(self.requests_per_minute),
            requests_per_day: model.requests_per_day.or(self.requests_per_day),
            tokens_per_second: model.tokens_per_second.or(self.tokens_per_second),
            tokens_per_minute: model.tokens_per_minute.or(self.tokens_per_minute),
            tokens_per_day: model.tokens_per_day.or(self.tokens_per_day),
            input_tokens_per_second: model
                .input_tokens_per_second
                .or(self.input_tokens_per_second),
            input_tokens_per_minute: model
                .input_tokens_per_minute
                .or(self.input_tokens_per_minute),
            input_tokens_per_day: model.input_tokens_per_day.or(self.input_tokens_per_day),
            output_tokens_per_second: model
                .output_tokens_per_second
                .or(self.output_tokens_per_second),
            output_tokens_per_minute: model
                .output_tokens_per_minute
                .or(self.output_tokens_per_minute),
            output_tokens_per_day: model.output_tokens_per_day.or(self.output_tokens_per_day),
            concurrency: model.concurrency.or(self.concurrency).or(Some(CONCURRENCY)),
        };
        if limits.requests_per_second.is_none() && limits.requests_per_day.is_none() {
            limits
                .requests_per_minute
                .get_or_insert(REQUESTS_PER_MINUTE);
        }
        limits
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
    /// A call fails when nothing arrives for so long, seconds.
    pub idle_timeout_seconds: u64,
    /// Calls wait so long for a provider that is down, seconds.
    pub max_outage_seconds: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        RetryConfig {
            max_tries: 3,
            max_elapsed_seconds: 300,
            idle_timeout_seconds: 30,
            max_outage_seconds: 600,
        }
    }
}

/// `[provider.NAME]`: where a provider differs from the preset of its name, or of the one it names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProviderConfig {
    /// Preset that it is like; the one of its own name where absent.
    pub preset: Option<String>,
    /// Address up to and with `/v1`.
    pub base_url: Option<String>,
    /// Whether it may be reached without encryption although it is not this machine.
    pub allow_http: bool,
    /// Environment variable that holds the key; empty for a server without keys.
    pub api_key_env: Option<String>,
    /// File that holds the key, in place of a variable.
    pub api_key_file: Option<PathBuf>,
    /// Header that carries the key; `authorization` carries it as a bearer token.
    pub key_header: Option<String>,
    /// The API that it speaks.
    pub api: Option<Api>,
    /// How its headers describe its limits.
    pub limit_headers: Option<Dialect>,
    /// Whether answers are streamed.
    pub stream: Option<bool>,
    /// Whether a stream is asked for its usage.
    pub stream_usage: Option<bool>,
    /// Name of the parameter for the output cap, of all its models.
    pub max_tokens_parameter: Option<String>,
    /// How its models are asked for JSON.
    pub json: Option<JsonSupport>,
}

/// `[models."provider/model"]`: where a model's parameters differ from its provider's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ModelConfig {
    /// Name of the parameter for the output cap.
    pub max_tokens_parameter: Option<String>,
    /// Whether the model takes a temperature.
    pub send_temperature: bool,
    /// How a JSON schema is asked for.
    pub json: Option<JsonSupport>,
    /// What a million tokens cost, in place of the bundled price.
    pub price: Option<Price>,
    /// More fields of the request's body.
    pub extra_body: Map<String, Value>,
    /// Its own limits, in place of `[limits]`.
    pub limits: LimitsConfig,
    /// Models that are asked instead when it cannot answer, in this order.
    pub fallback: Vec<String>,
    /// Classes of failure for which they are.
    pub fallback_on: Vec<FailureClass>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            max_tokens_parameter: None,
            send_temperature: true,
            json: None,
            price: None,
            extra_body: Map::new(),
            limits: LimitsConfig::default(),
            fallback: Vec::new(),
            fallback_on: vec![
                FailureClass::Quota,
                FailureClass::Auth,
                FailureClass::NotFound,
                FailureClass::Overloaded,
                FailureClass::Transient,
                FailureClass::Context,
                FailureClass::ContentFilter,
            ],
        }
    }
}

/// How a model is asked for JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonSupport {
    /// By schema.
    Schema,
    /// As any object; the schema stands in the prompt.
    Object,
    /// In the prompt only.
    Prompt,
}

/// `[component.NAME]`: overrides of a plugin's manifest.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ComponentConfig {
    /// Plugin that makes it; the one of the component's name where absent.
    pub plugin: Option<String>,
    /// Whether it runs without `--all`.
    pub enabled: Option<bool>,
    /// Smaller runs earlier.
    pub priority: Option<i64>,
    /// Model that it asks.
    pub model: Option<String>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Most tokens of one answer.
    pub max_output_tokens: Option<u32>,
    /// Options, as the plugin's manifest documents them.
    pub options: Map<String, Value>,
    /// Files that take the place of the plugin's prompts.
    pub prompts: BTreeMap<String, PathBuf>,
    /// Path of the file below the output directory.
    pub output: Option<String>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}\nhint: name an existing file with --config FILE", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file is not valid.
    #[error("the configuration {} is not valid: {}{}", file.display(), cause.trim_end(), hint(cause))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Place and cause, as the parser says.
        cause: String,
    },
    /// A value is out of its range, or names something that is not there.
    #[error("`{key}` in the configuration: {cause}\nhint: {hint}")]
    Value {
        /// Key of the value.
        key: String,
        /// What is wrong.
        cause: String,
        /// What to do.
        hint: String,
    },
}

/// The parser's words without what stands behind `=` in lines that name a key: someone may have written
/// theirs where only its variable's name belongs.
fn without_keys(cause: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some((name, _)) if name.contains('|') && name.to_ascii_lowercase().contains("key") => {
            format!("{name}= …")
        }
        _ => line.to_owned(),
    };
    cause.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Suggests the key that was meant, from the parser's own words.
fn hint(cause: &str) -> String {
    let quoted: Vec<&str> = cause
        .lines()
        .find(|line| line.starts_with("unknown field"))
        .map(|line| line.split('`').skip(1).step_by(2).collect())
        .unwrap_or_default();
    let Some((unknown, known)) = quoted.split_first() else {
        return String::new();
    };
    match closest(unknown, known.iter().copied()) {
        Some(meant) => format!("\nhint: did you mean `{meant}`?"),
        None => "\nhint: batchgen.toml in the repository documents every key".to_owned(),
    }
}

/// The candidate that a misspelt name was probably meant to be.
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

impl Config {
    /// Reads a configuration file. Paths in it count from its directory.
    ///
    /// # Errors
    /// With file, line and column, and the key that was probably meant.
    pub fn read(file: &Path) -> Result<Config, ConfigError> {
        let text = fs::read_to_string(file).map_err(|error| ConfigError::Unreadable {
            file: file.to_owned(),
            cause: error.to_string(),
        })?;
        let mut config: Config = toml::from_str(&text).map_err(|error| ConfigError::Invalid {
            file: file.to_owned(),
            cause: without_keys(&error.to_string()),
        })?;
        config.anchor(file.parent().unwrap_or(Path::new("")));
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
            anchor(&mut dataset.path);
            dataset.categories_file.iter_mut().for_each(anchor);
        }
        anchor(&mut self.output.directory);
        anchor(&mut self.state.file);
        anchor(&mut self.plugins.directory);
        for provider in self.provider.values_mut() {
            provider.api_key_file.iter_mut().for_each(anchor);
        }
        for component in self.component.values_mut() {
            component.prompts.values_mut().for_each(anchor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        fs::write(&file, text).unwrap();
        Config::read(&file)
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config = read("").unwrap();
        let limits = config.limits.for_model(&LimitsConfig::default());
        assert_eq!(
            (limits.requests_per_minute, limits.concurrency),
            (Some(30), Some(8))
        );
        assert_eq!(config.retry.max_tries, 3);
    }

    /// The repository's file documents every key, so every commented line of it must be accepted.
    #[test]
    fn what_the_repository_documents_is_accepted() {
        let documented = include_str!("../../batchgen.toml");
        let key = |line: &str| {
            line.strip_prefix("# ")
                .filter(|rest| {
                    rest.starts_with('[')
                        || rest.split_once(" = ").is_some_and(|(key, _)| {
                            key.bytes()
                                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                        })
                })
                .map(ToOwned::to_owned)
        };
        let uncommented: Vec<String> = documented
            .lines()
            .map(|line| key(line).unwrap_or_else(|| line.to_owned()))
            .collect();
        let config = read(&uncommented.join("\n")).unwrap();
        assert_eq!(config.component.len(), 1);
        assert_eq!(config.provider.len(), 2);
        assert_eq!(config.models.len(), 1);
    }

    #[test]
    fn a_key_file_counts_from_the_directory_of_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        fs::write(&file, "[provider.p]\napi-key-file = \"secrets/p.key\"\n").unwrap();
        let config = Config::read(&file).unwrap();
        let expected = directory.path().join("secrets/p.key");
        assert_eq!(config.provider["p"].api_key_file.as_ref(), Some(&expected));
    }

    #[test]
    fn what_a_provider_or_a_price_may_be_is_told() {
        for (text, words) in [
            ("[provider.p]\napi-key = \"sk-1\"\n", "api-key-env"),
            ("[provider.p]\nlimit-headers = \"opnai\"\n", "`openai`"),
            ("[provider.p]\njson = \"strict\"\n", "`schema`"),
            (
                "[models.\"p/m\"]\nprice = { input = -1.0, output = 2.0 }\n",
                "million tokens",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_place_and_what_was_meant() {
        let error = read("modle = \"offline\"\n").unwrap_err().to_string();
        assert!(error.contains("line 1, column 1"), "{error}");
        assert!(error.ends_with("hint: did you mean `model`?"), "{error}");
        let error = read("[component.text]\nmax-output-token = 5\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("hint: did you mean `max-output-tokens`?"),
            "{error}"
        );
    }

    #[test]
    fn a_key_that_was_written_into_the_file_is_not_shown() {
        let error = read("[provider.openai]\napi-key = \"sk-secret\"\n").unwrap_err();
        let error = error.to_string();
        assert!(!error.contains("sk-secret"), "{error}");
        assert!(error.contains("`api-key-env`"), "{error}");
    }

    #[test]
    fn the_nearest_file_upwards_counts_and_its_paths_start_there() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        assert_eq!(
            Config::find(&below).filter(|file| file.starts_with(directory.path())),
            None
        );
        let file = directory.path().join(FILE_NAME);
        fs::write(&file, "[output]\ndirectory = \"out\"\n").unwrap();
        assert_eq!(Config::find(&below), Some(file.clone()));
        let config = Config::read(&file).unwrap();
        assert_eq!(config.output.directory, directory.path().join("out"));
    }
}
