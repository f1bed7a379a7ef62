//! Rows of a state as JSON, for people and other programs. Bytes are written in hexadecimal.

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};
use serde_json::{Map, Value};

use super::{Store, StoreError};

/// Rows that are read together: each read is short, so that the WAL can be cut meanwhile.
const BATCH: usize = 1000;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported {
    /// Every answer that was paid for.
    Completions,
    /// Which answers each task was told, in order.
    Transcripts,
    /// How each task ended.
    Tasks,
}

impl Exported {
    /// The rows behind a key, and the first key. The columns of the key come first.
    fn query(self) -> (&'static str, Vec<Sql>) {
        let (number, text) = (Sql::Integer(i64::MIN), Sql::Text(String::new()));
        match self {
            Exported::Completions => (
                "SELECT * FROM completion WHERE id > ?1 ORDER BY id LIMIT ?2",
                vec![number],
            ),
            Exported::Tasks => (
                "SELECT task.dataset, record, component, source, task.*
                 FROM task LEFT JOIN dataset ON dataset.id = task.dataset
                 WHERE (task.dataset, record, component) > (?1, ?2, ?3)
                 ORDER BY task.dataset, record, component LIMIT ?4",
                vec![number, text.clone(), text],
            ),
            Exported::Transcripts => (
                "SELECT * FROM transcript
                 WHERE (dataset, record, component, fingerprint, generation, position) > (?1, ?2, ?3, ?4, ?5, ?6)
                 ORDER BY dataset, record, component, fingerprint, generation, position LIMIT ?7",
                vec![
                    number.clone(),
                    text.clone(),
                    text,
                    Sql::Blob(Vec::new()),
                    number.clone(),
                    number,
                ],
            ),
        }
    }
}

impl Store {
    /// Gives each row as an object, until `sink` has had enough and says `false`.
    pub fn export(
        &self,
        what: Exported,
        mut sink: impl FnMut(Value) -> bool,
    ) -> Result<(), StoreError> {
        let (sql, mut after) = what.query();
        loop {
            let batch = self.read(|reader| batch(reader, sql, &mut after))?;
            let last = batch.len() < BATCH;
            if !batch.into_iter().all(&mut sink) || last {
                return Ok(());
            }
        }
    }
}

fn batch(reader: &Connection, sql: &str, after: &mut [Sql]) -> rusqlite::Result<Vec<Value>> {
    let mut statement = reader.prepare_cached(sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let limit = Sql::Integer(BATCH as i64);
    let values: Vec<Sql> = after.iter().cloned().chain([limit]).collect();
    let mut rows = statement.query(params_from_iter(values))?;
    let mut batch = Vec::new();
    while let Some(row) = rows.next()? {
        for (place, key) in after.iter_mut().enumerate() {
            *key = row.get(place)?;
        }
        batch.push(object(row, &names)?);
    }
    Ok(batch)
}

fn object(row: &Row<'_>, names: &[String]) -> rusqlite::Result<Value> {
    let mut object = Map::new();
    for (place, name) in names.iter().enumerate() {
        let value = match row.get_ref(place)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            ValueRef::Blob(bytes) => bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
                .into(),
        };
        object.insert(name.clone(), value);
    }
    Ok(Value::Object(object))
}
