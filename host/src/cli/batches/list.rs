//! `batchgen batches list`: the batches of a state.

use clap::Args;

use super::super::args::StateArgs;
use super::super::display::{emit, say, width};
use super::super::exit::{Exit, Failure};
use super::super::numbers::{count, duration};
use super::super::store::places;
use super::super::table::Table;
use engine::batches::view;
use engine::statistics::BatchView;
use gateway::found::unix_time;
use serde_json::json;
use store::{BatchState, Store};

/// Batches that have ended which are shown.
const ENDED: usize = 20;

/// Show the batches that have not ended, and the last that have.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen batches list
  batchgen batches list --json | jq '.[].note'")]
pub(super) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ListArgs) -> Result<Exit, Failure> {
    let (file, _) = places(&args.state)?;
    let store = Store::open_reading(&file).map_err(Failure::internal)?;
    let all = store.batches().map_err(Failure::internal)?;
    let (ended, open): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|batch| batch.state == BatchState::Ended);
    let last = ended.len().saturating_sub(ENDED);
    let shown: Vec<BatchView> = ended
        .iter()
        .skip(last)
        .chain(&open)
        .map(|batch| view(batch))
        .collect();
    if args.json {
        emit(&json!(shown));
    } else if shown.is_empty() {
        say("no batches\n");
    } else {
        say(&render(&shown, width()));
    }
    Ok(Exit::Done)
}

fn render(batches: &[BatchView], width: usize) -> String {
    let now = unix_time();
    let mut table = Table::new([
        "batch",
        "provider's name",
        "model",
        "state",
        "questions",
        "answered",
        "failed",
        "age",
    ]);
    let number = |number: Option<u64>| number.map_or_else(String::new, count);
    for batch in batches {
        let word = batch.word.as_ref().filter(|_| batch.state == "open");
        let since = batch.sent_at.unwrap_or(batch.formed_at);
        let until = batch.ended_at.unwrap_or(now);
        table.row([
            batch.name.clone(),
            batch.id.clone().unwrap_or_default(),
            batch.model.clone(),
            word.unwrap_or(&batch.state).clone(),
            count(batch.questions),
            number(batch.answered),
            number(batch.failed),
            duration(until.saturating_sub(since) as f64),
        ]);
    }
    let mut text = table.render(width);
    for batch in batches {
        if let Some(note) = &batch.note {
            text.push_str(&format!("{}: {note}\n", batch.name));
        }
    }
    text
}
