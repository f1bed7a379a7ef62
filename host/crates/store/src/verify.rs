//! Holds a state against its own laws: SQLite's, those of the tables, and those between checkpoints and
//! files. It says what is wrong and what to do, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::checksum::{TABLES, TASKS};
use super::compared::is_compared;
use super::log::Fault;
use super::output_digest;
use super::seal::{self, Found};
use super::{Store, StoreError};
use types::class::FailureClass;

/// Findings of one law that are told one by one; the rest is counted.
const TOLD: usize = 20;
/// Rows that are read together.
const BATCH: i64 = 1000;

/// A law that something breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    pub what: String,
    pub remedy: &'static str,
    /// Whether the state is damaged; otherwise it is an output file.
    pub in_state: bool,
    pub count: u64,
    pub places: Vec<String>,
}

/// What holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of tasks that were looked at.
    pub tasks: u64,
    /// Files that were read.
    pub files: u64,
    /// Laws that are broken.
    pub broken: Vec<Broken>,
}

const RECOVER: &str = "save what can be read with `batchgen store recover`, and run again: lost answers are asked for again";
const MAKE: &str = "`batchgen run` makes it again, from the answers in the journal";
const EDITED: &str =
    "if a person edited it, nothing: it is kept; else remove it, and `batchgen run` makes it again";
const INDEX: &str = "`batchgen run` makes it again";
const MENDS: &str = "`batchgen run` looks at every row, and mends what is told here as damaged; if that is nothing, the byte held nothing";
const CUT: &str = "if you have a copy of it, put it back; `batchgen run` goes on without what is lost, and asks for lost answers again";
const RUN: &str = "`batchgen run` asks for what is missing when the task is next made";

/// The condition that a done task was told more than its transcript holds.
macro_rules! told_more {
    () => {
        "outcome = 'done' AND calls > (SELECT count(*) FROM transcript WHERE transcript.dataset = task.dataset
            AND transcript.record = task.record AND transcript.component = task.component
            AND transcript.fingerprint = task.fingerprint AND transcript.generation = task.generation)"
    };
}
pub(super) const TOLD_MORE: &str = told_more!();

/// Whether a fault is one of an index or of free pages alone, so that no row is at stake.
pub(super) fn is_mended(fault: &str) -> bool {
    ["missing from index", "entries in index", "entry in index"]
        .iter()
        .any(|words| fault.contains(words))
        || fault.starts_with("Freelist")
        || fault.ends_with("never used")
}

/// What is wrong, how to find it (a place for each row), and what to do.
const LAWS: [(&str, &str, &str); 9] = [
    (
        "a transcript names a completion that is not there",
        "SELECT record || ' ' || component || ', position ' || position FROM transcript
         WHERE NOT EXISTS (SELECT 1 FROM completion WHERE completion.id = completion)",
        RUN,
    ),
    (
        "a done task was told more than its transcript holds",
        concat!(
            "SELECT record || ' ' || component FROM task WHERE ",
            told_more!()
        ),
        RUN,
    ),
    (
        "a completion has a malformed key or an unknown kind",
        "SELECT 'completion ' || id FROM completion WHERE length(key) <> 32
            OR kind NOT IN ('completion', 'content-filtered', 'context-too-long', 'lost')
            OR (kind = 'completion') <> (stop IS NOT NULL)",
        RECOVER,
    ),
    (
        "a task has a malformed hash",
        "SELECT record || ' ' || component FROM task WHERE length(fingerprint) <> 32
            OR length(content) <> 32 OR length(seen) <> 8 OR length(parts) % 8 <> 0",
        RECOVER,
    ),
    (
        "a task has an unknown outcome",
        "SELECT record || ' ' || component || ': ' || outcome FROM task
         WHERE outcome NOT IN ('done', 'failed', 'blocked', 'skipped', 'due')
            OR (outcome = 'failed' AND class IS NULL) OR (outcome = 'done' AND class IS NOT NULL)",
        RECOVER,
    ),
    (
        "a done task has no file",
        "SELECT record || ' ' || component FROM task
         WHERE outcome = 'done' AND (content IS NULL OR size IS NULL OR path = '')",
        MAKE,
    ),
    (
        "a task is of no dataset or run",
        "SELECT record || ' ' || component FROM task
         WHERE dataset NOT IN (SELECT id FROM dataset) OR (run <> 0 AND run NOT IN (SELECT id FROM run))",
        RECOVER,
    ),
    (
        "a task was made by a recipe that is not there",
        "SELECT record || ' ' || component FROM task
         WHERE recipe <> 0 AND recipe NOT IN (SELECT id FROM recipe)",
        "nothing: only the cause of a change cannot be named",
    ),
    (
        "a record has a malformed hash or is of no dataset",
        "SELECT id FROM record WHERE length(hash) <> 32 OR dataset NOT IN (SELECT id FROM dataset)",
        "touch the dataset's file, and `batchgen run` reads it again",
    ),
];

