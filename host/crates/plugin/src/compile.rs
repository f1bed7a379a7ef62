//! Compiles a plugin in a process of its own, under limits of memory and CPU time: how long a compiler takes for a hostile file
//! is not bounded. The process is this program again, started with [`COMMAND`]; it reads the plugin from its standard input and
//! writes the compiled code to its standard output.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::inspect::validate;
use super::settings::compiling;

/// The first argument of the program that makes it a compiler. Memory in bytes and CPU time in seconds follow.
pub const COMMAND: &str = "compile-plugin";

/// Longest compilation without a word to the person who waits.
const PATIENCE: Duration = Duration::from_secs(1);
/// Threads that compile. Each takes address space, of which there is a limit.
const THREADS: &str = "8";
/// Signals that end a compiler that has used its CPU time, and one that got no more memory.
const SIGXCPU: i32 = 24;
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// Who compiles, and who is told that it takes long.
#[derive(Clone)]
pub struct Compiler {
    /// This program.
    pub program: PathBuf,
    /// Is given a line for the person who waits.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiler")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// What a compilation may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Allowance {
    /// Address space, bytes.
    memory: u64,
    /// CPU time of all threads, seconds.
    cpu: u64,
}

impl Allowance {
    /// For a plugin whose functions have so many bytes. Usual plugins take 2 s and 70 MB. An interpreter, with 6 to 9 MB, takes
    /// 17 s, 470 MB and twice as much address space.
    fn of(code: u64) -> Allowance {
        let more = (code >> 20).saturating_sub(4).min(16);
        Allowance {
            memory: (448 + 384 * more.min(4)) << 20,
            cpu: 8 + 12 * more,
        }
    }

    /// Time on the clock after which the process is ended: it may have to share the machine.
    fn wall(self) -> Duration {
        Duration::from_secs(self.cpu.saturating_mul(20))
    }
}

/// Why there is no compiled code.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompileError {
    /// The plugin is at fault.
    #[error("{0}")]
    Plugin(String),
    /// It takes more than it may.
    #[error(
        "compiling it takes more than {what}, which is more than a plugin of its size may take"
    )]
    TooMuch { what: String },
    /// The process cannot be started or read.
    #[error("the process that compiles it cannot be used: {0}")]
    Process(#[from] io::Error),
}

impl Compiler {
    /// The compiled code of a plugin with so many bytes of code.
    pub(super) fn compile(
        &self,
        name: &str,
        plugin: &[u8],
        code: u64,
    ) -> Result<Vec<u8>, CompileError> {
        let allowance = Allowance::of(code);
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg(allowance.memory.to_string())
            .arg(allowance.cpu.to_string())
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let answer = thread::scope(|scope| {
            let (input, output) = (child.stdin.take(), child.stdout.take());
            // A compiler that has ended reads no more, which its exit status explains.
            scope.spawn(|| input.map(|mut input| input.write_all(plugin)));
            let (sender, receiver) = mpsc::channel();
            scope.spawn(move || {
                let mut answer = Vec::new();
                let read = output.map(|mut output| output.read_to_end(&mut answer));
                let _ = sender.send(read.transpose().map(|_| answer));
            });
            self.wait(name, &mut child, &receiver, allowance)
        });
        let status = child.wait()?;
        of_status(status, answer?, allowance)
    }

    /// Waits for all that the process writes, and ends it when it takes too long.
    fn wait(
        &self,
        name: &str,
        child: &mut Child,
        receiver: &mpsc::Receiver<io::Result<Vec<u8>>>,
        allowance: Allowance,
    ) -> io::Result<Vec<u8>> {
        if let Ok(answer) = receiver.recv_timeout(PATIENCE) {
            return answer;
        }
        (self.tell)(&format!(
            "compiling the plugin {name}; this is done once for each version of it"
        ));
        let began = Instant::now();
        let answer = receiver.recv_timeout(allowance.wall());
        tracing::debug!(name, "compiled in {:?}", began.elapsed());
        answer.unwrap_or_else(|_| {
            child.kill()?;
            Ok(Vec::new())
        })
    }
}

