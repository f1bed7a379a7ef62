//! What a run would do with the tasks of one record, and why: decided as the run itself decides, and further,
//! since what a component makes of the journal's answers is known without asking. It writes nothing.

use std::cell::LazyCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::input::{self, UpstreamText};
use super::intent_log::PendingWrites;
use super::probe::{Probe, ProbeEnd, probe};
use super::record::held_by;
use super::replay::Asking;
use super::sampled::Samples;
use super::staleness::{Staleness, StalenessCheck};
use super::step::TaskFailure;
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Fetching, Record};
use gateway::prefix::Prefixes;
use plan::change::Change;
use plan::decision::{self, Decision, FileState, Kept, LastOutcome, Reason, Rules};
use plan::explain::{self, Cause};
use plan::fingerprint;
use plan::gate::Shut;
use plan::recipe::Recipe;
use plan::sample::Sample;
use plan::upstreams::{Hold, Loss, Upstream, Upstreams};
use plan::verdict::{Feedback, Verdict};
use store::{Checkpoint, IndexedDataset, RecipeId, RecordRef, Store, StoreError};
use types::class::FailureClass;
use types::digest::Digest;

/// Fewest tokens that a provider keeps in its prompt cache.
const LEAST_CACHED: u32 = 1024;

/// What a run would do with a task.
#[derive(Clone, Debug, PartialEq)]
pub enum PlannedAction {
    /// Leave its file, which is up to date.
    UpToDate,
    /// Leave its file, which a person edited.
    Edited,
    /// Leave its file, an edit that was accepted, though something that it was made from has changed.
    Accepted,
    /// Leave its file, which a real model wrote and the offline stand-in would replace.
    FromModel,
    Runs,
    /// Run it, and it fails: it comes to that without a new answer.
    Fails(TaskFailure),
    /// Leave it failed, since it would fail the same way again.
    StaysFailed(TaskFailure),
    /// Run it if the file of something that it depends on comes out different.
    DependsOnUpstream,
    /// Nothing, since what it depends on has failed or fails.
    Blocked {
        /// The component that fails, with the class.
        by: String,
    },
    /// Nothing, since its record is given up.
    Skipped {
        /// The component that fails, with the class.
        by: String,
    },
    /// Nothing, since its record cannot be read.
    Unreadable {
        cause: String,
    },
    /// Nothing, since its record is not in the sample of its component.
    NotSampled(Sample),
}

/// One task, as a run would find it.
#[derive(Debug)]
pub struct TaskPreview {
    /// Name of the component.
    pub component: String,
    /// What a run would do.
    pub action: PlannedAction,
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
    /// There, and only its judge gets it.
    Held {
        path: String,
        content: Digest,
        by: String,
    },
    /// Still to be made.
    Open,
    /// Not to be had.
    Lost { by: String },
}

/// A component that a task depends on, and how it stands; nothing where the task is made without.
type Upstreamed<'a> = Upstream<&'a Component, &'a Standing>;

/// What a run may overwrite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overwriting {
    /// Files that were edited by hand.
    pub edited: bool,
    /// By the offline stand-in, files that a real model wrote.
    pub from_model: bool,
}

/// Looks at records.
pub struct Previewer {
    staleness: StalenessCheck,
    store: Store,
    dataset: Arc<Dataset>,
    components: Arc<[Component]>,
    samples: Samples,
    recipes: HashMap<RecipeId, Option<Recipe>>,
    has_verdicts: bool,
    /// What questions begin with, from so many tokens on as the least that any provider keeps in its cache.
    prefixes: Prefixes,
}

