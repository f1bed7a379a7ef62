//! A server for unit tests: it answers each connection with the next of the given texts, and hands over what it
//! was asked.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::endpoint::{Endpoint, ModelOptions};
use super::key::Key;
use super::presets::preset;
use crate::adaptation::Adaptations;
use crate::provider::Call;
use crate::settings::{ModelConfig, ProviderConfig};
use types::request::{CompletionRequest, Message, ResponseFormat, Role};

/// The key that tests ask with.
pub(crate) const KEY: &str = "sk-test-0123456789";

/// Answers one connection after the other; gives the requests when all answers are given.
pub(crate) async fn serve(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut chunk = [0; 4096];
                let length = stream.read(&mut chunk).await.unwrap();
                assert_ne!(length, 0, "the client hung up");
                request.extend_from_slice(&chunk[..length]);
            }
            requests.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, server)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// An HTTP answer that ends with its connection.
pub(crate) fn http(status: u16, kind: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

/// A stream of events with these data, each as it stands.
pub(crate) fn events(lines: &[&str]) -> String {
    let body: String = lines.iter().map(|line| format!("{line}\n\n")).collect();
    http(200, "text/event-stream; charset=utf-8", "", &body)
}

/// What was asked, as JSON.
pub(crate) fn body(request: &str) -> Value {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// The endpoint of a preset at this address.
pub(crate) fn endpoint(name: &str, url: &str, configured: &ProviderConfig) -> Endpoint {
    let preset = preset(name).unwrap();
    Endpoint::new(name, preset, configured, url.to_owned(), Key::new(KEY))
}

/// The options of a preset's model.
pub(crate) fn options(name: &str, model: &ModelConfig) -> ModelOptions {
    let preset = preset(name).unwrap();
    ModelOptions::new("m-1", preset, &ProviderConfig::default(), Some(model))
}

/// A question in two parts.
pub(crate) fn question(format: ResponseFormat) -> CompletionRequest {
    let message = |role, content: &str| Message {
        role,
        content: content.to_owned(),
    };
    CompletionRequest {
        messages: vec![
            message(Role::System, "Be brief."),
            message(Role::User, "What is it?"),
        ],
        facts: json!({"name": "Oak"}).into(),
        rules: None,
        format,
        images: Vec::new(),
    }
}

/// Nothing was learned.
static NONE: Adaptations = Adaptations::new();

/// A call that asks it.
pub(crate) fn call(request: &CompletionRequest) -> Call<'_> {
    Call {
        request,
        pictures: &[],
        model: "m-1",
        temperature: 0.5,
        max_output_tokens: 100,
        thoughts: None,
        idle_timeout: Duration::from_secs(30),
        seed: 1,
        adaptations: &NONE,
        prefix: None,
        accepted: &|_| {},
    }
}
