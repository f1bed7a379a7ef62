//! `batchgen trust`: shows what the project chooses, and allows it.

use clap::Args;

use super::allowed::remember;
use super::{
    Chooser, models, untrusted_cluster, untrusted_command, untrusted_files, untrusted_place,
};
use crate::cli::args::ProjectArgs;
use crate::cli::display::Display;
use crate::cli::exit::{Exit, Failure};
use crate::cli::fetched;
use crate::cli::project::Project;
use crate::cli::settings::Settings;
use plugin::lock::Lock;

/// Allow the addresses, servers and keys that this project chooses, the folders outside of it that it writes to, the places that its plugins come from, and the command that runs after a run. What you allow is remembered for you, for
/// exactly these choices, in every project.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen trust                # shows what the project chooses, and allows it

In CI, BATCHGEN_TRUST=1 allows it for one command.")]
pub(in crate::cli) struct TrustArgs {
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(in crate::cli) fn perform(args: &TrustArgs, display: &Display) -> Result<Exit, Failure> {
    // Neither dataset nor plugins can be opened before their servers are allowed.
    let settings = Settings::resolve(&args.project).map_err(Failure::usage)?;
    let file = settings.file.as_deref();
    let mut asked = untrusted_files(&settings);
    let lock = Lock::read(&settings.lock).map_err(Failure::usage)?;
    for (locked, from) in lock.iter().flat_map(Lock::fetched) {
        let place = fetched::release(&settings.lock, locked, from)?
            .address
            .place();
        asked.extend(untrusted_place(&locked.name, &place, &settings.lock, file));
    }
    if !asked.is_empty() {
        remember(file, &asked).map_err(Failure::usage)?;
    }
    let project = Project::open(&args.project, display)?;
    let chooser = Chooser::of(&project.settings);
    let models = models(&project.settings.config, &project.components);
    asked.extend(untrusted_command(&project.settings));
    asked.extend(untrusted_cluster(&project.settings));
    asked.extend(chooser.untrusted(&models).map_err(Failure::usage)?);
    if asked.is_empty() {
        display.note("there is nothing to allow: the project chooses no address, no key and no command that is not trusted");
        return Ok(Exit::Done);
    }
    for choice in &asked {
        display.note(&format!("allowed: {}", choice.words));
    }
    let file = remember(chooser.file, &asked).map_err(Failure::usage)?;
    display.note(&format!("remembered in {}", file.display()));
    Ok(Exit::Done)
}
