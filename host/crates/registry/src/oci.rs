//! A repository of a registry, as the OCI distribution specification has it: manifests, blobs, tags, and who may read them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use oci_client::Reference;
use oci_client::manifest::{
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageManifest, WASM_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, LINK, WWW_AUTHENTICATE};
use serde::Deserialize;
use url::Url;

use super::docker::Login;
use super::source::{Source, is_here, scheme_of};
use super::web::{Answer, DOCUMENT, Question, Web};
use super::{Client, RegistryError, Release};
use types::digest::Digest;

/// The type of a component's layer.
pub(super) const LAYER: &str = "application/wasm";
/// How a hash is written there.
pub(super) const SHA256: &str = "sha256:";
/// Parts of a list of tags that are read.
const PAGES: usize = 100;
/// Tags of one part.
const PAGE: u32 = 1000;
/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// To read.
    Pull,
    /// To write.
    Push,
}

/// A repository, and what was learned of how it is asked.
pub(super) struct Repository<'a> {
    web: &'a Web,
    client: &'a Client<'a>,
    registry: String,
    name: String,
    /// What the registry wants with each question, once it said so.
    access: Option<Access>,
}

/// What a registry wants to be shown.
#[derive(Clone)]
pub(super) enum Access {
    /// Nothing.
    Open,
    /// Name and password.
    Password(String, String),
    /// A token that was given for them.
    Token(String),
}

