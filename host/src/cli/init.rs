//! `batchgen init`: writes a first configuration for a dataset of the user's own. It looks at every record, so that
//! what it proposes works for all of them.

mod file;
pub(super) mod proposal;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;

use super::display::Display;
use super::exit::{Exit, Failure};
use super::numbers::counted;
use super::real_paths::real_path;
use super::settings;
use super::{ask, component_text, embedded, environment, program, trust};
use config::{Config, FILE_NAME, component_file};
use dataset::{Copies, DatabaseUrl, Dataset, DatasetConfig, DatasetError, Paths, Survey};
use gateway::providers::offline;
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
    /// Dataset: .yaml, .json, .jsonl, .csv, .tsv (also with .gz or .zst), .parquet, .arrow or .xlsx; several files, a pattern in
    /// quotes, or `-` for standard input
    #[arg(value_name = "DATASET", required = true)]
    dataset: Vec<PathBuf>,
    /// Sheet of a workbook; the first one where it is not told
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// What a database is asked, where DATASET is one: sqlite:FILE or postgres://USER@HOST/NAME
    #[arg(long, value_name = "SELECT")]
    sql: Option<String>,
    /// Field that holds the id
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
    /// Field that holds the name
    #[arg(long, value_name = "FIELD")]
    name: Option<String>,
    /// Field that holds the category
    #[arg(long, value_name = "FIELD")]
    category: Option<String>,
    /// Model that the configuration names, as provider/model; asked for on a terminal
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
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
    if args.config.is_dir() {
        return Err(anyhow!(
            "{} is a directory\nhint: name a file with --config FILE",
            args.config.display()
        ));
    }
    let component = component(args);
    component_text::check_free(&component)?;
    let config = wanted(args)?;
    // Looked at more than once, and copied once.
    let folder = tempfile::tempdir().context("cannot make a folder for temporary files")?;
    let copies = settings::asking(settings::reading_rows(Copies::kept_in(folder.path())));
    let look = |first_of: Option<&str>| Survey::of(&config, &copies, first_of).map_err(explained);
    let survey = look(None)?;
    let survey = match proposal::grouping(&survey, args.id.as_deref()) {
        Some(field) => look(Some(&field))?,
        None => survey,
    };
    if survey.unreadable > survey.records {
        return Err(mostly_unreadable(&survey));
    }
    let wish = Wish {
        id: args.id.as_deref(),
        name: args.name.as_deref(),
        category: args.category.as_deref(),
    };
    let proposal = Proposal::of(&survey, &wish)?;
    let mut places = Vec::new();
    for path in config.path.iter() {
        places.push(
            seen_from(&args.config, path)?
                .to_string_lossy()
                .into_owned(),
        );
    }
    match config.url.as_ref().map(|url| url.file()) {
        Some(Some(file)) => {
            let file = seen_from(&args.config, file)?;
            places.push(format!("sqlite:{}", file.display()));
        }
        Some(None) => places.extend(args.dataset.iter().map(|url| url.display().to_string())),
        None => {}
    }
    let model = model(args, display)?;
    let text = file::text(&survey, &proposal, places, &model);
    check(&args.config, &text, &copies)?;
    let first = file::component(&proposal);
    component_file::parse(&component, &first)?;
    component_text::write_new(&component, &first)?;
    // The configuration last: where it is, all is there.
    component_text::write_new(&args.config, &text)?;
    // What a person types is no choice of a project from elsewhere.
    if let Err(error) = trust::allow_sources(&config, &args.config) {
        display.print(&format!("warning: {error:#}"));
    }
    display.say(&told(args, &survey, &proposal, &model));
    if let Some(warning) = values_as_names(&survey) {
        display.print(&warning);
    }
    let plugins = match &args.plugins {
        Some(plugins) => plugins.clone(),
        None => settings::plugins_directory(&Config::parse(&args.config, &text)?),
    };
    if embedded::plugins().is_empty() && !plugins.join("prompt.wasm").is_file() {
        display.print(&format!(
            "warning: there is no plugin `{}` in {}, and the program was built without it\nhint: name the directory of \
             plugins under [plugins]; in the repository, `cargo xtask build-plugins` builds them, and the program \
             that is built afterwards has it",
            embedded::NAME,
            plugins.display()
        ));
    }
    Ok(())
}

/// Where the first component goes.
fn component(args: &InitArgs) -> PathBuf {
    let folder = args.config.parent().unwrap_or(Path::new(""));
    component_file::path(folder, file::COMPONENT)
}

