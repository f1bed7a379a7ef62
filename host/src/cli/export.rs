//! `batchgen export`: one row for each record, with the texts of its files, for those who load a database or a site
//! generator. It reads the state without its lock, and holds one record at a time.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::args::{ForceArgs, ProjectArgs};
use super::display::Display;
use super::exit::{Exit, Failure};
use super::file::Writing;
use super::guard::Guard;
use super::numbers::counted;
use super::project::{Project, State};
use super::unreadable;
use crate::component::Component;
use crate::config::closest;
use crate::dataset::Record;
use crate::run::{ExportError, ExportRow, as_json, export};
use crate::store::Selection;

/// Write one row for each record, with the texts of its files, in the order of the dataset.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen export site.jsonl --complete-only
  batchgen export site.csv --component text --field origin")]
pub(super) struct ExportArgs {
    /// File to write; standard output where absent
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Format, where the file's name does not tell it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only records of which every chosen file is there
    #[arg(long)]
    complete_only: bool,
    /// Also this field of the record (repeatable)
    #[arg(long, value_name = "NAME")]
    field: Vec<String>,
    /// Every component, enabled or not
    #[arg(long)]
    all: bool,
    /// This component (repeatable)
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    component: Vec<String>,
    /// Only records of this category (repeatable)
    #[arg(long, value_name = "ID")]
    category: Vec<String>,
    /// Only this record (repeatable)
    #[arg(long, value_name = "ID")]
    record: Vec<String>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Names of fields that are remembered, to say what was meant.
const NAMES: usize = 1000;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ExportArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let components = chosen(args, &project)?;
    let state = State::read(&project)?;
    // For the error, where a name is not known.
    state.select(&Selection {
        categories: args.category.clone(),
        records: args.record.clone(),
        ..Selection::default()
    })?;
    let format = match (args.format, &args.file) {
        (Some(format), _) => format,
        (None, Some(file)) => by_name(file).map_err(Failure::usage)?,
        (None, None) => Format::Jsonl,
    };
    let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
    let mut out = guard.begin(args.file.as_deref()).map_err(Failure::usage)?;
    let as_table = format == Format::Csv;
    if as_table {
        let fixed = ["id", "name", "category"].map(str::to_owned);
        let fields = args.field.iter().map(|name| format!("fields.{name}"));
        let names = components.iter().map(|component| component.name.clone());
        let header = fixed.into_iter().chain(fields).chain(names);
        line(&mut out, header).map_err(Failure::internal)?;
    }
    let records: BTreeSet<&str> = args.record.iter().map(String::as_str).collect();
    let mut rows = 0_u64;
    let mut fields = Fields::new(&args.field);
    let result = export(
        &project.dataset,
        &state.indexed,
        state.store.clone(),
        project.settings.config.output.directory.clone(),
        &components,
        |record| {
            (records.is_empty() || records.contains(record.id.as_str()))
                && (args.category.is_empty() || args.category.contains(&record.category))
        },
        |row| -> anyhow::Result<()> {
            if args.complete_only && !row.is_complete() {
                return Ok(());
            }
            rows += 1;
            fields.see(row.record);
            if as_table {
                line(&mut out, cells(row, &args.field))
            } else {
                Ok(writeln!(out, "{}", object(row, &components, &args.field))?)
            }
        },
    );
    let unreadable = result.map_err(|error| match error {
        ExportError::Dataset(error) => Failure::usage(error),
        ExportError::Store(error) => Failure::internal(error),
        ExportError::Row(error) => Failure::internal(error),
    })?;
    out.publish().map_err(Failure::internal)?;
    if let Some(file) = &args.file {
        let are = if rows == 1 { "is" } else { "are" };
        display.note(&format!(
            "{} {are} in {}",
            counted(rows, "row"),
            file.display()
        ));
    }
    for warning in fields.warnings() {
        display.print(&warning);
    }
    let known = unreadable::tell(&state, false, display)?;
    if known == 0 && unreadable > 0 {
        display.print(&format!("warning: {}", unreadable::sentence(unreadable)));
    }
    Ok(if unreadable.max(known) > 0 && args.record.is_empty() {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// The format that a file's name tells; `-` is standard output.
fn by_name(file: &Path) -> anyhow::Result<Format> {
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    match ending.to_ascii_lowercase().as_str() {
        "csv" => Ok(Format::Csv),
        "jsonl" | "ndjson" => Ok(Format::Jsonl),
        _ if file == Path::new("-") => Ok(Format::Jsonl),
        _ => Err(anyhow!(
            "the name {} tells no format\nhint: name it .jsonl or .csv, or say it with --format",
            file.display()
        )),
    }
}

/// Fields that were asked for and that no record has had so far, and the names that records have.
struct Fields<'a> {
    unseen: Vec<&'a str>,
    names: BTreeSet<String>,
}

impl Fields<'_> {
    fn new(wanted: &[String]) -> Fields<'_> {
        Fields {
            unseen: wanted.iter().map(String::as_str).collect(),
            names: BTreeSet::new(),
        }
    }

