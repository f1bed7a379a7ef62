//! `batchgen golden`: texts that are known to be good, and whether the present prompts and models still write as well.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use serde_json::json;

use super::args::{LimitArgs, ProjectArgs, SelectionArgs};
use super::compare::{Cell, Change, Comparison, Row, Subject, Variant, Work, open};
use super::display::{Display, emit, say};
use super::exit::{Exit, Failure};
use super::file::Writing;
use super::numbers::counted;
use super::project::{Project, State};
use super::selector::{self, Selector};
use config::component::Component;
use plan::verdict::Giver;
use quality::Better;
use store::Selection;
use types::digest::Digest;

/// The folder of these texts, beside the configuration.
const FOLDER: &str = "golden";
/// Names of the two variants.
const TAGS: [&str; 2] = ["golden", "now"];

/// Keep texts that are known to be good, and check that the present prompts and model write as well.
#[derive(Debug, Args)]
pub(super) struct GoldenArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(AddArgs),
    Check(CheckArgs),
}

/// Keep the accepted file of a record as golden/COMPONENT/RECORD.EXTENSION.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen golden add oak text

`batchgen review --record oak --component text --accept` accepts a file. The folder golden/ belongs into version control. To take a text out, remove its file.")]
struct AddArgs {
    /// Id of the record
    record: String,
    /// Name of the component
    component: String,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Make the golden records with the present prompts and model, and say where they got worse. The project's files stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen golden check
  batchgen golden check --component text --at-most 2
  batchgen golden check --model openai/gpt-4o-mini --json

A text got worse if the judge of its component prefers the golden one in both orders, if it breaks a rule of the gate that the golden \
one keeps, or if it cannot be made any more.

Exit codes: 0 as good as ever, 3 more got worse than --at-most allows; others as those of `batchgen run`.")]
struct CheckArgs {
    /// Only this component; NAME+ and +NAME bring those around it. state:failed and category:ID limit the records (repeatable)
    #[arg(long, value_name = "SELECTOR")]
    component: Vec<Selector>,
    /// The component that judges, where several judge the same files
    #[arg(long, value_name = "NAME")]
    judge: Option<String>,
    /// So many texts may get worse
    #[arg(long, value_name = "N", default_value_t = 0)]
    at_most: u64,
    /// Print a line of JSON for each text that got worse, and one for each component
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &GoldenArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::Add(args) => add(args, display),
        Command::Check(args) => check(args, display),
    }
}

fn add(args: &AddArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let component = project.component(&args.component)?;
    let state = State::read(&project)?;
    state.select(&Selection {
        records: vec![args.record.clone()],
        ..Selection::default()
    })?;
    let found = state.store.find_record(&state.indexed, &args.record);
    let Some(record) = found.map_err(Failure::internal)? else {
        return Err(Failure::usage(anyhow!(
            "the record `{}` is not in the dataset any more",
            args.record
        )));
    };
    let path = component.output.path(&record.id, &record.category);
    let file = project.settings.config.output.directory.join(&path);
    let text = store::read_output_text(&file).map_err(|error| {
        Failure::usage(anyhow!(
            "{} cannot be read: {error}\nhint: `batchgen run --component {} --record {}` makes it",
            file.display(),
            component.name,
            record.id
        ))
    })?;
    let content = Digest::of(text.as_bytes());
    let verdicts = state.store.verdicts(state.indexed.id, &record.id);
    let verdicts = verdicts.map_err(Failure::internal)?;
    let last = verdicts.iter().rev().find(|verdict| {
        verdict.giver == Giver::Person
            && verdict.component == component.name
            && verdict.content == content
    });
    if !last.is_some_and(|verdict| verdict.passes) {
        return Err(Failure::usage(anyhow!(
            "nobody accepted {path} as it is now\nhint: `batchgen review --record {} --component {} --accept` does",
            record.id,
            component.name
        )));
    }
    let golden = place(&project, component, &record.id);
    keep(&golden, &text).map_err(Failure::usage)?;
    display.note(&format!("{} is golden", golden.display()));
    Ok(Exit::Done)
}

/// Where the golden text of a record lies.
fn place(project: &Project, component: &Component, record: &str) -> PathBuf {
    let path = component.output.path(record, "");
    let extension = Path::new(&path).extension().unwrap_or_default();
    let folder = project.settings.config.folder.join(FOLDER);
    let mut name = std::ffi::OsString::from(record);
    name.push(".");
    name.push(extension);
    folder.join(&component.name).join(name)
}

fn keep(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let mut writing = Writing::begin(file, None)?;
    writing.write_all(text.as_bytes())?;
    writing.publish()
}

fn check(args: &CheckArgs, display: &Display) -> Result<Exit, Failure> {
    let mut project = open(&args.project, &args.limits, display)?;
    let mut golden = golden(&project, &args.component)?;
    let selection = Selection {
        categories: selector::categories(&args.component, &[]),
        with: project.with_tasks(&args.component)?,
        ..Selection::default()
    };
    if selection != Selection::default() {
        limit(&mut golden, &State::read(&project)?, selection)?;
    }
    let (mut worse, mut exit) = (0, Exit::Done);
    for (component, texts) in golden {
        let selection = SelectionArgs {
            component: vec![Selector::component(&component)],
            record: texts.keys().cloned().collect(),
            ..SelectionArgs::default()
        };
        let count = texts.len() as u64;
        let [golden, now] = TAGS.map(str::to_owned);
        let subject = Subject {
            judge: args.judge.as_deref(),
            variants: vec![
                Variant {
                    title: "the golden texts".to_owned(),
                    tag: golden,
                    changes: vec![Change::Texts(Arc::new(texts))],
                },
                Variant {
                    title: "as they are written now".to_owned(),
                    tag: now,
                    changes: Vec::new(),
                },
            ],
        };
        let copies = subject.copies(&project, &selection)?;
        let work = Work {
            selection: &selection,
            limits: &args.limits,
            stand_in_replaces: args.project.model.asks_for_stand_in(),
            json: args.json,
        };
        let (ended, compared) = work.perform(&mut project, &copies, display)?;
        if ended != Exit::Done {
            exit = ended;
        }
        for comparison in &compared {
            worse += told(comparison, count, args.json);
        }
    }
    Ok(match exit {
        Exit::Done if worse > args.at_most => Exit::Partial,
        exit => exit,
    })
}

