//! Brings the index up to date by one pass over the dataset. A record that cannot be read is noted, and stops no other.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::{IndexedDataset, place};
use crate::checksum::{DATASETS, RECORDS, UNREADABLE};
use dataset::{Dataset, DatasetError, Place, Record, Repetition};

/// Records that cannot be read and are noted one by one.
const NOTED: u64 = 10_000;
/// Of a dataset without any that can be read, those whose faults are told.
const SHOWN: usize = 10;

pub(super) enum UpdateError {
    Dataset(DatasetError),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for UpdateError {
    fn from(error: rusqlite::Error) -> Self {
        UpdateError::Sql(error)
    }
}

/// What tells whether the index is up to date.
pub(super) fn stamp(dataset: &Dataset) -> Result<String, DatasetError> {
    Ok(format!("{:?} {:?}", dataset.config(), dataset.stamp()?))
}

pub(super) fn update(
    connection: &mut Connection,
    source: String,
    dataset: &Dataset,
) -> Result<IndexedDataset, UpdateError> {
    let stamp = stamp(dataset).map_err(UpdateError::Dataset)?;
    let known: Option<(i64, String, i64)> = connection
        .query_row(
            "SELECT id, stamp, pass FROM dataset WHERE source = ?1",
            [&source],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    if let Some((id, before, _)) = &known
        && *before == stamp
    {
        return Ok(IndexedDataset { id: *id, source });
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pass = known.as_ref().map_or(1, |(_, _, pass)| pass + 1);
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM dataset)"),
        ("source", "?1"),
        ("stamp", "?2"),
        ("pass", "?3"),
        ("unreadable", "0"),
        ("is_whole", "1"),
    ];
    let changes = DATASETS.set(&[("stamp", "excluded.stamp"), ("pass", "excluded.pass")]);
    let tail = format!("ON CONFLICT (source) DO UPDATE SET {changes}");
    transaction.execute(
        &DATASETS.insert("INSERT", &values, &tail),
        params![source, stamp, pass],
    )?;
    let id: i64 = transaction.query_row(
        "SELECT id FROM dataset WHERE source = ?1",
        [&source],
        |row| row.get(0),
    )?;
    let filled = fill(&transaction, id, pass, dataset)?;
    transaction.execute(
        "DELETE FROM record WHERE dataset = ?1 AND pass <> ?2",
        [id, pass],
    )?;
    transaction.execute(
        &format!(
            "UPDATE dataset SET {} WHERE id = ?1",
            DATASETS.set(&[("unreadable", "?2"), ("is_whole", "?3")])
        ),
        params![id, filled.unreadable, filled.is_whole],
    )?;
    transaction.commit()?;
    Ok(IndexedDataset { id, source })
}

/// Categories that become one, once they are made safe as file names: nobody may have meant that.
#[derive(Default)]
struct Joined(HashMap<String, String>);

impl Joined {
    /// Says so of the first two.
    fn see(&mut self, record: &Record) {
        let written = record.written_category();
        match self.0.get_mut(&record.category) {
            None => {
                self.0.insert(record.category.clone(), written.to_owned());
            }
            Some(first) if first.is_empty() || first == written => {}
            Some(first) => {
                tracing::warn!(
                    "the categories {first:?} and {written:?} become one, `{}`; rename one if they are not the same",
                    record.category
                );
                first.clear();
            }
        }
    }
}

/// What a pass over the dataset came to.
struct Filled {
    /// Records that cannot be read.
    unreadable: u64,
    /// Whether it is known which records these are.
    is_whole: bool,
}

fn fill(
    connection: &Connection,
    id: i64,
    pass: i64,
    dataset: &Dataset,
) -> Result<Filled, UpdateError> {
    let mut ranks: Vec<String> = dataset
        .categories()
        .iter()
        .map(|category| category.id.clone())
        .collect();
    let mut insert = connection.prepare(&INSERT)?;
    connection.execute("DELETE FROM unreadable WHERE dataset = ?1", [id])?;
    let mut faults = Faults::new(connection, id);
    let mut joined = Joined::default();
    let mut entries = dataset.entries();
    let first_counts = dataset.config().repeated == Repetition::First;
    let (mut ord, mut good) = (0_u64, 0_u64);
    while let Some(entry) = entries.next() {
        ord += 1;
        let (place, record) = match entry {
            Ok(entry) => entry,
            Err(error @ DatasetError::Empty { .. }) => return Err(UpdateError::Dataset(error)),
            Err(error) => {
                let named = entries.id_of_fault();
                // The row of a variant may lack what its product's row has.
                let is_variant = first_counts
                    && named
                        .as_ref()
                        .is_some_and(|named| is_taken(connection, id, named, pass));
                if !is_variant {
                    faults.add(ord, named, error)?;
                }
                continue;
            }
        };
        joined.see(&record);
        let rank = match ranks.iter().position(|known| *known == record.category) {
            Some(rank) => rank,
            None => {
                ranks.push(record.category.clone());
                ranks.len() - 1
            }
        };
        let changed = insert.execute(params![
            id,
            record.id,
            record.category,
            rank,
            ord,
            place.offset,
            place.length,
            place.line,
            record.hash().as_slice(),
            pass
        ])?;
        if changed > 0 {
            good += 1;
        } else {
            let error = taken(connection, id, dataset, &record, place)?;
            if !first_counts || matches!(error, DatasetError::SameName { .. }) {
                faults.add(ord, Some(record.id), error)?;
            }
        }
    }
    let is_whole = faults.all_are_known && !entries.is_cut_off();
    let count = faults.count;
    match faults.into_error(dataset) {
        Some(error) if good == 0 => Err(UpdateError::Dataset(error)),
        _ => Ok(Filled {
            unreadable: count,
            is_whole,
        }),
    }
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("dataset", "?1"),
        ("id", "?2"),
        ("category", "?3"),
        ("rank", "?4"),
        ("ord", "?5"),
        ("offset", "?6"),
        ("length", "?7"),
        ("line", "?8"),
        ("hash", "?9"),
        ("pass", "?10"),
    ];
    let tail = format!(
        "ON CONFLICT (dataset, id) DO UPDATE SET {} WHERE record.pass <> excluded.pass",
        RECORDS.take_over(&["dataset", "id"])
    );
    RECORDS.insert("INSERT", &values, &tail)
});

