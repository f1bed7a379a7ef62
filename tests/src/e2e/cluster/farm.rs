//! A run on several machines: coordinator, workers, NATS servers and the simulator of a provider, as processes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::nats::Nats;
use crate::scene::{KEY, Ran, Scene, until};
use simulator::{Config, Latency, Ledger, Simulator};

/// Records that a run has.
pub const ARGUMENTS: [&str; 4] = ["--category", "glass", "--category", "semiconductor"];

/// A child that does not outlive its test.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and gives what it said.
    pub fn ended(mut self) -> Ran {
        let (stdout, stderr) = (self.0.stdout.take(), self.0.stderr.take());
        let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut text = String::new();
                if let Some(mut pipe) = pipe {
                    let _ = pipe.read_to_string(&mut text);
                }
                text
            })
        };
        let stdout = read(stdout.map(|pipe| Box::new(pipe) as Box<_>));
        let stderr = read(stderr.map(|pipe| Box::new(pipe) as Box<_>));
        until("the end of the process", || {
            self.0.try_wait().unwrap().is_some()
        });
        let status = self.0.wait().unwrap();
        Ran {
            code: status
                .code()
                .or_else(|| status.signal().map(|signal| -signal)),
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
        }
    }
}

pub fn simulator(latency: u64) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(latency),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

/// A run and workers, which share nothing but the bus.
pub struct Farm {
    pub nats: Nats,
    pub simulator: Simulator,
    pub coordinator: Scene,
    pub workers: Scene,
}

impl Farm {
    pub fn new(servers: usize, latency: u64) -> Farm {
        Farm::on(Nats::start(servers), latency)
    }

    /// The same with these servers.
    pub fn on(nats: Nats, latency: u64) -> Farm {
        let simulator = simulator(latency);
        let coordinator = Scene::new().asking(&simulator);
        coordinator.configure("[cluster]\nack-wait-seconds = 2\n");
        let workers = Scene::new()
            .with("OPENAI_API_KEY", KEY)
            .with("OPENAI_BASE_URL", simulator.base_url());
        Farm {
            nats,
            simulator,
            coordinator,
            workers,
        }
    }

    pub fn run(&self) -> Process {
        let url = self.nats.url();
        let arguments = [&["--cluster", &url], &ARGUMENTS[..]].concat();
        Process(self.coordinator.start(&arguments))
    }

    pub fn worker(&self, name: &str) -> Process {
        self.worker_at(&self.nats.url(), name)
    }

    /// A worker that reaches the servers at another address.
    pub fn worker_at(&self, url: &str, name: &str) -> Process {
        let arguments = ["worker", "--cluster", url, "--slots", "8", "--name", name];
        Process(self.workers.command(&arguments).spawn().unwrap())
    }

    /// A worker that keeps its answers in this folder.
    pub fn worker_in(&self, spool: &Path, name: &str) -> Process {
        let (url, spool) = (self.nats.url(), spool.display().to_string());
        let arguments = [
            "worker",
            "--cluster",
            &url,
            "--slots",
            "8",
            "--name",
            name,
            "--spool",
            &spool,
        ];
        Process(self.workers.command(&arguments).spawn().unwrap())
    }

    /// Waits until a coordinator is heard of.
    pub fn wait_for_coordinator(&self) {
        let url = self.nats.url();
        until("the coordinator", || {
            let arguments = ["cluster", "status", "--json", "--cluster", &url];
            let status = self.coordinator.host(&arguments);
            status.code == Some(0) && status.stdout.contains("\"coordinator\":\"")
                || status.stdout.contains("\"coordinator\": \"")
        });
    }

    /// Waits until several servers have chosen a leader.
    pub fn wait_for_jetstream(&self) {
        let url = self.nats.url();
        until("a leader", || {
            let arguments = ["cluster", "status", "--cluster", &url];
            self.coordinator.host(&arguments).code == Some(0)
        });
    }

    /// The run ends with all records complete, and with the files that one machine makes. How often a question was billed again.
    pub fn ends_right(&self, run: Process) -> u64 {
        let ran = run.ended().ended(0);
        assert_eq!(ran.summary().complete(), ran.summary().records());
        assert_eq!(self.coordinator.content(), self.undisturbed());
        Farm::billed_again(&self.simulator.ledger())
    }

    pub fn billed(&self) -> u64 {
        self.simulator.totals().billed
    }

    /// What a run on one machine makes of the same.
    pub fn undisturbed(&self) -> BTreeMap<String, String> {
        let simulator = simulator(0);
        let scene = Scene::new().asking(&simulator);
        scene.run(&ARGUMENTS).ended(0);
        scene.content()
    }

    /// How often each question was billed beyond the first time.
    pub fn billed_again(ledger: &Ledger) -> u64 {
        let mut seen = BTreeSet::new();
        let calls = ledger.calls.iter();
        calls
            .filter(|call| !seen.insert(call.prompt.clone()))
            .count() as u64
    }
}
