//! What the answers took that a task was told, and tasks as somebody looks for them.

use plan::decision::OutcomeKind;
use rusqlite::types::Value as Sql;
use rusqlite::{Row, params, params_from_iter};
use serde::Serialize;
use types::class::FailureClass;

use super::sql::Column;
use super::{Checkpoint, Store, StoreError, TaskId};

/// What one answer took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallNote {
    pub model: String,
    /// The lane that was asked: `provider/model`.
    pub lane: String,
    /// Tokens of the question, of all tries that were billed.
    pub input_tokens: u64,
    /// Tokens of the answer, likewise.
    pub output_tokens: u64,
    /// Millionths of a dollar, where the price was known.
    pub cost_micros: Option<u64>,
    /// Tries, the last included.
    pub tries: u32,
    /// Thousandths of a second that the tries took; absent where it was not noted.
    pub milliseconds: Option<u64>,
    /// When the answer came, in UTC.
    pub obtained_at: String,
}

/// Which tasks are looked for.
#[derive(Clone, Debug, Default)]
pub struct TaskSearch {
    /// Part of a record's id or of a cause, whatever its case.
    pub text: Option<String>,
    /// Name of the component.
    pub component: Option<String>,
    /// Id of the category.
    pub category: Option<String>,
    pub outcome: Option<OutcomeKind>,
    pub sort: TaskOrder,
    /// At most so many.
    pub limit: u64,
    /// After so many others.
    pub offset: u64,
}

/// An order of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskOrder {
    /// As the records are in the dataset.
    #[default]
    Dataset,
    /// Those that ended last first.
    Newest,
    /// Those that took the most tokens first.
    Tokens,
}

/// A task that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct TaskRow {
    /// Id of the record.
    pub record: String,
    /// Id of its category.
    pub category: String,
    /// Name of the component.
    pub component: String,
    pub outcome: OutcomeKind,
    /// Its class, if it failed.
    pub class: Option<FailureClass>,
    /// Why it is not done.
    pub cause: Option<String>,
    pub model: Option<String>,
    /// Answers that it was told.
    pub calls: u64,
    /// Tokens of those, in and out.
    pub tokens: u64,
    /// When it ended, in UTC.
    pub ended_at: String,
}

impl Store {
    /// What the answers took that a task was told, in order.
    pub fn calls_of(&self, task: &TaskId, point: &Checkpoint) -> Result<Vec<CallNote>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT model, lane, input_tokens, output_tokens, cost_micros, tries, milliseconds, obtained_at
                     FROM transcript JOIN completion ON completion.id = transcript.completion
                     WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND fingerprint = ?4 AND generation = ?5
                     ORDER BY position",
                )?
                .query_map(
                    params![
                        task.dataset,
                        task.record,
                        task.component,
                        Column(point.fingerprint),
                        point.generation
                    ],
                    note,
                )?
                .collect()
        })
    }

    /// Tasks of records that are in the dataset; one more than wanted says that there are others.
    pub fn find_tasks(
        &self,
        dataset: i64,
        search: &TaskSearch,
    ) -> Result<Vec<TaskRow>, StoreError> {
        let mut condition = "task.dataset = ?".to_owned();
        let mut values = vec![Sql::Integer(dataset)];
        let wanted = [
            ("component", search.component.as_deref()),
            ("category", search.category.as_deref()),
            ("outcome", search.outcome.map(OutcomeKind::as_str)),
        ];
        for (column, value) in wanted {
            if let Some(value) = value {
                condition.push_str(&format!(" AND {column} = ?"));
                values.push(Sql::Text(value.to_owned()));
            }
        }
        if let Some(text) = &search.text {
            condition.push_str(
                " AND (instr(lower(task.record), ?) OR instr(lower(coalesce(cause, '')), ?))",
            );
            let text = text.to_lowercase();
            values.extend([Sql::Text(text.clone()), Sql::Text(text)]);
        }
        let order = match search.sort {
            TaskOrder::Dataset => "record.rank, record.ord, component",
            TaskOrder::Newest => "ended_at DESC, record.rank, record.ord, component",
            TaskOrder::Tokens => {
                "input_tokens + output_tokens DESC, record.rank, record.ord, component"
            }
        };
        for number in [search.limit, search.offset] {
            values.push(Sql::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
        }
        self.read(|reader| {
            let sql = format!(
                "SELECT task.record, category, component, outcome, class, cause, model, calls,
                    input_tokens + output_tokens AS tokens, ended_at
                 FROM task JOIN record ON record.dataset = task.dataset AND record.id = task.record
                 WHERE {condition} ORDER BY {order} LIMIT ? OFFSET ?"
            );
            reader
                .prepare(&sql)?
                .query_map(params_from_iter(&values), found)?
                .collect()
        })
    }
}

fn note(row: &Row<'_>) -> rusqlite::Result<CallNote> {
    Ok(CallNote {
        model: row.get("model")?,
        lane: row.get("lane")?,
        input_tokens: row.get("input_tokens")?,
        output_tokens: row.get("output_tokens")?,
        cost_micros: row.get("cost_micros")?,
        tries: row.get("tries")?,
        milliseconds: row.get("milliseconds")?,
        obtained_at: row.get("obtained_at")?,
    })
}

fn found(row: &Row<'_>) -> rusqlite::Result<TaskRow> {
    let cause: Option<String> = row.get("cause")?;
    let Column(outcome) = row.get("outcome")?;
    Ok(TaskRow {
        record: row.get("record")?,
        category: row.get("category")?,
        component: row.get("component")?,
        outcome: outcome.unwrap_or(OutcomeKind::Failed),
        class: row.get::<_, Column<_>>("class")?.0,
        cause: cause.map(|cause| cause.chars().take(300).collect()),
        model: row.get("model")?,
        calls: row.get("calls")?,
        tokens: row.get("tokens")?,
        ended_at: row.get("ended_at")?,
    })
}
