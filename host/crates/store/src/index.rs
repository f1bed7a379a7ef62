//! The index of a dataset: where each record lies, so that records are read by place and never all at
//! once. It also finds duplicates and gives totals, selections and the order of work.

mod update;

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::checkpoint::checkpoints_of;
use super::sampled::PLACE;
use super::{Checkpoint, IndexError, RunId, Seen, Store, StoreError};
use dataset::{Dataset, Place, RecordHash};
use plan::decision::OutcomeKind;

use update::{UpdateError, stamp, update};

/// A dataset that is in the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexedDataset {
    pub id: i64,
    /// Name that its tasks are keyed by.
    pub source: String,
}

/// One record of the index.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRef {
    /// Id of the record.
    pub id: String,
    /// Id of its category.
    pub category: String,
    /// Where it lies in the dataset.
    pub place: Place,
    pub seen: Seen,
    /// How its tasks ended when they were last seen.
    pub checkpoints: Vec<Checkpoint>,
}

/// Which records are wanted; empty lists want all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only these categories.
    pub categories: Vec<String>,
    /// Only these records.
    pub records: Vec<String>,
    /// Only those with such a task.
    pub with: Option<WithTasks>,
    /// At most so many.
    pub limit: Option<u64>,
    /// So many, spread over the categories.
    pub sample: Option<u64>,
}

/// What tasks a record has, when it is selected: what becomes of them afterwards changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WithTasks {
    /// One in one of these states.
    pub states: Vec<OutcomeKind>,
    /// Of one of these components; empty for any.
    pub components: Vec<String>,
}

/// Work that is given out record by record, in order.
#[derive(Clone, Debug)]
pub struct Lease {
    dataset: i64,
    /// Which index leads to the records.
    index: &'static str,
    filter: String,
    values: Vec<Sql>,
    last: (i64, i64),
    left: u64,
    /// Records that were looked up when they were selected.
    fixed: Option<Fixed>,
}

/// The ids of a selection in order, of which a few at a time are asked for: all at once would be read anew for each few records.
#[derive(Clone, Debug)]
struct Fixed {
    ids: Arc<[String]>,
    /// How many were asked for.
    asked: usize,
    /// Which of the values of the filter names them.
    place: usize,
}

impl Lease {
    /// Number of the dataset.
    pub fn dataset(&self) -> i64 {
        self.dataset
    }

    /// Whether it leads to every record of the dataset.
    pub fn is_whole(&self) -> bool {
        self.values.len() == 1 && self.left == u64::MAX
    }

    /// How far it is, as a text that [`Self::from`] understands.
    pub fn position(&self) -> String {
        let (rank, ord) = self.last;
        format!("{rank}.{ord}.{}", self.left)
    }

    /// The same from a position on that another lease of this selection had; nothing where the text is none.
    pub fn from(mut self, position: &str) -> Option<Lease> {
        let mut numbers = position.splitn(3, '.');
        self.last = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        self.left = numbers.next()?.parse().ok()?;
        Some(self)
    }

    /// The same with one more condition on the record.
    pub(super) fn narrowed(&self, condition: &str, values: Vec<Sql>) -> Lease {
        let mut lease = self.clone();
        lease.filter.push_str(condition);
        lease.values.extend(values);
        lease
    }

    /// Names the next few of the records that were looked up; whether there are more.
    fn ask_for_more(&mut self, count: u64) -> bool {
        let Some(fixed) = &mut self.fixed else {
            return false;
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX).max(1);
        let behind = fixed.ids.get(fixed.asked..).unwrap_or_default();
        let next = behind.get(..count).unwrap_or(behind);
        if let Some(value) = self.values.get_mut(fixed.place) {
            *value = Sql::Text(serde_json::json!(next).to_string());
        }
        fixed.asked += next.len();
        !next.is_empty()
    }

    /// A query for the rows of the records that are left of it, with its values.
    pub(super) fn records(&self) -> (String, &[Sql]) {
        let (rank, ord) = self.last;
        let left = i64::try_from(self.left).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT * FROM record {} WHERE {} AND (rank, ord) > ({rank}, {ord}) ORDER BY rank, ord LIMIT {left}",
            self.index, self.filter
        );
        (sql, &self.values)
    }

    /// A query for the ids of all its records, with its values.
    pub(super) fn ids(&self) -> (String, Vec<Sql>) {
        let sql = format!("SELECT id FROM record WHERE {}", self.filter);
        (sql, self.values.clone())
    }
}

