//! Keeps the WAL small. SQLite copies it into the file by itself, but starts it anew only when no reader
//! happens to use it at that moment: under steady readers it would grow for ever.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::log;
use super::seal::Seal;

/// The WAL is cut when it is larger than this, bytes: four times what SQLite itself aims at.
const LIMIT: u64 = 64 << 20;
/// The writer looks so often whether readers have ended theirs, and waits so long before each look. Between two
/// short reads there is little time: it must not sleep through it.
const LOOKS: i32 = 1000;
const PAUSE: Duration = Duration::from_micros(50);
/// It waits so long for anything else.
const USUAL: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Wal {
    file: PathBuf,
    limit: u64,
    /// Size at which it is cut.
    next: u64,
}

impl Wal {
    /// Of the state at `path`.
    pub fn of(path: &Path) -> Wal {
        Wal {
            file: log::file(path),
            limit: LIMIT,
            next: LIMIT,
        }
    }

    /// Bytes; 0 where there is none.
    pub fn size(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |metadata| metadata.len())
    }

    /// Cuts it if it is too large. A reader that goes on reading prevents that: then it is tried again when it
    /// has grown by as much.
    pub fn bound(&mut self, connection: &mut Connection, seal: &mut Seal) {
        let size = self.size();
        if size < self.next {
            return;
        }
        if let Err(error) = seal.forget_log() {
            tracing::debug!("the WAL was not cut: {error}");
            return;
        }
        let cut = connection
            .busy_handler(Some(|looks| {
                std::thread::sleep(PAUSE);
                looks < LOOKS
            }))
            .and_then(|()| connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
        // If the wait stays short, the next busy moment is an error that a rerun mends.
        let _ = connection.busy_timeout(USUAL);
        if let Err(error) = cut {
            tracing::debug!("the WAL was not cut: {error}");
        }
        seal.note();
        self.next = match self.size() {
            left if left < self.limit => self.limit,
            left => left.saturating_add(self.limit),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::schema;

    const SMALL: u64 = 4 << 20;

    fn fill(connection: &mut Connection, wal: &mut Wal, seal: &mut Seal, commits: u32) -> u64 {
        let mut largest = 0;
        for _ in 0..commits {
            connection
                .execute("INSERT INTO note VALUES (randomblob(90000))", [])
                .unwrap();
            seal.note();
            wal.bound(connection, seal);
            largest = largest.max(wal.size());
        }
        largest
    }

    #[test]
    fn it_stays_bounded_over_many_commits_beside_a_reader() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let mut connection = schema::open(&path).unwrap();
        let mut seal = Seal::break_open(&path).unwrap();
        connection
            .execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_size_limit = 1000000; CREATE TABLE note (text BLOB)")
            .unwrap();
        let mut wal = Wal::of(&path);
        (wal.limit, wal.next) = (SMALL, SMALL);

        // One that reads again and again, and so almost always holds some part of the WAL.
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, file) = (Arc::clone(&stop), path.clone());
        let reading = std::thread::spawn(move || {
            let mut reads = 0;
            let reader = schema::open_to_read(&file).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                reader
                    .query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0))
                    .unwrap();
                reads += 1;
            }
            reads
        });
        let largest = fill(&mut connection, &mut wal, &mut seal, 250);
        stop.store(true, Ordering::Relaxed);
        assert!(reading.join().unwrap() > 0);
        // Once it may not have come in between; left to itself SQLite would not have cut it at all.
        assert!(largest < 3 * SMALL, "{largest}");

        // One that does not let go: it grows, nothing fails, and shrinks afterwards.
        let reader = schema::open_to_read(&path).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM note;")
            .unwrap();
        let largest = fill(&mut connection, &mut wal, &mut seal, 150);
        assert!(largest > SMALL + (4 << 20), "{largest}");
        reader.execute_batch("COMMIT").unwrap();
        fill(&mut connection, &mut wal, &mut seal, 150);
        assert!(wal.size() < SMALL + (1 << 20), "{}", wal.size());
    }
}
