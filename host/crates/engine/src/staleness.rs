//! Holds one task against its checkpoint and its file, and decides by the rule in `plan::decision`.
//! It reads, and changes nothing. A run and a dry run decide alike.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use super::found::Found;
use super::input::{self, UpstreamText};
use super::intent_log::PendingWrites;
use super::leased::LeasedFiles;
use super::output::stamp;
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Fields, Images, Record};
use gateway::providers::offline;
use plan::decision::{self, Author, Decision, FileState, Kept, LastOutcome, Rules, Stored};
use plan::fingerprint::{FingerprintParts, Ingredients};
use plan::verdict::{Feedback, Verdict};
use plugin::sandbox::Input;
use store::{Checkpoint, IndexedDataset, Store};
use types::digest::Digest;

/// What it takes to hold tasks against their checkpoints and files.
pub(super) struct StalenessCheck {
    /// What is known of categories, and where pictures are.
    pub facts: Arc<dyn Facts>,
    pub site: SiteConfig,
    pub output_root: PathBuf,
    pub store: Store,
    /// Number of the dataset in the index.
    pub indexed: i64,
    pub rules: Rules,
    /// What a killed run left.
    pub left: PendingWrites,
    /// The files, where they are not on this machine.
    pub leased: Option<Arc<LeasedFiles>>,
}

/// What is known beside the record.
pub(super) trait Facts: Send + Sync {
    /// The facts of one category.
    fn of_category(&self, id: &str) -> Option<&Fields>;

    /// Where the pictures of records are; nowhere, on another machine than that of the dataset.
    fn images(&self) -> Option<&Images> {
        None
    }
}

impl Facts for Dataset {
    fn of_category(&self, id: &str) -> Option<&Fields> {
        self.category_fields(id)
    }

    fn images(&self) -> Option<&Images> {
        Some(Dataset::images(self))
    }
}

/// What is to be done with a task, and what it would be made from.
pub(super) struct Staleness {
    /// Path of the task's file below the output directory.
    pub path: String,
    pub made_from: MadeFrom,
    pub decision: Decision,
    /// Hash of the file that is there.
    pub content: Option<Digest>,
    /// Where the file lies that stays, if its task writes elsewhere now.
    pub from: Option<String>,
    /// Why no file can be put there, as far as it is seen without trying.
    pub obstacle: Option<String>,
}

/// What a task would be made from.
pub(super) struct MadeFrom {
    pub fingerprint: Digest,
    pub parts: FingerprintParts,
    /// The fingerprint without feedback.
    pub base: Digest,
    /// What was said about earlier artifacts.
    pub feedback: Feedback,
}

impl StalenessCheck {
    /// For those who look at files and make none.
    pub fn of_reader(
        dataset: &Arc<Dataset>,
        indexed: &IndexedDataset,
        store: Store,
        output_root: PathBuf,
    ) -> StalenessCheck {
        StalenessCheck {
            facts: Arc::clone(dataset) as Arc<_>,
            // Nothing is made, so it does not matter.
            site: SiteConfig::default(),
            output_root,
            indexed: indexed.id,
            rules: Rules::default(),
            left: PendingWrites::by(store.file()),
            store,
            leased: None,
        }
    }

