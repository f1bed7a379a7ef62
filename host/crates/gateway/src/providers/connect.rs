//! Connects to the provider of a model: a preset with the configuration laid over it, its address and its key. Keys are
//! looked up here and nowhere else, and only for a model that is used. Where variables come from is the caller's.

pub(super) mod places;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use types::digest::{Digest, DigestBuilder};
use types::suggest::closest;

use super::batches::connect_batches;
use super::endpoint::{AddressError, Endpoint, ModelOptions, check};
use super::key::Key;
use super::model_check::{ModelError, checked};
use super::offline::{self, Offline};
use super::presets::{OPENAI_BATCHES, Preset, UnknownPreset, names, preset, preset_of};
use super::{anthropic, openai};
use crate::batch::protocol::BatchProtocol;
use crate::error::CallError;
use crate::provider::{PromptCache, Provider};
use crate::settings::{Api, LimitsConfig, ModelConfig, ProviderConfig};

/// The variable that beats the address of `openai`.
const OPENAI_BASE_URL: (&str, &str) = ("openai", "OPENAI_BASE_URL");

/// Looks up a variable of the environment.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is configured of providers and models; the presets stand behind it.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue<'a> {
    /// Providers by name.
    pub providers: &'a BTreeMap<String, ProviderConfig>,
    /// Models by `provider/model`.
    pub models: &'a BTreeMap<String, ModelConfig>,
}

/// One place where a model is asked.
pub struct Connection {
    /// The short name of the endpoint, where the provider has several.
    pub endpoint: Option<String>,
    /// Limits of the endpoint, in place of the model's.
    pub limits: LimitsConfig,
    /// Who is asked there.
    pub provider: Arc<dyn Provider>,
}

/// A provider cannot be reached for a model, as things are configured.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not written as `provider/model`.
    #[error(
        "`{model}` is not the name of a model\nhint: {}a model is written as provider/model, as in openai/gpt-4o-mini, or \
         `offline`",
        meant(suggestion.as_deref())
    )]
    NotAModel {
        /// What was written.
        model: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// It is not written so under `[models]`.
    #[error(
        "`{model}` under [models] is not the name of a model\nhint: a model is written as provider/model, as in \
         [models.\"openai/gpt-4o-mini\"]"
    )]
    NotAModelsKey {
        /// What was written.
        model: String,
    },
    /// Neither the configuration nor a preset has the provider.
    #[error(
        "there is no provider `{name}` for the model `{model}`\nhint: {}add [provider.{name}] with base-url to batchgen.toml; \
         known here: {}",
        meant(suggestion.as_deref()),
        known.join(", ")
    )]
    UnknownProvider {
        /// The provider.
        name: String,
        /// The model that asks for it.
        model: String,
        /// The name that was probably meant.
        suggestion: Option<String>,
        /// The providers that there are.
        known: Vec<String>,
    },
    /// Only the user knows its address.
    #[error(
        "the provider `{name}` has no address\nhint: set base-url in [provider.{name}], as in {example}"
    )]
    NoAddress {
        /// The provider.
        name: String,
        /// How an address of it is written.
        example: &'static str,
    },
    /// Its address will not do.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It names a preset that does not exist.
    #[error(transparent)]
    Preset(#[from] UnknownPreset),
    /// No variable holds its key.
    #[error(
        "the provider `{name}` needs a key, and {variables} is not set\nhint: export {first}=..., write it into .env beside \
         batchgen.toml, or name a file with api-key-file in [provider.{name}]"
    )]
    NoKey {
        /// The provider.
        name: String,
        /// The variables that may hold it.
        variables: String,
        /// The one to set.
        first: String,
    },
    /// Variable and file are both named.
    #[error(
        "[provider.{name}] has both api-key-env and api-key-file\nhint: keep the one that holds the key"
    )]
    TwoKeys {
        /// The provider.
        name: String,
    },
    /// The file of its key cannot be read.
    #[error(
        "the key of the provider `{name}` cannot be read from {}: {cause}\nhint: name a file that holds the key and nothing \
         else",
        file.display()
    )]
    KeyFile {
        /// The provider.
        name: String,
        /// The file.
        file: PathBuf,
        /// Why.
        cause: String,
    },
    /// The file of its key holds none.
    #[error("the key of the provider `{name}` is missing: {} is empty\nhint: put the key into it", file.display())]
    EmptyKeyFile {
        /// The provider.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// The parameters of a model cannot be what they are configured to be.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Two endpoints have one name.
    #[error(
        "two endpoints of the provider `{name}` are called `{endpoint}`\nhint: give each a name, as in endpoints = [{{ name = \
         \"a\", base-url = \"...\" }}]"
    )]
    SameEndpoint {
        /// The provider.
        name: String,
        /// What both are called.
        endpoint: String,
    },
    /// More endpoints than a pool has room for.
    #[error(
        "the provider `{name}` has more endpoints than there may be\nhint: name at most {most}"
    )]
    TooManyEndpoints {
        /// The provider.
        name: String,
        /// How many there may be.
        most: usize,
    },
    /// The key cannot be sent, or TLS cannot be set up.
    #[error(transparent)]
    Setup(#[from] CallError),
}

