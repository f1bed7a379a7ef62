//! `batchgen export`: one row for each record, with the texts of its files, for those who load a database or a site
//! generator. It reads the state without its lock, and holds one record at a time.

mod columns;
mod csv;
mod format;
mod lines;
mod site;
mod typed;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use format::Format;
use site::Generator;

use super::args::{ForceArgs, ProjectArgs};
use super::display::Display;
use super::exit::{Exit, Failure};
use super::guard::Guard;
use super::numbers::counted;
use super::project::{Chosen, Project, State};
use super::selector::{self, Selector};
use super::unreadable;
use config::component::Component;
use dataset::Record;
use engine::{ExportError, ExportRow, ExportSource, WhichFiles, export};
use store::Selection;
use types::suggest::closest;

/// Write one row for each record, with the texts of its files, in the order of the dataset; or one page for each, for a
/// generator of sites.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen export site.jsonl --complete-only
  batchgen export site.parquet --all-fields
  batchgen export site.csv --component text --field origin
  batchgen export s3://shop/texts.parquet
  batchgen export excel.csv --all-fields --bom --escape-formulas
  batchgen export --as hugo site")]
pub(super) struct ExportArgs {
    /// File to write, or s3://BUCKET/KEY: .jsonl, .csv, .parquet, .arrow or .db (SQLite); standard output by default
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Format, if the file name does not tell it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write pages for this generator of sites, and no table; FILE is then the folder of the site
    #[arg(
        long = "as",
        value_enum,
        value_name = "GENERATOR",
        conflicts_with_all = ["format", "bom", "escape_formulas"]
    )]
    generator: Option<Generator>,
    /// Replace pages that were edited by hand
    #[arg(long, requires = "generator")]
    overwrite_edited: bool,
    /// Only records that have every selected file
    #[arg(long)]
    complete_only: bool,
    /// Only files that a person accepted, as they are now (`batchgen review`)
    #[arg(long, alias = "approved")]
    accepted: bool,
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
    /// This component; NAME+ and +NAME bring those around it. state:failed and category:ID limit the records (repeatable)
    #[arg(long, value_name = "SELECTOR")]
    component: Vec<Selector>,
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

/// Runs the subcommand.
pub(super) fn perform(args: &ExportArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let components = chosen(args, &project)?;
    let state = State::read(&project)?;
    let selection = Selection {
        categories: selector::categories(&args.component, &args.category),
        records: args.record.clone(),
        with: project.with_tasks(&args.component)?,
        ..Selection::default()
    };
    let source = Source {
        chosen: state.chosen(selection)?,
        args,
        project: &project,
        state: &state,
        components: &components,
        held_back: Cell::new(0),
    };
    let mut fields = Fields::new(&args.field);
    let unreadable = match args.generator {
        Some(generator) => site::write(generator, &source, &mut fields, display)?,
        None => table(&source, &mut fields, display)?,
    };
    let held_back = source.held_back.get();
    if held_back > 0 {
        let why = match args.accepted {
            true => "nobody accepted",
            false => "a gate holds",
        };
        display.note(&format!(
            "{} left out that {why}: `batchgen review` decides",
            counted(held_back, "file")
        ));
    }
    for warning in fields.warnings() {
        display.print(&warning);
    }
    let known = unreadable::tell(&state, false, display)?;
    if known == 0 && unreadable > 0 {
        display.print(&format!("warning: {}", unreadable::sentence(unreadable)));
    }
    Ok(if unreadable.max(known) > 0 && source.chosen.names_none() {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Writes a table; how many records cannot be read.
fn table(source: &Source<'_>, fields: &mut Fields<'_>, display: &Display) -> Result<u64, Failure> {
    let args = source.args;
    let format = format_of(args).map_err(Failure::usage)?;
    let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
    let mut out = guard.begin(args.file.as_deref()).map_err(Failure::usage)?;
    let (rows, unreadable) = match format {
        Format::Csv => csv::write(source, fields, &mut out)?,
        Format::Jsonl => lines::write(source, fields, &mut out)?,
        Format::Parquet | Format::Arrow | Format::Sqlite => {
            typed::write(format, source, fields, &mut out)?
        }
    };
    out.publish().map_err(Failure::internal)?;
    let named = args.file.as_deref();
    if let Some(file) = named.filter(|file| *file != Path::new("-")) {
        let are = if rows == 1 { "is" } else { "are" };
        display.note(&format!(
            "{} {are} in {}",
            counted(rows, "row"),
            file.display()
        ));
    }
    Ok(unreadable)
}

/// The format that is wanted, if the flags fit it and it can be written there.
fn format_of(args: &ExportArgs) -> anyhow::Result<Format> {
    let format = match (args.format, &args.file) {
        (Some(format), _) => format,
        (None, Some(file)) => Format::by_name(file)?,
        (None, None) => Format::Jsonl,
    };
    format.check_is_built()?;
    let flags = [
        (args.bom, "a byte order mark is for", "--bom"),
        (
            args.escape_formulas,
            "formulas are a matter of",
            "--escape-formulas",
        ),
    ];
    for (is_set, what, flag) in flags {
        if is_set && format != Format::Csv {
            return Err(anyhow!(
                "{what} CSV, and this is {}\nhint: leave out {flag}, or name the file .csv",
                format.name()
            ));
        }
    }
    let to_stdout = args
        .file
        .as_deref()
        .is_none_or(|file| file == Path::new("-"));
    if to_stdout && format.is_binary() && io::stdout().is_terminal() {
        return Err(anyhow!(
            "{} is nothing that a terminal can show\nhint: name a file, or send it on with `|` or `>`",
            format.name()
        ));
    }
    Ok(format)
}

/// Where the rows come from.
struct Source<'a> {
    args: &'a ExportArgs,
    project: &'a Project,
    state: &'a State,
    components: &'a [Component],
    chosen: Chosen,
    /// Files that the last pass left out.
    held_back: Cell<u64>,
}

impl Source<'_> {
    /// Whether no record is left out that the dataset has.
    fn is_whole(&self) -> bool {
        self.chosen.is_whole()
    }

    /// Gives every row that is wanted; tells how many there are, and how many records cannot be read.
    fn rows(
        &self,
        mut take: impl FnMut(&ExportRow<'_>) -> anyhow::Result<()>,
    ) -> Result<(u64, u64), Failure> {
        let args = self.args;
        let mut rows = 0;
        let mut held_back = 0;
        let source = ExportSource {
            dataset: &self.project.dataset,
            indexed: &self.state.indexed,
            store: self.state.store.clone(),
            output_root: self.project.settings.config.output.directory.clone(),
            components: self.components,
            which: match args.accepted {
                true => WhichFiles::Accepted,
                false => WhichFiles::NotHeld,
            },
        };
        let unreadable = export(
            source,
            |record| self.chosen.has(&record.id, &record.category),
            |row| {
                held_back += row.held_back;
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
            ExportError::Row(error) => typed::failure(error),
        })?;
        self.held_back.set(held_back);
        Ok((rows, unreadable))
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
    selector::names_all_or_some(args.all, &args.component)?;
    let named = project.named(&args.component)?;
    let wanted = |component: &Component| {
        args.all
            || named.contains(&component.name)
            || (!selector::names_components(&args.component) && component.enabled)
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
