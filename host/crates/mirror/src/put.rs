//! Puts files of the working copy in their places at the address: each by one request, with a checksum, and only where the object is
//! what it was. An object that others changed meanwhile stays, and takes the place of the file here.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use objects::{Condition, ObjectError, Tag};
use store::FileStamp;
use types::digest::Digest;

use super::notes::Note;
use super::{AT_ONCE, Mirror, MirrorError};

/// The first pause before another try, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// A pause is cut short within this time.
const SLICE: Duration = Duration::from_millis(50);
/// Times that an object may change under a write.
const TURNS: u32 = 5;
/// Paths that are named of many.
const NAMED: usize = 5;

/// How long somebody tries.
pub struct Terms {
    /// As long is tried again while the server is out of reach.
    pub patience: Duration,
    /// Whether nothing is to be tried again any more.
    pub is_stopped: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What was done at the address.
#[derive(Debug, Default)]
pub struct Report {
    pub put: u64,
    pub removed: u64,
    /// Files that others changed there meanwhile.
    pub edited: u64,
    /// The first of these, each with the place of what gave way here.
    pub names: Vec<(String, PathBuf)>,
    /// Files that are not there yet.
    pub left: u64,
    /// Why.
    pub failed: Option<MirrorError>,
}

/// What became of one file.
pub(super) enum Done {
    /// It is there.
    Put,
    /// It was there, or there is no such file here.
    Same,
    /// Others changed it there: what was here lies aside.
    Edited(PathBuf),
}

impl Report {
    /// Adds what was done next.
    pub fn add(&mut self, other: Report) {
        self.put += other.put;
        self.removed += other.removed;
        self.edited += other.edited;
        self.left += other.left;
        self.names.extend(other.names);
        self.names.truncate(NAMED);
        if self.failed.is_none() {
            self.failed = other.failed;
        }
    }

    fn note(&mut self, path: String, done: Result<Done, MirrorError>) {
        match done {
            Ok(Done::Put) => self.put += 1,
            Ok(Done::Same) => {}
            Ok(Done::Edited(aside)) => {
                self.edited += 1;
                if self.names.len() < NAMED {
                    self.names.push((path, aside));
                }
            }
            Err(error) => {
                self.left += 1;
                self.failed.get_or_insert(error);
            }
        }
    }
}

impl Mirror {
    /// Puts these files, several at once.
    pub(super) fn put_all(&self, paths: Vec<String>, terms: &Terms) -> Report {
        let report = Mutex::new(Report::default());
        let paths = Mutex::new(paths.into_iter());
        let gave_up = AtomicBool::new(false);
        let next = || paths.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(path) = next() {
                        if gave_up.load(Ordering::Relaxed) {
                            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                            report.left += 1;
                            continue;
                        }
                        let done = self.put_patiently(&path, terms, &gave_up);
                        if matches!(
                            done,
                            Err(MirrorError::Objects(_) | MirrorError::Notes { .. })
                        ) {
                            gave_up.store(true, Ordering::Relaxed);
                        }
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        report.note(path, done);
                    }
                });
            }
        });
        report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries again while the server is out of reach.
    fn put_patiently(
        &self,
        path: &str,
        terms: &Terms,
        gave_up: &AtomicBool,
    ) -> Result<Done, MirrorError> {
        let begun = Instant::now();
        let (mut pause, longest) = PAUSES;
        loop {
            let error = match self.put(path) {
                Err(error @ MirrorError::Objects(ObjectError::Unreachable { .. })) => error,
                done => return done,
            };
            let ends = || {
                begun.elapsed() >= terms.patience
                    || (terms.is_stopped)()
                    || gave_up.load(Ordering::Relaxed)
            };
            let until = Instant::now() + pause;
            while Instant::now() < until && !ends() {
                thread::sleep(SLICE);
            }
            if ends() {
                return Err(error);
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Puts one file.
    fn put(&self, path: &str) -> Result<Done, MirrorError> {
        let Some((bytes, file)) = self.copy.read(path)? else {
            return Ok(Done::Same);
        };
        let content = Digest::of(&bytes);
        let object = self.address().below(path);
        let mut note = self.notes().note(path)?;
        if let Some(note) = note.clone().filter(|note| note.content == content) {
            let is_own = true;
            let note = Note {
                file,
                is_own,
                ..note
            };
            self.notes().remember(path, &note)?;
            return Ok(Done::Same);
        }
        for _ in 0..TURNS {
            let condition = match &note {
                Some(note) => Condition::Unchanged(note.tag.clone()),
                None => Condition::Absent,
            };
            let put = self
                .bucket
                .put(&object, bytes.clone(), &condition, media_type(path));
            match put {
                Ok(tag) => return self.noted(path, tag, content, file),
                Err(ObjectError::Changed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let Some((tag, theirs)) = self.object(path)? else {
                note = None;
                continue;
            };
            let there = Digest::of(&theirs);
            if there == content {
                // An answer was lost, and not the write.
                return self.noted(path, tag, content, file);
            }
            match note {
                Some(known) if known.content == there => note = Some(Note { tag, ..known }),
                _ => {
                    let aside = self.copy.set_aside(path)?;
                    let file = self.copy.write(path, &theirs)?;
                    let note = Note {
                        tag,
                        content: there,
                        file,
                        is_own: false,
                    };
                    self.notes().remember(path, &note)?;
                    return Ok(Done::Edited(aside));
                }
            }
        }
        Err(ObjectError::Changed { address: object }.into())
    }

    /// Remembers a file that is there now.
    fn noted(
        &self,
        path: &str,
        tag: Tag,
        content: Digest,
        file: FileStamp,
    ) -> Result<Done, MirrorError> {
        let note = Note {
            tag,
            content,
            file,
            is_own: true,
        };
        self.notes().remember(path, &note)?;
        Ok(Done::Put)
    }
}

/// What a server tells readers of a file.
fn media_type(path: &str) -> &'static str {
    let extension = Path::new(path).extension().and_then(|end| end.to_str());
    match extension.unwrap_or_default() {
        "md" => "text/markdown; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "yaml" | "yml" => "application/yaml",
        "json" => "application/json",
        "xml" => "application/xml",
        _ => "application/octet-stream",
    }
}