/// How batches of a model are handed in.
pub struct BatchAccess {
    /// The batch API.
    pub protocol: Arc<dyn BatchProtocol>,
    /// Whether the provider takes batches. Else they are files that a person carries.
    pub hands_in: bool,
    /// For how many days answers are kept, where that is told.
    pub kept_days: Option<u64>,
    /// A hash of address and key: a batch is seen with those that it was made with, and with no others.
    pub account: Digest,
}

/// A hash of an address and a key, from which neither can be told.
fn account(endpoint: &Endpoint) -> Digest {
    let mut builder = DigestBuilder::new("batchgen account 1");
    builder.text(endpoint.base_url.trim_end_matches('/'));
    builder.text(endpoint.key.as_ref().map_or("", Key::expose));
    builder.finish()
}

/// How a model is reached.
struct Reached<'m> {
    /// Its name, without the provider's.
    own: &'m str,
    preset: Preset,
    /// Its endpoints, with the name and the limits of each.
    endpoints: Vec<(Option<String>, LimitsConfig, Endpoint)>,
    options: ModelOptions,
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("did you mean `{name}`? "))
}

impl Catalogue<'_> {
    /// Where `model`, which is written as `provider/model` or is `offline`, is asked: at one place, or at each endpoint of its
    /// provider.
    ///
    /// # Errors
    /// When the name, an address or a key will not do. Nothing is sent.
    pub fn connect(
        &self,
        model: &str,
        variables: Variables<'_>,
    ) -> Result<Vec<Connection>, ConnectError> {
        if model == offline::NAME {
            return Ok(vec![Connection {
                endpoint: None,
                limits: LimitsConfig::default(),
                provider: Arc::new(Offline),
            }]);
        }
        let Reached {
            endpoints, options, ..
        } = self.reach(model, variables)?;
        let connections = endpoints.into_iter().map(|(name, limits, endpoint)| {
            Ok(Connection {
                endpoint: name,
                limits,
                provider: connect(endpoint, options.clone())?,
            })
        });
        connections.collect()
    }

    /// The batch API of `model` at each endpoint of its provider. Where that has none that is known, it is the form of files that
    /// others answer; nothing where there is no such form.
    ///
    /// # Errors
    /// Like [`Catalogue::connect`].
    pub fn connect_batches(
        &self,
        model: &str,
        variables: Variables<'_>,
    ) -> Result<Vec<BatchAccess>, ConnectError> {
        if model == offline::NAME {
            return Ok(Vec::new());
        }
        let Reached {
            own,
            preset,
            endpoints,
            options,
        } = self.reach(model, variables)?;
        let mut found = Vec::with_capacity(endpoints.len());
        for (_, _, endpoint) in endpoints {
            let batch = match (preset.batch, endpoint.api) {
                (Some(batch), _) => batch,
                (None, Api::Chat) => OPENAI_BATCHES,
                (None, Api::Messages) => return Ok(Vec::new()),
            };
            found.push(BatchAccess {
                account: account(&endpoint),
                protocol: connect_batches(own, batch, endpoint, options.clone())?,
                hands_in: preset.batch.is_some(),
                kept_days: batch.kept_days,
            });
        }
        Ok(found)
    }

    /// Whether the provider of a model is known to take batches, with or without its key.
    pub fn takes_batches(&self, model: &str) -> bool {
        let Some((name, _)) = split(model) else {
            return false;
        };
        let unconfigured = ProviderConfig::default();
        let configured = self.providers.get(name).unwrap_or(&unconfigured);
        preset_of(name, configured).is_ok_and(|preset| preset.batch.is_some())
    }

    fn reach<'m>(
        &self,
        model: &'m str,
        variables: Variables<'_>,
    ) -> Result<Reached<'m>, ConnectError> {
        let (name, own) = split(model).ok_or_else(|| ConnectError::NotAModel {
            model: model.to_owned(),
            suggestion: closest(model, [offline::NAME].into_iter()).map(ToOwned::to_owned),
        })?;
        let unconfigured = ProviderConfig::default();
        let configured = self.providers.get(name);
        if configured.is_none() && preset(name).is_none() {
            return Err(self.unknown(name, model));
        }
        let configured = configured.unwrap_or(&unconfigured);
        let preset = preset_of(name, configured)?;
        let api = configured.api.unwrap_or(preset.api);
        checked(model, own, &preset, api, self.models.get(model))?;
        let options = ModelOptions::new(own, &preset, configured, self.models.get(model));
        let places = places::places(name, &preset, configured, variables)?;
        let endpoints = places.into_iter().map(|place| {
            let configured = &place.configured;
            check(name, &preset, &place.base_url, configured.allow_http)?;
            let key = key(name, &preset, configured, variables)?;
            let endpoint = Endpoint::new(name, &preset, configured, place.base_url, key);
            Ok((place.endpoint, place.limits, endpoint))
        });
        Ok(Reached {
            own,
            preset,
            endpoints: endpoints.collect::<Result<_, ConnectError>>()?,
            options,
        })
    }

    /// What is known of the prompt cache of a model; nothing where it has none, or cannot be reached as configured.
    pub fn prompt_cache(&self, model: &str) -> Option<PromptCache> {
        let (name, own) = split(model)?;
        let configured = self.providers.get(name).cloned().unwrap_or_default();
        let preset = preset_of(name, &configured).ok()?;
        ModelOptions::new(own, &preset, &configured, self.models.get(model)).cache
    }

    /// Passes the models that the configuration sets something for, or falls back to.
    ///
    /// # Errors
    /// When one is not written as `provider/model`, its provider is not known, or it cannot be asked as it is configured.
    pub fn check_models(&self) -> Result<(), ConnectError> {
        let fallbacks = self.models.values().flat_map(|model| &model.fallback);
        let named = self.models.keys().chain(fallbacks);
        for model in named.filter(|model| *model != offline::NAME) {
            let (name, own) = split(model).ok_or_else(|| ConnectError::NotAModelsKey {
                model: model.clone(),
            })?;
            if !self.providers.contains_key(name) && preset(name).is_none() {
                return Err(self.unknown(name, model));
            }
            let configured = self.providers.get(name).cloned().unwrap_or_default();
            let preset = preset_of(name, &configured)?;
            let api = configured.api.unwrap_or(preset.api);
            checked(model, own, &preset, api, self.models.get(model))?;
        }
        Ok(())
    }

    fn unknown(&self, name: &str, model: &str) -> ConnectError {
        let configured = self.providers.keys().cloned();
        let known: Vec<String> = configured.chain(names().map(ToOwned::to_owned)).collect();
        ConnectError::UnknownProvider {
            name: name.to_owned(),
            model: model.to_owned(),
            suggestion: closest(name, known.iter().map(String::as_str)).map(ToOwned::to_owned),
            known,
        }
    }
}

