//! Eight servers behind one model, of which one is dead and one is slow.

use std::time::Duration;

use anyhow::{Context, ensure};

use super::measure::measure;
use super::online::{many, simulator};
use super::report::{Goal, Row};
use super::timeline::seconds;
use crate::scene::KEY;
use simulator::{Answers, Config, Latency, Ledger, Simulator};

/// Calls that a server answers at once.
const AT_ONCE: u64 = 8;
const CALLS: u64 = 2_200;
/// The time that counts, in seconds since the first call: no server is beginning, and none runs out of work.
const FROM: f64 = 5.0;
const TO: f64 = 35.0;

/// How much of what seven servers can do is used, while the eighth is not there.
pub fn one_dead_one_slow() -> anyhow::Result<Vec<Row>> {
    eprintln!("endpoints: takes about 45 s");
    let latencies = [1, 1, 1, 1, 1, 1, 4];
    let servers = latencies
        .iter()
        .map(|latency| server(*latency))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let dead = server(1)?.base_url().to_owned();
    let addresses = servers
        .iter()
        .map(Simulator::base_url)
        .chain([dead.as_str()]);
    let endpoints: Vec<String> = addresses.map(|address| format!("\"{address}\"")).collect();
    let first = servers.first().context("no server")?;
    let configuration = format!(
        "[provider.gpus]\napi-key-env = \"GPUS_KEY\"\nendpoints = [{}]\n[limits]\nconcurrency = {AT_ONCE}\n",
        endpoints.join(", ")
    );
    let scene = many(CALLS, first, &configuration)
        .without_limits()
        .with("BATCHGEN_MODEL", "gpus/sim")
        .with("GPUS_KEY", KEY);
    let measured = measure(scene.command(&["run", "--json"]))?;
    ensure!(measured.ran.code == Some(0), "tasks failed");
    let summary = measured.ran.summary();
    let (mut used, mut capacity) = (0.0, 0.0);
    for (server, latency) in servers.iter().zip(latencies) {
        let in_a_second = AT_ONCE as f64 / latency as f64;
        used += in_a_second * fill(&server.ledger())?;
        capacity += in_a_second;
    }
    Ok(vec![
        Row::new(
            "8 servers of 8 calls at once, one dead, one slow by 4 ×: used of what the 7 can do, 5 to 35 s",
            100.0 * used / capacity,
            "%",
            Goal::AtLeast(95.0),
        ),
        Row::new(
            "the same, tasks that failed",
            (summary.records() - summary.complete()) as f64,
            "",
            Goal::AtMost(0.0),
        ),
        Row::new(
            "the same, calls to the dead one",
            summary.calls("failed_tries") as f64,
            "",
            Goal::None,
        ),
    ])
}

fn server(latency: u64) -> anyhow::Result<Simulator> {
    simulator(Config {
        answers: Answers::Echo,
        latency: Latency {
            first_token: Duration::from_secs(latency),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
}

/// How many of its places a server had filled, as a mean over the time that counts.
fn fill(ledger: &Ledger) -> anyhow::Result<f64> {
    let arrivals = ledger.calls.iter().map(|call| seconds(call.arrived_ms));
    let first = arrivals.reduce(f64::min).context("no call")?;
    let (from, to) = (first + FROM, first + TO);
    let busy: f64 = ledger
        .calls
        .iter()
        .map(|call| seconds(call.ended_ms).min(to) - seconds(call.arrived_ms).max(from))
        .map(|busy| busy.max(0.0))
        .sum();
    Ok(busy / (AT_ONCE as f64 * (to - from)))
}
