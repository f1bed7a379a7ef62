//! A plain HTTP client for tests, synchronous as they are.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose server does not answer has nothing to go on with"
)]

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client with a runtime of its own.
pub struct Web {
    runtime: Runtime,
    client: Client,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    /// Its body as text.
    pub body: String,
}

impl Default for Web {
    fn default() -> Web {
        Web::new()
    }
}

impl Web {
    /// A client that uses no proxy.
    pub fn new() -> Web {
        // Installed once for the process; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Web {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            client: client(),
        }
    }

    /// The answer to a request with these headers and this JSON as its body, if any.
    pub fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Reply> {
        let mut request = self.client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        self.runtime.block_on(async {
            timeout(PATIENCE, reply(request))
                .await
                .unwrap_or_else(|_| panic!("{url} does not answer"))
        })
    }

    /// Gets a page that must be there.
    pub fn get(&self, url: &str) -> Reply {
        self.ask(Method::GET, url, &[], None)
            .unwrap_or_else(|| panic!("nobody answers at {url}"))
    }

    /// Gets a JSON document that must be there.
    pub fn json(&self, url: &str) -> Value {
        let reply = self.get(url);
        serde_json::from_str(&reply.body).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// The events of a stream until one is not to be followed by others, or until its end.
    pub fn events(&self, url: &str, goes_on: impl FnMut(&Value) -> bool) -> Vec<Value> {
        self.runtime.block_on(async {
            let read = async {
                let response = self.client.get(url).send().await.expect("an answer");
                events(response, goes_on).await
            };
            timeout(PATIENCE, read).await.expect("events")
        })
    }

    /// The first event of a stream as it is sent.
    pub fn first_event(&self, url: &str) -> String {
        self.runtime.block_on(async {
            let read = async {
                let mut response = self.client.get(url).send().await.expect("an answer");
                let mut event = Vec::new();
                while !event.ends_with(b"\n\n")
                    && let Some(chunk) = response.chunk().await.expect("a part of the event")
                {
                    event.extend_from_slice(&chunk);
                }
                String::from_utf8(event).expect("text")
            };
            timeout(PATIENCE, read).await.expect("an event")
        })
    }
}

/// A client that uses no proxy.
pub fn client() -> Client {
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client")
}

async fn reply(request: RequestBuilder) -> Option<Reply> {
    let response = request.send().await.ok()?;
    Some(Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.ok()?,
    })
}

async fn events(mut response: Response, mut goes_on: impl FnMut(&Value) -> bool) -> Vec<Value> {
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = bytes.drain(..end + 2).collect();
            let data = event.strip_prefix(b"data: ").expect("an event with data");
            let event: Value = serde_json::from_slice(data).expect("a document");
            let more = goes_on(&event);
            events.push(event);
            if !more {
                return events;
            }
        }
    }
    events
}
