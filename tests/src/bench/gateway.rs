//! What the gateway makes of a provider's limits: how much of them it uses, and how often it is refused.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use super::measure::measure;
use super::online::{many, simulator};
use super::report::{Goal, Row};
use super::timeline::{Seen, Span, mean_fill, seconds};
use crate::scene::until;
use simulator::{Answers, Call, Config, Latency, Limit, Limits, Measure, OutputCharge};
use simulator::{Ledger, Simulator};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// 100 requests in any second, which the host is told.
pub fn second() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 1000;
    const LIMIT: u64 = 100;
    let simulator = limited(Limits::of([Limit::new(Measure::Requests, LIMIT, SECOND)]))?;
    let scene = many(
        CALLS,
        &simulator,
        &format!("[limits]\nrequests-per-second = {LIMIT}\n"),
    );
    ensure!(
        measure(scene.command(&["run", "--json"]))?.ran.code == Some(0),
        "tasks failed"
    );
    let ledger = simulator.ledger();
    let calls = Span::of(&ledger)?;
    let ideal = CALLS as f64 / LIMIT as f64;
    let elapsed = (calls.last_arrival - calls.first_arrival).max(ideal);
    let fill = mean_fill(
        ledger
            .calls
            .iter()
            .map(|call| (seconds(call.arrived_ms), 1)),
        SECOND.as_secs_f64(),
        (calls.first_arrival + 1.0, calls.last_arrival),
    );
    Ok(vec![
        Row::new(
            "100 requests/s, told: used over 1,000 calls, the burst at the start included",
            100.0 * CALLS as f64 / (LIMIT as f64 * elapsed),
            "%",
            Goal::AtLeast(98.0),
        ),
        Row::new(
            "the same, mean fill of the window after its first second",
            100.0 * fill / LIMIT as f64,
            "%",
            Goal::AtLeast(98.0),
        ),
        refusals(&ledger),
    ])
}

/// 600 requests in any minute, which the host is told.
pub fn minute() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 1000;
    const LIMIT: u64 = 600;
    takes("gateway-minute", 63);
    let simulator = limited(Limits::of([Limit::new(Measure::Requests, LIMIT, MINUTE)]))?;
    let scene =
        many(CALLS, &simulator, "").with("BATCHGEN_REQUESTS_PER_MINUTE", &LIMIT.to_string());
    ensure!(
        measure(scene.command(&["run", "--json"]))?.ran.code == Some(0),
        "tasks failed"
    );
    let ledger = simulator.ledger();
    let calls = Span::of(&ledger)?;
    Ok(vec![
        Row::new(
            "600 requests/min, told: wall time of 1,000 calls over the ideal 60 s",
            (calls.last_end - calls.first_arrival) / MINUTE.as_secs_f64(),
            "×",
            Goal::AtMost(1.05),
        ),
        refusals(&ledger),
    ])
}

/// A limit that nobody told the host, and that changes; with and without a hint in the refusals, both at once,
/// since neither takes much of the machine.
pub fn hidden() -> anyhow::Result<Vec<Row>> {
    takes("gateway-hidden", 205);
    thread::scope(|scope| {
        let cases = [false, true].map(|hints| scope.spawn(move || hidden_limit(hints)));
        let mut rows = Vec::new();
        for case in cases {
            rows.extend(case.join().map_err(|_| anyhow!("a case broke off"))??);
        }
        Ok(rows)
    })
}

fn hidden_limit(hints: bool) -> anyhow::Result<Vec<Row>> {
    const BEFORE: u32 = 50;
    const AFTER: u32 = 80;
    // More than can be asked in the time.
    const CALLS: u64 = 20_000;
    let limits = |most| Limits {
        requests_per_second: Some(most),
        hide_retry_after: !hints,
        ..Limits::default()
    };
    let simulator = limited(limits(BEFORE))?;
    let scene = many(
        CALLS,
        &simulator,
        "[limits]\nrequests-per-second = 1000000\n",
    )
    .with("BATCHGEN_CONCURRENCY", "64");
    let mut child = scene
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    until("the first request", || simulator.totals().requests > 0);
    let start = Instant::now();
    let seen_at = |after: u64| {
        thread::sleep(
            (start + Duration::from_secs(after)).saturating_duration_since(Instant::now()),
        );
        Seen::now(&simulator)
    };
    let first = (seen_at(60), seen_at(100));
    simulator.set_limits(limits(AFTER));
    let second = (seen_at(160), seen_at(200));
    let ended = child.try_wait()?;
    child.kill().context("the host cannot be stopped")?;
    child.wait()?;
    ensure!(ended.is_none(), "the host ended early: {ended:?}");

    let hint = if hints { "with hints" } else { "no hints" };
    let mut rows = Vec::new();
    for (limit, when, (from, to)) in [
        (BEFORE, "60 to 100 s", first),
        (AFTER, "the same after a rise to 80/s", second),
    ] {
        let allowed = f64::from(limit) * (to.at - from.at).as_secs_f64();
        let (requests, refused) = (to.requests - from.requests, to.refused - from.refused);
        rows.push(Row::new(
            format!("hidden {BEFORE} requests/s, {hint}: used, {when}"),
            100.0 * (requests - refused) as f64 / allowed,
            "%",
            Goal::AtLeast(95.0),
        ));
        rows.push(Row::new(
            format!("hidden {BEFORE} requests/s, {hint}: refused, {when}"),
            100.0 * refused as f64 / requests as f64,
            "%",
            Goal::AtMost(0.5),
        ));
    }
    Ok(rows)
}

