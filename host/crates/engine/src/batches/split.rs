//! A batch that its provider refuses without a word about its size. It may be too large, or the provider may only be busy: after
//! a while it is tried in halves, and nothing is learned of it.

use super::{Batched, Batches, Turn, is_open};
use gateway::error::CallError;
use store::{Batch, BatchState, StoreError};

/// A batch is refused for so long before it is split; seconds.
const REFUSED_FOR: u64 = 600;

impl Batches {
    /// Splits a batch that was refused, if it is time for that. Whether it was done.
    pub(super) async fn split(
        &self,
        batch: &Batch,
        batched: &Batched,
        error: &CallError,
        turn: &mut Turn,
    ) -> Result<bool, StoreError> {
        let mut waiting = self.store.open_batches()?;
        waiting.retain(|other| other.lane == batch.lane && other.account == batch.account);
        let now = self.unix();
        if !is_to_be_split(batch, &waiting, now) {
            return Ok(false);
        }
        let halves = self.store.split_batch(batch.clone(), now).await?;
        self.now().reserved.remove(&batch.id);
        self.now().looks.remove(&batch.id);
        if halves.is_empty() {
            // Its lines are gone: its tasks ask again, and it is formed anew.
            turn.settled += batch.lines;
            self.store.dissolve_batch(batch.id).await?;
            return Ok(true);
        }
        for half in &halves {
            let reserved = batched.lane.budget.reserve_batch(half.lines, half.likely);
            self.now().reserved.insert(half.id, reserved);
        }
        self.tell(format!(
            "batch {}: it is split in two, in case it is too large: its provider has refused it for {} minutes, and has no \
             other batch of {} that would fill the room: {error}",
            batch.name,
            REFUSED_FOR / 60,
            batch.lane
        ));
        Ok(true)
    }
}

/// Whether a batch that was refused is tried in halves: its provider has no other one of its lane, and none of the lane was formed
/// lately. Of several that wait, only the smallest one is split, so that a provider that is busy for a day makes a few
/// batches more, and not one of each question.
fn is_to_be_split(batch: &Batch, waiting: &[Batch], now: u64) -> bool {
    let may_be_there = |other: &&Batch| is_open(other) || other.state == BatchState::Creating;
    let newest = waiting.iter().map(|other| other.formed_at).max();
    let smallest = waiting
        .iter()
        .min_by_key(|other| (other.lines, other.id))
        .map(|other| other.id);
    batch.lines > 1
        && batch.state == BatchState::Uploaded
        && !waiting.iter().any(|other| may_be_there(&other))
        && newest.is_some_and(|newest| now.saturating_sub(newest) >= REFUSED_FOR)
        && smallest == Some(batch.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::digest::Digest;
    use types::limit::Size;

    fn batch(id: i64, lines: u64, formed_at: u64) -> Batch {
        Batch {
            id,
            name: format!("batchgen-{id}"),
            lane: "sim/model".to_owned(),
            account: Digest::of(b"account"),
            state: BatchState::Uploaded,
            file: Some(format!("file-{id}")),
            remote: None,
            word: None,
            hash: Digest::of(b""),
            lines,
            bytes: 0,
            likely: Size::default(),
            answered: None,
            failed: None,
            formed_at,
            sent_at: None,
            ended_at: None,
            expires_at: None,
            note: None,
        }
    }

    /// What becomes of a batch whose provider refuses all that has more lines than `most`, or everything, for so many seconds:
    /// the sizes that it has in the end, and when the first one was taken.
    fn refused_for(seconds: u64, most: u64, lines: u64) -> (Vec<u64>, Option<u64>) {
        let mut waiting = vec![batch(1, lines, 0)];
        for now in (0..seconds).step_by(60) {
            if waiting.iter().any(|batch| batch.lines <= most) {
                return (waiting.iter().map(|batch| batch.lines).collect(), Some(now));
            }
            let split = waiting
                .iter()
                .position(|batch| is_to_be_split(batch, &waiting, now));
            if let Some(place) = split {
                let whole = waiting.remove(place);
                for half in [whole.lines / 2, whole.lines - whole.lines / 2] {
                    let id = waiting
                        .iter()
                        .map(|batch| batch.id)
                        .max()
                        .unwrap_or(whole.id)
                        + 1;
                    waiting.push(batch(id, half, now));
                }
            }
        }
        (waiting.iter().map(|batch| batch.lines).collect(), None)
    }

    #[test]
    fn a_batch_that_is_too_large_is_halved_until_it_fits() {
        let (sizes, taken) = refused_for(86_400, 1000, 50_000);
        assert_eq!(taken, Some(6 * REFUSED_FOR + 60));
        assert_eq!(sizes.iter().sum::<u64>(), 50_000);
        assert_eq!(sizes, [25_000, 12_500, 6250, 3125, 1563, 781, 781]);
    }

    #[test]
    fn a_provider_that_is_busy_for_a_day_makes_a_few_batches_more() {
        let (sizes, taken) = refused_for(86_400, 0, 50_000);
        assert_eq!((sizes.len(), taken), (16, None));
        assert_eq!(sizes.iter().max(), Some(&25_000));
    }

    #[test]
    fn it_waits_while_another_one_of_its_lane_may_be_there() {
        let refused = batch(1, 8, 0);
        let mut other = batch(2, 20, 0);
        let both = |other: &Batch| [refused.clone(), other.clone()];
        assert!(is_to_be_split(&refused, &both(&other), REFUSED_FOR));
        assert!(!is_to_be_split(&refused, &both(&other), REFUSED_FOR - 1));
        for state in [BatchState::Creating, BatchState::Open] {
            other.state = state;
            assert!(!is_to_be_split(&refused, &both(&other), REFUSED_FOR));
        }
    }
}