/// A record of a dataset that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Its place among the records of the file.
    pub ord: u64,
    /// Its line, if it has one.
    pub line: Option<u64>,
    /// Its id, if that can be read.
    pub id: Option<String>,
    /// What is wrong, with file and line.
    pub cause: String,
}

const COLUMNS: &str = "id, category, offset, length, line, rank, ord, hash";

impl Store {
    /// Brings the index up to date; skipped when the file has not changed.
    ///
    /// # Errors
    /// A dataset of which nothing can be read, or a state that cannot be written. The old index then stays.
    pub async fn index(
        &self,
        source: &str,
        dataset: Arc<Dataset>,
    ) -> Result<IndexedDataset, IndexError> {
        let source = source.to_owned();
        let result = self
            .inner
            .writer
            .exclusive(move |connection| update(connection, source, &dataset))
            .await?;
        result.map_err(|error| match error {
            UpdateError::Dataset(error) => IndexError::Dataset(error),
            UpdateError::Sql(error) => IndexError::Store(self.inner.writer.error(&error)),
        })
    }

    /// A dataset that was indexed before, as it was then; `None` if it never was.
    pub fn indexed(&self, source: &str) -> Result<Option<IndexedDataset>, StoreError> {
        self.read(|reader| {
            reader
                .query_row(
                    "SELECT id FROM dataset WHERE source = ?1",
                    [source],
                    |row| {
                        Ok(IndexedDataset {
                            id: row.get(0)?,
                            source: source.to_owned(),
                        })
                    },
                )
                .optional()
        })
    }

    /// How many records of the dataset cannot be read.
    pub fn unreadable(&self, dataset: &IndexedDataset) -> Result<u64, StoreError> {
        self.read(|reader| {
            let sql = "SELECT unreadable FROM dataset WHERE id = ?1";
            reader.query_row(sql, [dataset.id], |row| row.get(0))
        })
    }