    fn see(&mut self, record: &Record) {
        if self.unseen.is_empty() {
            return;
        }
        self.unseen
            .retain(|name| !record.fields.contains_key(*name));
        if self.names.len() < NAMES {
            self.names.extend(record.fields.keys().cloned());
        }
    }

    fn warnings(&self) -> Vec<String> {
        let names = || self.names.iter().map(String::as_str);
        let warning = |name: &&str| {
            let hint = match closest(name, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the fields are: {}", names().collect::<Vec<_>>().join(", ")),
            };
            format!("warning: no record has a field `{name}`\nhint: {hint}")
        };
        self.unseen.iter().map(warning).collect()
    }
}

/// The components whose files are wanted, in running order.
fn chosen(args: &ExportArgs, project: &Project) -> Result<Vec<Component>, Failure> {
    for name in &args.component {
        project.component(name)?;
    }
    let wanted = |component: &Component| {
        args.all
            || args.component.contains(&component.name)
            || (args.component.is_empty() && component.enabled)
    };
    let names = project
        .components
        .iter()
        .filter(|component| wanted(component))
        .map(|component| component.name.clone());
    let mut components = project.with_dependencies(names)?;
    components.retain(wanted);
    Ok(components)
}

/// Writes one line of a table.
fn line(out: &mut Writing, cells: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(cells)?;
    Ok(())
}

/// A row as JSON.
fn object(row: &ExportRow<'_>, components: &[Component], fields: &[String]) -> Value {
    let record = row.record;
    let mut object = json!({"id": record.id, "name": record.name, "category": record.category});
    let mut files = Map::new();
    for (component, text) in components.iter().zip(&row.texts) {
        let Some(text) = text else {
            files.insert(component.name.clone(), Value::Null);
            continue;
        };
        let mut file = json!({"text": text});
        if let (Some(file), Some(json)) = (file.as_object_mut(), as_json(text, component)) {
            file.insert("json".to_owned(), json);
        }
        files.insert(component.name.clone(), file);
    }
    if let Some(object) = object.as_object_mut() {
        if !fields.is_empty() {
            let picked = fields.iter().map(|name| {
                (
                    name.clone(),
                    record.fields.get(name).cloned().unwrap_or(Value::Null),
                )
            });
            object.insert("fields".to_owned(), Value::Object(picked.collect()));
        }
        object.insert("components".to_owned(), Value::Object(files));
    }
    object
}

/// A row of a table. What is absent is an empty cell; a field that is no text is JSON.
fn cells(row: &ExportRow<'_>, fields: &[String]) -> Vec<String> {
    let record = row.record;
    let mut cells = vec![
        record.id.clone(),
        record.name.clone(),
        record.category.clone(),
    ];
    cells.extend(fields.iter().map(|name| match record.fields.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }));
    cells.extend(
        row.texts
            .iter()
            .map(|text| text.clone().unwrap_or_default()),
    );
    cells
}
