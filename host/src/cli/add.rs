//! `batchgen add component`: writes a component that needs no code, as a file of its own beside the configuration.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::ask;
use super::component_text::{self, ComponentText};
use super::display::Display;
use super::exit::{Exit, Failure};
use super::init::proposal;
use super::{config_file, program};
use config::{Config, component_file};
use dataset::{Dataset, is_safe_id, safe_id};
use types::suggest::closest;

/// Add to the project.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Component(ComponentArgs),
}

/// Write a component that needs no code: a prompt and its rules in components/NAME.md, beside batchgen.toml. On a
/// terminal it asks for what no flag says.
#[derive(Debug, Args)]
#[command(
    after_help = "It overwrites nothing. The file is found by itself; edit it, and run again.

Examples:
  batchgen add component safety-notice
  batchgen add component teaser --field colour --field material --max-words 30"
)]
struct ComponentArgs {
    /// Name of the component: lower-case letters, digits and hyphens
    name: String,
    /// What the model is to write; a template that may name {{ record.name }} and the fields
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Field of the record that it is given; may be repeated
    #[arg(long, value_name = "FIELD")]
    field: Vec<String>,
    /// Most words of its text
    #[arg(long, value_name = "WORDS", value_parser = clap::value_parser!(u32).range(1..))]
    max_words: Option<u32>,
    /// Configuration file, instead of the nearest batchgen.toml in this folder or above
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
}

/// Most words where nothing is said.
const MAX_WORDS: u32 = 90;
/// Records that are looked at. Most datasets show all of their fields in the first few.
const LOOKED_AT: usize = 100;

/// Runs the subcommand.
pub(super) fn perform(args: &AddArgs, display: &Display) -> Result<Exit, Failure> {
    let What::Component(args) = &args.what;
    component(args, display).map_err(Failure::usage)?;
    Ok(Exit::Done)
}

fn component(args: &ComponentArgs, display: &Display) -> anyhow::Result<()> {
    let Some(file) = config_file::find(args.config.as_deref()) else {
        bail!(
            "there is no batchgen.toml here or above\nhint: `{} init YOUR-FILE` writes one",
            program::name()
        );
    };
    let config = Config::read(&file)?;
    let path = place(&config, &file, &args.name)?;
    let known = known_fields(&config)?;
    let is_asked = ask::is_possible(display);
    let prompt = prompt(args, is_asked)?;
    let fields = fields(args, &known, is_asked)?;
    let max_words = max_words(args, is_asked)?;
    let rules = [
        ("max-words", json!(max_words)),
        ("whole-sentences", json!(true)),
        ("numbers-from-facts", json!(true)),
    ];
    let about = [format!(
        "The component `{}`. Its files are below {}. The prompt stands below the settings.",
        args.name,
        config.output.directory.display()
    )];
    let text = ComponentText {
        about: &about,
        fields: &fields,
        rules: &rules,
        prompt: &prompt,
    };
    let text = text.text();
    component_file::parse(&path, &text)?;
    component_text::write_new(&path, &text)?;
    display.say(&format!(
        "{path} is written.\n\nNext:\n  {program} run --component {name} --limit 3\n      makes three records' files\n  edit the \
         prompt in {path}, and run again: only what it changes is made again\n",
        path = path.display(),
        program = program::name(),
        name = args.name
    ));
    Ok(())
}

/// Where the file of a new component goes.
fn place(config: &Config, file: &Path, name: &str) -> anyhow::Result<PathBuf> {
    if !is_safe_id(name) {
        bail!(
            "`{name}` becomes part of paths\nhint: use lower-case letters, digits and hyphens, as in `{}`",
            safe_id(name)
        );
    }
    if let Some(component) = config.component.get(name) {
        let place = match &component.origin {
            Some(origin) => origin.file.display().to_string(),
            None => format!("[component.{name}] in {}", file.display()),
        };
        bail!("there is a component `{name}`: {place}\nhint: edit it, or choose another name");
    }
    let path = component_file::path(&config.folder, name);
    component_text::check_free(&path)?;
    Ok(path)
}

/// Fields of the first records, in their order.
fn known_fields(config: &Config) -> anyhow::Result<Vec<String>> {
    let Some(dataset) = config.dataset.clone() else {
        return Ok(Vec::new());
    };
    let dataset = Dataset::open(dataset)?;
    let mut known = Vec::new();
    // What is wrong with a record is told by a run.
    for (_, record) in dataset.entries().take(LOOKED_AT).flatten() {
        for field in record.fields.keys() {
            if !known.contains(field) {
                known.push(field.clone());
            }
        }
    }
    Ok(known)
}

fn prompt(args: &ComponentArgs, is_asked: bool) -> anyhow::Result<String> {
    let usual = format!(
        "Write a {} on {{{{ record.name }}}} for readers who do not know it yet. Write plain sentences, no headings and no lists.",
        args.name.replace(['-', '_'], " ")
    );
    let said = match &args.prompt {
        None if is_asked => ask::ask(&format!(
            "What is the model to write? Type one sentence, or press Enter for\n{usual}\nprompt: "
        ))?,
        said => said.clone(),
    };
    Ok(said.unwrap_or(usual))
}

fn fields(args: &ComponentArgs, known: &[String], is_asked: bool) -> anyhow::Result<Vec<String>> {
    let usual: Vec<String> = known
        .iter()
        .filter(|field| proposal::is_fact(field))
        .take(proposal::GIVEN)
        .cloned()
        .collect();
    let mut fields = args.field.clone();
    if fields.is_empty() && is_asked {
        let said = ask::ask(&format!(
            "Which fields is it given? The records have: {}.\nType names with commas, or press Enter for: {}\nfields: ",
            known.join(", "),
            usual.join(", ")
        ))?;
        let said = said.unwrap_or_default();
        let names = said.split(',').map(str::trim);
        fields.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    if fields.is_empty() {
        return Ok(usual);
    }
    if let Some(unknown) = fields.iter().find(|field| !known.contains(field)) {
        let meant = closest(unknown, known.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
        bail!(
            "none of the first {LOOKED_AT} records has a field `{unknown}`\nhint: {meant}They have: {}",
            known.join(", ")
        );
    }
    Ok(fields)
}

fn max_words(args: &ComponentArgs, is_asked: bool) -> anyhow::Result<u32> {
    let said = match args.max_words {
        None if is_asked => ask::ask(&format!("How many words at most? [{MAX_WORDS}]: "))?,
        said => return Ok(said.unwrap_or(MAX_WORDS)),
    };
    let Some(said) = said else {
        return Ok(MAX_WORDS);
    };
    let words = said.parse().ok().filter(|words| *words > 0);
    words.ok_or_else(|| {
        anyhow!("`{said}` is no number of words\nhint: type a number such as {MAX_WORDS}")
    })
}
