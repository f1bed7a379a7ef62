//! A process of a history: a runtime of its own, whose clock goes as the clock of all does. What it left running dies with it.

use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{advance, sleep};

/// What a process does, from its start to its end.
pub(super) type Main<T> = Pin<Box<dyn Future<Output = T>>>;

/// One that runs, or stands still.
pub(super) struct Process<T> {
    // In this order, so that a killed process does nothing any more while it goes.
    main: Main<T>,
    runtime: Runtime,
    /// How long it has stood still.
    late: Duration,
}

impl<T> Process<T> {
    pub fn start(main: Main<T>) -> Process<T> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        Process {
            main,
            runtime,
            late: Duration::ZERO,
        }
    }

    /// Lets it work for so long; gives what it ended with.
    pub fn works(&mut self, span: Duration) -> Option<T> {
        let late = std::mem::take(&mut self.late);
        let main = &mut self.main;
        self.runtime.block_on(async {
            if !late.is_zero() {
                advance(late).await;
            }
            tokio::select! {
                biased;
                ended = main => Some(ended),
                () = sleep(span) => None,
            }
        })
    }

    /// It is stopped for so long, and does not know.
    pub fn stands_still(&mut self, span: Duration) {
        self.late += span;
    }
}
