//! `batchgen cluster status`.

use clap::Args;

use super::super::display::{emit, say};
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::super::project::block_on;
use super::{ClusterArgs, HEARD, unconnected, unusable};
use ::cluster::nats;
use serde_json::json;

/// Show which runs are on a server, and what they have there.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  batchgen cluster status --cluster nats://localhost:4222\n  batchgen cluster status --json\n\n\
                  `batchgen status` and the page of a run show its workers."
)]
pub(super) struct StatusArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &StatusArgs) -> Result<Exit, Failure> {
    let access = args.cluster.access()?;
    block_on(async {
        let client = nats::connect(&access, "batchgen")
            .await
            .map_err(unconnected)?;
        let heard = nats::beats(&client, HEARD).await.map_err(unusable)?;
        let found = nats::leftovers(&client).await.map_err(unusable)?;
        if args.json {
            let runs = found.iter().map(|(run, has)| {
                json!({
                    "run": run,
                    "coordinator": heard.get(run).map(|beat| &beat.build),
                    "messages": has.messages,
                    "bytes": has.bytes,
                })
            });
            emit(&runs.collect::<Vec<_>>());
            return Ok(Exit::Done);
        }
        if found.is_empty() {
            say("no run is on this server");
        }
        for (run, has) in &found {
            let coordinator = match heard.get(run) {
                Some(beat) => format!("coordinated by batchgen {}", beat.build),
                None => "without a coordinator: it goes on when its run is started again, or `cluster clean` removes it".to_owned(),
            };
            say(&format!(
                "{run}: {coordinator}; {} of {} bytes on the server",
                counted(has.messages, "message"),
                has.bytes
            ));
        }
        Ok(Exit::Done)
    })
}
