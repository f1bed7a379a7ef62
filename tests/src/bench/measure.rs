//! Runs a program to its end and tells what it took of the machine.

use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

/// The unit of the times in `/proc`, which Linux fixes for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program took.
#[derive(Debug)]
pub struct Measured {
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time of all its threads, seconds.
    pub cpu: f64,
    /// Standard output.
    pub stdout: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

/// Runs a command whose standard output is a pipe.
pub fn measure(mut command: Command) -> anyhow::Result<Measured> {
    let start = Instant::now();
    let mut child = command.spawn().context("the program does not start")?;
    let mut errors = child.stderr.take();
    // Read beside standard output, or a full pipe would stop the program.
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(errors) = &mut errors {
            let _ = errors.read_to_string(&mut text);
        }
        text
    });
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .context("standard output is no pipe")?
        .read_to_string(&mut stdout)?;
    let cpu = cpu_at_end(&child)?;
    let wall = start.elapsed();
    let code = child.wait()?.code();
    let errors = errors.join().unwrap_or_default();
    ensure!(matches!(code, Some(0 | 3)), "exit code {code:?}: {errors}");
    Ok(Measured {
        wall,
        cpu,
        stdout,
        code,
    })
}

/// CPU time of a program that is ending: read when it has ended and was not yet waited for.
fn cpu_at_end(child: &Child) -> anyhow::Result<f64> {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
        // The name in parentheses may hold anything; what follows it does not.
        let (_, fields) = stat.rsplit_once(')').context("no process status")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
        if fields.first() == Some(&"Z") {
            let (user, system) = ticks(11).zip(ticks(12)).context("no CPU times")?;
            return Ok((user + system) / TICKS_PER_SECOND);
        }
        std::thread::yield_now();
    }
}

/// What `host run --json` says at its end.
pub struct Summary(Value);

impl Summary {
    /// Finds it in the events.
    pub fn of(measured: &Measured) -> anyhow::Result<Summary> {
        measured
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|event| event.get("event").and_then(Value::as_str) == Some("summary"))
            .map(Summary)
            .context("the run gave no summary")
    }

    /// A number by its JSON pointer, such as `/summary/complete`.
    pub fn number(&self, pointer: &str) -> anyhow::Result<f64> {
        let number = self.0.pointer(pointer).and_then(Value::as_f64);
        number.with_context(|| format!("the summary has no number at {pointer}"))
    }

    /// A count over all components, such as `made`.
    pub fn sum(&self, key: &str) -> anyhow::Result<f64> {
        let components = self.0.pointer("/summary/components");
        let components = components
            .and_then(Value::as_array)
            .context("the summary has no components")?;
        Ok(components
            .iter()
            .filter_map(|component| component.get(key).and_then(Value::as_f64))
            .sum())
    }

    /// Most memory that the host had, MB.
    pub fn peak_memory_mb(&self) -> anyhow::Result<f64> {
        Ok(self.number("/peak_memory_bytes")? / 1e6)
    }
}
