//! `batchgen plan`: what `batchgen run` would do, why, and what that would take.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::args::{LimitArgs, ProjectArgs, SelectionArgs};
use super::authors;
use super::clean;
use super::display::{Display, emit, say};
use super::execution::{Wanted, execute, leftovers};
use super::exit::{Exit, Failure};
use super::missing_fields;
use super::numbers::{count, dollars};
use super::project::{Project, State, block_on};
use super::settings;
use crate::component::Component;
use crate::core::forecast::{Basis, Forecast, LookedAt, Spread};
use crate::llm::prices;
use crate::run::{ComponentPlan, Overwriting, Plan};
use crate::store::Selection;

/// Say what `run` would make, why, and what it would take. Makes nothing and asks nobody, but for --pilot.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plan                         # what `run` would make of all records, and why
  batchgen plan --all --category metal
  batchgen plan --pilot 8               # runs 8 records, then says what the rest will take")]
pub(super) struct PlanArgs {
    /// Print the plan as JSON (docs/PLAN.md)
    #[arg(long)]
    json: bool,
    /// First run N records, spread over the categories, within the limits; then plan with what was seen
    #[arg(long, value_name = "N", value_parser = settings::at_least_one)]
    pilot: Option<u64>,
    /// Plan for `run --overwrite-edited`
    #[arg(long)]
    overwrite_edited: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &PlanArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?.limited(&args.limits)?;
    let components = project.wanted(&args.selection)?;
    project.tell_left_out(&args.selection, display);
    missing_fields::tell(&project, &components, display);
    block_on(plan(args, display, &project, &components))
}

async fn plan(
    args: &PlanArgs,
    display: &Display,
    project: &Project,
    components: &[Component],
) -> Result<Exit, Failure> {
    let state = State::open(project).await?;
    let selection = args.selection.records();
    let lease = state.select(&selection)?;
    let exit = match args.pilot {
        None => Exit::Done,
        Some(records) => {
            let sampled = Selection {
                sample: Some(records),
                limit: None,
                ..selection
            };
            let wanted = Wanted {
                lease: state.select(&sampled)?,
                components: components.to_vec(),
                limits: &args.limits,
                dashboard: None,
                overwrite_edited: args.overwrite_edited,
                only_chosen: false,
                stand_in_replaces: args.project.model.asks_for_stand_in(),
                json: args.json,
            };
            execute(project, &state, wanted, display).await?
        }
    };
    let overwriting = Overwriting {
        edited: args.overwrite_edited,
        from_model: args.project.model.asks_for_stand_in(),
    };
    let mut surveyor = state.surveyor(project, components, overwriting)?;
    let price = |model: &str| prices::price(&project.settings.config.models, model);
    let plan = crate::run::plan(&mut surveyor, lease, price).map_err(Failure::internal)?;
    let leftovers = leftovers(project, &state)?;
    if args.json {
        emit(&json!({
            "event": "plan",
            "records": plan.records,
            "components": plan.components,
            "prices_of": prices::date(),
            "leftovers": clean::counts(&leftovers),
        }));
    } else {
        let space = if args.pilot.is_some() { "\n" } else { "" };
        let text = render(&plan, &project.settings.dataset.records);
        let left = clean::notice(&leftovers);
        let ahead = authors::ahead(&plan);
        say(&format!("{space}{text}{ahead}{left}"));
    }
    // What failed in the pilot stands in the plan.
    Ok(if exit == Exit::Partial {
        Exit::Done
    } else {
        exit
    })
}

fn render(plan: &Plan, noun: &str) -> String {
    let mut text = String::new();
    let sum = |part: fn(&ComponentPlan) -> u64| plan.components.iter().map(part).sum::<u64>();
    let edited = sum(|row| row.edited);
    let kept =
        sum(|row| row.up_to_date) + edited + sum(|row| row.accepted + row.kept_from_stand_in);
    if kept == plan.records * plan.components.len() as u64 {
        let by_hand = if edited > 0 {
            format!(", {edited} of them edited by hand and kept")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "nothing to do: all {kept} artifacts of {} {noun} are up to date{by_hand}",
            plan.records
        );
        return text;
    }
    text.push_str(&states(&plan.components));
    text.push_str(&reasons(&plan.components));
    text.push_str(&forecasts(&plan.components));
    text.push_str("\nnothing was made\n");
    text
}

