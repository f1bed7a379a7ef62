//! What a run would do with the tasks of one record, and why: judged as the run itself judges, and further,
//! since what a component makes of the journal's answers is known without asking. It writes nothing.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::artifact;
use super::input;
use super::judge::{Judge, Verdict};
use super::probe::{Probe, ProbeEnd, probe};
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::change::Change;
use crate::core::class::FailureClass;
use crate::core::decision::{self, Decision, FileState, Kept, LastOutcome, Reason};
use crate::core::digest::Digest;
use crate::core::explain::{self, Cause};
use crate::core::fingerprint;
use crate::core::recipe::Recipe;
use crate::dataset::{Dataset, Record};
use crate::plugin::sandbox::Upstream;
use crate::store::{Checkpoint, IndexedDataset, RecipeId, RecordRef, Store, StoreError};

/// What a run would do with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Leave its file, which is up to date.
    UpToDate,
    /// Leave its file, which a person edited.
    Edited,
    /// Run it.
    Runs,
    /// Run it, and it fails: it comes to that without a new answer.
    Fails {
        /// What kind.
        class: FailureClass,
        /// In words.
        cause: String,
    },
    /// Run it if the file of something that it depends on comes out different.
    DependsOnUpstream,
    /// Nothing, since what it depends on fails.
    Blocked {
        /// The component that fails.
        by: String,
    },
    /// Nothing, since its record cannot be read.
    Unreadable {
        /// Why.
        cause: String,
    },
}

/// One task, as a run would find it.
#[derive(Debug)]
pub struct TaskOutlook {
    /// Name of the component.
    pub component: String,
    /// What a run would do.
    pub outlook: Outlook,
    /// Why it would run.
    pub causes: Vec<Cause>,
    /// What changed since it was made, as far as that is known.
    pub changes: Vec<Change>,
    /// How it ended last.
    pub checkpoint: Option<Checkpoint>,
    /// Path of its file below the output directory.
    pub path: String,
    /// The file as it is now.
    pub file: FileState,
    /// What it would be made from; unknown while an upstream is still to be made.
    pub fingerprint: Option<Digest>,
    /// The generation that it would ask in.
    pub generation: u32,
    /// Bytes of the prompts and data that it is given, where upstreams are still to be made.
    pub given_bytes: u64,
    /// How far it came, where that was tried.
    pub probe: Option<Probe>,
}

/// What dependents would find.
enum Standing {
    Ready {
        path: String,
        content: Digest,
        text: Option<Arc<str>>,
    },
    /// Still to be made.
    Open,
    /// Not to be had.
    Lost { by: String },
}

/// Looks at records.
pub struct Surveyor {
    judge: Judge,
    store: Store,
    indexed: IndexedDataset,
    components: Arc<[Component]>,
    recipes: HashMap<RecipeId, Option<Recipe>>,
}

