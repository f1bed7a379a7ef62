//! `batchgen init`: writes a first configuration for a dataset of the user's own. It looks at every record, so that
//! what it proposes works for all of them.

mod file;
mod proposal;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::display::{Display, say};
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::settings;
use crate::config::{Config, FILE_NAME};
use crate::dataset::{Dataset, DatasetError, Format, Survey};
use proposal::{Proposal, Wish};

/// Write a batchgen.toml for a dataset of your own: looks at the file, proposes id, name and category, and a first
/// component.
#[derive(Debug, Args)]
#[command(
    after_help = "It overwrites nothing, and the result runs at once, without a key: `batchgen run --limit 3`.

Examples:
  batchgen init products.csv
  batchgen init data/books.jsonl --id isbn --category genre"
)]
pub(super) struct InitArgs {
    /// Dataset: .yaml, .json, .jsonl or .csv
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    /// Field that holds the id
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
    /// Field that holds the name
    #[arg(long, value_name = "FIELD")]
    name: Option<String>,
    /// Field that holds the category
    #[arg(long, value_name = "FIELD")]
    category: Option<String>,
    /// Configuration to write
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    config: PathBuf,
    /// Directory of plugins, where `run` is to find the plugin `prompt`
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_PLUGINS",
        hide_env_values = true
    )]
    plugins: Option<PathBuf>,
}

/// Runs the subcommand.
pub(super) fn perform(args: &InitArgs, display: &Display) -> Result<Exit, Failure> {
    write(args, display).map_err(Failure::usage)?;
    Ok(Exit::Done)
}

fn write(args: &InitArgs, display: &Display) -> anyhow::Result<()> {
    if args.config.exists() {
        return Err(anyhow!(
            "{} is there already, and is not overwritten\nhint: move it away, or write another with --config FILE",
            args.config.display()
        ));
    }
    let survey = Survey::of(&args.dataset).map_err(|error| explained(error, &args.dataset))?;
    separated(&survey, &args.dataset)?;
    let wish = Wish {
        id: args.id.as_deref(),
        name: args.name.as_deref(),
        category: args.category.as_deref(),
    };
    let proposal = Proposal::of(&survey, &wish)?;
    let path = seen_from(&args.config, &args.dataset)?;
    let text = file::text(&survey, &proposal, &path);
    check(&args.config, &text)?;
    if let Some(folder) = args.config.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the directory {}", folder.display()))?;
    }
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).open(&args.config)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", args.config.display()))?;
    say(&told(args, &survey, &proposal));
    let plugins = match &args.plugins {
        Some(plugins) => plugins.clone(),
        None => settings::plugins_directory(&Config::read(&args.config)?),
    };
    if !plugins.join("prompt.wasm").is_file() {
        display.print(&format!(
            "warning: there is no plugin `prompt` in {}\nhint: build the plugins with `cargo xtask build-plugins`, or \
             name their directory under [plugins]",
            plugins.display()
        ));
    }
    Ok(())
}

/// The error of a file that cannot be surveyed; with what a table of another kind needs.
fn explained(error: DatasetError, file: &Path) -> anyhow::Error {
    match error {
        DatasetError::Missing { file } => anyhow!(
            "there is no file {}\nhint: name the file that holds your records",
            file.display()
        ),
        DatasetError::UnknownFormat { .. } => anyhow!(
            "{}: the extension tells no format\nhint: save it as .yaml, .json, .jsonl or .csv",
            file.display()
        ),
        DatasetError::NoRecordList { ref found, .. } => anyhow!(
            "{}: there is no list of records, neither at the top nor under one of its keys ({})\nhint: write the records \
             as a list, `[{{...}}, {{...}}]` in JSON or `- id: ...` in YAML (docs/DATASETS.md)",
            file.display(),
            found.join(", ")
        ),
        error => error.into(),
    }
}

/// A table with other separators than commas has one column, whose name holds all others.
fn separated(survey: &Survey, file: &Path) -> anyhow::Result<()> {
    let [only] = survey.fields.as_slice() else {
        return Ok(());
    };
    let separator = [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")]
        .into_iter()
        .find(|(separator, _)| only.name.contains(*separator));
    match separator {
        Some((_, name)) if survey.format == Format::Csv => Err(anyhow!(
            "{}:1: the columns are separated by {name}\nhint: save the file with commas",
            file.display()
        )),
        _ => Ok(()),
    }
}

/// The dataset's path as the configuration has it: from its own directory where it lies below, else absolute.
fn seen_from(config: &Path, dataset: &Path) -> anyhow::Result<PathBuf> {
    let folder = config
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let base = folder.unwrap_or(Path::new("."));
    let real = dataset.canonicalize()?;
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    Ok(real
        .strip_prefix(&base)
        .map_or_else(|_| real.clone(), Path::to_owned))
}

/// What was written must be what a run accepts, for every record.
fn check(config: &Path, text: &str) -> anyhow::Result<()> {
    let config = Config::parse(config, text)?;
    let dataset = config.dataset.context("no dataset was written")?;
    for entry in Dataset::open(dataset)?.entries() {
        entry?;
    }
    Ok(())
}

fn told(args: &InitArgs, survey: &Survey, proposal: &Proposal) -> String {
    let mut text = format!(
        "{}: {}, {}, {}\n",
        args.dataset.display(),
        survey.format.as_str(),
        counted(survey.records, "record"),
        counted(survey.fields.len() as u64, "field")
    );
    for (role, field, why) in proposal.reasons() {
        text.push_str(&format!("  {role:9} {field}: {why}\n"));
    }
    let elsewhere = if args.config == Path::new(FILE_NAME) {
        String::new()
    } else {
        format!(" --config {}", args.config.display())
    };
    text.push_str(&format!(
        "{} is written, with a first component `{}`.\n\nNext:\n  batchgen run --limit 3{elsewhere}\n      \
         makes three records' files in content/{}/, without key or network\n  edit the prompt in {}, and run again: only \
         what it changes is made again\n  batchgen plan --model openai/gpt-4o-mini{elsewhere}\n      says what a model would \
         take for all of them; its key belongs into the environment or into .env\n",
        args.config.display(),
        file::COMPONENT,
        file::COMPONENT,
        args.config.display(),
    ));
    text
}