/// A usual tier, of which the host is told nothing: 500 requests and 200,000 tokens a minute, each call counted with the
/// whole cap of its answer, which takes 3 s. The provider's headers tell its limits, or only its refusals do; both at once,
/// since neither takes much of the machine.
pub fn defaults() -> anyhow::Result<Vec<Row>> {
    takes("gateway-defaults", 140);
    thread::scope(|scope| {
        let cases = [true, false].map(|headers| scope.spawn(move || usual_tier(headers)));
        let mut rows = Vec::new();
        for case in cases {
            rows.extend(case.join().map_err(|_| anyhow!("a case broke off"))??);
        }
        Ok(rows)
    })
}

fn usual_tier(headers: bool) -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 545;
    const REQUESTS: u64 = 500;
    const TOKENS: u64 = 200_000;
    const LATENCY: Duration = Duration::from_secs(3);
    let first_token = Duration::from_millis(600);
    let simulator = simulator(Config {
        answers: Answers::Good,
        latency: Latency {
            first_token,
            answer: LATENCY - first_token,
        },
        limits: Limits {
            limits: vec![
                Limit::new(Measure::Requests, REQUESTS, MINUTE),
                Limit::new(Measure::Tokens, TOKENS, MINUTE),
            ],
            output: OutputCharge::Keep,
            headers,
            ..Limits::default()
        },
        ..Config::default()
    })?;
    let scene = many(CALLS, &simulator, "").without_limits();
    let measured = measure(scene.command(&["run", "--json"]))?;
    ensure!(measured.ran.code == Some(0), "tasks failed");
    let used = |measure| {
        let windows = simulator.windows();
        let window = windows
            .iter()
            .find(|window| window.limit.measure == measure);
        window.map_or(0, |window| window.used)
    };
    let each = used(Measure::Tokens) / used(Measure::Requests).max(1);
    let a_minute = REQUESTS.min(TOKENS / each.max(1));
    let bound = MINUTE * u32::try_from((CALLS - 1) / a_minute)? + LATENCY;
    let tell = if headers {
        "headers tell"
    } else {
        "only refusals tell"
    };
    let (over, refused) = (
        measured.wall.as_secs_f64() / bound.as_secs_f64(),
        simulator.ledger().status(429) as f64,
    );
    Ok(vec![
        Row::new(
            format!(
                "545 calls of 3 s, 500 requests and 200k tokens/min, no setting, {tell}: wall time over the bound"
            ),
            over,
            "×",
            Goal::AtMost(if headers { 1.15 } else { 1.3 }),
        ),
        Row::new(
            "the same, refused",
            100.0 * refused / (CALLS as f64 + refused),
            "%",
            Goal::AtMost(2.0),
        ),
    ])
}

/// 60,000 tokens in any minute, which the host is told, and answers whose length it must guess.
pub fn tokens() -> anyhow::Result<Vec<Row>> {
    const LIMIT: u64 = 60_000;
    const CALLS: u64 = 4000;
    // One window more than the first, so that the moment when it is refilled counts once.
    const UNTIL: u64 = 120;
    takes("gateway-tokens", UNTIL + 2);
    let simulator = simulator(Config {
        answers: Answers::Good,
        latency: Latency {
            first_token: Duration::from_millis(100),
            answer: Duration::from_millis(400),
        },
        // Watched only, or reservations of the caps would be refused that are given back later.
        limits: Limits {
            limits: vec![Limit::new(Measure::Tokens, LIMIT, MINUTE).observed()],
            output: OutputCharge::Charge,
            ..Limits::default()
        },
        ..Config::default()
    })?;
    let scene = many(
        CALLS,
        &simulator,
        &format!("[limits]\ntokens-per-minute = {LIMIT}\n"),
    );
    let mut child = scene
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    until("the first request", || simulator.totals().requests > 0);
    thread::sleep(Duration::from_secs(UNTIL + 1));
    let ended = child.try_wait()?;
    child.kill().context("the host cannot be stopped")?;
    child.wait()?;
    ensure!(ended.is_none(), "the host ended early: {ended:?}");

    let ledger = simulator.ledger();
    let calls = Span::of(&ledger)?;
    let of = |call: &Call| call.input_tokens + call.output_tokens;
    let fill = mean_fill(
        ledger
            .calls
            .iter()
            .map(|call| (seconds(call.arrived_ms), of(call))),
        MINUTE.as_secs_f64(),
        (
            calls.first_arrival + MINUTE.as_secs_f64(),
            calls.first_arrival + UNTIL as f64,
        ),
    );
    let most = simulator.windows().iter().map(|window| window.most).max();
    let beyond = most.context("no window")?.saturating_sub(LIMIT);
    let largest = ledger.calls.iter().map(of).max().context("no call")?;
    Ok(vec![
        Row::new(
            format!(
                "60,000 tokens/min, told, {} calls: mean fill of the window after its first minute",
                ledger.calls.len()
            ),
            100.0 * fill / LIMIT as f64,
            "%",
            Goal::AtLeast(97.0),
        ),
        Row::new(
            "most that a window held beyond the limit, in requests",
            beyond as f64 / largest as f64,
            "",
            Goal::AtMost(1.0),
        ),
    ])
}

/// A case of a minute or more says so.
fn takes(name: &str, seconds: u64) {
    eprintln!("{name}: takes about {seconds} s");
}

fn limited(limits: Limits) -> anyhow::Result<Simulator> {
    simulator(Config {
        answers: Answers::Echo,
        limits,
        ..Config::default()
    })
}

fn refusals(ledger: &Ledger) -> Row {
    Row::new(
        "the same, answers of 429",
        ledger.status(429) as f64,
        "",
        Goal::AtMost(0.0),
    )
}
