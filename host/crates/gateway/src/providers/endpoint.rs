//! How to reach a provider and how to speak to its models: a preset with the configuration laid over it. It
//! reads no environment and no file; address and key come from whoever does.

use serde_json::{Map, Value};
use url::{Host, Url};

use super::families::{claude_caches_from, takes_temperature};
use super::headers::RateLimitHeaders;
use super::key::Key;
use super::presets::Preset;
use super::thinking::Thinker;
use crate::adaptation::{Adaptation, Adaptations, Refused};
use crate::models;
use crate::provider::PromptCache;
use crate::settings::{Api, CacheTime, JsonSupport, ModelConfig, ProviderConfig, ServiceTier};
use types::digest::{Digest, DigestBuilder};

/// How to reach a provider.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name of the provider.
    pub name: String,
    /// What it speaks.
    pub api: Api,
    /// Address up to and with `/v1`.
    pub base_url: String,
    /// The key, if it wants one.
    pub key: Option<Key>,
    /// The header that carries the key.
    pub key_header: String,
    /// How its headers describe its limits.
    pub limits: RateLimitHeaders,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether a stream is asked for its usage.
    pub stream_usage: bool,
}

/// How to speak to one model.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Name of the parameter for the output cap.
    pub max_tokens_parameter: String,
    /// Whether the model takes a temperature.
    pub send_temperature: bool,
    /// How it is asked for JSON.
    pub json: JsonSupport,
    /// The tier that is asked for; the ordinary one where absent.
    pub service_tier: Option<ServiceTier>,
    /// How it is told how much to think.
    pub thinker: Thinker,
    /// Most tokens that the model puts out, where that is known.
    pub most_output: Option<u32>,
    /// What is known of the prompt cache.
    pub cache: Option<PromptCache>,
    /// How long it is to keep what questions begin with, where that is asked for.
    pub cache_time: Option<CacheTime>,
    /// Whether questions that begin alike bear a key by which they reach the same cache.
    pub cache_key: bool,
    /// More fields of the request's body.
    pub extra_body: Map<String, Value>,
}

impl Endpoint {
    /// The provider `name` at `base_url`, which [`check`] has passed.
    pub fn new(
        name: &str,
        preset: &Preset,
        configured: &ProviderConfig,
        base_url: String,
        key: Option<Key>,
    ) -> Endpoint {
        let header = configured.key_header.as_deref();
        Endpoint {
            name: name.to_owned(),
            api: configured.api.unwrap_or(preset.api),
            base_url,
            key,
            key_header: header.unwrap_or(preset.key_header).to_owned(),
            limits: configured.limit_headers.unwrap_or(preset.limits),
            stream: configured.stream.unwrap_or(true),
            stream_usage: configured.stream_usage.unwrap_or(preset.stream_usage),
        }
    }

    /// Whether answers are streamed.
    pub(super) fn streams(&self, adaptations: &Adaptations) -> bool {
        let stops = adaptations.contains(&Adaptation::NoStream);
        let begins = adaptations.contains(&Adaptation::Stream);
        // Who refuses both is asked as configured.
        if stops == begins { self.stream } else { begins }
    }
}

impl ModelOptions {
    /// The options of the model `name`: its own configuration, else its provider's, else what the table of models or
    /// the name of its family says, else the preset's.
    pub fn new(
        name: &str,
        preset: &Preset,
        provider: &ProviderConfig,
        model: Option<&ModelConfig>,
    ) -> ModelOptions {
        let own = model.cloned().unwrap_or_default();
        let known = models::facts(&format!("{}/{name}", preset.name));
        let schema = known.and_then(|facts| facts.schema);
        ModelOptions {
            max_tokens_parameter: own
                .max_tokens_parameter
                .or_else(|| provider.max_tokens_parameter.clone())
                .unwrap_or_else(|| preset.max_tokens.to_owned()),
            send_temperature: own
                .send_temperature
                .or_else(|| known?.temperature)
                .unwrap_or_else(|| takes_temperature(name)),
            json: own
                .json
                .or(provider.json)
                .unwrap_or_else(|| preset.json_of(schema)),
            service_tier: own.service_tier,
            thinker: Thinker::new(preset, name, known),
            most_output: known.and_then(|facts| facts.max_output),
            cache: cache(name, preset, provider, own.prompt_cache),
            cache_time: own.prompt_cache,
            cache_key: preset.cache_key,
            extra_body: own.extra_body,
        }
    }