    /// Decides about a task whose upstreams are known by the hashes of their files; `None` for one that is left out. `verdicts` are those on all
    /// artifacts of the record.
    pub fn check(
        &self,
        component: &Component,
        record: &Record,
        checkpoint: Option<&Checkpoint>,
        upstreams: &[(&str, Option<Digest>)],
        verdicts: &[Verdict],
    ) -> Staleness {
        let path = component.output.path(&record.id, &record.category);
        let made_from = self.made_from(component, record, upstreams, verdicts);
        let fingerprint = made_from.fingerprint;
        let asks = component.parameters.as_ref();
        let by_stand_in = asks.is_some_and(|asks| asks.model == offline::NAME);
        let decide = |found: &Found| {
            let stored = checkpoint.map(|point| Stored {
                author: found.author,
                ..point.stored()
            });
            decision::decide(stored, fingerprint, found.state, self.rules, by_stand_in)
        };
        let mut found = self.on_disk(&path, (&record.id, &component.name), checkpoint);
        let is_lost = found.state == FileState::Missing && found.author == Some(Author::Model);
        if is_lost && by_stand_in && !self.rules.stand_in_replaces {
            // A model wrote it for another dataset.
            found.state = FileState::Edited;
            found.content = store::output_digest(&self.output_root.join(&path)).ok();
        }
        let elsewhere = checkpoint
            .filter(|_| found.state == FileState::Missing && found.obstacle.is_none())
            .and_then(|point| self.elsewhere(point, &path));
        if let Some((point, found)) = elsewhere {
            let decision = decide(&found);
            // What would be made again is made where it belongs; what stays is moved.
            let stays = matches!(
                decision,
                Decision::Keep(Kept::Edited | Kept::Accepted | Kept::FromModel)
            );
            if stays || point.author == Some(Author::Person) && !self.rules.overwrite_edited {
                return Staleness {
                    path,
                    made_from,
                    decision,
                    content: found.content,
                    from: Some(point.path.clone()),
                    obstacle: None,
                };
            }
        }
        Staleness {
            path,
            made_from,
            decision: decide(&found),
            content: found.content,
            from: None,
            obstacle: found.obstacle,
        }
    }

