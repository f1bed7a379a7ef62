//! What the host is held against: a loop that makes streamed calls with reqwest and keeps nothing. It has
//! no limits, journal or files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{anyhow, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::task::JoinSet;

/// A patient loop takes a try for lost when nothing comes for so long.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long it waits after the first failure of a call; twice as long after each further one.
const FIRST_WAIT: Duration = Duration::from_millis(125);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What a loop asks.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// How many calls it makes.
    pub calls: u64,
    /// How many at a time.
    pub at_once: usize,
    /// Bytes of each prompt; a short question where absent.
    pub prompt_bytes: Option<usize>,
    /// Whether it tries each call again until it is answered with 200: after a refusal as long as the hint says, after
    /// another failure with a back-off.
    pub patient: bool,
}

/// Makes calls, each of which must be answered with 200 unless the loop is patient.
///
/// # Errors
/// When a call fails and the loop is not patient.
pub fn bare_loop(
    base_url: &str,
    key: &str,
    Asked {
        calls,
        at_once,
        prompt_bytes,
        patient,
    }: Asked,
) -> anyhow::Result<()> {
    // Installed once for the process; a second call finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut client = Client::builder()
            .pool_max_idle_per_host(usize::MAX)
            .tcp_nodelay(true);
        if patient {
            client = client.read_timeout(TIMEOUT);
        }
        let client = client.build()?;
        let url: Arc<str> = format!("{base_url}/chat/completions").into();
        let authorization: Arc<str> = format!("Bearer {key}").into();
        let next = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..at_once {
            let (client, next) = (client.clone(), Arc::clone(&next));
            let (url, authorization) = (Arc::clone(&url), Arc::clone(&authorization));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return anyhow::Ok(());
                    }
                    let instructions = match prompt_bytes {
                        Some(bytes) => prompt(number, bytes),
                        None => "You write short summaries for a catalogue.".to_owned(),
                    };
                    let facts = format!("Facts (JSON):\n{{\"name\": \"Thing {number}\"}}");
                    let messages = [("system", instructions), ("user", facts)]
                        .map(|(role, content)| json!({"role": role, "content": content}));
                    let body = json!({"model": "sim", "stream": true, "max_tokens": 400, "messages": messages});
                    let request = client
                        .post(&*url)
                        .header("authorization", &*authorization)
                        .header("content-type", "application/json")
                        .body(body.to_string());
                    if patient {
                        until_answered(&request).await?;
                    } else {
                        let said = call(request).await?;
                        ensure!(said == Said::Answer, "{said:?}");
                    }
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    })
}

/// The prompt of one record, of at least so many bytes.
pub(super) fn prompt(number: u64, bytes: usize) -> String {
    let mut prompt = format!("Write about thing {number}.");
    while prompt.len() < bytes {
        prompt.push_str(" Say what it is made of and what it is for.");
    }
    prompt
}

/// What a server said to a try.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Answer,
    /// An error, and how long to wait where it said so.
    Error(Option<Duration>),
}

async fn until_answered(request: &RequestBuilder) -> anyhow::Result<()> {
    let mut back_off = FIRST_WAIT;
    loop {
        let try_of_it = request
            .try_clone()
            .ok_or_else(|| anyhow!("a body that streams"))?;
        let wait = match call(try_of_it).await {
            Ok(Said::Answer) => return Ok(()),
            // It has been waited for already.
            Err(error) if error.is_timeout() => Duration::ZERO,
            Ok(Said::Error(Some(hint))) => hint,
            Ok(Said::Error(None)) | Err(_) => {
                let wait = back_off;
                back_off = (back_off * 2).min(LONGEST_WAIT);
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn call(request: RequestBuilder) -> reqwest::Result<Said> {
    let mut response = request.send().await?;
    if response.status() != 200 {
        let hint = response.headers().get("retry-after");
        let seconds = hint.and_then(|hint| hint.to_str().ok()?.parse().ok());
        return Ok(Said::Error(seconds.map(Duration::from_secs_f64)));
    }
    while response.chunk().await?.is_some() {}
    Ok(Said::Answer)
}
