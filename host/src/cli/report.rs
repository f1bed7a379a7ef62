//! `batchgen report`: the page of a run in one file, for a run that goes on or for the last one.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{ForceArgs, ProjectArgs};
use super::display::Display;
use super::execution::evidence;
use super::exit::{Exit, Failure};
use super::guard::Guard;
use super::project::{Project, State};
use super::{sameness, status};
use watch::{self, Snapshot, TaskEvidence};

/// Failures of which prompts and answers are in the page, and artifacts that are.
const TASKS: usize = 30;
/// Where the page goes unless it is said.
const PAGE: &str = "report.html";

/// Write the page of the current or last run as one file that needs no server.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  batchgen report                       # report.html, to open in a browser\n  \
    batchgen report --markdown -o run.md\n  batchgen report --sameness\n  batchgen report --json | jq .detail.failure_kinds"
)]
pub(super) struct ReportArgs {
    /// Everything that is known as one JSON document, as `batchgen status --json` prints it
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// The numbers as Markdown
    #[arg(long)]
    markdown: bool,
    /// Also how alike the files are, as `batchgen sameness` says; this reads every file
    #[arg(long, conflicts_with = "json")]
    sameness: bool,
    /// File to write; `-` is standard output. The page goes to report.html by default, all else to standard output
    #[arg(long, short, value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ReportArgs, display: &Display) -> Result<Exit, Failure> {
    let snapshot = status::last(&args.project.place)?;
    let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
    let (text, usual) = if args.json {
        let json = types::shown::json_in_lines(&snapshot).map_err(Failure::internal)?;
        (json + "\n", "-")
    } else if args.markdown && !args.sameness {
        (watch::markdown(&snapshot, &[]), "-")
    } else {
        let project = Project::open(&args.project, display)?;
        let state = State::read(&project)?;
        let alike = if args.sameness {
            sameness::rows(&project, &state)?
        } else {
            Vec::new()
        };
        if args.markdown {
            (watch::markdown(&snapshot, &alike), "-")
        } else {
            let tasks = tasks(&project, &state, &snapshot)?;
            (watch::html(&snapshot, &tasks, &alike), PAGE)
        }
    };
    let file = args.output_file.as_deref().unwrap_or(Path::new(usual));
    let mut out = guard.begin(Some(file)).map_err(Failure::usage)?;
    out.write_all(text.as_bytes()).map_err(Failure::internal)?;
    out.publish().map_err(Failure::internal)?;
    if file != Path::new("-") {
        display.note(&format!("the report is in {}", file.display()));
    }
    Ok(Exit::Done)
}

/// What is known of the tasks that somebody will look at.
fn tasks(
    project: &Project,
    state: &State,
    snapshot: &Snapshot,
) -> Result<Vec<TaskEvidence>, Failure> {
    let evidence = evidence(project, state);
    let failures = snapshot.detail.failures.iter().take(TASKS);
    let failures = failures.map(|note| (&note.record, &note.component));
    let artifacts = snapshot.detail.artifacts.iter().take(TASKS);
    let artifacts = artifacts.map(|note| (&note.record, &note.component));
    let mut tasks = Vec::new();
    for (record, component) in failures.chain(artifacts) {
        tasks.extend(evidence.of(record, component).map_err(Failure::internal)?);
    }
    Ok(tasks)
}
