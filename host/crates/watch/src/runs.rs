//! The last snapshot of every run that ended, in files beside the state: so that a run can be looked at, and beside another,
//! when later ones have taken its place. The oldest go.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::snapshot::{End, RunInfo, Snapshot, State};
use super::status_file::StatusFile;
use engine::statistics::View;

/// Runs that are kept.
const KEPT: usize = 50;

/// The runs of a state.
#[derive(Clone, Debug)]
pub struct Runs {
    folder: PathBuf,
    status: StatusFile,
}

/// A run in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRow {
    /// Names it in an address.
    #[serde(default)]
    pub id: String,
    /// Whether it still runs.
    pub state: State,
    /// When it was heard of last.
    pub at: String,
    pub run: RunInfo,
    pub end: Option<End>,
    pub progress: View,
}

impl Runs {
    /// Those of a state.
    pub fn of(state: &Path) -> Runs {
        let mut folder = state.as_os_str().to_owned();
        folder.push(".runs");
        Runs {
            folder: PathBuf::from(folder),
            status: StatusFile::of(state),
        }
    }

    /// Keeps the last snapshot of a run. Only who holds the state's lock does.
    pub fn keep(&self, snapshot: &Snapshot) -> io::Result<()> {
        store::create_private_dir(&self.folder)?;
        let path = self.path(&snapshot.run);
        let temporary = path.with_extension("tmp");
        store::write_private(&temporary, &serde_json::to_vec(snapshot)?)?;
        fs::rename(&temporary, path)?;
        let mut names = self.names();
        // Names begin with the time.
        names.sort();
        for name in names.iter().rev().skip(KEPT) {
            fs::remove_file(self.folder.join(format!("{name}.json")))?;
        }
        Ok(())
    }

    /// Keeps what is known of a run whose process went away, before another run takes its place.
    pub fn keep_killed(&self) -> io::Result<()> {
        match self.status.read() {
            Some(mut snapshot) if !self.path(&snapshot.run).exists() => {
                if snapshot.state == State::Running {
                    snapshot.state = State::Killed;
                }
                self.keep(&snapshot)
            }
            _ => Ok(()),
        }
    }

    /// All of them, the newest first.
    pub fn list(&self) -> Vec<RunRow> {
        let mut names = self.names();
        names.sort();
        let rows = names.iter().rev().filter_map(|name| {
            let mut row: RunRow = self.read_as(name)?;
            row.id.clone_from(name);
            Some(row)
        });
        rows.collect()
    }

    /// One of them.
    pub fn read(&self, id: &str) -> Option<Snapshot> {
        self.read_as(id)
    }

    fn read_as<T: serde::de::DeserializeOwned>(&self, id: &str) -> Option<T> {
        // Nothing but a name that `id` gives leads anywhere.
        let is_name = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = is_name.then(|| self.folder.join(format!("{id}.json")))?;
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    fn path(&self, run: &RunInfo) -> PathBuf {
        self.folder.join(format!("{}.json", id(run)))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some(name.strip_suffix(".json")?.to_owned())
        });
        names.collect()
    }
}

/// What names a run in an address: when it began, and its process.
pub(super) fn id(run: &RunInfo) -> String {
    let plain = |letter: &char| letter.is_ascii_alphanumeric();
    let time: String = run.started_at.chars().filter(plain).collect();
    format!("{time}-{}", run.process)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::snapshot::{EndKind, SCHEMA};
    use engine::statistics::{Detail, Statistics};
    use gateway::limits::budget::BudgetView;

    fn snapshot(second: usize, state: State) -> Snapshot {
        Snapshot {
            schema: SCHEMA,
            state,
            at: "2026-11-29T04:00:00.000Z".to_owned(),
            run: RunInfo {
                process: 7,
                started_at: format!("2026-11-29T04:{:02}:{:02}.000Z", second / 60, second % 60),
                records: "things".to_owned(),
                ..RunInfo::default()
            },
            end: (state == State::Ended).then_some(End {
                kind: EndKind::Done,
                exit_code: 0,
                cause: None,
            }),
            headline: None,
            progress: Statistics::new(&[], &[]).view(Duration::ZERO),
            lanes: Vec::new(),
            budget: BudgetView::default(),
            memory_bytes: None,
            peak_memory_bytes: None,
            scores: Vec::new(),
            changes: None,
            detail: Detail::default(),
        }
    }

    #[test]
    fn the_newest_runs_are_kept_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::of(&folder.path().join("state.db"));
        assert!(runs.list().is_empty());
        for second in 0..KEPT + 5 {
            runs.keep(&snapshot(second, State::Ended)).unwrap();
        }
        let listed = runs.list();
        assert_eq!(listed.len(), KEPT);
        assert_eq!(listed[0].run, snapshot(KEPT + 4, State::Ended).run);
        let read = runs.read(&listed[0].id).unwrap();
        assert_eq!(read.run, listed[0].run);
    }

    #[test]
    fn a_killed_run_is_kept_before_another_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        let runs = Runs::of(&state);
        runs.keep_killed().unwrap();
        let json = serde_json::to_vec(&snapshot(1, State::Running)).unwrap();
        StatusFile::of(&state).write(&json).unwrap();
        runs.keep_killed().unwrap();
        runs.keep_killed().unwrap();
        let [row] = &runs.list()[..] else {
            panic!("one run")
        };
        assert_eq!(row.state, State::Killed);
    }

    #[test]
    fn no_other_file_can_be_named() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::of(&folder.path().join("state.db"));
        let json = serde_json::to_vec(&snapshot(1, State::Ended)).unwrap();
        fs::write(folder.path().join("other.json"), json).unwrap();
        runs.keep(&snapshot(2, State::Ended)).unwrap();
        for id in ["../other", "..%2fother", "/etc/passwd", "", "."] {
            assert!(runs.read(id).is_none(), "{id}");
        }
    }
}
