//! Review on the page: gives the files that await a decision, and notes what a person decides. Each decision is on disk before it
//! is answered.

mod routes;

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::difference::{DiffLine, difference};
use super::evidence::shown;
use super::markdown::{self, Node};
use super::verdicts::Judged;
use dataset::Dataset;
use engine::{Editing, Published, Publisher, ReviewFilter, ReviewedFile, Reviewer};
use store::{IndexedDataset, KeptVerdict, RecordRef, Selection, Store, StoreError};
use types::digest::Digest;

pub(super) use routes::routes;

/// Files in one answer, unless one record has more.
const FILES: usize = 6;
/// Records that are looked at together.
const BATCH: u64 = 4;
/// Records that are looked at for one answer.
const RECORDS: u64 = 256;
/// Bytes of the key.
const KEY: usize = 16;

/// What a review is about, and who decides.
pub struct Desk {
    pub reviewer: Reviewer,
    pub store: Store,
    pub indexed: IndexedDataset,
    pub dataset: Arc<Dataset>,
    /// Records that are reviewed.
    pub selection: Selection,
    /// Files that are reviewed.
    pub filter: ReviewFilter,
    /// Who decides.
    pub by: String,
    /// What keeps the folder of accepted files, if there is one.
    pub publisher: Option<Publisher>,
    /// What it takes to adopt edits.
    pub editing: Editing,
}

/// A desk that is served, with what was decided at it.
pub(super) struct Serving {
    desk: Desk,
    key: String,
    /// Decisions are noted one after the other, so that each is about the file as it was seen.
    turn: tokio::sync::Mutex<()>,
    counts: Mutex<ReviewCounts>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReviewCounts {
    pub accepted: u64,
    pub refused: u64,
}

/// What was noted.
#[derive(Debug, Serialize)]
pub(super) struct Noted {
    counts: ReviewCounts,
    /// What went wrong with the folder of accepted files.
    warning: Option<String>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReviewError {
    #[error(
        "this file cannot be decided about any more: a file that was refused is made anew by the next run, unless `u` takes that back"
    )]
    NotThere,
    /// The file is another one than the person saw.
    #[error("the file has changed since it was shown")]
    Changed(Box<FileView>),
    /// The text is not what the component promises.
    #[error("{0}")]
    Unfit(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the look at the file ended early")]
    Lost(#[from] tokio::task::JoinError),
}

/// Which files somebody wants to see, among those of the desk.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WantedFiles {
    /// Where the answer before ended.
    after: Option<String>,
    component: Option<String>,
    category: Option<String>,
    below: Option<f64>,
    #[serde(default)]
    held: bool,
    #[serde(default)]
    decided: bool,
}

/// Some files, and where the next ones begin.
#[derive(Debug, Serialize)]
pub(super) struct FilePage {
    files: Vec<FileView>,
    /// Nothing where there are no more.
    after: Option<String>,
    by: String,
    counts: ReviewCounts,
}

/// A file as a person sees it who decides about it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FileView {
    record: String,
    /// Name of the record.
    name: Option<String>,
    category: String,
    component: String,
    path: String,
    /// Hash of the bytes that the decision is about.
    content: String,
    text: String,
    /// Whether that is all of it.
    is_whole: bool,
    /// The text as a tree of elements, where it is Markdown.
    rendered: Option<Vec<Node>>,
    /// What changed since the text that a person accepted last, if that was another.
    difference: Option<Vec<DiffLine>>,
    /// The fields of the record as JSON.
    facts: Option<String>,
    judged: Judged,
}

/// What a person decides.
#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    record: String,
    component: String,
    /// Hash of the bytes that they saw.
    content: String,
    accepts: bool,
    #[serde(default)]
    note: String,
}

/// A text that a person wrote in the place of another.
#[derive(Debug, Deserialize)]
pub(super) struct Edit {
    record: String,
    component: String,
    /// Hash of the bytes that they saw.
    content: String,
    text: String,
}

/// A decision that was taken back.
#[derive(Debug, Serialize)]
pub(super) struct TakenBack {
    record: String,
    component: String,
    accepted: bool,
    /// The file that it was about, if it is still there.
    file: Option<FileView>,
}