/// The dataset that is asked for: files, or a query of a database.
fn wanted(args: &InitArgs) -> anyhow::Result<DatasetConfig> {
    let only = match args.dataset.as_slice() {
        [only] => only.to_str(),
        _ => None,
    };
    let is_database = |path: &str| {
        let end = Path::new(path).extension().unwrap_or_default();
        ["db", "sqlite", "sqlite3"].iter().any(|name| end == *name)
    };
    let is_url = |text: &str| {
        let schemes = ["sqlite:", "postgres://", "postgresql://"];
        schemes.iter().any(|scheme| text.starts_with(scheme))
    };
    let url = match only {
        Some(url) if is_url(url) => Some(url.to_owned()),
        Some(file) if args.sql.is_some() || is_database(file) => Some(format!("sqlite:{file}")),
        _ => None,
    };
    let Some(url) = url else {
        if args.sql.is_some() {
            return Err(anyhow!(
                "--sql asks one database, and several files are named"
            ));
        }
        return Ok(DatasetConfig {
            sheet: args.sheet.clone(),
            ..DatasetConfig::new(args.dataset.iter().cloned().collect::<Paths>())
        });
    };
    let mut url = DatabaseUrl::try_from(url).map_err(anyhow::Error::msg)?;
    if let Some(password) = environment::variable("PGPASSWORD") {
        url.add_password(&password);
    }
    let tables = if args.sql.is_some() {
        Vec::new()
    } else {
        dataset::tables(&url)
    };
    let sql = match (&args.sql, tables.as_slice()) {
        (Some(sql), _) => sql.clone(),
        (None, [table]) => format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")),
        (None, tables) => {
            let known = match tables {
                [] => String::new(),
                tables => format!("; its tables are {}", tables.join(", ")),
            };
            return Err(anyhow!(
                "{url}: is a database, and it is not told which records to take from it{known}\nhint: --sql \"SELECT * FROM ...\""
            ));
        }
    };
    Ok(DatasetConfig {
        url: Some(url),
        sql: Some(sql),
        ..DatasetConfig::new(Paths::default())
    })
}

/// The error of a dataset that cannot be surveyed; with what a table of another kind needs.
fn explained(error: DatasetError) -> anyhow::Error {
    match error {
        DatasetError::Missing { file } => anyhow!(
            "there is no file {}\nhint: name the file that holds your records",
            file.display()
        ),
        DatasetError::UnknownFormat { file } => anyhow!(
            "{}: the extension tells no format\nhint: save it as .yaml, .json, .jsonl, .csv, .tsv, .parquet, .arrow or .xlsx",
            file.display()
        ),
        DatasetError::NoRecordList { file, found, .. } => anyhow!(
            "{}: there is no list of records, neither at the top nor under one of its keys ({})\nhint: write the records \
             as a list, `[{{...}}, {{...}}]` in JSON or `- id: ...` in YAML, or each under a key of its own (docs/DATASETS.md)",
            file.display(),
            found.join(", ")
        ),
        DatasetError::AllBad { ref file, .. } if is_table(file) => {
            anyhow!("{error}\nhint: {HEADER}")
        }
        error => error.into(),
    }
}

/// What is wrong with most tables whose rows do not fit.
const HEADER: &str = "the first line has to name the columns: remove what stands before these names, and run `batchgen init` again";

/// Whether a file of this name is a table of text.
fn is_table(file: &Path) -> bool {
    let end = file.extension().unwrap_or_default();
    ["csv", "tsv", "tab"]
        .iter()
        .any(|name| end.eq_ignore_ascii_case(name))
}

/// A dataset most of whose records cannot be read: what is proposed for the others would be by chance.
fn mostly_unreadable(survey: &Survey) -> anyhow::Error {
    let faults: String = survey
        .faults
        .iter()
        .map(|fault| format!("\n  {fault}"))
        .collect();
    let hint = match survey.separator {
        Some(_) => format!("\nhint: {HEADER}"),
        None => String::new(),
    };
    anyhow!(
        "{}: {} of its {} records cannot be read{faults}{hint}",
        survey.config,
        survey.unreadable,
        survey.unreadable + survey.records,
    )
}

/// The names of columns that look like values of a first record, if a table may have no names.
fn values_as_names(survey: &Survey) -> Option<String> {
    survey.separator?;
    let mut names = survey.fields.iter().map(|field| field.name.as_str());
    let number = names.find(|name| name.parse::<f64>().is_ok())?;
    Some(format!(
        "warning: the first line is taken for the names of the columns, and `{number}` looks like a value\nhint: if the names are \
         missing, write them into a line of their own, and run `batchgen init` again"
    ))
}

/// The model that the configuration is to name: as it was said, or as a person at a terminal says now.
fn model(args: &InitArgs, display: &Display) -> anyhow::Result<String> {
    let named = match &args.model {
        Some(model) => Some(model.clone()),
        None if ask::is_possible(display) => asked_for()?,
        None => None,
    };
    let model = named.unwrap_or_else(|| offline::NAME.to_owned());
    let is_written_well = model == offline::NAME
        || model
            .split_once('/')
            .is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty());
    if !is_written_well {
        return Err(anyhow!(
            "`{model}` is not the name of a model\nhint: write it as provider/model, as in openai/gpt-4o-mini, or `offline`"
        ));
    }
    Ok(model)
}

