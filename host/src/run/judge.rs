//! Holds one task against its checkpoint and its file, and decides by the rule in `core::decision`.
//! It reads, and changes nothing: a run and a dry run judge alike.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Map;

use super::input::{self, Given};
use super::output::stamp;
use super::unfinished::Left;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::decision::{self, Decision, FileState, LastOutcome, Rules};
use crate::core::digest::Digest;
use crate::core::fingerprint::{Ingredients, Parts};
use crate::dataset::{Dataset, Record};
use crate::store::{Checkpoint, Store};

/// What judging takes.
pub(super) struct Judge {
    pub dataset: Arc<Dataset>,
    pub site: SiteConfig,
    pub output_root: PathBuf,
    pub store: Store,
    /// Number of the dataset in the index.
    pub indexed: i64,
    pub rules: Rules,
    /// What a killed run left.
    pub left: Left,
}

/// What is to be done with a task, and what it would be made from.
pub(super) struct Verdict {
    pub given: Given,
    pub fingerprint: Digest,
    pub parts: Parts,
    pub decision: Decision,
    /// Hash of the file that is there.
    pub content: Option<Digest>,
}

impl Judge {
    /// Judges a task whose upstreams are known by the hashes of their files; `None` for one that is left out.
    pub fn judge(
        &self,
        component: &Component,
        record: &Record,
        checkpoint: Option<&Checkpoint>,
        upstreams: &[(&str, Option<Digest>)],
    ) -> Verdict {
        let given = input::given(component, &self.dataset, record);
        let (fingerprint, parts) = self.fingerprint(component, record, upstreams);
        let (state, content) = self.on_disk(&given.path, checkpoint);
        let stored = checkpoint.map(Checkpoint::stored);
        let decision = decision::decide(stored, fingerprint, state, self.rules);
        Verdict {
            given,
            fingerprint,
            parts,
            decision,
            content,
        }
    }

    /// Hash of the file that dependents of a task can use as it is: one that was made, or edited by hand.
    pub fn usable(&self, path: &str, checkpoint: Option<&Checkpoint>) -> Option<Digest> {
        let made = checkpoint.is_some_and(|point| point.outcome == LastOutcome::Done);
        match self.on_disk(path, checkpoint) {
            (FileState::Edited, content) => content,
            (FileState::Intact, content) if made => content,
            (FileState::Intact | FileState::Missing, _) => None,
        }
    }

    /// The fingerprint of a task, and its parts.
    pub fn fingerprint(
        &self,
        component: &Component,
        record: &Record,
        upstreams: &[(&str, Option<Digest>)],
    ) -> (Digest, Parts) {
        let none = Map::new();
        Ingredients {
            recipe: &component.recipe,
            recipe_digest: component.recipe_digest,
            identity: [&record.id, &record.name, &record.category],
            fields: &record.fields,
            category_fields: self
                .dataset
                .category_fields(&record.category)
                .unwrap_or(&none),
            upstreams,
        }
        .fingerprint()
    }

    /// Whether the file is the beginning of this text, as a power cut leaves it: cut off, or ending in zeros.
    pub fn is_half_written(&self, path: &str, text: &str) -> bool {
        let file = self.output_root.join(path);
        fs::read(file).is_ok_and(|bytes| {
            let written = bytes.iter().rposition(|byte| *byte != 0);
            let written = written.map_or(0, |last| last + 1);
            bytes.len() <= text.len()
                && bytes
                    .get(..written)
                    .is_some_and(|bytes| text.as_bytes().starts_with(bytes))
        })
    }

    /// The file, held against the checkpoint: by size, time and inode, and by its bytes where those
    /// differ or the last run ended without notice.
    pub fn on_disk(
        &self,
        path: &str,
        checkpoint: Option<&Checkpoint>,
    ) -> (FileState, Option<Digest>) {
        let file = self.output_root.join(path);
        let Ok(metadata) = fs::metadata(&file) else {
            return (FileState::Missing, None);
        };
        let point = checkpoint.filter(|point| point.path == path);
        if self.rules.clean
            && let Some(point) = point
            && point.file == Some(stamp(&metadata))
        {
            return (FileState::Intact, point.content);
        }
        let content = fs::read(&file).ok().map(|bytes| Digest::of(&bytes));
        let written = match point.and_then(|point| point.content) {
            // The output may have lain here before it lay elsewhere. A state that cannot be read says the
            // safe thing: that the file is somebody's.
            None => self.store.moved(self.indexed, path).ok().flatten(),
            written => written,
        };
        let found = content.map(|content| (path.to_owned(), content));
        if content.is_some() && content == written {
            (FileState::Intact, content)
        } else if found.is_some_and(|found| self.left.files.contains(&found)) {
            // Nobody's work is lost when it is replaced.
            (FileState::Missing, None)
        } else {
            (FileState::Edited, content)
        }
    }
}
