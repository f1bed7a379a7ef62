//! Threads that run sandboxed code, as many as there are cores. Instances live only here, so their
//! number does not depend on how many tasks wait. The pool does not know what it runs.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A handle on the threads; they end when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Without it, jobs run where they are asked for.
    jobs: Option<Sender<Job>>,
}

/// The thread that should run the job is gone.
#[derive(Debug, thiserror::Error)]
#[error(
    "a sandbox thread ended while it ran a component\nhint: this is a defect of batchgen, please report it"
)]
pub struct Lost;

impl Pool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn new(threads: usize) -> std::io::Result<Pool> {
        let (jobs, receiver) = channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name(format!("sandbox-{number}"))
                .spawn(move || work(&receiver))?;
        }
        Ok(Pool { jobs: Some(jobs) })
    }

    /// A pool without threads, for tests that hold the clock: time must not pass while a job runs.
    #[cfg(test)]
    pub fn inline() -> Pool {
        Pool { jobs: None }
    }

    /// Runs a job on one of the threads.
    ///
    /// # Errors
    /// [`Lost`] when the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let Some(jobs) = &self.jobs else {
            return Ok(job());
        };
        let (result, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The asker may have gone: then nobody wants the result.
            let _ = result.send(job());
        });
        jobs.send(job).map_err(|_| Lost)?;
        receiver.await.map_err(|_| Lost)
    }
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    loop {
        let job = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = job else { return };
        // A defect in the host's part of an execution must cost one task, not the thread.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}
