//! Files that were made since a run: what a command after a run is told.

use rusqlite::params;

use super::checksum::{MOVED, TASKS};
use super::compared::is_compared;
use super::sql::Column;
use super::{Store, StoreError};
use plan::decision::Author;
use types::digest::Digest;

/// Files that are read together: each read is short, so that the WAL can be cut meanwhile.
const BATCH: u64 = 1000;

/// A file that a task made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFile {
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
    /// Path below the output directory.
    pub path: String,
}

/// A file that the state knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Path below the output directory.
    pub path: String,
    /// Hash of what was written.
    pub content: Digest,
    /// Whether a person wrote it, so that no run makes it again.
    pub is_by_person: bool,
}

impl Store {
    /// Gives every file below the output directory that tasks wrote, also those of deleted records, dropped components and former paths,
    /// group by group, until `sink` has had enough and says `false`.
    pub fn written_files(
        &self,
        mut sink: impl FnMut(Vec<WrittenFile>) -> bool,
    ) -> Result<(), StoreError> {
        let datasets: Vec<(i64, String)> = self.read(|reader| {
            let mut statement = reader.prepare_cached("SELECT id, source FROM dataset")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        let projects = datasets
            .into_iter()
            .filter(|(_, source)| !is_compared(source));
        for (dataset, _) in projects {
            for sql in [
                format!(
                    "SELECT record, component, path, content, author FROM task
                     WHERE dataset = ?1 AND (record, component) > (?2, ?3) AND content IS NOT NULL AND {}
                     ORDER BY record, component LIMIT ?4",
                    TASKS.sound()
                ),
                format!(
                    "SELECT path, '', path, content, author FROM moved
                     WHERE dataset = ?1 AND (path, '') > (?2, ?3) AND content IS NOT NULL AND {}
                     ORDER BY path LIMIT ?4",
                    MOVED.sound()
                ),
            ] {
                if !self.written_by(&sql, dataset, &mut sink)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The files of one query, in groups. Whether more are wanted.
    fn written_by(
        &self,
        sql: &str,
        dataset: i64,
        sink: &mut impl FnMut(Vec<WrittenFile>) -> bool,
    ) -> Result<bool, StoreError> {
        let mut after = (String::new(), String::new());
        loop {
            let rows: Vec<(String, String, Option<WrittenFile>)> = self.read(|reader| {
                let mut statement = reader.prepare_cached(sql)?;
                let rows =
                    statement.query_map(params![dataset, after.0, after.1, BATCH], |row| {
                        let Column(content) = row.get(3)?;
                        let Column(author) = row.get::<_, Column<Option<Author>>>(4)?;
                        let path = row.get(2)?;
                        let file = content.map(|content| WrittenFile {
                            path,
                            content,
                            is_by_person: author == Some(Author::Person),
                        });
                        Ok((row.get(0)?, row.get(1)?, file))
                    })?;
                rows.collect()
            })?;
            let Some(last) = rows.last() else {
                return Ok(true);
            };
            after = (last.0.clone(), last.1.clone());
            if !sink(rows.into_iter().filter_map(|(_, _, file)| file).collect()) {
                return Ok(false);
            }
        }
    }

    /// The number of the last run that began; 0 before the first.
    pub fn last_run(&self) -> Result<i64, StoreError> {
        self.read(|reader| {
            let sql = "SELECT max(0, coalesce(max(id), 0)) FROM run";
            reader.query_row(sql, [], |row| row.get(0))
        })
    }

    /// Gives the files that runs after this one made, of one component or of all, by record and component, until `sink` has had enough
    /// and says `false`.
    pub fn made_since(
        &self,
        dataset: i64,
        run: i64,
        of: Option<&str>,
        mut sink: impl FnMut(MadeFile) -> bool,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT record, component, path FROM task
             WHERE dataset = ?1 AND (record, component) > (?2, ?3) AND run > ?4
                 AND (?6 IS NULL OR component = ?6)
                 AND outcome = 'done' AND content IS NOT NULL AND {}
             ORDER BY record, component LIMIT ?5",
            TASKS.sound()
        );
        let (mut record, mut component) = (String::new(), String::new());
        loop {
            let batch: Vec<MadeFile> = self.read(|reader| {
                let mut statement = reader.prepare_cached(&sql)?;
                let rows = statement.query_map(
                    params![dataset, record, component, run, BATCH, of],
                    |row| {
                        Ok(MadeFile {
                            record: row.get(0)?,
                            component: row.get(1)?,
                            path: row.get(2)?,
                        })
                    },
                )?;
                rows.collect()
            })?;
            let Some(last) = batch.last() else {
                return Ok(());
            };
            (record, component) = (last.record.clone(), last.component.clone());
            if !batch.into_iter().all(&mut sink) {
                return Ok(());
            }
        }
    }
}
