//! What the files of a state hold when nobody uses them: a file beside the state says it. While a run goes on, it says
//! how far the log reached at the last commit. Once a state is closed in order, it has a checksum of every page.
//!
//! So it is told when the log is removed after a kill, and when any byte of a closed state changes. A seal that is not there
//! or cannot be understood says nothing, and is no fault: a copy of a state needs none.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use siphasher::sip::SipHasher13;

use super::log::{self, Fault, Mark};
use super::{private, write_private};

/// Largest state whose pages are summed, bytes: to read a larger one whenever it is opened and closed takes too long.
const LARGEST: u64 = 256 << 20;
/// Bytes of a page of the state.
const PAGE: usize = 16384;
/// Beginning of the first line while the state is open, and once it is closed.
const OPEN: &str = "open";
const CLOSED: &str = "closed";
/// Stands in the first line where somebody found damage, or behind the one that tells how far the log reached.
const DAMAGED: &str = "damaged";

/// What is known of a state that nobody uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether every byte is as it was when the state was closed; `None` where that is not known.
    pub is_whole: Option<bool>,
    /// Pages that are not as they were, from 1.
    pub changed: Vec<u64>,
    pub log: Option<Fault>,
    /// Whether damage was found before.
    pub is_damaged: bool,
}

impl Found {
    /// Whether every row is to be looked at before the state is used: where something is known to be wrong, and where nothing
    /// is known of a state that is read in a second or two.
    pub fn is_suspect(&self, state: &Path) -> bool {
        let is_small = || fs::metadata(state).is_ok_and(|file| file.len() <= LARGEST);
        self.is_damaged || self.log.is_some() || self.is_whole != Some(true) && is_small()
    }
}

/// Looks at a state, which nobody uses.
///
/// # Errors
/// When its files cannot be read.
pub(super) fn look(state: &Path) -> io::Result<Found> {
    let text = read(state);
    let mut lines = text.lines();
    let first: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    match first.as_slice() {
        [OPEN, mark @ ..] => Ok(Found {
            log: log::check(state, parse(mark))?,
            is_damaged: lines.next() == Some(DAMAGED),
            ..Found::default()
        }),
        [CLOSED, own] => {
            let log = log::check(state, None)?;
            let sums: Vec<&str> = lines.collect();
            // What was not written to its end says nothing.
            let is_known = *own == hex(own_sum(&sums)) && !sums.is_empty();
            let changed = match is_known {
                true => changed(state, &sums)?,
                false => Vec::new(),
            };
            Ok(Found {
                is_whole: is_known.then_some(changed.is_empty() && log.is_none()),
                changed,
                log,
                is_damaged: false,
            })
        }
        other => Ok(Found {
            log: log::check(state, None)?,
            is_damaged: other == [DAMAGED],
            ..Found::default()
        }),
    }
}

/// Whether the log is missing that a killed run left. Cheap: it reads nothing of the log.
pub(super) fn misses_log(state: &Path) -> bool {
    let text = read(state);
    let first: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
    let [OPEN, mark @ ..] = first.as_slice() else {
        return false;
    };
    parse(mark).is_some_and(|mark| mark.frames > 0) && !log::file(state).exists()
}

/// Notes that damage was found, so that the next run looks at every row.
pub(super) fn note_damage(state: &Path) {
    let text = read(state);
    // The log that a killed run left is needed as before.
    let open = text.lines().next().filter(|line| line.starts_with(OPEN));
    let text = open.map_or_else(
        || format!("{DAMAGED}\n"),
        |open| format!("{open}\n{DAMAGED}\n"),
    );
    // What cannot be noted is found again.
    let _ = write_private(&file(state), text.as_bytes());
}

/// The file beside a state.
fn file(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".seal");
    PathBuf::from(name)
}

fn read(state: &Path) -> String {
    let most = LARGEST / PAGE as u64 * 20;
    let mut text = String::new();
    if let Ok(file) = File::open(file(state)) {
        // What is no text is not understood.
        let _ = file.take(most).read_to_string(&mut text);
    }
    text
}

fn hex(sum: u64) -> String {
    format!("{sum:016x}")
}

