//! Holds one task against its checkpoint and its file, and decides by the rule in `core::decision`.
//! It reads, and changes nothing: a run and a dry run judge alike.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Map;

use super::input::{self, Given};
use super::output::stamp;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::decision::{self, Decision, FileState};
use crate::core::digest::Digest;
use crate::core::fingerprint::{Ingredients, Parts};
use crate::dataset::{Dataset, Record};
use crate::store::Checkpoint;

/// What judging takes.
pub(super) struct Judge {
    pub dataset: Arc<Dataset>,
    pub site: SiteConfig,
    pub output_root: PathBuf,
    /// Whether the run before this one ended in order.
    pub clean: bool,
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
    /// Judges a task whose upstreams are known by the hashes of their files.
    pub fn judge(
        &self,
        component: &Component,
        record: &Record,
        checkpoint: Option<&Checkpoint>,
        upstreams: &[(&str, Digest)],
    ) -> Verdict {
        let given = input::given(component, &self.dataset, record);
        let (fingerprint, parts) = self.fingerprint(component, record, upstreams);
        let (state, content) = self.on_disk(&given.path, checkpoint);
        let stored = checkpoint.map(Checkpoint::stored);
        let decision = decision::decide(stored, fingerprint, state, self.clean);
        Verdict {
            given,
            fingerprint,
            parts,
            decision,
            content,
        }
    }

    fn fingerprint(
        &self,
        component: &Component,
        record: &Record,
        upstreams: &[(&str, Digest)],
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

    /// The file, held against the checkpoint: by size, time and inode, and by its bytes where those
    /// differ or the last run ended without notice.
    fn on_disk(&self, path: &str, checkpoint: Option<&Checkpoint>) -> (FileState, Option<Digest>) {
        let file = self.output_root.join(path);
        let Ok(metadata) = fs::metadata(&file) else {
            return (FileState::Missing, None);
        };
        let point = checkpoint.filter(|point| point.path == path);
        if self.clean
            && let Some(point) = point
            && point.file == Some(stamp(&metadata))
        {
            return (FileState::Intact, point.content);
        }
        let content = fs::read(&file).ok().map(|bytes| Digest::of(&bytes));
        let written = point.and_then(|point| point.content);
        if content.is_some() && content == written {
            (FileState::Intact, content)
        } else {
            (FileState::Edited, content)
        }
    }
}
