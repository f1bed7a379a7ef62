//! The page of runs that have ended: the server stays, and shows the newest run of a state, one that another process makes
//! included.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::Evidence;
use super::published::Published;
use super::runs::Runs;
use super::server::{Address, Looking, Server};
use super::snapshot::Snapshot;
use super::status_file::{Standing, standing};

/// How often the newest snapshot is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// A server that shows a state's runs.
pub struct Viewer {
    state: PathBuf,
    sender: watch::Sender<Arc<Published>>,
    _server: Server,
    /// Where the page is.
    pub page: String,
}

impl Viewer {
    /// Starts it. `newest` is what it shows first; without `evidence` single tasks are not looked up.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        address: &Address,
        state: &Path,
        newest: Snapshot,
        evidence: Option<Evidence>,
    ) -> io::Result<Viewer> {
        let listener = address.listen().await?;
        let page = format!("http://{}/", listener.local_addr()?);
        let (sender, receiver) = watch::channel(Arc::new(Published::new(newest)));
        let looking = Looking {
            evidence,
            runs: Runs::of(state),
        };
        Ok(Viewer {
            state: state.to_owned(),
            sender,
            _server: Server::start(listener, address, receiver, looking),
            page,
        })
    }

    /// Shows what is new, for ever.
    pub async fn work(self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let state = self.state.clone();
            let looked = tokio::task::spawn_blocking(move || standing(&state)).await;
            let Ok(Ok(Standing::Run(snapshot))) = looked else {
                continue;
            };
            let shown = Arc::clone(&self.sender.borrow());
            if shown.snapshot.at != snapshot.at || shown.snapshot.state != snapshot.state {
                self.sender
                    .send_replace(Arc::new(Published::new(*snapshot)));
            }
        }
    }
}
