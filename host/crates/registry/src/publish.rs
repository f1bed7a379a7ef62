//! A plugin as an image of a registry, laid out as the tools for WASM expect components (the OCI artifact layout for WASM): a
//! configuration that names imports and exports, and one layer, the component. The same plugin gives the same image.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, annotations};
use reqwest::header::HeaderValue;
use serde::Serialize;
use tokio::time::timeout;

use super::oci::{LAYER, Repository, SHA256, Wish};
use super::source::{Source, scheme_of};
use super::web::{AGENT, ALTOGETHER, Web, without};
use super::{Client, RegistryError, block};
use types::digest::Digest;

/// The type of a component's configuration.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// As long is waited for a connection, and for the next bytes.
const SILENCE: Duration = Duration::from_secs(60);

/// What is published.
#[derive(Debug)]
pub struct Publication<'a> {
    /// Name of the plugin.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// One line for people.
    pub description: &'a str,
    /// Names of all that it imports.
    pub imports: Vec<String>,
    /// Names of all that it exports.
    pub exports: Vec<String>,
    /// Its file.
    pub bytes: Vec<u8>,
}

/// The configuration of an image with a component.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig<'a> {
    created: &'static str,
    author: Option<&'a str>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: World<'a>,
}

#[derive(Serialize)]
struct World<'a> {
    exports: &'a [String],
    imports: &'a [String],
    target: Option<&'a str>,
}

/// An image in full.
struct Image {
    layer: ImageLayer,
    config: Config,
    manifest: Vec<u8>,
    parts: [String; 2],
}

impl Client<'_> {
    /// Publishes a plugin; gives its image by the digest, and whether that was there before.
    ///
    /// # Errors
    /// When the registry does not take it, or has this version with other contents.
    pub fn publish(
        &self,
        publication: &Publication<'_>,
        image: &Reference,
    ) -> Result<(Source, bool), RegistryError> {
        let made = made(publication)?;
        let digest = Digest::of(&made.manifest);
        let address = Source::Oci(image.clone_with_digest(format!("{SHA256}{digest}")));
        let was_there = block(async {
            let web = Web::new()?;
            let mut repository = Repository::new(&web, self, image);
            let auth = repository.access(Wish::Push).await?;
            let is_version = image
                .tag()
                .is_some_and(|tag| semver::Version::parse(tag).is_ok());
            match repository.published(image).await? {
                Some(published) if published == digest => return Ok(true),
                Some(_) if is_version => {
                    return Err(RegistryError::Published {
                        image: format!("oci:{image}"),
                    });
                }
                _ => {}
            }
            push(made, image, &auth).await.map(|()| false)
        })?;
        Ok((address, was_there))
    }
}

/// Hands an image over.
async fn push(made: Image, image: &Reference, auth: &RegistryAuth) -> Result<(), RegistryError> {
    let not_taken = |cause: String| RegistryError::NotTaken {
        image: format!("oci:{image}"),
        cause,
    };
    let pushed = async {
        let client = oci_client::Client::try_from(settings(image))?;
        client
            .store_auth_if_needed(image.resolve_registry(), auth)
            .await;
        let [layer, config] = &made.parts;
        client.push_blob(image, made.layer.data, layer).await?;
        client.push_blob(image, made.config.data, config).await?;
        let kind = HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE);
        client.push_manifest_raw(image, made.manifest, kind).await
    };
    match timeout(ALTOGETHER, pushed).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(not_taken(said(&error, auth))),
        Err(_) => Err(not_taken("the server takes too long".to_owned())),
    }
}

/// How the registry of an image is written to.
fn settings(image: &Reference) -> ClientConfig {
    ClientConfig {
        protocol: match scheme_of(image.resolve_registry()) {
            "http" => ClientProtocol::Http,
            _ => ClientProtocol::Https,
        },
        read_timeout: Some(SILENCE),
        connect_timeout: Some(SILENCE),
        user_agent: AGENT,
        ..ClientConfig::default()
    }
}

