//! A prompt cache as providers have it: it keeps what questions begin with, where that is long enough, and can be read
//! once the answer to the question that wrote it has begun. What is read is kept longer.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use types::request::Message;

use super::tokens::tokens;

/// Fewest tokens that are kept.
pub const LEAST_TOKENS: u64 = 1024;
/// A cache that works by itself keeps so many tokens more with each step.
const STEP_TOKENS: u64 = 128;
const MINUTES: Duration = Duration::from_secs(300);

/// What a question begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub hash: u64,
    pub tokens: u64,
    /// How long it is to be kept when nobody reads it.
    pub lifetime: Duration,
}

/// What a question has to do with the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Tokens that are read from it.
    pub read: u64,
    /// Tokens that are written to it, where that is billed.
    pub written: u64,
    /// They are kept for an hour.
    pub for_an_hour: bool,
}

/// The beginnings of a question that a cache keeps by itself: in steps, whatever messages they end in.
pub fn by_itself(messages: &[Message]) -> Vec<Beginning> {
    let long: u64 = messages
        .iter()
        .map(|message| tokens(&message.content))
        .sum();
    if long < LEAST_TOKENS {
        return Vec::new();
    }
    let text: Vec<u8> = messages
        .iter()
        .flat_map(|message| message.content.bytes())
        .collect();
    let mut hasher = DefaultHasher::new();
    let steps = text.chunks_exact(4 * STEP_TOKENS as usize);
    let beginnings = (1..).zip(steps).map(|(step, chunk)| {
        chunk.hash(&mut hasher);
        Beginning {
            hash: hasher.finish(),
            tokens: step * STEP_TOKENS,
            lifetime: MINUTES,
        }
    });
    beginnings
        .filter(|beginning| beginning.tokens >= LEAST_TOKENS)
        .collect()
}

/// The beginnings of a question that a caller marks.
#[derive(Debug, Default)]
pub struct Marks {
    hasher: DefaultHasher,
    tokens: u64,
    marked: Vec<Beginning>,
}

impl Marks {
    /// The next part of the question; with a lifetime, it is kept up to its end.
    pub fn part(&mut self, text: &str, lifetime: Option<Duration>) {
        text.hash(&mut self.hasher);
        self.tokens += tokens(text);
        if let Some(lifetime) = lifetime.filter(|_| self.tokens >= LEAST_TOKENS) {
            self.marked.push(Beginning {
                hash: self.hasher.finish(),
                tokens: self.tokens,
                lifetime,
            });
        }
    }

    /// All that are marked and long enough.
    pub fn beginnings(self) -> Vec<Beginning> {
        self.marked
    }
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    from: Duration,
    until: Duration,
}

/// The cache of one provider.
#[derive(Debug, Default)]
pub struct Cache {
    kept: HashMap<u64, Kept>,
}

impl Cache {
    /// What a question reads and writes that begins so, the shortest first. What another question is just writing is
    /// written once more.
    pub fn look(&self, beginnings: &[Beginning], bills_writing: bool, now: Duration) -> CacheUse {
        let is_there = |beginning: &&Beginning| {
            let kept = self.kept.get(&beginning.hash);
            kept.is_some_and(|kept| kept.from <= now && now < kept.until)
        };
        let read = beginnings.iter().rfind(is_there);
        let read = read.map_or(0, |beginning| beginning.tokens);
        let last = beginnings.last().filter(|_| bills_writing);
        CacheUse {
            read,
            written: last.map_or(0, |last| last.tokens.saturating_sub(read)),
            for_an_hour: last.is_some_and(|last| last.lifetime > MINUTES),
        }
    }

    /// A question that begins so is answered from a moment on.
    pub fn keep(&mut self, beginnings: &[Beginning], now: Duration, answered: Duration) {
        for beginning in beginnings {
            let fresh = Kept {
                from: answered,
                until: answered + beginning.lifetime,
            };
            let kept = self.kept.entry(beginning.hash).or_insert(fresh);
            if now >= kept.until {
                *kept = fresh;
            }
            kept.from = kept.from.min(answered);
            kept.until = kept.until.max(fresh.until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::request::Role;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn marked(text: &str, lifetime: Duration) -> Vec<Beginning> {
        let mut marks = Marks::default();
        marks.part(text, Some(lifetime));
        marks.part("what differs", None);
        marks.beginnings()
    }

    #[test]
    fn what_is_marked_is_written_once_and_read_when_its_answer_has_begun() {
        let beginning = marked(&"word ".repeat(1000), MINUTES);
        let mut cache = Cache::default();
        let first = cache.look(&beginning, true, at(0));
        assert_eq!((first.read, first.written), (0, 1250));
        cache.keep(&beginning, at(0), at(2));
        let early = cache.look(&beginning, true, at(1));
        assert_eq!(
            (early.read, early.written),
            (0, 1250),
            "nobody can read it yet"
        );
        cache.keep(&beginning, at(1), at(3));
        let later = cache.look(&beginning, true, at(2));
        assert_eq!((later.read, later.written), (1250, 0));
        cache.keep(&beginning, at(200), at(202));
        assert_eq!(
            cache.look(&beginning, true, at(400)).read,
            1250,
            "a read keeps it"
        );
        let over = cache.look(&beginning, true, at(502));
        assert_eq!((over.read, over.written), (0, 1250));
    }

    #[test]
    fn what_is_short_is_not_kept_and_an_hour_is_one() {
        assert_eq!(marked("short", MINUTES), []);
        let beginning = marked(&"word ".repeat(1000), at(3600));
        let mut cache = Cache::default();
        assert!(cache.look(&beginning, true, at(0)).for_an_hour);
        cache.keep(&beginning, at(0), at(0));
        assert_eq!(cache.look(&beginning, true, at(3000)).read, 1250);
    }

    #[test]
    fn a_cache_that_works_by_itself_keeps_steps_and_bills_no_writing() {
        let ask = |end: &str| {
            by_itself(&[
                Message {
                    role: Role::System,
                    content: "word ".repeat(1000),
                },
                Message {
                    role: Role::User,
                    content: format!("{}{end}", "more ".repeat(100)),
                },
            ])
        };
        let mut cache = Cache::default();
        assert_eq!(cache.look(&ask("a"), false, at(0)), CacheUse::default());
        cache.keep(&ask("a"), at(0), at(1));
        let read = cache.look(&ask("b"), false, at(1));
        assert_eq!((read.read, read.written), (1280, 0));
        assert_eq!(by_itself(&[]), []);
    }
}
