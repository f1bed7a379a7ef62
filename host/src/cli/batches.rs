//! `batchgen batches`: the batches of a project, apart from its runs.

mod file;
mod list;
mod orphans;

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::{Args, Subcommand};
use tokio::sync::mpsc;

use super::args::ProjectArgs;
use super::display::{Display, say};
use super::execution::{self, Models};
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::project::{Project, State, block_on};
use config::component::Component;
use engine::batches::Batches;
use engine::{Event, Interrupt, Meter, Shared};
use gateway::budget::LaneBudget;
use store::Batch;

/// See, cancel and collect batches, and carry them as files.
#[derive(Debug, Args)]
pub(super) struct BatchesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::ListArgs),
    Cancel(CancelArgs),
    Collect(CollectArgs),
    Orphans(orphans::OrphansArgs),
    Export(file::ExportArgs),
    Import(file::ImportArgs),
}

/// Ask the provider to end batches. What was answered by then is paid for, and the next run collects it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches cancel batchgen-1796000108-7db879ae7f2c
  batchgen batches cancel --all")]
struct CancelArgs {
    /// Name of a batch, ours or the provider's
    #[arg(value_name = "BATCH", required_unless_present = "all")]
    batch: Vec<String>,
    /// Every batch that has not ended
    #[arg(long, conflicts_with = "batch")]
    all: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Fetch the answers of batches that have ended, without running any task.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches collect")]
struct CollectArgs {
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &BatchesArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list::perform(args),
        Command::Cancel(args) => {
            let project = Project::open(&args.project, display)?;
            block_on(cancel(args, &project, display))
        }
        Command::Collect(args) => {
            let project = Project::open(&args.project, display)?;
            block_on(collect(&project, display))
        }
        Command::Orphans(args) => orphans::perform(args, display),
        Command::Export(args) => file::export(args, display),
        Command::Import(args) => file::import(args, display),
    }
}

/// The batches of a project, for a command that runs no task.
struct Desk {
    state: State,
    batches: Arc<Batches>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Desk {
    /// Opens the state, and the lanes of the models that have questions in batches.
    async fn open(project: &Project, display: &Display) -> Result<Desk, Failure> {
        let state = State::open(project).await?;
        let lanes = state.store.lanes_in_batches().map_err(Failure::internal)?;
        let components: Vec<_> = project
            .components
            .iter()
            .filter(|component| {
                let model = component.parameters.as_ref().map(|asked| &asked.model);
                model.is_some_and(|model| lanes.contains(model))
            })
            .cloned()
            .collect();
        let others = execution::of_open_batches(&state)?;
        Desk::of(project, state, &components, others, display)
    }

    /// The same of a state that is open, and of these components and other models.
    fn of(
        project: &Project,
        state: State,
        components: &[Component],
        others: BTreeSet<String>,
        display: &Display,
    ) -> Result<Desk, Failure> {
        let (sender, events) = mpsc::unbounded_channel();
        let meter = Arc::new(Meter::new(sender));
        let interrupt = Interrupt::default();
        let budget = LaneBudget::new(None, None, 1);
        let shared = Shared {
            store: &state.store,
            budget: &budget,
            has_max_cost: false,
            observer: Arc::clone(&meter) as Arc<_>,
            coordinator: None,
            interrupt: &interrupt,
            pictures: None,
        };
        let models = Models {
            components,
            chains: &execution::chains(project, components, &shared, display)?,
            others,
        };
        let batches = execution::desk(project, &state, models, false, &shared, &meter)?;
        Ok(Desk {
            state,
            batches,
            events,
        })
    }

    /// Prints what was told meanwhile.
    fn tell(&mut self, display: &Display) {
        while let Ok(event) = self.events.try_recv() {
            if let Event::Note(note) = event {
                display.print(&note);
            }
        }
    }

    fn open_batches(&self) -> Result<Vec<Batch>, Failure> {
        self.state.store.open_batches().map_err(Failure::internal)
    }
}

async fn cancel(args: &CancelArgs, project: &Project, display: &Display) -> Result<Exit, Failure> {
    let mut desk = Desk::open(project, display).await?;
    let open = desk.open_batches()?;
    let is_named =
        |batch: &Batch, name: &String| batch.name == *name || batch.remote.as_ref() == Some(name);
    for name in &args.batch {
        if !open.iter().any(|batch| is_named(batch, name)) {
            return Err(Failure::usage(anyhow::anyhow!(
                "there is no open batch `{name}`\nhint: `batchgen batches list` shows them"
            )));
        }
    }
    for batch in open {
        if args.all || args.batch.iter().any(|name| is_named(&batch, name)) {
            let done = desk
                .batches
                .cancel(batch)
                .await
                .map_err(Failure::internal)?;
            say(&format!("{done}\n"));
        }
    }
    desk.tell(display);
    Ok(Exit::Done)
}

async fn collect(project: &Project, display: &Display) -> Result<Exit, Failure> {
    let mut desk = Desk::open(project, display).await?;
    let settled = desk.batches.collect_ended().await;
    let settled = settled.map_err(Failure::internal)?;
    desk.tell(display);
    let open = desk.open_batches()?.len();
    say(&format!(
        "{} settled; batches that have not ended: {open}; `batchgen run` goes on with what was answered\n",
        counted(settled, "question"),
    ));
    Ok(if open > 0 { Exit::Waiting } else { Exit::Done })
}