#[derive(Default)]
struct Findings {
    broken: BTreeMap<(bool, String), Broken>,
}

impl Findings {
    fn add(&mut self, what: &str, remedy: &'static str, in_state: bool, place: String) {
        let entry = self.broken.entry((!in_state, what.to_owned()));
        let broken = entry.or_insert_with(|| Broken {
            what: what.to_owned(),
            remedy,
            in_state,
            count: 0,
            places: Vec::new(),
        });
        broken.count += 1;
        if broken.places.len() < TOLD {
            broken.places.push(place);
        }
    }
}

impl Store {
    /// Looks at everything. Files are read below `output_root`, unless it is `None`.
    ///
    /// # Errors
    /// Only when nothing at all can be read: damage is a finding.
    pub fn verify(&self, output_root: Option<&Path>) -> Result<Report, StoreError> {
        let file = self.file();
        let is_used = || !matches!(Store::holder(file), Ok(None));
        // What lies there while nobody uses it. Whoever begins to use it meanwhile changes that.
        let lies = match is_used() {
            true => None,
            false => seal::look(file).ok().filter(|_| !is_used()),
        };
        let report = self.read(|reader| Ok(Look { reader }.at_all(output_root, lies)))?;
        if report.broken.iter().any(|broken| broken.in_state) && !is_used() {
            seal::note_damage(file);
        }
        Ok(report)
    }
}

struct Look<'a> {
    reader: &'a Connection,
}

