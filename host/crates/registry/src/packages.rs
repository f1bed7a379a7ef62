//! Packages by their names, as the tools of wasm-pkg find them: the user's `wasm-pkg/config.toml` says which registry a namespace has,
//! and a file of that registry says in which repositories its packages lie.

use std::collections::BTreeMap;

use oci_client::Reference;
use semver::Version;
use serde::Deserialize;
use url::Url;

use super::oci::Repository;
use super::source::{Package, Source, scheme_of};
use super::web::{DOCUMENT, Question, Web};
use super::{Client, RegistryError};

/// Where a registry says how it keeps packages.
const WELL_KNOWN: &str = ".well-known/wasm-pkg/registry.json";
/// Versions that a message names.
const NAMED: usize = 5;

/// Which registries packages come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Packages {
    default_registry: Option<String>,
    namespace_registries: BTreeMap<String, Mapping>,
    package_registry_overrides: BTreeMap<String, Mapping>,
    /// The file that says so, for messages.
    #[serde(skip)]
    pub file: String,
}

/// A registry that says itself how it keeps packages, or one of which the file says so.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Mapping {
    Host(String),
    Custom {
        registry: String,
        metadata: Metadata,
    },
}

/// How a registry keeps packages.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    oci: Kept,
    /// Earlier names of the same.
    oci_registry: Option<String>,
    oci_namespace_prefix: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Kept {
    registry: Option<String>,
    namespace_prefix: Option<String>,
}

impl Packages {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn parse(file: &str, text: &str) -> Result<Packages, RegistryError> {
        let packages: Packages = toml::from_str(text).map_err(|error| RegistryError::Settings {
            file: file.to_owned(),
            cause: error.to_string().trim_end().to_owned(),
        })?;
        Ok(Packages {
            file: file.to_owned(),
            ..packages
        })
    }

    /// The image that a package is now.
    pub(super) async fn image(
        &self,
        web: &Web,
        client: &Client<'_>,
        package: &Package,
    ) -> Result<Reference, RegistryError> {
        let repository = self.repository(web, package).await?;
        let image = image(&repository, "latest")?;
        let tags = Repository::new(web, client, &image).tags().await?;
        let versions = tags.iter().filter_map(|tag| Version::parse(tag).ok());
        let versions: Vec<Version> = versions.collect();
        let found = newest(&versions, package.version.as_deref());
        let found = found.ok_or_else(|| RegistryError::NoVersion {
            repository: repository.clone(),
            wanted: package.version.clone().unwrap_or_default(),
            hint: known(&versions),
        })?;
        self::image(&repository, &found.to_string())
    }

    /// The repository of a package, `oci:REGISTRY/NAME`.
    async fn repository(&self, web: &Web, package: &Package) -> Result<String, RegistryError> {
        let Package {
            namespace, name, ..
        } = package;
        let whole = format!("{namespace}:{name}");
        let mapping = self.package_registry_overrides.get(&whole);
        let mapping = mapping.or_else(|| self.namespace_registries.get(namespace));
        let (host, metadata) = match (mapping, &self.default_registry) {
            (Some(Mapping::Custom { registry, metadata }), _) => (registry, metadata.clone()),
            (Some(Mapping::Host(host)), _) | (None, Some(host)) => {
                (host, metadata(web, host).await?)
            }
            (None, None) => {
                return Err(RegistryError::NoRegistry {
                    package: whole,
                    namespace: namespace.clone(),
                    file: self.file.clone(),
                });
            }
        };
        let registry = metadata.oci.registry.or(metadata.oci_registry);
        let registry = registry.unwrap_or_else(|| host.clone());
        let prefix = metadata.oci.namespace_prefix;
        let prefix = prefix.or(metadata.oci_namespace_prefix).unwrap_or_default();
        Ok(format!("oci:{registry}/{prefix}{namespace}/{name}"))
    }
}

