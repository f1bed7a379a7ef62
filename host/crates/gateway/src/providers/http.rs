//! What the APIs have in common over HTTP: the client, sending a question, and errors without the key. It follows
//! no redirection and does not try again.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION,
};
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::body::estimate;
use super::endpoint::{Endpoint, is_this_machine};
use super::errors::{from_network, from_response, from_said};
use super::headers::{RateLimitHeaders, observed};
use super::key::Key;
use super::response::{
    ANSWER, Arrived, ERROR_BODY, Reader, arrived, flowing, read, read_error, silent, streamed,
    watched,
};
use super::said::Said;
use crate::batch::protocol::{BatchError, Lines};
use crate::error::{CallError, Unusable};
use crate::prices::Served;
use crate::provider::{Call, Finish, RawAnswer};
use types::class::FailureClass;
use types::limit::Observed;
use types::request::Usage;

/// Longest wait for what is no answer of a model.
const EXCHANGE: Duration = Duration::from_secs(120);
/// A server that does not stream is given so much more time for each token asked for.
const PER_TOKEN: Duration = Duration::from_millis(50);
/// A stream must have ended so long after its first word for each token asked for: slow servers of one's own write a
/// token or two a second.
const PER_STREAMED_TOKEN: Duration = Duration::from_secs(1);

/// What a body that is packed with gzip begins with, once it was read as text.
const GZIP: &str = "\u{1f}\u{fffd}";

/// Gemini's word for the tier that an answer came from.
const SERVICE_TIER: &str = "x-gemini-service-tier";

/// A list of models, as all APIs write it.
#[derive(Deserialize)]
struct Listed {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

/// A connection to one provider.
pub(super) struct Http {
    client: Client,
    url: Url,
    base_url: String,
    key: Option<Key>,
    limits: RateLimitHeaders,
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
        // Who asks for nothing may be sent anything.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
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
        let base_url = endpoint.base_url.trim_end_matches('/').to_owned();
        let url = Url::parse(&format!("{base_url}/{path}")).map_err(|error| {
            refused(format!(
                "the address of `{}` is none: {error}",
                endpoint.name
            ))
        })?;
        let client = Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            // The lane retries, and counts what it does.
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(usize::MAX)
            .tcp_nodelay(true);
        // A proxy would carry the key and the prompts, unencrypted, to another machine and back.
        let client = if is_this_machine(&url) {
            client.no_proxy()
        } else {
            client
        };
        let client = client
            .build()
            .map_err(|error| refused(from_network(&error).message))?;
        Ok(Http {
            client,
            url,
            base_url,
            key: endpoint.key.clone(),
            limits: endpoint.limits,
        })
    }

    /// Asks once, and lets a reader read the answer, which is asked for as a stream or not.
    pub(super) async fn ask<R: Reader + Default>(
        &self,
        body: String,
        call: Call<'_>,
        is_stream: bool,
    ) -> Result<RawAnswer, CallError> {
        let mut limits = Vec::new();
        let result = self.exchange::<R>(body, call, is_stream, &mut limits).await;
        match result {
            Ok(answer) => Ok(RawAnswer {
                observed: limits,
                ..self.redacted(answer)
            }),
            Err(error) => Err(CallError {
                message: self.redact(&error.message),
                observed: limits.into(),
                ..error
            }),
        }
    }

    /// Names of the models that the server lists; `None` where it has no list.
    pub(super) async fn models(&self, within: Duration) -> Result<Option<Vec<String>>, CallError> {
        let listed = timeout(within, self.listed(within)).await;
        listed.unwrap_or_else(|_| Err(silent(within)))
    }

