//! What the APIs have in common: the client, sending a question, reading a whole or streamed answer with an
//! idle timeout, and errors without the key. It knows no API: a [`Reader`] makes sense of what arrives.

use std::time::{Duration, SystemTime};

use eventsource_stream::{EventStreamError, Eventsource};
use futures_util::{Stream, StreamExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout, timeout_at};

use super::endpoint::Endpoint;
use super::errors::{from_network, from_response};
use super::headers::{Dialect, observed};
use super::key::Key;
use crate::core::class::FailureClass;
use crate::llm::error::CallError;
use crate::llm::provider::{Call, RawAnswer};
use crate::llm::render::render;
use crate::llm::request::Usage;

/// Longest error body that is read.
const ERROR_BODY: usize = 64 * 1024;
/// Longest answer that is read.
const ANSWER: usize = 8 * 1024 * 1024;
/// A server that does not stream is given so much more time for each token asked for.
const PER_TOKEN: Duration = Duration::from_millis(50);
/// A stream may be kept alive so long without a word: DeepSeek's queue gives up after ten minutes.
const QUEUE: Duration = Duration::from_secs(600);
/// A stream that has said all is read to its end, or the connection could not be used again; but no longer.
const END: Duration = Duration::from_millis(100);

/// What an event of a stream was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A sign of life.
    Alive,
    /// A part of the answer.
    Part,
    /// The last.
    Last,
}

/// Makes an answer from what arrives.
pub(super) trait Reader: Send {
    /// Takes one event of a stream.
    fn event(&mut self, data: &str) -> Result<Step, CallError>;
    /// Takes an answer that came at once.
    fn whole(&mut self, body: &[u8]) -> Result<(), CallError>;
    /// Tokens that are known to be billed, should nothing more arrive.
    fn billed(&self) -> Usage;
    /// Bytes of text so far.
    fn bytes(&self) -> usize;
    /// Nothing more arrives.
    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError>;
}

/// A connection to one provider.
pub(super) struct Http {
    client: Client,
    url: String,
    key: Option<Key>,
    limits: Dialect,
    stream: bool,
}

impl Http {
    /// Prepares a client that posts to `path` below the endpoint's address.
    pub(super) fn new(
        endpoint: &Endpoint,
        path: &str,
        more: &[(&'static str, &'static str)],
    ) -> Result<Http, CallError> {
        let refused = |message: String| CallError::new(FailureClass::Auth, message);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in more {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        if let Some(key) = &endpoint.key {
            let (name, value) = key_header(&endpoint.key_header, key).ok_or_else(|| {
                refused(format!(
                    "the key of `{}`, or the name of its header, has characters that it cannot have",
                    endpoint.name
                ))
            })?;
            headers.insert(name, value);
        }
        // Installed once for the process; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            // The lane retries, and counts what it does.
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(usize::MAX)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| refused(from_network(&error).message))?;
        Ok(Http {
            client,
            url: format!("{}/{path}", endpoint.base_url.trim_end_matches('/')),
            key: endpoint.key.clone(),
            limits: endpoint.limits,
            stream: endpoint.stream,
        })
    }

    /// Asks once, and lets `reader` read the answer.
    pub(super) async fn ask(
        &self,
        body: String,
        call: Call<'_>,
        reader: impl Reader,
    ) -> Result<RawAnswer, CallError> {
        let mut limits = Vec::new();
        let result = self.exchange(body, call, reader, &mut limits).await;
        match result {
            Ok(answer) => Ok(RawAnswer {
                observed: limits,
                ..answer
            }),
            Err(error) => Err(CallError {
                message: self.redact(&error.message),
                observed: limits,
                ..error
            }),
        }
    }

    async fn exchange(
        &self,
        body: String,
        call: Call<'_>,
        mut reader: impl Reader,
        limits: &mut Vec<crate::core::limit::Observed>,
    ) -> Result<RawAnswer, CallError> {
        let idle = if self.stream {
            call.idle_timeout
        } else {
            call.idle_timeout + PER_TOKEN.saturating_mul(call.max_output_tokens)
        };
        let request = self.client.post(&self.url).body(body);
        let response = timeout(idle, request.send())
            .await
            .map_err(|_| silent(idle))?
            .map_err(|error| from_network(&error))?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let headers = response.headers().clone();
        *limits = observed(&headers, self.limits, now);
        let status = response.status();
        if status.is_redirection() {
            return Err(self.redirected(status.as_u16(), &headers));
        }
        if !status.is_success() {
            let body = read(response, ERROR_BODY, call.idle_timeout)
                .await
                .unwrap_or_default();
            // Before it is shortened, or half a key could stay.
            let body = self.redact(&String::from_utf8_lossy(&body));
            return Err(from_response(status, &headers, &body, now));
        }
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        let taken = match kind {
            Some("text/event-stream") => {
                streamed(response.bytes_stream(), call.idle_timeout, &mut reader).await
            }
            Some("application/json") => match read(response, ANSWER, idle).await {
                Ok(body) => reader.whole(&body),
                Err(error) => Err(error),
            },
            other => Err(CallError::new(
                FailureClass::Transient,
                format!(
                    "the server answered with {}",
                    other.unwrap_or("no content type")
                ),
            )),
        };
        let billed = reader.billed();
        taken
            .and_then(|()| reader.finish(call))
            .map_err(|error| CallError {
                usage: billed,
                ..error
            })
    }

