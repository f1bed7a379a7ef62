//! What persons decide about files: finds what awaits a decision, and notes what was decided. It changes no file but one that they
//! edit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::accept::{Acceptance, accept};
use super::staged::{Directories, Staged};
use super::staleness::StalenessCheck;
use config::SiteConfig;
use config::component::Component;
use dataset::Dataset;
use plan::verdict::{Giver, Verdict};
use store::{IndexedDataset, KeptVerdict, RecordRef, Selection, Store, StoreError, TaskId};
use types::digest::Digest;

/// A file that a person may decide about.
#[derive(Clone, Debug)]
pub struct ReviewedFile {
    /// Id of the record.
    pub record: String,
    pub category: String,
    /// Name of the component.
    pub component: String,
    /// Path below the output directory.
    pub path: String,
    /// Hash of its bytes.
    pub content: Digest,
    /// Its text, as it is now.
    pub text: String,
    /// What was said about these bytes, in the order in which it was given.
    pub verdicts: Vec<Verdict>,
    /// Why its gate holds it, if it does.
    pub held: Option<String>,
    /// What a person said of these bytes last: whether they accepted them.
    pub accepted: Option<bool>,
    /// The worst score that a judge gave these bytes last.
    pub score: Option<f64>,
    /// The text that a person accepted last, if it was another.
    pub accepted_text: Option<String>,
}

/// Which files a person wants to decide about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReviewFilter {
    /// Only those that a gate holds.
    pub held: bool,
    /// Only those to which a judge gave less than this.
    pub below: Option<f64>,
    /// Also those that somebody decided about, as they are now.
    pub decided: bool,
}

impl ReviewFilter {
    /// Whether a file is among those that are wanted.
    pub fn wants(&self, file: &ReviewedFile) -> bool {
        let is_below = |least| file.score.is_some_and(|score| score < least);
        (self.decided || file.accepted.is_none())
            && (!self.held || file.held.is_some())
            && self.below.is_none_or(is_below)
    }
}

/// What it takes to adopt edits.
pub struct Editing {
    pub dataset: Arc<Dataset>,
    pub indexed: IndexedDataset,
    /// The components whose files may be edited and what they depend on, each behind what it depends on.
    pub components: Vec<Component>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
}

/// Looks at files, and notes decisions.
pub struct Reviewer {
    staleness: StalenessCheck,
    dataset: i64,
    components: Vec<Component>,
}

impl Reviewer {
    /// Over the files of these components.
    pub fn new(
        store: &Store,
        dataset: &Arc<Dataset>,
        indexed: &IndexedDataset,
        components: Vec<Component>,
        output_root: PathBuf,
    ) -> Reviewer {
        Reviewer {
            staleness: StalenessCheck::of_reader(dataset, indexed, store.clone(), output_root),
            dataset: indexed.id,
            components,
        }
    }

