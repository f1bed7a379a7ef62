//! When messages that wait for each other are sent: each frame costs both sides more than the messages in it.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How long a message waits for others that are sent in the same frame.
const GATHER: Duration = Duration::from_millis(1);
/// How long frames are apart where there are many messages.
const APART: Duration = Duration::from_millis(10);

/// Wakes the task that sends.
#[derive(Debug, Default)]
pub(crate) struct Post {
    waits: Notify,
    hurries: Notify,
}

impl Post {
    /// Something waits to be sent.
    pub fn flush(&self) {
        self.waits.notify_one();
    }

    /// Something is to be sent at once.
    pub fn hurry(&self) {
        self.hurries.notify_one();
    }

    /// Waits until something is to be sent, and for others that it can go with. Something was sent `last`, and something is to be
    /// looked after at `wakes` in any case.
    pub async fn due(&self, last: Instant, wakes: Instant) {
        tokio::select! {
            () = self.hurries.notified() => return,
            () = self.waits.notified() => {}
            () = sleep_until(wakes) => return,
        }
        let together = (Instant::now() + GATHER).max(last + APART);
        tokio::select! {
            () = self.hurries.notified() => {}
            () = sleep_until(together) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_messages_go_together_and_what_hurries_goes_at_once() {
        let (post, begin) = (Post::default(), Instant::now());
        let far = begin + Duration::from_secs(60);
        let quiet = begin - Duration::from_secs(1);
        post.flush();
        post.due(quiet, far).await;
        assert_eq!(begin.elapsed(), GATHER, "the first after a silence");
        let last = Instant::now();
        post.flush();
        post.due(last, far).await;
        assert_eq!(last.elapsed(), APART, "those that follow");
        let last = Instant::now();
        post.flush();
        post.hurry();
        post.due(last, far).await;
        assert_eq!(last.elapsed(), Duration::ZERO);
    }
}