    /// The file that a task has where its output lay before, if there is one and no other task writes there now.
    pub fn elsewhere<'a>(
        &self,
        point: &'a Checkpoint,
        path: &str,
    ) -> Option<(&'a Checkpoint, Found)> {
        // A record whose files lie elsewhere is not leased.
        if self.leased.is_some() || point.path == path || point.content.is_none() {
            return None;
        }
        let found = self.on_disk(&point.path, (&point.record, &point.component), Some(point));
        let of_record = || self.store.checkpoints(self.indexed, &point.record);
        let is_taken = || {
            // A state that cannot be read says the safe thing.
            of_record().map_or(true, |points| {
                let mut others = points.iter().filter(|one| one.component != point.component);
                others.any(|other| other.path == point.path && other.content.is_some())
            })
        };
        (found.state != FileState::Missing && !is_taken()).then_some((point, found))
    }

    /// Hash of the file that dependents of a task can use as it is: one that was made, or edited by hand.
    pub fn usable(
        &self,
        path: &str,
        task: (&str, &str),
        checkpoint: Option<&Checkpoint>,
    ) -> Option<Digest> {
        let made = checkpoint.is_some_and(|point| {
            point.outcome == LastOutcome::Done || point.author == Some(Author::Person)
        });
        let found = self.on_disk(path, task, checkpoint);
        match found.state {
            FileState::Edited => found.content,
            FileState::Intact if made => found.content,
            FileState::Intact | FileState::Missing => None,
        }
    }

    /// What the component is given of the record.
    pub fn input(
        &self,
        component: &Component,
        record: &Record,
        upstreams: &[UpstreamText<'_>],
    ) -> Input {
        let none = Fields::default();
        let category = self.facts.of_category(&record.category);
        let category = category.unwrap_or(&none);
        input::prepared(component, &self.site, record, category, upstreams)
    }

    /// What a task would be made from.
    pub fn made_from(
        &self,
        component: &Component,
        record: &Record,
        upstreams: &[(&str, Option<Digest>)],
        verdicts: &[Verdict],
    ) -> MadeFrom {
        let none = Fields::default();
        let nothing = Feedback::default();
        let images: Vec<Digest> = self.facts.images().map_or_else(Vec::new, |images| {
            let fields = component.input.images.iter();
            fields
                .map(|field| images.digest(record.fields.get(field)))
                .collect()
        });
        let mut ingredients = Ingredients {
            recipe: &component.recipe,
            recipe_digest: component.recipe_digest,
            identity: [&record.id, &record.name, &record.category],
            fields: &record.fields,
            category_fields: self.facts.of_category(&record.category).unwrap_or(&none),
            upstreams,
            images: &images,
            feedback: &nothing,
        };
        let (base, parts) = ingredients.fingerprint();
        let feedback = Feedback::of(verdicts, &component.name, base);
        let (fingerprint, parts) = if feedback.is_empty() {
            (base, parts)
        } else {
            ingredients.feedback = &feedback;
            ingredients.fingerprint()
        };
        MadeFrom {
            fingerprint,
            parts,
            base,
            feedback,
        }
    }

    /// Whether the file is the beginning of this text, as a power cut leaves it: cut off, or ending in zeros.
    pub fn is_half_written(&self, path: &str, text: &str) -> bool {
        self.read(path).is_ok_and(|bytes| {
            let written = bytes.iter().rposition(|byte| *byte != 0);
            let written = written.map_or(0, |last| last + 1);
            bytes.len() <= text.len()
                && bytes
                    .get(..written)
                    .is_some_and(|bytes| text.as_bytes().starts_with(bytes))
        })
    }

    /// The bytes of an output file.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match &self.leased {
            Some(leased) => leased.text(path).map(|text| text.as_bytes().to_vec()),
            None => store::read_output(&self.output_root.join(path)),
        }
    }

    /// The text of an output file.
    ///
    /// # Errors
    /// When it cannot be read, or is no text.
    pub fn text(&self, path: &str) -> io::Result<Arc<str>> {
        match &self.leased {
            Some(leased) => leased.text(path).map(Arc::clone),
            None => fs::read_to_string(self.output_root.join(path)).map(Into::into),
        }
    }

    /// The file, held against the checkpoint: by size, time and inode, and by its bytes where those
    /// differ or the last run ended without notice.
    ///
    /// `task` names the record and the component.
    pub fn on_disk(
        &self,
        path: &str,
        task: (&str, &str),
        checkpoint: Option<&Checkpoint>,
    ) -> Found {
        if let Some(leased) = &self.leased {
            return leased.found(path);
        }
        let file = self.output_root.join(path);
        let metadata = match fs::metadata(&file) {
            Ok(metadata) => match store::obstacle(&metadata) {
                Some(obstacle) => return Found::missing(Some(obstacle.to_owned())),
                None => metadata,
            },
            Err(error) if error.kind() == ErrorKind::NotFound => return Found::missing(None),
            Err(error) => return Found::missing(Some(error.to_string())),
        };
        let found = |state, content, author| Found {
            state,
            content,
            author,
            obstacle: None,
        };
        let point = checkpoint.filter(|point| point.path == path);
        if self.rules.clean
            && let Some(point) = point
            && point.file == Some(stamp(&metadata))
        {
            return found(FileState::Intact, point.content, point.author);
        }
        let content = match store::output_digest(&file) {
            Ok(content) => Some(content),
            Err(error) => return Found::missing(Some(format!("cannot read it: {error}"))),
        };
        let (written, author) = match point.map(|point| (point.content, point.author)) {
            Some((Some(content), author)) => (Some(content), author),
            // The output may have lain here before it lay elsewhere. A state that cannot be read says the
            // safe thing: that the file is somebody's.
            _ => match self.store.moved(self.indexed, path).ok().flatten() {
                Some((content, author)) => (Some(content), author),
                None => (None, None),
            },
        };
        if content.is_some() && content == written {
            return found(FileState::Intact, content, author);
        }
        let placed = content.map(|content| (path.to_owned(), content));
        if placed.is_some_and(|placed| self.left.files.contains(&placed)) {
            // Nobody's work is lost when it is replaced.
            return Found::missing(None);
        }
        let made = content.map(|content| {
            self.store
                .made_for_another(self.indexed, task, path, content)
        });
        // Neither is it here. A state that cannot be read says the safe thing, again.
        if let Some(Ok(Some(author))) = made {
            found(FileState::Missing, None, author)
        } else {
            found(FileState::Edited, content, author)
        }
    }
}
