//! What was said about artifacts, by rules, judging components and persons. All of it is kept.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::checksum::{TASKS, VERDICTS};
use super::sql::{Column, NOW};
use super::{Store, StoreError, TaskId};
use plan::decision::OutcomeKind;
use plan::verdict::Verdict;

/// A verdict as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptVerdict {
    /// Its number: a later one has a higher one.
    pub id: i64,
    pub record: String,
    /// When it was given, in ISO 8601.
    pub given_at: String,
    pub verdict: Verdict,
}

/// Verdicts of judges on the artifacts of one component, as these are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// Component that was judged.
    pub component: String,
    /// Who judged.
    pub giver: String,
    /// Name of the judge; for persons, all of them together.
    pub name: String,
    /// Category of the records.
    pub category: String,
    pub passed: u64,
    pub failed: u64,
    /// How many have a score.
    pub scored: u64,
    /// Mean of the scores, where there are some.
    pub mean: Option<f64>,
}

/// What a judge and a person said last of the same bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JudgedTwice {
    pub record: String,
    pub component: String,
    /// Name of the judging component.
    pub judge: String,
    pub judge_passes: bool,
    pub score: Option<f64>,
    pub judge_reason: String,
    pub person: String,
    pub person_passes: bool,
    pub person_reason: String,
}

