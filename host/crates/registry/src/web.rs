//! One answer of a server, of a bounded size and in a bounded time. A key goes to the server that it is meant for and to no other:
//! where an answer leads elsewhere, it stays behind.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use url::Url;

use super::RegistryError;
use super::source::is_here;

/// As long is waited for a connection and the head of an answer.
const HEAD: Duration = Duration::from_secs(60);
/// As long is waited for the next bytes.
const NEXT_BYTES: Duration = Duration::from_secs(60);
/// No answer takes longer, however it trickles.
pub(super) const ALTOGETHER: Duration = Duration::from_secs(15 * 60);
/// Times that a server is asked, where it or the way to it fails.
const TRIES: u32 = 3;
/// Before the second try; twice that before the third.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });
/// Redirections that are followed.
const REDIRECTIONS: usize = 10;
/// Most bytes of what is not a plugin: a manifest, a token, a list of versions.
pub(super) const DOCUMENT: u64 = 4 << 20;
/// A password or a token has as many characters at least.
const SECRET: usize = 8;
/// Characters of what a server says of its refusal.
const SAID: usize = 300;
/// What this program calls itself.
pub(super) const AGENT: &str = concat!("batchgen/", env!("CARGO_PKG_VERSION"));

/// What asks servers.
pub(super) struct Web {
    elsewhere: Client,
    /// For servers on this machine, which no proxy has to do with.
    here: Client,
}

/// How an answer came.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What was shown to the server that it may repeat and nobody else may see.
    shown: Vec<String>,
}

/// A question that can be asked again.
pub(super) struct Question<'a> {
    pub url: &'a Url,
    pub accept: Option<&'a str>,
    pub authorization: Option<HeaderValue>,
    /// Sent with POST, where there is one.
    pub form: Option<&'a [(&'a str, &'a str)]>,
    /// Most bytes of the answer.
    pub most: u64,
}

impl<'a> Question<'a> {
    /// What is asked of nobody in particular.
    pub fn plain(url: &'a Url, most: u64) -> Question<'a> {
        Question {
            url,
            accept: None,
            authorization: None,
            form: None,
            most,
        }
    }
}

impl Question<'_> {
    /// Passwords and tokens that go with it.
    fn secrets(&self) -> Vec<String> {
        let login = self.authorization.as_ref();
        let login = login.and_then(|value| value.to_str().ok());
        let login = login.and_then(|value| Some(value.split_once(' ')?.1.to_owned()));
        let decoded = login
            .as_ref()
            .and_then(|login| BASE64_STANDARD.decode(login).ok());
        let decoded = decoded.and_then(|login| String::from_utf8(login).ok());
        let password = decoded.and_then(|login| Some(login.split_once(':')?.1.to_owned()));
        let form = self.form.unwrap_or_default().iter();
        let token = form.filter(|(name, _)| *name == "refresh_token");
        let token = token.map(|(_, token)| (*token).to_owned());
        login.into_iter().chain(password).chain(token).collect()
    }
}

impl Web {
    pub fn new() -> Result<Web, RegistryError> {
        let client = || {
            let policy = redirect::Policy::custom(|attempt| {
                let previous = attempt.previous();
                let was_safe = previous.last().is_some_and(|url| url.scheme() == "https");
                let is_plain = attempt.url().scheme() != "https";
                if previous.len() > REDIRECTIONS {
                    attempt.error("too many redirections")
                } else if is_plain && (was_safe || !is_here(attempt.url())) {
                    attempt.error("it leads to http://")
                } else {
                    attempt.follow()
                }
            });
            Client::builder()
                .redirect(policy)
                .retry(reqwest::retry::never())
                .user_agent(AGENT)
                .http1_only()
        };
        let built = |builder: reqwest::ClientBuilder| {
            let client = builder.build();
            client.map_err(|error| RegistryError::Client(innermost(&error)))
        };
        Ok(Web {
            elsewhere: built(client())?,
            here: built(client().no_proxy())?,
        })
    }

    /// The file at an address.
    pub async fn file(&self, url: &Url, most: u64) -> Result<Vec<u8>, RegistryError> {
        let answer = self.ask(&Question::plain(url, most)).await?;
        match answer.status.is_success() {
            true => Ok(answer.body),
            false => Err(answer.refusal(url, "check the address")),
        }
    }

