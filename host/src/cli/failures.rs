//! `batchgen failures`: what failed, why, what to do about it, and what a plain rerun would do. It reads the state
//! without its lock, so it works while a run goes on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::args::{FailureArgs, ForceArgs, ProjectArgs};
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::guard::Guard;
use super::numbers::{count, counted, dollars};
use super::project::{Project, State};
use super::unreadable;
use super::values;
use plan::causes::Cause;
use store::{Cost, FailedTask, FailureFilter, FailureGroup, NotBegun, StoreError};
use types::class::{FailureClass, MOST_ATTEMPTS, Rerun};

/// Show what failed and what to do about it, by cause or one by one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen failures                             # by class and component
  batchgen failures --newest 10 --component text
  batchgen failures --export failures.jsonl")]
pub(super) struct FailuresArgs {
    /// List the last N failures, one by one
    #[arg(long, value_name = "N", value_parser = values::at_least_one)]
    newest: Option<u64>,
    /// Write all failures to a file, as JSON Lines with cost and last answer; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "newest")]
    export: Option<PathBuf>,
    /// Print JSON Lines
    #[arg(long, conflicts_with = "export")]
    json: bool,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    selection: FailureArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Causes of one class and component that are told.
const CAUSES: usize = 10;
/// Tasks that are read at once.
const BATCH: u64 = 256;

/// Runs the subcommand.
pub(super) fn perform(args: &FailuresArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let components = project.named(&args.selection.component)?;
    let state = State::read(&project)?;
    // For the error, where a name is not known.
    state.select(&args.selection.records())?;
    let filter = state.filter(&args.selection, &project, components)?;
    let with_dataset = names_no_task(&args.selection);
    if let Some(file) = &args.export {
        let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
        let written = export(&state, &filter, with_dataset, &guard, file)?;
        if file != Path::new("-") {
            let are = if written == 1 { "is" } else { "are" };
            let tasks = counted(written, "failed task");
            display.note(&format!("{tasks} {are} in {}", file.display()));
        }
        return Ok(Exit::Done);
    }
    if with_dataset && args.newest.is_none() {
        bad_records(&state, args.json, display)?;
    }
    let text = match args.newest {
        Some(limit) => newest(&state, &filter, limit, args.json).map_err(Failure::internal)?,
        None => grouped(&state, &filter, args.json).map_err(Failure::internal)?,
    };
    say(&text);
    Ok(Exit::Done)
}

/// Whether nothing but tasks of one component, category or record is wanted, so that records that cannot be read belong to
/// what failed.
fn names_no_task(selection: &FailureArgs) -> bool {
    let of_class = selection.class.is_empty() || selection.class.contains(&FailureClass::Record);
    of_class
        && selection.component.is_empty()
        && selection.category.is_empty()
        && selection.record.is_empty()
}

/// Records that cannot be read have no task that failed.
fn bad_records(state: &State, as_json: bool, display: &Display) -> Result<(), Failure> {
    if as_json {
        unreadable::each(state, |record| {
            let mut value = json!({"event": "unreadable"});
            if let (Some(event), Value::Object(record)) =
                (value.as_object_mut(), unreadable::as_value(record))
            {
                event.extend(record);
            }
            emit(&value);
            Ok(())
        })?;
        return Ok(());
    }
    unreadable::tell(state, false, display)?;
    Ok(())
}

/// What a plain rerun does with tasks of which it tries some again.
fn rerun(group: &FailureGroup) -> String {
    match group.class.rerun() {
        Rerun::TriesAgain => "`batchgen run` tries again".to_owned(),
        Rerun::LeavesIt => {
            "`batchgen run` leaves it until something changes; `batchgen retry` runs it again"
                .to_owned()
        }
        Rerun::AsksAnew if group.tried_again == group.tasks => {
            format!("`batchgen run` asks again, up to {MOST_ATTEMPTS} times in all")
        }
        Rerun::AsksAnew if group.tried_again == 0 => {
            "`batchgen run` leaves it now; `batchgen retry` asks again".to_owned()
        }
        Rerun::AsksAnew => format!(
            "`batchgen run` asks again for {}, and leaves {}; `batchgen retry` asks again for all",
            group.tried_again,
            group.tasks - group.tried_again
        ),
    }
}

fn grouped(state: &State, filter: &FailureFilter, as_json: bool) -> Result<String, StoreError> {
    let State { store, indexed } = state;
    let groups = store.failure_groups(indexed.id, filter)?;
    let others = store.not_begun(indexed.id, filter)?;
    if as_json {
        emit(&json!({
            "event": "failures",
            "groups": groups.iter().map(group_json).collect::<Vec<_>>(),
            "blocked": others.blocked,
            "skipped": others.skipped,
            "due": others.due,
        }));
        return Ok(String::new());
    }
    Ok(render(&groups, others))
}

fn group_json(group: &FailureGroup) -> Value {
    let causes = group.causes.iter();
    json!({
        "class": group.class.as_str(),
        "component": group.component,
        "tasks": group.tasks,
        "rerun_tries_again": group.tried_again,
        "causes": causes.take(CAUSES).map(|cause| {
            json!({"cause": cause.text, "tasks": cause.tasks, "records": cause.records})
        }).collect::<Vec<_>>(),
        "more_causes": group.causes.len().saturating_sub(CAUSES),
        "advice": group.class.advice(),
        "calls": group.spent.calls,
        "input_tokens": group.spent.usage.input_tokens,
        "output_tokens": group.spent.usage.output_tokens,
        "cost_micros": group.spent.micros,
    })
}

fn render(groups: &[FailureGroup], others: NotBegun) -> String {
    let mut text = String::new();
    for group in groups {
        let _ = writeln!(
            text,
            "{}  {}: {}{}",
            group.class,
            group.component,
            counted(group.tasks, "task"),
            spent(&group.spent)
        );
        for cause in group.causes.iter().take(CAUSES) {
            let _ = writeln!(
                text,
                "    {} × {}{}",
                count(cause.tasks),
                cause.text,
                of(cause)
            );
        }
        if let Some(more) = group.causes.len().checked_sub(CAUSES + 1) {
            let _ = writeln!(
                text,
                "    and {} (--newest N)",
                counted(more as u64 + 1, "other cause")
            );
        }
        let _ = writeln!(text, "    {}\n    {}", group.class.advice(), rerun(group));
    }
    let failed: u64 = groups.iter().map(|group| group.tasks).sum();
    let mut parts = vec![format!("{failed} failed")];
    for (number, word) in [
        (others.blocked, "blocked by these"),
        (others.skipped, "skipped because of these"),
        (
            others.due,
            "chosen by `batchgen retry` and not run yet (`batchgen run` goes on)",
        ),
    ] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    let _ = writeln!(text, "{}", parts.join(", "));
    text
}

/// The first records that have a cause, in brackets.
fn of(cause: &Cause) -> String {
    let more = if cause.tasks > cause.records.len() as u64 {
        ", …"
    } else {
        ""
    };
    match cause.records.as_slice() {
        [] => String::new(),
        records => format!(" ({}{more})", records.join(", ")),
    }
}

/// `, 3 calls, 1234 tokens, $0.0012`, as far as there is anything to say.
fn spent(cost: &Cost) -> String {
    if cost.calls == 0 {
        return String::new();
    }
    let tokens = count(
        cost.usage
            .input_tokens
            .saturating_add(cost.usage.output_tokens),
    );
    let mut text = format!(", {}, {tokens} tokens", counted(cost.calls, "call"));
    if cost.micros > 0 {
        let _ = write!(text, ", {}", dollars(cost.micros));
    }
    text
}

fn newest(
    state: &State,
    filter: &FailureFilter,
    limit: u64,
    as_json: bool,
) -> Result<String, StoreError> {
    let State { store, indexed } = state;
    let mut text = String::new();
    for task in store.newest_failures(indexed.id, filter, limit)? {
        if as_json {
            emit(&row(state, &task)?);
            continue;
        }
        let (cost, _) = store.evidence(&task)?;
        let _ = writeln!(
            text,
            "{} {}: {}: {}\n    {}{}, {}{}",
            task.record,
            task.component,
            task.class,
            task.cause,
            counted(task.attempts.into(), "attempt"),
            spent(&cost),
            task.ended_at,
            if task.parked {
                ", tried again at the end of the run"
            } else {
                ""
            }
        );
    }
    if text.is_empty() && !as_json {
        text.push_str("nothing failed\n");
    }
    Ok(text)
}

/// A line of the dead-letter file. Prompts are not stored; `batchgen replay` makes them again.
fn row(state: &State, task: &FailedTask) -> Result<Value, StoreError> {
    let (cost, last) = state.store.evidence(task)?;
    Ok(json!({
        "record": task.record,
        "category": task.category,
        "component": task.component,
        "class": task.class.as_str(),
        "cause": task.cause,
        "attempts": task.attempts,
        "executions": task.executions,
        "calls": cost.calls,
        "input_tokens": cost.usage.input_tokens,
        "output_tokens": cost.usage.output_tokens,
        "cost_micros": cost.micros,
        "generation": task.generation,
        "failed_at": task.ended_at,
        "last_answer": last.map(|last| json!({
            "completion": last.completion,
            "position": last.position,
            "kind": last.kind,
            "model": last.model,
            "text": last.text,
        })),
        "prompts": format!("batchgen replay {} {} --prompts", task.record, task.component),
    }))
}

fn export(
    state: &State,
    filter: &FailureFilter,
    with_dataset: bool,
    guard: &Guard,
    file: &Path,
) -> Result<u64, Failure> {
    let State { store, indexed } = state;
    let mut out = guard.begin(Some(file)).map_err(Failure::usage)?;
    let mut written = 0;
    if with_dataset {
        written += unreadable::each(state, |record| {
            let row = json!({
                "record": record.id,
                "line": record.line,
                "class": FailureClass::Record.as_str(),
                "cause": record.cause,
            });
            out.line(&row).map_err(Failure::internal)
        })?;
    }
    let mut last: Option<FailedTask> = None;
    loop {
        let tasks = store
            .failures(indexed.id, filter, last.as_ref(), BATCH)
            .map_err(Failure::internal)?;
        for task in &tasks {
            let row = row(state, task).map_err(Failure::internal)?;
            out.line(&row).map_err(Failure::internal)?;
            written += 1;
        }
        match tasks.into_iter().next_back() {
            Some(task) => last = Some(task),
            None => break,
        }
    }
    out.publish().map_err(Failure::internal)?;
    Ok(written)
}
