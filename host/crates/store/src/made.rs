//! Files that were made since a run: what a command after a run is told.

use rusqlite::params;

use super::checksum::TASKS;
use super::{Store, StoreError};

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

impl Store {
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
