//! What a configuration chooses of a provider that matters to the person who runs it: where questions and the key go, and
//! which key that is. It decides nothing: who trusts which choice is the caller's.

use std::path::PathBuf;

use url::Url;

use super::connect::places::{Place, places};
use super::connect::{Catalogue, ConnectError, Variables, split};
use super::endpoint::is_loopback;
use super::offline;
use super::presets::{Preset, preset, preset_of};
use crate::settings::ProviderConfig;

/// Where the questions for a model go, and with which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The provider's name.
    pub provider: String,
    /// Its address.
    pub base_url: String,
    /// Who chose the address.
    pub address: AddressChoice,
    /// Where the key comes from.
    pub key: KeyChoice,
    /// The header that carries the key, where the configuration names one.
    pub key_header: Option<String>,
}

/// Who chose an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressChoice {
    /// It is known for the preset of this name, or a variable of the environment gives it.
    Known,
    /// The configuration names an address of this machine.
    ThisMachine,
    /// The configuration names another address.
    Configured,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    /// None is sent.
    None,
    /// A variable that is meant for this provider: one of its preset's, or one that bears its name, as `ACME_API_KEY` does.
    Own(Vec<String>),
    /// Another variable, which the configuration names.
    Variable(String),
    /// A file, which the configuration names.
    File(PathBuf),
}

impl Catalogue<'_> {
    /// What is chosen for a model, for each endpoint of its provider; nothing for the offline stand-in.
    ///
    /// # Errors
    /// When the name of the model or an address of its provider will not do.
    pub fn choices(
        &self,
        model: &str,
        variables: Variables<'_>,
    ) -> Result<Vec<Choice>, ConnectError> {
        let Some((name, _)) = split(model).filter(|_| model != offline::NAME) else {
            return Ok(Vec::new());
        };
        let configured = self.providers.get(name).cloned().unwrap_or_default();
        let preset = preset_of(name, &configured)?;
        let places = places(name, &preset, &configured, variables)?;
        let choices = places.into_iter().map(|place| choice(name, &preset, place));
        Ok(choices.collect())
    }
}

fn choice(name: &str, preset: &Preset, place: Place) -> Choice {
    let Place {
        base_url,
        configured,
        ..
    } = place;
    let address = if configured.base_url.as_deref() != Some(base_url.as_str()) {
        of_preset(name, preset)
    } else if known(name) == Some(base_url.as_str()) {
        AddressChoice::Known
    } else if is_here(&base_url) {
        AddressChoice::ThisMachine
    } else {
        AddressChoice::Configured
    };
    Choice {
        provider: name.to_owned(),
        address,
        key: key(name, preset, &configured),
        key_header: configured.key_header,
        base_url,
    }
}

/// The address of the preset that has this name.
fn known(name: &str) -> Option<&'static str> {
    preset(name)?.base_url
}

/// An address that the configuration does not write out: it comes from the environment, or from a preset. A preset may be
/// named by a provider of another name; its address is known all the same.
fn of_preset(name: &str, preset: &Preset) -> AddressChoice {
    let is_known = known(name).is_some() || preset.base_url.is_some();
    if is_known {
        AddressChoice::Known
    } else {
        AddressChoice::Configured
    }
}

fn is_here(base_url: &str) -> bool {
    let url = Url::parse(base_url).ok();
    url.is_some_and(|url| url.host().is_some_and(|host| is_loopback(&host)))
}

fn key(name: &str, preset: &Preset, configured: &ProviderConfig) -> KeyChoice {
    match (&configured.api_key_env, &configured.api_key_file) {
        (_, Some(file)) => KeyChoice::File(file.clone()),
        (Some(variable), None) if variable.is_empty() => KeyChoice::None,
        (Some(variable), None) if is_own(name, preset, variable) => {
            KeyChoice::Own(vec![variable.clone()])
        }
        (Some(variable), None) => KeyChoice::Variable(variable.clone()),
        (None, None) if preset.keys.is_empty() => KeyChoice::None,
        (None, None) => KeyChoice::Own(preset.keys.iter().map(ToString::to_string).collect()),
    }
}