impl<'a> Repository<'a> {
    pub fn new(web: &'a Web, client: &'a Client<'a>, image: &Reference) -> Repository<'a> {
        Repository {
            web,
            client,
            registry: image.resolve_registry().to_owned(),
            name: image.repository().to_owned(),
            access: None,
        }
    }

    /// What a tag or a digest means now.
    pub async fn release(&mut self, image: &Reference) -> Result<Release, RegistryError> {
        let (manifest, digest) = self.manifest(image).await?;
        let address = Source::Oci(image.clone_with_digest(format!("{SHA256}{digest}")));
        let layer = layer(&manifest).map_err(|cause| RegistryError::Layout {
            address: address.to_string(),
            cause,
        })?;
        if u64::try_from(layer.1).is_ok_and(|size| size > self.client.most) {
            return Err(RegistryError::TooLarge {
                address: address.to_string(),
                most: self.client.most,
            });
        }
        Ok(Release {
            address,
            digest: Some(layer.0),
        })
    }

    /// The manifest of an image with its hash.
    async fn manifest(
        &mut self,
        image: &Reference,
    ) -> Result<(OciImageManifest, Digest), RegistryError> {
        let named = image.digest().or(image.tag()).unwrap_or_default();
        let url = self.url(&format!("manifests/{named}"))?;
        let accept = format!("{OCI_IMAGE_MEDIA_TYPE}, {IMAGE_MANIFEST_MEDIA_TYPE}");
        let answer = self.get(&url, Some(&accept), DOCUMENT).await?;
        let found = Digest::of(&answer.body);
        let wanted = image.digest().and_then(digest_of);
        if let Some(locked) = wanted.filter(|wanted| *wanted != found) {
            return Err(RegistryError::OtherFile {
                address: format!("oci:{image}"),
                locked,
                found,
            });
        }
        let manifest = serde_json::from_slice(&answer.body);
        let manifest = manifest.map_err(|error| RegistryError::Layout {
            address: format!("oci:{image}"),
            cause: format!("its manifest is none of one image: {error}"),
        })?;
        Ok((manifest, found))
    }

    /// Hash of the manifest that a tag names; `None` where there is no such tag.
    pub async fn published(&mut self, image: &Reference) -> Result<Option<Digest>, RegistryError> {
        match self.manifest(image).await {
            Ok((_, digest)) => Ok(Some(digest)),
            Err(RegistryError::Refused { answer, .. }) if answer.starts_with("404") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file by its hash.
    pub async fn blob(&mut self, digest: &Digest, most: u64) -> Result<Vec<u8>, RegistryError> {
        let url = self.url(&format!("blobs/{SHA256}{digest}"))?;
        Ok(self.get(&url, None, most).await?.body)
    }

    /// All tags.
    pub async fn tags(&mut self) -> Result<Vec<String>, RegistryError> {
        let mut url = self.url(&format!("tags/list?n={PAGE}"))?;
        let mut tags = Vec::new();
        for _ in 0..PAGES {
            let answer = self.get(&url, None, DOCUMENT).await?;
            let list: Tags =
                serde_json::from_slice(&answer.body).map_err(|error| RegistryError::Layout {
                    address: url.to_string(),
                    cause: format!("its list of versions is none: {error}"),
                })?;
            tags.extend(list.tags.unwrap_or_default());
            match next(&url, &answer.headers) {
                Some(next) => url = next,
                None => break,
            }
        }
        Ok(tags)
    }

    fn url(&self, below: &str) -> Result<Url, RegistryError> {
        let (registry, name) = (&self.registry, &self.name);
        let text = format!("{}://{registry}/v2/{name}/{below}", scheme_of(registry));
        Url::parse(&text).map_err(|error| RegistryError::Source {
            given: text,
            cause: error.to_string(),
        })
    }

    /// Asks as the registry wants to be asked, which it tells at the first time.
    async fn get(
        &mut self,
        url: &Url,
        accept: Option<&str>,
        most: u64,
    ) -> Result<Answer, RegistryError> {
        let mut answer = self.ask(url, accept, most).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.access.is_none() {
            let access = self.access_for(&answer.headers, Wish::Pull).await?;
            self.access = Some(access);
            answer = self.ask(url, accept, most).await?;
        }
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(answer.refusal(url, &self.hint(answer.status)))
    }

    async fn ask(
        &self,
        url: &Url,
        accept: Option<&str>,
        most: u64,
    ) -> Result<Answer, RegistryError> {
        let authorization = match &self.access {
            Some(access) => self.shown(access)?,
            None => None,
        };
        let question = Question {
            accept,
            authorization,
            ..Question::plain(url, most)
        };
        self.web.ask(&question).await
    }

    fn hint(&self, status: StatusCode) -> String {
        let registry = &self.registry;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "log in with `docker login {registry}`, or set DOCKER_AUTH_CONFIG; then see that this login may do it"
            ),
            _ => format!(
                "check name and tag; if it is private, log in with `docker login {registry}`"
            ),
        }
    }

    /// How the registry wants to be asked. It is asked for that alone.
    pub async fn access(&self, wish: Wish) -> Result<RegistryAuth, RegistryError> {
        let text = format!("{}://{}/v2/", scheme_of(&self.registry), self.registry);
        let url = Url::parse(&text).map_err(|error| self.no_login(error.to_string()))?;
        let answer = self.web.ask(&Question::plain(&url, DOCUMENT)).await?;
        let access = match answer.status {
            StatusCode::UNAUTHORIZED => self.access_for(&answer.headers, wish).await?,
            _ => Access::Open,
        };
        Ok(match access {
            Access::Open => RegistryAuth::Anonymous,
            Access::Password(name, password) => RegistryAuth::Basic(name, password),
            Access::Token(token) => RegistryAuth::Bearer(token),
        })
    }

    fn no_login(&self, cause: impl Into<String>) -> RegistryError {
        RegistryError::Login {
            host: self.registry.clone(),
            cause: cause.into(),
        }
    }

    fn shown(&self, access: &Access) -> Result<Option<HeaderValue>, RegistryError> {
        let text = match access {
            Access::Open => return Ok(None),
            Access::Password(name, password) => basic(name, password),
            Access::Token(token) => format!("Bearer {token}"),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| self.no_login("name, password or token are no text for a header"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// What a registry wants that refused a question with these headers.
    async fn access_for(&self, headers: &HeaderMap, wish: Wish) -> Result<Access, RegistryError> {
        let login = (self.client.logins)(&self.registry)?;
        for challenge in challenges(headers) {
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                return self.token(&challenge, login, wish).await;
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return match login {
                    Login::Password { name, password } => Ok(Access::Password(name, password)),
                    Login::None => Ok(Access::Open),
                    Login::Identity(_) => {
                        Err(self.no_login("it wants a password, and the login has a token"))
                    }
                };
            }
        }
        Err(self.no_login("it says not which one"))
    }

    /// Asks for a token, where the registry says that tokens are given.
    async fn token(
        &self,
        challenge: &Challenge,
        login: Login,
        wish: Wish,
    ) -> Result<Access, RegistryError> {
        let realm = challenge.parameter("realm").unwrap_or_default();
        let mut url = Url::parse(realm)
            .map_err(|error| self.no_login(format!("tokens come from `{realm}`: {error}")))?;
        if url.scheme() != "https" && !is_here(&url) {
            return Err(self.no_login(format!("tokens come from {url}, which is not safe")));
        }
        let actions = match wish {
            Wish::Pull => "pull",
            Wish::Push => "pull,push",
        };
        let scope = format!("repository:{}:{actions}", self.name);
        let service = challenge.parameter("service").unwrap_or_default();
        let answer = match &login {
            Login::Identity(token) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("service", service),
                    ("scope", &scope),
                    ("client_id", "batchgen"),
                    ("refresh_token", token),
                ];
                let question = Question {
                    form: Some(&form),
                    ..Question::plain(&url, DOCUMENT)
                };
                self.web.ask(&question).await?
            }
            Login::Password { .. } | Login::None => {
                url.query_pairs_mut().append_pair("scope", &scope);
                if !service.is_empty() {
                    url.query_pairs_mut().append_pair("service", service);
                }
                let access = match login {
                    Login::Password { name, password } => Access::Password(name, password),
                    _ => Access::Open,
                };
                let question = Question {
                    authorization: self.shown(&access)?,
                    ..Question::plain(&url, DOCUMENT)
                };
                self.web.ask(&question).await?
            }
        };
        if !answer.status.is_success() {
            return Err(answer.refusal(&url, &self.hint(StatusCode::UNAUTHORIZED)));
        }
        let given: Given = serde_json::from_slice(&answer.body).map_err(|_| {
            self.no_login(format!(
                "{} gives no token",
                url.origin().ascii_serialization()
            ))
        })?;
        let token = given.token.or(given.access_token).unwrap_or_default();
        Ok(Access::Token(token))
    }
}

/// What a server of tokens gives.
#[derive(Deserialize)]
struct Given {
    token: Option<String>,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// A way in which a registry wants to be asked.
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| http_auth::parse_challenges(text).unwrap_or_default())
        .map(|challenge| Challenge {
            scheme: challenge.scheme.to_owned(),
            parameters: challenge
                .params
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_unescaped()))
                .collect(),
        })
        .collect()
}

fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{name}:{password}"))
    )
}

/// Where a list goes on, on the same server.
fn next(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (address, relation) = link.strip_prefix('<')?.split_once('>')?;
    let next = url.join(address).ok()?;
    (relation.contains("next") && next.origin() == url.origin()).then_some(next)
}

/// A hash as registries write it.
pub(super) fn digest_of(text: &str) -> Option<Digest> {
    let digits = text.strip_prefix(SHA256)?;
    serde_json::from_value(serde_json::Value::from(digits)).ok()
}

/// Hash and size of the one file of an image.
fn layer(manifest: &OciImageManifest) -> Result<(Digest, i64), String> {
    let [layer] = manifest.layers.as_slice() else {
        return Err(format!("it has {} layers", manifest.layers.len()));
    };
    if ![LAYER, WASM_LAYER_MEDIA_TYPE].contains(&layer.media_type.as_str()) {
        return Err(format!("its layer is of the type {}", layer.media_type));
    }
    let digest = digest_of(&layer.digest);
    let digest = digest.ok_or_else(|| "its layer has no sha256 digest".to_owned())?;
    Ok((digest, layer.size))
}
