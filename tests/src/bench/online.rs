//! Runs against the LLM simulator over HTTP, which lives in this process, so that what the host takes is
//! the host's alone.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;

use gateway::limits::ramp::HANDFUL;

use super::bare::prompt;
use super::measure::measure;
use super::report::{Goal, Row, median};
use crate::scene::{KEY, Scene, program, until};
use simulator::{Answers, Config, Latency, Simulator};

/// A simulator that knows the scene's key; it answers at once unless told otherwise.
pub(super) fn simulator(config: Config) -> anyhow::Result<Simulator> {
    Ok(Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..config
    })?)
}

/// A scene whose dataset is JSON Lines of so many records, with the example component and `more` in its
/// configuration.
pub(super) fn many(records: u64, simulator: &Simulator, more: &str) -> Scene {
    let scene = Scene::new()
        .asking(simulator)
        .with_plugin("example-plugins/summary");
    scene.write("things.jsonl", &rows(records));
    let configuration = format!("[dataset]\npath = \"things.jsonl\"\n{more}");
    scene.write("batchgen.toml", &configuration);
    scene
}

/// The same with records that bring their prompt, of so many bytes, and the plugin that sends it.
pub(super) fn prompted(records: u64, bytes: usize, simulator: &Simulator) -> Scene {
    let scene = Scene::new().asking(simulator).with_plugin("plugins/prompt");
    let mut rows = String::new();
    for number in 0..records {
        let prompt = prompt(number, bytes);
        let _ = writeln!(
            rows,
            r#"{{"id": "thing-{number}", "name": "Thing {number}", "category": "c{}", "prompt": "{prompt}"}}"#,
            number % 8
        );
    }
    scene.write("things.jsonl", &rows);
    scene.write("write.md", "{{ record.prompt }}\n");
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"things.jsonl\"\n[component.note]\nplugin = \"prompt\"\n\
         input = { record = [\"prompt\"] }\n[component.note.prompts]\nwrite = \"write.md\"\n",
    );
    scene
}

/// JSON Lines of so many records.
pub(super) fn rows(records: u64) -> String {
    let mut rows = String::new();
    for number in 0..records {
        let _ = writeln!(
            rows,
            r#"{{"id": "thing-{number}", "name": "Thing {number}", "category": "c{}", "formula": "X{number}", "subcategory": "thing"}}"#,
            number % 8
        );
    }
    rows
}

/// The bare loop as a program of its own; a patient one tries a call again until it is answered.
pub(super) fn bare(simulator: &Simulator, calls: u64, at_once: u64, patient: bool) -> Command {
    let mut command = Command::new(program("bench"));
    command
        .args(["--bare-loop", simulator.base_url()])
        .args(["--calls", &calls.to_string()])
        .args(["--at-once", &at_once.to_string()])
        .args(patient.then_some("--until-answered"))
        .env("OPENAI_API_KEY", KEY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// From the start of the program to the arrival of its first request.
pub fn start_up() -> anyhow::Result<Vec<Row>> {
    let mut times = Vec::new();
    for _ in 0..15 {
        let simulator = simulator(Config::default())?;
        let scene = Scene::new().asking(&simulator);
        let start = Instant::now();
        let mut child = scene.start(&["--record", "oak", "--component", "frontmatter"]);
        until("the first request", || simulator.ledger().requests > 0);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        child.wait()?;
    }
    Ok(vec![Row::new(
        "start to first request, empty state, median",
        median(times),
        "ms",
        Goal::AtMost(100.0),
    )])
}

/// CPU time of the host for one task that asks a model once, everything included, beside that of a bare
/// loop that makes the same calls and keeps nothing: several runs of each, in turns.
pub fn cpu_per_task() -> anyhow::Result<Vec<Row>> {
    const TASKS: u64 = 10_000;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        ..Config::default()
    })?;
    let per_task = |cpu: f64| cpu / TASKS as f64 * 1e6;
    let (mut host, mut prompt, mut pace, mut loops) = (vec![], vec![], vec![], vec![]);
    // They stay until the end: ext4 makes files more slowly where others were just removed.
    let mut scenes = Vec::new();
    for _ in 0..5 {
        for (scene, times) in [
            (many(TASKS, &simulator, ""), &mut host),
            (prompted(TASKS, 400, &simulator), &mut prompt),
        ] {
            let scene = scene.with("BATCHGEN_CONCURRENCY", "64");
            let measured = measure(scene.command(&["run", "--json"]))?;
            ensure!(measured.ran.code == Some(0), "tasks failed");
            times.push(per_task(measured.cpu));
            pace.push(TASKS as f64 / measured.wall.as_secs_f64());
            scenes.push(scene);
        }
        loops.push(per_task(measure(bare(&simulator, TASKS, 64, false))?.cpu));
    }
    let (host, prompt, bare) = (median(host), median(prompt), median(loops));
    Ok(vec![
        Row::new(
            "host CPU per task with one call, 10,000 tasks, median of 5 runs",
            host,
            "µs",
            Goal::AtMost(200.0),
        ),
        Row::new(
            "the same with the plugin `prompt` and prompts of 400 bytes",
            prompt,
            "µs",
            Goal::AtMost(230.0),
        ),
        Row::new("tasks per second, median", median(pace), "/s", Goal::None),
        Row::new("a bare loop's CPU per call, median", bare, "µs", Goal::None),
        Row::new("host over bare loop", host / bare, "×", Goal::None),
    ])
}

