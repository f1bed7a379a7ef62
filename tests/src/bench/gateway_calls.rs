//! What the gateway makes of single calls: those that go wrong, those that take long, those that are in vain.

use std::time::Duration;

use anyhow::ensure;

use gateway::limits::ramp::HANDFUL;

use super::measure::measure;
use super::online::{bare, many, simulator};
use super::report::{Goal, Row, median};
use super::timeline::Span;
use simulator::{Answers, Config, Fault, FaultKind, Latency, When};

/// Runs of which the median counts.
const RUNS: u64 = 3;
/// The same where chance decides how often the unluckiest call fails.
const RUNS_OF_CHANCE: u64 = 5;

/// Every fault that passes, at once, beside a loop that tries each call until it is answered.
pub fn faults() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 2000;
    const AT_ONCE: u64 = 64;
    let fault = |kind, probability| Fault {
        kind,
        when: When::Probability(probability),
    };
    let (mut done, mut hosts, mut bares) = (f64::MAX, Vec::new(), Vec::new());
    for seed in 0..RUNS_OF_CHANCE {
        let simulator = || {
            simulator(Config {
                answers: Answers::Echo,
                seed,
                latency: Latency {
                    first_token: Duration::from_millis(50),
                    answer: Duration::ZERO,
                },
                faults: vec![
                    fault(FaultKind::Status(500), 0.05),
                    fault(FaultKind::RateLimited(Some(1000)), 0.05),
                    fault(FaultKind::ResetBeforeBody, 0.02),
                    fault(FaultKind::HangBeforeBody, 0.01),
                ],
                ..Config::default()
            })
        };
        let provider = simulator()?;
        let scene = many(CALLS, &provider, "[retry]\nidle-timeout-seconds = 5\n")
            .with("BATCHGEN_CONCURRENCY", &AT_ONCE.to_string());
        let measured = measure(scene.command(&["run", "--json"]))?;
        let summary = measured.ran.summary();
        let complete = summary.complete() as f64 / summary.records() as f64;
        done = done.min(100.0 * complete);
        // What one host was told must not be known when the other asks.
        let provider = simulator()?;
        let bare = measure(bare(&provider, CALLS, AT_ONCE, true))?;
        let (host, bare) = (measured.wall.as_secs_f64(), bare.wall.as_secs_f64());
        hosts.push(host);
        bares.push(bare);
        // So far from the goal, more runs would tell nothing more, and take minutes.
        if host > 3.0 * bare {
            break;
        }
    }
    let (host, bare) = (median(hosts), median(bares));
    Ok(vec![
        Row::new(
            "5 % 5xx, 5 % 429 with a hint of 1 s, 2 % resets, 1 % hangs: done of 2,000 calls, the worst run",
            done,
            "%",
            Goal::AtLeast(100.0),
        ),
        Row::new(
            "the same, wall time over that of a loop that retries with the same time limits",
            host / bare,
            "×",
            Goal::AtMost(1.15),
        ),
        Row::new("the same, wall time, median", host, "s", Goal::None),
        Row::new("that loop's, median", bare, "s", Goal::None),
    ])
}

/// Calls that take half a second, 200 at once.
pub fn latency() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 2000;
    const AT_ONCE: u64 = 200;
    let (mut ratios, mut hosts, mut bares, mut calls) = (vec![], vec![], vec![], vec![]);
    for _ in 0..RUNS {
        let simulator = || {
            simulator(Config {
                answers: Answers::Echo,
                latency: Latency {
                    first_token: Duration::from_millis(500),
                    answer: Duration::ZERO,
                },
                ..Config::default()
            })
        };
        let provider = simulator()?;
        let scene = many(CALLS, &provider, "").with("BATCHGEN_CONCURRENCY", &AT_ONCE.to_string());
        let measured = measure(scene.command(&["run", "--json"]))?;
        ensure!(measured.ran.code == Some(0), "tasks failed");
        let span = Span::of(&provider.ledger())?;
        let provider = simulator()?;
        let bare = measure(bare(&provider, CALLS, AT_ONCE, false))?;
        let (host, bare) = (measured.wall.as_secs_f64(), bare.wall.as_secs_f64());
        ratios.push(host / bare);
        hosts.push(host);
        bares.push(bare);
        calls.push(span.last_end - span.first_arrival);
    }
    Ok(vec![
        Row::new(
            "2,000 calls of 500 ms, 200 at once: wall time over the bare loop's, median",
            median(ratios),
            "×",
            Goal::AtMost(1.03),
        ),
        Row::new(
            "the same, wall time, median",
            median(hosts),
            "s",
            Goal::None,
        ),
        Row::new(
            "of that from first request to last answer",
            median(calls),
            "s",
            Goal::None,
        ),
        Row::new("the bare loop's, median", median(bares), "s", Goal::None),
    ])
}

/// What cannot be had is asked for once, however many wait for it.
pub fn quota() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, kind) in [
        ("insufficient_quota", FaultKind::InsufficientQuota),
        ("401", FaultKind::Unauthorized),
    ] {
        let simulator = simulator(Config {
            answers: Answers::Echo,
            faults: vec![Fault {
                kind,
                when: When::Probability(1.0),
            }],
            ..Config::default()
        })?;
        let scene = many(1000, &simulator, "").with("BATCHGEN_CONCURRENCY", "64");
        let ran = scene.host(&["run"]);
        // The code for a provider that cannot go on.
        ensure!(
            ran.code == Some(5),
            "exit code {:?}: {}",
            ran.code,
            ran.stderr
        );
        rows.push(Row::new(
            format!("{name}, 64 at once: requests that were sent"),
            simulator.totals().requests as f64,
            "",
            Goal::AtMost(HANDFUL as f64),
        ));
    }
    Ok(rows)
}
