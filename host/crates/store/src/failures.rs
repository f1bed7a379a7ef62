//! What failed: counted by class and component, listed, and chosen to be run again. What a class means is for
//! `types::class` to say.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::billed::{self, Cost};
use super::checksum::TASKS;
use super::sampled;
use super::sql::Column;
use super::{IndexedDataset, Lease, Store, StoreError, TaskId};
use plan::causes::{Cause, Causes};
use plan::decision::OutcomeKind;
use plan::sample::Bound;
use types::class::{FailureClass, MOST_ATTEMPTS, Rerun};
use types::digest::Digest;
use types::request::Usage;

/// Which failed tasks are meant; empty lists mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailureFilter {
    /// Only these classes.
    pub classes: Vec<FailureClass>,
    /// Only those that stand so.
    pub states: Vec<OutcomeKind>,
    /// Only these components.
    pub components: Vec<String>,
    /// Only these categories.
    pub categories: Vec<String>,
    /// Only these records.
    pub records: Vec<String>,
    /// Of each of these components only those whose record is in its sample: for the others there is nothing to do.
    pub samples: Vec<(String, Bound)>,
}

/// Tasks of one component that failed with one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    pub class: FailureClass,
    /// Name of the component.
    pub component: String,
    pub tasks: u64,
    /// How many of them a plain rerun tries again while nothing has changed.
    pub tried_again: u64,
    /// What was spent on them.
    pub spent: Cost,
    /// Causes, the most frequent first; what differs by nothing but its record is one.
    pub causes: Vec<Cause>,
}

/// A task that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTask {
    dataset: i64,
    fingerprint: Digest,
    /// Id of the record.
    pub record: String,
    /// Id of its category.
    pub category: String,
    /// Name of the component.
    pub component: String,
    pub class: FailureClass,
    pub cause: String,
    /// Times in a row that it failed like this.
    pub attempts: u32,
    /// Executions of the last attempt.
    pub executions: u32,
    /// Answers of the last attempt.
    pub calls: u32,
    /// Generation that it asked in.
    pub generation: u32,
    /// Whether a run that goes on now tries it again at its end.
    pub parked: bool,
    /// When, in UTC.
    pub ended_at: String,
}

/// The last answer that a task was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAnswer {
    /// `completion.id` in the state.
    pub completion: i64,
    /// Place of its question among those of the task.
    pub position: u32,
    /// `completion`, `content-filtered` or `context-too-long`.
    pub kind: String,
    /// The model that answered.
    pub model: String,
    pub text: String,
}

/// Tasks without an artifact that did not fail themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotBegun {
    /// Something that they depend on failed.
    pub blocked: u64,
    /// Their record was given up.
    pub skipped: u64,
    /// Chosen to be run again.
    pub due: u64,
}

const TASK: &str =
    "task.dataset, task.fingerprint, task.record, record.category, component, class, cause, attempts,
    executions, calls, generation, parked IS NOT NULL AS parked, ended_at";

/// Of records that are still in the dataset.
const FROM: &str =
    "FROM task JOIN record ON record.dataset = task.dataset AND record.id = task.record";

impl FailureFilter {
    /// The condition on a task, with its values. What is not done is found by an index.
    fn condition(&self, dataset: i64) -> (String, Vec<Sql>) {
        let mut sql = "task.dataset = ? AND task.outcome <> 'done'".to_owned();
        let mut values = vec![Sql::Integer(dataset)];
        self.narrow(&mut sql, &mut values);
        (sql, values)
    }

    fn narrow(&self, sql: &mut String, values: &mut Vec<Sql>) {
        let classes: Vec<String> = self.classes.iter().map(ToString::to_string).collect();
        let states: Vec<String> = self
            .states
            .iter()
            .map(|state| state.as_str().to_owned())
            .collect();
        for (column, wanted) in [
            ("task.class", &classes),
            ("task.outcome", &states),
            ("task.component", &self.components),
            ("record.category", &self.categories),
            ("task.record", &self.records),
        ] {
            if !wanted.is_empty() {
                sql.push_str(&format!(
                    " AND {column} IN (SELECT value FROM json_each(?))"
                ));
                values.push(Sql::Text(serde_json::json!(wanted).to_string()));
            }
        }
        for (component, bound) in &self.samples {
            let (within, of_sample) = sampled::within(component, *bound);
            sql.push_str(&within);
            values.extend(of_sample);
        }
    }
}