/// A provider at a known endpoint, for one model.
///
/// # Errors
/// When the key has characters that no header can carry, or TLS cannot be set up.
pub fn connect(endpoint: Endpoint, options: ModelOptions) -> Result<Arc<dyn Provider>, CallError> {
    Ok(match endpoint.api {
        Api::Chat => Arc::new(openai::OpenAi::new(endpoint, options)?),
        Api::Messages => Arc::new(anthropic::Anthropic::new(endpoint, options)?),
    })
}

/// Provider and own name of a model.
pub(super) fn split(model: &str) -> Option<(&str, &str)> {
    model
        .split_once('/')
        .filter(|(name, own)| !name.is_empty() && !own.is_empty())
}

pub(super) fn base_url(
    name: &str,
    preset: &Preset,
    configured: &ProviderConfig,
    variables: Variables<'_>,
) -> Result<String, ConnectError> {
    let (provider, variable) = OPENAI_BASE_URL;
    let from_environment = (name == provider)
        .then(|| variables(variable))
        .flatten()
        .filter(|url| !url.is_empty());
    from_environment
        .or_else(|| configured.base_url.clone())
        .or_else(|| preset.base_url.map(ToOwned::to_owned))
        .ok_or_else(|| ConnectError::NoAddress {
            name: name.to_owned(),
            example: preset.example_url,
        })
}