impl Look<'_> {
    fn at_all(&self, output_root: Option<&Path>, lies: Option<Found>) -> Report {
        let mut findings = Findings::default();
        self.files(&lies.unwrap_or_default(), &mut findings);
        let damage = "the file is damaged";
        if let Err(error) = self.integrity(&mut findings) {
            findings.add(damage, RECOVER, true, error.to_string());
        }
        for table in TABLES {
            let what = format!("a row of `{}` is not as it was written", table.name);
            let sql = format!(
                "SELECT {} FROM {} WHERE NOT {}",
                table.place,
                table.name,
                table.sound()
            );
            if let Err(error) = self.law(&what, &sql, table.remedy, &mut findings) {
                findings.add(
                    damage,
                    RECOVER,
                    true,
                    format!("table {}: {error}", table.name),
                );
            }
        }
        for (what, sql, remedy) in LAWS {
            if let Err(error) = self.law(what, sql, remedy, &mut findings) {
                findings.add(damage, RECOVER, true, format!("{what}? {error}"));
            }
        }
        let mut report = Report::default();
        if let Err(error) = self.tasks(output_root, &mut findings, &mut report) {
            findings.add(damage, RECOVER, true, format!("table task: {error}"));
        }
        report.broken = findings.broken.into_values().collect();
        report
    }

    /// The files of a state that nobody uses.
    fn files(&self, lies: &Found, findings: &mut Findings) {
        for page in &lies.changed {
            let sql = "SELECT name FROM dbstat WHERE pageno = ?1";
            let name = self
                .reader
                .query_row(sql, [page], |row| row.get::<_, String>(0))
                .unwrap_or_else(|_| "none".to_owned());
            let what = "a page is not as it was when the state was closed";
            findings.add(what, MENDS, true, format!("page {page}, of table {name}"));
        }
        match &lies.log {
            Some(Fault::Cut { frames }) => findings.add(
                "the log is damaged",
                CUT,
                true,
                format!("behind page {frames} of the log"),
            ),
            Some(Fault::Gone) => findings.add(
                "the log is not the one of this state",
                CUT,
                true,
                String::new(),
            ),
            None => {}
        }
    }

    fn integrity(&self, findings: &mut Findings) -> rusqlite::Result<()> {
        let roots: BTreeMap<i64, String> = self
            .reader
            .prepare("SELECT rootpage, type || ' ' || name FROM sqlite_schema")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut statement = self.reader.prepare("PRAGMA integrity_check(1000)")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(0)?;
            for line in text.lines().filter(|line| *line != "ok") {
                // "Tree 12 page 40 cell 3: ..." names a table by the page that it starts at.
                let root = line
                    .strip_prefix("Tree ")
                    .and_then(|rest| rest.split(' ').next())
                    .and_then(|number| number.parse().ok())
                    .and_then(|root: i64| roots.get(&root));
                let place = match root {
                    Some(name) => format!("{name}: {line}"),
                    None => line.to_owned(),
                };
                let (what, remedy) = match is_mended(line) {
                    true => ("an index or the list of free pages is damaged", INDEX),
                    false => ("the file is damaged", RECOVER),
                };
                findings.add(what, remedy, true, place);
            }
        }
        Ok(())
    }

    fn law(
        &self,
        what: &str,
        sql: &str,
        remedy: &'static str,
        findings: &mut Findings,
    ) -> rusqlite::Result<()> {
        let mut statement = self.reader.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let place = match row.get_ref(0)? {
                // A damaged text may be none.
                ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                _ => String::new(),
            };
            findings.add(what, remedy, true, place);
        }
        Ok(())
    }

    /// Laws that SQL does not know: classes, and files.
    fn tasks(
        &self,
        output_root: Option<&Path>,
        findings: &mut Findings,
        report: &mut Report,
    ) -> rusqlite::Result<()> {
        let mut after = (i64::MIN, String::new(), String::new());
        let compared = self.compared()?;
        loop {
            let rows = batch(self.reader, &after)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (last.dataset, last.record.clone(), last.component.clone());
            for row in rows {
                report.tasks += 1;
                let place = format!("{} {}", row.record, row.component);
                if let Some(class) = &row.class
                    && class.parse::<FailureClass>().is_err()
                {
                    let what = "a task has an unknown class of failure";
                    findings.add(what, RECOVER, true, format!("{place}: {class}"));
                }
                if let Some(root) = output_root
                    && row.outcome == "done"
                    && !compared.contains(&row.dataset)
                {
                    report.files += 1;
                    if let Some((what, remedy)) = fault(root, &row)
                        // A host that runs may have written it since.
                        && !self.has_changed(&row)?
                    {
                        findings.add(what, remedy, false, row.path.clone());
                    }
                }
            }
        }
    }

    /// Datasets whose files lie elsewhere.
    fn compared(&self) -> rusqlite::Result<Vec<i64>> {
        let mut statement = self.reader.prepare("SELECT id, source FROM dataset")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if is_compared(&row.get::<_, String>("source")?) {
                found.push(row.get("id")?);
            }
        }
        Ok(found)
    }

    fn has_changed(&self, row: &TaskRow) -> rusqlite::Result<bool> {
        let now: Option<Option<Vec<u8>>> = self
            .reader
            .prepare_cached(
                "SELECT content FROM task WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND path = ?4",
            )?
            .query_row(
                params![row.dataset, row.record, row.component, row.path],
                |row| row.get(0),
            )
            .optional()?;
        Ok(now.flatten() != row.content)
    }
}

/// What is wrong with a file, if anything.
fn fault(root: &Path, row: &TaskRow) -> Option<(&'static str, &'static str)> {
    match output_digest(&root.join(&row.path)) {
        Ok(digest) if row.content.as_deref() == Some(digest.as_bytes()) => None,
        Ok(_) => Some(("a file is not as it was written", EDITED)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some(("a file is missing", MAKE))
        }
        Err(_) => Some(("a file cannot be read", "check who may read it")),
    }
}

struct TaskRow {
    dataset: i64,
    record: String,
    component: String,
    outcome: String,
    class: Option<String>,
    path: String,
    content: Option<Vec<u8>>,
}

/// Rows that are as they were written; the others are findings by themselves.
fn batch(reader: &Connection, after: &(i64, String, String)) -> rusqlite::Result<Vec<TaskRow>> {
    reader
        .prepare_cached(&format!(
            "SELECT dataset, record, component, outcome, class, path, content FROM task
                 WHERE (dataset, record, component) > (?1, ?2, ?3) AND {}
                 ORDER BY dataset, record, component LIMIT ?4",
            TASKS.sound()
        ))?
        .query_map(params![after.0, after.1, after.2, BATCH], |row| {
            Ok(TaskRow {
                dataset: row.get("dataset")?,
                record: row.get("record")?,
                component: row.get("component")?,
                outcome: row.get("outcome")?,
                class: row.get("class")?,
                path: row.get("path")?,
                content: row.get("content")?,
            })
        })?
        .collect()
}