fn asked_for() -> anyhow::Result<Option<String>> {
    ask::ask(
        "Which model is to write? Type provider/model, for example\n\
         openai/gpt-4o-mini or anthropic/claude-haiku-4-5.\n\
         Press Enter for `offline`: placeholders, without a key.\n\
         model [offline]: ",
    )
}

/// The dataset's path as the configuration has it: from the configuration's own directory, so that both can be moved
/// together.
fn seen_from(config: &Path, dataset: &Path) -> anyhow::Result<PathBuf> {
    let folder = config
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let base = folder.unwrap_or(Path::new("."));
    if dataset == Path::new("-") || dataset::is_remote(dataset) {
        return Ok(dataset.to_owned());
    }
    // A pattern is no file, though its folder is one.
    let real = real_path(dataset);
    let base = base.canonicalize().unwrap_or_else(|_| base.to_owned());
    let shared = real
        .components()
        .zip(base.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = base.components().skip(shared).map(|_| PathBuf::from(".."));
    let down = real.components().skip(shared);
    Ok(up
        .chain(down.map(|part| PathBuf::from(part.as_os_str())))
        .collect())
}

/// What was written must be what a run accepts. Records that cannot be read are told, and fail there.
fn check(config: &Path, text: &str, copies: &Copies) -> anyhow::Result<()> {
    let config = Config::parse(config, text)?;
    let dataset = config.dataset.context("no dataset was written")?;
    let dataset = Dataset::open_with(dataset, copies)?;
    let mut first = None;
    for entry in dataset.entries() {
        match entry {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), |error| Err(error.into()))
}

fn told(args: &InitArgs, survey: &Survey, proposal: &Proposal, model: &str) -> String {
    let mut text = format!(
        "{}: {}{}{}, {}, {}\n",
        survey.config,
        survey.format.as_str(),
        separated(survey),
        survey
            .encoding
            .map_or_else(String::new, |encoding| format!(" in {encoding}")),
        counted(survey.records, "record"),
        counted(survey.fields.len() as u64, "field")
    );
    if survey.unreadable > 0 {
        text.push_str(&format!(
            "  {} cannot be read; a run makes the others:\n",
            counted(survey.unreadable, "record")
        ));
        for fault in &survey.faults {
            text.push_str(&format!("    {fault}\n"));
        }
        if survey.unreadable > survey.faults.len() as u64 {
            text.push_str("    ...\n");
        }
    }
    for (role, field, why) in proposal.reasons() {
        text.push_str(&format!("  {role:9} {field}: {why}\n"));
        for passed in proposal.passed.iter().filter(|passed| passed.role == role) {
            text.push_str(&format!(
                "  {:9} not `{}`: {}\n",
                "", passed.field, passed.why
            ));
        }
    }
    if survey.grouped_by.is_some() {
        text.push_str(
            "  rows      of the same id: the first is the record, the others are passed over\n",
        );
    }
    if !proposal.texts.is_empty() {
        text.push_str(&format!(
            "  texts     {}: some cells are numbers and others are not\n",
            proposal.texts.join(", ")
        ));
    }
    text.push_str(&next_steps(args, model));
    text
}

/// What was written, and what a person does with it.
fn next_steps(args: &InitArgs, model: &str) -> String {
    let name = program::name();
    let elsewhere = if args.config == Path::new(FILE_NAME) {
        String::new()
    } else {
        format!(" --config {}", args.config.display())
    };
    let config = args.config.display();
    let (component, prompt) = (file::COMPONENT, self::component(args));
    let prompt = prompt.display();
    let mut text = format!(
        "{config} is written, with the model `{model}`, and a first component: {prompt}.\n\nNext:\n"
    );
    if model == offline::NAME {
        text.push_str(&format!(
            "  {name} run --limit 3{elsewhere}\n      makes three placeholders in content/{component}/, without key or network\n  \
             change `model` in {config}, edit the prompt in {prompt}, and run again\n      a real model's key belongs into the environment or \
             into .env\n  {name} plan --model openai/gpt-4o-mini{elsewhere}\n      says what a model would take for all of them\n"
        ));
    } else {
        text.push_str(&format!(
            "  {name} plan{elsewhere}\n      says what all of them would take; the key belongs into the environment or into .env\n  \
             {name} run --limit 3{elsewhere}\n      makes three records' files in content/{component}/\n  edit the prompt in \
             {prompt}, and run again: only what it changes is made again\n"
        ));
    }
    text
}

/// What separates the cells, where it is not commas.
fn separated(survey: &Survey) -> &'static str {
    match survey.separator {
        Some(b';') => " with semicolons",
        Some(b'\t') => " with tabs",
        Some(b'|') => " with bars",
        _ => "",
    }
}
