//! What is remembered of the objects: which state (ETag) of an object has which bytes, and which file here has them, too. One SQLite
//! file beside the state.
//!
//! It is no part of the state: it belongs to this working copy and this address, and each row can be found out again by reading its
//! object. Who removes the file pays for that reading, and an edit that was made here and is not put yet gives way to the object.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use objects::{Address, Tag};
use rusqlite::{Connection, OptionalExtension, Row, params};
use store::{FileStamp, WrittenFile};
use types::digest::Digest;

use super::MirrorError;

/// A commit is not waited for: what a power cut takes away is found out again.
const SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS place (address TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS object (
    path     TEXT PRIMARY KEY,
    tag      TEXT NOT NULL,
    content  BLOB NOT NULL,
    size     INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode    INTEGER NOT NULL,
    is_own   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TEMP TABLE there (path TEXT PRIMARY KEY, tag TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TEMP TABLE made (path TEXT PRIMARY KEY, content BLOB NOT NULL, is_by_person INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TEMP TABLE made_before (path TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// What was so when an object and a file were equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub tag: Tag,
    /// The bytes of both.
    pub content: Digest,
    pub file: FileStamp,
    /// Whether this project has put the object there.
    pub is_own: bool,
}

/// A file that the state knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub content: Digest,
    pub is_by_person: bool,
}

/// A path of this project, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub path: String,
    pub note: Option<Note>,
    /// The state of the object when the objects were listed.
    pub there: Option<Tag>,
    pub made: Option<Made>,
    /// Whether the state knew it when the objects were listed.
    pub was_made: bool,
}

/// The open file.
pub(super) struct Notes {
    connection: Connection,
    file: PathBuf,
}

impl Notes {
    /// Opens the notes of an address. Those of another one are forgotten.
    pub fn open(file: &Path, address: &Address) -> Result<Notes, MirrorError> {
        // SQLite gives its log the mode of this file. What stands in the way, it says better itself.
        let mut options = OpenOptions::new();
        let _ = options.write(true).create_new(true).mode(0o600).open(file);
        let opened = Connection::open(file).and_then(|connection| {
            connection.execute_batch(SETTINGS)?;
            let told = "SELECT address FROM place";
            let told: Option<String> = connection
                .query_row(told, [], |row| row.get(0))
                .optional()?;
            if told.as_ref() != Some(&address.to_string()) {
                connection.execute_batch("BEGIN; DELETE FROM place; DELETE FROM object")?;
                connection.execute("INSERT INTO place VALUES (?1)", [address.to_string()])?;
                connection.execute_batch("COMMIT")?;
            }
            Ok(connection)
        });
        let file = file.to_owned();
        match opened {
            Ok(connection) => Ok(Notes { connection, file }),
            Err(error) => Err(MirrorError::Notes {
                file,
                cause: error.to_string(),
            }),
        }
    }

    /// What is remembered of an object.
    pub fn note(&self, path: &str) -> Result<Option<Note>, MirrorError> {
        let sql = "SELECT tag, content, size, mtime_ns, inode, is_own FROM object WHERE path = ?1";
        let found = self.connection.prepare_cached(sql).and_then(|mut found| {
            let mut rows = found.query([path])?;
            rows.next()?.map_or(Ok(None), note)
        });
        self.checked(found)
    }

    /// Remembers an object that is equal to a file.
    pub fn remember(&self, path: &str, note: &Note) -> Result<(), MirrorError> {
        let sql = "INSERT OR REPLACE INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let done = self.connection.prepare_cached(sql).and_then(|mut insert| {
            insert.execute(params![
                path,
                note.tag.0,
                note.content.as_bytes(),
                note.file.size.cast_signed(),
                note.file.mtime_ns,
                note.file.inode.cast_signed(),
                note.is_own,
            ])
        });
        self.checked(done.map(drop))
    }

    /// Forgets an object.
    pub fn forget(&self, path: &str) -> Result<(), MirrorError> {
        let done = self
            .connection
            .execute("DELETE FROM object WHERE path = ?1", [path]);
        self.checked(done.map(drop))
    }

    /// Begins a list of what is there.
    pub fn begin_listing(&self) -> Result<(), MirrorError> {
        self.checked(self.connection.execute_batch("DELETE FROM there"))
    }

    /// Adds objects to the list of what is there.
    pub fn add_there(&mut self, objects: &[(String, Tag)]) -> Result<(), MirrorError> {
        let done = self.connection.transaction().and_then(|transaction| {
            let sql = "INSERT OR REPLACE INTO there VALUES (?1, ?2)";
            let mut insert = transaction.prepare_cached(sql)?;
            for (path, tag) in objects {
                insert.execute([path, &tag.0])?;
            }
            drop(insert);
            transaction.commit()
        });
        self.checked(done)
    }

    /// Begins a list of the files that the state knows.
    pub fn begin_made(&self) -> Result<(), MirrorError> {
        self.checked(self.connection.execute_batch("DELETE FROM made"))
    }

    /// Adds files to the list of those that the state knows: the first of a path counts.
    pub fn add_made(&mut self, files: &[WrittenFile]) -> Result<(), MirrorError> {
        let done = self.connection.transaction().and_then(|transaction| {
            let sql = "INSERT OR IGNORE INTO made VALUES (?1, ?2, ?3)";
            let mut insert = transaction.prepare_cached(sql)?;
            for file in files {
                insert.execute(params![
                    file.path,
                    file.content.as_bytes(),
                    file.is_by_person
                ])?;
            }
            drop(insert);
            transaction.commit()
        });
        self.checked(done)
    }

    /// The paths of this project behind one, at most so many.
    pub fn known(&self, after: &str, most: u64) -> Result<Vec<Known>, MirrorError> {
        const SQL: &str = "SELECT one.path, object.tag, object.content, size, mtime_ns, inode, is_own, there.tag, made.content, is_by_person,
                made_before.path IS NOT NULL
            FROM (SELECT path FROM object WHERE path > ?1 UNION SELECT path FROM made WHERE path > ?1 ORDER BY 1 LIMIT ?2) one
            LEFT JOIN object ON object.path = one.path LEFT JOIN there ON there.path = one.path
            LEFT JOIN made ON made.path = one.path LEFT JOIN made_before ON made_before.path = one.path ORDER BY one.path";
        let rows = self.connection.prepare_cached(SQL).and_then(|mut known| {
            let rows = known.query_map(params![after, most.cast_signed()], known_of)?;
            rows.collect()
        });
        self.checked(rows)
    }

    /// Remembers which files the state knows now.
    pub fn keep_made(&self) -> Result<(), MirrorError> {
        const SQL: &str = "DELETE FROM made_before; INSERT INTO made_before SELECT path FROM made";
        self.checked(self.connection.execute_batch(SQL))
    }

    /// The state of an object that this project does not know, if it was there when the objects were listed.
    pub fn stranger(&self, path: &str) -> Result<Option<Tag>, MirrorError> {
        let sql = "SELECT tag FROM there WHERE path = ?1 AND path NOT IN (SELECT path FROM object)
            AND path NOT IN (SELECT path FROM made)";
        let found = self.connection.prepare_cached(sql).and_then(|mut found| {
            let found = found.query_row([path], |row| row.get(0));
            found.optional()
        });
        self.checked(found.map(|tag| tag.map(Tag)))
    }

    /// How many objects are there that this project does not know.
    pub fn strangers(&self) -> Result<u64, MirrorError> {
        let sql = "SELECT count(*) FROM there WHERE path NOT IN (SELECT path FROM object)
            AND path NOT IN (SELECT path FROM made)";
        let count = self.connection.query_row(sql, [], |row| row.get(0));
        self.checked(count.map(i64::cast_unsigned))
    }

    fn checked<T>(&self, result: rusqlite::Result<T>) -> Result<T, MirrorError> {
        result.map_err(|error| MirrorError::Notes {
            file: self.file.clone(),
            cause: error.to_string(),
        })
    }
}