    /// Asks, and again where the server or the way to it fails.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let mut tries = 1;
        loop {
            let asked = timeout(ALTOGETHER, self.once(question)).await;
            let asked = asked.unwrap_or_else(|_| Err(unreachable(question.url, SLOW)));
            let is_passing = match &asked {
                Ok(answer) => is_passing(answer.status),
                Err(RegistryError::Unreachable { cause, .. }) => cause != SLOW,
                Err(_) => false,
            };
            if !is_passing || tries >= TRIES {
                return asked;
            }
            sleep(PAUSE * tries).await;
            tries += 1;
        }
    }

    async fn once(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let url = question.url;
        let asked = timeout(HEAD, self.request(question).send()).await;
        let mut response = asked
            .map_err(|_| unreachable(url, SILENT))?
            .map_err(|error| failed(url, error))?;
        let status = response.status();
        let headers = response.headers().clone();
        // What is said of a refusal is no plugin.
        let most = match status.is_success() {
            true => question.most,
            false => DOCUMENT,
        };
        let body = body(&mut response, url, most).await?;
        Ok(Answer {
            status,
            headers,
            body,
            shown: question.secrets(),
        })
    }

    fn request(&self, question: &Question<'_>) -> RequestBuilder {
        let client = match is_here(question.url) {
            true => &self.here,
            false => &self.elsewhere,
        };
        let mut request = match question.form {
            Some(form) => {
                let mut body = url::form_urlencoded::Serializer::new(String::new());
                body.extend_pairs(form);
                client
                    .post(question.url.clone())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.finish())
            }
            None => client.get(question.url.clone()),
        };
        // What is packed on the way would have another hash.
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(accept) = question.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(authorization) = &question.authorization {
            request = request.header(reqwest::header::AUTHORIZATION, authorization.clone());
        }
        request
    }
}

/// The body of an answer, as far as it may go.
async fn body(response: &mut Response, url: &Url, most: u64) -> Result<Vec<u8>, RegistryError> {
    let too_large = || RegistryError::TooLarge {
        address: url.to_string(),
        most,
    };
    if response
        .content_length()
        .is_some_and(|length| length > most)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        let piece = timeout(NEXT_BYTES, response.chunk()).await;
        let piece = piece
            .map_err(|_| unreachable(url, SILENT))?
            .map_err(|error| failed(url, error))?;
        let Some(piece) = piece else {
            return Ok(body);
        };
        if (body.len() + piece.len()) as u64 > most {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
}

const SILENT: &str = "the server says nothing";
const SLOW: &str = "the server takes too long";

impl Answer {
    /// The error for an answer that is none. What the server says of it is shown, as far as it is a text.
    pub fn refusal(&self, url: &Url, hint: &str) -> RegistryError {
        let said = match serde_json::from_slice::<Envelope>(&self.body) {
            Ok(envelope) => envelope
                .errors
                .into_iter()
                .map(|error| error.message)
                .next(),
            Err(_) => None,
        };
        let said = without(&said.unwrap_or_default(), &self.shown);
        let said: String = said.chars().take(SAID).collect();
        let answer = match said.is_empty() {
            true => self.status.to_string(),
            false => format!("{} ({said})", self.status),
        };
        if is_passing(self.status) {
            return unreachable(url, &format!("the server answers {answer}"));
        }
        RegistryError::Refused {
            address: url.to_string(),
            answer,
            hint: hint.to_owned(),
        }
    }
}

/// A text without secrets, which a server may repeat. What is shorter than one occurs in plain words.
pub(super) fn without(text: &str, secrets: &[String]) -> String {
    let secrets = secrets.iter().filter(|secret| secret.len() >= SECRET);
    secrets.fold(text.to_owned(), |text, secret| {
        text.replace(secret.as_str(), "[key]")
    })
}

/// How registries say what is wrong.
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    message: String,
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

fn unreachable(url: &Url, cause: &str) -> RegistryError {
    RegistryError::Unreachable {
        address: url.to_string(),
        cause: cause.to_owned(),
    }
}

fn failed(url: &Url, error: reqwest::Error) -> RegistryError {
    let is_lasting = error.is_builder() || error.is_redirect();
    let cause = innermost(&error.without_url());
    match is_lasting {
        true => RegistryError::Refused {
            address: url.to_string(),
            answer: cause,
            hint: "check the address".to_owned(),
        },
        false => unreachable(url, &cause),
    }
}

/// What is at the bottom of an error: what stands around it only says that there is one.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
