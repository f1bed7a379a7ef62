//! One run on several machines: a coordinator, workers and real NATS servers, each of which is killed, stopped or cut off. What is
//! published is what a run on one machine publishes, and the simulator's ledger says what was paid for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use crate::scene::{KEY, Ran, Scene, root, until};
use simulator::{Config, Latency, Ledger, Simulator};

/// Records that a run has.
const ARGUMENTS: [&str; 4] = ["--category", "glass", "--category", "semiconductor"];

/// NATS servers, with a folder for what they keep.
struct Nats {
    folder: TempDir,
    ports: Vec<u16>,
    servers: Vec<Option<Child>>,
}

/// A child that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end, and gives what it said.
    fn ended(mut self) -> Ran {
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

impl Drop for Nats {
    fn drop(&mut self) {
        for server in self.servers.iter_mut().flatten() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

impl Nats {
    /// One server, or several that keep copies of everything.
    fn start(servers: usize) -> Nats {
        let free = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let ports: Vec<u16> = (0..2 * servers).map(|_| free()).collect();
        let mut nats = Nats {
            folder: tempfile::tempdir().unwrap(),
            ports,
            servers: (0..servers).map(|_| None).collect(),
        };
        for place in 0..servers {
            nats.begin(place);
        }
        nats
    }

    fn begin(&mut self, place: usize) {
        let count = self.servers.len();
        let routes: Vec<String> = self.ports[count..]
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let mut command = Command::new(root().join("target/nats/bin/nats-server"));
        command
            .args(["--addr", "127.0.0.1", "--jetstream"])
            .args(["--port", &self.ports[place].to_string()])
            .arg("--store_dir")
            .arg(self.folder.path().join(place.to_string()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if count > 1 {
            command
                .args(["--cluster_name", "tests"])
                .args(["--server_name", &format!("server-{place}")])
                .args(["--cluster", &routes[place]])
                .args(["--routes", &routes.join(",")]);
        }
        self.servers[place] = Some(command.spawn().unwrap());
        let port = self.ports[place];
        until("a NATS server", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    fn kill(&mut self, place: usize) {
        let mut server = self.servers[place].take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    fn url(&self) -> String {
        let clients = self.ports.iter().take(self.servers.len());
        let urls: Vec<String> = clients
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        urls.join(",")
    }
}

fn simulator(latency: u64) -> Simulator {
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
struct Farm {
    nats: Nats,
    simulator: Simulator,
    coordinator: Scene,
    workers: Scene,
}

impl Farm {
    fn new(servers: usize, latency: u64) -> Farm {
        let simulator = simulator(latency);
        let coordinator = Scene::new().asking(&simulator);
        coordinator.configure("[cluster]\nack-wait-seconds = 2\n");
        let workers = Scene::new()
            .with("OPENAI_API_KEY", KEY)
            .with("OPENAI_BASE_URL", simulator.base_url());
        Farm {
            nats: Nats::start(servers),
            simulator,
            coordinator,
            workers,
        }
    }

    fn run(&self) -> Process {
        let url = self.nats.url();
        let arguments = [&["--cluster", &url], &ARGUMENTS[..]].concat();
        Process(self.coordinator.start(&arguments))
    }

    fn worker(&self, name: &str) -> Process {
        let url = self.nats.url();
        let arguments = ["worker", "--cluster", &url, "--slots", "8", "--name", name];
        Process(self.workers.command(&arguments).spawn().unwrap())
    }

    /// Waits until a coordinator is heard of.
    fn wait_for_coordinator(&self) {
        let url = self.nats.url();
        until("the coordinator", || {
            let arguments = ["cluster", "status", "--json", "--cluster", &url];
            let status = self.coordinator.host(&arguments);
            status.code == Some(0) && status.stdout.contains("\"coordinator\":\"")
                || status.stdout.contains("\"coordinator\": \"")
        });
    }

    /// Waits until several servers have chosen a leader.
    fn wait_for_jetstream(&self) {
        let url = self.nats.url();
        until("a leader", || {
            let arguments = ["cluster", "status", "--cluster", &url];
            self.coordinator.host(&arguments).code == Some(0)
        });
    }

    fn billed(&self) -> u64 {
        self.simulator.totals().billed
    }

    /// What a run on one machine makes of the same.
    fn undisturbed(&self) -> BTreeMap<String, String> {
        let simulator = simulator(0);
        let scene = Scene::new().asking(&simulator);
        scene.run(&ARGUMENTS).ended(0);
        scene.content()
    }

    /// How often each question was billed beyond the first time.
    fn billed_again(ledger: &Ledger) -> u64 {
        let mut seen = BTreeSet::new();
        let calls = ledger.calls.iter();
        calls
            .filter(|call| !seen.insert(call.prompt.clone()))
            .count() as u64
    }
}

#[test]
fn workers_make_what_one_machine_makes() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    let workers = [farm.worker("one"), farm.worker("two")];
    let ran = run.ended().ended(0);
    let summary = ran.summary();
    assert_eq!(summary.complete(), summary.records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    let nameless = "SELECT count(*) FROM task WHERE worker IS NULL OR worker NOT IN ('one', 'two')";
    assert_eq!(farm.coordinator.query(nameless), 0, "each has its worker");
    for worker in workers {
        worker.signal(Signal::TERM);
        let ran = worker.ended().ended(0);
        assert!(ran.stderr.contains("works for run-"), "{}", ran.stderr);
    }
    // Nothing of it stays on the server, and a run on one machine goes on from there.
    let url = farm.nats.url();
    let status = farm
        .coordinator
        .host(&["cluster", "status", "--cluster", &url]);
    assert_eq!(
        status.ended(0).stdout.trim_end(),
        "no run is on this server"
    );
    let billed = farm.billed();
    farm.coordinator.run(&ARGUMENTS).ended(0);
    assert_eq!(farm.billed(), billed);
}

#[test]
fn a_worker_that_is_killed_loses_no_answer_and_its_records_go_to_others() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let first = farm.worker("first");
    until("the first answers", || farm.billed() >= 20);
    drop(first);
    let _second = farm.worker("second");
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    let again = Farm::billed_again(&farm.simulator.ledger());
    assert!(again <= 8 * 5, "{again} questions were billed again");
}

#[test]
fn a_coordinator_that_is_killed_goes_on_with_its_workers() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    drop(run);
    let ran = farm.run().ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_server_that_loses_everything_costs_nothing_but_time() {
    let mut farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    farm.nats.kill(0);
    fs::remove_dir_all(farm.nats.folder.path().join("0")).unwrap();
    farm.nats.begin(0);
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_leader_of_three_servers_may_be_killed() {
    let mut farm = Farm::new(3, 40);
    farm.coordinator
        .configure("[cluster]\nack-wait-seconds = 2\nreplicas = 3\n");
    farm.wait_for_jetstream();
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 10);
    farm.nats.kill(0);
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_worker_that_stood_still_joins_again() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let still = farm.worker("still");
    until("the first answers", || farm.billed() >= 10);
    still.signal(Signal::STOP);
    let _other = farm.worker("other");
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    still.signal(Signal::CONT);
    still.signal(Signal::TERM);
    let ran = still.ended();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_run_without_workers_waits_and_ends_in_order() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    run.signal(Signal::INT);
    run.ended().ended(130);
}

#[test]
fn a_worker_is_told_from_elsewhere_to_leave() {
    let farm = Farm::new(1, 1);
    let worker = farm.worker("one");
    let url = farm.nats.url();
    until("the end of the worker", || {
        let told = farm
            .workers
            .host(&["worker", "--cluster", &url, "--drain", "one"]);
        told.ended(0);
        let pid = Pid::from_child(&worker.0);
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        state.is_ok_and(|state| state.contains(") Z "))
    });
    worker.ended().ended(0);
}

#[test]
fn another_build_and_a_second_coordinator_are_refused() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    let url = farm.nats.url();

    // The same program, but for its last byte.
    let mut program = fs::read(crate::scene::program("batchgen")).unwrap();
    program.push(0);
    let other = farm.workers.path("other-build");
    fs::write(&other, program).unwrap();
    let mut permissions = fs::metadata(&other).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&other, permissions).unwrap();
    let arguments = ["worker", "--cluster", &url, "--name", "other"];
    let refused = farm
        .workers
        .command_of(&other, &arguments)
        .output()
        .unwrap();
    let refused = Ran::from(refused).ended(2);
    assert!(
        refused.stderr.contains("run the same program on both"),
        "{}",
        refused.stderr
    );

    // A copy of the state is the same run.
    let copy = Scene::new().asking(&farm.simulator);
    let kept = farm.coordinator.read(".batchgen/state.cluster");
    copy.write(".batchgen/state.cluster", &kept);
    let second = copy.run(&["--cluster", &url]).ended(2);
    assert!(
        second
            .stderr
            .contains("is coordinated by another process already"),
        "{}",
        second.stderr
    );
    run.signal(Signal::INT);
    run.ended().ended(130);
}

#[test]
fn what_a_dead_run_left_is_listed_and_removed() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    let url = farm.nats.url();
    let clean = |more: &[&str]| {
        let arguments = [&["cluster", "clean", "--cluster", &url], more].concat();
        farm.coordinator.host(&arguments).ended(0).stdout
    };
    assert_eq!(clean(&["--force"]), "", "a run that lives is left alone");
    drop(run);
    assert!(clean(&[]).starts_with("run-"));
    assert!(clean(&["--force"]).starts_with("removed run-"));
    assert_eq!(clean(&[]), "");
}

#[test]
fn without_a_server_or_with_a_user_in_its_address_nothing_begins() {
    let scene = Scene::new();
    let nobody = ["--cluster", "nats://127.0.0.1:9"];
    for command in [&["run"][..], &["worker"], &["cluster", "status"]] {
        let refused = scene.host(&[command, &nobody].concat()).ended(2);
        assert!(refused.stderr.contains("127.0.0.1:9"), "{}", refused.stderr);
    }
    let secret = ["worker", "--cluster", "nats://me:secret@127.0.0.1:9"];
    let refused = scene.host(&secret).ended(2).stderr;
    assert!(refused.contains("from the environment"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}
