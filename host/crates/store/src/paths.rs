//! Finds files that two tasks would write: records whose paths come out equal, by the index alone.

use rusqlite::params_from_iter;
use rusqlite::types::Value as Sql;

use super::{IndexedDataset, Store, StoreError};

/// Paths that are looked at; the first one that is shared is enough for a person.
const PATHS: u32 = 20;

/// One task that writes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The component.
    pub component: String,
    /// The record.
    pub record: String,
    /// Its category.
    pub category: String,
}

impl Store {
    /// Tasks whose files may have one path, a list for each path. A pattern is a component with its path, in which `{id}` and
    /// `{category}` stand for those of a record; any other part in braces is left out, so that the caller has to look whether
    /// the paths are really equal.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn writers_of_one_path(
        &self,
        dataset: &IndexedDataset,
        patterns: &[(String, String)],
    ) -> Result<Vec<Vec<Writer>>, StoreError> {
        if patterns.is_empty() {
            return Ok(Vec::new());
        }
        let mut values = Vec::new();
        let parts: Vec<String> = patterns
            .iter()
            .map(|(component, pattern)| {
                values.push(Sql::Text(component.clone()));
                let path = expression(pattern, &mut values);
                values.push(Sql::Integer(dataset.id));
                format!("SELECT ? AS component, id, category, {path} AS path FROM record WHERE dataset = ?")
            })
            .collect();
        let sql = format!(
            "WITH file AS ({}) SELECT path, component, id, category FROM file
             WHERE path IN (SELECT path FROM file GROUP BY path HAVING count(*) > 1 LIMIT {PATHS})
             ORDER BY path, component, id",
            parts.join(" UNION ALL ")
        );
        let rows: Vec<(String, Writer)> = self.read(|reader| {
            let row = |row: &rusqlite::Row<'_>| {
                let writer = Writer {
                    component: row.get(1)?,
                    record: row.get(2)?,
                    category: row.get(3)?,
                };
                Ok((row.get(0)?, writer))
            };
            let mut statement = reader.prepare(&sql)?;
            statement
                .query_map(params_from_iter(values), row)?
                .collect()
        })?;
        let of_one_path = rows.chunk_by(|(one, _), (other, _)| one == other);
        Ok(of_one_path
            .map(|rows| rows.iter().map(|(_, writer)| writer.clone()).collect())
            .collect())
    }
}

/// A path as SQL puts it together.
fn expression(pattern: &str, values: &mut Vec<Sql>) -> String {
    let mut terms = Vec::new();
    let mut rest = pattern;
    while let Some((literal, after)) = rest.split_once('{') {
        terms.push("?");
        values.push(Sql::Text(literal.to_owned()));
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        match name {
            "id" => terms.push("id"),
            "category" => terms.push("category"),
            _ => {}
        }
        rest = behind;
    }
    terms.push("?");
    values.push(Sql::Text(rest.to_owned()));
    terms.join(" || ")
}
