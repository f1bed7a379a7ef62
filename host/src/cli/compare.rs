//! `batchgen compare`: the same records with other models or prompts, side by side, and which is better.
//!
//! Each variant is a copy of the components in question under another name, so that one run makes all of them, with its limits, its
//! budget and its way to go on after an interruption. The copies have an index and checkpoints of their own, and files beside the state. The
//! journal is the project's: what was paid for is not asked again, and what a comparison paid for serves later runs.

mod against;
mod change;
mod copies;
mod outcome;
mod rows;
mod screen;
mod totals;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::args::{BatchArgs, ForceArgs, LimitArgs, ProjectArgs, SelectionArgs};
use super::display::{Display, emit, say, width};
use super::execution::{Wanted, execute};
use super::exit::{Exit, Failure};
use super::guard::Guard;
use super::numbers::counted;
use super::project::{Project, State, block_on};
use config::HooksConfig;
use copies::Copies;
use gateway::settings::Mode;
use store::Selection;

pub(super) use change::{Change, Variant};
pub(super) use copies::Subject;
pub(super) use outcome::Comparison;
pub(super) use rows::{Cell, Row};

/// Make some records with other models or prompts, and show which are better. The project's own files stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen compare --with model=openai/gpt-4o-mini
  batchgen compare --component text --with prompt:text=prompts/b.md --with prompt:text=prompts/c.md --sample 100
  batchgen compare --with model=openai/gpt-4o-mini,prompt:text=prompts/b.md --page compared.html
  batchgen compare --with model=openai/gpt-4o-mini --max-cost 2 --json | jq .against

A judge (docs/how-to/quality.md) scores each text, and holds each variant against the first in both orders. Answers that the journal has are \
not paid for again.

Exit codes: 0 done, whatever is better; others as those of `batchgen run`.")]
pub(super) struct CompareArgs {
    /// A variant: model=PROVIDER/MODEL, prompt:COMPONENT=FILE or prompt:COMPONENT.NAME=FILE, or several of these with commas between
    /// them (repeatable). The first variant is always the project as it is
    #[arg(long, value_name = "CHANGES", required = true)]
    with: Vec<String>,
    /// The component that judges, where several judge the same files
    #[arg(long, value_name = "NAME")]
    judge: Option<String>,
    /// Write a page with all texts side by side, as one file; `-` is standard output
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Print a line of JSON for each component
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Records that are compared, where it is not said how many.
const SAMPLE: u64 = 50;

/// Runs the subcommand.
pub(super) fn perform(args: &CompareArgs, display: &Display) -> Result<Exit, Failure> {
    let is_page_alone = args.page.as_deref() == Some(Path::new("-"));
    if args.json && is_page_alone {
        return Err(Failure::usage(anyhow!(
            "--json and --page - both go to standard output\nhint: name a file, as in --page compared.html"
        )));
    }
    let mut project = open(&args.project, &args.limits, display)?;
    let page = match &args.page {
        Some(file) => {
            let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
            Some(guard.begin(Some(file)).map_err(Failure::usage)?)
        }
        None => None,
    };
    let variants = Variant::all(&args.with).map_err(Failure::usage)?;
    let subject = Subject {
        judge: args.judge.as_deref(),
        variants,
    };
    let copies = subject.copies(&project, &args.selection)?;
    let mut selection = args.selection.clone();
    if selection.record.is_empty() && selection.limit.is_none() && selection.sample.is_none() {
        selection.sample = Some(SAMPLE);
    }
    let work = Work {
        selection: &selection,
        limits: &args.limits,
        stand_in_replaces: args.project.model.asks_for_stand_in(),
        json: args.json,
    };
    let (exit, compared) = work.perform(&mut project, &copies, display)?;
    if args.json {
        for comparison in &compared {
            emit(&comparison.as_json());
        }
    } else if !is_page_alone {
        say(&screen::render(&compared, width()));
    }
    if let (Some(mut page), Some(file)) = (page, &args.page) {
        let text = watch::comparison(&compared);
        page.write_all(text.as_bytes()).map_err(Failure::internal)?;
        page.publish().map_err(Failure::internal)?;
        if !is_page_alone {
            display.note(&format!("all texts are side by side in {}", file.display()));
        }
    }
    Ok(exit)
}

/// The project, whose files and commands a comparison leaves alone.
pub(super) fn open(
    args: &ProjectArgs,
    limits: &LimitArgs,
    display: &Display,
) -> Result<Project, Failure> {
    let mut project = Project::open_with_input(args, display)?
        .limited(limits)?
        .asked_as(&BatchArgs {
            // Who waits for a comparison does not wait for a batch.
            mode: Some(Mode::Online),
            ..BatchArgs::default()
        });
    let config = &mut project.settings.config;
    config.hooks = HooksConfig::default();
    config.output.directory = config.state.file.with_file_name("compare");
    config.output.publish = None;
    project.settings.storage = None;
    Ok(project)
}

/// What a comparison does.
pub(super) struct Work<'a> {
    pub selection: &'a SelectionArgs,
    pub limits: &'a LimitArgs,
    pub stand_in_replaces: bool,
    pub json: bool,
}

impl Work<'_> {
    /// Makes what is missing, and looks at what there is.
    pub fn perform(
        &self,
        project: &mut Project,
        copies: &Copies,
        display: &Display,
    ) -> Result<(Exit, Vec<Comparison>), Failure> {
        // It is about the project's tasks, and not about the copies'.
        let selection = project.selection(self.selection)?;
        let own = std::mem::replace(&mut project.components, copies.components.clone());
        Project::compile(&copies.components)?;
        let mut compared = Vec::new();
        let exit = block_on(async {
            let state = State::open_to_compare(project, &selection).await?;
            let all = Selection::default();
            let lease = state.select(&all)?;
            if !self.json {
                let totals = state.store.totals(&lease).map_err(Failure::internal)?;
                let records = totals.iter().map(|(_, count)| count).sum();
                display.note(&format!(
                    "{} of {}\n",
                    counted(copies.variants.len() as u64, "variant"),
                    counted(records, "record"),
                ));
            }
            let wanted = Wanted {
                unreadable: None,
                lease,
                components: copies.components.clone(),
                limits: self.limits,
                batches: &BatchArgs::default(),
                cluster: None,
                dashboard: None,
                rounds: None,
                overwrite_edited: true,
                only_chosen: false,
                stand_in_replaces: self.stand_in_replaces,
                frozen: false,
                most: None,
                json: false,
                only_end: true,
            };
            let quiet = display.quieted();
            let shown = if self.json { &quiet } else { display };
            let exit = execute(project, &state, wanted, shown).await?;
            compared = outcome::read(project, &state, copies, state.select(&all)?)?;
            Ok(exit)
        })?;
        project.components = own;
        // A record that fails with one variant is a result.
        let exit = match exit {
            Exit::Partial => Exit::Done,
            exit => exit,
        };
        Ok((exit, compared))
    }
}
