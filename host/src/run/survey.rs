//! What a run would do, judged record by record as the run itself judges, without doing it.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::judge::Judge;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::decision::{Decision, Kept, Rules};
use crate::core::digest::Digest;
use crate::core::policy::FailurePolicy;
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
    /// Failed before, and would only fail the same way again; or cannot be made because of that.
    pub stay_failed: u64,
    /// Their record cannot be read.
    pub unreadable: u64,
}

/// What is known of a component's file.
#[derive(Clone, Copy)]
enum Known {
    /// Hash of the file that is there.
    File(Digest),
    /// It is still to be made.
    Open,
    /// There will be none.
    Lost,
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
        store: store.clone(),
        indexed: lease.dataset(),
        rules: Rules {
            clean: store.last_run_was_clean()?,
            overwrite_edited: false,
            only_chosen: false,
        },
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
            let mut files: Vec<(&Component, Known)> = Vec::new();
            for (component, survey) in components.iter().zip(&mut surveys) {
                let known = files
                    .iter()
                    .filter(|(other, _)| component.depends_on.contains(&other.name));
                let upstreams: Result<Vec<(&str, Option<Digest>)>, Known> = known
                    .map(|(other, known)| match known {
                        Known::File(content) => Ok((other.name.as_str(), Some(*content))),
                        Known::Lost if other.on_failure == FailurePolicy::LeaveOut => {
                            Ok((other.name.as_str(), None))
                        }
                        known => Err(*known),
                    })
                    .collect();
                let mut upstreams = match upstreams {
                    Ok(upstreams) => upstreams,
                    Err(known) => {
                        match known {
                            Known::Lost => survey.stay_failed += 1,
                            Known::Open | Known::File(_) => survey.depends_on_upstream += 1,
                        }
                        files.push((component, known));
                        continue;
                    }
                };
                upstreams.sort_by_key(|(name, _)| {
                    component.depends_on.iter().position(|known| known == name)
                });
                let checkpoint = reference
                    .checkpoints
                    .iter()
                    .find(|point| point.component == component.name);
                let verdict = judge.judge(component, &record, checkpoint, &upstreams);
                let known = match verdict.decision {
                    Decision::Run(_) => {
                        survey.to_make += 1;
                        Known::Open
                    }
                    Decision::StayFailed(_) => {
                        survey.stay_failed += 1;
                        Known::Lost
                    }
                    Decision::Keep(kept) => {
                        match kept {
                            Kept::UpToDate => survey.up_to_date += 1,
                            Kept::Edited => survey.edited += 1,
                        }
                        Known::File(verdict.content.unwrap_or(verdict.fingerprint))
                    }
                };
                files.push((component, known));
            }
        }
    }
}