impl Previewer {
    /// Over these components, each behind what it depends on.
    pub fn new(
        store: &Store,
        dataset: Arc<Dataset>,
        indexed: &IndexedDataset,
        components: &[Component],
        site: SiteConfig,
        output_root: PathBuf,
        overwriting: Overwriting,
    ) -> Result<Previewer, StoreError> {
        let left = PendingWrites::by(store.file());
        let clean = left.is_certain_in(store)?;
        Ok(Previewer {
            staleness: StalenessCheck {
                facts: Arc::clone(&dataset) as Arc<_>,
                site,
                output_root,
                store: store.clone(),
                indexed: indexed.id,
                rules: Rules {
                    clean,
                    overwrite_edited: overwriting.edited,
                    stand_in_replaces: overwriting.from_model,
                    ..Rules::default()
                },
                left,
                leased: None,
            },
            dataset,
            store: store.clone(),
            components: components.into(),
            samples: Samples::of(components, store, indexed.id)?,
            recipes: HashMap::new(),
            has_verdicts: store.has_verdicts(indexed.id)?,
            prefixes: Prefixes::from_tokens(LEAST_CACHED),
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
    pub fn recipe(&mut self, id: RecipeId) -> Result<Option<&Recipe>, StoreError> {
        if !self.recipes.contains_key(&id) {
            let recipe = self.store.recipe(id)?;
            self.recipes.insert(id, recipe);
        }
        Ok(self.recipes.get(&id).and_then(Option::as_ref))
    }

    /// The tasks of one record, in the order of the components. `probed` says whether to find out how far a
    /// task comes, by the place of its component and whether it is to run.
    pub fn record(
        &mut self,
        reference: &RecordRef,
        mut probed: impl FnMut(usize, bool) -> bool,
    ) -> Result<Vec<TaskPreview>, StoreError> {
        let mut checkpoints = reference.checkpoints.clone();
        let components = Arc::clone(&self.components);
        let dataset = Arc::clone(&self.dataset);
        // Not read where it is in no sample.
        let record = LazyCell::new(|| dataset.read(reference.place));
        let verdicts = if self.has_verdicts {
            self.store.verdicts(self.staleness.indexed, &reference.id)?
        } else {
            Vec::new()
        };
        let mut standings: Vec<Standing> = Vec::with_capacity(components.len());
        let mut previews = Vec::with_capacity(components.len());
        for (place, component) in components.iter().enumerate() {
            let known = checkpoints
                .iter()
                .position(|point| point.component == component.name);
            let checkpoint = known.map(|known| checkpoints.swap_remove(known));
            let task = Looking {
                component,
                checkpoint,
            };
            let is_made = self.samples.include(&component.name, &reference.id);
            let (preview, standing) = match component.sample.filter(|_| !is_made) {
                Some(sample) => self.not_sampled(task, reference, sample),
                None => match &*record {
                    Err(error) => {
                        let cause = error.to_string();
                        task.not_done(reference, PlannedAction::Unreadable { cause })
                    }
                    Ok(record) => {
                        let before: Vec<(&Component, &Standing)> =
                            components.iter().zip(&standings).collect();
                        self.look(task, record, &before, &verdicts, |runs| probed(place, runs))?
                    }
                },
            };
            previews.push(preview);
            standings.push(standing);
        }
        Ok(previews)
    }

    /// A task that there is not, since its record is not in the sample; a file of it may lie there.
    fn not_sampled(
        &self,
        task: Looking<'_>,
        reference: &RecordRef,
        sample: Sample,
    ) -> (TaskPreview, Standing) {
        let (mut preview, standing) = task.not_done(reference, PlannedAction::NotSampled(sample));
        if let Some(point) = &preview.checkpoint {
            preview.file = {
                let task = (point.record.as_str(), point.component.as_str());
                self.staleness
                    .on_disk(&preview.path, task, Some(point))
                    .state
            };
        }
        (preview, standing)
    }

    /// Looks at one task; `before` are the components before it, and how they would stand.
    fn look(
        &mut self,
        task: Looking<'_>,
        record: &Record,
        before: &[(&Component, &Standing)],
        verdicts: &[Verdict],
        probed: impl FnOnce(bool) -> bool,
    ) -> Result<(TaskPreview, Standing), StoreError> {
        let Looking {
            component,
            checkpoint,
        } = task;
        let (upstreams, hold) = gather(component, before);
        let is_open = |upstream: &&Upstreamed<'_>| matches!(upstream.file, Some(Standing::Open));
        let open = upstreams.iter().filter(is_open);
        let open: Vec<String> = open
            .map(|upstream| upstream.component.name.clone())
            .collect();
        let contents = contents(&upstreams);
        let staleness =
            self.staleness
                .check(component, record, checkpoint.as_ref(), &contents, verdicts);
        let changes = self.changes(component, checkpoint.as_ref(), &staleness)?;
        let stored = checkpoint
            .as_ref()
            .map(|point| (point.stored(), point.generation));
        let mut preview = TaskPreview {
            component: component.name.clone(),
            action: PlannedAction::UpToDate,
            causes: Vec::new(),
            changes: explain::certain(changes, &open),
            path: staleness.path.clone(),
            file: file_state(&staleness),
            fingerprint: open.is_empty().then_some(staleness.made_from.fingerprint),
            generation: decision::generation(stored, staleness.made_from.fingerprint),
            given_bytes: 0,
            probe: None,
            checkpoint,
        };
        // What is needed and not to be had stops it; what gives up the record leaves what is there.
        let runs = matches!(staleness.decision, Decision::Run(_));
        if let Some(hold) = hold.filter(|hold| hold.is_needed || runs) {
            let standing = preview.held_back(hold);
            return Ok((preview, standing));
        }
        let standing = match staleness.decision {
            Decision::Keep(kept) => {
                if kept == Kept::UpToDate && probed(false) {
                    let feedback = &staleness.made_from.feedback;
                    let probe = self.probe(component, record, &upstreams, feedback, &preview)?;
                    preview.probe = Some(probe);
                }
                let standing = preview.kept(kept, staleness);
                held(component, verdicts, kept, standing)
            }
            Decision::StayFailed(class) => {
                preview.stays_failed(class);
                lost(component, class)
            }
            Decision::Run(reason) => {
                preview.run(reason, &open);
                if !open.is_empty() {
                    preview.given_bytes = input::bytes(component, &self.dataset, record);
                    return Ok((preview, Standing::Open));
                }
                if !probed(true) {
                    return Ok((preview, Standing::Open));
                }
                let feedback = &staleness.made_from.feedback;
                let probe = self.probe(component, record, &upstreams, feedback, &preview)?;
                let found = staleness.content;
                let standing = preview.come_out(component, reason, &probe, found, &self.staleness);
                preview.probe = Some(probe);
                standing
            }
        };
        Ok((preview, standing))
    }

    /// What changed since a task was made that was made once.
    fn changes(
        &mut self,
        component: &Component,
        checkpoint: Option<&Checkpoint>,
        staleness: &Staleness,
    ) -> Result<Vec<Change>, StoreError> {
        let Some(point) = checkpoint.filter(|point| {
            point.recipe != RecipeId::NONE && point.fingerprint != staleness.made_from.fingerprint
        }) else {
            return Ok(Vec::new());
        };
        Ok(match self.recipe(point.recipe)? {
            None => vec![Change::Unknown],
            Some(before) => fingerprint::changes(
                (&component.recipe, &staleness.made_from.parts),
                (before, &point.parts),
            ),
        })
    }

    fn probe(
        &self,
        component: &Component,
        record: &Record,
        upstreams: &[Upstreamed<'_>],
        feedback: &Feedback,
        task: &TaskPreview,
    ) -> Result<Probe, StoreError> {
        let mut texts = Vec::with_capacity(upstreams.len());
        for upstream in upstreams {
            let (path, text) = match upstream.file {
                Some(Standing::Ready { path, text, .. }) => (path, text.as_ref()),
                Some(Standing::Held { path, .. }) => (path, None),
                _ => continue,
            };
            let text = match text {
                Some(text) => Arc::clone(text),
                None => match store::read_output_text(&self.staleness.output_root.join(path)) {
                    Ok(text) => text.into(),
                    Err(error) => {
                        let end = ProbeEnd::Fails(TaskFailure {
                            class: FailureClass::Output,
                            cause: format!("cannot read {path}: {error}"),
                        });
                        return Ok(Probe {
                            journaled: 0,
                            sizes: Vec::new(),
                            end,
                        });
                    }
                },
            };
            texts.push((upstream.component, text));
        }
        let upstreams = UpstreamText::of(&texts);
        let input = self.staleness.input(component, record, &upstreams);
        // A picture is fetched when its component is made, and not to be told what that would take.
        let names = &component.input.images;
        let images = self.dataset.images();
        let pictures = input::pictures(images, names, &record.fields, Fetching::Later);
        probe(
            &self.store,
            component,
            Asking {
                generation: task.generation,
                feedback,
            },
            (input, pictures),
            &self.prefixes,
        )
    }
}

impl TaskPreview {
    /// It is not made because of a failure before it.
    fn held_back(&mut self, hold: Hold) -> Standing {
        let by = hold.loss.by;
        let standing = Standing::Lost { by: by.clone() };
        self.action = if hold.is_skipped {
            PlannedAction::Skipped { by }
        } else {
            PlannedAction::Blocked { by }
        };
        standing
    }

    /// Its file stays.
    fn kept(&mut self, kept: Kept, staleness: Staleness) -> Standing {
        self.action = match kept {
            Kept::UpToDate => PlannedAction::UpToDate,
            Kept::Edited => PlannedAction::Edited,
            Kept::Accepted => PlannedAction::Accepted,
            Kept::FromModel => PlannedAction::FromModel,
        };
        Standing::Ready {
            // It is moved only by a run.
            path: staleness.from.unwrap_or_else(|| self.path.clone()),
            content: staleness.content.unwrap_or(staleness.made_from.fingerprint),
            text: None,
        }
    }

    /// It stays as it failed.
    fn stays_failed(&mut self, class: FailureClass) {
        let before = self.checkpoint.as_ref();
        let cause = before.and_then(|point| point.cause.clone());
        self.action = PlannedAction::StaysFailed(TaskFailure {
            class,
            cause: cause.unwrap_or_default(),
        });
    }

    /// It runs, or may.
    fn run(&mut self, reason: Reason, open: &[String]) {
        let stays = self.checkpoint.as_ref().is_some_and(|point| {
            matches!(point.outcome, LastOutcome::Failed(class) if !point.stored().is_tried_again(class))
        });
        let missing = self.file == FileState::Missing;
        self.causes = explain::causes(reason, &self.changes, missing, stays, open);
        let depends = |cause: &Cause| matches!(cause, Cause::DependsOn(_));
        self.action = if self.causes.iter().any(depends) {
            PlannedAction::DependsOnUpstream
        } else {
            PlannedAction::Runs
        };
    }

    /// It runs, and comes so far; `found` is the hash of the file that is there.
    fn come_out(
        &mut self,
        component: &Component,
        reason: Reason,
        probe: &Probe,
        found: Option<Digest>,
        staleness: &StalenessCheck,
    ) -> Standing {
        match &probe.end {
            ProbeEnd::Asks { .. } => Standing::Open,
            ProbeEnd::Fails(failure) => {
                self.action = PlannedAction::Fails(failure.clone());
                lost(component, failure.class)
            }
            ProbeEnd::Made { text } => {
                let made = Digest::of(text.as_bytes());
                match found.filter(|found| *found != made) {
                    Some(found)
                        if reason == Reason::AfterCrash
                            && !staleness.is_half_written(&self.path, text) =>
                    {
                        // Not a half-finished write of this text: a person's edit.
                        self.action = PlannedAction::Edited;
                        self.causes.clear();
                        ready(self, found, None)
                    }
                    _ => ready(self, made, Some(Arc::clone(text))),
                }
            }
        }
    }
}

/// What the components before a task mean for it.
fn gather<'a>(
    component: &Component,
    before: &[(&'a Component, &'a Standing)],
) -> (Vec<Upstreamed<'a>>, Option<Hold>) {
    let mut upstreams = Upstreams::new(&component.depends_on);
    for (other, standing) in before {
        let end = match standing {
            Standing::Lost { by } => Err(Loss {
                by: by.clone(),
                is_parked: false,
            }),
            Standing::Held { by, .. } if component.judges.as_ref() != Some(&other.name) => {
                Err(Loss {
                    by: by.clone(),
                    is_parked: false,
                })
            }
            Standing::Ready { .. } | Standing::Held { .. } | Standing::Open => Ok(*standing),
        };
        upstreams.ended(*other, &other.name, other.on_failure, end);
    }
    upstreams.finish()
}

/// Hashes of the files that a task is made from; `None` for what is left out. What is still to be made has
/// none: any that no file has will do, to be told apart later.
fn contents<'a>(upstreams: &[Upstreamed<'a>]) -> Vec<(&'a str, Option<Digest>)> {
    let of = |standing: &Standing| match standing {
        Standing::Ready { content, .. } | Standing::Held { content, .. } => Some(*content),
        Standing::Open => Some(Digest::of(b"still to be made\xff")),
        Standing::Lost { .. } => None,
    };
    upstreams
        .iter()
        .map(|upstream| (upstream.component.name.as_str(), upstream.file.and_then(of)))
        .collect()
}

fn ready(preview: &TaskPreview, content: Digest, text: Option<Arc<str>>) -> Standing {
    Standing::Ready {
        path: preview.path.clone(),
        content,
        text,
    }
}

/// How a file stands that stays, once its gate was looked at. What nobody judged yet may pass.
fn held(component: &Component, verdicts: &[Verdict], kept: Kept, standing: Standing) -> Standing {
    let gate = component.gate.as_ref();
    let gate = gate.filter(|_| kept == Kept::UpToDate);
    match (gate, standing) {
        (Some(gate), Standing::Ready { path, content, .. })
            if let Some(shut @ Shut::Refused { .. }) =
                gate.holds(verdicts, &component.name, content) =>
        {
            Standing::Held {
                path,
                content,
                by: held_by(&component.name, &shut.in_words()),
            }
        }
        (_, standing) => standing,
    }
}

fn lost(component: &Component, class: FailureClass) -> Standing {
    Standing::Lost {
        by: format!("{} ({class})", component.name),
    }
}

/// A task before it is decided.
struct Looking<'a> {
    component: &'a Component,
    checkpoint: Option<Checkpoint>,
}

impl Looking<'_> {
    /// Nothing is done with it, and nothing that is done depends on it.
    fn not_done(self, reference: &RecordRef, action: PlannedAction) -> (TaskPreview, Standing) {
        let preview = TaskPreview {
            component: self.component.name.clone(),
            action,
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
        (preview, Standing::Open)
    }
}

/// What the decision saw of the file.
fn file_state(staleness: &Staleness) -> FileState {
    match staleness.decision {
        Decision::Keep(Kept::Edited) | Decision::Run(Reason::AfterCrash | Reason::FileEdited) => {
            FileState::Edited
        }
        _ if staleness.content.is_none() => FileState::Missing,
        _ => FileState::Intact,
    }
}