impl Store {
    /// Counts what failed, by class and component, the most first.
    pub fn failure_groups(
        &self,
        dataset: i64,
        filter: &FailureFilter,
    ) -> Result<Vec<FailureGroup>, StoreError> {
        let (condition, values) = filter.condition(dataset);
        let condition = format!("{condition} AND task.outcome = 'failed'");
        let mut groups = self.read(|reader| {
            let sql = format!(
                "SELECT class, component, count(*) AS tasks, sum(calls > 0 AND attempts < {MOST_ATTEMPTS}) AS again
                 {FROM} WHERE {condition} GROUP BY class, component ORDER BY tasks DESC, class, component"
            );
            reader
                .prepare(&sql)?
                .query_map(params_from_iter(&values), group)?
                .collect::<rusqlite::Result<Vec<FailureGroup>>>()
        })?;
        self.read(|reader| {
            let sql = format!(
                "SELECT task.class, task.component, {SPENDING} {FROM}
                 JOIN transcript ON transcript.dataset = task.dataset AND transcript.record = task.record
                    AND transcript.component = task.component AND transcript.fingerprint = task.fingerprint
                 JOIN completion ON completion.id = transcript.completion
                 WHERE {condition} GROUP BY task.class, task.component"
            );
            let mut statement = reader.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            while let Some(row) = rows.next()? {
                if let Some(group) = find(&mut groups, row)? {
                    group.spent = spending(row)?;
                }
            }
            let sql = format!(
                "SELECT task.class, task.component, {} {FROM}
                 JOIN billed ON billed.dataset = task.dataset AND billed.record = task.record
                    AND billed.component = task.component AND billed.fingerprint = task.fingerprint
                 WHERE {condition} GROUP BY task.class, task.component",
                billed::SUMS
            );
            let mut statement = reader.prepare(&sql)?;
            let mut rows = statement.query(params_from_iter(&values))?;
            while let Some(row) = rows.next()? {
                if let Some(group) = find(&mut groups, row)? {
                    group.spent += billed::cost(row)?;
                }
            }
            Ok(())
        })?;
        self.causes(&mut groups, &condition, &values)?;
        Ok(groups)
    }

