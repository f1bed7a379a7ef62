//! The folder of files that a person accepted. It follows what is accepted: a copy is put there in one step, and taken away when its
//! file changes, is refused or is gone. A copy that somebody changed there by hand stays as it is.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component as Part, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::below::stays_below;
use super::relocate::remove_empty;
use super::staged::{Directories, Staged};
use super::staleness::StalenessCheck;
use config::component::Component;
use dataset::Dataset;
use plan::verdict::{Giver, Verdict};
use store::{Checkpoint, IndexedDataset, Store, StoreError};
use types::digest::Digest;

/// Records that are looked at together.
const BATCH: u64 = 256;

/// Keeps the folder as it has to be.
pub struct Publisher {
    staleness: StalenessCheck,
    indexed: IndexedDataset,
    components: Vec<Component>,
    folder: PathBuf,
    directories: Mutex<Directories>,
}

/// What was done to the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Copies that were put there.
    pub put: u64,
    /// Copies that were taken away.
    pub withdrawn: u64,
    /// Paths in the folder whose files somebody changed, so that they were left as they are.
    pub foreign: Vec<String>,
    /// Paths for which that failed, with the cause.
    pub failed: Vec<(String, String)>,
}

/// Problems that are told one by one.
const TOLD: usize = 10;

impl Published {
    /// What a person should know, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let failed = self.failed.iter().map(|(path, cause)| {
            format!("{path} cannot be published: {cause}; what was decided is kept, and the next run tries again")
        });
        let foreign = self.foreign.iter().map(|path| {
            format!("{path} was changed in the folder of accepted files, and stays there as it is")
        });
        let all = self.failed.len() + self.foreign.len();
        let more = (all > TOLD).then(|| format!("and {} more", all - TOLD));
        failed.chain(foreign).take(TOLD).chain(more).collect()
    }
}

/// What is done to one file of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Put,
    Withdraw,
    /// The file there is not one of ours.
    Leave,
}

/// What has to be done: `now` is the hash of the file if a person accepted it as it is, `there` that of the copy, and `ours` those
/// of all copies that may be there.
fn step(now: Option<Digest>, there: Option<Digest>, ours: &BTreeSet<Digest>) -> Step {
    match (now, there) {
        (None, None) => Step::Nothing,
        (Some(_), None) => Step::Put,
        (now, there) if now == there => Step::Nothing,
        (_, Some(there)) if !ours.contains(&there) => Step::Leave,
        (Some(_), Some(_)) => Step::Put,
        (None, Some(_)) => Step::Withdraw,
    }
}

/// Whether a path leads nowhere but into the folder that it is relative to.
fn is_plain(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Part::Normal(_)))
}

impl Publisher {
    /// For the files of these components, which are all of the project. `folder` is no part of the output directory.
    pub fn new(
        store: &Store,
        dataset: &Arc<Dataset>,
        indexed: &IndexedDataset,
        components: Vec<Component>,
        output_root: PathBuf,
        folder: PathBuf,
    ) -> Publisher {
        Publisher {
            staleness: StalenessCheck::of_reader(dataset, indexed, store.clone(), output_root),
            indexed: indexed.clone(),
            components,
            directories: Mutex::new(Directories::new(folder.clone())),
            folder,
        }
    }