impl Store {
    /// The verdicts on all artifacts of a record, in the order in which they were given. A damaged one counts as never given.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn verdicts(&self, dataset: i64, record: &str) -> Result<Vec<Verdict>, StoreError> {
        let kept = self.kept_verdicts(dataset, record)?;
        Ok(kept.into_iter().map(|kept| kept.verdict).collect())
    }

    /// The same, with when they were given.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn kept_verdicts(
        &self,
        dataset: i64,
        record: &str,
    ) -> Result<Vec<KeptVerdict>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(&format!(
                    "SELECT id, record, component, content, giver, name, basis, passes, score, scores, reason, asked_again, given_at
                     FROM verdict WHERE dataset = ?1 AND record = ?2 AND {} ORDER BY id",
                    VERDICTS.sound()
                ))?
                .query_map(params![dataset, record], kept)?
                .filter_map(Result::transpose)
                .collect()
        })
    }

    /// Ids of records about whose artifacts persons said something, in the order of the ids: at most `count`, behind `last`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn reviewed_records(
        &self,
        dataset: i64,
        last: &str,
        count: u64,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|reader| {
            let sql = "SELECT DISTINCT record FROM verdict WHERE dataset = ?1 AND giver = 'person' AND record > ?2
                 ORDER BY record LIMIT ?3";
            reader
                .prepare_cached(sql)?
                .query_map(params![dataset, last, count], |row| row.get(0))?
                .collect()
        })
    }

    /// Whether anything was said about artifacts of a dataset.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn has_verdicts(&self, dataset: i64) -> Result<bool, StoreError> {
        self.read(|reader| {
            let sql = "SELECT EXISTS (SELECT 1 FROM verdict WHERE dataset = ?1)";
            reader.query_row(sql, params![dataset], |row| row.get(0))
        })
    }

    /// Keeps verdicts on artifacts of a record; returns when they are on disk. What the same judge said of the same bytes by the same rules is
    /// there once, as what was said last.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn give_verdicts(
        &self,
        dataset: i64,
        record: &str,
        verdicts: Vec<Verdict>,
    ) -> Result<(), StoreError> {
        let record = record.to_owned();
        self.inner
            .writer
            .write(move |connection| {
                for verdict in &verdicts {
                    insert(connection, dataset, &record, verdict, None)?;
                }
                Ok(())
            })
            .await
    }

    /// Keeps what a person said of an artifact, and its text where it was accepted, to show later what changed since. What was refused is
    /// due: the next run makes it anew.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn review(
        &self,
        dataset: i64,
        record: &str,
        verdict: Verdict,
        text: Option<String>,
    ) -> Result<(), StoreError> {
        let record = record.to_owned();
        self.inner
            .writer
            .write(move |connection| {
                insert(connection, dataset, &record, &verdict, text.as_deref())?;
                if !verdict.passes {
                    let task = (dataset, record.as_str(), verdict.component.as_str());
                    set_outcome(connection, task, OutcomeKind::Done, OutcomeKind::Due)?;
                }
                Ok(())
            })
            .await
    }

    /// The text of a task's file that a person accepted last.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn accepted_text(&self, task: &TaskId) -> Result<Option<String>, StoreError> {
        self.read(|reader| {
            let found = reader
                .prepare_cached(&format!(
                    "SELECT text FROM verdict WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND giver = 'person' AND passes
                        AND text IS NOT NULL AND {} ORDER BY id DESC LIMIT 1",
                    VERDICTS.sound()
                ))?
                .query_row(params![task.dataset, task.record, task.component], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(found)
        })
    }

    /// Takes back the last thing that a person said, and returns it. A task that became due by it is done again, unless it ran since.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn take_back(
        &self,
        dataset: i64,
        name: &str,
    ) -> Result<Option<KeptVerdict>, StoreError> {
        let last = self.read(|reader| {
            let found = reader
                .prepare(&format!(
                    "SELECT id, record, component, content, giver, name, basis, passes, score, scores, reason, asked_again, given_at
                     FROM verdict WHERE dataset = ?1 AND giver = 'person' AND name = ?2 AND {} ORDER BY id DESC LIMIT 1",
                    VERDICTS.sound()
                ))?
                .query_row(params![dataset, name], kept)
                .optional()?;
            Ok(found.flatten())
        })?;
        let Some(last) = last else { return Ok(None) };
        let (id, is_passed) = (last.id, last.verdict.passes);
        let task = (last.record.clone(), last.verdict.component.clone());
        self.inner
            .writer
            .write(move |connection| {
                connection.execute("DELETE FROM verdict WHERE id = ?1", params![id])?;
                if !is_passed {
                    set_outcome(
                        connection,
                        (dataset, &task.0, &task.1),
                        OutcomeKind::Due,
                        OutcomeKind::Done,
                    )?;
                }
                Ok(())
            })
            .await?;
        Ok(Some(last))
    }

    /// Gives all texts of a dataset that both a judge and a person decided about, whether they are still there or not.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn judged_twice(
        &self,
        dataset: i64,
        mut take: impl FnMut(JudgedTwice),
    ) -> Result<(), StoreError> {
        self.read(|reader| {
            let mut statement = reader.prepare(&format!(
                "SELECT verdict.record, verdict.component, verdict.name, verdict.passes, verdict.score, verdict.reason,
                    person.name, person.passes, person.reason
                 FROM verdict JOIN verdict AS person ON person.dataset = verdict.dataset AND person.record = verdict.record
                    AND person.component = verdict.component AND person.content = verdict.content AND person.giver = 'person'
                 WHERE verdict.dataset = ?1 AND verdict.giver = 'judge' AND {}
                    AND verdict.id = (SELECT max(id) FROM verdict AS later WHERE later.dataset = verdict.dataset
                        AND later.record = verdict.record AND later.component = verdict.component
                        AND later.content = verdict.content AND later.giver = 'judge' AND later.name = verdict.name)
                    AND person.id = (SELECT max(id) FROM verdict AS later WHERE later.dataset = verdict.dataset
                        AND later.record = verdict.record AND later.component = verdict.component
                        AND later.content = verdict.content AND later.giver = 'person')
                 ORDER BY verdict.component, verdict.name, verdict.record",
                VERDICTS.sound()
            ))?;
            let mut rows = statement.query(params![dataset])?;
            while let Some(row) = rows.next()? {
                take(JudgedTwice {
                    record: row.get(0)?,
                    component: row.get(1)?,
                    judge: row.get(2)?,
                    judge_passes: row.get(3)?,
                    score: row.get(4)?,
                    judge_reason: row.get(5)?,
                    person: row.get(6)?,
                    person_passes: row.get(7)?,
                    person_reason: row.get(8)?,
                });
            }
            Ok(())
        })
    }

    /// Counts and mean scores of the last verdicts on the artifacts of a dataset, as these are now: by component, giver and category.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn scores(&self, dataset: i64) -> Result<Vec<Scores>, StoreError> {
        self.read(|reader| {
            reader
                .prepare(&format!(
                    "SELECT verdict.component AS component, giver, name, coalesce(record.category, '') AS category,
                        sum(passes) AS passed, sum(NOT passes) AS failed, count(score) AS scored, avg(score) AS mean
                     FROM verdict
                     JOIN task ON task.dataset = verdict.dataset AND task.record = verdict.record
                        AND task.component = verdict.component AND task.content = verdict.content
                     LEFT JOIN record ON record.dataset = verdict.dataset AND record.id = verdict.record
                     WHERE verdict.dataset = ?1 AND giver <> 'rules' AND {} AND verdict.id = (
                        SELECT max(id) FROM verdict AS later WHERE later.dataset = verdict.dataset AND later.record = verdict.record
                            AND later.component = verdict.component AND later.content = verdict.content
                            AND later.giver = verdict.giver AND (later.giver = 'person' OR later.name = verdict.name))
                     GROUP BY 1, 2, CASE giver WHEN 'person' THEN '' ELSE name END, 4 ORDER BY 1, 2, 3, 4",
                    VERDICTS.sound()
                ))?
                .query_map(params![dataset], |row| {
                    let giver: String = row.get("giver")?;
                    Ok(Scores {
                        component: row.get("component")?,
                        name: match giver.as_str() {
                            "person" => String::new(),
                            _ => row.get("name")?,
                        },
                        giver,
                        category: row.get("category")?,
                        passed: row.get("passed")?,
                        failed: row.get("failed")?,
                        scored: row.get("scored")?,
                        mean: row.get("mean")?,
                    })
                })?
                .collect()
        })
    }
}

