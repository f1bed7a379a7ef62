//! `batchgen cluster clean`.

use clap::Args;

use super::super::display::{Display, say};
use super::super::exit::{Exit, Failure};
use super::super::project::block_on;
use super::{ClusterArgs, HEARD, unconnected, unusable};
use ::cluster::nats;

/// List what dead runs left on a server, and remove it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  batchgen cluster clean --cluster nats://localhost:4222          # lists it\n  \
                  batchgen cluster clean --cluster nats://localhost:4222 --force  # removes it\n\nA run that has a coordinator is left alone. \
                  One whose coordinator was killed loses nothing: its state has everything, and it is started again."
)]
pub(super) struct CleanArgs {
    /// Remove it, and do not only list it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &CleanArgs, display: &Display) -> Result<Exit, Failure> {
    let access = args.cluster.access()?;
    block_on(async {
        let client = nats::connect(&access, "batchgen")
            .await
            .map_err(unconnected)?;
        let heard = nats::beats(&client, HEARD).await.map_err(unusable)?;
        let found = nats::leftovers(&client).await.map_err(unusable)?;
        let dead: Vec<&String> = found
            .keys()
            .filter(|run| !heard.contains_key(*run))
            .collect();
        if dead.is_empty() {
            display.note("no dead run has left anything on this server");
        }
        for run in &dead {
            if args.force {
                nats::remove(&client, run).await.map_err(unusable)?;
                say(&format!("removed {run}"));
            } else {
                say(run);
            }
        }
        if !args.force && !dead.is_empty() {
            display.note("hint: --force removes them");
        }
        Ok(Exit::Done)
    })
}
