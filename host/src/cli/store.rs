//! `batchgen store`: looks after the state. Everything but `prune`, `push` and `pull` also works while a run goes on.

mod base;
mod beside;
mod export;
mod prune;
mod pull;
mod push;
mod recover;
mod revision;
mod stats;
mod verify;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::args::StateArgs;
use super::display::Display;
use super::exit::{Exit, Failure};
use super::{config_file, program, settings};
use config::FILE_NAME;

pub(super) use stats::bytes;

/// Look after the state: journal, transcripts and checkpoints.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Stats(stats::StatsArgs),
    Prune(prune::PruneArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Recover(recover::RecoverArgs),
    Push(push::PushArgs),
    Pull(pull::PullArgs),
}

/// Runs the subcommand.
pub(super) fn perform(args: &StoreArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::Stats(args) => stats::perform(args),
        Command::Prune(args) => prune::perform(args, display),
        Command::Verify(args) => verify::perform(args, display),
        Command::Export(args) => export::perform(args, display),
        Command::Recover(args) => recover::perform(args, display),
        Command::Push(args) => push::perform(args, display),
        Command::Pull(args) => pull::perform(args, display),
    }
}

/// Where state and output of the project are.
pub(super) fn places(args: &StateArgs) -> Result<(PathBuf, PathBuf), Failure> {
    let mut config = config_file::read(args.config.as_deref()).map_err(Failure::usage)?;
    if let Some(state) = &args.state {
        config.state.file.clone_from(state);
    }
    if let Some(output) = &args.output {
        config.output.directory.clone_from(output);
    }
    settings::take_place(&mut config).map_err(Failure::usage)?;
    let (state, output) = (config.state.file, config.output.directory);
    let is_project = args.state.is_some() || config_file::find(args.config.as_deref()).is_some();
    if !is_project && !state.exists() {
        let name = program::name();
        return Err(Failure::usage(anyhow!(
            "there is no {FILE_NAME} here, and nothing was run yet\nhint: `{name} init YOUR-FILE` writes a {FILE_NAME} for \
             a dataset; or go to the folder of your project"
        )));
    }
    Ok((state, output))
}