    /// A hash of it and of where it is used.
    pub(super) fn digest(&self, endpoint: &Endpoint) -> Digest {
        let ModelOptions {
            max_tokens_parameter,
            send_temperature,
            json,
            service_tier,
            // What is said of thinking is part of the question, and what the table knows is no way of asking.
            thinker: _,
            most_output: _,
            // How a cache is used changes nothing of what is refused.
            cache: _,
            cache_time: _,
            cache_key: _,
            extra_body,
        } = self;
        let mut builder = DigestBuilder::new("batchgen manner 1");
        builder
            .text(&endpoint.base_url)
            .truth(endpoint.stream)
            .truth(endpoint.stream_usage)
            .text(max_tokens_parameter)
            .truth(*send_temperature)
            .text(&format!("{json:?}"))
            .json(&Value::Object(extra_body.clone()));
        // A tier has limits of its own.
        if let Some(ServiceTier::Flex) = service_tier {
            builder.text("flex");
        }
        builder.finish()
    }

    /// Name of the parameter for the output cap.
    pub(super) fn cap(&self, adaptations: &Adaptations) -> &str {
        if adaptations.contains(&Adaptation::MaxTokens) {
            "max_tokens"
        } else if adaptations.contains(&Adaptation::MaxCompletionTokens) {
            "max_completion_tokens"
        } else {
            &self.max_tokens_parameter
        }
    }

    /// Whether a temperature is sent.
    pub(super) fn sends_temperature(&self, adaptations: &Adaptations) -> bool {
        self.send_temperature && !adaptations.contains(&Adaptation::NoTemperature)
    }

    /// How JSON is asked for.
    pub(super) fn json(&self, adaptations: &Adaptations) -> JsonSupport {
        if adaptations.contains(&Adaptation::JsonPrompt) {
            JsonSupport::Prompt
        } else if adaptations.contains(&Adaptation::JsonObject) {
            JsonSupport::Object
        } else {
            self.json
        }
    }

    /// How to ask when a part of a request is refused that was made with these adaptations; `None` where nothing is left to
    /// try.
    pub(super) fn adapt(
        &self,
        endpoint: &Endpoint,
        refused: Refused,
        so_far: &Adaptations,
    ) -> Option<Adaptation> {
        let is_stream = endpoint.streams(so_far);
        let was_renamed = so_far.contains(&Adaptation::MaxTokens)
            || so_far.contains(&Adaptation::MaxCompletionTokens);
        match refused {
            Refused::Temperature => self
                .sends_temperature(so_far)
                .then_some(Adaptation::NoTemperature),
            Refused::CapName if was_renamed => None,
            Refused::CapName if self.cap(so_far) == "max_tokens" => {
                Some(Adaptation::MaxCompletionTokens)
            }
            Refused::CapName => Some(Adaptation::MaxTokens),
            Refused::StreamOptions => {
                let asks = is_stream && endpoint.stream_usage;
                let adaptation = Adaptation::NoStreamOptions;
                (asks && !so_far.contains(&adaptation)).then_some(adaptation)
            }
            Refused::Stream => is_stream.then_some(Adaptation::NoStream),
            Refused::NoStream => (!is_stream).then_some(Adaptation::Stream),
            Refused::Json => match self.json(so_far) {
                JsonSupport::Schema => Some(Adaptation::JsonObject),
                JsonSupport::Object => Some(Adaptation::JsonPrompt),
                JsonSupport::Prompt => None,
            },
            Refused::System => {
                let adaptation = Adaptation::NoSystem;
                (!so_far.contains(&adaptation)).then_some(adaptation)
            }
            Refused::Reasoning => self.thinker.adapt(endpoint.api, so_far),
            Refused::CacheKey => {
                let adaptation = Adaptation::NoCacheKey;
                (self.cache_key && !so_far.contains(&adaptation)).then_some(adaptation)
            }
            Refused::Cap { .. } => None,
        }
    }
}

