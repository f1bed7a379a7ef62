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
use super::review::{Desk, ReviewCounts, Serving};
use super::runs::Runs;
use super::scores::Scorer;
use super::server::{Address, Looking, Server};
use super::snapshot::Snapshot;
use super::status_file::{Standing, standing};

/// How often the newest snapshot is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// A server that shows a state's runs.
pub struct Viewer {
    state: PathBuf,
    sender: watch::Sender<Arc<Published>>,
    server: Server,
    review: Option<Arc<Serving>>,
    /// Adds up what is decided here.
    scorer: Option<Scorer>,
    /// Where the page is.
    pub page: String,
}

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ViewerError {
    /// The address cannot be had.
    #[error(transparent)]
    Address(#[from] io::Error),
    /// The system gives no random numbers.
    #[error("no key can be made: {0}")]
    Key(#[from] getrandom::Error),
}

impl Viewer {
    /// Starts it. `newest` is what it shows first; without `evidence` single tasks are not looked up. With a desk a person decides
    /// about files there, and the address of the page has the key for that.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        address: &Address,
        state: &Path,
        newest: Snapshot,
        evidence: Option<Evidence>,
        desk: Option<Desk>,
    ) -> Result<Viewer, ViewerError> {
        let listener = address.listen().await?;
        let scorer = desk.as_ref();
        let scorer = scorer.map(|desk| Scorer::new(desk.store.clone(), desk.indexed.id));
        let review = desk.map(Serving::new).transpose()?.map(Arc::new);
        let mut page = format!("http://{}/", listener.local_addr()?);
        if let Some(serving) = &review {
            // What stands behind `#` is sent to no server, and is in no log.
            page.push_str(&format!("#key={}", serving.key()));
        }
        let (sender, receiver) = watch::channel(Arc::new(Published::new(newest)));
        let looking = Looking::new(evidence, Runs::of(state), review.clone());
        Ok(Viewer {
            state: state.to_owned(),
            sender,
            server: Server::start(listener, address, receiver, Arc::new(looking)),
            review,
            scorer,
            page,
        })
    }

    /// Shows what is new, for ever.
    pub async fn work(&mut self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Some(scorer) = &mut self.scorer {
                // No run goes on beside a review, so nothing else is new.
                let scores = scorer.rows().await;
                let shown = Arc::clone(&self.sender.borrow());
                if let Some(scores) = scores
                    && shown.snapshot.scores != scores
                {
                    let snapshot = Snapshot {
                        scores,
                        ..shown.snapshot.clone()
                    };
                    self.sender.send_replace(Arc::new(Published::new(snapshot)));
                }
                continue;
            }
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

    /// Ends it, after what is being noted; tells what was decided.
    pub async fn finish(self) -> ReviewCounts {
        // So that nobody waits for another snapshot.
        drop(self.sender);
        self.server.finish().await;
        self.review
            .map(|serving| serving.counts())
            .unwrap_or_default()
    }
}
