//! `batchgen store stats`: what the state holds, and what was spent.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::super::args::StateArgs;
use super::super::display::{emit, say, width};
use super::super::exit::{Exit, Failure};
use super::super::numbers::{count, dollars};
use super::super::table::Table;
use super::places;
use store::{Spending, Stats, Store};

/// Show sizes and rows, and what was spent by lane, component and day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store stats
  batchgen store stats --state elsewhere/state.db --json")]
pub(super) struct StatsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &StatsArgs) -> Result<Exit, Failure> {
    let (file, _) = places(&args.state)?;
    let stats = Store::open_reading(&file)
        .and_then(|store| store.stats())
        .map_err(Failure::internal)?;
    if args.json {
        emit(&json!(stats));
    } else {
        say(&render(&stats, width()));
    }
    Ok(Exit::Done)
}

fn render(stats: &Stats, width: usize) -> String {
    let mut text = format!(
        "file {}, of it free {}; WAL {}\n",
        bytes(stats.file_bytes),
        bytes(stats.free_bytes),
        bytes(stats.wal_bytes)
    );
    if let Some(each) = stats.bytes_per_completion {
        let _ = writeln!(text, "{each} bytes for each completion");
    }
    let mut tables = Table::new(["table", "rows", "bytes"]);
    for table in &stats.tables {
        tables.row([
            table.table.clone(),
            table.rows.to_string(),
            bytes(table.bytes),
        ]);
    }
    let _ = write!(text, "\n{}", tables.render(width));
    for (what, rows) in [
        ("lane", &stats.lanes),
        ("component", &stats.components),
        ("day", &stats.days),
    ] {
        let mut table = Table::new([what, "completions", "tokens in", "tokens out", "cost"]);
        for row in rows {
            table.row([
                row.name.clone(),
                row.completions.to_string(),
                count(row.input_tokens),
                count(row.output_tokens),
                cost(row),
            ]);
        }
        if !table.is_empty() {
            let _ = write!(text, "\n{}", table.render(width));
        }
    }
    text
}

fn cost(spending: &Spending) -> String {
    // Where no answer came, tries may have been billed.
    let is_free = spending.input_tokens == 0 && spending.output_tokens == 0;
    let is_unpriced = spending.unpriced == spending.completions && spending.cost_micros == 0;
    if is_unpriced && !is_free {
        "not known".to_owned()
    } else if spending.unpriced > 0 {
        format!("> {}", dollars(spending.cost_micros))
    } else {
        dollars(spending.cost_micros)
    }
}

/// Bytes for people.
pub(in crate::cli) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_the_cost_is_shown() {
        let shown = |completions, unpriced, tokens, cost_micros| {
            cost(&Spending {
                name: String::new(),
                completions,
                input_tokens: tokens,
                output_tokens: 0,
                cost_micros,
                unpriced,
            })
        };
        assert_eq!(shown(2, 2, 9, 0), "not known");
        assert_eq!(shown(2, 1, 9, 20_000), "> $0.0200");
        assert_eq!(shown(2, 0, 9, 20_000), "$0.0200");
        // Only tries that brought no answer.
        assert_eq!(shown(0, 0, 9, 20_000), "$0.0200");
        assert_eq!(shown(0, 0, 9, 0), "not known");
        assert_eq!(shown(0, 0, 0, 0), "$0.0000");
    }
}