    /// The files of a record, in the order of the components. What is no text is left out.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn files(&self, record: &RecordRef) -> Result<Vec<ReviewedFile>, StoreError> {
        let store = &self.staleness.store;
        let verdicts = store.verdicts(self.dataset, &record.id)?;
        let mut files = Vec::new();
        for component in &self.components {
            let mut points = record.checkpoints.iter();
            let point = points.find(|point| point.component == component.name);
            let path = component.output.path(&record.id, &record.category);
            let Some(content) = self
                .staleness
                .usable(&path, (&record.id, &component.name), point)
            else {
                continue;
            };
            let file = self.staleness.output_root.join(&path);
            let Ok(text) = store::read_output_text(&file) else {
                continue;
            };
            let task = self.task(&record.id, &component.name);
            let accepted_text = store.accepted_text(&task)?;
            files.push(reviewed(
                (record, component),
                (path, content, text),
                &verdicts,
                accepted_text,
            ));
        }
        Ok(files)
    }

    /// Notes what a person says of a file as it is. What is refused is made anew by the next run, with `note` as feedback.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn decide(
        &self,
        file: &ReviewedFile,
        by: &str,
        accepts: bool,
        note: &str,
    ) -> Result<(), StoreError> {
        let verdict = Verdict {
            component: file.component.clone(),
            content: file.content,
            giver: Giver::Person,
            name: by.to_owned(),
            basis: None,
            passes: accepts,
            score: None,
            scores: std::collections::BTreeMap::new(),
            reason: note.trim().to_owned(),
            asked_again: None,
        };
        let text = accepts.then(|| file.text.clone());
        let store = &self.staleness.store;
        store
            .review(self.dataset, &file.record, verdict, text)
            .await
    }

    /// Adopts a file that a person edited, as `accept` does; says why not, where its component promises something else.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub async fn adopt(
        &self,
        file: &ReviewedFile,
        editing: &Editing,
    ) -> Result<Option<String>, StoreError> {
        let store = &self.staleness.store;
        let selection = Selection {
            records: vec![file.record.clone()],
            ..Selection::default()
        };
        let acceptance = Acceptance {
            dataset: Arc::clone(&editing.dataset),
            indexed: editing.indexed.clone(),
            lease: store.select(&editing.indexed, &selection)?,
            components: editing.needed(&file.component),
            site: editing.site.clone(),
            output_root: self.staleness.output_root.clone(),
            store: store.clone(),
            restore: false,
            dry_run: false,
        };
        let mut fault = None;
        accept(acceptance, |edited| fault = edited.fault).await?;
        Ok(fault)
    }

    /// Puts another text in the place of a file's and adopts it. Where that is refused, the file is as it was; says why then.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub async fn edit(
        &self,
        file: &ReviewedFile,
        text: &str,
        editing: &Editing,
    ) -> Result<Option<String>, StoreError> {
        if let Err(error) = self.write(&file.path, text) {
            return Ok(Some(format!("it cannot be written: {error}")));
        }
        let fault = self.adopt(file, editing).await?;
        if fault.is_some()
            && let Err(error) = self.write(&file.path, &file.text)
        {
            tracing::warn!("{} cannot be put back: {error}", file.path);
        }
        Ok(fault)
    }

    fn write(&self, path: &str, text: &str) -> std::io::Result<()> {
        let root = &self.staleness.output_root;
        let mut directories = Directories::new(root.clone());
        Staged::write(root.join(path), text, &mut directories)?.publish(false)?;
        Ok(())
    }

    /// Takes back what a person decided last, and returns it.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn take_back(&self, by: &str) -> Result<Option<KeptVerdict>, StoreError> {
        self.staleness.store.take_back(self.dataset, by).await
    }

    fn task(&self, record: &str, component: &str) -> TaskId {
        TaskId {
            dataset: self.dataset,
            record: record.to_owned(),
            component: component.to_owned(),
        }
    }
}

impl Editing {
    /// A component and what it depends on, and whether it is that component.
    fn needed(&self, name: &str) -> Vec<(Component, bool)> {
        let mut wanted = BTreeSet::from([name]);
        for component in self.components.iter().rev() {
            if wanted.contains(component.name.as_str()) {
                wanted.extend(component.depends_on.iter().map(String::as_str));
            }
        }
        let needed = self.components.iter();
        let needed = needed.filter(|component| wanted.contains(component.name.as_str()));
        needed
            .map(|component| (component.clone(), component.name == name))
            .collect()
    }
}

fn reviewed(
    (record, component): (&RecordRef, &Component),
    (path, content, text): (String, Digest, String),
    verdicts: &[Verdict],
    accepted_text: Option<String>,
) -> ReviewedFile {
    let own: Vec<Verdict> = verdicts
        .iter()
        .filter(|verdict| verdict.component == component.name && verdict.content == content)
        .cloned()
        .collect();
    let last = |giver: Giver| own.iter().rev().find(move |one| one.giver == giver);
    let gate = component.gate.as_ref();
    let shut = gate.and_then(|gate| gate.holds(&own, &component.name, content));
    ReviewedFile {
        record: record.id.clone(),
        category: record.category.clone(),
        component: component.name.clone(),
        path,
        content,
        held: shut.map(|shut| shut.in_words()),
        accepted: last(Giver::Person).map(|verdict| verdict.passes),
        score: last(Giver::Judge).and_then(|verdict| verdict.score),
        accepted_text: accepted_text.filter(|before| *before != text),
        text,
        verdicts: own,
    }
}
