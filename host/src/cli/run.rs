//! `batchgen run`: makes what is missing or out of date, and says how it went.

use std::path::PathBuf;

use clap::Args;

use super::args::{BatchArgs, LimitArgs, ProjectArgs, SelectionArgs, WatchArgs};
use super::cluster::ClusterArgs;
use super::display::Display;
use super::execution::{Wanted, execute};
use super::exit::{Exit, Failure};
use super::mirrored::Mirrored;
use super::missing_fields;
use super::plan::{self, KeptPlan};
use super::project::{Project, State, block_on};
use super::thoughtless;
use super::trust;
use super::unreadable;
use config::component::Component;
use engine::Overwriting;

/// Make every file that is missing or out of date, for all records and enabled components.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen run --limit 3                                  # enabled components of three records
  batchgen run --component text --record oak              # brings what `text` depends on
  batchgen run --component text+                          # and all that depends on `text`
  batchgen run --component state:failed                   # only records of which a task failed
  batchgen run --all --sample 8                           # spread over the categories
  batchgen run --model openai/gpt-4o-mini --max-cost 5    # ends in order at 5 dollars
  batchgen run --json > events.jsonl                      # for a machine

Exit codes: 0 done, 1 internal error, 2 something has to be put right first (flags, configuration, dataset, state), 3 some \
tasks failed, 4 budget reached, 5 provider cannot go on (key, quota, model), 6 answers come with a batch, 7 the command \
after the run failed, 130 interrupted. The same command resumes the run.")]
pub(super) struct RunArgs {
    /// Replace files that were edited by hand, instead of keeping them
    #[arg(long)]
    overwrite_edited: bool,
    /// Print events and summary as JSON Lines
    #[arg(long)]
    json: bool,
    /// Do what a file of `plan --out` says, and nothing if anything has changed since. The run may cost a quarter
    /// more than the plan says, or what three more files cost
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["all", "component", "category", "record", "limit", "sample", "overwrite_edited"]
    )]
    plan: Option<PathBuf>,
    /// Fail if anything would be asked: make only what the journal has answers for
    #[arg(long)]
    frozen: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    batches: BatchArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &RunArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open_with_input(&args.project, display)?
        .limited(&args.limits)?
        .asked_as(&args.batches);
    let kept = args.plan.as_deref().map(KeptPlan::read).transpose()?;
    let selection = match &kept {
        Some(kept) => kept.selection()?,
        None => args.selection.clone(),
    };
    let components = project.wanted(&selection)?;
    Project::compile(&components)?;
    let missing = project.broken && selection.all;
    let missing = project.tell_left_out(&selection, display) || missing;
    missing_fields::tell(&project, &components, display);
    thoughtless::tell(&components, display);
    let exit = block_on(start(args, kept, &selection, display, project, components))?;
    // A plugin that could not be loaded is a component that is missing, and so is one that lacks what it depends on.
    Ok(if exit == Exit::Done && missing {
        Exit::Partial
    } else {
        exit
    })
}

/// The server that the run is shared over, if it is: as a person named it, or as the project does and may.
fn cluster<'a>(
    args: &'a RunArgs,
    project: &'a Project,
    display: &Display,
) -> Result<Option<&'a str>, Failure> {
    if let Some(named) = args.cluster.cluster.as_deref() {
        return Ok(Some(named));
    }
    trust::check_cluster(&project.settings, display).map_err(Failure::usage)?;
    Ok(project.settings.config.cluster.url.as_deref())
}

async fn start(
    args: &RunArgs,
    kept: Option<KeptPlan>,
    selection: &SelectionArgs,
    display: &Display,
    project: Project,
    components: Vec<Component>,
) -> Result<Exit, Failure> {
    let state = State::open(&project).await?;
    let stand_in_replaces = args.project.model.asks_for_stand_in();
    let overwrite_edited = match &kept {
        Some(kept) => kept.overwrite_edited,
        None => args.overwrite_edited,
    };
    if let (Some(kept), Some(file)) = (&kept, &args.plan) {
        let overwriting = Overwriting {
            edited: overwrite_edited,
            from_model: stand_in_replaces,
        };
        // What others did in storage changes what a run would do.
        Mirrored::look(&project, &state, display)?;
        plan::check(kept, file, &project, &state, &components, overwriting)?;
    }
    let most = kept.and_then(|kept| kept.most(&project, &components));
    let lease = state.select(&project.selection(selection)?)?;
    let unreadable = unreadable::tell(&state, args.json, display)?;
    let wanted = Wanted {
        unreadable: state.reaches_all(selection, &lease)?.then_some(unreadable),
        lease,
        components,
        limits: &args.limits,
        batches: &args.batches,
        cluster: cluster(args, &project, display)?,
        dashboard: args.watch.dashboard.as_ref(),
        rounds: None,
        overwrite_edited,
        only_chosen: false,
        stand_in_replaces,
        frozen: args.frozen,
        most,
        json: args.json,
        only_end: false,
    };
    execute(&project, &state, wanted, display).await
}
