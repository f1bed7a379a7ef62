//! What a person may set for a provider and for a model: the sections `[provider.NAME]`, `[models."provider/model"]` and
//! `[limits]` of a configuration file. It does not know where the file lies.

mod endpoints;
mod limits;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use endpoints::EndpointConfig;
pub use limits::LimitsConfig;

use super::models;
use super::prices::Price;
use super::providers::RateLimitHeaders;
use types::class::FailureClass;
use types::key::Reasoning;

/// The API that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Api {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
}

/// `[provider.NAME]`: where a provider differs from the preset of its name, or of the one it names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProviderConfig {
    /// Preset that it is like; the one of its own name where absent.
    pub preset: Option<String>,
    /// Address up to and with `/v1`.
    pub base_url: Option<String>,
    /// Where it has several addresses or keys: all of them.
    pub endpoints: Vec<EndpointConfig>,
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
    pub limit_headers: Option<RateLimitHeaders>,
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
    /// Whether the model takes a temperature; where absent, its family or its first refusal says so.
    pub send_temperature: Option<bool>,
    /// How a JSON schema is asked for.
    pub json: Option<JsonSupport>,
    /// What a million tokens cost, in place of the bundled price.
    pub price: Option<Price>,
    /// How much it thinks before it answers; left to it where absent.
    pub reasoning: Option<Reasoning>,
    /// The tier that its calls are asked at; the ordinary one where absent.
    pub service_tier: Option<ServiceTier>,
    /// What a million tokens cost at the flex tier, in place of the bundled price.
    pub flex_price: Option<Price>,
    /// What a million tokens cost in a batch, in place of the bundled price.
    pub batch_price: Option<Price>,
    /// Whether it is asked one by one or in batches.
    pub mode: Option<Mode>,
    /// How long Anthropic's prompt cache keeps what questions begin with; five minutes where absent.
    pub prompt_cache: Option<CacheTime>,
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
            send_temperature: None,
            json: None,
            price: None,
            reasoning: None,
            service_tier: None,
            flex_price: None,
            batch_price: None,
            mode: None,
            prompt_cache: None,
            extra_body: Map::new(),
            limits: LimitsConfig::default(),
            fallback: Vec::new(),
            fallback_on: vec![
                FailureClass::Quota,
                FailureClass::Auth,
                FailureClass::NotFound,
                FailureClass::Overloaded,
                FailureClass::NoCapacity,
                FailureClass::Transient,
                FailureClass::Context,
                FailureClass::ContentFilter,
            ],
        }
    }
}

/// A tier of a provider's service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceTier {
    /// Cheaper, slower, and only while there is room.
    Flex,
}

/// Whether questions are asked one by one, or handed in many at once for half the price and answered within a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One by one.
    #[default]
    Online,
    /// In batches, all of them.
    Batch,
    /// In batches, but for repairs and for a rest that is too small for a batch.
    Auto,
}

impl Mode {
    /// Its name, as it is configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Online => "online",
            Mode::Batch => "batch",
            Mode::Auto => "auto",
        }
    }
}

/// How long Anthropic's prompt cache keeps what nobody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum CacheTime {
    /// Five minutes.
    #[serde(rename = "5m")]
    Minutes,
    /// An hour, for which writing costs more.
    #[serde(rename = "1h")]
    Hour,
}

impl CacheTime {
    /// As the configuration and the API write it.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheTime::Minutes => "5m",
            CacheTime::Hour => "1h",
        }
    }

    /// The span.
    pub fn span(self) -> Duration {
        Duration::from_secs(match self {
            CacheTime::Minutes => 300,
            CacheTime::Hour => 3600,
        })
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

/// What `model`, named as `provider/model`, costs as it is asked: at the tier that is configured, as configured, else as
/// bundled; `None` when unknown.
pub fn price(models: &BTreeMap<String, ModelConfig>, model: &str) -> Option<Price> {
    let configured = models.get(model);
    match configured.and_then(|configured| configured.service_tier) {
        Some(ServiceTier::Flex) => configured
            .and_then(|configured| configured.flex_price)
            .or_else(|| models::facts(model)?.flex),
        None => ordinary_price(models, model),
    }
}

/// What it costs where it is served at the ordinary tier, whatever it is asked for.
pub fn ordinary_price(models: &BTreeMap<String, ModelConfig>, model: &str) -> Option<Price> {
    models
        .get(model)
        .and_then(|configured| configured.price)
        .or_else(|| models::price(model))
}

/// What `model` costs in a batch: as configured, else as bundled. A price that was configured for single calls is the most
/// that it can cost; so it is, where no other is known.
pub fn batch_price(models: &BTreeMap<String, ModelConfig>, model: &str) -> Option<Price> {
    let configured = models.get(model);
    configured
        .and_then(|configured| configured.batch_price.or(configured.price))
        .or_else(|| models::facts(model)?.batch)
        .or_else(|| models::price(model))
}
