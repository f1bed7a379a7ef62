//! `batchgen accept`: adopts files that were edited by hand as the artifacts of their tasks.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::args::{ProjectArgs, SelectionArgs};
use super::display::{Display, emit};
use super::exit::{Exit, Failure};
use super::mirrored::Mirrored;
use super::project::{Project, State, block_on};
use super::publish;
use engine::{Acceptance, EditedFile, accept, edits_are_certain};

/// Adopt files that were edited by hand: they count as done, and stay until they are overwritten on purpose.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen accept --dry-run             # which files were edited
  batchgen accept --record oak
  batchgen accept --restore --record oak    # puts back what `batchgen run --overwrite-edited` replaced

An accepted edit stays whatever changes; `batchgen plan` says how many would otherwise be made again. Files that \
    another state wrote are adopted, too. Exit codes: 0 done, 3 a file was refused since it is not what its component \
    promises.")]
pub(super) struct AcceptArgs {
    /// List edited files without adopting them
    #[arg(long)]
    dry_run: bool,
    /// Restore edits that `run --overwrite-edited` replaced, and adopt them
    #[arg(long)]
    restore: bool,
    /// Print JSON Lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &AcceptArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    block_on(start(args, display, project))
}

async fn start(args: &AcceptArgs, display: &Display, project: Project) -> Result<Exit, Failure> {
    let named = project.named(&args.selection.component)?;
    let components = project
        .wanted(&args.selection)?
        .into_iter()
        .map(|component| {
            let wanted = named.is_empty() || named.contains(&component.name);
            (component, wanted)
        })
        .collect();
    let state = State::open(&project).await?;
    if !edits_are_certain(&state.store).map_err(Failure::internal)? {
        return Err(Failure::usage(anyhow::anyhow!(
            "the machine went down while batchgen ran, so a file may be its own last write and no edit\n\
             hint: `batchgen run --all` finds out which; then accept"
        )));
    }
    let mirrored = Mirrored::look(&project, &state, display)?;
    let lease = state.select(&project.selection(&args.selection)?)?;
    let acceptance = Acceptance {
        dataset: Arc::clone(&project.dataset),
        indexed: state.indexed.clone(),
        lease,
        components,
        site: project.settings.config.site.clone(),
        output_root: project.settings.config.output.directory.clone(),
        store: state.store.clone(),
        restore: args.restore,
        dry_run: args.dry_run,
    };
    let (mut adopted, mut refused) = (0_u64, 0_u64);
    accept(acceptance, |file| {
        match &file.fault {
            None => adopted += 1,
            Some(_) => refused += 1,
        }
        show(args, display, &file);
    })
    .await
    .map_err(Failure::internal)?;
    if let Some(mirrored) = &mirrored
        && !args.dry_run
    {
        mirrored.settle()?;
    }
    if !args.dry_run && !publish::settle_all(&project, &state, display)? {
        refused += 1;
    }
    if !args.json {
        let files = if adopted == 1 { "file" } else { "files" };
        let what = match (args.restore, args.dry_run) {
            (false, true) => "would be accepted",
            (false, false) => "accepted",
            (true, true) => "would be put back",
            (true, false) => "put back and accepted",
        };
        display.note(&format!(
            "{adopted} edited {files} {what}, {refused} refused"
        ));
    }
    Ok(if refused > 0 {
        Exit::Partial
    } else {
        Exit::Done
    })
}

/// Shows what became of one edited file.
fn show(args: &AcceptArgs, display: &Display, file: &EditedFile) {
    if args.json {
        emit(
            &json!({"event": "edited", "path": file.path, "record": file.record,
            "component": file.component, "accepted": file.fault.is_none() && !args.dry_run,
            "fault": file.fault}),
        );
        return;
    }
    match &file.fault {
        None if args.dry_run => display.print(&file.path),
        None => display.note(&file.path),
        Some(fault) => display.print(&format!("{} is refused: {fault}", file.path)),
    }
}
