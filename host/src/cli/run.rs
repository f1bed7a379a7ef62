//! `host run`: makes what is missing or out of date, and says how it went.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use tokio::sync::mpsc;

use super::args::{LimitArgs, ProjectArgs, SelectionArgs};
use super::exit::{Exit, Failure};
use super::progress::{Display, Progress};
use super::project::{Project, State, block_on};
use super::{lanes, summary};
use crate::component::Component;
use crate::llm::gateway::{Chain, Gateway};
use crate::llm::purse::Purse;
use crate::plugin::pool::Pool;
use crate::run::{self, Interrupt, Meter, Run, RunError};

/// Make what is missing or out of date: enabled components over all records, unless told otherwise.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 internal error, 2 usage or configuration, 3 some tasks failed, \
    4 budget reached, 5 provider cannot go on (key, quota, model), 130 interrupted. Run again to go on after any of them."
)]
pub(super) struct RunArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Print events and summary as JSON Lines
    #[arg(long)]
    json: bool,
}

/// Records in work at once where no limit on requests says more.
const WINDOW: usize = 128;

/// Runs the subcommand.
pub(super) fn perform(args: &RunArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?.limited(&args.limits)?;
    let components = project.wanted(&args.selection)?;
    let broken = project.broken;
    let exit = block_on(start(args, display, project, components))?;
    // A plugin that could not be loaded is a component that is missing.
    Ok(if exit == Exit::Done && broken && args.selection.all {
        Exit::Partial
    } else {
        exit
    })
}

async fn start(
    args: &RunArgs,
    display: &Display,
    project: Project,
    components: Vec<Component>,
) -> Result<Exit, Failure> {
    let state = State::open(&project).await?;
    let lease = state.select(&args.selection)?;
    let State { store, indexed } = state;
    let known = project.known_components();
    let (state, dataset_id) = (store.clone(), indexed.id);
    let leftovers = || {
        state
            .count_leftovers(dataset_id, known.as_deref())
            .map_err(Failure::internal)
    };
    let Project {
        settings, dataset, ..
    } = project;
    let output_root = settings.config.output.directory.clone();
    let site = settings.config.site.clone();
    if args.dry_run {
        let surveys = run::survey(&store, dataset, lease, &components, site, output_root)
            .map_err(Failure::internal)?;
        summary::print_survey(&surveys, &leftovers()?, args.json);
        return Ok(Exit::Done);
    }
    let (events, receiver) = mpsc::unbounded_channel();
    let meter = Arc::new(Meter::new(events));
    let interrupt = Interrupt::default();
    let purse = Purse::new(settings.max_cost, args.limits.max_tokens);
    let making = lanes::Making {
        store: &store,
        purse: &purse,
        meter: &meter,
        interrupt: &interrupt,
    };
    let chains = lanes::make(&settings, &components, &making).map_err(Failure::usage)?;
    let at_once = at_once(&chains);
    let window = window(at_once, display);
    let gateway = Arc::new(Gateway::new(
        store.clone(),
        chains,
        Arc::clone(&meter) as Arc<_>,
    ));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run = Run {
        dataset,
        indexed,
        lease,
        components,
        site,
        output_root: output_root.clone(),
        store,
        gateway: Arc::clone(&gateway),
        pool: Pool::new(threads).map_err(Failure::internal)?,
        meter: Arc::clone(&meter),
        interrupt: interrupt.clone(),
        window,
    };
    let noun = settings.dataset.records.clone();
    let progress = Progress::start(
        display.clone(),
        meter,
        gateway,
        receiver,
        noun.clone(),
        args.json,
    );
    watch_signals(&interrupt, display);
    let result = run::execute(run).await;
    progress.finish().await;
    let summary = result.map_err(|error| match error {
        RunError::Output { .. } | RunError::Store(_) | RunError::Panic { .. } => {
            Failure::internal(error)
        }
    })?;
    summary::print(&summary, &noun, &output_root, &leftovers()?, args.json);
    Ok(match &summary.stopped {
        Some(error) if error.class.stops_lane() => Exit::Provider,
        _ if summary.budget_reached => Exit::Budget,
        _ if summary.interrupted => Exit::Interrupted,
        _ if summary.view.complete < summary.view.records => Exit::Partial,
        _ => Exit::Done,
    })
}

/// Requests that all lanes together may have under way, as far as that is limited.
fn at_once(chains: &BTreeMap<String, Chain>) -> u64 {
    let lanes = chains.values().flat_map(|chain| &chain.lanes);
    lanes
        .map(|lane| lane.view().allowed)
        .filter(|allowed| *allowed < u64::MAX)
        .fold(0, u64::saturating_add)
}

/// Records in work at once: enough to keep every allowed request busy.
fn window(at_once: u64, display: &Display) -> usize {
    let concurrency = usize::try_from(at_once).unwrap_or(WINDOW);
    let window = WINDOW.max(concurrency.saturating_add(concurrency / 4));
    let files = at_once.saturating_add(256);
    if let Some(limit) = run::raise_open_files(files) {
        display.print(&format!(
            "warning: {at_once} requests at once need about {files} open files, and the system allows {limit}\n\
             hint: raise it with `ulimit -n {files}`, or lower --concurrency"
        ));
    }
    window
}

/// The first signal drains, the second ends at once.
fn watch_signals(interrupt: &Interrupt, display: &Display) {
    let interrupt = interrupt.clone();
    let display = display.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut keyboard), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        for round in 0.. {
            tokio::select! {
                _ = keyboard.recv() => {}
                _ = terminate.recv() => {}
            }
            if round > 0 {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
            interrupt.throw();
            display.print(
                "stopping: answers that are under way are waited for and kept; once more to stop at once",
            );
        }
    });
}