    async fn listed(&self, within: Duration) -> Result<Option<Vec<String>>, CallError> {
        let request = self.client.get(format!("{}/models", self.base_url));
        let response = request.send().await.map_err(|error| from_network(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_error(response.bytes_stream(), ANSWER, within)
            .await
            .unwrap_or_default();
        if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
            return Ok(None);
        }
        if status.is_redirection() {
            return Err(self.redirected(status.as_u16(), &headers));
        }
        if !status.is_success() {
            let body = self.redact(&body);
            return Err(from_response(status, &headers, &body, Duration::ZERO, 0));
        }
        Ok(serde_json::from_str(&body)
            .ok()
            .map(|Listed { data }| data.into_iter().map(|model| model.id).collect()))
    }

    async fn exchange<R: Reader + Default>(
        &self,
        body: String,
        call: Call<'_>,
        is_stream: bool,
        limits: &mut Vec<Observed>,
    ) -> Result<RawAnswer, CallError> {
        let idle = if is_stream {
            call.idle_timeout
        } else {
            call.idle_timeout + PER_TOKEN.saturating_mul(call.max_output_tokens)
        };
        // As a stream of one piece it is dropped once it is sent. Bytes would be kept until the answer comes, to send them
        // again after a redirection, and none is followed.
        let request = self.client.post(self.url.clone()).body(Body::wrap(body));
        let response = timeout(idle, request.send())
            .await
            .map_err(|_| silent(idle))?
            .map_err(|error| from_network(&error))?;
        // Boxed, so that a call that waits for its answer takes no memory for the reading of it.
        Box::pin(self.take(response, call, R::default(), idle, limits)).await
    }

    async fn take(
        &self,
        mut response: Response,
        call: Call<'_>,
        mut reader: impl Reader,
        idle: Duration,
        limits: &mut Vec<Observed>,
    ) -> Result<RawAnswer, CallError> {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let headers = std::mem::take(response.headers_mut());
        *limits = observed(&headers, self.limits, now);
        let status = response.status();
        if status.is_redirection() {
            return Err(self.redirected(status.as_u16(), &headers));
        }
        if !status.is_success() {
            let body = match packing(&headers) {
                Some(packing) => format!("the server's words are packed with {packing}"),
                None => words_of(response, call.idle_timeout).await,
            };
            // Before it is shortened, or half a key could stay.
            let said = Said::read(&self.redact(&body));
            if let Some(answer) = written(&said, call) {
                return answer;
            }
            let error = from_said(status, &headers, &said, now, call.max_output_tokens);
            return Err(self.misplaced(error, &said, status));
        }
        (call.accepted)(limits);
        if let Some(packing) = packing(&headers) {
            return Err(CallError {
                usage: Box::new(Usage::new(estimate(call), 0)),
                ..packed(&packing)
            });
        }
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
        let longest = PER_STREAMED_TOKEN.saturating_mul(call.max_output_tokens);
        let longest = longest.saturating_add(call.idle_timeout);
        let taken = received(response, (idle, longest), kind, &mut reader).await;
        let billed = reader.billed(call);
        // Gemini says it in a header.
        let told = headers.get(SERVICE_TIER);
        let told = told.and_then(|tier| tier.to_str().ok()).map(Served::of);
        let served = reader.served().or(told);
        match taken {
            // What had been said before is whole, whatever went wrong behind it.
            Err(error) if !reader.is_sure() => Err(error),
            _ => reader.finish(call),
        }
        .map(|answer| RawAnswer { served, ..answer })
        .map_err(|error| CallError {
            usage: Box::new(billed),
            served,
            ..error
        })
    }

    /// Where nothing is found and no model is named, the address is wrong and not the model.
    fn misplaced(&self, error: CallError, said: &Said, status: StatusCode) -> CallError {
        let is_nowhere = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status);
        let names = |text: &str| {
            let text = text.to_ascii_lowercase();
            text.contains("model") || text.contains("deployment")
        };
        if !is_nowhere || names(&said.message) || said.codes.iter().any(|code| names(code)) {
            return error;
        }
        let base = self.base_url.as_str();
        let is_whole = ["/chat/completions", "/messages", "/completions"]
            .iter()
            .find(|path| base.ends_with(*path));
        let segments = self.url.path_segments();
        let has_version = segments.is_some_and(|mut segments| {
            segments
                .any(|part| part.starts_with('v') && part.ends_with(|c: char| c.is_ascii_digit()))
        });
        let hint = match is_whole {
            Some(path) => format!("leave {path} out of base-url"),
            None if has_version => "check base-url".to_owned(),
            None => "check base-url, which may lack /v1 at its end".to_owned(),
        };
        let message = format!(
            "nothing is at {}: {} (hint: {hint})",
            self.url, error.message
        );
        CallError {
            class: FailureClass::NotFound,
            message,
            ..error
        }
    }

