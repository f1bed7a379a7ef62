//! The loop of a run: leases records, keeps a bounded window of them in work, sweeps up what failed
//! transiently until a sweep gains nothing, and says how it all ended.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::TryFutureExt;
use tokio::task::JoinSet;

use super::interrupt::Interrupt;
use super::judge::Judge;
use super::meter::{Event, Meter};
use super::output::Output;
use super::record::{self, Pass};
use super::repeated::RepeatedFailures;
use super::unfinished::{Left, Unfinished};
use super::untouched;
use super::writable::check_output;
use crate::statistics::{FailureKind, View};
use config::SiteConfig;
use config::component::Component;
use dataset::Dataset;
use gateway::Gateway;
use gateway::error::CallError;
use plan::decision::Rules;
use plugin::pool::Pool;
use store::{BadRecord, IndexedDataset, Lease, RecipeId, RunId, Store, StoreError};

/// How many records are in work at once.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// So many, whatever their size: one for each request that may be under way.
    pub at_once: usize,
    /// More, up to so many, as long as they are not large.
    pub most: usize,
}

/// Once the records in work have so much text, bytes, only `at_once` of them are kept in work. In memory, a record takes
/// several times its text.
const TEXT: u64 = 4 << 20;

impl Window {
    /// Whether there is room beside so many records with so much text.
    fn has_room(self, records: usize, text: u64) -> bool {
        records < self.at_once.max(1) || records < self.most && text < TEXT
    }
}

/// Records of the dataset that cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Unreadable {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub first: Vec<BadRecord>,
}

/// Everything that a run needs, resolved.
pub struct Run {
    /// The records.
    pub dataset: Arc<Dataset>,
    /// Their index.
    pub indexed: IndexedDataset,
    /// The records that are wanted.
    pub lease: Lease,
    /// The components that are wanted, each behind what it depends on.
    pub components: Vec<Component>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    /// Where files go.
    pub output_root: PathBuf,
    /// Durable state.
    pub store: Store,
    /// Answers.
    pub gateway: Arc<Gateway<Store>>,
    /// Sandbox threads.
    pub pool: Pool,
    /// Counts.
    pub meter: Arc<Meter>,
    /// Records that are wanted and cannot be read.
    pub unreadable: Unreadable,
    /// Stops the run in order.
    pub interrupt: Interrupt,
    /// Records in work at once.
    pub window: Window,
    /// Whether files that were edited by hand are replaced.
    pub overwrite_edited: bool,
    /// Whether a failed task runs only if a person chose it.
    pub only_chosen: bool,
    /// Whether the offline stand-in may replace what a real model wrote.
    pub stand_in_replaces: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunSummary {
    /// The numbers at its end.
    pub view: View,
    /// What has failed and stayed so, gathered by component and cause.
    pub failures: Vec<FailureKind>,
    /// Why a lane stopped for good, if one did.
    pub stopped: Option<CallError>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether it has spent what it may.
    pub budget_reached: bool,
}

/// The run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files cannot be written any more.
    #[error("{cause}")]
    Output {
        /// Why.
        cause: String,
    },
    /// Files could not be written from the beginning, so nothing was asked.
    #[error("{cause}")]
    Unwritable {
        /// Why.
        cause: String,
    },
    /// A defect of the host.
    #[error(
        "a record's work ended in a panic: {cause}\nhint: this is a defect of batchgen, please report it"
    )]
    Panic {
        /// What is known.
        cause: String,
    },
}

/// What all tasks of a run share.
pub(super) struct Context {
    pub judge: Judge,
    pub indexed: IndexedDataset,
    pub components: Vec<Component>,
    pub output: Output,
    pub store: Store,
    pub gateway: Arc<Gateway<Store>>,
    pub pool: Pool,
    pub meter: Arc<Meter>,
    pub interrupt: Interrupt,
    pub run: RunId,
    pub repeated: RepeatedFailures,
    /// Recipe of each component, in their order.
    recipes: Vec<RecipeId>,
    /// The categories of the records that are wanted.
    categories: Vec<String>,
    /// Whether the output can be written, once somebody had to know.
    writable: OnceLock<bool>,
    fatal: Mutex<Option<RunError>>,
    spent_all: AtomicBool,
}

impl Context {
    /// Number of the recipe of a component.
    pub fn recipe(&self, component: &Component) -> RecipeId {
        let mut known = self.components.iter().zip(&self.recipes);
        known
            .find(|(other, _)| other.name == component.name)
            .map_or(RecipeId::NONE, |(_, id)| *id)
    }

    /// Ends the run in order because it has spent what it may.
    pub fn spent_all(&self) {
        self.spent_all.store(true, Ordering::Relaxed);
        self.interrupt.throw();
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
            let root = &self.judge.output_root;
            match check_output(root, &self.components, &self.categories) {
                Ok(()) => true,
                Err(cause) => {
                    self.fail(RunError::Unwritable { cause });
                    false
                }
            }
        })
    }
}