    /// A redirection is not followed: the key would go to whom it is not for.
    fn redirected(&self, status: u16, headers: &HeaderMap) -> CallError {
        let place = headers
            .get(LOCATION)
            .and_then(|place| place.to_str().ok())
            .and_then(|place| url::Url::parse(&self.url).ok()?.join(place).ok());
        let host = place.as_ref().and_then(url::Url::host_str);
        let message = format!(
            "HTTP {status}: the server redirects to {}, which is not followed (hint: set base-url to where the \
             API is)",
            host.unwrap_or("nowhere")
        );
        CallError::new(FailureClass::BadRequest, message)
    }

    fn redact(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text.to_owned(),
        }
    }
}

fn key_header(name: &str, key: &Key) -> Option<(HeaderName, HeaderValue)> {
    let name: HeaderName = name.parse().ok()?;
    let mut value = if name == AUTHORIZATION {
        HeaderValue::from_str(&format!("Bearer {}", key.expose()))
    } else {
        HeaderValue::from_str(key.expose())
    }
    .ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// Reads a body that may have at most `limit` bytes.
async fn read(response: Response, limit: usize, idle: Duration) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    let mut chunks = Box::pin(watched(response.bytes_stream(), idle));
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(chunk?.as_ref());
        if body.len() > limit {
            return Err(too_long(limit));
        }
    }
    Ok(body)
}

/// The chunks of a body; an error when none comes for `idle`. Whatever arrives counts, comments and blank
/// lines of a server that keeps the connection alive too.
fn watched<B>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
) -> impl Stream<Item = Result<B, CallError>> {
    futures_util::stream::try_unfold(Box::pin(chunks), move |mut chunks| async move {
        let chunk = timeout(idle, chunks.next())
            .await
            .map_err(|_| silent(idle))?;
        let chunk = chunk.transpose().map_err(|error| from_network(&error))?;
        Ok(chunk.map(|chunk| (chunk, chunks)))
    })
}

/// Gives the events of a stream to `reader`.
async fn streamed<B: AsRef<[u8]>>(
    chunks: impl Stream<Item = Result<B, reqwest::Error>>,
    idle: Duration,
    reader: &mut impl Reader,
) -> Result<(), CallError> {
    let mut events = Box::pin(watched(chunks, idle).eventsource());
    let wait = QUEUE.saturating_add(idle);
    let mut last_part = Instant::now();
    while let Some(event) = timeout_at(last_part + wait, events.next())
        .await
        .map_err(|_| silent(wait))?
    {
        let event = event.map_err(|error| match error {
            EventStreamError::Transport(error) => error,
            other => CallError::new(FailureClass::Transient, format!("broken stream: {other}")),
        })?;
        match reader.event(&event.data)? {
            Step::Alive => {}
            Step::Part => last_part = Instant::now(),
            Step::Last => {
                let rest = async { while let Some(Ok(_)) = events.next().await {} };
                let _ = timeout(END, rest).await;
                break;
            }
        }
        if reader.bytes() > ANSWER {
            return Err(too_long(ANSWER));
        }
    }
    Ok(())
}

fn silent(limit: Duration) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("nothing arrived for {} s", limit.as_secs_f64()),
    )
}

fn too_long(limit: usize) -> CallError {
    CallError::new(
        FailureClass::BadRequest,
        format!("the answer has more than {limit} bytes"),
    )
}

/// The answer ended before its end.
pub(super) fn broken_off() -> CallError {
    CallError::new(
        FailureClass::Transient,
        "the answer broke off before its end",
    )
}

/// An answer that is not what the API promises.
pub(super) fn malformed(error: &serde_json::Error) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("the answer is not the JSON that it should be: {error}"),
    )
}

/// About how many tokens a question has, for servers that do not count.
pub(super) fn estimate(call: Call<'_>) -> u64 {
    let bytes: usize = render(call.request)
        .iter()
        .map(|message| message.content.len())
        .sum();
    (bytes as u64).div_ceil(4)
}

/// Lays configured fields over a body: an object in an object field by field, anything else in its place.
pub(super) fn lay_over(body: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => lay_over(inner, more),
            _ => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
