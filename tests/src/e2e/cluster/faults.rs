//! Faults of servers and networks under a run on several machines.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::full_disk::Small;
use super::farm::Farm;
use crate::scene::until;

/// Asks a server to do something, by the words of its protocol.
fn ask(server: &str, subject: &str) -> String {
    let mut stream = TcpStream::connect(server.trim_start_matches("nats://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let words =
        format!("CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer 0\r\n\r\n");
    stream.write_all(words.as_bytes()).unwrap();
    let mut said = String::new();
    let mut piece = [0; 4096];
    while !said.contains("MSG answer") || !said.trim_end().ends_with('}') {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the server closed the connection: {said}");
        said.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    said
}

#[test]
fn streams_that_are_deleted_cost_nothing_but_time() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    let kept: Value =
        serde_json::from_str(&farm.coordinator.read(".batchgen/state.cluster")).unwrap();
    let name = kept["run"].as_str().unwrap();
    for stream in ["work", "results", "objects"].map(|what| match what {
        "objects" => format!("OBJ_batchgen-{name}-{what}"),
        _ => format!("batchgen-{name}-{what}"),
    }) {
        let said = ask(&farm.nats.url(), &format!("$JS.API.STREAM.DELETE.{stream}"));
        assert!(said.contains("\"success\":true"), "{stream}: {said}");
    }
    // It gets the bundle, which was lost with the objects.
    let _other = farm.worker("other");
    assert_eq!(farm.ends_right(run), 0);
}

#[test]
fn all_servers_may_be_killed_and_started_again() {
    let mut farm = Farm::new(3, 40);
    farm.coordinator
        .configure("[cluster]\nack-wait-seconds = 2\nreplicas = 3\n");
    farm.wait_for_jetstream();
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 10);
    for place in 0..3 {
        farm.nats.kill(place);
    }
    for place in 0..3 {
        farm.nats.begin(place);
    }
    let ran = run.ended().ended(0);
    let summary = ran.summary();
    assert_eq!(summary.complete(), summary.records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
    // What a worker said of its calls while nobody carried it is not forgotten.
    assert_eq!(summary.calls("calls"), farm.billed());
}

/// Stands between a worker and a server, and carries nothing while it is cut.
struct Cable {
    address: String,
    is_cut: Arc<(Mutex<bool>, Condvar)>,
}

impl Cable {
    fn to(server: &str) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("nats://{}", listener.local_addr().unwrap());
        let is_cut = Arc::new((Mutex::new(false), Condvar::new()));
        let (server, state) = (
            server.trim_start_matches("nats://").to_owned(),
            Arc::clone(&is_cut),
        );
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for worker in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&server) else {
                    continue;
                };
                for (from, to) in [(&worker, &server), (&server, &worker)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || carry(from, to, &state));
                }
            }
        });
        Cable { address, is_cut }
    }

    fn set(&self, is_cut: bool) {
        *self.is_cut.0.lock().unwrap() = is_cut;
        self.is_cut.1.notify_all();
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &(Mutex<bool>, Condvar)) {
    let mut piece = [0; 16 << 10];
    while let Ok(read) = from.read(&mut piece) {
        drop(
            state
                .1
                .wait_while(state.0.lock().unwrap(), |is_cut| *is_cut),
        );
        if read == 0 || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// How long the coordinator waits for a worker that says nothing.
const CLAIM: Duration = Duration::from_secs(20);

#[test]
fn a_network_that_is_cut_for_less_than_a_claim_costs_nothing_but_time() {
    let farm = Farm::new(1, 40);
    farm.coordinator.configure(&format!(
        "[cluster]\nack-wait-seconds = {}\n",
        CLAIM.as_secs()
    ));
    let run = farm.run();
    let cable = Cable::to(&farm.nats.url());
    let _worker = farm.worker_at(&cable.address, "far");
    let _other = farm.worker("near");
    until("the first answers", || farm.billed() >= 20);
    cable.set(true);
    let cut = Instant::now();
    // A call that is under way ends, and nobody hears of it. There may be few of them: the other worker may have no record.
    let billed = farm.billed();
    until("another call", || farm.billed() > billed);
    cable.set(false);
    let is_short = cut.elapsed() < CLAIM;
    let again = farm.ends_right(run);
    assert!(again == 0 || !is_short, "{again} answers were billed again");
}

#[test]
fn a_worker_whose_disk_is_full_says_so_and_loses_no_answer() {
    let farm = Farm::new(1, 200);
    let Some(small) = Small::mount(&farm.workers, 16 << 20) else {
        return;
    };
    let run = farm.run();
    let full = farm.worker_in(&small.0, "full");
    until("the first answers", || farm.billed() >= 8);
    small.fill();
    let ran = full.ended().ended(2);
    assert!(ran.stderr.contains("make room"), "{}", ran.stderr);
    let _other = farm.worker("other");
    assert_eq!(farm.ends_right(run), 0);
}

#[test]
fn a_network_that_is_cut_for_longer_loses_no_answer() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let cable = Cable::to(&farm.nats.url());
    let far = farm.worker_at(&cable.address, "far");
    until("the first answers", || farm.billed() >= 20);
    cable.set(true);
    let _near = farm.worker("near");
    let again = farm.ends_right(run);
    assert!(again <= 8 * 5, "{again} questions were billed again");
    cable.set(false);
    far.signal(rustix::process::Signal::TERM);
    far.ended().ended(0);
}
