//! The LLM simulator as a process of its own: prints its base URL and serves until `POST /shutdown`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tests::simulator::{Answers, Config, Fault, Latency, Limits, Simulator};

/// An LLM provider for tests, on the loopback address.
#[derive(Debug, Parser)]
#[command(name = "llm-simulator", version)]
struct Arguments {
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Answers and random faults follow from this and the request.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Quality of the answers.
    #[arg(long, value_enum, default_value_t = Answers::Good)]
    answers: Answers,
    /// Key that calls must carry as `Authorization: Bearer <KEY>`.
    #[arg(long)]
    key: Option<String>,
    /// Milliseconds before the first byte of an answer.
    #[arg(long, default_value_t = 0)]
    first_token_ms: u64,
    /// Milliseconds from there to the last byte.
    #[arg(long, default_value_t = 0)]
    answer_ms: u64,
    /// Most calls in any second.
    #[arg(long)]
    requests_per_second: Option<u32>,
    /// Most calls in any minute.
    #[arg(long)]
    requests_per_minute: Option<u32>,
    /// Most calls in flight.
    #[arg(long)]
    concurrent: Option<u32>,
    /// Refuse without saying `retry-after`.
    #[arg(long)]
    hide_retry_after: bool,
    /// Send `x-ratelimit-*` headers.
    #[arg(long)]
    rate_limit_headers: bool,
    /// What goes wrong, as KIND@WHEN: `503@5%`, `reset-in-body@first:2`, `500@nth:7`,
    /// `hang-before-body@containing:TEXT`. May be given more than once; the first that applies is done.
    #[arg(long = "fault", value_name = "KIND@WHEN")]
    faults: Vec<Fault>,
    /// File that billed calls are appended to, a JSON line each.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let simulator = Simulator::start(Config {
        port: arguments.port,
        seed: arguments.seed,
        answers: arguments.answers,
        key: arguments.key,
        latency: Latency {
            first_token: Duration::from_millis(arguments.first_token_ms),
            answer: Duration::from_millis(arguments.answer_ms),
        },
        limits: Limits {
            requests_per_second: arguments.requests_per_second,
            requests_per_minute: arguments.requests_per_minute,
            concurrent: arguments.concurrent,
            hide_retry_after: arguments.hide_retry_after,
            headers: arguments.rate_limit_headers,
        },
        faults: arguments.faults,
        ledger_file: arguments.ledger,
    })?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", simulator.base_url())?;
    // Whoever started this waits for the line.
    stdout.flush()?;
    simulator.wait();
    Ok(())
}
