//! `batchgen retry`: runs chosen failed tasks again. The choice is durable before anything runs, so that a retry
//! that is killed is resumed by the next `batchgen run` or `batchgen retry`.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::args::{BatchArgs, FailureArgs, LimitArgs, ProjectArgs, WatchArgs};
use super::display::Display;
use super::execution::{Wanted, execute};
use super::exit::{Exit, Failure};
use super::progress::events;
use super::project::{Project, State, block_on};
use config::component::Component;

/// Run failed tasks again, all or the selected ones, and the tasks that wait for them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen retry                                  # all that is left as it failed
  batchgen retry --class invalid-output --component text
  batchgen retry --record oak --fresh             # asks again, though it is done

If an answer was at fault, a retry asks for it again. `batchgen run`, or `batchgen retry` without --fresh, resumes a retry \
    that was interrupted.\n\nExit codes are those of `batchgen run`.")]
pub(super) struct RetryArgs {
    /// Ask again for every selected task, done or not; needs a selection
    #[arg(long)]
    fresh: bool,
    /// Print events and summary as JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: FailureArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    batches: BatchArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &RetryArgs, display: &Display) -> Result<Exit, Failure> {
    let chosen = &args.selection;
    let names_none = chosen.component.is_empty()
        && chosen.category.is_empty()
        && chosen.record.is_empty()
        && chosen.class.is_empty();
    if args.fresh && names_none {
        return Err(Failure::usage(anyhow::anyhow!(
            "--fresh alone would pay for everything again\nhint: choose with --record, --component, --category or --class"
        )));
    }
    let project = Project::open(&args.project, display)?
        .limited(&args.limits)?
        .asked_as(&args.batches);
    let components = project.named(&chosen.component)?;
    block_on(start(args, &components, display, project))
}

async fn start(
    args: &RetryArgs,
    components: &[String],
    display: &Display,
    project: Project,
) -> Result<Exit, Failure> {
    let state = State::open(&project).await?;
    let lease = state.select(&args.selection.records())?;
    let State { store, indexed } = &state;
    let filter = state.filter(&args.selection, &project, components.to_vec())?;
    let due = store
        .choose(indexed.id, &filter, args.fresh)
        .await
        .map_err(Failure::internal)?;
    if args.json {
        events::event("chosen", json!({"tasks": due}));
    } else if due == 0 {
        display.note("no failed task is chosen, so nothing runs again");
    } else {
        let tasks = if due == 1 { "task runs" } else { "tasks run" };
        display.note(&format!("{due} {tasks} again"));
    }
    if due == 0 {
        return Ok(Exit::Done);
    }
    let lease = store.due(&lease, components);
    let known = store
        .components_of(indexed, &lease)
        .map_err(Failure::internal)?;
    let concerned = concerned(&project.components, &known, components);
    let components = project.with_dependencies(concerned)?;
    Project::compile(&components)?;
    let wanted = Wanted {
        unreadable: None,
        lease,
        components,
        limits: &args.limits,
        batches: &args.batches,
        cluster: None,
        dashboard: args.watch.dashboard.as_ref(),
        rounds: None,
        overwrite_edited: false,
        only_chosen: true,
        stand_in_replaces: args.project.model.asks_for_stand_in(),
        frozen: false,
        most: None,
        json: args.json,
        only_end: false,
    };
    execute(&project, &state, wanted, display).await
}

/// Components that have due tasks, and those of the same records that depend on them.
fn concerned(
    components: &[Component],
    known: &[(String, bool)],
    chosen: &[String],
) -> BTreeSet<String> {
    let mut concerned: BTreeSet<String> = known
        .iter()
        .filter(|(name, due)| *due && (chosen.is_empty() || chosen.contains(name)))
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let before = concerned.len();
        for component in components {
            let waits = component
                .depends_on
                .iter()
                .any(|name| concerned.contains(name));
            if waits && known.iter().any(|(name, _)| *name == component.name) {
                concerned.insert(component.name.clone());
            }
        }
        if concerned.len() == before {
            return concerned;
        }
    }
}
