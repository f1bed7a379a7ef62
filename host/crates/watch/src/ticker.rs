//! Makes a snapshot once a second, once for all who look, and keeps the last one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::Evidence;
use super::headline::headline;
use super::metrics::{self, Metric};
use super::published::Published;
use super::runs::Runs;
use super::scores::{ScoreRow, Scorer};
use super::server::{Address, Looking, Server};
use super::snapshot::{End, RunInfo, SCHEMA, Snapshot, State};
use super::status_file::StatusFile;
use engine::{Meter, peak_memory, resident_memory};
use gateway::Gateway;
use gateway::budget::LaneBudget;
use gateway::lane_view::longest_wait;
use store::Store;

/// How often a snapshot is made.
const EVERY: Duration = Duration::from_secs(1);
/// A run that is watched.
pub struct Watched {
    pub meter: Arc<Meter>,
    pub gateway: Arc<Gateway<Store>>,
    pub budget: LaneBudget,
    /// Where verdicts are, and the number of the dataset.
    pub verdicts: (Store, i64),
    /// What is known of it before it begins.
    pub about: About,
}

/// What is known of a run before it begins.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What records are called.
    pub records: String,
    /// Name of the project.
    pub project: String,
    /// The command, as it was typed.
    pub command: String,
    /// Models that it asks.
    pub models: Vec<String>,
}

/// Those who watch a run, for as long as it lasts.
pub struct Watch {
    stop: oneshot::Sender<End>,
    ticker: JoinHandle<()>,
    server: Option<Server>,
    page: Option<String>,
    readings: Readings,
}

/// The metrics of a run, as they were a second ago or less. After its end they stay as they were then.
#[derive(Clone)]
pub struct Readings {
    receiver: watch::Receiver<Arc<Published>>,
}

impl Readings {
    /// The same metrics in the same order each time, whatever has values.
    pub fn metrics(&self) -> Vec<Metric> {
        let published = Arc::clone(&self.receiver.borrow());
        metrics::all(&published.snapshot)
    }
}

struct Ticker {
    watched: Watched,
    run: RunInfo,
    file: StatusFile,
    runs: Runs,
    scorer: Scorer,
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
            records: watched.about.records.clone(),
            page: url.clone(),
            project: watched.about.project.clone(),
            command: watched.about.command.clone(),
            models: watched.about.models.clone(),
        };
        let runs = Runs::of(state);
        if let Err(error) = runs.keep_killed() {
            tracing::debug!("an earlier run cannot be kept: {error}");
        }
        let first = Published::new(snapshot(&watched, &run, None, Vec::new()));
        let (store, dataset) = watched.verdicts.clone();
        let (sender, receiver) = watch::channel(Arc::new(first));
        let readings = Readings {
            receiver: receiver.clone(),
        };
        let server = listener
            .zip(evidence)
            .map(|((listener, address), evidence)| {
                let looking = Looking::new(Some(evidence), runs.clone(), None);
                Server::start(listener, address, receiver, Arc::new(looking))
            });
        let ticker = Ticker {
            watched,
            run,
            file: StatusFile::of(state),
            runs,
            scorer: Scorer::new(store, dataset),
            sender,
        };
        let (stop, stopped) = oneshot::channel();
        Ok(Watch {
            stop,
            ticker: tokio::spawn(ticker.work(stopped)),
            server,
            page: url,
            readings,
        })
    }

    /// Where the page is.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// Its metrics, for who sends them elsewhere.
    pub fn readings(&self) -> Readings {
        self.readings.clone()
    }

    /// Its snapshots, one a second.
    pub(super) fn published(&self) -> watch::Receiver<Arc<Published>> {
        self.readings.receiver.clone()
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
    async fn work(mut self, mut stopped: oneshot::Receiver<End>) {
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

    async fn publish(&mut self, end: Option<End>) {
        let scores = match end {
            Some(_) => self.scorer.last().await,
            None => self.scorer.rows().await,
        };
        let snapshot = snapshot(&self.watched, &self.run, end, scores.unwrap_or_default());
        self.watched.meter.lanes_used(&snapshot.lanes);
        let ended = (snapshot.state == State::Ended).then(|| (self.runs.clone(), snapshot.clone()));
        let published = Arc::new(Published::new(snapshot));
        let json = published.json();
        self.sender.send_replace(published);
        let file = self.file.clone();
        let write = move || match ended {
            Some((runs, snapshot)) => file.write(&json).and_then(|()| runs.keep(&snapshot)),
            None => file.write(&json),
        };
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(error)) = written {
            tracing::debug!("the status cannot be written: {error}");
        }
    }
}

fn snapshot(watched: &Watched, run: &RunInfo, end: Option<End>, scores: Vec<ScoreRow>) -> Snapshot {
    let lanes = watched.gateway.view();
    let mut snapshot = Snapshot {
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
        budget: watched.budget.view(),
        memory_bytes: resident_memory(),
        peak_memory_bytes: peak_memory(),
        detail: watched.meter.detail(),
        scores,
        changes: None,
        headline: None,
    };
    snapshot.headline = Some(headline(&snapshot));
    snapshot
}

fn now() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