/// Whether a variable is meant for the provider of this name. A provider whose name has several words can bear the name of
/// somebody else's secret, such as `AWS_SECRET_ACCESS_KEY`.
fn is_own(name: &str, preset: &Preset, variable: &str) -> bool {
    let is_word = name.chars().all(|letter| letter.is_ascii_alphanumeric());
    let name = name.to_ascii_uppercase();
    let named = [format!("{name}_KEY"), format!("{name}_API_KEY")];
    preset.keys.contains(&variable) || (is_word && named.iter().any(|own| own == variable))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn choice(model: &str, providers: &str, environment: Option<&str>) -> Choice {
        let providers: BTreeMap<String, ProviderConfig> = toml::from_str(providers).unwrap();
        let catalogue = Catalogue {
            providers: &providers,
            models: &BTreeMap::new(),
        };
        let variables = |_: &str| environment.map(ToOwned::to_owned);
        let choices = catalogue.choices(model, &variables).unwrap();
        choices.into_iter().next().unwrap()
    }

    #[test]
    fn each_endpoint_is_a_choice_of_its_own() {
        let providers: BTreeMap<String, ProviderConfig> = toml::from_str(
            "[openai]\nendpoints = [{ api-key-env = 'OPENAI_KEY' }, { name = 'b', base-url = 'https://b.example/v1', \
             api-key-env = 'GITHUB_TOKEN' }]",
        )
        .unwrap();
        let catalogue = Catalogue {
            providers: &providers,
            models: &BTreeMap::new(),
        };
        let choices = catalogue.choices("openai/m", &|_| None).unwrap();
        let seen: Vec<_> = choices
            .iter()
            .map(|choice| (choice.base_url.as_str(), choice.address, &choice.key))
            .collect();
        let own = KeyChoice::Own(vec!["OPENAI_KEY".to_owned()]);
        let foreign = KeyChoice::Variable("GITHUB_TOKEN".to_owned());
        assert_eq!(
            seen,
            [
                ("https://api.openai.com/v1", AddressChoice::Known, &own),
                ("https://b.example/v1", AddressChoice::Configured, &foreign)
            ]
        );
    }

    #[test]
    fn it_is_told_who_chose_an_address() {
        use AddressChoice::{Configured, Known, ThisMachine};
        let own = "https://api.openai.com/v1";
        let elsewhere = "https://llm.example/v1";
        for (model, providers, environment, expected) in [
            ("openai/m", String::new(), None, Known),
            ("openai/m", String::new(), Some(elsewhere), Known),
            (
                "openai/m",
                format!("[openai]\nbase-url = '{own}'"),
                None,
                Known,
            ),
            (
                "openai/m",
                format!("[openai]\nbase-url = '{elsewhere}'"),
                None,
                Configured,
            ),
            (
                "groq/m",
                format!("[groq]\nbase-url = '{own}'"),
                None,
                Configured,
            ),
            (
                "mine/m",
                format!("[mine]\nbase-url = '{elsewhere}'"),
                None,
                Configured,
            ),
            ("mine/m", "[mine]\npreset = 'groq'".to_owned(), None, Known),
            (
                "mine/m",
                "[mine]\nbase-url = 'http://127.0.0.1:1/v1'".to_owned(),
                None,
                ThisMachine,
            ),
            (
                "mine/m",
                "[mine]\nbase-url = 'http://127.0.0.1.example/v1'".to_owned(),
                None,
                Configured,
            ),
        ] {
            assert_eq!(
                choice(model, &providers, environment).address,
                expected,
                "{providers}"
            );
        }
    }

    #[test]
    fn it_is_told_whose_key_is_sent() {
        let own = |names: &[&str]| KeyChoice::Own(names.iter().map(ToString::to_string).collect());
        let variable = |name: &str| KeyChoice::Variable(name.to_owned());
        for (provider, key, expected) in [
            ("openai", "", own(&["OPENAI_API_KEY"])),
            ("mine", "", KeyChoice::None),
            ("mine", "api-key-env = ''", KeyChoice::None),
            ("mine", "api-key-env = 'MINE_KEY'", own(&["MINE_KEY"])),
            (
                "mine",
                "api-key-env = 'OPENAI_API_KEY'",
                variable("OPENAI_API_KEY"),
            ),
            (
                "openai",
                "api-key-env = 'AWS_SECRET_ACCESS_KEY'",
                variable("AWS_SECRET_ACCESS_KEY"),
            ),
            (
                "aws_secret_access",
                "api-key-env = 'AWS_SECRET_ACCESS_KEY'",
                variable("AWS_SECRET_ACCESS_KEY"),
            ),
            (
                "mine",
                "api-key-file = 'token'",
                KeyChoice::File("token".into()),
            ),
        ] {
            let providers = format!("[{provider}]\nbase-url = 'https://x.example/v1'\n{key}");
            let found = choice(&format!("{provider}/m"), &providers, None);
            assert_eq!(found.key, expected, "{providers}");
        }
    }
}