impl Surveyor {
    /// Over these components, each behind what it depends on.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn new(
        store: &Store,
        dataset: Arc<Dataset>,
        indexed: &IndexedDataset,
        components: &[Component],
        site: SiteConfig,
        output_root: PathBuf,
    ) -> Result<Surveyor, StoreError> {
        Ok(Surveyor {
            judge: Judge {
                dataset,
                site,
                output_root,
                clean: store.last_run_was_clean()?,
            },
            store: store.clone(),
            indexed: indexed.clone(),
            components: components.into(),
            recipes: HashMap::new(),
        })
    }

    /// The state that it looks at.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The components.
    pub(super) fn components(&self) -> Arc<[Component]> {
        Arc::clone(&self.components)
    }

    /// The recipe that a checkpoint's task was made by, if it is known.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn recipe(&mut self, id: RecipeId) -> Result<Option<&Recipe>, StoreError> {
        if !self.recipes.contains_key(&id) {
            let recipe = self.store.recipe(id)?;
            self.recipes.insert(id, recipe);
        }
        Ok(self.recipes.get(&id).and_then(Option::as_ref))
    }

    /// The tasks of one record, in the order of the components. `probed` says whether to find out how far a
    /// task comes, by the place of its component and whether it is to run.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn record(
        &mut self,
        reference: &RecordRef,
        mut probed: impl FnMut(usize, bool) -> bool,
    ) -> Result<Vec<TaskOutlook>, StoreError> {
        let mut checkpoints = self.store.checkpoints(self.indexed.id, &reference.id)?;
        let components = Arc::clone(&self.components);
        let record = self.judge.dataset.read(reference.place);
        let mut standings: Vec<Standing> = Vec::with_capacity(components.len());
        let mut outlooks = Vec::with_capacity(components.len());
        for (place, component) in components.iter().enumerate() {
            let known = checkpoints
                .iter()
                .position(|point| point.component == component.name);
            let checkpoint = known.map(|known| checkpoints.swap_remove(known));
            let task = Looking {
                component,
                checkpoint,
            };
            let (outlook, standing) = match &record {
                Err(error) => task.unreadable(reference, &error.to_string()),
                Ok(record) => {
                    let upstreams: Vec<(&Component, &Standing)> = component
                        .depends_on
                        .iter()
                        .filter_map(|name| {
                            let place = components.iter().position(|other| other.name == *name)?;
                            Some((components.get(place)?, standings.get(place)?))
                        })
                        .collect();
                    self.look(task, record, &upstreams, |runs| probed(place, runs))?
                }
            };
            outlooks.push(outlook);
            standings.push(standing);
        }
        Ok(outlooks)
    }

    fn look(
        &mut self,
        task: Looking<'_>,
        record: &Record,
        upstreams: &[(&Component, &Standing)],
        probed: impl FnOnce(bool) -> bool,
    ) -> Result<(TaskOutlook, Standing), StoreError> {
        let Looking {
            component,
            checkpoint,
        } = task;
        let open: Vec<String> = upstreams
            .iter()
            .filter(|(_, standing)| !matches!(standing, Standing::Ready { .. }))
            .map(|(upstream, _)| upstream.name.clone())
            .collect();
        // What is still to be made has no hash: any that it had before will do, to be told apart later.
        let contents: Vec<(&str, Digest)> = upstreams
            .iter()
            .map(|(upstream, standing)| {
                let content = match standing {
                    Standing::Ready { content, .. } => *content,
                    Standing::Open | Standing::Lost { .. } => Digest::of(b"still to be made"),
                };
                (upstream.name.as_str(), content)
            })
            .collect();
        let verdict = self
            .judge
            .judge(component, record, checkpoint.as_ref(), &contents);
        let changes = self.changes(component, checkpoint.as_ref(), &verdict)?;
        let changes = explain::certain(changes, &open);
        let stored = checkpoint
            .as_ref()
            .map(|point| (point.stored(), point.generation));
        let file = file_state(&verdict);
        let mut outlook = TaskOutlook {
            component: component.name.clone(),
            outlook: Outlook::UpToDate,
            causes: Vec::new(),
            changes,
            path: verdict.given.path.clone(),
            file,
            fingerprint: open.is_empty().then_some(verdict.fingerprint),
            generation: decision::generation(stored, verdict.fingerprint),
            given_bytes: 0,
            probe: None,
            checkpoint,
        };
        let lost = upstreams.iter().find_map(|(_, standing)| match standing {
            Standing::Lost { by } => Some(by.clone()),
            _ => None,
        });
        if let Some(by) = lost {
            outlook.outlook = Outlook::Blocked { by: by.clone() };
            return Ok((outlook, Standing::Lost { by }));
        }
        let ready = |outlook: &TaskOutlook, content, text| Standing::Ready {
            path: outlook.path.clone(),
            content,
            text,
        };
        match verdict.decision {
            Decision::Keep(kept) => {
                outlook.outlook = match kept {
                    Kept::UpToDate => Outlook::UpToDate,
                    Kept::Edited => Outlook::Edited,
                };
                if kept == Kept::UpToDate && probed(false) {
                    outlook.probe =
                        Some(self.probe(component, record, &verdict, upstreams, &outlook)?);
                }
                let content = verdict.content.unwrap_or(verdict.fingerprint);
                let standing = ready(&outlook, content, None);
                Ok((outlook, standing))
            }
            Decision::Run(reason) => {
                let missing = file == FileState::Missing;
                outlook.causes = explain::causes(reason, &outlook.changes, missing, &open);
                let depends = |cause: &Cause| matches!(cause, Cause::DependsOn(_));
                outlook.outlook = if outlook.causes.iter().any(depends) {
                    Outlook::DependsOnUpstream
                } else {
                    Outlook::Runs
                };
                if !open.is_empty() {
                    outlook.given_bytes = given_bytes(component, &verdict);
                    return Ok((outlook, Standing::Open));
                }
                if !probed(true) {
                    return Ok((outlook, Standing::Open));
                }
                let probe = self.probe(component, record, &verdict, upstreams, &outlook)?;
                let standing = match &probe.end {
                    ProbeEnd::Asks { .. } => Standing::Open,
                    ProbeEnd::Fails { class, cause } => {
                        outlook.outlook = Outlook::Fails {
                            class: *class,
                            cause: cause.clone(),
                        };
                        Standing::Lost {
                            by: format!("{} ({class})", component.name),
                        }
                    }
                    ProbeEnd::Made { text } => {
                        let made = Digest::of(text.as_bytes());
                        match verdict.content.filter(|found| *found != made) {
                            Some(found) if reason == Reason::Unclear => {
                                // Not a half-finished write of this text: a person's edit.
                                outlook.outlook = Outlook::Edited;
                                outlook.causes.clear();
                                ready(&outlook, found, None)
                            }
                            _ => ready(&outlook, made, Some(Arc::clone(text))),
                        }
                    }
                };
                outlook.probe = Some(probe);
                Ok((outlook, standing))
            }
        }
    }

    /// What changed since a task was made that was made once.
    fn changes(
        &mut self,
        component: &Component,
        checkpoint: Option<&Checkpoint>,
        verdict: &Verdict,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(point) = checkpoint.filter(|point| {
            point.outcome != LastOutcome::Blocked && point.fingerprint != verdict.fingerprint
        }) else {
            return Ok(Vec::new());
        };
        Ok(match self.recipe(point.recipe)? {
            None => vec![Change::Unknown],
            Some(before) => {
                fingerprint::changes((&component.recipe, &verdict.parts), (before, &point.parts))
            }
        })
    }

    fn probe(
        &self,
        component: &Component,
        record: &Record,
        verdict: &Verdict,
        upstreams: &[(&Component, &Standing)],
        task: &TaskOutlook,
    ) -> Result<Probe, StoreError> {
        let mut texts = Vec::with_capacity(upstreams.len());
        for (upstream, standing) in upstreams {
            let Standing::Ready { path, text, .. } = standing else {
                continue;
            };
            let text = match text {
                Some(text) => text.to_string(),
                None => match fs::read_to_string(self.judge.output_root.join(path)) {
                    Ok(text) => text,
                    Err(error) => {
                        let end = ProbeEnd::Fails {
                            class: FailureClass::Output,
                            cause: format!("cannot read {path}: {error}"),
                        };
                        return Ok(Probe {
                            journaled: 0,
                            sizes: Vec::new(),
                            end,
                        });
                    }
                },
            };
            let json = artifact::as_json(&text, upstream.media_type);
            texts.push(Upstream {
                component: upstream.name.clone(),
                json: json.map(|json| json.to_string()),
                text,
            });
        }
        let input = input::input(component, &self.judge.site, record, &verdict.given, texts);
        probe(&self.store, component, task.generation, input)
    }
}