    /// Sees to the copies of one record. `taken_back` is the hash of a file whose acceptance was taken back just now.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn settle(
        &self,
        record: &str,
        taken_back: Option<Digest>,
    ) -> Result<Published, StoreError> {
        let mut published = Published::default();
        self.record(record, taken_back, &mut published)?;
        Ok(published)
    }

    /// Sees to all copies: those of every record of which persons said something.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn settle_all(&self) -> Result<Published, StoreError> {
        let mut published = Published::default();
        let mut last = String::new();
        loop {
            let store = &self.staleness.store;
            let records = store.reviewed_records(self.staleness.indexed, &last, BATCH)?;
            let Some(end) = records.last() else {
                return Ok(published);
            };
            last.clone_from(end);
            for record in &records {
                self.record(record, None, &mut published)?;
            }
        }
    }

    fn record(
        &self,
        record: &str,
        taken_back: Option<Digest>,
        published: &mut Published,
    ) -> Result<(), StoreError> {
        let store = &self.staleness.store;
        let verdicts = store.verdicts(self.staleness.indexed, record)?;
        let points = store.checkpoints(self.staleness.indexed, record)?;
        let is_there = store.place_of(&self.indexed, record)?.is_some();
        for point in points.iter().filter(|point| is_plain(&point.path)) {
            let given = |verdict: &&Verdict| {
                verdict.giver == Giver::Person && verdict.component == point.component
            };
            let given: Vec<&Verdict> = verdicts.iter().filter(given).collect();
            if given.is_empty() && taken_back.is_none() {
                continue;
            }
            let content = self.content(point).filter(|_| is_there);
            let last = given.iter().rev().find(|one| Some(one.content) == content);
            let now = content.filter(|_| last.is_some_and(|last| last.passes));
            let accepted = given.iter().filter(|one| one.passes);
            let mut ours: BTreeSet<Digest> = accepted.map(|one| one.content).collect();
            ours.extend(content.into_iter().chain(point.content).chain(taken_back));
            match self.file(&point.path, now, &ours) {
                Ok(Step::Nothing) => {}
                Ok(Step::Put) => published.put += 1,
                Ok(Step::Withdraw) => published.withdrawn += 1,
                Ok(Step::Leave) => published.foreign.push(point.path.clone()),
                Err(error) => {
                    let failure = (point.path.clone(), error.to_string());
                    published.failed.push(failure);
                }
            }
        }
        Ok(())
    }

    /// Hash of a task's file, if its component is one of the project and the file can be used.
    fn content(&self, point: &Checkpoint) -> Option<Digest> {
        let mut components = self.components.iter();
        components.find(|component| component.name == point.component)?;
        let task = (point.record.as_str(), point.component.as_str());
        self.staleness.usable(&point.path, task, Some(point))
    }

    fn file(&self, path: &str, now: Option<Digest>, ours: &BTreeSet<Digest>) -> io::Result<Step> {
        let target = self.folder.join(path);
        let there = match store::output_digest(&target) {
            Ok(digest) => Some(digest),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let step = step(now, there, ours);
        match (step, now) {
            (Step::Put, Some(content)) => self.put(path, content, target)?,
            (Step::Withdraw, _) => self.withdraw(&target)?,
            _ => {}
        }
        Ok(step)
    }

    /// Copies a file, if it still is what was accepted.
    fn put(&self, path: &str, content: Digest, target: PathBuf) -> io::Result<()> {
        let text = store::read_output_text(&self.staleness.output_root.join(path))?;
        if Digest::of(text.as_bytes()) != content {
            return Err(io::Error::other("it changes while it is published"));
        }
        let directories = self.directories.lock();
        let mut directories = directories.unwrap_or_else(PoisonError::into_inner);
        Staged::write(target, &text, &mut directories)?.publish(false)?;
        Ok(())
    }

    fn withdraw(&self, target: &Path) -> io::Result<()> {
        let parent = target.parent().unwrap_or(&self.folder);
        stays_below(&self.folder, parent)?;
        fs::remove_file(target)?;
        remove_empty(&self.folder, target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_follows_what_is_accepted_and_is_never_taken_from_a_person() {
        let of = |text: &str| Some(Digest::of(text.as_bytes()));
        let ours: BTreeSet<Digest> = of("new").into_iter().chain(of("old")).collect();
        for (now, there, expected) in [
            (None, None, Step::Nothing),
            (of("new"), None, Step::Put),
            (of("new"), of("new"), Step::Nothing),
            (of("new"), of("old"), Step::Put),
            (of("new"), of("edited"), Step::Leave),
            (None, of("old"), Step::Withdraw),
            (None, of("edited"), Step::Leave),
        ] {
            assert_eq!(step(now, there, &ours), expected, "{now:?} {there:?}");
        }
    }
}
