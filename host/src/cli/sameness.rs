//! `batchgen sameness`: how alike the files of a component are, which pairs are the most alike, and what many of them repeat. It
//! reads every file and asks no model.

mod screen;
mod survey;

use anyhow::anyhow;
use clap::Args;

use super::args::ProjectArgs;
use super::display::{Display, emit, say, width};
use super::exit::{Exit, Failure};
use super::project::{Chosen, Project, State};
use super::selector::{self, Selector};
use super::{unreadable, values};
use config::component::Component;
use engine::statistics::percent;
use store::Selection;
use survey::{Reading, Sameness};
use watch::SamenessRow;

/// Show how alike files are: near-duplicates, shared openings and phrases.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen sameness                          # every enabled component whose files are text
  batchgen sameness text --worst 50
  batchgen sameness text --category metal
  batchgen sameness text --at-most 2         # ends with code 3 if more than 2 % are near-duplicates
  batchgen sameness text --json | jq .pairs

Exit codes: 0 measured, 2 usage, 3 more is the same than --at-most allows.")]
pub(super) struct SamenessArgs {
    /// Only this component, enabled or not; NAME+ and +NAME bring those around it. state:done and category:ID limit the records
    #[arg(value_name = "SELECTOR")]
    component: Vec<Selector>,
    /// Only records of this category, compared with each other (repeatable)
    #[arg(long, value_name = "ID")]
    category: Vec<String>,
    /// List the N pairs of files that are the most alike
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = values::at_least_one)]
    worst: u64,
    /// End with code 3 if more than so many percent of the files of a component are near-duplicates
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    at_most: Option<f64>,
    /// Print a line of JSON for each component
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &SamenessArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    let components = chosen(&project, &args.component)?;
    let state = State::read(&project)?;
    let selection = Selection {
        categories: selector::categories(&args.component, &args.category),
        with: project.with_tasks(&args.component)?,
        ..Selection::default()
    };
    let reading = Reading {
        project: &project,
        state: &state,
        chosen: state.chosen(selection.clone())?,
        selection: &selection,
        worst: usize::try_from(args.worst).unwrap_or(usize::MAX),
    };
    let found = reading.survey(&components)?;
    unreadable::tell(&state, false, display)?;
    if args.json {
        for sameness in &found {
            emit(&sameness.as_json());
        }
    } else {
        say(&screen::render(&found, width()));
    }
    let mut alike = found.iter().filter(|one| is_too_alike(one, args.at_most));
    Ok(match alike.next() {
        Some(_) => Exit::Partial,
        None => Exit::Done,
    })
}

/// Whether more of its files are near-duplicates than may be.
fn is_too_alike(sameness: &Sameness, at_most: Option<f64>) -> bool {
    let Sameness { whole, .. } = sameness;
    at_most.is_some_and(|most| percent(whole.near.into(), whole.texts.into()) > most)
}

/// The rows of a report on every enabled component whose files are text.
pub(super) fn rows(project: &Project, state: &State) -> Result<Vec<SamenessRow>, Failure> {
    let reading = Reading {
        project,
        state,
        selection: &Selection::default(),
        chosen: Chosen::default(),
        worst: 0,
    };
    let found = reading.survey(&chosen(project, &[])?)?;
    Ok(found.iter().flat_map(Sameness::rows).collect())
}

/// The components whose files are compared.
fn chosen(project: &Project, selectors: &[Selector]) -> Result<Vec<Component>, Failure> {
    let named = project.named(selectors)?;
    let wanted = |component: &&Component| match named.as_slice() {
        [] => component.enabled,
        named => named.contains(&component.name),
    };
    let is_text = |component: &&Component| component.form().is_some();
    let components = project.components.iter();
    let chosen: Vec<Component> = components.filter(wanted).filter(is_text).cloned().collect();
    if chosen.is_empty() {
        let what = match named.as_slice() {
            [] => "no enabled component makes files of text".to_owned(),
            named => format!("the files of `{}` are no text", named.join("`, `")),
        };
        let texts = project.components.iter().filter(is_text);
        let texts: Vec<&str> = texts.map(|component| component.name.as_str()).collect();
        let hint = match texts.as_slice() {
            [] => "Markdown, HTML and plain text are compared".to_owned(),
            texts => format!("these make text: {}", texts.join(", ")),
        };
        return Err(Failure::usage(anyhow!("{what}\nhint: {hint}")));
    }
    Ok(chosen)
}
