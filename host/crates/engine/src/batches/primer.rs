//! One question goes ahead of many that begin alike, in a batch of its own: its provider keeps their beginning for an hour, and
//! the batch behind it reads that for a tenth of the price. A question that is asked alone fills no cache that batches read.

use std::collections::BTreeSet;

use super::{Batched, Batches};
use gateway::batch::marked_tokens;
use store::{BatchState, StoreError, Which};

/// How long a beginning counts as kept, in seconds. The batch behind it has to be begun in the rest of the hour.
const KEPT: u64 = 50 * 60;
/// How long the others wait for the one that goes ahead, in seconds.
const LONGEST: u64 = 3600;

impl Batches {
    /// Which questions of a lane are next; `None` while others wait for the one that went ahead of them.
    pub(super) fn which(&self, lane: &str, batched: &Batched) -> Result<Option<Which>, StoreError> {
        let mut kept = BTreeSet::new();
        let Some(least) = batched.primer_from else {
            return Ok(Some(Which::First { kept }));
        };
        let now = self.unix();
        let (mut known, mut is_awaited) = (BTreeSet::new(), false);
        for batch in self.store.batches()? {
            let Some(component) = batch.primes() else {
                continue;
            };
            if batch.lane != lane || batch.account != batched.account {
                continue;
            }
            let since = batch.ended_at.unwrap_or(batch.formed_at);
            let age = now.saturating_sub(since);
            if batch.state != BatchState::Ended {
                is_awaited |= age < LONGEST && self.moves(&batch);
            } else if age >= KEPT {
                continue;
            } else if batch.answered != Some(0) {
                kept.insert(component.to_owned());
            }
            known.insert(component.to_owned());
        }
        for (component, lines) in self.store.queued_of(lane)? {
            if lines < least || known.contains(&component) {
                continue;
            }
            let line = self.store.last_line(lane, &component)?;
            if let Some(tokens) = line.and_then(|line| marked_tokens(&line)) {
                self.tell(format!(
                    "{lane}: one question of `{component}` goes ahead in a batch of its own, so that {} others read from the prompt \
                     cache the {tokens} tokens or so with which they begin; they follow when it is answered, and after an hour in any \
                     case",
                    lines - 1
                ));
                return Ok(Some(Which::Primer(component)));
            }
        }
        Ok((!is_awaited).then_some(Which::First { kept }))
    }
}