/// What a registry says of its refusal: its own words, which may be a page, without the login that it was shown.
fn said(error: &OciDistributionError, auth: &RegistryAuth) -> String {
    let secrets = match auth {
        RegistryAuth::Anonymous => Vec::new(),
        RegistryAuth::Basic(name, password) => {
            let sent = BASE64_STANDARD.encode(format!("{name}:{password}"));
            vec![sent, password.clone()]
        }
        RegistryAuth::Bearer(token) => vec![token.clone()],
    };
    let text = without(&error.to_string(), &secrets);
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

fn made(publication: &Publication<'_>) -> Result<Image, RegistryError> {
    let broken = |error: serde_json::Error| RegistryError::Client(error.to_string());
    let layer = ImageLayer::new(publication.bytes.clone(), LAYER.to_owned(), None);
    let config = WasmConfig {
        // When it was published is not part of it: the same plugin is the same image.
        created: "1970-01-01T00:00:00Z",
        author: None,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.sha256_digest()],
        component: World {
            exports: &publication.exports,
            imports: &publication.imports,
            target: None,
        },
    };
    let config = serde_json::to_vec(&config).map_err(broken)?;
    let config = Config::new(config, CONFIG.to_owned(), None);
    let notes = BTreeMap::from([
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_TITLE,
            publication.name,
        ),
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_VERSION,
            publication.version,
        ),
        (
            annotations::ORG_OPENCONTAINERS_IMAGE_DESCRIPTION,
            publication.description,
        ),
    ]);
    let notes = notes
        .into_iter()
        .map(|(key, text)| (key.to_owned(), text.to_owned()));
    let layers = [layer];
    let mut manifest = OciImageManifest::build(&layers, &config, Some(notes.collect()));
    manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    let [layer] = layers;
    Ok(Image {
        parts: [layer.sha256_digest(), config.sha256_digest()],
        manifest: serde_json::to_vec(&manifest).map_err(broken)?,
        layer,
        config,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use serde_json::{Value, json};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_takes_nothing_is_given_up() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let image = Reference::with_tag(host, "acme/notes".to_owned(), "1.0.0".to_owned());
        let publication = Publication {
            name: "notes",
            version: "1.0.0",
            description: "Notes",
            imports: Vec::new(),
            exports: Vec::new(),
            bytes: b"plugin".to_vec(),
        };
        let made = made(&publication).unwrap();
        let pushed = push(made, &image, &RegistryAuth::Anonymous).await;
        assert!(
            matches!(pushed, Err(RegistryError::NotTaken { .. })),
            "{pushed:?}"
        );
    }

    #[test]
    fn a_plugin_is_the_same_image_each_time() {
        let publication = || Publication {
            name: "notes",
            version: "1.2.0",
            description: "Notes",
            imports: vec!["batchgen:component/llm@0.1.0".to_owned()],
            exports: vec!["generate".to_owned()],
            bytes: b"plugin".to_vec(),
        };
        let image = made(&publication()).unwrap();
        assert_eq!(image.manifest, made(&publication()).unwrap().manifest);
        let digest = format!("{SHA256}{}", Digest::of(b"plugin"));
        let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], OCI_IMAGE_MEDIA_TYPE);
        assert_eq!(manifest["config"]["mediaType"], CONFIG);
        assert_eq!(
            manifest["layers"],
            json!([{"mediaType": "application/wasm", "digest": digest, "size": 6}])
        );
        assert_eq!(
            manifest["annotations"]["org.opencontainers.image.version"],
            "1.2.0"
        );
        let config: Value = serde_json::from_slice(&image.config.data).unwrap();
        assert_eq!(
            config,
            json!({
                "created": "1970-01-01T00:00:00Z", "author": null, "architecture": "wasm", "os": "wasip2",
                "layerDigests": [digest],
                "component": {"exports": ["generate"], "imports": ["batchgen:component/llm@0.1.0"], "target": null},
            })
        );
    }
}