/// CPU time and memory of the host with prompts of 100 KB, beside a bare loop that sends the same.
pub fn large_prompts() -> anyhow::Result<Vec<Row>> {
    const TASKS: u64 = 1_000;
    const BYTES: usize = 100_000;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        ..Config::default()
    })?;
    let (mut cpu, mut memory, mut loops) = (Vec::new(), Vec::new(), Vec::new());
    // They stay until the end: where many files were removed a moment ago, a file system takes longer to make new ones.
    let scenes: Vec<Scene> = (0..3)
        .map(|_| prompted(TASKS, BYTES, &simulator).with("BATCHGEN_CONCURRENCY", "64"))
        .collect();
    for scene in &scenes {
        let measured = measure(scene.command(&["run", "--json"]))?;
        ensure!(measured.ran.code == Some(0), "tasks failed");
        cpu.push(measured.cpu);
        memory.push(measured.ran.summary().peak_memory() as f64 / 1e6);
        let mut bare = bare(&simulator, TASKS, 64, false);
        bare.args(["--prompt-bytes", &BYTES.to_string()]);
        loops.push(measure(bare)?.cpu);
    }
    let (cpu, bare) = (median(cpu), median(loops));
    Ok(vec![
        Row::new(
            "1,000 prompts of 100 KB, 64 at once: CPU of the host, median of 3 runs",
            cpu,
            "s",
            Goal::AtMost(1.0),
        ),
        Row::new(
            "a bare loop that sends the same prompts, median",
            bare,
            "s",
            Goal::None,
        ),
        Row::new("host over bare loop", cpu / bare, "×", Goal::None),
        Row::new(
            "peak memory, median",
            median(memory),
            "MB",
            Goal::AtMost(80.0),
        ),
    ])
}

/// All components over all materials with a writer whose answers often break their rules.
pub fn sloppy_writer() -> anyhow::Result<Vec<Row>> {
    let simulator = simulator(Config {
        answers: Answers::Sloppy,
        ..Config::default()
    })?;
    let scene = Scene::new().with_plugins("plugins").asking(&simulator);
    let ran = measure(scene.command(&["run", "--all", "--json"]))?.ran;
    let summary = ran.summary();
    let lost = (summary.count("failed") + summary.count("blocked")) as f64;
    let made = summary.count("made") as f64;
    let written = scene.query("SELECT count(*) FROM task WHERE outcome = 'done' AND calls > 0");
    Ok(vec![
        Row::new(
            "valid artifacts",
            made * 100.0 / (made + lost),
            "%",
            Goal::AtLeast(99.0),
        ),
        Row::new(
            "calls per artifact that a model writes",
            summary.calls("calls") as f64 / written as f64,
            "",
            Goal::AtMost(1.3),
        ),
    ])
}

/// Memory of the host while ten thousand requests of 1 KB wait for their answers.
pub fn ten_thousand_in_flight() -> anyhow::Result<Vec<Row>> {
    const REQUESTS: u64 = 10_000;
    let simulator = simulator(Config {
        answers: Answers::Echo,
        latency: Latency {
            first_token: Duration::from_secs(20),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })?;
    // A handful more, since the first ones go alone.
    let scene = prompted(REQUESTS + HANDFUL, 1_000, &simulator)
        .with("BATCHGEN_CONCURRENCY", &REQUESTS.to_string())
        .with("BATCHGEN_REQUESTS_PER_MINUTE", "100000000");
    let measured = measure(scene.command(&["run", "--json"]))?;
    let peak = measured.ran.summary().peak_memory();
    let most = simulator.ledger().max_in_flight;
    Ok(vec![
        Row::new(
            "requests of 1 KB by the plugin `prompt` in flight at once",
            most as f64,
            "",
            Goal::AtLeast(REQUESTS as f64),
        ),
        Row::new(
            "peak memory meanwhile",
            peak as f64 / 1e6,
            "MB",
            Goal::AtMost(400.0),
        ),
    ])
}
