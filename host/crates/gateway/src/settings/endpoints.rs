//! Endpoints of a provider, as the configuration has them.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::LimitsConfig;

/// One of several endpoints of a provider: an address, or a table that may name a key and limits of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    rename_all = "kebab-case",
    default
)]
pub struct EndpointConfig {
    /// Its short name; where absent, host and port of its address, or the variable of its key.
    pub name: Option<String>,
    /// Its address; the provider's where absent.
    pub base_url: Option<String>,
    /// Environment variable that holds its key; the provider's key where absent.
    pub api_key_env: Option<String>,
    /// File that holds its key.
    pub api_key_file: Option<PathBuf>,
    /// Its own limits, in place of the model's.
    pub limits: LimitsConfig,
}

impl<'de> Deserialize<'de> for EndpointConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<EndpointConfig, D::Error> {
        from.deserialize_any(AddressOrTable)
    }
}

struct AddressOrTable;

impl<'de> Visitor<'de> for AddressOrTable {
    type Value = EndpointConfig;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an address, or a table with base-url")
    }

    fn visit_str<E: Error>(self, address: &str) -> Result<EndpointConfig, E> {
        Ok(EndpointConfig {
            base_url: Some(address.to_owned()),
            ..EndpointConfig::default()
        })
    }

    fn visit_map<M: MapAccess<'de>>(self, table: M) -> Result<EndpointConfig, M::Error> {
        EndpointConfig::deserialize(MapAccessDeserializer::new(table))
    }
}
