//! A run on several machines: coordinator, a real NATS server and three workers, all on this one. What they take is held against
//! a host that does the same alone.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::measure::{self, measure};
use super::online::{many, prompted, rows, simulator};
use super::report::{Goal, Row, median};
use super::timeline::{Span, mean_fill, seconds};
use crate::nats::Nats;
use crate::scene::{KEY, Ran, Scene, until};
use gateway::limits::ramp::HANDFUL;
use simulator::{Answers, Config, Latency, Ledger, Limit, Limits, Measure, Simulator};

const WORKERS: usize = 3;
const SECOND: Duration = Duration::from_secs(1);

/// A program that is killed when it is no longer needed.
struct Process(Child);

impl Process {
    /// User and system time so far, seconds.
    fn cpu(&self) -> anyhow::Result<f64> {
        measure::cpu(self.0.id())
    }

    /// Most memory that it had, MB.
    fn peak(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kilobytes.context("no peak memory")? * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program says what it does: behind what its earlier lives said there.
fn told(scene: &Scene, program: &str) -> anyhow::Result<Stdio> {
    let mut file = OpenOptions::new();
    let file = file.create(true).append(true);
    Ok(file.open(scene.path(&format!("{program}.err")))?.into())
}

/// The last lines that a program said in all its lives.
fn last_words(scene: &Scene, program: &str) -> String {
    const LINES: usize = 20;
    let said = std::fs::read_to_string(scene.path(&format!("{program}.err"))).unwrap_or_default();
    let lines: Vec<&str> = said.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LINES)..);
    format!("{program}:\n{}\n", last.unwrap_or_default().join("\n"))
}

/// A server and workers, which wait for a run.
struct Farm {
    nats: Nats,
    home: Scene,
    slots: usize,
    workers: Vec<Process>,
}

impl Farm {
    fn start(simulator: &Simulator, slots: usize) -> anyhow::Result<Farm> {
        let home = Scene::new()
            .with("OPENAI_API_KEY", KEY)
            .with("OPENAI_BASE_URL", simulator.base_url());
        let mut farm = Farm {
            nats: Nats::start(1),
            home,
            slots,
            workers: Vec::new(),
        };
        for number in 0..WORKERS {
            let worker = farm.worker(number)?;
            farm.workers.push(worker);
        }
        Ok(farm)
    }

    fn worker(&self, number: usize) -> anyhow::Result<Process> {
        let (url, slots, name) = (
            self.nats.url(),
            self.slots.to_string(),
            format!("worker-{number}"),
        );
        let spool = format!("spool-{number}");
        let mut command = self.home.command(&[
            "worker",
            "--cluster",
            &url,
            "--slots",
            &slots,
            "--name",
            &name,
            "--spool",
            &spool,
        ]);
        command
            .stdout(Stdio::null())
            .stderr(told(&self.home, &name)?);
        Ok(Process(command.spawn().context("a worker does not start")?))
    }

    /// What the workers said last.
    fn last_words(&self) -> String {
        let workers = (0..WORKERS).map(|number| format!("worker-{number}"));
        workers.map(|name| last_words(&self.home, &name)).collect()
    }

    /// The coordinator's arguments.
    fn run(url: &str) -> [&str; 4] {
        ["run", "--json", "--cluster", url]
    }

    /// CPU time of server and workers so far, seconds.
    fn cpu(&self) -> anyhow::Result<f64> {
        let server = self.nats.process(0).context("the server has ended")?;
        let mut sum = measure::cpu(server)?;
        for worker in &self.workers {
            sum += worker.cpu()?;
        }
        Ok(sum)
    }

    /// Most memory that one of the workers had, MB.
    fn peak(&self) -> anyhow::Result<f64> {
        let peaks: anyhow::Result<Vec<f64>> = self.workers.iter().map(Process::peak).collect();
        Ok(peaks?.into_iter().fold(0.0, f64::max))
    }
}

fn done(ran: &Ran) -> anyhow::Result<()> {
    ensure!(ran.code == Some(0), "tasks failed: {}", ran.stderr);
    Ok(())
}

/// CPU time for each task, of all programs together and of the coordinator, beside a host alone: in turns, with few calls under way
/// and with as many as people have who need several machines.
pub fn cpu_per_task() -> anyhow::Result<Vec<Row>> {
    const FEW: usize = 64;
    const MANY: usize = 768;
    let mut rows = cpu_with(MANY, true)?;
    rows.extend(cpu_with(FEW, false)?);
    Ok(rows)
}

