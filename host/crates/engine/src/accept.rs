//! Adopts files that were edited by hand: each becomes the artifact of its task, made from what there is now, and stays
//! until it is overwritten on purpose. It changes checkpoints, and no file but one that is put back.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::artifact;
use super::found::Found;
use super::intent_log::PendingWrites;
use super::output::stamp;
use super::staged::{Directories, Staged};
use super::staleness::StalenessCheck;
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Record};
use plan::decision::{Author, FileState, LastOutcome, Rules};
use plan::fingerprint::FingerprintParts;
use plan::verdict::Verdict;
use store::{
    Checkpoint, IndexedDataset, Lease, RecipeId, RecordRef, RunId, Seen, Store, StoreError, TaskId,
};
use types::digest::Digest;
use types::request::Usage;

/// Records that are leased at once.
const BATCH: u64 = 256;

/// What is to be looked at.
pub struct Acceptance {
    pub dataset: Arc<Dataset>,
    pub indexed: IndexedDataset,
    /// The records that are wanted.
    pub lease: Lease,
    /// Components, each behind what it depends on, and whether files of it are wanted.
    pub components: Vec<(Component, bool)>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    pub output_root: PathBuf,
    pub store: Store,
    /// Whether edits that were replaced are put back and adopted, instead of those that are there.
    pub restore: bool,
    /// Whether files are only looked at.
    pub dry_run: bool,
}

/// A file that was edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditedFile {
    /// Path below the output directory.
    pub path: String,
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
    /// Why it is not adopted; `None` if it is.
    pub fault: Option<String>,
}

/// Adopts what was edited, and tells of every such file.
///
/// # Errors
/// When the state cannot be read or written. What was told by then is adopted, or is by the next time.
pub async fn accept(
    mut acceptance: Acceptance,
    mut tell: impl FnMut(EditedFile),
) -> Result<(), StoreError> {
    let components = with_recipes(&mut acceptance).await?;
    let left = PendingWrites::by(acceptance.store.file());
    let staleness = StalenessCheck {
        facts: Arc::clone(&acceptance.dataset) as Arc<_>,
        site: acceptance.site,
        output_root: acceptance.output_root,
        store: acceptance.store.clone(),
        indexed: acceptance.indexed.id,
        rules: Rules {
            clean: true,
            ..Rules::default()
        },
        left,
        leased: None,
    };
    let look = Look {
        dataset: acceptance.dataset,
        staleness,
        components,
        restore: acceptance.restore,
        dry_run: acceptance.dry_run,
    };
    loop {
        let records = acceptance.store.lease(&mut acceptance.lease, BATCH)?;
        if records.is_empty() {
            return Ok(());
        }
        let mut adopted = Vec::new();
        for reference in records {
            adopted.extend(look.record(&reference, &mut tell).await?);
        }
        if !acceptance.dry_run && !adopted.is_empty() {
            acceptance
                .store
                .complete(acceptance.indexed.id, RunId::NONE, adopted)
                .await?;
        }
    }
}

/// A component, whether files of it are wanted, and the number of its recipe.
type Wanted = (Component, bool, RecipeId);

async fn with_recipes(acceptance: &mut Acceptance) -> Result<Vec<Wanted>, StoreError> {
    let mut components = Vec::with_capacity(acceptance.components.len());
    for (component, wanted) in std::mem::take(&mut acceptance.components) {
        let recipe = if acceptance.dry_run {
            RecipeId::NONE
        } else {
            let store = &acceptance.store;
            store
                .note_recipe(component.recipe_digest, &component.recipe)
                .await?
        };
        components.push((component, wanted, recipe));
    }
    Ok(components)
}

/// How records are looked at.
struct Look {
    dataset: Arc<Dataset>,
    staleness: StalenessCheck,
    components: Vec<Wanted>,
    restore: bool,
    dry_run: bool,
}

impl Look {
    /// Tells of each edited file of a record, and returns the checkpoints of those that are adopted.
    async fn record(
        &self,
        reference: &RecordRef,
        tell: &mut impl FnMut(EditedFile),
    ) -> Result<Vec<Checkpoint>, StoreError> {
        // A record that cannot be read is told of by the next run.
        let Ok(record) = self.dataset.read(reference.place) else {
            return Ok(Vec::new());
        };
        let store = &self.staleness.store;
        let verdicts = store.verdicts(self.staleness.indexed, &record.id)?;
        let mut adopted = Vec::new();
        let mut known: Vec<(&Component, Option<Digest>)> = Vec::new();
        for (component, wanted, recipe) in &self.components {
            let before = reference
                .checkpoints
                .iter()
                .find(|point| point.component == component.name);
            let path = component.output.path(&record.id, &record.category);
            let mut found = self
                .staleness
                .on_disk(&path, (&record.id, &component.name), before);
            let edited = Edited {
                staleness: &self.staleness,
                component,
                recipe: *recipe,
                record: &record,
                seen: reference.seen,
                path: &path,
                before,
                verdicts: &verdicts,
            };
            let due = if !*wanted {
                None
            } else if self.restore {
                let put_back = edited.put_back(&found, self.dry_run).await?;
                found = self
                    .staleness
                    .on_disk(&path, (&record.id, &component.name), before);
                put_back
            } else {
                let is_due =
                    found.state == FileState::Edited || edited.is_outdated(found.state, &known);
                is_due.then_some(Ok(()))
            };
            if let Some(due) = due {
                let only_looked_at = self.restore && self.dry_run;
                let checkpoint = due.and_then(|()| match only_looked_at {
                    true => Ok(None),
                    false => edited.adopt(&known).map(Some),
                });
                tell(EditedFile {
                    path: path.clone(),
                    record: record.id.clone(),
                    component: component.name.clone(),
                    fault: checkpoint.as_ref().err().cloned(),
                });
                adopted.extend(checkpoint.ok().flatten());
            }
            known.push((component, found.content));
        }
        Ok(adopted)
    }
}