fn own_sum(sums: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new();
    sums.iter().for_each(|sum| hasher.write(sum.as_bytes()));
    hasher.finish()
}

fn parse(words: &[&str]) -> Option<Mark> {
    let [first, second, frames, one, two] = words else {
        return None;
    };
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    Some(Mark {
        salts: [number(first)?, number(second)?],
        frames: number(frames)?,
        sums: [number(one)?, number(two)?],
    })
}

/// The sums of the pages of a state; none of one that is too large.
fn sums(state: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(state)?;
    let mut sums = Vec::new();
    if file.metadata()?.len() > LARGEST {
        return Ok(sums);
    }
    let mut page = Vec::with_capacity(PAGE);
    loop {
        page.clear();
        (&mut file).take(PAGE as u64).read_to_end(&mut page)?;
        if page.is_empty() {
            return Ok(sums);
        }
        let mut hasher = SipHasher13::new();
        hasher.write(&page);
        sums.push(hex(hasher.finish()));
    }
}

fn changed(state: &Path, known: &[&str]) -> io::Result<Vec<u64>> {
    let sums = sums(state)?;
    let places = 0..sums.len().max(known.len());
    Ok(places
        .filter(|place| sums.get(*place).map(String::as_str) != known.get(*place).copied())
        .map(|place| place as u64 + 1)
        .collect())
}

/// The seal of a state that is open.
#[derive(Debug)]
pub(super) struct Seal {
    state: PathBuf,
    file: File,
    /// What SQLite shares between its connections; it is there from the first use on.
    shared: Option<File>,
    last: Mark,
}

impl Seal {
    /// Breaks the seal of a state, before anything is written to it.
    pub fn break_open(state: &Path) -> io::Result<Seal> {
        let file = private::options().open(file(state))?;
        let seal = Seal {
            state: state.to_owned(),
            file,
            shared: None,
            last: Mark::default(),
        };
        seal.file.set_len(0)?;
        seal.write(Mark::default())?;
        // Else the old seal could come back after a power cut.
        seal.file.sync_data()?;
        Ok(seal)
    }

    /// Notes how far the log reaches, after a commit and before anybody is told of it.
    pub fn note(&mut self) {
        let mark = self.mark().unwrap_or_default();
        if mark != self.last && self.write(mark).is_ok() {
            self.last = mark;
        }
    }

    /// Notes, durably, that no log is needed any more, before it is cut.
    pub fn forget_log(&mut self) -> io::Result<()> {
        self.write(Mark::default())?;
        self.last = Mark::default();
        self.file.sync_data()
    }

    /// Copies the log into the file of the state, and seals that. Where a reader holds the log, both stay as they are.
    pub fn close(&mut self, connection: &Connection) -> io::Result<()> {
        self.forget_log()?;
        let copied = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        self.note();
        copied.map_err(io::Error::other)?;
        let is_one_file = fs::metadata(log::file(&self.state)).map_or(true, |log| log.len() == 0);
        if !is_one_file {
            return Ok(());
        }
        let sums = sums(&self.state)?;
        let lines: Vec<&str> = sums.iter().map(String::as_str).collect();
        let text = format!("{CLOSED} {}\n{}\n", hex(own_sum(&lines)), sums.join("\n"));
        self.file.set_len(0)?;
        self.file.write_all_at(text.as_bytes(), 0)
    }

    fn write(&self, mark: Mark) -> io::Result<()> {
        let Mark {
            salts: [first, second],
            frames,
            sums: [one, two],
        } = mark;
        let line = format!("{OPEN} {first:08x} {second:08x} {frames:08x} {one:08x} {two:08x}\n");
        self.file.write_all_at(line.as_bytes(), 0)
    }

    fn mark(&mut self) -> Option<Mark> {
        if self.shared.is_none() {
            let mut name = self.state.as_os_str().to_owned();
            name.push("-shm");
            self.shared = File::open(name).ok();
        }
        let mut bytes = [0; 100];
        self.shared.as_ref()?.read_exact_at(&mut bytes, 0).ok()?;
        log::mark(&bytes)
    }
}
