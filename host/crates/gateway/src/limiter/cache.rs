//! Which beginnings of questions a provider has in its prompt cache. The first question that begins so writes it there; it
//! can be read once the provider has accepted that question. Those that come before then would write it again, so they
//! wait for it, though not for long.

use std::collections::HashMap;
use std::time::Duration;

/// So long the others wait for the first at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// A cache is left so long before its end, since a question takes time on its way.
const MARGIN: Duration = Duration::from_secs(5);
/// So many beginnings are known.
const MOST: usize = 256;

/// What is known of a provider's prompt cache.
#[derive(Debug, Default)]
pub(super) struct PromptCache {
    /// How long it keeps what nobody reads; nothing where nobody waits for it.
    lifetime: Option<Duration>,
    beginnings: HashMap<u64, Entry>,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    /// The call with this number writes it.
    Written { since: Duration, by: u64 },
    /// It can be read.
    Readable { until: Duration },
}

impl PromptCache {
    /// A cache that keeps for so long what nobody reads.
    pub fn new(lifetime: Option<Duration>) -> PromptCache {
        PromptCache {
            lifetime,
            beginnings: HashMap::new(),
        }
    }

    /// Until when a question that begins so has to wait for the first that does.
    pub fn waits_until(&self, prefix: Option<u64>, now: Duration) -> Option<Duration> {
        match self.beginnings.get(&prefix?) {
            Some(Entry::Written { since, .. }) => {
                let until = since.saturating_add(PATIENCE);
                (now < until).then_some(until)
            }
            Some(Entry::Readable { .. }) | None => None,
        }
    }

    /// A call with a question that begins so is sent.
    pub fn sent(&mut self, prefix: Option<u64>, call: u64, now: Duration) {
        let (Some(prefix), Some(_)) = (prefix, self.lifetime) else {
            return;
        };
        let is_there = match self.beginnings.get(&prefix) {
            Some(Entry::Readable { until }) => now < *until,
            // Nobody waits for it any more.
            Some(Entry::Written { .. }) => true,
            None => false,
        };
        if is_there {
            return;
        }
        if self.beginnings.len() >= MOST {
            self.beginnings.retain(|_, entry| match entry {
                Entry::Readable { until } => now < *until,
                Entry::Written { .. } => true,
            });
        }
        if self.beginnings.len() < MOST {
            let entry = Entry::Written {
                since: now,
                by: call,
            };
            self.beginnings.insert(prefix, entry);
        }
    }

    /// The provider accepted a call with a question that begins so.
    pub fn accepted(&mut self, prefix: Option<u64>, now: Duration) {
        let (Some(prefix), Some(lifetime)) = (prefix, self.lifetime) else {
            return;
        };
        let until = now.saturating_add(lifetime.saturating_sub(MARGIN));
        if let Some(entry) = self.beginnings.get_mut(&prefix) {
            *entry = Entry::Readable { until };
        }
    }

    /// A call is over. If it was to write, and was not accepted, the next one writes.
    pub fn ended(&mut self, prefix: Option<u64>, call: u64) {
        if let Some(prefix) = prefix
            && let Some(Entry::Written { by, .. }) = self.beginnings.get(&prefix)
            && *by == call
        {
            self.beginnings.remove(&prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_others_wait_until_the_first_is_accepted_or_has_failed() {
        let mut cache = PromptCache::new(Some(MINUTE));
        let prefix = Some(7);
        assert_eq!(cache.waits_until(prefix, at(0)), None);
        cache.sent(prefix, 1, at(0));
        assert_eq!(cache.waits_until(prefix, at(1)), Some(at(10)));
        assert_eq!(cache.waits_until(None, at(1)), None);
        assert_eq!(cache.waits_until(Some(8), at(1)), None);
        cache.ended(prefix, 2);
        assert!(cache.waits_until(prefix, at(1)).is_some(), "another call");
        cache.ended(prefix, 1);
        assert_eq!(cache.waits_until(prefix, at(1)), None);
        cache.sent(prefix, 3, at(1));
        cache.accepted(prefix, at(2));
        assert_eq!(cache.waits_until(prefix, at(2)), None);
        cache.ended(prefix, 3);
        cache.sent(prefix, 4, at(3));
        assert_eq!(cache.waits_until(prefix, at(3)), None, "it is there");
    }

    #[test]
    fn nobody_waits_for_the_first_for_long() {
        let mut cache = PromptCache::new(Some(MINUTE));
        cache.sent(Some(7), 1, at(0));
        assert_eq!(cache.waits_until(Some(7), at(10)), None);
        cache.sent(Some(7), 2, at(10));
        assert_eq!(cache.waits_until(Some(7), at(10)), None);
    }

    #[test]
    fn what_was_not_read_for_its_lifetime_is_written_anew() {
        let mut cache = PromptCache::new(Some(MINUTE));
        cache.sent(Some(7), 1, at(0));
        cache.accepted(Some(7), at(1));
        cache.sent(Some(7), 2, at(50));
        cache.accepted(Some(7), at(51));
        cache.sent(Some(7), 3, at(100));
        assert_eq!(cache.waits_until(Some(7), at(100)), None, "a read keeps it");
        cache.sent(Some(7), 4, at(120));
        assert!(cache.waits_until(Some(7), at(120)).is_some());
    }

    #[test]
    fn without_a_cache_nobody_waits() {
        let mut cache = PromptCache::new(None);
        cache.sent(Some(7), 1, at(0));
        assert_eq!(cache.waits_until(Some(7), at(0)), None);
    }
}
