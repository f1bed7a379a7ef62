//! Puts files while a run goes on: each as soon as it is durable here with its checkpoint. Where the server cannot keep up, the run
//! waits for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{Mirror, Report, Terms};

/// Groups of files that may wait.
const QUEUE: usize = 4;
/// Most files that are put together.
const GROUP: usize = 256;

/// What puts the files of a run.
pub struct Uploads {
    queue: Sender<Vec<String>>,
    thread: Option<JoinHandle<Report>>,
}

impl Uploads {
    /// Begins. `gave_up` is called once the server has taken nothing for as long as the terms say, or refuses.
    pub fn start(
        mirror: Arc<Mirror>,
        terms: Terms,
        gave_up: impl Fn() + Send + 'static,
    ) -> Uploads {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let thread = thread::spawn(move || work(&mirror, &terms, waiting, gave_up));
        Uploads {
            queue,
            thread: Some(thread),
        }
    }

    /// Takes the paths of files that are durable, below the output directory.
    pub fn queue(&self) -> Sender<Vec<String>> {
        self.queue.clone()
    }

    /// Waits until all that was queued before is put, or given up.
    pub fn finish(mut self) -> Report {
        // It ends behind what was queued before.
        let _ = self.queue.blocking_send(Vec::new());
        let report = self.thread.take().and_then(|thread| thread.join().ok());
        report.unwrap_or_default()
    }
}

fn work(
    mirror: &Mirror,
    terms: &Terms,
    mut waiting: Receiver<Vec<String>>,
    gave_up: impl Fn(),
) -> Report {
    let mut report = Report::default();
    let mut is_last = false;
    while !is_last && let Some(first) = waiting.blocking_recv() {
        is_last = first.is_empty();
        let mut group: BTreeSet<String> = first.into_iter().collect();
        while !is_last
            && group.len() < GROUP
            && let Ok(next) = waiting.try_recv()
        {
            is_last = next.is_empty();
            group.extend(next);
        }
        if report.failed.is_some() {
            report.left += group.len() as u64;
            continue;
        }
        report.add(mirror.put_all(group.into_iter().collect(), terms));
        if report.failed.is_some() {
            gave_up();
        }
    }
    report
}