impl Serving {
    /// Of a desk, with a new key.
    pub fn new(desk: Desk) -> Result<Serving, getrandom::Error> {
        let mut key = [0; KEY];
        getrandom::fill(&mut key)?;
        Ok(Serving {
            desk,
            key: URL_SAFE_NO_PAD.encode(key),
            turn: tokio::sync::Mutex::new(()),
            counts: Mutex::default(),
        })
    }

    /// What who decides has to show.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether this is the key. Hashes are compared, so that the time that it takes tells nothing of the key.
    pub fn is_key(&self, given: &[u8]) -> bool {
        Sha256::digest(given) == Sha256::digest(&self.key)
    }

    /// What was decided since the start.
    pub fn counts(&self) -> ReviewCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut ReviewCounts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The next files. Where many records have none that is wanted, there may be none in an answer that is not the last.
    pub fn files(&self, wanted: &WantedFiles) -> Result<FilePage, StoreError> {
        let desk = &self.desk;
        let mut page = FilePage {
            files: Vec::new(),
            after: None,
            by: desk.by.clone(),
            counts: self.counts(),
        };
        let Some(selection) = desk.selected(wanted.category.as_ref()) else {
            return Ok(page);
        };
        let lease = desk.store.select(&desk.indexed, &selection)?;
        let begun = match &wanted.after {
            Some(position) => lease.from(position),
            None => Some(lease),
        };
        let Some(mut lease) = begun else {
            return Ok(page);
        };
        let filter = desk.filtered(wanted);
        for _ in 0..RECORDS / BATCH {
            let records = desk.store.lease(&mut lease, BATCH)?;
            if records.is_empty() {
                return Ok(page);
            }
            for record in records {
                let wants = |file: &ReviewedFile| {
                    filter.wants(file)
                        && wanted
                            .component
                            .as_ref()
                            .is_none_or(|name| *name == file.component)
                };
                page.files.extend(desk.views(&record, wants)?);
            }
            if page.files.len() >= FILES {
                break;
            }
        }
        page.after = Some(lease.position());
        Ok(page)
    }

    /// Notes a decision; returns when it is on disk.
    pub async fn decide(self: Arc<Self>, decision: Decision) -> Result<Noted, ReviewError> {
        let _turn = self.turn.lock().await;
        let Decision { accepts, note, .. } = &decision;
        let (accepts, note) = (*accepts, note.as_str());
        let seen = (&*decision.record, &*decision.component, &*decision.content);
        let file = self.seen(seen).await?;
        let desk = &self.desk;
        desk.reviewer.decide(&file, &desk.by, accepts, note).await?;
        self.count(|counts| match accepts {
            true => counts.accepted += 1,
            false => counts.refused += 1,
        });
        self.published(file.record, None).await
    }

    /// The file as it was seen.
    async fn seen(
        self: &Arc<Self>,
        (record, component, content): (&str, &str, &str),
    ) -> Result<ReviewedFile, ReviewError> {
        let found = self.look(record, component).await?;
        let (file, view) = found.ok_or(ReviewError::NotThere)?;
        match file.content.to_string() == content {
            true => Ok(file),
            false => Err(ReviewError::Changed(Box::new(view))),
        }
    }

    /// A file as it is now.
    async fn look(
        self: &Arc<Self>,
        record: &str,
        component: &str,
    ) -> Result<Option<(ReviewedFile, FileView)>, ReviewError> {
        let serving = Arc::clone(self);
        let (record, component) = (record.to_owned(), component.to_owned());
        let look = move || serving.desk.file(&record, &component);
        Ok(tokio::task::spawn_blocking(look).await??)
    }

    /// Puts a person's text in the place of a file's; gives the file as it is then.
    pub async fn edit(self: Arc<Self>, edit: Edit) -> Result<(FileView, Noted), ReviewError> {
        let _turn = self.turn.lock().await;
        let file = self
            .seen((&edit.record, &edit.component, &edit.content))
            .await?;
        let desk = &self.desk;
        let edited = desk.reviewer.edit(&file, &edit.text, &desk.editing).await?;
        if let Some(fault) = edited {
            return Err(ReviewError::Unfit(fault));
        }
        let noted = self.published(file.record, None).await?;
        let now = self.look(&edit.record, &edit.component).await?;
        let (_, view) = now.ok_or(ReviewError::NotThere)?;
        Ok((view, noted))
    }