/// A note, from its columns behind the path; none where a column is not what it has to be.
fn note(row: &Row<'_>) -> rusqlite::Result<Option<Note>> {
    note_from(row, 0)
}

fn note_from(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Note>> {
    let Some(tag) = row.get::<_, Option<String>>(first)? else {
        return Ok(None);
    };
    let content: Vec<u8> = row.get(first + 1)?;
    Ok(Digest::from_slice(&content).map(|content| Note {
        tag: Tag(tag),
        content,
        file: FileStamp {
            size: row
                .get(first + 2)
                .map(i64::cast_unsigned)
                .unwrap_or_default(),
            mtime_ns: row.get(first + 3).unwrap_or_default(),
            inode: row
                .get(first + 4)
                .map(i64::cast_unsigned)
                .unwrap_or_default(),
        },
        is_own: row.get(first + 5).unwrap_or_default(),
    }))
}

fn known_of(row: &Row<'_>) -> rusqlite::Result<Known> {
    let content: Option<Vec<u8>> = row.get(8)?;
    let content = content.and_then(|content| Digest::from_slice(&content));
    let is_by_person: Option<bool> = row.get(9)?;
    Ok(Known {
        path: row.get(0)?,
        note: note_from(row, 1)?,
        there: row.get::<_, Option<String>>(7)?.map(Tag),
        was_made: row.get(10)?,
        made: content.map(|content| Made {
            content,
            is_by_person: is_by_person.unwrap_or_default(),
        }),
    })
}