/// What a row holds; nothing where it has words that this version does not know.
fn kept(row: &Row<'_>) -> rusqlite::Result<Option<KeptVerdict>> {
    let Column(content) = row.get("content")?;
    let Column(giver) = row.get("giver")?;
    let Column(basis) = row.get("basis")?;
    let Column(asked_again) = row.get("asked_again")?;
    let scores: String = row.get("scores")?;
    let scores: BTreeMap<String, f64> = serde_json::from_str(&scores).unwrap_or_default();
    let (Some(content), Some(giver)) = (content, giver) else {
        return Ok(None);
    };
    Ok(Some(KeptVerdict {
        id: row.get("id")?,
        record: row.get("record")?,
        given_at: row.get("given_at")?,
        verdict: Verdict {
            component: row.get("component")?,
            content,
            giver,
            name: row.get("name")?,
            basis,
            passes: row.get("passes")?,
            score: row.get("score")?,
            scores,
            reason: row.get("reason")?,
            asked_again,
        },
    }))
}

fn insert(
    connection: &Connection,
    dataset: i64,
    record: &str,
    verdict: &Verdict,
    text: Option<&str>,
) -> rusqlite::Result<()> {
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM verdict)"),
        ("dataset", ":dataset"),
        ("record", ":record"),
        ("component", ":component"),
        ("content", ":content"),
        ("giver", ":giver"),
        ("name", ":name"),
        ("basis", ":basis"),
        ("passes", ":passes"),
        ("score", ":score"),
        ("scores", ":scores"),
        ("reason", ":reason"),
        (
            "asked_again",
            // That something was asked anew for it is never forgotten.
            "coalesce(:asked_again, (SELECT asked_again FROM verdict WHERE dataset = :dataset AND record = :record
                AND component = :component AND content = :content AND giver = :giver AND name = :name AND basis = :basis))",
        ),
        ("text", ":text"),
        ("given_at", NOW),
    ];
    // What is said again is said last. A damaged row goes.
    connection
        .prepare_cached(&VERDICTS.insert("INSERT OR REPLACE", &values, ""))?
        .execute(named_params! {
            ":dataset": dataset,
            ":record": record,
            ":component": verdict.component,
            ":content": Column(verdict.content),
            ":giver": Column(verdict.giver),
            ":name": verdict.name,
            ":basis": verdict.basis.map(Column),
            ":passes": verdict.passes,
            ":score": verdict.score,
            ":scores": serde_json::json!(verdict.scores).to_string(),
            ":reason": verdict.reason,
            ":asked_again": verdict.asked_again.map(Column),
            ":text": text,
        })?;
    Ok(())
}

