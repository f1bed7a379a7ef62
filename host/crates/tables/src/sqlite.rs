//! A file of SQLite with one table.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value as Sql};
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use super::{Cell, Column, Kind, Rows, TableError, check, text};

/// The name of the table.
const TABLE: &str = "records";
/// Most columns of a table, by SQLite's own limit.
const MOST_COLUMNS: usize = 2000;

/// Writes one table to a file that nobody else has open. The whole table is one transaction without a journal: a file that
/// was not finished is of no use to anybody.
pub struct Sqlite {
    connection: Connection,
    columns: Vec<Column>,
    insert: String,
}

impl Sqlite {
    /// Begins a table in an empty file.
    ///
    /// # Errors
    /// When there are more columns than SQLite can hold, or the file cannot be written.
    pub fn begin(file: &Path, columns: Vec<Column>) -> Result<Self, TableError> {
        if columns.len() > MOST_COLUMNS {
            return Err(TableError::TooManyColumns {
                columns: columns.len(),
                most: MOST_COLUMNS,
            });
        }
        let connection = Connection::open(file)?;
        // Whoever publishes the file makes it durable.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        let names = distinct(columns.iter().map(|column| column.name.as_str()));
        let described = names.iter().zip(&columns);
        let described = described
            .map(|(name, column)| format!("{} {}", quoted(name), declared(&column.kind)))
            .collect::<Vec<_>>();
        connection.execute_batch(&format!(
            "BEGIN; CREATE TABLE {TABLE} ({});",
            described.join(", ")
        ))?;
        let places = vec!["?"; columns.len()].join(", ");
        Ok(Self {
            connection,
            columns,
            insert: format!("INSERT INTO {TABLE} VALUES ({places})"),
        })
    }
}

impl Rows for Sqlite {
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), TableError> {
        check(&self.columns, &cells)?;
        let mut insert = self.connection.prepare_cached(&self.insert)?;
        let cells = cells.into_iter().zip(&self.columns);
        let cells = cells.map(|(cell, column)| ToSqlOutput::Owned(sql(cell, &column.kind)));
        insert.execute(params_from_iter(cells))?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), TableError> {
        self.connection.execute_batch("COMMIT")?;
        self.connection.close().map_err(|(_, error)| error)?;
        Ok(())
    }
}

/// Column names that SQLite can tell apart, which does not look at their case.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    let mut distinct = Vec::new();
    for name in names {
        let mut other = name.to_owned();
        let mut number = 2;
        while taken.contains(&other.to_ascii_lowercase()) {
            other = format!("{name}_{number}");
            number += 1;
        }
        taken.push(other.to_ascii_lowercase());
        distinct.push(other);
    }
    distinct
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn declared(kind: &Kind) -> &'static str {
    match kind {
        Kind::Truth => "BOOLEAN",
        Kind::Whole | Kind::Long => "INTEGER",
        Kind::Number => "REAL",
        Kind::Nothing | Kind::Text | Kind::List(_) | Kind::Object(_) => "TEXT",
    }
}

fn sql(cell: Cell, kind: &Kind) -> Sql {
    let Some(value) = cell else { return Sql::Null };
    match (kind, value) {
        (_, Value::Null) => Sql::Null,
        (_, Value::String(text)) => Sql::Text(text),
        (Kind::Truth, Value::Bool(truth)) => Sql::Integer(truth.into()),
        (Kind::Whole | Kind::Long | Kind::Number, Value::Number(number)) => {
            match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Sql::Integer(whole),
                (None, fraction) => fraction.map_or(Sql::Null, Sql::Real),
            }
        }
        (_, other) => text(&other).map_or(Sql::Null, Sql::Text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_comes_back_and_names_stay_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.db");
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
        };
        let columns = vec![
            column("id", Kind::Text),
            column("say \"it\"", Kind::Truth),
            column("Price", Kind::Number),
            column("price", Kind::Long),
            column("tags", Kind::List(Box::new(Kind::Text))),
        ];
        let mut table = Sqlite::begin(&file, columns).unwrap();
        let long = 9_007_199_254_740_993_i64;
        for cells in [
            vec![
                json!("a"),
                json!(true),
                json!(1.5),
                json!(long),
                json!(["x"]),
            ],
            vec![json!(u64::MAX), json!(false), json!(2), json!(1), json!([])],
        ] {
            table.row(cells.into_iter().map(Some).collect()).unwrap();
        }
        table.row(vec![None, None, None, None, None]).unwrap();
        let wrong = table.row(vec![None, Some(json!("yes")), None, None, None]);
        assert!(matches!(wrong, Err(TableError::Changed { column }) if column.contains("it")));
        Box::new(table).finish().unwrap();
        let read = Connection::open(&file).unwrap();
        let mut rows = read
            .prepare("SELECT id, \"say \"\"it\"\"\", price, price_2, tags FROM records")
            .unwrap();
        let rows: Vec<String> = rows
            .query_map([], |row| {
                let cells: Vec<Sql> = (0..5).map(|place| row.get(place).unwrap()).collect();
                Ok(format!("{cells:?}"))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            rows,
            [
                format!(
                    "[Text(\"a\"), Integer(1), Real(1.5), Integer({long}), Text(\"[\\\"x\\\"]\")]"
                ),
                format!(
                    "[Text(\"{}\"), Integer(0), Real(2.0), Integer(1), Text(\"[]\")]",
                    u64::MAX
                ),
                "[Null, Null, Null, Null, Null]".to_owned(),
            ]
        );
    }

    #[test]
    fn more_columns_than_sqlite_holds_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let columns = (0..=MOST_COLUMNS).map(|number| Column {
            name: number.to_string(),
            kind: Kind::Text,
        });
        let error = Sqlite::begin(&folder.path().join("t.db"), columns.collect())
            .err()
            .unwrap();
        assert!(error.to_string().contains("2001 columns"), "{error}");
    }
}
