//! `batchgen batches orphans`: what lies at providers and no batch of the project needs.

use std::collections::BTreeSet;

use anyhow::anyhow;
use clap::Args;

use super::super::args::ProjectArgs;
use super::super::display::{Display, say, width};
use super::super::exit::{Exit, Failure};
use super::super::numbers::duration;
use super::super::project::{Project, State, block_on};
use super::super::table::Table;
use super::super::trust;
use super::Desk;
use engine::batches::{Orphan, OrphanKind};
use gateway::found::unix_time;

/// Show what lies at providers and no batch of this project needs: files of questions, and batches that are still worked on.
/// Those that this project knows nothing of may belong to another project with the same key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches orphans
  batchgen batches orphans --remove              # files that this project has left behind
  batchgen batches orphans --remove file-abc123  # whichever project it is of")]
pub(super) struct OrphansArgs {
    /// Remove the files that this project has left behind, or these files; batches that are named are cancelled
    #[arg(long)]
    remove: bool,
    /// The provider's names of what is to be removed
    #[arg(value_name = "ID", requires = "remove")]
    ids: Vec<String>,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &OrphansArgs, display: &Display) -> Result<Exit, Failure> {
    let project = Project::open(&args.project, display)?;
    block_on(look(args, &project, display))
}

async fn look(args: &OrphansArgs, project: &Project, display: &Display) -> Result<Exit, Failure> {
    let state = State::open(project).await?;
    let batches = state.store.batches().map_err(Failure::internal)?;
    let mut models: BTreeSet<String> = batches.into_iter().map(|batch| batch.lane).collect();
    models.extend(trust::models(&project.settings.config, &project.components));
    let mut desk = Desk::of(project, state, &[], models, display)?;
    let orphans = desk.batches.orphans().await.map_err(Failure::internal)?;
    desk.tell(display);
    if !args.remove {
        match orphans.is_empty() {
            true => say("nothing lies at the providers that no batch needs\n"),
            false => say(&render(&orphans, width())),
        }
        return Ok(Exit::Done);
    }
    if let Some(id) = args
        .ids
        .iter()
        .find(|id| !orphans.iter().any(|orphan| orphan.id == **id))
    {
        return Err(Failure::usage(anyhow!(
            "`{id}` is nothing that lies at a provider and that no batch needs\nhint: `batchgen batches orphans` shows what is"
        )));
    }
    let is_meant = |orphan: &&Orphan| match args.ids.as_slice() {
        [] => orphan.is_known && matches!(orphan.kind, OrphanKind::File { .. }),
        ids => ids.contains(&orphan.id),
    };
    let mut exit = Exit::Done;
    for orphan in orphans.iter().filter(is_meant) {
        let done = match desk.batches.remove(orphan).await {
            Ok(done) => done.to_owned(),
            Err(error) => {
                exit = Exit::Provider;
                format!("it is not removed: {error}")
            }
        };
        say(&format!("{} ({}): {done}\n", orphan.id, orphan.name));
    }
    Ok(exit)
}

fn render(orphans: &[Orphan], width: usize) -> String {
    let now = unix_time();
    let mut table = Table::new([
        "provider's name",
        "what",
        "of batch",
        "provider",
        "age",
        "of this project",
    ]);
    for orphan in orphans {
        let what = match &orphan.kind {
            OrphanKind::File { bytes: Some(bytes) } => {
                format!("file of {:.1} MB", *bytes as f64 / 1e6)
            }
            OrphanKind::File { bytes: None } => "file".to_owned(),
            OrphanKind::Batch { word } => format!("batch, {word}"),
        };
        let age = orphan
            .created_at
            .map(|since| duration(now.saturating_sub(since) as f64));
        table.row([
            orphan.id.clone(),
            what,
            orphan.name.clone(),
            orphan.provider.clone(),
            age.unwrap_or_default(),
            if orphan.is_known { "yes" } else { "no" }.to_owned(),
        ]);
    }
    table.render(width)
}