/// Whether this pass has found a record of this id.
fn is_taken(connection: &Connection, id: i64, record: &str, pass: i64) -> bool {
    let found = connection
        .prepare_cached("SELECT 1 FROM record WHERE dataset = ?1 AND id = ?2 AND pass = ?3");
    found.is_ok_and(|mut found| found.exists(params![id, record, pass]).unwrap_or(false))
}

/// The id of a record is another's already.
fn taken(
    connection: &Connection,
    id: i64,
    dataset: &Dataset,
    record: &Record,
    second: Place,
) -> Result<DatasetError, UpdateError> {
    let first = connection.query_row(
        "SELECT offset, length, line FROM record WHERE dataset = ?1 AND id = ?2",
        params![id, record.id],
        place,
    )?;
    let file = dataset.file_of(second).to_owned();
    let first_file = dataset.file_of(first);
    let first_file = Some(first_file).filter(|first| *first != file);
    let first_at = DatasetError::earlier(first.line, first_file);
    let second_line = second.line;
    let written = dataset.read(first).ok();
    let other = written.filter(|other| other.written_id() != record.written_id());
    Ok(match other {
        Some(other) => DatasetError::SameName {
            file,
            id: record.id.clone(),
            first: other.written_id().to_owned(),
            first_at,
            second: record.written_id().to_owned(),
            second_line,
        },
        None => DatasetError::DuplicateId {
            file,
            id: record.id.clone(),
            first_at,
            second_line,
        },
    })
}

/// Notes records that cannot be read.
struct Faults<'a> {
    connection: &'a Connection,
    dataset: i64,
    count: u64,
    all_are_known: bool,
    first: Vec<DatasetError>,
}

impl Faults<'_> {
    fn new(connection: &Connection, dataset: i64) -> Faults<'_> {
        Faults {
            connection,
            dataset,
            count: 0,
            all_are_known: true,
            first: Vec::new(),
        }
    }

    fn add(
        &mut self,
        ord: u64,
        id: Option<String>,
        error: DatasetError,
    ) -> Result<(), UpdateError> {
        self.count += 1;
        self.all_are_known &= id.is_some() && self.count <= NOTED;
        if self.count <= NOTED {
            let values = [
                ("dataset", "?1"),
                ("ord", "?2"),
                ("line", "?3"),
                ("id", "?4"),
                ("cause", "?5"),
            ];
            self.connection
                .prepare_cached(&UNREADABLE.insert("INSERT", &values, ""))?
                .execute(params![
                    self.dataset,
                    ord,
                    error.line(),
                    id,
                    error.to_string()
                ])?;
        }
        if self.first.len() < SHOWN {
            self.first.push(error);
        }
        Ok(())
    }

    /// What is wrong where no record can be read; nothing where none is bad.
    fn into_error(mut self, dataset: &Dataset) -> Option<DatasetError> {
        if self.count == 1 {
            return self.first.pop();
        }
        (self.count > 0).then(|| DatasetError::AllBad {
            file: dataset.label(),
            count: self.count,
            causes: self.first.iter().map(ToString::to_string).collect(),
        })
    }
}