    /// Those records in the order of the file, at most `limit` behind the place `after`. Of very many, only the first are
    /// noted.
    pub fn bad_records(
        &self,
        dataset: &IndexedDataset,
        after: u64,
        limit: u64,
    ) -> Result<Vec<BadRecord>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT ord, line, id, cause FROM unreadable WHERE dataset = ?1 AND ord > ?2 ORDER BY ord LIMIT ?3",
                )?
                .query_map(params![dataset.id, after, limit], bad_record)?
                .collect()
        })
    }

    /// The record of this id, if it cannot be read.
    pub fn bad_record(
        &self,
        dataset: &IndexedDataset,
        id: &str,
    ) -> Result<Option<BadRecord>, StoreError> {
        self.read(|reader| {
            reader
                .query_row(
                    "SELECT ord, line, id, cause FROM unreadable WHERE dataset = ?1 AND id = ?2 LIMIT 1",
                    params![dataset.id, id],
                    bad_record,
                )
                .optional()
        })
    }

    /// Whether it is known of every record that cannot be read which one it is: only then is it known which are gone.
    pub fn knows_all_records(&self, dataset: i64) -> Result<bool, StoreError> {
        self.read(|reader| {
            let sql = "SELECT is_whole FROM dataset WHERE id = ?1";
            reader.query_row(sql, [dataset], |row| row.get(0))
        })
    }

    /// How many records a selection has, by category in order.
    pub fn totals(&self, lease: &Lease) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|reader| {
            let sql = format!(
                "SELECT category, count(*) FROM
                    (SELECT category, rank FROM record {} WHERE {} ORDER BY rank, ord LIMIT {})
                 GROUP BY rank, category ORDER BY rank",
                lease.index,
                lease.filter,
                i64::try_from(lease.left).unwrap_or(i64::MAX),
            );
            let mut statement = reader.prepare(&sql)?;
            statement
                .query_map(params_from_iter(&lease.values), |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }

    /// Opens a selection, to be given out by [`Store::lease`].
    pub fn select(
        &self,
        dataset: &IndexedDataset,
        selection: &Selection,
    ) -> Result<Lease, StoreError> {
        let mut filter = "dataset = ?".to_owned();
        let mut values = vec![Sql::Integer(dataset.id)];
        for (column, wanted) in [
            ("category", &selection.categories),
            ("id", &selection.records),
        ] {
            if !wanted.is_empty() {
                filter.push_str(&format!(
                    " AND {column} IN (SELECT value FROM json_each(?))"
                ));
                values.push(Sql::Text(serde_json::json!(wanted).to_string()));
            }
        }
        let mut fixed = None;
        if let Some(with) = &selection.with {
            let ids = self.read(|reader| ids_with(reader, &filter, &values, with))?;
            filter.push_str(" AND id IN (SELECT value FROM json_each(?))");
            let place = values.len();
            values.push(Sql::Text(serde_json::json!(ids).to_string()));
            fixed = Some(Fixed {
                ids: ids.into(),
                asked: 0,
                place,
            });
        }
        if let Some(sample) = selection.sample {
            let ids = self.read(|reader| sample_ids(reader, &filter, &values, sample))?;
            filter.push_str(" AND id IN (SELECT value FROM json_each(?))");
            values.push(Sql::Text(serde_json::json!(ids).to_string()));
        }
        let left = selection.limit.unwrap_or(u64::MAX);
        // Left to itself SQLite may sort all records for every batch. Few that are named are found by id.
        let few = !selection.records.is_empty() || selection.sample.is_some() || fixed.is_some();
        let index = if few { "" } else { "INDEXED BY record_order" };
        Ok(Lease {
            dataset: dataset.id,
            index,
            filter,
            values,
            last: (-1, -1),
            left,
            fixed,
        })
    }

    /// Gives the category and the id of each record that is left of a selection to `see`.
    pub fn each_selected(
        &self,
        lease: &Lease,
        mut see: impl FnMut(&str, &str),
    ) -> Result<(), StoreError> {
        self.read(|reader| {
            let (sql, values) = lease.records();
            let mut statement = reader.prepare(&format!("SELECT category, id FROM ({sql})"))?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                see(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
            }
            Ok(())
        })
    }

    /// Narrows a selection to the records that have a task waiting for a sweep of this run.
    pub fn parked(&self, lease: &Lease, run: RunId) -> Lease {
        let condition = " AND EXISTS (SELECT 1 FROM task
            WHERE task.dataset = record.dataset AND task.record = record.id AND parked = ?)";
        lease.narrowed(condition, vec![Sql::Integer(run.0)])
    }

    /// The next records of a selection, at most `count`, with their checkpoints; none when all were given out.
    pub fn lease(&self, lease: &mut Lease, count: u64) -> Result<Vec<RecordRef>, StoreError> {
        while lease.ask_for_more(count) {
            let found = self.lease_asked(lease, count)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        self.lease_asked(lease, count)
    }

    fn lease_asked(&self, lease: &mut Lease, count: u64) -> Result<Vec<RecordRef>, StoreError> {
        let count = count.min(lease.left);
        let mut rows: Vec<(RecordRef, (i64, i64))> = self.read(|reader| {
            let sql = format!(
                "SELECT {COLUMNS} FROM record {} WHERE {} AND (rank, ord) > (?, ?)
                 ORDER BY rank, ord LIMIT ?",
                lease.index, lease.filter
            );
            let mut statement = reader.prepare_cached(&sql)?;
            let position = [
                lease.last.0,
                lease.last.1,
                i64::try_from(count).unwrap_or(i64::MAX),
            ];
            let values = lease
                .values
                .iter()
                .cloned()
                .chain(position.map(Sql::Integer));
            statement
                .query_map(params_from_iter(values), |row| {
                    let place = place(row)?;
                    let record = RecordRef {
                        id: row.get(0)?,
                        category: row.get(1)?,
                        place,
                        seen: Seen::of(&row.get::<_, RecordHash>(7)?),
                        checkpoints: Vec::new(),
                    };
                    Ok((record, (row.get(5)?, row.get(6)?)))
                })?
                .collect()
        })?;
        let ids: Vec<&str> = rows.iter().map(|(record, _)| record.id.as_str()).collect();
        let points = self.read(|reader| checkpoints_of(reader, lease.dataset, &ids))?;
        let mut places: HashMap<String, Vec<Checkpoint>> = HashMap::with_capacity(rows.len());
        for point in points {
            places.entry(point.record.clone()).or_default().push(point);
        }
        for (record, _) in &mut rows {
            record.checkpoints = places.remove(&record.id).unwrap_or_default();
        }
        if let Some((_, last)) = rows.last() {
            lease.last = *last;
        }
        lease.left = lease.left.saturating_sub(rows.len() as u64);
        Ok(rows.into_iter().map(|(record, _)| record).collect())
    }

    /// One record by its id.
    pub fn find_record(
        &self,
        dataset: &IndexedDataset,
        id: &str,
    ) -> Result<Option<RecordRef>, StoreError> {
        let selection = Selection {
            records: vec![id.to_owned()],
            ..Selection::default()
        };
        let mut lease = self.select(dataset, &selection)?;
        Ok(self.lease(&mut lease, 1)?.pop())
    }

    /// Where a record lies, as it was indexed.
    pub fn place_of(
        &self,
        dataset: &IndexedDataset,
        id: &str,
    ) -> Result<Option<Place>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT offset, length, line FROM record WHERE dataset = ?1 AND id = ?2",
                )?
                .query_row(params![dataset.id, id], place)
                .optional()
        })
    }

    /// Whether the dataset is the one that was indexed, unchanged since.
    pub fn is_as_indexed(
        &self,
        indexed: &IndexedDataset,
        dataset: &Dataset,
    ) -> Result<bool, StoreError> {
        let known: String = self.read(|reader| {
            let sql = "SELECT stamp FROM dataset WHERE id = ?1";
            reader.query_row(sql, [indexed.id], |row| row.get(0))
        })?;
        Ok(stamp(dataset).is_ok_and(|stamp| stamp == known))
    }

    /// Names that were asked for and are not in the dataset: categories, then records.
    pub fn unknown(
        &self,
        dataset: &IndexedDataset,
        selection: &Selection,
    ) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let absent = |column: &str, wanted: &[String]| {
            let sql = format!(
                "SELECT value FROM json_each(?2)
                 WHERE value NOT IN (SELECT {column} FROM record WHERE dataset = ?1)"
            );
            self.read(|reader| {
                let mut statement = reader.prepare(&sql)?;
                let wanted = serde_json::json!(wanted).to_string();
                statement
                    .query_map(params![dataset.id, wanted], |row| row.get(0))?
                    .collect()
            })
        };
        Ok((
            absent("category", &selection.categories)?,
            absent("id", &selection.records)?,
        ))
    }

    /// All names of a column, for suggestions; at most `limit`.
    pub fn names(
        &self,
        dataset: &IndexedDataset,
        categories: bool,
        limit: u64,
    ) -> Result<Vec<String>, StoreError> {
        let column = if categories { "category" } else { "id" };
        self.read(|reader| {
            let sql = format!(
                "SELECT {column} FROM record WHERE dataset = ?1 GROUP BY {column} ORDER BY min(rank), min(ord) LIMIT ?2"
            );
            reader.prepare(&sql)?.query_map(params![dataset.id, limit], |row| row.get(0))?.collect()
        })
    }
}

