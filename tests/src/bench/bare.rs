//! What the host is held against: a loop that makes streamed calls with reqwest and keeps nothing. It has
//! no limits, retries, journal or files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::ensure;
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::task::JoinSet;

/// A forgiving loop gives a call up when nothing comes for so long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes `calls` calls, `at_once` at a time, each of which must be answered with 200; a `forgiving` loop goes
/// on with the next when one is not.
///
/// # Errors
/// When a call fails and the loop is not forgiving.
pub fn bare_loop(
    base_url: &str,
    key: &str,
    calls: u64,
    at_once: usize,
    forgiving: bool,
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
        if forgiving {
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
                    let body = json!({"model": "sim", "stream": true, "max_tokens": 400,
                        "messages": [{"role": "system", "content": "You write short summaries for a catalogue."},
                            {"role": "user", "content": format!("Facts (JSON):\n{{\"name\": \"Thing {number}\"}}")}]});
                    let request = client
                        .post(&*url)
                        .header("authorization", &*authorization)
                        .header("content-type", "application/json")
                        .body(body.to_string());
                    match call(request).await {
                        Err(error) if !forgiving => return Err(error),
                        Err(_) | Ok(()) => {}
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

async fn call(request: RequestBuilder) -> anyhow::Result<()> {
    let mut response = request.send().await?;
    ensure!(response.status() == 200, "status {}", response.status());
    while response.chunk().await?.is_some() {}
    Ok(())
}
