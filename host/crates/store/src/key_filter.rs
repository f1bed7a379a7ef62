//! Says at once of nearly every new question that the journal has no answer to it: a Bloom filter of the journal's
//! keys. To look each up takes a read transaction, and every commit makes the pages stale that the last one read.
//!
//! When it says that there is none there is none; when it does not say so the journal has to be asked.

use std::sync::OnceLock;

use fastbloom::AtomicBloomFilter;
use rusqlite::Connection;

use types::digest::Digest;

/// Its size, bits: 2 MiB. With two million keys one question in fifty is looked up for nothing, with ten million two in
/// three.
const BITS: usize = 16 << 20;
/// Bits of one key.
const HASHES: u32 = 4;
/// A journal that begins with more keys has no filter: to read them would delay the first call.
const MOST: usize = 250_000;

/// The filter; it is made when it is first asked.
#[derive(Debug, Default)]
pub(super) struct KeyFilter(OnceLock<Option<AtomicBloomFilter>>);

impl KeyFilter {
    /// Whether there is certainly no answer to a question. `journal` reads the keys that are there already; those that
    /// come later must be added.
    pub fn certainly(
        &self,
        key: Digest,
        journal: impl FnOnce() -> Option<AtomicBloomFilter>,
    ) -> bool {
        let filter = self.0.get_or_init(journal);
        filter
            .as_ref()
            .is_some_and(|keys| !keys.contains_hash(key.seed()))
    }

    /// Adds a question, before its answer can be found.
    pub fn answered(&self, key: Digest) {
        if let Some(Some(keys)) = self.0.get() {
            keys.insert_hash(key.seed());
        }
    }
}

/// The keys of a journal; `None` where there are too many, or no memory for them.
pub(super) fn keys(reader: &Connection) -> rusqlite::Result<Option<AtomicBloomFilter>> {
    // The filter itself ends the process where it gets no memory.
    let room = Vec::<u8>::new().try_reserve_exact(2 * BITS / 8);
    if room.is_err() {
        return Ok(None);
    }
    let keys = AtomicBloomFilter::with_num_bits(BITS).hashes(HASHES);
    let mut statement = reader.prepare("SELECT key FROM completion")?;
    let mut rows = statement.query([])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        if count > MOST {
            return Ok(None);
        }
        if let Some(key) = Digest::from_slice(row.get_ref(0)?.as_blob().unwrap_or_default()) {
            keys.insert_hash(key.seed());
        }
    }
    Ok(Some(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter() -> Option<AtomicBloomFilter> {
        Some(AtomicBloomFilter::with_num_bits(BITS).hashes(HASHES))
    }

    #[test]
    fn what_was_answered_is_never_said_to_be_unanswered() {
        let key_filter = KeyFilter::default();
        let keys: Vec<Digest> = (0..10_000_u32)
            .map(|n| Digest::of(&n.to_be_bytes()))
            .collect();
        let said = |key: &&Digest| key_filter.certainly(**key, filter);
        assert_eq!(keys.iter().filter(said).count(), keys.len());
        let (answered, open) = keys.split_at(5_000);
        answered.iter().for_each(|key| key_filter.answered(*key));
        assert_eq!(answered.iter().filter(said).count(), 0);
        assert_eq!(open.iter().filter(said).count(), open.len());
    }

    #[test]
    fn without_a_filter_the_journal_is_always_asked() {
        let key_filter = KeyFilter::default();
        assert!(!key_filter.certainly(Digest::of(b"new"), || None));
    }
}