/// Where a record lies in its file.
fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        offset: row.get("offset")?,
        length: row.get("length")?,
        line: row.get("line")?,
    })
}

fn bad_record(row: &Row<'_>) -> rusqlite::Result<BadRecord> {
    Ok(BadRecord {
        ord: row.get("ord")?,
        line: row.get("line")?,
        id: row.get("id")?,
        cause: row.get("cause")?,
    })
}

/// The ids of records that have such a task, in order.
fn ids_with(
    reader: &Connection,
    filter: &str,
    values: &[Sql],
    with: &WithTasks,
) -> rusqlite::Result<Vec<String>> {
    let json = |words: &[&str]| Sql::Text(serde_json::json!(words).to_string());
    let states: Vec<&str> = with.states.iter().map(|state| state.as_str()).collect();
    let mut values = values.to_vec();
    values.push(json(&states));
    let mut tasks =
        "SELECT 1 FROM task WHERE task.dataset = record.dataset AND task.record = record.id
        AND task.outcome IN (SELECT value FROM json_each(?))"
            .to_owned();
    if !with.components.is_empty() {
        let components: Vec<&str> = with.components.iter().map(String::as_str).collect();
        values.push(json(&components));
        tasks.push_str(" AND task.component IN (SELECT value FROM json_each(?))");
    }
    let sql =
        format!("SELECT id FROM record WHERE {filter} AND EXISTS ({tasks}) ORDER BY rank, ord");
    reader
        .prepare(&sql)?
        .query_map(params_from_iter(&values), |row| row.get(0))?
        .collect()
}

/// Takes records from each category in turn, in the order in which they come into the sample of a component: so those of a small trial
/// are in there, too.
fn sample_ids(
    reader: &Connection,
    filter: &str,
    values: &[Sql],
    sample: u64,
) -> rusqlite::Result<Vec<String>> {
    let sql = format!(
        "SELECT id FROM
            (SELECT id, rank, row_number() OVER (PARTITION BY rank ORDER BY {PLACE}(id), id) AS turn
             FROM record WHERE {filter})
         ORDER BY turn, rank LIMIT {}",
        i64::try_from(sample).unwrap_or(i64::MAX)
    );
    reader
        .prepare(&sql)?
        .query_map(params_from_iter(values), |row| row.get(0))?
        .collect()
}
