//! The LLM simulator as a process of its own: prints its base URL and serves until `POST /shutdown`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use simulator::{
    Answers, BatchScript, Config, Dialect, Fault, Flex, Latency, Limit, Limits, OutputCharge,
    Quality, Simulator, Thinks, Wrong,
};

const EXAMPLES: &str = "\
Examples:
  A provider with OpenAI's headers that fails now and then:
    llm-simulator --limit requests=600/60s --limit tokens=200000/60s --rate-limit-headers --fault 503@5%
  Anthropic, which counts the cap of an answer from its start:
    llm-simulator --dialect anthropic --limit output-tokens=8000/1m --fault error-in-stream@nth:3
  Groq, with a limit of a day and one of minutes that do not overlap:
    llm-simulator --dialect groq --limit requests=14400/1d --limit tokens=6000/1m:fixed

While it runs:
  GET /ledger          what it would have billed
  GET /totals          the same as numbers only
  GET /windows         the most that every limit's window held, and what was used of it
  POST /limits         other limits: {\"limits\": [\"requests=60/60s\"], \"concurrent\": 8}
  POST /faults         other faults: [\"503@5%\"]
  POST /shutdown       the end

With batches:
  GET /batch/list      all batches with their stages and counts, and how often each request was made
  GET /batch/lines     what was billed for each custom_id, and in which batches
  POST /batch/script   another script, as with --batch
  POST /batch/advance  ends the stage of {\"batch\": ID}, or of all batches: {}; with \"to_end\": true all stages";

/// An LLM provider for tests, on the loopback address.
#[derive(Debug, Parser)]
#[command(name = "llm-simulator", version, after_help = EXAMPLES)]
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
    /// A model of whose texts so many percent have a number that the facts do not have, as MODEL=PERCENT. May be given more than
    /// once.
    #[arg(long = "wrong", value_name = "MODEL=PERCENT")]
    wrong: Vec<Wrong>,
    /// Percent of the verdicts and comparisons that are drawn by lot.
    #[arg(long, default_value_t = 0.0)]
    judged_by_lot: f64,
    /// Whose API is spoken.
    #[arg(long, value_enum, default_value_t = Dialect::OpenAi)]
    dialect: Dialect,
    /// Key that calls must carry, as the dialect has it: `Authorization: Bearer <KEY>`, `x-api-key`
    /// or `api-key`.
    #[arg(long)]
    key: Option<String>,
    /// Milliseconds before the first byte of an answer.
    #[arg(long, default_value_t = 0)]
    first_token_ms: u64,
    /// Milliseconds from there to the last byte.
    #[arg(long, default_value_t = 0)]
    answer_ms: u64,
    /// Milliseconds between the signs of life that DeepSeek gives before the first byte.
    #[arg(long)]
    keep_alive_ms: Option<u64>,
    /// Tokens that the model thinks before each answer, whatever it is told.
    #[arg(long, default_value_t = 0)]
    reasoning_tokens: u64,
    /// How the model can be told how much to think.
    #[arg(long, value_enum, default_value_t = Thinks::Never)]
    thinks: Thinks,
    /// Milliseconds that calls at the flex tier wait longer for the first byte of an answer.
    #[arg(long, default_value_t = 0)]
    flex_delay_ms: u64,
    /// Percent of the calls at the flex tier that are served, and billed, at the default tier.
    #[arg(long, default_value_t = 0.0)]
    flex_at_default: f64,
    /// A limit, as MEASURE=AMOUNT/SPAN: `requests=600/60s`, `tokens=200000/1m:fixed`,
    /// `input-tokens=...`, `output-tokens=...`; `:observed` only watches. May be given more than once.
    #[arg(long = "limit", value_name = "MEASURE=AMOUNT/SPAN")]
    limits: Vec<Limit>,
    /// When the tokens of an answer count.
    #[arg(long, value_enum, default_value_t = OutputCharge::Dialect)]
    output_charge: OutputCharge,
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
    /// Send the dialect's limit headers, where it does not always or never.
    #[arg(long)]
    rate_limit_headers: bool,
    /// Let those headers say `-1` for what is left.
    #[arg(long)]
    unknown_remaining: bool,
    /// What goes wrong, as KIND@WHEN: `503@5%`, `reset-in-body@first:2`, `500@nth:7`,
    /// `hang-before-body@containing:TEXT`. May be given more than once; the first that applies is done.
    /// A kind that is none is answered with all there are.
    #[arg(long = "fault", value_name = "KIND@WHEN")]
    faults: Vec<Fault>,
    /// How batches behave, as JSON: `{"pace": {"running": 2000}, "faults": ["create-lost@nth:1"]}`. A stage lasts so many
    /// milliseconds, or with `null` until `POST /batch/advance`. The simulator's README has all keys and faults.
    #[arg(long, value_name = "JSON", value_parser = batch_script)]
    batch: Option<BatchScript>,
    /// File that billed calls are appended to, a JSON line each.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

fn batch_script(json: &str) -> Result<BatchScript, serde_json::Error> {
    serde_json::from_str(json)
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let simulator = Simulator::start(Config {
        port: arguments.port,
        seed: arguments.seed,
        answers: arguments.answers,
        quality: Quality {
            wrong: arguments
                .wrong
                .into_iter()
                .map(|wrong| (wrong.model, wrong.share))
                .collect(),
            judged_by_lot: arguments.judged_by_lot / 100.0,
        },
        dialect: arguments.dialect,
        keep_alive: arguments.keep_alive_ms.map(Duration::from_millis),
        reasoning_tokens: arguments.reasoning_tokens,
        thinks: arguments.thinks,
        key: arguments.key,
        flex: Flex {
            delay: Duration::from_millis(arguments.flex_delay_ms),
            at_default: arguments.flex_at_default / 100.0,
        },
        latency: Latency {
            first_token: Duration::from_millis(arguments.first_token_ms),
            answer: Duration::from_millis(arguments.answer_ms),
        },
        limits: Limits {
            requests_per_second: arguments.requests_per_second,
            requests_per_minute: arguments.requests_per_minute,
            limits: arguments.limits,
            output: arguments.output_charge,
            unknown_remaining: arguments.unknown_remaining,
            concurrent: arguments.concurrent,
            hide_retry_after: arguments.hide_retry_after,
            headers: arguments.rate_limit_headers,
        },
        faults: arguments.faults,
        batch: arguments.batch.unwrap_or_default(),
        ledger_file: arguments.ledger,
    })?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", simulator.base_url())?;
    // Whoever started this waits for the line.
    stdout.flush()?;
    simulator.wait();
    Ok(())
}
