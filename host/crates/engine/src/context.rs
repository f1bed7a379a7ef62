//! What all tasks of a run share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::elsewhere::Elsewhere;
use super::held::Held;
use super::intent_log::{IntentLog, PendingWrites};
use super::interrupt::Interrupt;
use super::leased::{LeasedFiles, Terms};
use super::ledger::Ledger;
use super::likeness::Likeness;
use super::meter::{Event, Meter, Report};
use super::output::Output;
use super::repeated::RepeatedFailures;
use super::run::{Run, RunError};
use super::sampled::Samples;
use super::staleness::{Facts, StalenessCheck};
use super::workplace::Workplace;
use super::writable::check_output;
use crate::batches::Batches;
use config::SiteConfig;
use config::component::Component;
use dataset::Record;
use gateway::Gateway;
use plan::decision::Rules;
use plan::verdict::Verdict;
use plugin::pool::Pool;
use store::{IndexedDataset, RecipeId, RunId, Store, StoreError};
use types::class::FailureClass;

/// What all tasks of a run share.
pub(super) struct Context {
    pub staleness: StalenessCheck,
    pub indexed: IndexedDataset,
    pub components: Arc<[Component]>,
    /// The records that they are made for.
    pub samples: Samples,
    /// The texts that no other one may be like.
    pub likeness: Likeness,
    pub workplace: Workplace,
    pub store: Store,
    pub gateway: Arc<Gateway<Store>>,
    pub batches: Option<Arc<Batches>>,
    pub waits: bool,
    pub pool: Pool,
    pub meter: Arc<Meter>,
    pub interrupt: Interrupt,
    pub run: RunId,
    /// The span of the run, to which those of its tasks are linked.
    pub span: tracing::Span,
    pub repeated: Arc<RepeatedFailures>,
    /// Other machines that perform records.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// What tasks hold in memory.
    pub held: Arc<Held>,
    /// Whether no file can be there that the state does not know.
    pub clean: bool,
    /// Why no task of this record may be performed at all, if so.
    pub deadly: Option<String>,
    /// Whether anything may have been said about artifacts.
    has_verdicts: bool,
    /// Recipe of each component, in their order.
    recipes: Arc<[RecipeId]>,
    /// The categories of the records that are wanted.
    categories: Vec<String>,
    /// Whether the output can be written, once somebody had to know.
    writable: OnceLock<bool>,
    fatal: Mutex<Option<RunError>>,
    spent_all: AtomicBool,
}

/// What the tasks of one leased record share.
pub(super) struct Leased {
    pub dataset: i64,
    pub rules: Rules,
    pub recipes: Arc<[RecipeId]>,
    pub facts: Arc<dyn Facts>,
    pub files: Arc<LeasedFiles>,
    pub ledger: Arc<Ledger>,
    pub meter: Arc<Meter>,
    pub components: Arc<[Component]>,
    pub samples: Samples,
    pub site: SiteConfig,
    pub spool: Store,
    pub gateway: Arc<Gateway<Store>>,
    pub pool: Pool,
    pub interrupt: Interrupt,
    pub held: Arc<Held>,
    pub repeated: Arc<RepeatedFailures>,
    pub deadly: Option<String>,
    pub span: tracing::Span,
}

impl Context {
    /// Notes in the state that the run begins, and opens its output.
    pub async fn begin(run: Run) -> Result<Context, RunError> {
        // Noted before the run is: else a kill in between would leave a run without a note.
        let state = run.store.file();
        let left = PendingWrites::by(state);
        let clean = left.is_certain_in(&run.store)?;
        let unfinished = IntentLog::start(state, left.clone(), clean)
            .map_err(|error| StoreError::beside(state, &error))?;
        let number = run.store.begin_run().await?;
        let totals = run.store.totals(&run.lease)?;
        let names: Vec<String> = run
            .components
            .iter()
            .map(|component| component.name.clone())
            .collect();
        let samples = Samples::of(&run.components, &run.store, run.indexed.id)?;
        let left_out = samples.left_out(&run.store, &run.lease)?;
        run.meter.expect(&names, &totals, &left_out);
        run.meter.unreadable(&run.unreadable);
        let mut recipes = Vec::with_capacity(run.components.len());
        for component in &run.components {
            let noted = run
                .store
                .note_recipe(component.recipe_digest, &component.recipe);
            recipes.push(noted.await?);
        }
        let has_verdicts = run.store.has_verdicts(run.indexed.id)?;
        let output = Output::start(
            run.output_root.clone(),
            unfinished,
            run.store.clone(),
            (run.indexed.id, number),
            run.written,
        );
        let workplace = Workplace::Own {
            store: run.store.clone(),
            output,
            dataset: run.indexed.id,
            run: number,
        };
        Ok(Context {
            staleness: StalenessCheck {
                facts: run.dataset,
                site: run.site,
                output_root: run.output_root,
                store: run.store.clone(),
                indexed: run.indexed.id,
                rules: Rules {
                    clean,
                    overwrite_edited: run.overwrite_edited,
                    only_chosen: run.only_chosen,
                    stand_in_replaces: run.stand_in_replaces,
                },
                left,
                leased: None,
            },
            indexed: run.indexed,
            likeness: Likeness::new(&run.components),
            components: run.components.into(),
            samples,
            workplace,
            store: run.store,
            gateway: run.gateway,
            batches: run.batches,
            waits: run.waits,
            pool: run.pool,
            meter: run.meter,
            interrupt: run.interrupt,
            run: number,
            span: tracing::Span::current(),
            repeated: Arc::new(RepeatedFailures::new(names.iter().map(String::as_str))),
            elsewhere: run.elsewhere,
            held: Held::new(run.window.at_once),
            clean,
            deadly: None,
            has_verdicts,
            recipes: recipes.into(),
            categories: totals.into_iter().map(|(category, _)| category).collect(),
            writable: OnceLock::new(),
            fatal: Mutex::new(None),
            spent_all: AtomicBool::new(false),
        })
    }

