//! Calls that sleep before they are tried again, and until when, for people to see. Decides nothing: how long to
//! sleep is the retry policy's.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The sleepers of one lane.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    sleeping: Mutex<Sleeping>,
}

#[derive(Debug, Default)]
struct Sleeping {
    /// When each wakes, and its number.
    until: BTreeSet<(Instant, u64)>,
    next: u64,
}

/// One that sleeps; dropping it wakes it.
struct Sleeper<'a> {
    of: &'a BackOff,
    entry: (Instant, u64),
}

impl BackOff {
    /// Sleeps for so long.
    pub async fn sleep(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let sleeper = {
            let mut sleeping = self.sleeping();
            let entry = (until, sleeping.next);
            sleeping.next += 1;
            sleeping.until.insert(entry);
            Sleeper { of: self, entry }
        };
        sleep_until(until).await;
        drop(sleeper);
    }

    /// How many sleep, and how long until the first of them wakes.
    pub fn view(&self) -> (u64, Option<Duration>) {
        let sleeping = self.sleeping();
        let first = sleeping.until.first();
        let left = first.map(|(until, _)| until.saturating_duration_since(Instant::now()));
        (sleeping.until.len() as u64, left)
    }

    fn sleeping(&self) -> MutexGuard<'_, Sleeping> {
        self.sleeping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.of.sleeping().until.remove(&self.entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_sleeps_is_seen_until_it_wakes_or_is_given_up() {
        let back_off = BackOff::default();
        let seconds = Duration::from_secs;
        let both = async {
            tokio::join!(back_off.sleep(seconds(5)), back_off.sleep(seconds(2)));
        };
        let _ = tokio::time::timeout(seconds(1), async {
            tokio::join!(both, async {
                assert_eq!(back_off.view(), (2, Some(seconds(2))));
            });
        })
        .await;
        assert_eq!(back_off.view(), (0, None));
    }
}