    /// Gathers the causes of groups, a group after the other.
    fn causes(
        &self,
        groups: &mut [FailureGroup],
        condition: &str,
        values: &[Sql],
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT task.record, cause {FROM} WHERE {condition} AND class = ? AND component = ?"
        );
        for group in groups {
            let mut causes = Causes::default();
            let of_group =
                [group.class.as_str(), &group.component].map(|text| Sql::Text(text.to_owned()));
            let values = values.iter().cloned().chain(of_group);
            self.read(|reader| {
                let mut statement = reader.prepare_cached(&sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    let cause: Option<String> = row.get(1)?;
                    causes.add(row.get_ref(0)?.as_str()?, &cause.unwrap_or_default());
                }
                Ok(())
            })?;
            group.causes = causes.list();
        }
        Ok(())
    }

    /// The tasks that failed last, the newest first.
    pub fn newest_failures(
        &self,
        dataset: i64,
        filter: &FailureFilter,
        limit: u64,
    ) -> Result<Vec<FailedTask>, StoreError> {
        let (condition, mut values) = filter.condition(dataset);
        values.push(Sql::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        self.read(|reader| {
            let sql = format!(
                "SELECT {TASK} {FROM} WHERE {condition} AND task.outcome = 'failed'
                 ORDER BY ended_at DESC, record.rank, record.ord, component LIMIT ?"
            );
            reader
                .prepare(&sql)?
                .query_map(params_from_iter(&values), failed_task)?
                .collect()
        })
    }

    /// Failed tasks by class and component, at most `limit` behind `after`.
    pub fn failures(
        &self,
        dataset: i64,
        filter: &FailureFilter,
        after: Option<&FailedTask>,
        limit: u64,
    ) -> Result<Vec<FailedTask>, StoreError> {
        let (condition, mut values) = filter.condition(dataset);
        let place: (String, String, String) = after.map_or(Default::default(), |task| {
            let class = task.class.to_string();
            (class, task.component.clone(), task.record.clone())
        });
        values.extend([
            Sql::Text(place.0),
            Sql::Text(place.1),
            Sql::Text(place.2),
            Sql::Integer(i64::try_from(limit).unwrap_or(i64::MAX)),
        ]);
        self.read(|reader| {
            let sql = format!(
                "SELECT {TASK} {FROM} WHERE {condition} AND task.outcome = 'failed'
                    AND (class, component, task.record) > (?, ?, ?)
                 ORDER BY class, component, task.record LIMIT ?"
            );
            reader
                .prepare(&sql)?
                .query_map(params_from_iter(&values), failed_task)?
                .collect()
        })
    }

    /// What was spent on a failed task since its ingredients changed, and the last answer that it was told.
    pub fn evidence(&self, task: &FailedTask) -> Result<(Cost, Option<LastAnswer>), StoreError> {
        let id = TaskId {
            dataset: task.dataset,
            record: task.record.clone(),
            component: task.component.clone(),
        };
        let unused = self.billed(&id, task.fingerprint)?;
        let print = Column(task.fingerprint);
        self.read(|reader| {
            let sql = format!(
                "SELECT {SPENDING} FROM transcript JOIN completion ON completion.id = transcript.completion
                 WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND fingerprint = ?4"
            );
            let mut spent = reader
                .prepare_cached(&sql)?
                .query_row(params![task.dataset, task.record, task.component, print], spending)?;
            spent += unused;
            let last = reader
                .prepare_cached(
                    "SELECT completion.id AS completion, position, kind, model, text FROM transcript
                     JOIN completion ON completion.id = transcript.completion
                     WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND fingerprint = ?4
                        AND generation = ?5 ORDER BY position DESC LIMIT 1",
                )?
                .query_row(params![task.dataset, task.record, task.component, print, task.generation], |row| {
                    Ok(LastAnswer {
                        completion: row.get("completion")?,
                        position: row.get("position")?,
                        kind: row.get("kind")?,
                        model: row.get("model")?,
                        text: row.get("text")?,
                    })
                })
                .optional()?;
            Ok((spent, last))
        })
    }

    /// Counts tasks that have no artifact and did not fail themselves.
    pub fn not_begun(&self, dataset: i64, filter: &FailureFilter) -> Result<NotBegun, StoreError> {
        // Only what failed has a class.
        if !filter.classes.is_empty() {
            return Ok(NotBegun::default());
        }
        let (condition, values) = filter.condition(dataset);
        self.read(|reader| {
            let sql = format!(
                "SELECT coalesce(sum(outcome = 'blocked'), 0) AS blocked, coalesce(sum(outcome = 'skipped'), 0) AS skipped,
                    coalesce(sum(outcome = 'due'), 0) AS due {FROM} WHERE {condition}"
            );
            reader.query_row(&sql, params_from_iter(&values), |row| {
                Ok(NotBegun {
                    blocked: row.get("blocked")?,
                    skipped: row.get("skipped")?,
                    due: row.get("due")?,
                })
            })
        })
    }

    /// Chooses failed tasks to be run again: durably, so that a run that is killed is gone on with by the next.
    /// Where answers are at fault the generation is raised. `fresh` chooses those that are done, too, and raises
    /// it for all. Tells how many are due now, those of earlier choices included.
    pub async fn choose(
        &self,
        dataset: i64,
        filter: &FailureFilter,
        fresh: bool,
    ) -> Result<u64, StoreError> {
        let again: Vec<&str> = FailureClass::all()
            .filter(|class| class.is_asked_anew())
            .map(FailureClass::as_str)
            .collect();
        let generation = if fresh {
            "task.generation + 1".to_owned()
        } else {
            let again = again.join("', '");
            format!("task.generation + CASE WHEN task.class IN ('{again}') THEN 1 ELSE 0 END")
        };
        let (outcomes, mut condition) = if fresh {
            ("'failed', 'done'", "task.dataset = ?".to_owned())
        } else {
            (
                "'failed'",
                "task.dataset = ? AND task.outcome <> 'done'".to_owned(),
            )
        };
        let mut values = vec![Sql::Integer(dataset)];
        filter.narrow(&mut condition, &mut values);
        let update = format!(
            "UPDATE task SET {} WHERE (dataset, record, component) IN
                (SELECT task.dataset, task.record, task.component
                 {FROM} WHERE {condition} AND task.outcome IN ({outcomes}) AND {})",
            TASKS.set(&[
                ("outcome", "'due'"),
                ("parked", "NULL"),
                ("generation", &generation)
            ]),
            TASKS.sound()
        );
        let count = format!(
            "SELECT count(*) {FROM} WHERE {condition} AND task.outcome <> 'done' AND task.outcome = 'due'"
        );
        let result = self
            .inner
            .writer
            .exclusive(move |connection: &mut Connection| {
                connection.execute(&update, params_from_iter(&values))?;
                connection.query_row(&count, params_from_iter(&values), |row| row.get(0))
            })
            .await?;
        result.map_err(|error: rusqlite::Error| self.inner.writer.error(&error))
    }

    /// Narrows a selection to the records that have a task which is due, of one of these components if any are
    /// named.
    pub fn due(&self, lease: &Lease, components: &[String]) -> Lease {
        let mut sql = " AND id IN (SELECT record FROM task WHERE task.dataset = record.dataset
            AND outcome <> 'done' AND outcome = 'due'"
            .to_owned();
        let mut values = Vec::new();
        if !components.is_empty() {
            sql.push_str(" AND component IN (SELECT value FROM json_each(?))");
            values.push(Sql::Text(serde_json::json!(components).to_string()));
        }
        sql.push(')');
        lease.narrowed(&sql, values)
    }

    /// Components that have a task of any record of a selection, and whether any of those is due.
    pub fn components_of(
        &self,
        dataset: &IndexedDataset,
        lease: &Lease,
    ) -> Result<Vec<(String, bool)>, StoreError> {
        let (records, values) = lease.ids();
        let values = [Sql::Integer(dataset.id)].into_iter().chain(values);
        self.read(|reader| {
            let sql = format!(
                "SELECT component, max(outcome = 'due') FROM task
                 WHERE dataset = ? AND record IN ({records}) GROUP BY component"
            );
            reader
                .prepare(&sql)?
                .query_map(params_from_iter(values), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }
}

/// Sums over completions; the columns of [`spending`].
const SPENDING: &str = "count(*) AS answers, CAST(total(completion.input_tokens) AS INTEGER) AS input,
    CAST(total(completion.output_tokens) AS INTEGER) AS output, CAST(total(cost_micros) AS INTEGER) AS micros";

fn spending(row: &Row<'_>) -> rusqlite::Result<Cost> {
    Ok(Cost {
        calls: row.get("answers")?,
        usage: Usage::new(row.get("input")?, row.get("output")?),
        micros: row.get("micros")?,
    })
}

fn class(row: &Row<'_>) -> rusqlite::Result<FailureClass> {
    let Column(class) = row.get("class")?;
    Ok(class.unwrap_or(FailureClass::Transient))
}

fn group(row: &Row<'_>) -> rusqlite::Result<FailureGroup> {
    let class = class(row)?;
    let tasks = row.get("tasks")?;
    Ok(FailureGroup {
        class,
        component: row.get("component")?,
        tasks,
        tried_again: match class.rerun() {
            Rerun::TriesAgain => tasks,
            Rerun::AsksAnew => row.get("again")?,
            Rerun::LeavesIt => 0,
        },
        spent: Cost::default(),
        causes: Vec::new(),
    })
}

fn find<'a>(
    groups: &'a mut [FailureGroup],
    row: &Row<'_>,
) -> rusqlite::Result<Option<&'a mut FailureGroup>> {
    let class = class(row)?;
    let component: String = row.get("component")?;
    Ok(groups
        .iter_mut()
        .find(|group| group.class == class && group.component == component))
}

fn failed_task(row: &Row<'_>) -> rusqlite::Result<FailedTask> {
    let Column(fingerprint) = row.get("fingerprint")?;
    Ok(FailedTask {
        dataset: row.get("dataset")?,
        fingerprint: fingerprint.unwrap_or_else(|| Digest::of(b"")),
        record: row.get("record")?,
        category: row.get("category")?,
        component: row.get("component")?,
        class: class(row)?,
        cause: row.get::<_, Option<String>>("cause")?.unwrap_or_default(),
        attempts: row.get("attempts")?,
        executions: row.get("executions")?,
        calls: row.get("calls")?,
        generation: row.get("generation")?,
        parked: row.get("parked")?,
        ended_at: row.get("ended_at")?,
    })
}