    /// Sees to the copies of a record in the folder of accepted files, if there is one.
    async fn published(
        self: &Arc<Self>,
        record: String,
        taken_back: Option<Digest>,
    ) -> Result<Noted, ReviewError> {
        let serving = Arc::clone(self);
        let settle = move || match &serving.desk.publisher {
            Some(publisher) => publisher.settle(&record, taken_back),
            None => Ok(Published::default()),
        };
        let published = tokio::task::spawn_blocking(settle).await??;
        let problems = published.problems();
        Ok(Noted {
            counts: self.counts(),
            warning: (!problems.is_empty()).then(|| problems.join("; ")),
        })
    }

    /// Takes back the last decision of who decides here; nothing where there is none.
    pub async fn take_back(self: Arc<Self>) -> Result<(Option<TakenBack>, Noted), ReviewError> {
        let _turn = self.turn.lock().await;
        let Some(taken) = self.desk.reviewer.take_back(&self.desk.by).await? else {
            let noted = Noted {
                counts: self.counts(),
                warning: None,
            };
            return Ok((None, noted));
        };
        let accepted = taken.verdict.passes;
        self.count(|counts| {
            let count = match accepted {
                true => &mut counts.accepted,
                false => &mut counts.refused,
            };
            *count = count.saturating_sub(1);
        });
        let (record, component) = (taken.record, taken.verdict.component);
        let noted = self
            .published(record.clone(), Some(taken.verdict.content))
            .await?;
        let file = self.look(&record, &component).await?;
        let taken = TakenBack {
            record,
            component,
            accepted,
            file: file.map(|(_, view)| view),
        };
        Ok((Some(taken), noted))
    }
}

impl Desk {
    /// The records of the desk, or those of one category; nothing where the category is not among them.
    fn selected(&self, category: Option<&String>) -> Option<Selection> {
        let mut selection = self.selection.clone();
        if let Some(category) = category {
            let known = &mut selection.categories;
            if !known.is_empty() && !known.contains(category) {
                return None;
            }
            *known = vec![category.clone()];
        }
        Some(selection)
    }

    /// What is wanted both at the start and now.
    fn filtered(&self, wanted: &WantedFiles) -> ReviewFilter {
        let belows = self.filter.below.into_iter().chain(wanted.below);
        ReviewFilter {
            held: self.filter.held || wanted.held,
            below: belows.reduce(f64::min),
            decided: self.filter.decided || wanted.decided,
        }
    }

    /// Those files of a record that are wanted.
    fn views(
        &self,
        record: &RecordRef,
        wants: impl Fn(&ReviewedFile) -> bool,
    ) -> Result<Vec<FileView>, StoreError> {
        let mut files = self.reviewer.files(record)?;
        files.retain(|file| wants(file));
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let kept = self.store.kept_verdicts(self.indexed.id, &record.id)?;
        Ok(files
            .iter()
            .map(|file| self.view(record, file, &kept))
            .collect())
    }

    /// One file as it is now.
    fn file(
        &self,
        record: &str,
        component: &str,
    ) -> Result<Option<(ReviewedFile, FileView)>, StoreError> {
        let Some(record) = self.store.find_record(&self.indexed, record)? else {
            return Ok(None);
        };
        let files = self.reviewer.files(&record)?;
        let Some(file) = files.into_iter().find(|file| file.component == component) else {
            return Ok(None);
        };
        let kept = self.store.kept_verdicts(self.indexed.id, &record.id)?;
        let view = self.view(&record, &file, &kept);
        Ok(Some((file, view)))
    }

    fn view(&self, record: &RecordRef, file: &ReviewedFile, kept: &[KeptVerdict]) -> FileView {
        // A record that cannot be read is shown without its fields.
        let known = self.dataset.read(record.place).ok();
        let facts = known.as_ref();
        let facts = facts.and_then(|known| serde_json::to_string_pretty(&known.fields).ok());
        let text = shown(&file.text);
        let is_markdown = file.path.ends_with(".md");
        FileView {
            record: file.record.clone(),
            name: known.map(|known| known.name),
            category: file.category.clone(),
            component: file.component.clone(),
            path: file.path.clone(),
            content: file.content.to_string(),
            is_whole: text.len() == file.text.len(),
            rendered: is_markdown.then(|| markdown::tree(&text)),
            text,
            difference: file
                .accepted_text
                .as_ref()
                .map(|before| difference(before, &file.text)),
            facts: facts.map(|facts| shown(&facts)),
            judged: Judged::new(&file.component, Some(file.content), Some(file), kept),
        }
    }
}
