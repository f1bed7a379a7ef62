//! Random input as a program: `cargo xtask fuzz` builds and runs it.

use std::time::{Duration, SystemTime};

use clap::Parser;

/// Random input for what reads what others wrote.
#[derive(Debug, Parser)]
#[command(name = "fuzz", version)]
struct Arguments {
    /// loader, manifest, dataset or provider.
    target: String,
    /// How long to go on.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    minutes: f64,
    /// The same inputs again.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(1, |now| now.as_secs())
    });
    let time = Duration::try_from_secs_f64(60.0 * arguments.minutes)?;
    tests::fuzz::run(&arguments.target, time, seed)
}