/// A task before it is judged.
struct Looking<'a> {
    component: &'a Component,
    checkpoint: Option<Checkpoint>,
}

impl Looking<'_> {
    fn unreadable(self, reference: &RecordRef, cause: &str) -> (TaskOutlook, Standing) {
        let outlook = TaskOutlook {
            component: self.component.name.clone(),
            outlook: Outlook::Unreadable {
                cause: cause.to_owned(),
            },
            causes: Vec::new(),
            changes: Vec::new(),
            path: self
                .component
                .output
                .path(&reference.id, &reference.category),
            file: FileState::Missing,
            fingerprint: None,
            generation: self.checkpoint.as_ref().map_or(0, |point| point.generation),
            given_bytes: 0,
            probe: None,
            checkpoint: self.checkpoint,
        };
        (outlook, Standing::Open)
    }
}

/// What the decision saw of the file.
fn file_state(verdict: &Verdict) -> FileState {
    match verdict.decision {
        Decision::Keep(Kept::Edited) | Decision::Run(Reason::Unclear) => FileState::Edited,
        _ if verdict.content.is_none() => FileState::Missing,
        _ => FileState::Intact,
    }
}

fn given_bytes(component: &Component, verdict: &Verdict) -> u64 {
    let prompts: usize = component.prompts.iter().map(|(_, text)| text.len()).sum();
    let given = &verdict.given;
    let data = given.fields.to_string().len() + given.category_fields.to_string().len();
    (prompts + data) as u64
}