    /// A redirection is not followed: the key would go to whom it is not for.
    fn redirected(&self, status: u16, headers: &HeaderMap) -> CallError {
        let place = headers
            .get(LOCATION)
            .and_then(|place| place.to_str().ok())
            .and_then(|place| self.url.join(place).ok());
        let host = place.as_ref().and_then(Url::host_str);
        let message = format!(
            "HTTP {status}: the server redirects to {}, which is not followed (hint: set base-url to where the \
             API is)",
            host.unwrap_or("nowhere")
        );
        CallError::new(FailureClass::BadRequest, message)
    }

    /// An answer that does not repeat the key.
    fn redacted(&self, answer: RawAnswer) -> RawAnswer {
        let Some(key) = &self.key else {
            return answer;
        };
        let hide = |text: String| match key.is_in(&text) {
            true => key.redact(&text),
            false => text,
        };
        RawAnswer {
            text: hide(answer.text),
            finish_reason: hide(answer.finish_reason),
            refusal: answer.refusal.map(hide),
            model: hide(answer.model),
            ..answer
        }
    }

    /// A request to a path below the address, for what is no question. `within` bounds the wait for its answer.
    pub(super) fn request(&self, method: Method, path: &str, within: Duration) -> RequestBuilder {
        let url = format!("{}/{path}", self.base_url);
        self.client.request(method, url).timeout(within)
    }

    /// Sends such a request. The body of a success.
    pub(super) async fn exchange_text(
        &self,
        request: RequestBuilder,
    ) -> Result<String, BatchError> {
        let response = self.success(request).await?;
        let pieces = Box::pin(watched(response.bytes_stream(), EXCHANGE));
        let body = read(pieces, ANSWER, (EXCHANGE, EXCHANGE)).await;
        // It was done, and what came of it is not known.
        body.map(|body| self.redact(&body))
            .map_err(|error| BatchError {
                error,
                is_in_doubt: true,
            })
    }

    /// Sends such a request. What a header of its success says.
    pub(super) async fn exchange_header(
        &self,
        request: RequestBuilder,
        name: &str,
    ) -> Result<String, BatchError> {
        let response = self.success(request).await?;
        let value = response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.map(str::to_owned).ok_or_else(|| {
            let message = format!("its answer has no header {name}");
            CallError::unusable(message, Unusable::MALFORMED).into()
        })
    }

    /// The body of a file, as it comes. The wait between two pieces is bounded, and a trickle is given up.
    pub(super) async fn download(&self, path: &str) -> Result<Lines<'_>, BatchError> {
        let request = self.client.get(format!("{}/{path}", self.base_url));
        let response = timeout(EXCHANGE, self.success(request))
            .await
            .map_err(|_| silent(EXCHANGE))??;
        Ok(Box::pin(flowing(watched(
            response.bytes_stream(),
            EXCHANGE,
        ))))
    }

    /// Sends a request, whose answer must be a success.
    async fn success(&self, request: RequestBuilder) -> Result<Response, BatchError> {
        let response = request.send().await.map_err(|error| BatchError {
            is_in_doubt: !error.is_connect() && !error.is_builder(),
            error: from_network(&error),
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            return Err(self.redirected(status.as_u16(), &headers).into());
        }
        let body = words_of(response, EXCHANGE).await;
        let said = Said::read(&self.redact(&body));
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Err(BatchError {
            error: from_said(status, &headers, &said, now, 0),
            is_in_doubt: status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT,
        })
    }

    fn redact(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.redact(text),
            None => text.to_owned(),
        }
    }
}

