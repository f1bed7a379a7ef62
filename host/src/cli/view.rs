//! `batchgen view`: the page of runs that have ended, for as long as somebody wants to look. It takes no lock, and shows a run
//! that another process makes, too.

use anyhow::anyhow;
use clap::Args;

use super::args::ProjectArgs;
use super::display::Display;
use super::execution::evidence;
use super::exit::{Exit, Failure};
use super::project::{Project, State, block_on};
use super::status;
use super::store::places;
use watch::{Address, Evidence, Viewer};

/// Where the page is served unless it is said.
const ADDRESS: &str = "127.0.0.1:0";

/// Serve the page of the last run and of earlier runs, until you stop it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen view                 # prints the address of the page
  batchgen view 127.0.0.1:9090")]
pub(super) struct ViewArgs {
    /// Where to serve it: a port, an address, or both; a free port of this machine by default
    #[arg(value_name = "ADDR", default_value = ADDRESS)]
    address: Address,
    #[command(flatten)]
    project: ProjectArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ViewArgs, display: &Display) -> Result<Exit, Failure> {
    let (state, _) = places(&args.project.place)?;
    let newest = status::last(&args.project.place)?;
    let evidence = looked_up(args, display);
    block_on(async {
        let viewer = Viewer::start(&args.address, &state, newest, evidence)
            .await
            .map_err(|error| {
                Failure::usage(anyhow!(
                    "the page cannot be served at {}: {error}\nhint: without an address it takes a free port",
                    args.address
                ))
            })?;
        display.print(&format!("the page is at {} (Ctrl-C ends it)", viewer.page));
        if args.address.is_public() {
            display.print("warning: who can reach this address sees prompts, answers and files");
        }
        tokio::select! {
            () = viewer.work() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        Ok(Exit::Done)
    })
}

/// Where single tasks are looked up; a project that cannot be read is told, and the numbers are shown without it.
fn looked_up(args: &ViewArgs, display: &Display) -> Option<Evidence> {
    let opened = Project::open(&args.project, display)
        .and_then(|project| State::read(&project).map(|state| evidence(&project, &state)));
    match opened {
        Ok(evidence) => Some(evidence),
        Err(failure) => {
            display.print(&format!(
                "warning: single tasks cannot be looked up: {:#}",
                failure.error
            ));
            None
        }
    }
}
