//! What a provider sends over its connection: no answer and no error shows the key.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use anyhow::Context;
use gateway::adaptation::Adaptations;
use gateway::provider::{Call, Provider};
use gateway::providers::{
    Endpoint, Key, ModelOptions, RateLimitHeaders, connect, observed, preset,
};
use gateway::settings::{ModelConfig, ProviderConfig};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use types::request::{CompletionRequest, Message, ResponseFormat, Role};

use super::Target;

/// All that it sends.
pub fn answer() -> anyhow::Result<Box<dyn Target>> {
    Answers::make("")
}

/// A stream of events.
pub fn stream() -> anyhow::Result<Box<dyn Target>> {
    Answers::make("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
}

/// The headers and the words of a refusal, which tell how long to wait and which part of a question it does not take.
pub fn refusal() -> anyhow::Result<Box<dyn Target>> {
    Answers::make("HTTP/1.1 429 Too Many\r\n")
}

/// The headers that tell what limits there are.
pub fn limits() -> anyhow::Result<Box<dyn Target>> {
    Ok(Box::new(LimitReader))
}

const KEY: &str = "sk-fuzz-0123456789abcdef";

struct Answers {
    runtime: tokio::runtime::Runtime,
    providers: Vec<Arc<dyn Provider>>,
    next: Sender<Vec<u8>>,
    /// What stands before each input.
    head: &'static str,
}

impl Answers {
    fn make(head: &'static str) -> anyhow::Result<Box<dyn Target>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let (next, answers) = channel::<Vec<u8>>();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
                let mut request = [0; 16 << 10];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(&answer);
            }
        });
        let providers = ["openai", "anthropic"].map(|name| {
            let preset = preset(name).context("a preset")?;
            let configured = ProviderConfig::default();
            let endpoint = Endpoint::new(name, preset, &configured, url.clone(), Key::new(KEY));
            let options =
                ModelOptions::new("m-1", preset, &configured, Some(&ModelConfig::default()));
            Ok(connect(endpoint, options)?)
        });
        Ok(Box::new(Answers {
            head,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            providers: providers.into_iter().collect::<anyhow::Result<_>>()?,
            next,
        }))
    }
}

impl Target for Answers {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let request = CompletionRequest {
            messages: vec![Message {
                role: Role::User,
                content: "What is it?".to_owned(),
            }],
            facts: serde_json::json!({"name": "Oak"}).into(),
            rules: None,
            format: ResponseFormat::Text,
            images: Vec::new(),
        };
        for provider in &self.providers {
            self.next
                .send([self.head.as_bytes(), input].concat())
                .map_err(|_| "the server is gone".to_owned())?;
            let call = Call {
                prefix: None,
                request: &request,
                pictures: &[],
                model: "m-1",
                temperature: 0.5,
                max_output_tokens: 100,
                thoughts: None,
                idle_timeout: Duration::from_secs(3),
                seed: 1,
                adaptations: &Adaptations::new(),
                accepted: &|_| {},
            };
            if let Err(error) = self.runtime.block_on(provider.call(call))
                && format!("{error:?} {error}").contains(KEY)
            {
                return Err(format!("{}: the key is shown: {error}", provider.name()));
            }
        }
        Ok(())
    }
}

/// A span that anybody waits for.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Headers, one a line: whatever they say, no wait is longer than a clock can be set to.
struct LimitReader;

impl Target for LimitReader {
    fn take(&mut self, input: &[u8]) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        for line in input.split(|byte| *byte == b'\n') {
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let name = parts.next().map(HeaderName::from_bytes);
            let value = parts.next().map(HeaderValue::from_bytes);
            if let (Some(Ok(name)), Some(Ok(value))) = (name, value) {
                headers.insert(name, value);
            }
        }
        for dialect in [
            RateLimitHeaders::OpenAi,
            RateLimitHeaders::Anthropic,
            RateLimitHeaders::Groq,
            RateLimitHeaders::Together,
            RateLimitHeaders::Generic,
        ] {
            for limit in observed(&headers, dialect, Duration::from_secs(1_800_000_000)) {
                if limit.reset > Some(LONGEST) || limit.span > Some(LONGEST) {
                    return Err(format!("too long: {limit:?}"));
                }
            }
        }
        Ok(())
    }
}
