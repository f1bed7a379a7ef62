//! `batchgen view`: the page of runs that have ended, for as long as somebody wants to look. It takes no lock, and shows a run
//! that another process makes, too.

use std::path::Path;

use anyhow::anyhow;
use clap::Args;

use super::args::ProjectArgs;
use super::display::Display;
use super::execution::evidence;
use super::exit::{Exit, Failure};
use super::project::{Project, State, block_on};
use super::status;
use super::store::places;
use watch::{Address, Desk, Evidence, ReviewCounts, Snapshot, Viewer};

/// Where the page is served unless it is said.
pub(super) const ADDRESS: &str = "127.0.0.1:0";

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
        serve(&args.address, &state, newest, evidence, None, display).await?;
        Ok(Exit::Done)
    })
}

/// Serves the page until Ctrl-C; tells what was decided, where somebody may.
pub(super) async fn serve(
    address: &Address,
    state: &Path,
    newest: Snapshot,
    evidence: Option<Evidence>,
    desk: Option<Desk>,
    display: &Display,
) -> Result<ReviewCounts, Failure> {
    let decides = desk.is_some();
    let viewer = Viewer::start(address, state, newest, evidence, desk).await;
    let mut viewer = viewer.map_err(|error| {
        Failure::usage(anyhow!(
            "the page cannot be served at {address}: {error}\nhint: without an address it takes a free port"
        ))
    })?;
    display.print(&format!("the page is at {} (Ctrl-C ends it)", viewer.page));
    if address.is_public() {
        let more = match decides {
            true => ", and who reads along sees the key with which one decides",
            false => "",
        };
        display.print(&format!(
            "warning: who can reach this address sees prompts, answers and files{more}"
        ));
    }
    tokio::select! {
        () = viewer.work() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(viewer.finish().await)
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
