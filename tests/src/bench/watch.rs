//! What it takes to watch a run: one page, a hundred viewers, and a million tasks.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use super::measure::cpu_at_end;
use super::online::{many, simulator};
use super::report::{Goal, Row, median};
use super::scale;
use crate::browser::Browser;
use crate::scene::{Scene, until};
use crate::watched::Watched;
use crate::web;
use simulator::{Answers, Config};

const TASKS: u64 = 20_000;
const VIEWERS: usize = 100;
/// Each number is the middle one of so many runs.
const ROUNDS: usize = 3;

/// What a run took.
struct Took {
    cpu: f64,
    wall: f64,
    /// Events that all viewers got.
    events: u64,
}

/// A run without viewers and dashboard, one with a viewer, and one with a hundred, in turn.
pub fn cost() -> anyhow::Result<Vec<Row>> {
    let simulator = simulator(Config {
        answers: Answers::Echo,
        ..Config::default()
    })?;
    let run = |viewers| {
        let scene = many(TASKS, &simulator, "").with("BATCHGEN_CONCURRENCY", "64");
        watched(&scene, viewers)
    };
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push([run(0)?, run(1)?, run(VIEWERS)?]);
    }
    let middle = |place: usize, of: fn(&Took) -> f64| {
        let numbers = rounds.iter().filter_map(|round| round.get(place)).map(of);
        median(numbers.collect())
    };
    let more = |place, of| (middle(place, of) / middle(0, of) - 1.0) * 100.0;
    let events = rounds.iter().flatten().map(|took| took.events).max();
    Ok(vec![
        Row::new(
            "20,000 tasks with a viewer: CPU of the host, more than with none",
            more(1, |took| took.cpu),
            "%",
            Goal::AtMost(5.0),
        ),
        Row::new(
            "with 100 viewers: CPU of the host, more than with none",
            more(2, |took| took.cpu),
            "%",
            Goal::None,
        ),
        Row::new(
            "with 100 viewers: wall time, more than with none",
            more(2, |took| took.wall),
            "%",
            Goal::AtMost(5.0),
        ),
        Row::new(
            "events that 100 viewers got in a run",
            events.unwrap_or(0) as f64,
            "",
            Goal::None,
        ),
    ])
}

fn watched(scene: &Scene, viewers: usize) -> anyhow::Result<Took> {
    let start = Instant::now();
    let mut run = Watched::start(scene, &[]);
    let events = run.at("events");
    let looking = thread::spawn(move || look(&events, viewers));
    let cpu = cpu_at_end(run.child())?;
    let wall = start.elapsed().as_secs_f64();
    let ran = run.end();
    ensure!(ran.code == Some(0), "tasks failed: {}", ran.stderr);
    let events = looking.join().ok().context("a viewer failed")??;
    Ok(Took { cpu, wall, events })
}

/// So many viewers until the stream ends; counts the events that they get.
fn look(url: &str, viewers: usize) -> anyhow::Result<u64> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = web::client();
        let mut all = JoinSet::new();
        for _ in 0..viewers {
            let request = client.get(url);
            all.spawn(async move {
                let mut events = 0;
                let Ok(mut response) = request.send().await else {
                    return events;
                };
                while let Ok(Some(chunk)) = response.chunk().await {
                    events += u64::from(chunk.ends_with(b"\n\n"));
                }
                events
            });
        }
        Ok(all.join_all().await.iter().sum())
    })
}

/// A million tasks with the page open in a browser: what the host and the page's scripts hold.
pub fn million() -> anyhow::Result<Vec<Row>> {
    let scene = scale::million_records();
    let browser = Browser::start();
    let start = Instant::now();
    let mut run = Watched::start(&scene, &[]);
    browser.open(&run.page);
    until("numbers", || {
        browser.holds("document.querySelector('#numbers dd')")
    });
    // When its plots are as full as they become: after that nothing may grow.
    let settled = Duration::from_secs(60);
    let mut early = None;
    while run.child().try_wait()?.is_none() {
        if early.is_none() && start.elapsed() > settled {
            early = Some(browser.memory());
        }
        thread::sleep(Duration::from_secs(1));
    }
    let late = browser.memory();
    let state = browser.text("byId('state').textContent");
    ensure!(state == "Done", "the page says {state}");
    let wall = start.elapsed().as_secs_f64();
    let peak = run.end().ended(0).summary().peak_memory();
    let early = early.context("the run ended before its page was settled")?;
    Ok(vec![
        Row::new(
            "1,000,000 tasks with the page open: peak memory of the host",
            peak as f64 / 1e6,
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new("tasks per second", 1e6 / wall, "/s", Goal::AtLeast(3000.0)),
        Row::new(
            "memory of the page's scripts at the end",
            late / 1e6,
            "MB",
            Goal::AtMost(20.0),
        ),
        Row::new(
            "grown since its first minute",
            (late - early) / 1e6,
            "MB",
            Goal::AtMost(2.0),
        ),
    ])
}
