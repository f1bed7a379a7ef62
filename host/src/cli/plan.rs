//! `batchgen plan`: what `batchgen run` would do, why, and what that would take.

mod batches;
mod kept;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::args::{BatchArgs, ForceArgs, LimitArgs, ProjectArgs, SelectionArgs};
use super::authors;
use super::clean;
use super::display::{Display, emit, say, width};
use super::execution::{Wanted, execute, orphans};
use super::exit::{Exit, Failure};
use super::guard::Guard;
use super::mirrored::Mirrored;
use super::missing_fields;
use super::paths;
use super::project::{Project, State, block_on};
use super::thoughtless;
use super::unreadable;
use super::values;
use config::component::Component;
use engine::{Overwriting, Plan};
use gateway::models;
use gateway::settings::Mode;
use report::{Bounds, Outcome};
use store::{Lease, Selection};

pub(super) use kept::KeptPlan;

/// Show what `run` would make, why, and what it would cost. Makes nothing and asks no model, except with --pilot.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plan                         # what `run` would make of all records, and why
  batchgen plan --all --category metal
  batchgen plan --pilot 8               # runs 8 records, then says what the rest will take
  batchgen plan --out plan.json         # then `batchgen run --plan plan.json`
  batchgen plan --exit-code             # for scripts: 0 nothing to do, 8 something")]
pub(super) struct PlanArgs {
    /// Print the plan as JSON (docs/PLAN.md)
    #[arg(long)]
    json: bool,
    /// Run N records first, spread over the categories, and plan with what they cost
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    pilot: Option<u64>,
    /// Plan for `run --overwrite-edited`
    #[arg(long)]
    overwrite_edited: bool,
    /// End with code 8 if a run would make something
    #[arg(long)]
    exit_code: bool,
    /// Write the plan to a file for `run --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PlanArgs, display: &Display) -> Result<Exit, Failure> {
    // A pilot is wanted now, and not tomorrow.
    let online = BatchArgs {
        mode: Some(Mode::Online),
        ..BatchArgs::default()
    };
    let project = Project::open_with_input(&args.project, display)?
        .limited(&args.limits)?
        .asked_as(&online);
    let components = project.wanted(&args.selection)?;
    Project::compile(&components)?;
    project.tell_left_out(&args.selection, display);
    missing_fields::tell(&project, &components, display);
    thoughtless::tell(&components, display);
    block_on(plan(args, display, &project, &components))
}

