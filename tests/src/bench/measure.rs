//! Runs a program to its end and tells what it took of the machine.

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::scene::Ran;

/// The unit of the times in `/proc`, which Linux fixes for programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program took.
#[derive(Debug)]
pub struct Measured {
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time of all its threads, seconds.
    pub cpu: f64,
    pub ran: Ran,
}

/// Runs a command whose output goes to pipes. Exit code 3, some tasks failed, is an end as good as 0.
pub fn measure(mut command: Command) -> anyhow::Result<Measured> {
    // Where it is set, the sandbox collects a backtrace at each suspension. Most users do not set it.
    command.env_remove("RUST_BACKTRACE");
    let start = Instant::now();
    let mut child = command.spawn().context("the program does not start")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both at once, or a full pipe would stop the program.
    let (stdout, stderr) = thread::scope(|scope| {
        let stderr = scope.spawn(|| stderr.map(std::io::read_to_string));
        (
            stdout.map(std::io::read_to_string),
            stderr.join().unwrap_or_default(),
        )
    });
    let cpu = cpu_at_end(&child)?;
    let wall = start.elapsed();
    let ran = Ran {
        code: child.wait()?.code(),
        stdout: stdout.context("standard output is no pipe")??,
        stderr: stderr.context("standard error is no pipe")??,
    };
    ensure!(
        matches!(ran.code, Some(0 | 3)),
        "exit code {:?}: {}",
        ran.code,
        ran.stderr
    );
    Ok(Measured { wall, cpu, ran })
}

/// CPU time of a program that is ending: read when it has ended and was not yet waited for.
pub(super) fn cpu_at_end(child: &Child) -> anyhow::Result<f64> {
    loop {
        let (state, cpu) = state_and_cpu(child.id())?;
        if state == "Z" {
            return Ok(cpu);
        }
        std::thread::yield_now();
    }
}

/// User and system time of a process so far, seconds.
pub(super) fn cpu(process: u32) -> anyhow::Result<f64> {
    Ok(state_and_cpu(process)?.1)
}

fn state_and_cpu(process: u32) -> anyhow::Result<(String, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; what follows it does not.
    let (_, fields) = stat.rsplit_once(')').context("no process status")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("no CPU times")?;
    let state = fields.first().copied().unwrap_or_default();
    Ok((state.to_owned(), (user + system) / TICKS_PER_SECOND))
}