/// Sets how a task stands, if it stands so.
fn set_outcome(
    connection: &Connection,
    (dataset, record, component): (i64, &str, &str),
    before: OutcomeKind,
    now: OutcomeKind,
) -> rusqlite::Result<()> {
    let set = TASKS.set(&[("outcome", "?4")]);
    connection.execute(
        &format!(
            "UPDATE task SET {set} WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND outcome = ?5 AND {}",
            TASKS.sound()
        ),
        params![
            dataset,
            record,
            component,
            Column(now),
            Column(before)
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::verdict::Giver;
    use types::digest::Digest;

    fn verdict(giver: Giver, passes: bool, basis: Option<&str>) -> Verdict {
        Verdict {
            component: "text".to_owned(),
            content: Digest::of(b"a"),
            giver,
            name: "quality".to_owned(),
            basis: basis.map(|basis| Digest::of(basis.as_bytes())),
            passes,
            score: Some(2.5),
            scores: BTreeMap::from([("tone".to_owned(), 2.5)]),
            reason: "It is dull.".to_owned(),
            asked_again: None,
        }
    }

    #[tokio::test]
    async fn a_judge_says_the_same_once_and_a_person_as_often_as_they_like() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state.db")).unwrap();
        let judged = verdict(Giver::Judge, false, Some("prompt"));
        let again = Verdict {
            asked_again: Some(Digest::of(b"base")),
            ..judged.clone()
        };
        let other = verdict(Giver::Judge, true, Some("another prompt"));
        let person = verdict(Giver::Person, false, None);
        for verdicts in [
            vec![judged.clone(), other.clone()],
            vec![again.clone()],
            vec![judged],
            vec![person.clone()],
            vec![person.clone()],
        ] {
            store.give_verdicts(1, "iron", verdicts).await.unwrap();
        }
        let found = store.verdicts(1, "iron").unwrap();
        assert_eq!(found, [other, again, person.clone(), person]);
        assert!(store.verdicts(2, "iron").unwrap().is_empty());
        assert!(store.verdicts(1, "gold").unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_person_takes_back_what_they_said_last_and_nothing_of_others() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state.db")).unwrap();
        let by = |name: &str, passes| Verdict {
            name: name.to_owned(),
            ..verdict(Giver::Person, passes, None)
        };
        store
            .review(1, "iron", by("ada", true), Some("text".to_owned()))
            .await
            .unwrap();
        store
            .review(1, "gold", by("ada", false), None)
            .await
            .unwrap();
        store
            .review(1, "iron", by("bob", false), None)
            .await
            .unwrap();
        let taken = store.take_back(1, "ada").await.unwrap().unwrap();
        assert_eq!(
            (taken.record.as_str(), taken.verdict.passes),
            ("gold", false)
        );
        assert_eq!(store.verdicts(1, "iron").unwrap().len(), 2);
        let task = TaskId {
            dataset: 1,
            record: "iron".to_owned(),
            component: "text".to_owned(),
        };
        assert_eq!(store.accepted_text(&task).unwrap().as_deref(), Some("text"));
        assert!(store.take_back(1, "eve").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_damaged_verdict_was_never_given() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("state.db");
        let store = Store::open(&file).unwrap();
        let said = vec![verdict(Giver::Person, true, None)];
        store.give_verdicts(1, "iron", said).await.unwrap();
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection
            .execute("UPDATE verdict SET passes = 0", [])
            .unwrap();
        assert!(store.verdicts(1, "iron").unwrap().is_empty());
        let judged = vec![verdict(Giver::Judge, true, Some("prompt"))];
        for _ in 0..2 {
            store
                .give_verdicts(1, "iron", judged.clone())
                .await
                .unwrap();
            assert_eq!(store.verdicts(1, "iron").unwrap(), judged);
            connection
                .execute("UPDATE verdict SET passes = 0", [])
                .unwrap();
        }
    }
}