fn key(
    name: &str,
    preset: &Preset,
    configured: &ProviderConfig,
    variables: Variables<'_>,
) -> Result<Option<Key>, ConnectError> {
    let read = |variable: &str| Key::new(&variables(variable)?);
    let missing = |all: &str, first: &str| ConnectError::NoKey {
        name: name.to_owned(),
        variables: all.to_owned(),
        first: first.to_owned(),
    };
    match (&configured.api_key_env, &configured.api_key_file) {
        (Some(_), Some(_)) => Err(ConnectError::TwoKeys {
            name: name.to_owned(),
        }),
        (Some(variable), None) if variable.is_empty() => Ok(None),
        (Some(variable), None) => read(variable)
            .map(Some)
            .ok_or_else(|| missing(variable, variable)),
        (None, Some(file)) => {
            let text = fs::read_to_string(file).map_err(|error| ConnectError::KeyFile {
                name: name.to_owned(),
                file: file.clone(),
                cause: error.to_string(),
            })?;
            Key::new(&text)
                .map(Some)
                .ok_or_else(|| ConnectError::EmptyKeyFile {
                    name: name.to_owned(),
                    file: file.clone(),
                })
        }
        (None, None) => match preset.keys.first() {
            None => Ok(None),
            Some(first) => {
                let mut variables = preset.keys.iter();
                variables
                    .find_map(|variable| read(variable))
                    .map(Some)
                    .ok_or_else(|| missing(&preset.keys.join(" or "), first))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// The sections that count here.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Sections {
        provider: BTreeMap<String, ProviderConfig>,
        models: BTreeMap<String, ModelConfig>,
    }

    /// What connecting to `model` says with this configuration; nothing when it succeeds.
    fn said(model: &str, configuration: &str) -> String {
        let sections: Sections = toml::from_str(configuration).unwrap();
        let catalogue = Catalogue {
            providers: &sections.provider,
            models: &sections.models,
        };
        match catalogue.connect(model, &|_| None) {
            Ok(connections) => {
                let provider = &connections[0].provider;
                assert_eq!(Some(provider.name()), model.split('/').next());
                String::new()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_preset_without_key_needs_no_configuration() {
        for name in ["vllm", "llamacpp", "ollama", "litellm"] {
            assert_eq!(said(&format!("{name}/m"), ""), "", "{name}");
        }
    }

    #[test]
    fn who_takes_batches_is_known_without_a_key() {
        let sections: Sections = toml::from_str("provider.mine = {preset = \"mistral\"}").unwrap();
        let catalogue = Catalogue {
            providers: &sections.provider,
            models: &sections.models,
        };
        for (model, takes) in [
            ("openai/m", true),
            ("mine/m", true),
            ("vllm/m", false),
            ("nobody/m", false),
            ("offline", false),
        ] {
            assert_eq!(catalogue.takes_batches(model), takes, "{model}");
        }
    }

    #[test]
    fn a_key_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("good.key"), "sk-from-file\n").unwrap();
        fs::write(folder.path().join("empty.key"), "\n").unwrap();
        let provider = |file: &str| {
            let file = folder.path().join(file);
            format!("[provider.openai]\napi-key-file = '{}'", file.display())
        };
        assert_eq!(said("openai/m", &provider("good.key")), "");
        assert!(said("openai/m", &provider("empty.key")).contains("is empty"));
        assert!(said("openai/m", &provider("no.key")).contains("cannot be read"));
        let both = format!("{}\napi-key-env = 'X'", provider("good.key"));
        assert!(said("openai/m", &both).contains("both"));
    }

    #[test]
    fn a_tier_that_the_provider_has_not_is_told_before_anything_is_asked() {
        let flex = |model: &str, more: &str| {
            let configuration = format!(
                "[provider.mine]\nbase-url = 'https://x.example/v1'\napi-key-env = ''\n\
                 [provider.ours]\npreset = 'openai'\napi-key-env = ''\n\
                 [models.'{model}']\nservice-tier = 'flex'\n{more}"
            );
            said(model, &configuration)
        };
        for model in ["mine/m", "ollama/m"] {
            let said = flex(model, "");
            assert!(
                said.contains("known to have one: openai, azure, gemini"),
                "{said}"
            );
        }
        assert_eq!(flex("ours/gpt-5-mini", ""), "");
        assert_eq!(flex("ours/a-model-of-mine", ""), "");
        let old = flex("ours/gpt-4o-mini", "");
        assert!(old.contains("add flex-price"), "{old}");
        let told = "flex-price = { input = 0.075, output = 0.3 }";
        assert_eq!(flex("ours/gpt-4o-mini", told), "");
        let twice = flex("ours/gpt-5-mini", "extra-body = { service_tier = 'auto' }");
        assert!(
            twice.contains("both service-tier and `service_tier`"),
            "{twice}"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let unset = "BATCHGEN_TEST_UNSET_KEY";
        let key =
            format!("[provider.mine]\nbase-url = 'https://x.example/v1'\napi-key-env = '{unset}'");
        assert!(said("mine/m", &key).contains(&format!("hint: export {unset}=...")));
        assert!(said("gorq/m", "").contains("did you mean `groq`?"));
        assert!(said("azure/m", "").contains("<resource>.openai.azure.com/openai/v1"));
        assert!(
            said("mine/m", "[provider.mine]\npreset = 'olama'").contains("did you mean `ollama`?")
        );
        assert!(said("mine/m", "[provider.mine]").contains("set base-url in [provider.mine]"));
        let open = "[provider.mine]\nbase-url = 'http://10.0.0.1/v1'\n";
        assert!(said("mine/m", open).contains("allow-http = true"));
        assert_eq!(said("mine/m", &format!("{open}allow-http = true")), "");
    }
}
