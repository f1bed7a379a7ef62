//! What samples of the records are told from: the ids of all records, one at a time.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

use super::{Store, StoreError};
use plan::sample::{Bound, Smallest, hash};

/// The function that tells how early a record comes into a sample, by its id.
pub(super) const PLACE: &str = "sample_place";

/// Makes that function known to a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(PLACE, 1, flags, |context| {
        let id = context.get_raw(0).as_str()?;
        Ok(as_number(hash(id)))
    })
}

/// A hash in the same order as the others, as far as numbers of SQLite go.
fn as_number(hash: u64) -> i64 {
    (hash >> 1).cast_signed()
}

/// The condition that a task's record is in the sample of this component, with its values.
pub(super) fn within(component: &str, bound: Bound) -> (String, [Sql; 2]) {
    let sql = format!(" AND NOT (task.component = ? AND {PLACE}(task.record) > ?)");
    let bound = as_number(bound.greatest());
    (sql, [Sql::Text(component.to_owned()), Sql::Integer(bound)])
}

impl Store {
    /// Where a sample of so many records of a dataset ends.
    pub fn sample_bound(&self, dataset: i64, most: u64) -> Result<Bound, StoreError> {
        self.read(|reader| {
            let mut smallest = Smallest::new(most);
            let mut statement = reader.prepare("SELECT id FROM record WHERE dataset = ?1")?;
            let mut rows = statement.query([dataset])?;
            while let Some(row) = rows.next()? {
                smallest.add(row.get_ref(0)?.as_str()?);
            }
            Ok(smallest.bound())
        })
    }

    /// Whether a component has made a file of a record that is not in its sample.
    pub fn has_files_outside(
        &self,
        dataset: i64,
        component: &str,
        bound: Bound,
    ) -> Result<bool, StoreError> {
        self.read(|reader| {
            let sql = "SELECT record FROM task WHERE dataset = ?1 AND component = ?2 AND content IS NOT NULL";
            let mut statement = reader.prepare(sql)?;
            let mut rows = statement.query(params![dataset, component])?;
            while let Some(row) = rows.next()? {
                if !bound.includes(row.get_ref(0)?.as_str()?) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}
