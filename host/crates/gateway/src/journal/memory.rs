//! A journal that lasts as long as the process: for programs that keep their answers themselves, and for tests.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Begin, Journal, Provenance};
use crate::learned::Learned;
use types::digest::Digest;
use types::request::Answer;

/// Answers in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: HashMap<Digest, (i64, Answer)>,
    /// Questions that are being asked, with those who wait for the same answer.
    asked: HashMap<Digest, Vec<oneshot::Sender<()>>>,
}

/// The right to ask a question.
#[derive(Debug)]
pub struct Claim {
    key: Digest,
    journal: MemoryJournal,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Those who wait wake up as their senders go.
        self.journal.shared().asked.remove(&self.key);
    }
}

impl MemoryJournal {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    type Claim = Claim;
    type Error = Infallible;

    fn begin(&self, key: Digest) -> Result<Begin<Claim>, Infallible> {
        let mut shared = self.shared();
        if let Some((number, answer)) = shared.answers.get(&key) {
            return Ok(Begin::Have(*number, answer.clone()));
        }
        if let Some(waiting) = shared.asked.get_mut(&key) {
            let (sender, woken) = oneshot::channel();
            waiting.push(sender);
            return Ok(Begin::Wait(woken));
        }
        shared.asked.insert(key, Vec::new());
        let journal = self.clone();
        Ok(Begin::Go(Claim { key, journal }))
    }

    async fn record(
        &self,
        claim: Claim,
        answer: &Answer,
        _provenance: &Provenance,
    ) -> Result<i64, Infallible> {
        let mut shared = self.shared();
        let number = i64::try_from(shared.answers.len()).unwrap_or(i64::MAX);
        shared.answers.insert(claim.key, (number, answer.clone()));
        drop(shared);
        drop(claim);
        Ok(number)
    }

    async fn keep_lessons(
        &self,
        _lane: &str,
        _manner: Digest,
        _learned: &Learned,
    ) -> Result<(), Infallible> {
        // The lanes live as long as this journal does, and know it themselves.
        Ok(())
    }
}