/// The same with so many calls under way at once.
fn cpu_with(at_once: usize, has_goals: bool) -> anyhow::Result<Vec<Row>> {
    const TASKS: u64 = 10_000;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        ..Config::default()
    })?;
    let per_task = |cpu: f64| cpu / TASKS as f64 * 1e6;
    let (mut alone, mut together, mut coordinator, mut pace) = (vec![], vec![], vec![], vec![]);
    let mut scenes = Vec::new();
    let concurrency = at_once.to_string();
    for _ in 0..3 {
        let scene = many(TASKS, &simulator, "").with("BATCHGEN_CONCURRENCY", &concurrency);
        let measured = measure(scene.command(&["run", "--json"]))?;
        done(&measured.ran)?;
        alone.push(per_task(measured.cpu));
        scenes.push(scene);
        let farm = Farm::start(&simulator, at_once.div_ceil(WORKERS))?;
        let scene = many(TASKS, &simulator, "").with("BATCHGEN_CONCURRENCY", &concurrency);
        let before = farm.cpu()?;
        let measured = measure(scene.command(&Farm::run(&farm.nats.url())))?;
        done(&measured.ran)?;
        coordinator.push(per_task(measured.cpu));
        together.push(per_task(measured.cpu + farm.cpu()? - before));
        pace.push(TASKS as f64 / measured.wall.as_secs_f64());
        scenes.push(scene);
    }
    let (alone, together) = (median(alone), median(together));
    let coordinator = median(coordinator);
    let goal = |goal| if has_goals { goal } else { Goal::None };
    let row = |what: &str, value, unit, reach| {
        Row::new(
            format!("{what}, {at_once} calls at once"),
            value,
            unit,
            goal(reach),
        )
    };
    Ok(vec![
        row(
            "10,000 tasks with one call: CPU of coordinator, server and three workers over that of one host, median of 3",
            together / alone,
            "×",
            Goal::AtMost(1.7),
        ),
        row("all of them, per task", together, "µs", Goal::None),
        row("one host alone, per task", alone, "µs", Goal::None),
        row(
            "the coordinator alone, per task",
            coordinator,
            "µs",
            Goal::AtMost(120.0),
        ),
        row(
            "so two processors of its own would do, by extrapolation",
            2e6 / coordinator,
            "/s",
            Goal::AtLeast(15_000.0),
        ),
        row(
            "tasks per second, everything on this machine",
            median(pace),
            "/s",
            Goal::None,
        ),
    ])
}

/// A limit that the coordinator is told and that three workers share.
pub fn shared_limit() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 2000;
    const LIMIT: u64 = 100;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        limits: Limits::of([Limit::new(Measure::Requests, LIMIT, SECOND)]),
        ..Config::default()
    })?;
    let farm = Farm::start(&simulator, 32)?;
    let limits = format!("[limits]\nrequests-per-second = {LIMIT}\n");
    let scene = many(CALLS, &simulator, &limits);
    done(&measure(scene.command(&Farm::run(&farm.nats.url())))?.ran)?;
    let ledger = simulator.ledger();
    let calls = Span::of(&ledger)?;
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
            "100 requests/s, told, shared by three workers: mean fill of the window after its first second",
            100.0 * fill / LIMIT as f64,
            "%",
            Goal::AtLeast(97.0),
        ),
        Row::new(
            "the same, answers of 429",
            ledger.status(429) as f64,
            "",
            Goal::AtMost(0.0),
        ),
    ])
}

/// Memory while ten thousand requests wait for their answers on three workers.
pub fn ten_thousand_in_flight() -> anyhow::Result<Vec<Row>> {
    const REQUESTS: u64 = 10_000;
    // Long enough to send all of them, twice: a handful goes first, alone.
    const ANSWER: Duration = Duration::from_secs(40);
    let simulator = simulator(Config {
        answers: Answers::Echo,
        latency: Latency {
            first_token: ANSWER,
            answer: Duration::ZERO,
        },
        ..Config::default()
    })?;
    let farm = Farm::start(&simulator, 3_400)?;
    let scene = prompted(REQUESTS + HANDFUL, 1_000, &simulator)
        .with("BATCHGEN_CONCURRENCY", &REQUESTS.to_string())
        .with("BATCHGEN_REQUESTS_PER_MINUTE", "100000000");
    let configuration = format!(
        "{}[retry]\nidle-timeout-seconds = {}\n",
        scene.read("batchgen.toml"),
        3 * ANSWER.as_secs()
    );
    scene.write("batchgen.toml", &configuration);
    let measured = measure(scene.command(&Farm::run(&farm.nats.url())))?;
    done(&measured.ran)?;
    Ok(vec![
        Row::new(
            "requests of 1 KB by the plugin `prompt` in flight at once on three workers",
            simulator.ledger().max_in_flight as f64,
            "",
            Goal::AtLeast(REQUESTS as f64),
        ),
        Row::new(
            "peak memory of a worker meanwhile",
            farm.peak()?,
            "MB",
            Goal::AtMost(250.0),
        ),
        Row::new(
            "peak memory of the coordinator",
            measured.ran.summary().peak_memory() as f64 / 1e6,
            "MB",
            Goal::AtMost(200.0),
        ),
    ])
}

