//! Makes a snapshot once a second, once for all who look, and keeps the last one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Evidence;
use super::server::{Address, Server};
use super::snapshot::{End, RunInfo, SCHEMA, Snapshot, State};
use super::status_file::StatusFile;
use crate::llm::gateway::Gateway;
use crate::llm::lane_view::longest_wait;
use crate::llm::purse::Purse;
use crate::run::{Meter, peak_memory, resident_memory};

/// How often a snapshot is made.
const EVERY: Duration = Duration::from_secs(1);
/// Stands before and behind the document in the stream of events.
const BEFORE: &[u8] = b"data: ";
const BEHIND: &[u8] = b"\n\n";

/// A run that is watched.
pub struct Watched {
    /// Its numbers.
    pub meter: Arc<Meter>,
    /// Its lanes.
    pub gateway: Arc<Gateway>,
    /// Its budget.
    pub purse: Purse,
    /// What records are called.
    pub records: String,
}

/// A snapshot, and the bytes of it that all viewers share.
pub(super) struct Published {
    pub snapshot: Snapshot,
    /// As an event of the stream.
    pub event: Bytes,
}

impl Published {
    fn new(snapshot: Snapshot) -> Published {
        let mut event = BEFORE.to_vec();
        // Numbers and texts always have a form in JSON; a failure leaves an event without a document.
        let _ = serde_json::to_writer(&mut event, &snapshot);
        event.extend_from_slice(BEHIND);
        Published {
            snapshot,
            event: Bytes::from(event),
        }
    }

    /// As a document.
    pub fn json(&self) -> Bytes {
        let end = self.event.len() - BEHIND.len();
        self.event.slice(BEFORE.len()..end)
    }
}

/// Those who watch a run, for as long as it lasts.
pub struct Watch {
    stop: oneshot::Sender<End>,
    ticker: JoinHandle<()>,
    server: Option<Server>,
    page: Option<String>,
}

struct Ticker {
    watched: Watched,
    run: RunInfo,
    file: StatusFile,
    sender: watch::Sender<Arc<Published>>,
}

impl Watch {
    /// Starts watching a run on a state; with a page where an address is given.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        watched: Watched,
        state: &Path,
        page: Option<(&Address, Evidence)>,
    ) -> std::io::Result<Watch> {
        let (listener, evidence) = match page {
            Some((address, evidence)) => (Some((address.listen().await?, address)), Some(evidence)),
            None => (None, None),
        };
        let url = match &listener {
            Some((listener, _)) => Some(format!("http://{}/", listener.local_addr()?)),
            None => None,
        };
        let run = RunInfo {
            process: std::process::id(),
            started_at: now(),
            records: watched.records.clone(),
            page: url.clone(),
        };
        let first = Published::new(snapshot(&watched, &run, None));
        let (sender, receiver) = watch::channel(Arc::new(first));
        let server = listener
            .zip(evidence)
            .map(|((listener, address), evidence)| {
                Server::start(listener, address, receiver, evidence)
            });
        let ticker = Ticker {
            watched,
            run,
            file: StatusFile::of(state),
            sender,
        };
        let (stop, stopped) = oneshot::channel();
        Ok(Watch {
            stop,
            ticker: tokio::spawn(ticker.work(stopped)),
            server,
            page: url,
        })
    }

    /// Where the page is.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The run ended: shows it for the last time.
    pub async fn finish(self, end: End) {
        let _ = self.stop.send(end);
        let _ = self.ticker.await;
        if let Some(server) = self.server {
            server.finish().await;
        }
    }
}

impl Ticker {
    async fn work(self, mut stopped: oneshot::Receiver<End>) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = &mut stopped => {
                    self.publish(end.ok()).await;
                    break;
                }
                _ = tick.tick() => self.publish(None).await,
            }
        }
    }

    async fn publish(&self, end: Option<End>) {
        let snapshot = snapshot(&self.watched, &self.run, end);
        self.watched.meter.lanes_used(&snapshot.lanes);
        let published = Arc::new(Published::new(snapshot));
        let json = published.json();
        self.sender.send_replace(published);
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&json)).await;
        if let Ok(Err(error)) = written {
            tracing::debug!("the status cannot be written: {error}");
        }
    }
}

fn snapshot(watched: &Watched, run: &RunInfo, end: Option<End>) -> Snapshot {
    let lanes = watched.gateway.view();
    Snapshot {
        schema: SCHEMA,
        state: if end.is_some() {
            State::Ended
        } else {
            State::Running
        },
        at: now(),
        run: run.clone(),
        end,
        progress: watched.meter.view().held_up(longest_wait(&lanes)),
        lanes,
        budget: watched.purse.view(),
        memory_bytes: resident_memory(),
        peak_memory_bytes: peak_memory(),
        detail: watched.meter.detail(),
    }
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
