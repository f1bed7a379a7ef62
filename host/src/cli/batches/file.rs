//! `batchgen batches export` and `import`: batches as files in OpenAI's form, for `vllm run-batch` and for consoles on the web.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;

use super::super::args::{ForceArgs, ProjectArgs};
use super::super::display::{Display, say};
use super::super::exit::{Exit, Failure};
use super::super::file::Writing;
use super::super::guard::Guard;
use super::super::numbers::counted;
use super::super::project::{Project, block_on};
use super::Desk;
use engine::batches::FileError;
use store::Batch;

/// Lines that are read from the state at once.
const PIECE: u64 = 500;

/// Write the questions that wait for a model to a file in OpenAI's batch form. They are asked nowhere else until their answers
/// are imported, or the batch is cancelled.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches export questions.jsonl
  batchgen batches export questions.jsonl --of vllm/llama-3.1-8b")]
pub(super) struct ExportArgs {
    /// File to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The model whose questions are written, where several have some
    #[arg(long, value_name = "MODEL")]
    of: Option<String>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Read a file of answers for exported questions. `batchgen run` goes on with them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches import answers.jsonl")]
pub(super) struct ImportArgs {
    /// File of answers, a line each, in OpenAI's batch form
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs `batchgen batches export`.
pub(super) fn export(args: &ExportArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    block_on(write(args, &project, display))
}

/// Runs `batchgen batches import`.
pub(super) fn import(args: &ImportArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    block_on(read(args, &project, display))
}

async fn write(args: &ExportArgs, project: &Project, display: &Display) -> Result<Exit, Failure> {
    let desk = Desk::open(project, display).await?;
    let store = &desk.state.store;
    let lanes = store.lanes_in_batches().map_err(Failure::internal)?;
    let waiting: Vec<&String> = lanes
        .iter()
        .filter(|lane| args.of.as_ref().is_none_or(|wanted| wanted == *lane))
        .collect();
    let lane = match waiting.as_slice() {
        [lane] => *lane,
        [] => {
            return Err(Failure::usage(anyhow!(
                "no questions wait for a batch\nhint: `batchgen run --mode batch --no-wait` collects them"
            )));
        }
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            return Err(Failure::usage(anyhow!(
                "questions of several models wait: {}\nhint: choose one with --of",
                names.join(", ")
            )));
        }
    };
    let guard = Guard::of_project(&args.project, &args.force).map_err(Failure::usage)?;
    let mut out = guard.begin(Some(&args.file)).map_err(Failure::usage)?;
    let Some(batch) = desk
        .batches
        .to_export(lane)
        .await
        .map_err(Failure::internal)?
    else {
        return Err(Failure::usage(anyhow!(
            "no questions of {lane} wait for a batch: `batchgen batches list` shows those that are in one"
        )));
    };
    lines(&desk, &batch, &mut out)?;
    out.publish().map_err(Failure::internal)?;
    let questions = batch.lines;
    desk.batches
        .exported(batch, &args.file)
        .await
        .map_err(Failure::internal)?;
    say(&format!(
        "{} of {lane} written to {}\n",
        counted(questions, "question"),
        args.file.display()
    ));
    Ok(Exit::Done)
}

fn lines(desk: &Desk, batch: &Batch, out: &mut Writing) -> Result<(), Failure> {
    let mut after = 0;
    while let Some((last, text)) = desk
        .state
        .store
        .batch_lines(batch.id, after, PIECE)
        .map_err(Failure::internal)?
    {
        out.write_all(text.as_bytes()).map_err(Failure::internal)?;
        after = last;
    }
    Ok(())
}

async fn read(args: &ImportArgs, project: &Project, display: &Display) -> Result<Exit, Failure> {
    let mut desk = Desk::open(project, display).await?;
    let imported = desk
        .batches
        .import(&args.file)
        .await
        .map_err(|error| match error {
            FileError::Unreadable { .. } => Failure::usage(error),
            FileError::Store(error) => Failure::internal(error),
        })?;
    desk.tell(display);
    if imported.batches == 0 {
        return Err(Failure::usage(anyhow!(
            "no exported batch waits for answers\nhint: `batchgen batches list` shows the batches"
        )));
    }
    let mut text = format!("{} settled\n", counted(imported.settled, "question"));
    for (number, words) in [
        (
            imported.foreign,
            "lines answer no exported question, and are not used",
        ),
        (imported.unreadable, "lines cannot be read"),
        (imported.missing, "exported questions still have no answer"),
    ] {
        if number > 0 {
            text.push_str(&format!("{words}: {number}\n"));
        }
    }
    say(&text);
    Ok(Exit::Done)
}
