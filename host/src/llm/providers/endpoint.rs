//! How to reach a provider and how to speak to its models: a preset with the configuration laid over it. It
//! reads no environment and no file; address and key come from whoever does.

use serde_json::{Map, Value};
use url::{Host, Url};

use super::headers::Dialect;
use super::key::Key;
use super::presets::{Api, Preset};
use crate::config::{JsonSupport, ModelConfig, ProviderConfig};

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
    pub limits: Dialect,
    /// Whether answers are streamed.
    pub stream: bool,
    /// Whether a stream is asked for its usage.
    pub stream_usage: bool,
}

/// How to speak to one model.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Name of the parameter for the output cap.
    pub max_tokens_parameter: String,
    /// Whether the model takes a temperature.
    pub send_temperature: bool,
    /// How it is asked for JSON.
    pub json: JsonSupport,
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
}

impl Manner {
    /// The manner of a model: its own configuration, else its provider's, else the preset's.
    pub fn new(preset: &Preset, provider: &ProviderConfig, model: Option<&ModelConfig>) -> Manner {
        let own = model.cloned().unwrap_or_default();
        Manner {
            max_tokens_parameter: own
                .max_tokens_parameter
                .or_else(|| provider.max_tokens_parameter.clone())
                .unwrap_or_else(|| preset.max_tokens.to_owned()),
            send_temperature: own.send_temperature,
            json: own.json.or(provider.json).unwrap_or(preset.json),
            extra_body: own.extra_body,
        }
    }
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
    // A path is put behind it, which would become a part of these.
    if url.query().is_some() || url.fragment().is_some() {
        return Err(none());
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

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::providers::presets::preset;

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
            "https://x.example/openai?api-version=1",
        ] {
            let error = check(url, true).unwrap_err();
            assert!(matches!(error, AddressError::NotAnAddress { .. }), "{url}");
        }
        let error = check("https://me:sesame@example.com/v1", true).unwrap_err();
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn the_nearest_configuration_counts() {
        let openai = preset("openai").unwrap();
        let mut provider = ProviderConfig::default();
        let mut model = ModelConfig::default();
        let manner = Manner::new(openai, &provider, None);
        assert_eq!(manner.max_tokens_parameter, "max_completion_tokens");
        assert_eq!(manner.json, JsonSupport::Schema);
        provider.max_tokens_parameter = Some("max_tokens".to_owned());
        provider.json = Some(JsonSupport::Prompt);
        model.json = Some(JsonSupport::Object);
        let manner = Manner::new(openai, &provider, Some(&model));
        assert_eq!(manner.max_tokens_parameter, "max_tokens");
        assert_eq!(manner.json, JsonSupport::Object);
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