/// What a process says by how it ended.
fn of_status(
    status: ExitStatus,
    answer: Vec<u8>,
    allowance: Allowance,
) -> Result<Vec<u8>, CompileError> {
    let too_much = |what: String| Err(CompileError::TooMuch { what });
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(answer),
        (Some(1), _) if !answer.is_empty() => {
            let said = String::from_utf8_lossy(&answer).into_owned();
            Err(CompileError::Plugin(said))
        }
        (_, Some(SIGXCPU | SIGKILL)) => too_much(format!("{} s of CPU time", allowance.cpu)),
        (_, Some(SIGABRT)) => too_much(format!("{} MiB of memory", allowance.memory >> 20)),
        (_, Some(SIGSEGV)) => Err(CompileError::Plugin("it is nested too deeply".to_owned())),
        (Some(2), _) => Err(io::Error::other("it cannot limit itself").into()),
        // It panicked. A thread that cannot be started for want of memory is the usual reason.
        (Some(101), _) => Err(CompileError::Plugin(
            "the compiler gave up: it got no more memory, or cannot take code of this kind"
                .to_owned(),
        )),
        _ => Err(CompileError::Plugin(format!(
            "the compiler failed with {status}"
        ))),
    }
}

/// What the process does: limits itself, then reads a plugin and writes its compiled code. False where it wrote what is wrong
/// with the plugin instead.
///
/// # Errors
/// When the limits cannot be set, or input or output fails.
pub fn child(limits: [&str; 2], mut input: impl Read, mut output: impl Write) -> io::Result<bool> {
    let [memory, cpu] = limits.map(|number| number.parse::<u64>().map_err(io::Error::other));
    for (resource, limit) in [
        (Resource::As, memory?),
        (Resource::Cpu, cpu?),
        (Resource::Core, 0),
    ] {
        // A limit that holds for this process already may be lower, and cannot be raised.
        let set = getrlimit(resource).maximum;
        let limit = Some(set.map_or(limit, |set| set.min(limit)));
        setrlimit(
            resource,
            Rlimit {
                current: limit,
                maximum: limit,
            },
        )?;
    }
    let mut plugin = Vec::new();
    input.read_to_end(&mut plugin)?;
    let compiled = validate(&plugin).and_then(|()| {
        let engine = compiling().map_err(|error| format!("{error:#}"))?;
        let compiled = engine.precompile_component(&plugin);
        compiled.map_err(|error| format!("it does not compile: {error:#}"))
    });
    let (text, is_code) = match compiled {
        Ok(code) => (code, true),
        Err(cause) => (cause.into_bytes(), false),
    };
    output.write_all(&text)?;
    output.flush()?;
    Ok(is_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::code_size;

    #[test]
    fn only_functions_give_a_plugin_more_time_and_memory() {
        let component = |module: &[u8]| {
            let mut component = wasm_encoder::Component::new();
            component.section(&wasm_encoder::RawSection {
                id: 1,
                data: module,
            });
            component.finish()
        };
        let mut data = wasm_encoder::Module::new();
        data.section(&wasm_encoder::RawSection {
            id: 11,
            data: &vec![0; 9 << 20],
        });
        let least = Allowance::of(0);
        assert_eq!(Allowance::of(code_size(&component(data.as_slice()))), least);
        let mut code = wasm_encoder::Module::new();
        code.section(&wasm_encoder::RawSection {
            id: 10,
            data: &vec![0; 9 << 20],
        });
        let more = Allowance::of(code_size(&component(code.as_slice())));
        assert!(more.cpu > least.cpu && more.memory > least.memory);
    }

    #[test]
    fn a_compiler_that_panics_is_told_as_one_that_gave_up() {
        let panicked = ExitStatus::from_raw(101 << 8);
        let error = of_status(panicked, Vec::new(), Allowance::of(0)).unwrap_err();
        assert!(error.to_string().contains("gave up"), "{error}");
    }
}