/// Runs to the end, or until it is interrupted.
///
/// # Errors
/// When state or output fail: everything that was acknowledged is safe, and a rerun goes on from there.
pub async fn execute(run: Run) -> Result<RunSummary, RunError> {
    // Noted before the run is: else a kill in between would leave a run without a note.
    let state = run.store.file();
    let left = Left::by(state);
    let clean = left.is_certain(run.store.runs_are_settled()?);
    let unfinished = Unfinished::start(state, left.clone(), clean)
        .map_err(|error| StoreError::beside(state, &error))?;
    let number = run.store.begin_run().await?;
    let names: Vec<String> = run
        .components
        .iter()
        .map(|component| component.name.clone())
        .collect();
    let totals = run.store.totals(&run.lease)?;
    run.meter.expect(&names, &totals);
    run.meter.unreadable(&run.unreadable);
    let mut recipes = Vec::with_capacity(run.components.len());
    for component in &run.components {
        let id = run
            .store
            .note_recipe(component.recipe_digest, &component.recipe)
            .await?;
        recipes.push(id);
    }
    let output = Output::start(
        run.output_root.clone(),
        unfinished,
        run.store.clone(),
        run.indexed.id,
        number,
    );
    let context = Arc::new(Context {
        judge: Judge {
            dataset: run.dataset,
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
        },
        indexed: run.indexed,
        components: run.components,
        output,
        store: run.store,
        gateway: run.gateway,
        pool: run.pool,
        meter: run.meter,
        interrupt: run.interrupt,
        run: number,
        repeated: RepeatedFailures::new(names.iter().map(String::as_str)),
        recipes,
        categories: totals.into_iter().map(|(category, _)| category).collect(),
        writable: OnceLock::new(),
        fatal: Mutex::new(None),
        spent_all: AtomicBool::new(false),
    });
    pass(&context, run.lease.clone(), run.window, Pass::First).await?;
    sweep(&context, &run.lease, run.window).await?;

    let fatal = context
        .fatal
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(error) = fatal {
        if matches!(error, RunError::Unwritable { .. }) {
            // Nothing was written, so nothing is unclear.
            context.store.end_run(number, clean).await?;
        }
        return Err(error);
    }
    let stopped = context.gateway.refusal();
    let budget_reached = context.spent_all.load(Ordering::Relaxed);
    let summary = RunSummary {
        view: context.meter.view(),
        failures: context.meter.failure_kinds(),
        interrupted: context.interrupt.is_thrown() && stopped.is_none() && !budget_reached,
        stopped,
        budget_reached,
    };
    let settled = clean || !context.interrupt.is_thrown() && looks_at_all(&context, &run.lease)?;
    context.store.end_run(number, settled).await?;
    context.output.end();
    Ok(summary)
}

/// Whether no file is left out that an earlier run may have written. One whose task fails stays, and counts as edited.
fn looks_at_all(context: &Context, lease: &Lease) -> Result<bool, StoreError> {
    if !lease.is_whole() {
        return Ok(false);
    }
    let components: Vec<&str> = context
        .components
        .iter()
        .map(|component| component.name.as_str())
        .collect();
    context.store.has_only(context.indexed.id, &components)
}

/// Tries again what failed for what may have passed, until that gains nothing.
async fn sweep(context: &Arc<Context>, lease: &Lease, window: Window) -> Result<(), RunError> {
    loop {
        let before = context.meter.view().parked_tasks;
        if before == 0 || context.interrupt.is_thrown() {
            return Ok(());
        }
        if context.gateway.all_refused() {
            return conclude(context);
        }
        let tasks = if before == 1 { "task" } else { "tasks" };
        let note =
            format!("trying {before} {tasks} again that failed for a reason that may have passed");
        context.meter.sweep_begins();
        context.meter.tell(Event::Note(note));
        let parked = context.store.parked(lease, context.run);
        pass(context, parked, window, Pass::Sweep).await?;
        if context.meter.view().parked_tasks >= before {
            return conclude(context);
        }
    }
}

/// What is still parked has failed for this run.
fn conclude(context: &Context) -> Result<(), RunError> {
    let ends = context.store.parked_ends(context.indexed.id, context.run)?;
    context.meter.parked_failed(&ends);
    Ok(())
}

/// One pass over leased records.
async fn pass(
    context: &Arc<Context>,
    mut lease: Lease,
    window: Window,
    pass: Pass,
) -> Result<(), RunError> {
    let mut working: JoinSet<Result<u64, StoreError>> = JoinSet::new();
    let (mut text, mut place) = (0, 0);
    let mut leased = Vec::new().into_iter();
    let mut exhausted = false;
    loop {
        while window.has_room(working.len(), text) && !exhausted && !context.interrupt.is_thrown() {
            let next = match leased.next() {
                Some(record) => record,
                None => {
                    // Many records may go by without a wait: others get their turn, and Ctrl-C is seen.
                    tokio::task::yield_now().await;
                    leased = context
                        .store
                        .lease(&mut lease, window.most as u64)?
                        .into_iter();
                    match leased.next() {
                        Some(record) => record,
                        None => {
                            exhausted = true;
                            break;
                        }
                    }
                }
            };
            if pass == Pass::First && untouched::keep(context, &next) {
                continue;
            }
            let length = next.place.length;
            text += length;
            place += 1;
            let performed = record::perform(Arc::clone(context), next, place, pass);
            // An `async` block would hold the future twice.
            working.spawn(performed.map_ok(move |()| length));
        }
        match working.join_next().await {
            None => return Ok(()),
            Some(Ok(Ok(length))) => text = text.saturating_sub(length),
            Some(Ok(Err(error))) => {
                context.interrupt.throw();
                return Err(error.into());
            }
            Some(Err(error)) => {
                context.interrupt.throw();
                return Err(RunError::Panic {
                    cause: error.to_string(),
                });
            }
        }
        if context.gateway.all_refused() {
            context.interrupt.throw();
        }
    }
}