/// Keeps the texts of these records alone.
fn limit(golden: &mut Golden, state: &State, selection: Selection) -> Result<(), Failure> {
    let chosen = state.chosen(selection)?;
    for texts in golden.values_mut() {
        let mut kept = BTreeMap::new();
        for (id, text) in std::mem::take(texts) {
            let found = state.store.find_record(&state.indexed, &id);
            let found = found.map_err(Failure::internal)?;
            if found.is_some_and(|record| chosen.has(&record.id, &record.category)) {
                kept.insert(id, text);
            }
        }
        *texts = kept;
    }
    golden.retain(|_, texts| !texts.is_empty());
    match golden.is_empty() {
        true => Err(Failure::usage(anyhow!(
            "no golden text is of a record that is meant\nhint: `batchgen golden check` without state: and category: takes all of them"
        ))),
        false => Ok(()),
    }
}

/// Golden texts, by component and record.
type Golden = BTreeMap<String, BTreeMap<String, String>>;

/// The golden texts of these components, or of all.
fn golden(project: &Project, wanted: &[Selector]) -> Result<Golden, Failure> {
    let wanted = project.named(wanted)?;
    let root = project.settings.config.folder.join(FOLDER);
    let mut found = Golden::new();
    let unreadable = |path: &Path, error: std::io::Error| {
        Failure::usage(anyhow!("{} cannot be read: {error}", path.display()))
    };
    let folders = match fs::read_dir(&root) {
        Ok(folders) => folders.collect::<Result<Vec<_>, _>>(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    for folder in folders.map_err(|error| unreadable(&root, error))? {
        let path = folder.path();
        if !path.is_dir() {
            continue;
        }
        let name = folder.file_name().to_string_lossy().into_owned();
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        let component = project.component(&name)?;
        let files = fs::read_dir(&path).and_then(|files| files.collect::<Result<Vec<_>, _>>());
        for file in files.map_err(|error| unreadable(&path, error))? {
            let file = file.path();
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            // A text of another kind, or a note of the user.
            if place(project, component, &stem) != file {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
            found
                .entry(name.clone())
                .or_default()
                .insert(stem.into_owned(), text);
        }
    }
    if found.is_empty() {
        return Err(Failure::usage(anyhow!(
            "there is no golden text in {}\nhint: `batchgen golden add RECORD COMPONENT` keeps one",
            root.display()
        )));
    }
    Ok(found)
}

/// Says which texts got worse, and counts them.
fn told(comparison: &Comparison, golden: u64, json: bool) -> u64 {
    let worse: Vec<(&Row, &Cell)> = comparison
        .rows
        .iter()
        .filter_map(|row| Some((row, row.cells.get(1)?)))
        .filter(|(row, now)| is_worse(row, now))
        .collect();
    let count = worse.len() as u64;
    let changed = comparison.rows.iter().filter(|row| {
        let texts: Vec<_> = row.cells.iter().map(|cell| &cell.text).collect();
        texts
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if one != other))
    });
    let changed = changed.count() as u64;
    for (row, now) in worse {
        if json {
            emit(&json!({
                "event": "worse", "component": comparison.component, "record": row.record, "reasons": reasons(now),
            }));
        } else {
            say(&format!("worse: {} {}\n", row.record, comparison.component));
            for reason in reasons(now) {
                say(&textwrap::indent(&format!("{reason}\n"), "  "));
            }
        }
    }
    if json {
        emit(&json!({
            "event": "golden", "component": comparison.component, "judge": comparison.judge, "golden": golden,
            "changed": changed, "worse": count, "variants": comparison.variants, "against": comparison.against,
        }));
        return count;
    }
    let by = match &comparison.judge {
        Some(judge) => format!("by {judge}"),
        None => "by rules alone, since nobody judges it".to_owned(),
    };
    say(&format!(
        "{}: {count} of {} got worse, {by}; {changed} changed\n",
        comparison.component,
        counted(golden, "golden text"),
    ));
    count
}

/// Whether what is written now is surely worse: without a doubt of the judge.
fn is_worse(row: &Row, now: &Cell) -> bool {
    let is_first = row.better.first() == Some(&Better::First);
    let mut chosen = now.compared.iter().map(|choice| choice.better);
    is_first && chosen.all(|better| better == Better::First)
}

/// Why a text is worse.
fn reasons(now: &Cell) -> Vec<String> {
    let cause = now.cause.iter().cloned();
    let said = now.compared.iter().map(|choice| choice.reason.clone());
    let mut reasons: Vec<String> = cause
        .chain(now.reasons.iter().cloned())
        .chain(said)
        .collect();
    reasons.dedup();
    reasons
}