/// What a server says of a refusal, if it has said all of it within a time: a part of it could hold a part of the key.
async fn words_of(response: Response, within: Duration) -> String {
    let body = read_error(response.bytes_stream(), ERROR_BODY, within);
    match timeout(within, body).await {
        Ok(Ok(body)) => body,
        _ => String::new(),
    }
}

/// What the model wrote, where the server refuses it since it is no JSON: an answer to be mended like any other.
fn written(said: &Said, call: Call<'_>) -> Option<Result<RawAnswer, CallError>> {
    const REFUSED: [&str; 2] = ["json_validate_failed", "output_parse_failed"];
    let refused = said
        .codes
        .iter()
        .find(|code| REFUSED.contains(&code.as_str()))?;
    let text = said.written.clone().unwrap_or_default();
    let is_cut = said
        .message
        .to_ascii_lowercase()
        .contains("max completion tokens");
    if text.trim().is_empty() && !is_cut {
        let message = format!(
            "the server made no JSON of the model's answer: {}",
            said.message
        );
        return Some(Err(CallError::unusable(message, Unusable::NO_JSON)));
    }
    Some(Ok(RawAnswer {
        usage: Usage::new(estimate(call), (text.len() as u64).div_ceil(4)),
        finish: if is_cut { Finish::Length } else { Finish::Stop },
        finish_reason: refused.clone(),
        refusal: None,
        thought: false,
        text,
        model: call.model.to_owned(),
        served: None,
        observed: Vec::new(),
    }))
}

/// Lets `reader` read an answer, whatever its type (`kind`) says of it.
async fn received(
    response: Response,
    (idle, longest): (Duration, Duration),
    kind: Option<&str>,
    reader: &mut impl Reader,
) -> Result<(), CallError> {
    let is_stream = kind == Some("text/event-stream");
    let body = match arrived(response.bytes_stream(), idle, is_stream).await? {
        Arrived::Events(chunks) => return streamed(chunks, idle, longest, reader).await,
        Arrived::Whole(chunks) => read(chunks, ANSWER, (idle, longest)).await?,
    };
    let Err(error) = reader.whole(&body) else {
        return Ok(());
    };
    if body.trim().is_empty() {
        let message = "the server sent a success and nothing with it";
        return Err(CallError::unusable(message, Unusable::MALFORMED));
    }
    if body.starts_with(GZIP) {
        return Err(packed("gzip"));
    }
    // A stream without its marks: an object in each line.
    let lines = || body.lines().map(str::trim).filter(|line| !line.is_empty());
    if error.unusable == Some(Unusable::MALFORMED)
        && lines().count() > 1
        && lines().all(|line| line.starts_with('{'))
    {
        return lines().try_for_each(|line| reader.event(None, line).map(|_| ()));
    }
    match kind {
        Some(kind) if kind != "application/json" && error.unusable.is_some() => {
            let message =
                format!("the server answered with {kind}, and it is no answer of a model");
            Err(CallError::unusable(message, Unusable::MALFORMED))
        }
        _ => Err(error),
    }
}

/// How a body is packed, if it is.
fn packing(headers: &HeaderMap) -> Option<String> {
    let packing = headers.get(CONTENT_ENCODING)?.to_str().ok()?.trim();
    let is_plain = packing.is_empty() || packing.eq_ignore_ascii_case("identity");
    (!is_plain).then(|| packing.to_owned())
}

fn packed(packing: &str) -> CallError {
    CallError::unusable(
        format!("the answer is packed with {packing}, which was not asked for"),
        Unusable::PACKED,
    )
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

#[cfg(test)]
mod tests;