    /// What the tasks of one leased record share.
    pub fn leased(parts: Leased) -> Context {
        Context {
            staleness: StalenessCheck {
                facts: parts.facts,
                site: parts.site,
                output_root: PathBuf::new(),
                store: parts.spool.clone(),
                indexed: parts.dataset,
                rules: parts.rules,
                left: PendingWrites::default(),
                leased: Some(parts.files),
            },
            indexed: IndexedDataset {
                id: parts.dataset,
                source: String::new(),
            },
            components: parts.components,
            samples: parts.samples,
            // No gate that needs it comes to a worker.
            likeness: Likeness::default(),
            workplace: Workplace::Leased(parts.ledger),
            store: parts.spool,
            gateway: parts.gateway,
            batches: None,
            waits: false,
            pool: parts.pool,
            meter: parts.meter,
            interrupt: parts.interrupt,
            run: RunId::NONE,
            span: parts.span,
            repeated: parts.repeated,
            elsewhere: None,
            held: parts.held,
            clean: parts.rules.clean,
            deadly: parts.deadly,
            // They come with the lease.
            has_verdicts: false,
            recipes: parts.recipes,
            categories: Vec::new(),
            // The coordinator has looked.
            writable: OnceLock::from(true),
            fatal: Mutex::new(None),
            spent_all: AtomicBool::new(false),
        }
    }

    /// What the workers of the run are told.
    pub fn terms(&self) -> Terms {
        Terms {
            dataset: self.indexed.id,
            rules: self.staleness.rules,
            recipes: self.recipes.to_vec(),
            samples: self.samples.clone(),
        }
    }

    /// Whether it has spent what it may.
    pub fn has_spent_all(&self) -> bool {
        self.spent_all.load(Ordering::Relaxed)
    }

    /// Why it could not go on, if so.
    pub fn fatal(&self) -> Option<RunError> {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.take()
    }

    /// What was said about the artifacts of a record before this pass.
    pub fn verdicts(&self, record: &str) -> Result<Vec<Verdict>, StoreError> {
        let gates = || self.components.iter().any(|one| one.gate.is_some());
        if self.has_verdicts || gates() {
            self.store.verdicts(self.indexed.id, record)
        } else {
            Ok(Vec::new())
        }
    }

    /// Whether a component is made for a record.
    pub fn is_made_for(&self, component: &Component, record: &str) -> bool {
        self.samples.include(&component.name, record)
    }

    /// Number of the recipe of a component.
    pub fn recipe(&self, component: &Component) -> RecipeId {
        let mut known = self.components.iter().zip(self.recipes.iter());
        known
            .find(|(other, _)| other.name == component.name)
            .map_or(RecipeId::NONE, |(_, id)| *id)
    }

    /// Ends the run in order because it has spent what it may.
    pub fn spent_all(&self) {
        if self.workplace.spent_all() {
            self.spent_all.store(true, Ordering::Relaxed);
            self.interrupt.throw();
        }
    }

    /// Ends the run in order because it cannot go on.
    pub fn give_up(&self, cause: String) {
        self.fail(RunError::Output { cause });
    }

    fn fail(&self, error: RunError) {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.get_or_insert(error);
        self.interrupt.throw();
    }

    /// Whether the output can be written, as far as that can be seen: looked at before the first task runs. If it cannot,
    /// the run is over.
    pub fn is_writable(&self) -> bool {
        *self.writable.get_or_init(|| {
            let root = &self.staleness.output_root;
            match check_output(root, &self.components, &self.categories) {
                Ok(()) => true,
                Err(cause) => {
                    self.fail(RunError::Unwritable { cause });
                    false
                }
            }
        })
    }

    /// Counts what is reported of a task of this record, and tells it.
    pub(super) fn hear(&self, record: &Record, report: Report) {
        let meter = &self.meter;
        match report {
            Report::TaskFailed {
                component,
                class,
                cause,
                again,
            } => meter.task_failed(record, &component, class, &cause, again),
            Report::Repeats {
                component,
                class,
                cause,
                is_paid,
            } => self.fails_alike(&component, &record.id, class, &cause, is_paid),
            Report::AttemptEnded {
                component,
                calls,
                micros,
            } => meter.attempt_ended(&component, calls, micros),
            Report::FileKept { kept, author } => meter.file_kept(kept, author),
            Report::Edited { path } => meter.tell(Event::Edited { path }),
            Report::Held { component, cause } => meter.task_held(record, &component, &cause),
            Report::Note(note) => meter.tell(Event::Note(note)),
        }
    }

    /// A task failed and not for a passing cause. Where that is so of all of its component, the component is held.
    fn fails_alike(
        &self,
        component: &str,
        record: &str,
        class: FailureClass,
        cause: &str,
        is_paid: bool,
    ) {
        let failed = self
            .repeated
            .failed(component, record, class, cause, is_paid);
        let Some(times) = failed else {
            return;
        };
        if let Some(elsewhere) = &self.elsewhere {
            elsewhere.hold(component, class, cause);
        }
        self.meter.tell(Event::Note(format!(
            "{component} is held for the rest of this run: its first {times} tasks all failed for one cause, and none \
             succeeded: {cause}; fix that and run again"
        )));
    }
}
