//! What a run would do, judged record by record as the run itself judges, without doing it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::judge::Judge;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::decision::{Decision, Kept};
use crate::core::digest::Digest;
use crate::dataset::Dataset;
use crate::store::{Lease, Store, StoreError};

/// Records that are leased at once.
const BATCH: u64 = 256;

/// What would be done with the tasks of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Name of the component.
    pub component: String,
    /// Would be made.
    pub to_make: u64,
    /// Up to date.
    pub up_to_date: u64,
    /// Edited by hand, and kept.
    pub edited: u64,
    /// Known only when something that it depends on has been made.
    pub depends_on_upstream: u64,
    /// Their record cannot be read.
    pub unreadable: u64,
}

/// Judges every task of a selection.
///
/// # Errors
/// When the state cannot be read.
pub fn survey(
    store: &Store,
    dataset: Arc<Dataset>,
    mut lease: Lease,
    components: &[Component],
    site: SiteConfig,
    output_root: PathBuf,
) -> Result<Vec<Survey>, StoreError> {
    let judge = Judge {
        dataset,
        site,
        output_root,
        clean: store.last_run_was_clean()?,
    };
    let mut surveys: Vec<Survey> = components
        .iter()
        .map(|component| Survey {
            component: component.name.clone(),
            ..Survey::default()
        })
        .collect();
    loop {
        let records = store.lease(&mut lease, BATCH)?;
        if records.is_empty() {
            return Ok(surveys);
        }
        for reference in records {
            let Ok(record) = judge.dataset.read(reference.place) else {
                surveys.iter_mut().for_each(|survey| survey.unreadable += 1);
                continue;
            };
            // Hash of each component's file; none where it is still to be made.
            let mut files: Vec<(&str, Option<Digest>)> = Vec::new();
            for (component, survey) in components.iter().zip(&mut surveys) {
                let upstreams: Option<Vec<(&str, Digest)>> = component
                    .depends_on
                    .iter()
                    .filter_map(|name| files.iter().find(|(known, _)| known == name))
                    .map(|(name, content)| content.map(|content| (*name, content)))
                    .collect();
                let Some(upstreams) = upstreams else {
                    survey.depends_on_upstream += 1;
                    files.push((&component.name, None));
                    continue;
                };
                let checkpoint = reference
                    .checkpoints
                    .iter()
                    .find(|point| point.component == component.name);
                let verdict = judge.judge(component, &record, checkpoint, &upstreams);
                let content = match verdict.decision {
                    Decision::Run(_) => {
                        survey.to_make += 1;
                        None
                    }
                    Decision::Keep(kept) => {
                        match kept {
                            Kept::UpToDate => survey.up_to_date += 1,
                            Kept::Edited => survey.edited += 1,
                        }
                        Some(verdict.content.unwrap_or(verdict.fingerprint))
                    }
                };
                files.push((&component.name, content));
            }
        }
    }
}