/// How often each question was billed beyond the first time.
fn billed_again(ledger: &Ledger) -> u64 {
    let mut seen = BTreeMap::new();
    for call in &ledger.calls {
        *seen.entry(call.prompt.as_str()).or_insert(0_u64) += 1;
    }
    seen.values().map(|times| times - 1).sum()
}

/// A worker is killed with 64 calls under way: when another one asks what it had asked.
pub fn killed_worker() -> anyhow::Result<Vec<Row>> {
    const TASKS: u64 = 3_000;
    const ACK_WAIT: f64 = 5.0;
    const MOMENT: Duration = Duration::from_millis(300);
    let simulator = simulator(Config {
        answers: Answers::Echo,
        latency: Latency {
            first_token: SECOND,
            answer: Duration::ZERO,
        },
        ..Config::default()
    })?;
    let mut farm = Farm::start(&simulator, 64)?;
    let cluster = format!("[cluster]\nack-wait-seconds = {ACK_WAIT}\n");
    let scene =
        many(TASKS, &simulator, &cluster.replace(".0", "")).with("BATCHGEN_CONCURRENCY", "192");
    let url = farm.nats.url();
    let mut command = scene.command(&Farm::run(&url));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = Process(command.spawn()?);
    until("some hundred answers", || simulator.totals().billed > 600);
    let before: BTreeMap<String, ()> = prompts(&simulator);
    // Questions are answered in waves, and what has just arrived is not on a disk yet.
    thread::sleep(MOMENT);
    let start = Instant::now();
    farm.workers.pop();
    // What it had under way is billed when the provider has answered it, and again when another worker asks it.
    let mut after = None;
    while run.0.try_wait()?.is_none() {
        let ledger = simulator.ledger();
        if after.is_none() && billed_again(&ledger) > 0 {
            after = Some(start.elapsed().as_secs_f64());
        }
        thread::sleep(Duration::from_millis(50));
    }
    let status = run.0.wait()?;
    ensure!(status.success(), "tasks failed");
    let ledger = simulator.ledger();
    let journaled = ledger
        .calls
        .iter()
        .fold(BTreeMap::new(), |mut times: BTreeMap<&str, u64>, call| {
            *times.entry(call.prompt.as_str()).or_default() += 1;
            times
        })
        .into_iter()
        .filter(|(prompt, times)| *times > 1 && before.contains_key(*prompt))
        .count();
    Ok(vec![
        Row::new(
            "a worker is killed with 64 calls under way: its records are answered elsewhere after (`ack-wait-seconds` 5, answers of 1 s)",
            // Its calls end within a second, and so does the first of those that take their place.
            after.unwrap_or_default(),
            "s",
            Goal::AtMost(ACK_WAIT + 2.0 + 1.0),
        ),
        Row::new(
            "answers billed again",
            billed_again(&ledger) as f64,
            "",
            Goal::AtMost(64.0),
        ),
        Row::new(
            "of these, answered more than a moment before the kill",
            journaled as f64,
            "",
            Goal::AtMost(0.0),
        ),
    ])
}

/// Questions that were answered by now.
fn prompts(simulator: &Simulator) -> BTreeMap<String, ()> {
    let calls = simulator.ledger().calls;
    calls.into_iter().map(|call| (call.prompt, ())).collect()
}

/// What one run goes through, drawn by a generator that starts from a number.
const DISTURBANCES: u64 = 200;

