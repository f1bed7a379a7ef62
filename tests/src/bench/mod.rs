//! Benchmarks: what the whole program takes, held against what it is to reach. Each case starts the real
//! host, or calls its library, in a folder of its own. Nothing here passes or fails: `cargo xtask bench` shows
//! the numbers, and where machines differ what counts is the ratio to a bare loop in the same run.

mod bare;
mod batches;
mod bombs;
mod caches;
mod cluster;
mod compare;
mod endpoints;
mod execution;
mod gateway;
mod gateway_calls;
mod gateway_cpu;
mod measure;
mod offline;
mod online;
mod report;
mod sameness;
mod scale;
mod timeline;
mod watch;

use anyhow::bail;

pub use bare::{Asked, bare_loop};
use report::Row;

type Case = fn() -> anyhow::Result<Vec<Row>>;

/// Every case by its name.
const CASES: [(&str, Case); 34] = [
    ("offline", offline::full_run),
    ("start-up", online::start_up),
    ("execution", execution::fresh_instance),
    ("cpu", online::cpu_per_task),
    ("large", online::large_prompts),
    ("sloppy", online::sloppy_writer),
    ("in-flight", online::ten_thousand_in_flight),
    ("scale", scale::million),
    ("state", scale::state),
    ("watch", watch::cost),
    ("watch-million", watch::million),
    ("gateway-second", gateway::second),
    ("gateway-minute", gateway::minute),
    ("gateway-hidden", gateway::hidden),
    ("gateway-defaults", gateway::defaults),
    ("gateway-tokens", gateway::tokens),
    ("gateway-faults", gateway_calls::faults),
    ("gateway-latency", gateway_calls::latency),
    ("gateway-cpu", gateway_cpu::cpu_per_call),
    ("gateway-quota", gateway_calls::quota),
    ("endpoints", endpoints::one_dead_one_slow),
    ("caches", caches::shared_instructions),
    ("caches", caches::shared_instructions_in_batches),
    ("batches", batches::hundred_thousand),
    ("bombs", bombs::all),
    ("compare", compare::known_quality),
    ("sameness", sameness::million),
    ("sameness-planted", sameness::planted),
    ("cluster-cpu", cluster::cpu_per_task),
    ("cluster-limit", cluster::shared_limit),
    ("cluster-in-flight", cluster::ten_thousand_in_flight),
    ("cluster-kill", cluster::killed_worker),
    ("cluster-disturbed", cluster::disturbed),
    ("cluster-million", cluster::million),
];

/// Runs the cases whose names contain one of the filters, or all, and prints a row for each number.
///
/// # Errors
/// When a case cannot be run, or no case has such a name.
pub fn run(filters: &[String], mut out: impl std::io::Write) -> anyhow::Result<()> {
    let chosen: Vec<_> = CASES
        .iter()
        .filter(|(name, _)| {
            filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        let names = CASES.map(|(name, _)| name).join(", ");
        bail!("no benchmark is called so\nhint: the benchmarks are: {names}");
    }
    writeln!(out, "{}", report::HEAD)?;
    for (name, case) in chosen {
        for row in case()? {
            writeln!(out, "{}", row.line(name))?;
            out.flush()?;
        }
    }
    Ok(())
}
