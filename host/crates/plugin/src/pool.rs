//! Threads that run sandboxed code, as many as there are cores. Instances live only here, so their
//! number does not depend on how many tasks wait. The pool does not know what it runs.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// Most sandbox threads: beyond it, address space for their instances grows and the machine's cores are busy in any case.
const MOST: usize = 256;

/// How many threads run sandboxed code on this machine: as many as it has cores.
pub fn threads() -> usize {
    thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST)
}

type Job = Box<dyn FnOnce() + Send>;

/// A handle on the threads; they end when the last handle is dropped.
#[derive(Clone)]
pub struct Pool {
    /// Without it, jobs run where they are asked for.
    queue: Option<Arc<Handle>>,
}

/// The last one of these to go ends the threads.
struct Handle(Arc<Queue>);

/// Jobs that wait for a thread. A thread that is busy takes its next one without being woken.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads that wait and that nobody has woken yet.
    idle: usize,
    ended: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        // To wake costs a call of the system, also where nobody waits.
        let wake = state.idle > 0;
        state.idle -= usize::from(wake);
        drop(state);
        if wake {
            self.arrived.notify_one();
        }
    }

    /// The next job; `None` when there will be no more.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.ended {
                return None;
            }
            state.idle += 1;
            state = self
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.arrived.notify_all();
    }
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
        let handle = Handle(Arc::default());
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&handle.0);
            thread::Builder::new()
                .name(format!("sandbox-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Pool {
            queue: Some(Arc::new(handle)),
        })
    }

    /// A pool without threads, for simulations that hold the clock: time must not pass while a job runs.
    pub fn inline() -> Pool {
        Pool { queue: None }
    }

    /// Runs a job on one of the threads.
    ///
    /// # Errors
    /// [`Lost`] when the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let Some(queue) = &self.queue else {
            return Ok(job());
        };
        let (result, receiver) = oneshot::channel();
        let job: Job = Box::new(move || {
            // The asker may have gone: then nobody wants the result.
            let _ = result.send(job());
        });
        queue.0.push(job);
        receiver.await.map_err(|_| Lost)
    }
}

fn work(queue: &Queue) {
    while let Some(job) = queue.next() {
        // A defect in the host's part of an execution must cost one task, not the thread.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}
