//! `batchgen export`: one row for each record, with the texts of its files, for those who load a database or a site
//! generator. It reads the state without its lock, and holds one record at a time.

mod table;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use table::Columns;

use super::args::{ForceArgs, ProjectArgs};
use super::display::Display;
use super::exit::{Exit, Failure};
use super::file::Writing;
use super::guard::Guard;
use super::numbers::counted;
use super::project::{Project, State};
use super::unreadable;
use config::component::Component;
use dataset::{self, Record};
use engine::{ExportError, ExportRow, as_json, export};
use store::Selection;
use types::suggest::closest;

/// Write one row for each record, with the texts of its files, in the order of the dataset.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen export site.jsonl --complete-only
  batchgen export site.csv --component text --field origin
  batchgen export excel.csv --all-fields --bom --escape-formulas")]
pub(super) struct ExportArgs {
    /// File to write; standard output by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Format, if the file name does not tell it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only records that have every selected file
    #[arg(long)]
    complete_only: bool,
    /// Also this field of the record (repeatable)
    #[arg(long, value_name = "NAME")]
    field: Vec<String>,
    /// Also all fields of the record
    #[arg(long, conflicts_with = "field")]
    all_fields: bool,
    /// Start a .csv file with a byte order mark, so that Excel reads it as UTF-8
    #[arg(long)]
    bom: bool,
    /// Put `'` before texts of a .csv file that a spreadsheet would take for a formula: those that begin with `=`, `+`, `-`,
    /// `@`, a tab or a carriage return. Use it for a file that is opened in a spreadsheet, and not for one that a program reads
    #[arg(long)]
    escape_formulas: bool,
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
    if args.bom && format != Format::Csv {
        return Err(Failure::usage(anyhow!(
            "a byte order mark is for CSV, and this is JSON Lines\nhint: leave out --bom, or name the file .csv"
        )));
    }
    if args.escape_formulas && format != Format::Csv {
        return Err(Failure::usage(anyhow!(
            "formulas are a matter of CSV, and this is JSON Lines\nhint: leave out --escape-formulas, or name the file .csv"
        )));
    }
    let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
    let mut out = guard.begin(args.file.as_deref()).map_err(Failure::usage)?;
    let source = Source {
        args,
        project: &project,
        state: &state,
        components: &components,
    };
    let mut fields = Fields::new(&args.field);
    let (rows, unreadable) = match format {
        Format::Csv => table(&source, &mut fields, &mut out)?,
        Format::Jsonl => lines(&source, &mut fields, &mut out)?,
    };
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

/// Where the rows come from.
struct Source<'a> {
    args: &'a ExportArgs,
    project: &'a Project,
    state: &'a State,
    components: &'a [Component],
}

impl Source<'_> {
    /// Gives every row that is wanted; tells how many there are, and how many records cannot be read.
    fn rows(
        &self,
        mut take: impl FnMut(&ExportRow<'_>) -> anyhow::Result<()>,
    ) -> Result<(u64, u64), Failure> {
        let args = self.args;
        let records: BTreeSet<&str> = args.record.iter().map(String::as_str).collect();
        let mut rows = 0;
        let unreadable = export(
            &self.project.dataset,
            &self.state.indexed,
            self.state.store.clone(),
            self.project.settings.config.output.directory.clone(),
            self.components,
            |record| {
                (records.is_empty() || records.contains(record.id.as_str()))
                    && (args.category.is_empty() || args.category.contains(&record.category))
            },
            |row| {
                if args.complete_only && !row.is_complete() {
                    return Ok(());
                }
                rows += 1;
                take(row)
            },
        );
        let unreadable = unreadable.map_err(|error| match error {
            ExportError::Dataset(error) => Failure::usage(error),
            ExportError::Store(error) => Failure::internal(error),
            ExportError::Row(error) => Failure::internal(error),
        })?;
        Ok((rows, unreadable))
    }
}

/// Writes a table.
fn table(
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    out: &mut Writing,
) -> Result<(u64, u64), Failure> {
    let args = source.args;
    let mut columns = Columns::new(source.components, &args.field, args.all_fields);
    let cell = |text: String| {
        if args.escape_formulas {
            unlike_a_formula(text)
        } else {
            text
        }
    };
    if columns.depend_on_rows() {
        source.rows(|row| {
            columns.see(row);
            Ok(())
        })?;
    }
    if args.bom {
        out.write_all("\u{feff}".as_bytes())
            .map_err(Failure::internal)?;
    }
    let mut table = csv::Writer::from_writer(out);
    table
        .write_record(columns.header().into_iter().map(cell))
        .map_err(|error| Failure::internal(io::Error::from(error)))?;
    let counted = source.rows(|row| {
        fields.see(row.record);
        let cells = columns.cells(row).into_iter().map(cell);
        Ok(table.write_record(cells).map_err(io::Error::from)?)
    })?;
    table.flush().map_err(Failure::internal)?;
    Ok(counted)
}

/// A cell that a spreadsheet shows, and does not compute. A number computes nothing, and stays one.
fn unlike_a_formula(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && !text.parse().is_ok_and(f64::is_finite) {
        format!("'{text}")
    } else {
        text
    }
}

/// Writes a line of JSON for each row.
fn lines(
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    out: &mut Writing,
) -> Result<(u64, u64), Failure> {
    let args = source.args;
    source.rows(|row| {
        fields.see(row.record);
        let line = Line {
            id: row.record.written_id(),
            name: &row.record.name,
            category: row.record.written_category(),
            fields: if args.all_fields {
                Some(Picked::All(&row.record.fields))
            } else if args.field.is_empty() {
                None
            } else {
                Some(Picked::Named(&row.record.fields, &args.field))
            },
            components: files(row, source.components),
        };
        Ok(out.line(&line)?)
    })
}

/// A row as JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    name: &'a str,
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Picked<'a>>,
    components: Map<String, Value>,
}

/// Fields of a record, with their numbers as the dataset has them.
enum Picked<'a> {
    All(&'a dataset::Fields),
    Named(&'a dataset::Fields, &'a [String]),
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Picked::All(fields) => fields.serialize(serializer),
            Picked::Named(fields, names) => serializer.collect_map(names.iter().map(|name| {
                let json = fields.json(name).map(Cow::into_owned);
                (name, json.and_then(|json| RawValue::from_string(json).ok()))
            })),
        }
    }
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

/// The files of a row.
fn files(row: &ExportRow<'_>, components: &[Component]) -> Map<String, Value> {
    let files = components.iter().zip(&row.texts);
    let file = |(component, text): (&Component, &Option<String>)| {
        let file = match text {
            None => Value::Null,
            Some(text) => match as_json(text, component) {
                None => json!({"text": text}),
                Some(value) => json!({"text": text, "json": value}),
            },
        };
        (component.name.clone(), file)
    };
    files.map(file).collect()
}
