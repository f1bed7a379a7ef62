//! The page of `batchgen dev`: one server for all rounds, which shows the newest round and what the last one changed.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::mpsc as messages;
use tokio::sync::watch;

use super::Evidence;
use super::changes::Changes;
use super::published::Published;
use super::runs::Runs;
use super::server::{Address, Looking, Server};
use super::snapshot::Snapshot;
use super::ticker::Watch;

/// The page. Its address is taken at once, and its server starts with the first round.
pub struct RoundsPage {
    address: Address,
    page: String,
    is_announced: AtomicBool,
    told: Option<messages::UnboundedSender<Told>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server is told.
enum Told {
    /// A round begins.
    Round(Box<Round>),
    /// A round has ended.
    Changes(Changes),
}

/// Where a round is looked up.
struct Round {
    published: watch::Receiver<Arc<Published>>,
    evidence: Evidence,
    runs: Runs,
}

impl RoundsPage {
    /// Takes an address for a page. Its thread has a runtime of its own, since a round takes its runtime with it.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start(address: Address) -> io::Result<RoundsPage> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = runtime.block_on(address.listen())?;
        let page = format!("http://{}/#/changes", listener.local_addr()?);
        let (told, messages) = messages::unbounded_channel();
        let served = address.clone();
        let thread = thread::spawn(move || runtime.block_on(serve(listener, &served, messages)));
        Ok(RoundsPage {
            address,
            page,
            is_announced: AtomicBool::new(false),
            told: Some(told),
            thread: Some(thread),
        })
    }

    /// Where it is wanted.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Shows the run of a round; gives where the page is, the first time.
    pub fn follow(&self, run: &Watch, state: &Path, evidence: Evidence) -> Option<&str> {
        self.tell(Told::Round(Box::new(Round {
            published: run.published(),
            evidence,
            runs: Runs::of(state),
        })));
        let is_announced = self.is_announced.swap(true, Ordering::Relaxed);
        (!is_announced).then_some(&self.page)
    }

    /// Shows what a round changed.
    pub fn show(&self, changes: Changes) {
        self.tell(Told::Changes(changes));
    }

    fn tell(&self, told: Told) {
        if let Some(sender) = &self.told {
            // A server that is gone shows nothing any more, and is in nobody's way.
            let _ = sender.send(told);
        }
    }
}

impl Drop for RoundsPage {
    fn drop(&mut self) {
        self.told = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves the page from the first round on, until nobody tells anything any more.
async fn serve(
    listener: TcpListener,
    address: &Address,
    mut messages: messages::UnboundedReceiver<Told>,
) {
    let round = loop {
        match messages.recv().await {
            None => return,
            // Before the first round, nobody can look.
            Some(Told::Changes(_)) => {}
            Some(Told::Round(round)) => break *round,
        }
    };
    let looking = Arc::new(Looking::new(Some(round.evidence), round.runs, None));
    let first = with(&round.published.borrow(), &under_way(Changes::default()));
    let (shown, receiver) = watch::channel(first);
    let server = Server::start(listener, address, receiver, Arc::clone(&looking));
    work(round.published, messages, &looking, &shown).await;
    // So that nobody waits for another snapshot.
    drop(shown);
    server.finish().await;
}

/// Shows what is new until nobody tells anything any more.
async fn work(
    mut published: watch::Receiver<Arc<Published>>,
    mut messages: messages::UnboundedReceiver<Told>,
    looking: &Looking,
    shown: &watch::Sender<Arc<Published>>,
) {
    let mut changes = under_way(Changes::default());
    let mut goes_on = true;
    loop {
        tokio::select! {
            told = messages.recv() => match told {
                None => return,
                Some(Told::Round(round)) => {
                    (published, goes_on) = (round.published, true);
                    looking.look_at(round.evidence);
                    changes = under_way(changes);
                }
                Some(Told::Changes(made)) => changes = made,
            },
            changed = published.changed(), if goes_on => goes_on = changed.is_ok(),
        }
        let next = with(&published.borrow_and_update(), &changes);
        shown.send_replace(next);
    }
}

fn under_way(changes: Changes) -> Changes {
    Changes {
        is_under_way: true,
        ..changes
    }
}

fn with(published: &Published, changes: &Changes) -> Arc<Published> {
    Arc::new(Published::new(Snapshot {
        changes: Some(changes.clone()),
        ..published.snapshot.clone()
    }))
}
