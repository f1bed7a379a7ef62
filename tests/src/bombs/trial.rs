//! Gives a plugin file to the program, and tells what that took.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use wait4::Wait4 as _;

use super::NAME;
use crate::core_guest::{CoreGuest, append_section};
use crate::scene::{Ran, Scene, program};

/// What it may take: as much CPU time, and as much memory in one process.
pub const CPU: Duration = Duration::from_secs(10);
pub const MEMORY: u64 = 512 << 20;

/// What a command took, with the processes that it started.
#[derive(Debug)]
pub struct Cost {
    /// User and system time of all of them.
    pub cpu: Duration,
    /// Most memory that one of them had, bytes.
    pub memory: u64,
    pub ran: Ran,
}

impl Cost {
    /// What is wrong with it: it is too much, or it does not end as a refusal or a run.
    pub fn fault(&self) -> Option<String> {
        let said = &self.ran.stderr;
        match self.ran.code {
            _ if self.cpu > CPU => Some(format!("it took {:?} of CPU time", self.cpu)),
            _ if self.memory > MEMORY => Some(format!("it took {} bytes", self.memory)),
            // It runs, or its task fails.
            Some(0 | 3) => None,
            Some(2) if said.contains(NAME) => None,
            code => Some(format!("it ended with {code:?}: {said}")),
        }
    }
}

/// Programs that share one cache of compiled code.
pub struct Trial {
    cache: TempDir,
}

impl Trial {
    /// With an empty cache.
    pub fn new() -> anyhow::Result<Trial> {
        let cache = tempfile::tempdir()?;
        Ok(Trial { cache })
    }

    /// Runs a project whose only plugin is this file.
    pub fn load(&self, file: &[u8]) -> anyhow::Result<Cost> {
        let scene = self.project(NAME, file)?;
        let cost = scene.path("cost");
        let mut arguments = vec![
            "--cost".to_owned(),
            cost.display().to_string(),
            "--".to_owned(),
        ];
        arguments.push(program("batchgen").display().to_string());
        arguments.extend(RUN.map(str::to_owned));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = scene.command_of(&program("bench"), &arguments).output()?;
        let cost = fs::read_to_string(&cost).context("the cost was not measured")?;
        let (cpu, memory) = cost.split_once(' ').context("no two numbers")?;
        Ok(Cost {
            cpu: Duration::from_micros(cpu.parse()?),
            memory: memory.parse()?,
            ran: Ran::from(output),
        })
    }

    /// The same, while another project compiles a plugin of its own. Gives how long that project took as well.
    pub fn load_beside_another(
        &self,
        file: &[u8],
        number: usize,
    ) -> anyhow::Result<(Cost, Duration)> {
        // Its digest is new each time.
        let other = CoreGuest::new(OTHER, "", "(call $put (i32.const 79)) (call $make)");
        let mut bytes = other.build();
        append_section(&mut bytes, "number", &number.to_le_bytes());
        let scene = self.project(OTHER, &bytes)?;
        thread::scope(|scope| {
            let loading = scope.spawn(|| self.load(file));
            let began = Instant::now();
            let ran = scene.host(&["run", "--component", OTHER, "--record", "oak"]);
            let took = began.elapsed();
            anyhow::ensure!(ran.code == Some(0), "another project fails: {}", ran.stderr);
            let cost = loading.join().ok().context("the trial panicked")??;
            Ok((cost, took))
        })
    }

    fn project(&self, name: &str, file: &[u8]) -> anyhow::Result<Scene> {
        let scene = Scene::new();
        let plugins = scene.path("guests");
        fs::create_dir(&plugins)?;
        fs::write(plugins.join(format!("{name}.wasm")), file)?;
        Ok(scene
            .with("BATCHGEN_PLUGINS", &plugins.display().to_string())
            .with(
                "BATCHGEN_CACHE_DIR",
                &self.cache.path().display().to_string(),
            ))
    }
}

/// Name of another project's plugin.
const OTHER: &str = "other";
const RUN: [&str; 5] = ["run", "--component", NAME, "--record", "oak"];

/// Runs a command, with this program's input and output, and writes what it took to a file: microseconds of CPU time and
/// bytes of memory, with all processes that it started. A process of its own does that, because Linux counts the memory of the
/// process that starts a program as that program's.
///
/// # Errors
/// When the command cannot be started, or the file not be written.
pub fn measure(command: &[String], cost: &Path) -> anyhow::Result<ExitCode> {
    let [program, arguments @ ..] = command else {
        anyhow::bail!("no command is given");
    };
    let used = Command::new(program).args(arguments).spawn()?.wait4()?;
    let cpu = used.rusage.utime + used.rusage.stime;
    fs::write(cost, format!("{} {}", cpu.as_micros(), used.rusage.maxrss))?;
    let code = used.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
