use std::collections::BTreeSet;

use super::*;
use crate::{BatchState, Most, NewQuestion, TaskId, Wanted, Which};
use gateway::adaptation::Adaptations;
use gateway::lane::Line;
use types::class::FailureClass;

const LANE: &str = "sim/model";
const NOW: u64 = 1_700_000_000;

fn question(number: u64) -> NewQuestion {
    NewQuestion {
        key: Digest::of(&number.to_be_bytes()),
        lane: LANE.to_owned(),
        line: Line {
            text: format!("line {}", "x".repeat(number as usize)),
            cap: 100,
            adaptations: Adaptations::default(),
            likely: Size {
                input: 10 + number,
                output: 100,
            },
        },
        configured: 100,
        schema: None,
        task: TaskId {
            dataset: 1,
            record: format!("r{number}"),
            component: "text".to_owned(),
        },
    }
}

/// A batch of so many questions that was never handed in.
async fn formed(store: &Store, lines: u64) -> Batch {
    for number in 0..lines {
        store.queue_question(question(number), None).await.unwrap();
    }
    let wanted = Wanted {
        lane: LANE.to_owned(),
        account: Digest::of(b"account"),
        most: Most {
            lines: 100,
            bytes: 1 << 20,
            input_tokens: u64::MAX,
        },
        which: Which::First {
            kept: BTreeSet::new(),
        },
        now: NOW,
    };
    let formed = store.form_batch(wanted, |_, _| true).await.unwrap();
    let mut batch = formed.batch.unwrap();
    batch.state = BatchState::Uploaded;
    batch.file = Some("file-1".to_owned());
    store.note_batch(batch.clone()).await.unwrap();
    batch
}

fn lines(store: &Store, batch: i64) -> String {
    let lines = store.batch_lines(batch, 0, 100).unwrap();
    lines.map(|(_, text)| text).unwrap_or_default()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_inline(&folder.path().join("state.db")).unwrap();
    (folder, store)
}

#[tokio::test]
async fn the_halves_have_each_line_once_and_are_batches_like_any_other() {
    let (_folder, store) = store();
    let whole = formed(&store, 5).await;
    let text = lines(&store, whole.id);
    let halves = store.split_batch(whole.clone(), NOW + 600).await.unwrap();
    let sizes: Vec<u64> = halves.iter().map(|half| half.lines).collect();
    assert_eq!(sizes, [2, 3]);
    assert_eq!(store.open_batches().unwrap(), halves);
    let texts: Vec<String> = halves.iter().map(|half| lines(&store, half.id)).collect();
    assert_eq!(texts.concat(), text);
    for (half, text) in halves.iter().zip(&texts) {
        assert_eq!(half.hash, Digest::of(text.as_bytes()));
        assert_eq!(half.bytes, text.len() as u64);
        let is_new =
            half.file.is_none() && half.name != whole.name && half.state == BatchState::Formed;
        assert!(is_new && half.formed_at == NOW + 600, "{half:?}");
    }
    let tokens: u64 = halves.iter().map(|half| half.likely.input).sum();
    assert_eq!((tokens, whole.likely.input), (60, 60));
    // Places in a half are counted from 1, as its provider counts them.
    let last = halves[1].id;
    let failed = store.fail_line(last, 3, FailureClass::BadRequest, "no");
    failed.await.unwrap();
    assert_eq!(store.unsettled(last).unwrap(), 2);
}

#[tokio::test]
async fn what_cannot_be_split_is_left_as_it_is() {
    let (_folder, store) = store();
    let mut whole = formed(&store, 1).await;
    assert_eq!(store.split_batch(whole.clone(), NOW).await.unwrap(), []);
    // Once a provider has had it, its lines are gone.
    whole.state = BatchState::Open;
    store.note_batch(whole.clone()).await.unwrap();
    let mut two = formed(&store, 3).await;
    two.state = BatchState::Open;
    store.note_batch(two.clone()).await.unwrap();
    assert_eq!(store.split_batch(two.clone(), NOW).await.unwrap(), []);
    assert_eq!(store.open_batches().unwrap(), [whole, two]);
}
