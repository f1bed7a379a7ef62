//! The index of comparisons: the records that are compared, under a name of their own, so that what a comparison makes has nothing to do
//! with the tasks of the project. It is copied from the project's index, since reading a large dataset again takes minutes.

use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use super::checksum::{DATASETS, RECORDS};
use super::index::{IndexedDataset, Lease};
use super::{Store, StoreError};

/// What the name of a dataset begins with of which only comparisons make something. Their files lie elsewhere, and may be removed.
const COMPARED: &str = "comparison: ";

/// Whether a dataset is one of comparisons, by its name.
pub(super) fn is_compared(source: &str) -> bool {
    source.starts_with(COMPARED)
}

impl Store {
    /// Puts the records of a lease of the project into the index of comparisons, in the place of those that were in it. The tasks of
    /// earlier comparisons stay.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn index_compared(
        &self,
        project: &IndexedDataset,
        lease: &Lease,
    ) -> Result<IndexedDataset, StoreError> {
        let source = format!("{COMPARED}{}", project.source);
        let lease = lease.clone();
        let copied = self
            .inner
            .writer
            .exclusive(move |connection| copy(connection, source, &lease))
            .await?;
        copied.map_err(|error| self.inner.writer.error(&error))
    }
}

fn copy(
    connection: &mut Connection,
    source: String,
    lease: &Lease,
) -> rusqlite::Result<IndexedDataset> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM dataset)"),
        ("source", "?1"),
        // It is never up to date by itself.
        ("stamp", "''"),
        ("pass", "1"),
        ("unreadable", "0"),
        ("is_whole", "0"),
    ];
    let changes = DATASETS.take_over(&["id", "source"]);
    let tail = format!("ON CONFLICT (source) DO UPDATE SET {changes}");
    transaction.execute(&DATASETS.insert("INSERT", &values, &tail), [&source])?;
    let sql = "SELECT id FROM dataset WHERE source = ?1";
    let id: i64 = transaction.query_row(sql, [&source], |row| row.get(0))?;
    transaction.execute("DELETE FROM record WHERE dataset = ?1", [id])?;
    let number = id.to_string();
    let columns = RECORDS.columns.iter().map(|column| match *column {
        "dataset" => (*column, number.as_str()),
        _ => (*column, *column),
    });
    let columns: Vec<(&str, &str)> = columns.collect();
    let (records, values) = lease.records();
    let insert = RECORDS.insert_from(&columns, &format!("({records})"));
    transaction.execute(&insert, params_from_iter(values))?;
    transaction.commit()?;
    Ok(IndexedDataset { id, source })
}