/// What a registry says of itself; nothing where it says nothing.
async fn metadata(web: &Web, host: &str) -> Result<Metadata, RegistryError> {
    let text = format!("{}://{host}/{WELL_KNOWN}", scheme_of(host));
    let url = Url::parse(&text).map_err(|error| RegistryError::Source {
        given: text,
        cause: error.to_string(),
    })?;
    let answer = web.ask(&Question::plain(&url, DOCUMENT)).await?;
    if answer.status == reqwest::StatusCode::NOT_FOUND {
        return Ok(Metadata::default());
    }
    if !answer.status.is_success() {
        return Err(answer.refusal(&url, "check the name of the registry"));
    }
    serde_json::from_slice(&answer.body).map_err(|error| RegistryError::Settings {
        file: url.to_string(),
        cause: error.to_string(),
    })
}

fn image(repository: &str, tag: &str) -> Result<Reference, RegistryError> {
    Source::image(&format!("{repository}:{tag}"), tag)
}

/// The newest version that is exactly the one that is wanted, or begins so. Versions before a release are wanted by their whole names.
fn newest<'a>(versions: &'a [Version], wanted: Option<&str>) -> Option<&'a Version> {
    let fits = |version: &&Version| match wanted {
        None => version.pre.is_empty(),
        Some(wanted) => {
            let text = version.to_string();
            let begins = text.strip_prefix(wanted);
            text == wanted
                || version.pre.is_empty() && begins.is_some_and(|rest| rest.starts_with('.'))
        }
    };
    versions.iter().filter(fits).max()
}

/// Names the newest versions.
fn known(versions: &[Version]) -> String {
    let mut versions = versions.to_vec();
    versions.sort();
    let names = versions.iter().rev().take(NAMED).map(Version::to_string);
    match versions.is_empty() {
        true => "nothing is published there under a version".to_owned(),
        false => format!("the newest are {}", names.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_by_its_beginning() {
        let texts = ["0.9.0", "1.2.0", "1.2.10", "1.2.9", "1.10.0", "2.0.0-rc.1"];
        let versions: Vec<Version> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let found = |wanted: Option<&str>| newest(&versions, wanted).map(Version::to_string);
        for (wanted, version) in [
            (None, Some("1.10.0")),
            (Some("1"), Some("1.10.0")),
            (Some("1.2"), Some("1.2.10")),
            (Some("1.2.9"), Some("1.2.9")),
            (Some("1.1"), None),
            (Some("2"), None),
            (Some("2.0.0-rc.1"), Some("2.0.0-rc.1")),
        ] {
            assert_eq!(found(wanted).as_deref(), version, "{wanted:?}");
        }
    }

    /// As wasm-pkg documents it, with tables that mean nothing here.
    #[test]
    fn registries_are_found_as_wasm_pkg_does() {
        let text = r#"
            default_registry = "all.example"
            [namespace_registries]
            acme = { registry = "acme.example", metadata = { preferredProtocol = "oci", oci = { registry = "ghcr.io", namespacePrefix = "acme-inc/" } } }
            old = { registry = "old.example", metadata = { ociRegistry = "docker.io" } }
            [package_registry_overrides]
            "acme:odd" = { registry = "odd.example", metadata = {} }
            [registry."all.example".oci]
            auth = { username = "open", password = "sesame" }
        "#;
        let packages = Packages::parse("config.toml", text).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let web = Web::new().unwrap();
        let repository = |name: &str| {
            let Source::Package(package) = name.parse().unwrap() else {
                panic!("{name} is a package")
            };
            runtime
                .block_on(packages.repository(&web, &package))
                .unwrap()
        };
        assert_eq!(
            repository("acme:notes@1.2"),
            "oci:ghcr.io/acme-inc/acme/notes"
        );
        assert_eq!(repository("acme:odd"), "oci:odd.example/acme/odd");
        assert_eq!(repository("old:notes"), "oci:docker.io/old/notes");
    }
}