/// How the tasks stand. What is rare has a column only where there is any.
fn states(components: &[ComponentPlan]) -> String {
    type Column = (&'static str, fn(&ComponentPlan) -> u64, bool);
    let columns: [Column; 11] = [
        ("to make", |row| row.to_make, true),
        ("up to date", |row| row.up_to_date, true),
        ("edited", |row| row.edited, true),
        ("accepted", |row| row.accepted, false),
        ("kept", |row| row.kept_from_stand_in, false),
        ("depends on upstream", |row| row.depends_on_upstream, true),
        ("of these fail", |row| row.fails, false),
        ("stay failed", |row| row.stay_failed, false),
        ("blocked", |row| row.blocked, false),
        ("skipped", |row| row.skipped, false),
        ("unreadable", |row| row.unreadable, false),
    ];
    let columns: Vec<Column> = columns
        .into_iter()
        .filter(|(_, value, always)| *always || components.iter().any(|row| value(row) > 0))
        .collect();
    let head = std::iter::once("component").chain(columns.iter().map(|(name, _, _)| *name));
    let rows = components.iter().map(|row| {
        let values = columns.iter().map(|(_, value, _)| value(row).to_string());
        std::iter::once(row.component.clone())
            .chain(values)
            .collect()
    });
    table(head.map(str::to_owned).collect(), rows.collect())
}

fn reasons(components: &[ComponentPlan]) -> String {
    let mut text = String::new();
    let rows = components
        .iter()
        .flat_map(|row| row.reasons.iter().map(move |reason| (row, reason)));
    let width = components
        .iter()
        .map(|row| row.component.len())
        .max()
        .unwrap_or(0)
        .max(9);
    for (row, reason) in rows {
        if text.is_empty() {
            text.push_str("\nwhy\n");
        }
        let _ = writeln!(
            text,
            "{:width$}  {:>7}  {}",
            row.component, reason.tasks, reason.reason
        );
    }
    text
}

fn forecasts(components: &[ComponentPlan]) -> String {
    let known: Vec<(&str, &Forecast)> = components
        .iter()
        .filter_map(|row| Some((row.component.as_str(), row.forecast.as_ref()?)))
        .filter(|(_, forecast)| forecast.calls.total() + forecast.from_journal > 0)
        .collect();
    if known.is_empty() {
        return String::new();
    }
    let about = |estimated: bool, number: String| {
        if estimated {
            format!("~{number}")
        } else {
            number
        }
    };
    let mut rows: Vec<Vec<String>> = known
        .iter()
        .map(|(name, forecast)| {
            let asks = forecast.calls.total() > 0;
            let calls = forecast.calls;
            let input = forecast.input_tokens;
            vec![
                (*name).to_owned(),
                about(calls.estimated > 0, count(calls.total())),
                count(forecast.from_journal),
                about(input.estimated > 0, count(input.total())),
                about(asks, count(forecast.output_tokens)),
                about(asks, money(forecast.cost_micros)),
                spread(forecast.output_tokens_per_task, count),
                spread(forecast.cost_micros_per_task, |micros| money(Some(micros))),
                match forecast.basis {
                    _ if !asks => String::new(),
                    Basis::Observed => format!("{} tasks before", forecast.observed_tasks),
                    Basis::Cap => "cap on answers".to_owned(),
                },
            ]
        })
        .collect();
    let sum = |part: fn(&Forecast) -> u64| known.iter().map(|(_, row)| part(row)).sum::<u64>();
    let cost = known
        .iter()
        .try_fold(0, |sum: u64, (_, row)| Some(sum + row.cost_micros?));
    let asks = sum(|row| row.calls.total()) > 0;
    rows.push(vec![
        "together".to_owned(),
        about(
            sum(|row| row.calls.estimated) > 0,
            count(sum(|row| row.calls.total())),
        ),
        count(sum(|row| row.from_journal)),
        about(
            sum(|row| row.input_tokens.estimated) > 0,
            count(sum(|row| row.input_tokens.total())),
        ),
        about(asks, count(sum(|row| row.output_tokens))),
        about(asks, money(cost)),
        String::new(),
        String::new(),
        String::new(),
    ]);
    let head = [
        "component",
        "calls",
        "from journal",
        "tokens in",
        "tokens out",
        "cost",
        "out of a task",
        "cost of a task",
        "known from",
    ];
    let head = head.map(str::to_owned).to_vec();
    let mut text = format!("\n{}", table(head, rows));
    text.push_str(&notes(&known, cost.is_none()));
    text
}

/// What the numbers mean, as far as they need it.
fn notes(known: &[(&str, &Forecast)], unpriced: bool) -> String {
    let mut text = String::new();
    if known.iter().any(|(_, row)| row.calls.total() > 0) {
        text.push_str(
            "~ is estimated; what has none is counted from first questions, word by word. All that depends on \
             upstream is included.\nof a task: what a tenth, half and nine tenths of tasks stay within\n",
        );
    }
    for (name, row) in known {
        let LookedAt { tasks, of } = row.looked_at;
        if tasks < of {
            let _ = writeln!(
                text,
                "{name}: from a sample of {tasks} of {of} tasks, scaled"
            );
        }
    }
    if unpriced {
        text.push_str("unknown: a model has no price; set it in [models.\"provider/model\"]\n");
    }
    text
}

fn money(micros: Option<u64>) -> String {
    match micros {
        None => "unknown".to_owned(),
        Some(0) => "$0".to_owned(),
        Some(micros) => dollars(micros),
    }
}

fn spread(spread: Option<Spread>, shown: impl Fn(u64) -> String) -> String {
    match spread {
        None => String::new(),
        Some(Spread { p10, p90, .. }) if p10 == p90 => shown(p10),
        Some(Spread { p10, p50, p90 }) => [p10, p50, p90].map(shown).join("/"),
    }
}

/// Columns to the right, but for the first and what stands in words at the end.
fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let all: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in &all {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            let width = width(place);
            let _ = match place {
                0 => write!(line, "{cell:width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