struct Edited<'a> {
    staleness: &'a StalenessCheck,
    component: &'a Component,
    recipe: RecipeId,
    record: &'a Record,
    seen: Seen,
    path: &'a str,
    before: Option<&'a Checkpoint>,
    /// What was said about artifacts of the record.
    verdicts: &'a [Verdict],
}

impl Edited<'_> {
    /// Whether it was accepted before, and something that it was made from has changed since.
    fn is_outdated(&self, state: FileState, known: &[(&Component, Option<Digest>)]) -> bool {
        let accepted = self
            .before
            .filter(|point| state == FileState::Intact && point.author == Some(Author::Person));
        accepted.is_some_and(|point| {
            point.outcome != LastOutcome::Done || point.fingerprint != self.fingerprint(known).0
        })
    }

    /// Puts the edit back that was replaced last; nothing where none was, or where it is there. The edit of another that
    /// takes its place now is kept, too.
    async fn put_back(
        &self,
        found: &Found,
        dry_run: bool,
    ) -> Result<Option<Result<(), String>>, StoreError> {
        let store = &self.staleness.store;
        let task = TaskId {
            dataset: self.staleness.indexed,
            record: self.record.id.clone(),
            component: self.component.name.clone(),
        };
        let Some(kept) = store.kept_edit(&task)? else {
            return Ok(None);
        };
        if found.content == Some(Digest::of(&kept.text)) {
            return Ok(None);
        }
        if found.state == FileState::Edited {
            let fault = "it was edited since then; accept that, or move it away".to_owned();
            return Ok(Some(Err(fault)));
        }
        let Ok(text) = String::from_utf8(kept.text) else {
            return Ok(Some(Err("the edit is not text in UTF-8".to_owned())));
        };
        if let Some(fault) = artifact::fault(&text, self.component.media_type) {
            return Ok(Some(Err(fault)));
        }
        if dry_run {
            return Ok(Some(Ok(())));
        }
        let file = self.staleness.output_root.join(self.path);
        if found.author == Some(Author::Person)
            && let Ok(text) = store::read_output(&file)
        {
            store.keep_edit(&task, self.path, text).await?;
        }
        if !kept.is_sound {
            tracing::warn!(
                "the state is damaged: the edit of {} may not be as it was",
                self.path
            );
        }
        let mut known = Directories::new(self.staleness.output_root.clone());
        let written =
            Staged::write(file, &text, &mut known).and_then(|mut staged| staged.publish(false));
        Ok(Some(
            written
                .map(|_| ())
                .map_err(|error| format!("it cannot be written: {error}")),
        ))
    }

    /// What it would be made from now.
    fn fingerprint(&self, known: &[(&Component, Option<Digest>)]) -> (Digest, FingerprintParts) {
        let upstreams: Vec<(&str, Option<Digest>)> = self
            .component
            .depends_on
            .iter()
            .filter_map(|name| known.iter().find(|(other, _)| other.name == *name))
            .map(|(other, content)| (other.name.as_str(), *content))
            .collect();
        let made_from =
            self.staleness
                .made_from(self.component, self.record, &upstreams, self.verdicts);
        (made_from.fingerprint, made_from.parts)
    }

    /// The checkpoint that it gets, or why it gets none.
    fn adopt(&self, known: &[(&Component, Option<Digest>)]) -> Result<Checkpoint, String> {
        let file = self.staleness.output_root.join(self.path);
        let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
        // Looked at first: a change while it is being read is then found by the next run.
        let metadata = fs::metadata(&file).map_err(cannot)?;
        let text = store::read_output_text(&file).map_err(cannot)?;
        if let Some(fault) = artifact::fault(&text, self.component.media_type) {
            return Err(fault);
        }
        let (fingerprint, parts) = self.fingerprint(known);
        let before = Checkpoint {
            record: self.record.id.clone(),
            component: self.component.name.clone(),
            outcome: LastOutcome::Done,
            cause: None,
            parked: false,
            attempts: 0,
            generation: self.before.map_or(0, |point| point.generation),
            fingerprint,
            recipe: self.recipe,
            seen: self.seen,
            parts,
            path: self.path.to_owned(),
            file: None,
            content: None,
            author: None,
            left: None,
            model: None,
            executions: 0,
            calls: 0,
            usage: Usage::default(),
            worker: None,
        }
        .keep_file(self.before);
        Ok(Checkpoint {
            file: Some(stamp(&metadata)),
            content: Some(Digest::of(text.as_bytes())),
            author: Some(Author::Person),
            ..before
        })
    }
}
