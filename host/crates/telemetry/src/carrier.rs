//! The client that carries spans and metrics: on threads of its own, through a proxy only to other machines, and to nobody that a
//! collector redirects to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect, retry};
use tokio::runtime::Handle;

use super::address::Address;
use super::{Lost, TelemetryError};
use gateway::providers::is_this_machine;

/// Most that a collector may answer.
const ANSWER: usize = 1 << 20;

/// What was to be sent, and what arrived.
#[derive(Debug, Default)]
pub(super) struct Counts {
    spans: AtomicU64,
    spans_arrived: AtomicU64,
    /// Times.
    metrics: AtomicU64,
    metrics_arrived: AtomicU64,
    cause: Mutex<Option<String>>,
    is_closing: AtomicBool,
    is_hopeless: AtomicBool,
}

impl Counts {
    pub fn add_span(&self) {
        self.spans.fetch_add(1, Ordering::Relaxed);
    }

    pub fn spans_arrived(&self, number: usize) {
        self.spans_arrived
            .fetch_add(number as u64, Ordering::Relaxed);
    }

    pub fn add_metrics(&self) {
        self.metrics.fetch_add(1, Ordering::Relaxed);
    }

    pub fn metrics_arrived(&self) {
        self.metrics_arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on nothing is sent any more once something did not arrive.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Something did not arrive, and is not tried again.
    pub fn spans_lost(&self) {
        if self.is_closing.load(Ordering::Relaxed) {
            self.is_hopeless.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there is no use in sending more.
    pub fn is_hopeless(&self) -> bool {
        self.is_hopeless.load(Ordering::Relaxed)
    }

    /// Why something does not arrive; the first cause counts.
    pub fn failed(&self, cause: String) {
        let mut first = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(cause);
    }

    /// What did not arrive, if anything.
    pub fn lost(&self) -> Option<Lost> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let all = read(&self.spans);
        let spans = all.saturating_sub(read(&self.spans_arrived));
        let metrics = read(&self.metrics).saturating_sub(read(&self.metrics_arrived));
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        (spans > 0 || metrics > 0).then(|| Lost {
            spans: (spans, all),
            metrics,
            cause: cause.clone(),
        })
    }
}

/// Carries what one exporter sends.
#[derive(Debug)]
pub(super) struct Carrier {
    client: Client,
    runtime: Handle,
    counts: Arc<Counts>,
    /// Where it goes, without what may be secret.
    place: String,
    timeout: Duration,
}

impl Carrier {
    /// To this address. Its exchanges are performed by `runtime`, since the exporter's own thread has none.
    pub fn new(
        address: &Address,
        runtime: Handle,
        counts: Arc<Counts>,
    ) -> Result<Carrier, TelemetryError> {
        // Installed once for the process; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            // The exporter tries again, and knows what may be sent twice.
            .retry(retry::never())
            .timeout(address.timeout);
        let client = if is_this_machine(&address.url) {
            client.no_proxy()
        } else {
            client
        };
        let client = client
            .build()
            .map_err(|error| TelemetryError::Setup(error.to_string()))?;
        let host = address.url.host_str().unwrap_or_default();
        let place = match address.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Carrier {
            client,
            runtime,
            counts,
            place,
            timeout: address.timeout,
        })
    }

    fn explained(&self, error: &reqwest::Error) -> String {
        let place = &self.place;
        if error.is_timeout() {
            let seconds = self.timeout.as_secs_f64();
            format!("{place} did not answer within {seconds} s")
        } else if error.is_connect() {
            format!("{place} cannot be reached")
        } else {
            format!("the exchange with {place} broke off")
        }
    }
}

#[async_trait]
impl HttpClient for Carrier {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // One of them may be a key.
        for value in request.headers_mut().values_mut() {
            value.set_sensitive(true);
        }
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        let exchange = self.runtime.spawn(async move {
            let mut response = client.execute(request).await?;
            let mut body = Vec::new();
            while let Some(piece) = response.chunk().await? {
                if body.len() + piece.len() > ANSWER {
                    break;
                }
                body.extend_from_slice(&piece);
            }
            Ok((response.status(), response.headers().clone(), body))
        });
        let exchanged = exchange
            .await
            .map_err(|error| -> HttpError { Box::new(error) })?;
        let exchanged: Result<_, reqwest::Error> = exchanged;
        let (status, headers, body) =
            exchanged.inspect_err(|error| self.counts.failed(self.explained(error)))?;
        if !status.is_success() {
            self.counts.failed(format!(
                "{} answered with HTTP {}",
                self.place,
                status.as_u16()
            ));
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