/// Workers, coordinator and server are killed, stopped and forgotten, in an order that looks random.
pub fn disturbed() -> anyhow::Result<Vec<Row>> {
    const SLOTS: usize = 16;
    const TASKS: u64 = 30_000;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        latency: Latency {
            first_token: Duration::from_millis(200),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })?;
    let mut farm = Farm::start(&simulator, SLOTS)?;
    let configuration = "[cluster]\nack-wait-seconds = 2\n";
    let scene = many(TASKS, &simulator, configuration).with("BATCHGEN_CONCURRENCY", "48");
    let url = farm.nats.url();
    let start = || -> anyhow::Result<Process> {
        let mut command = scene.command(&Farm::run(&url));
        command
            .stdout(Stdio::null())
            .stderr(told(&scene, "coordinator")?);
        Ok(Process(command.spawn()?))
    };
    let mut run = start()?;
    let (mut seed, mut done, mut workers_killed) = (1_u64, 0_u64, 0_u64);
    while done < DISTURBANCES && run.0.try_wait()?.is_none() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let number = seed >> 33;
        thread::sleep(Duration::from_millis(200 + number % 1500));
        let place = (number / 7) as usize % WORKERS;
        match number % 10 {
            0..=4 => {
                farm.workers.remove(place);
                workers_killed += 1;
                let again = farm.worker(place)?;
                farm.workers.insert(place, again);
            }
            5 | 6 => {
                drop(run);
                run = start()?;
            }
            7 | 8 => {
                farm.nats.kill(0);
                farm.nats.begin(0);
            }
            _ => {
                farm.nats.kill(0);
                farm.nats.forget(0);
                farm.nats.begin(0);
            }
        }
        done += 1;
    }
    let status = run.0.wait()?;
    ensure!(
        status.success(),
        "after {done} disturbances the run ended with {status}\n{}{}",
        last_words(&scene, "coordinator"),
        farm.last_words()
    );
    let rerun = measure(scene.command(&["run", "--json"]))?;
    let summary = rerun.ran.summary();
    let alone = many(TASKS, &simulator, "").with("BATCHGEN_CONCURRENCY", "64");
    let ledger = simulator.ledger();
    measure(alone.command(&["run", "--json"]))?;
    Ok(vec![
        Row::new(
            "one run through kills of workers, coordinator and server, in any order: disturbances",
            done as f64,
            "",
            Goal::AtLeast(DISTURBANCES as f64),
        ),
        Row::new(
            "tasks that a run on one machine has to make behind it",
            summary.count("made") as f64,
            "",
            Goal::AtMost(0.0),
        ),
        Row::new(
            "files that differ from those of a run that nobody disturbed",
            differing(&scene, &alone) as f64,
            "",
            Goal::AtMost(0.0),
        ),
        Row::new(
            "answers billed again, of at most 16 calls for each worker that was killed",
            billed_again(&ledger) as f64,
            "",
            Goal::AtMost((workers_killed * SLOTS as u64) as f64),
        ),
    ])
}

/// Files that are not the same in both.
fn differing(one: &Scene, other: &Scene) -> usize {
    let (one, other) = (one.content(), other.content());
    let only_here = one
        .iter()
        .filter(|(name, text)| other.get(*name) != Some(text));
    let only_there = other.keys().filter(|name| !one.contains_key(*name));
    only_here.count() + only_there.count()
}

/// Memory of a run over a million records, beside one over a tenth of them.
pub fn million() -> anyhow::Result<Vec<Row>> {
    let simulator = simulator(Config {
        answers: Answers::Echo,
        ..Config::default()
    })?;
    let mut peaks = Vec::new();
    for records in [100_000, 1_000_000] {
        let farm = Farm::start(&simulator, 22)?;
        let scene = many(
            0,
            &simulator,
            "[output]\npath = \"{component}/{shard}/{id}.{extension}\"\n",
        )
        .with("BATCHGEN_CONCURRENCY", "64");
        scene.write("things.jsonl", &rows(records));
        let measured = measure(scene.command(&Farm::run(&farm.nats.url())))?;
        done(&measured.ran)?;
        let coordinator = measured.ran.summary().peak_memory() as f64 / 1e6;
        let pace = records as f64 / measured.wall.as_secs_f64();
        peaks.push((coordinator, farm.peak()?, pace));
    }
    let (Some(fewer), Some(million)) = (peaks.first(), peaks.last()) else {
        return Ok(Vec::new());
    };
    Ok(vec![
        Row::new(
            "1,000,000 records, three workers: peak memory of the coordinator",
            million.0,
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new("that of 100,000 records", fewer.0, "MB", Goal::None),
        Row::new(
            "peak memory of a worker",
            million.1,
            "MB",
            Goal::AtMost(250.0),
        ),
        Row::new("that with 100,000 records", fewer.1, "MB", Goal::None),
        Row::new("tasks per second", million.2, "/s", Goal::None),
    ])
}
