//! Tries that were billed and brought no answer: what they took, for which task, and when. The journal has those that did.

use std::sync::LazyLock;

use rusqlite::{Connection, Row, params};

use super::checkpoint::TaskId;
use super::checksum::BILLED;
use super::sql::Column;
use super::{Store, StoreError};
use gateway::error::Billed;
use types::digest::Digest;
use types::request::Usage;

/// Sums over billed tries; the columns of [`cost`].
pub(super) const SUMS: &str = "count(*) AS tries, CAST(total(billed.input_tokens) AS INTEGER) AS input,
    CAST(total(billed.output_tokens) AS INTEGER) AS output, CAST(total(billed.cost_micros) AS INTEGER) AS micros";

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM billed)"),
        ("dataset", "?1"),
        ("record", "?2"),
        ("component", "?3"),
        ("fingerprint", "?4"),
        ("generation", "?5"),
        ("lane", "?6"),
        ("input_tokens", "?7"),
        ("output_tokens", "?8"),
        ("cached_tokens", "?9"),
        ("reasoning_tokens", "?10"),
        ("cost_micros", "?11"),
        ("cause", "?12"),
        ("ended_at", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?13)"),
    ];
    BILLED.insert("INSERT", &values, "")
});

/// What answers cost that tasks were told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Answers, and tries that were billed and brought none.
    pub calls: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Millionths of a dollar, as far as prices were known.
    pub micros: u64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.calls = self.calls.saturating_add(other.calls);
        self.usage += other.usage;
        self.micros = self.micros.saturating_add(other.micros);
    }
}

/// Tries that are booked for a task.
#[derive(Clone, Debug)]
pub struct Bill {
    pub task: TaskId,
    /// What the task is made from.
    pub fingerprint: Digest,
    /// The generation in which it asked.
    pub generation: u32,
    pub tries: Vec<Billed>,
}

impl Store {
    /// Notes tries of a task that were billed and brought no answer. They are on disk before anything that is written
    /// later.
    pub async fn bill(&self, bill: Bill) -> Result<(), StoreError> {
        let book = booking(bill);
        self.inner.writer.write_later(book).await
    }

    /// What a task's tries took that brought no answer, since its ingredients changed.
    pub fn billed(&self, task: &TaskId, fingerprint: Digest) -> Result<Cost, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(&format!(
                    "SELECT {SUMS} FROM billed
                     WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND fingerprint = ?4 AND {}",
                    BILLED.sound()
                ))?
                .query_row(
                    params![
                        task.dataset,
                        task.record,
                        task.component,
                        Column(fingerprint)
                    ],
                    cost,
                )
        })
    }
}

/// Writes tries. They ended as long ago as they have now.
pub(super) fn booking(bill: Bill) -> impl Fn(&Connection) -> rusqlite::Result<()> {
    let Bill {
        task,
        fingerprint,
        generation,
        tries,
    } = bill;
    let tries: Vec<(String, Billed)> = tries
        .into_iter()
        .map(|billed| {
            let ago = billed.ended.elapsed().as_secs_f64();
            (format!("-{ago:.3} seconds"), billed)
        })
        .collect();
    move |connection| {
        let mut statement = connection.prepare_cached(&INSERT)?;
        for (ago, billed) in &tries {
            statement.execute(params![
                task.dataset,
                task.record,
                task.component,
                Column(fingerprint),
                generation,
                billed.lane,
                billed.usage.input_tokens,
                billed.usage.output_tokens,
                billed.usage.cached_tokens,
                billed.usage.reasoning_tokens,
                billed.micros,
                billed.cause,
                ago,
            ])?;
        }
        Ok(())
    }
}

pub(super) fn cost(row: &Row<'_>) -> rusqlite::Result<Cost> {
    Ok(Cost {
        calls: row.get("tries")?,
        usage: Usage::new(row.get("input")?, row.get("output")?),
        micros: row.get("micros")?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use types::limit::Size;

    #[tokio::test]
    async fn what_brought_no_answer_is_kept_for_its_task_and_counts_for_its_lane() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let task = TaskId {
            dataset: 1,
            record: "oak".to_owned(),
            component: "text".to_owned(),
        };
        let print = Digest::of(b"a");
        let billed = |lane: &str, output: u64| Billed {
            lane: lane.to_owned(),
            ended: Instant::now(),
            usage: Usage::new(100, output),
            micros: Some(7),
            cause: "the answer is empty".to_owned(),
            is_booked: false,
        };
        {
            let store = Store::open(&path).unwrap();
            let tries = vec![billed("p/m", 20), billed("p/m", 30), billed("p/n", 1)];
            let bill = Bill {
                task: task.clone(),
                fingerprint: print,
                generation: 0,
                tries,
            };
            store.bill(bill).await.unwrap();
        }
        let store = Store::open(&path).unwrap();
        let cost = store.billed(&task, print).unwrap();
        assert_eq!(
            (cost.calls, cost.usage, cost.micros),
            (3, Usage::new(300, 51), 21)
        );
        assert_eq!(store.billed(&task, Digest::of(b"b")).unwrap().calls, 0);
        let minute = Duration::from_secs(60);
        let used = store.used_recently("p/m", minute).unwrap();
        let requests: u64 = used.iter().map(|(_, requests, _)| requests).sum();
        let output: u64 = used.iter().map(|(_, _, size)| size.output).sum();
        assert_eq!((requests, output), (2, 50));
        assert!(used.iter().all(|(ago, _, _)| *ago < minute));
        assert_eq!(
            store.used_recently("p/n", minute).unwrap()[0].2,
            Size {
                input: 100,
                output: 1
            }
        );
        let stats = store.stats().unwrap();
        let lane = stats.lanes.iter().find(|row| row.name == "p/m").unwrap();
        assert_eq!(
            (lane.completions, lane.output_tokens, lane.cost_micros),
            (0, 50, 14)
        );
        let component = &stats.components[0];
        assert_eq!(
            (component.name.as_str(), component.cost_micros),
            ("text", 21)
        );
    }
}