/// What is known of the prompt cache of a model: who speaks Anthropic's API is asked to keep what questions begin with,
/// others keep it by themselves.
fn cache(
    model: &str,
    preset: &Preset,
    provider: &ProviderConfig,
    time: Option<CacheTime>,
) -> Option<PromptCache> {
    let least_tokens = match provider.api.unwrap_or(preset.api) {
        Api::Messages => claude_caches_from(model),
        Api::Chat => preset.caches_from?,
    };
    Some(PromptCache {
        least_tokens,
        lifetime: time.unwrap_or(CacheTime::Minutes).span(),
    })
}

/// An address that no question is sent to. It does not show what may hold a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// It is none.
    #[error(
        "the address of the provider `{name}` is not a web address\nhint: write it as in {example}"
    )]
    NotAnAddress {
        /// The provider.
        name: String,
        /// One that is.
        example: &'static str,
    },
    /// It has a query or a fragment, which a path cannot be put behind.
    #[error(
        "the address of the provider `{name}` has a part that cannot be kept: {part}\nhint: leave that part out, and end the \
         address with the folder of the API, as in {example}"
    )]
    Query {
        /// The provider.
        name: String,
        /// What is too much, without values.
        part: String,
        /// An address without.
        example: &'static str,
    },
    /// It has a user or a password in it.
    #[error(
        "the address of the provider `{name}` has a user or password in it\nhint: name the key with api-key-env \
         or api-key-file in [provider.{name}]"
    )]
    Credentials {
        /// The provider.
        name: String,
    },
    /// It is not encrypted.
    #[error(
        "the provider `{name}` at {host} is not reached by https, so key and data could be read on the way\nhint: \
         use https, or set allow-http = true in [provider.{name}]"
    )]
    Unencrypted {
        /// The provider.
        name: String,
        /// Where it is.
        host: String,
    },
}

/// Passes an address: https, or http to this machine or where `allow_http` is set.
///
/// # Errors
/// When it is another, or none.
pub fn check(
    name: &str,
    preset: &Preset,
    base_url: &str,
    allow_http: bool,
) -> Result<(), AddressError> {
    let none = || AddressError::NotAnAddress {
        name: name.to_owned(),
        example: preset.example_url,
    };
    let url = Url::parse(base_url).map_err(|_| none())?;
    let host = url.host().ok_or_else(none)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(AddressError::Credentials {
            name: name.to_owned(),
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(AddressError::Query {
            name: name.to_owned(),
            part: too_much(&url),
            example: preset.example_url,
        });
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if allow_http || is_loopback(&host) => Ok(()),
        "http" => Err(AddressError::Unencrypted {
            name: name.to_owned(),
            host: host.to_string(),
        }),
        _ => Err(none()),
    }
}

/// The query and the fragment of an address, without the values in them, which may be secret.
fn too_much(url: &Url) -> String {
    let names: Vec<String> = url
        .query_pairs()
        .map(|(name, _)| format!("{name}=..."))
        .collect();
    let query = url.query().map(|_| format!("?{}", names.join("&")));
    let fragment = url.fragment().map(|_| "#...".to_owned());
    [query, fragment].into_iter().flatten().collect()
}

/// Whether an address is one of this machine.
pub fn is_this_machine(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback(&host))
}