async fn plan(
    args: &PlanArgs,
    display: &Display,
    project: &Project,
    components: &[Component],
) -> Result<Exit, Failure> {
    let state = State::open(project).await?;
    Mirrored::look(project, &state, display)?;
    let selection = project.selection(&args.selection)?;
    let lease = state.select(&selection)?;
    let unreadable = unreadable::tell(&state, args.json, display)?;
    let exit = match args.pilot {
        None => Exit::Done,
        Some(records) => {
            let sampled = Selection {
                sample: Some(records),
                limit: None,
                ..selection
            };
            let wanted = Wanted {
                unreadable: None,
                lease: state.select(&sampled)?,
                components: components.to_vec(),
                limits: &args.limits,
                batches: &BatchArgs::default(),
                cluster: None,
                dashboard: None,
                rounds: None,
                overwrite_edited: args.overwrite_edited,
                only_chosen: false,
                stand_in_replaces: args.project.model.asks_for_stand_in(),
                frozen: false,
                most: None,
                json: args.json,
                only_end: false,
            };
            execute(project, &state, wanted, display).await?
        }
    };
    paths::check(project, &state, components)?;
    let overwriting = Overwriting {
        edited: args.overwrite_edited,
        from_model: args.project.model.asks_for_stand_in(),
    };
    let plan = made(project, &state, components, overwriting, lease)?;
    let orphans = orphans(project, &state)?;
    let bounds = bounds(project, &state, components)?;
    let outcome = Outcome::of(&plan, components, |model| {
        bounds.get(model).map(Vec::as_slice).unwrap_or_default()
    });
    let models = &project.settings.config;
    let in_batches = batches::InBatches::of(
        &plan,
        components,
        state
            .store
            .sent(state.indexed.id)
            .map_err(Failure::internal)?,
        &batches::Known {
            takes: |model: &str| project.settings.models().takes_batches(model),
            price: |model: &str| gateway::settings::batch_price(&models.models, model),
            primer_from: |model: &str| project.settings.models().primer_from(model),
            mode: |component: &Component, model: &str| {
                let own = models.models.get(model).and_then(|model| model.mode);
                component.mode.or(own).unwrap_or_default()
            },
        },
    );
    if args.json {
        emit(&json!({
            "event": "plan",
            "records": plan.records,
            "components": plan.components,
            "outcome": outcome,
            "in_batches": in_batches,
            "prices_of": models::date(),
            "orphans": clean::counts(&orphans),
            "unreadable_records": unreadable,
        }));
    } else {
        let space = if args.pilot.is_some() { "\n" } else { "" };
        let text = report::render(&plan, &project.settings.dataset.records, width());
        let left = clean::notice(&orphans);
        let ahead = authors::ahead(&plan);
        let outcome = outcome.as_ref().map(Outcome::sentence).unwrap_or_default();
        let in_batches = in_batches
            .map(|in_batches| in_batches.sentence())
            .unwrap_or_default();
        say(&format!("{space}{text}{ahead}{left}{outcome}{in_batches}"));
    }
    if let Some(address) = &project.settings.storage {
        display.note(&format!("files go to {address}"));
    }
    let to_do = to_do(&plan);
    if let Some(file) = &args.out {
        let cost = outcome.as_ref().map_or(Some(0), Outcome::cost_micros);
        let kept = KeptPlan::new(
            &args.selection,
            args.overwrite_edited,
            plan.tasks,
            to_do,
            cost,
        );
        let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
        kept.write(file, &guard)?;
        display.note(&format!("the plan is in {}", file.display()));
    }
    Ok(match exit {
        // What failed in the pilot stands in the plan.
        Exit::Done | Exit::Partial if args.exit_code && to_do > 0 => Exit::Stale,
        Exit::Partial => Exit::Done,
        exit => exit,
    })
}

/// Files that a run would make, or may.
fn to_do(plan: &Plan) -> u64 {
    let rows = plan.components.iter();
    rows.map(|row| row.to_make + row.depends_on_upstream).sum()
}

/// What a run of these components would do with a selection.
fn made(
    project: &Project,
    state: &State,
    components: &[Component],
    overwriting: Overwriting,
    lease: Lease,
) -> Result<Plan, Failure> {
    let mut previewer = state.previewer(project, components, overwriting)?;
    let price = |model: &str| gateway::settings::price(&project.settings.config.models, model);
    let models = project.settings.models();
    let caches = |model: &str| models.prompt_cache(model).is_some();
    engine::plan(&mut previewer, lease, price, caches).map_err(Failure::internal)
}

/// Passes a plan in a file, if a run would still do what it says.
///
/// # Errors
/// When something has changed since.
pub(super) fn check(
    kept: &KeptPlan,
    file: &Path,
    project: &Project,
    state: &State,
    components: &[Component],
    overwriting: Overwriting,
) -> Result<(), Failure> {
    let lease = state.select(&project.selection(&kept.selection()?)?)?;
    let plan = made(project, state, components, overwriting, lease)?;
    kept.check(file, plan.tasks, to_do(&plan))
}

/// What bounds the calls of the models that are asked, at each place where they are.
fn bounds(
    project: &Project,
    state: &State,
    components: &[Component],
) -> Result<BTreeMap<String, Vec<Bounds>>, Failure> {
    let parameters = components
        .iter()
        .filter_map(|component| component.parameters.as_ref());
    let bounds = parameters.map(|parameters| {
        let model = &parameters.model;
        let bounds = project.settings.models().bounds(model, &state.store);
        let bounds = bounds.map_err(Failure::internal)?.into_iter();
        let bounds = bounds.map(|(told, found)| Bounds { told, found });
        Ok((model.clone(), bounds.collect()))
    });
    bounds.collect()
}
