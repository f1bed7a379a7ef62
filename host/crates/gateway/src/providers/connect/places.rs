//! Where the questions for a provider go: its one address, or its endpoints, each with its name and what it has of its
//! own.

use std::collections::BTreeMap;

use url::Url;

use super::{ConnectError, Variables, base_url};
use crate::pool::Pool;
use crate::providers::Preset;
use crate::settings::{EndpointConfig, LimitsConfig, ProviderConfig};

/// One place that questions go to.
pub(in crate::providers) struct Place {
    /// The name of the endpoint, where there are several.
    pub endpoint: Option<String>,
    /// Its address.
    pub base_url: String,
    /// The provider's configuration, with what the endpoint has of its own.
    pub configured: ProviderConfig,
    /// Limits of its own.
    pub limits: LimitsConfig,
}

/// The places of a provider.
///
/// # Errors
/// When one has no address, two have one name, or there are too many.
pub(in crate::providers) fn places(
    name: &str,
    preset: &Preset,
    configured: &ProviderConfig,
    variables: Variables<'_>,
) -> Result<Vec<Place>, ConnectError> {
    if configured.endpoints.is_empty() {
        return Ok(vec![Place {
            endpoint: None,
            base_url: base_url(name, preset, configured, variables)?,
            configured: configured.clone(),
            limits: LimitsConfig::default(),
        }]);
    }
    let places = configured
        .endpoints
        .iter()
        .map(|endpoint| place(name, preset, configured, endpoint, variables));
    let mut places: Vec<Place> = places.collect::<Result<_, _>>()?;
    if places.len() > Pool::MOST {
        return Err(ConnectError::TooManyEndpoints {
            name: name.to_owned(),
            most: Pool::MOST,
        });
    }
    if places.len() > 1 {
        give_names(name, &configured.endpoints, &mut places)?;
    }
    Ok(places)
}

fn place(
    name: &str,
    preset: &Preset,
    provider: &ProviderConfig,
    own: &EndpointConfig,
    variables: Variables<'_>,
) -> Result<Place, ConnectError> {
    let mut configured = provider.clone();
    let base_url = match &own.base_url {
        Some(address) => {
            configured.base_url = Some(address.clone());
            address.clone()
        }
        None => base_url(name, preset, provider, variables)?,
    };
    if own.api_key_env.is_some() || own.api_key_file.is_some() {
        configured.api_key_env.clone_from(&own.api_key_env);
        configured.api_key_file.clone_from(&own.api_key_file);
    }
    Ok(Place {
        endpoint: None,
        base_url,
        configured,
        limits: own.limits.clone(),
    })
}

/// Each is called as the configuration says, else by host and port, else by the variable of its key.
fn give_names(
    provider: &str,
    endpoints: &[EndpointConfig],
    places: &mut [Place],
) -> Result<(), ConnectError> {
    let hosts: Vec<String> = places.iter().map(|place| host(&place.base_url)).collect();
    let times = |name: &String| hosts.iter().filter(|other| *other == name).count();
    for ((place, own), host) in places.iter_mut().zip(endpoints).zip(&hosts) {
        let variable = own.api_key_env.clone().filter(|_| times(host) > 1);
        let name = own.name.clone().filter(|name| !name.trim().is_empty());
        place.endpoint = Some(name.or(variable).unwrap_or_else(|| host.clone()));
    }
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for name in places.iter().filter_map(|place| place.endpoint.as_deref()) {
        let times = names.entry(name).or_default();
        *times += 1;
        if *times > 1 {
            return Err(ConnectError::SameEndpoint {
                name: provider.to_owned(),
                endpoint: name.to_owned(),
            });
        }
    }
    Ok(())
}

/// Host and port of an address. What is none is told by whoever checks it.
fn host(address: &str) -> String {
    let Ok(url) = Url::parse(address) else {
        return "?".to_owned();
    };
    let host = url.host_str().unwrap_or("?").to_owned();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::preset;

    fn names(configuration: &str) -> Result<Vec<Option<String>>, ConnectError> {
        let configured: ProviderConfig = toml::from_str(configuration).unwrap();
        let vllm = preset("vllm").unwrap();
        let places = places("vllm", vllm, &configured, &|_| None)?;
        Ok(places.into_iter().map(|place| place.endpoint).collect())
    }

    fn named(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    }

    #[test]
    fn an_endpoint_is_called_by_what_sets_it_apart() {
        assert_eq!(names("").unwrap(), [None]);
        assert_eq!(
            names("endpoints = ['http://10.0.0.1/v1']").unwrap(),
            [None],
            "one is no other than the provider"
        );
        assert_eq!(
            names("endpoints = ['http://gpu1:8000/v1', { name = 'b', base-url = 'http://gpu2:8000/v1' }]").unwrap(),
            named(&["gpu1:8000", "b"])
        );
        let keys = "endpoints = [{ api-key-env = 'KEY_A' }, { api-key-env = 'KEY_B' }]";
        assert_eq!(names(keys).unwrap(), named(&["KEY_A", "KEY_B"]));
        let same = "endpoints = ['http://gpu1/v1', 'http://gpu1/v1']";
        let error = names(same).unwrap_err().to_string();
        assert!(
            error.contains("`gpu1`") && error.contains("hint: give each a name"),
            "{error}"
        );
        let many: Vec<String> = (0..65).map(|n| format!("'http://gpu{n}/v1'")).collect();
        let error = names(&format!("endpoints = [{}]", many.join(", "))).unwrap_err();
        assert!(error.to_string().contains("at most 64"), "{error}");
    }

    #[test]
    fn an_endpoint_has_what_its_provider_has_and_its_own_before_it() {
        let configured: ProviderConfig = toml::from_str(
            "base-url = 'https://one.example/v1'\napi-key-env = 'ALL'\n\
             [[endpoints]]\nname = 'a'\nlimits = { concurrency = 3 }\n\
             [[endpoints]]\nname = 'b'\nbase-url = 'https://two.example/v1'\napi-key-file = 'b.key'",
        )
        .unwrap();
        let openai = preset("openai").unwrap();
        let variables = |_: &str| Some("https://three.example/v1".to_owned());
        let places = places("openai", openai, &configured, &variables).unwrap();
        let seen: Vec<_> = places
            .iter()
            .map(|place| {
                let key = &place.configured;
                let file = key.api_key_file.is_some();
                (place.base_url.as_str(), key.api_key_env.as_deref(), file)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("https://three.example/v1", Some("ALL"), false),
                ("https://two.example/v1", None, true)
            ]
        );
        assert_eq!(places[0].limits.concurrency, Some(3));
    }

    #[test]
    fn what_is_wrong_with_an_endpoint_is_told_at_its_place() {
        let read = |text: &str| {
            toml::from_str::<ProviderConfig>(text)
                .unwrap_err()
                .to_string()
        };
        let error = read("endpoints = [{ base-url = 'x', weight = 2 }]");
        assert!(error.contains("unknown field `weight`"), "{error}");
        let error = read("endpoints = [3]");
        assert!(
            error.contains("an address, or a table with base-url"),
            "{error}"
        );
    }
}
