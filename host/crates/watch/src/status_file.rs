//! The last snapshot of a run, in a file beside the state: for other processes, and for afterwards. It is put in
//! its place at once and never synced, so it costs nothing; what matters is in the state. Whether a run that it
//! tells of still runs is known by the state's lock.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::snapshot::{Snapshot, State};
use store::Store;

/// Where the last snapshot lies.
#[derive(Clone, Debug)]
pub struct StatusFile {
    path: PathBuf,
    temporary: PathBuf,
}

/// How the runs on a state stand.
#[derive(Debug)]
pub enum Standing {
    /// There is a run to tell of.
    Run(Box<Snapshot>),
    /// A process holds the state and has not said anything yet, or is no run.
    Held(u32),
    Nothing,
}

impl StatusFile {
    /// That of a state. Only who holds the state's lock writes it.
    pub fn of(state: &Path) -> StatusFile {
        let beside = |ending: &str| {
            let mut name = state.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        StatusFile {
            path: beside(".status.json"),
            temporary: beside(".status.json.tmp"),
        }
    }

    /// Puts a snapshot in the place of the one before.
    pub fn write(&self, json: &[u8]) -> io::Result<()> {
        store::write_private(&self.temporary, json)?;
        fs::rename(&self.temporary, &self.path)
    }

    /// The last one, if there is one that this version understands.
    pub fn read(&self) -> Option<Snapshot> {
        serde_json::from_slice(&fs::read(&self.path).ok()?).ok()
    }
}

/// How the runs on a state stand.
///
/// # Errors
/// When the lock cannot be looked at.
pub fn standing(state: &Path) -> io::Result<Standing> {
    // Looked at first: a run that ends between the two has written its end by then.
    let holder = Store::holder(state)?;
    let snapshot = StatusFile::of(state).read();
    Ok(match (snapshot, holder) {
        (Some(mut snapshot), holder) => {
            let runs = holder.is_some_and(|holder| holder.process == snapshot.run.process);
            if snapshot.state == State::Running && !runs {
                snapshot.state = State::Killed;
            }
            match holder {
                // A run that begins has not said anything yet, and that of before would be taken for it.
                Some(holder) if !runs && !holder.reviews => Standing::Held(holder.process),
                _ => Standing::Run(Box::new(snapshot)),
            }
        }
        (None, Some(holder)) => Standing::Held(holder.process),
        (None, None) => Standing::Nothing,
    })
}