pub(super) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::presets::preset;

    #[test]
    fn only_this_machine_is_reached_without_encryption() {
        let openai = preset("openai").unwrap();
        let check = |url: &str, allow: bool| check("p", openai, url, allow);
        for url in [
            "https://api.example.com/v1",
            "http://127.0.0.1:8000/v1",
            "http://127.8.9.1/v1",
            "http://localhost:11434/v1",
            "http://[::1]:1/v1",
        ] {
            assert_eq!(check(url, false), Ok(()), "{url}");
        }
        for url in ["http://192.168.1.5/v1", "http://localhost.example.com/v1"] {
            let error = check(url, false).unwrap_err();
            assert!(matches!(error, AddressError::Unencrypted { .. }), "{url}");
            assert_eq!(check(url, true), Ok(()), "{url}");
        }
        for url in [
            "",
            "api.openai.com/v1",
            "file:///etc/passwd",
            "ftp://x/y",
            "https://",
        ] {
            let error = check(url, true).unwrap_err();
            assert!(matches!(error, AddressError::NotAnAddress { .. }), "{url}");
        }
        let error = check(
            "https://x.example/openai?api-version=1&key=sesame#top",
            true,
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("?api-version=...&key=...#..."), "{error}");
        assert!(!error.contains("sesame"), "{error}");
        let error = check("https://me:sesame@example.com/v1", true).unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn the_nearest_configuration_counts() {
        let openai = preset("openai").unwrap();
        let mut provider = ProviderConfig::default();
        let mut model = ModelConfig::default();
        let options = ModelOptions::new("m", openai, &provider, None);
        assert_eq!(options.max_tokens_parameter, "max_completion_tokens");
        assert_eq!(options.json, JsonSupport::Schema);
        provider.max_tokens_parameter = Some("max_tokens".to_owned());
        provider.json = Some(JsonSupport::Prompt);
        model.json = Some(JsonSupport::Object);
        let options = ModelOptions::new("m", openai, &provider, Some(&model));
        assert_eq!(options.max_tokens_parameter, "max_tokens");
        assert_eq!(options.json, JsonSupport::Object);
    }

    #[test]
    fn what_is_refused_is_asked_for_in_another_way_until_nothing_is_left() {
        let openai = preset("openai").unwrap();
        let provider = ProviderConfig::default();
        let url = "https://x.example/v1".to_owned();
        let endpoint = Endpoint::new("openai", openai, &provider, url, None);
        let options = ModelOptions::new("m", openai, &provider, None);
        let ways = |refused| {
            let mut so_far = Adaptations::new();
            while let Some(next) = options.adapt(&endpoint, refused, &so_far) {
                assert!(so_far.insert(next), "{next:?} was tried before");
            }
            Vec::from_iter(so_far)
        };
        assert_eq!(ways(Refused::Temperature), [Adaptation::NoTemperature]);
        assert_eq!(ways(Refused::CapName), [Adaptation::MaxTokens]);
        assert_eq!(ways(Refused::StreamOptions), [Adaptation::NoStreamOptions]);
        assert_eq!(ways(Refused::Stream), [Adaptation::NoStream]);
        assert_eq!(ways(Refused::NoStream), []);
        assert_eq!(
            ways(Refused::Json),
            [Adaptation::JsonObject, Adaptation::JsonPrompt]
        );
        assert_eq!(ways(Refused::System), [Adaptation::NoSystem]);
        let reasoning = ModelOptions::new("gpt-5-mini", openai, &provider, None);
        let none = Adaptations::new();
        assert!(!reasoning.sends_temperature(&none));
        assert_eq!(
            reasoning.adapt(&endpoint, Refused::Temperature, &none),
            None
        );
        let told = ModelConfig {
            send_temperature: Some(true),
            ..ModelConfig::default()
        };
        let told = ModelOptions::new("gpt-5-mini", openai, &provider, Some(&told));
        assert!(told.sends_temperature(&none));
    }

    #[test]
    fn an_endpoint_does_not_show_its_key() {
        let openai = preset("openai").unwrap();
        let key = Key::new("sk-very-secret");
        let url = "https://x.example/v1".to_owned();
        let endpoint = Endpoint::new("openai", openai, &ProviderConfig::default(), url, key);
        assert!(!format!("{endpoint:?}").contains("secret"));
    }
}
