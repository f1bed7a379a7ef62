//! Pictures on their way: from files and addresses to providers of each dialect, no more often than they are paid for.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::scene::{KEY, Scene, root, until};
use simulator::{Config, Dialect, Latency, Ledger, Simulator};
use types::digest::Digest;

const NAMES: [&str; 4] = ["chair.png", "lamp.jpg", "table.webp", "shelf.gif"];

fn bytes(name: &str) -> Vec<u8> {
    fs::read(root().join("tests/fixtures/pictures").join(name)).unwrap()
}

/// A project with a picture of each format, asking this provider at this address.
fn scene(provider: &str, model: &str, base_url: &str, more: &str) -> Scene {
    let scene = Scene::new()
        .with_plugin("plugins/prompt")
        .with("BATCHGEN_TRUST", "1")
        .with("OPENAI_API_KEY", KEY)
        .with("ANTHROPIC_API_KEY", KEY)
        .with("GEMINI_API_KEY", KEY)
        .with("BATCHGEN_MODEL", &format!("{provider}/{model}"));
    let mut products = "id,name,category,photo\n".to_owned();
    fs::create_dir(scene.path("photos")).unwrap();
    for name in NAMES {
        fs::write(scene.path("photos").join(name), bytes(name)).unwrap();
        let id = name.split('.').next().unwrap();
        products.push_str(&format!("{id},{id},furniture,photos/{name}\n"));
    }
    scene.write("products.csv", &products);
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = \"products.csv\"\n[provider.{provider}]\nbase-url = \"{base_url}\"\n\
             [component.alt-text]\nplugin = \"prompt\"\nimages = [\"photo\"]\n\
             prompts.write = {{ text = \"Say what is to be seen.\" }}\n\
             options = {{ numbers-from-facts = false }}\n{more}"
        ),
    );
    scene
}

fn simulator(dialect: Dialect) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        dialect,
        ..Config::default()
    })
    .unwrap()
}

/// The pictures that were billed, each as its hash.
fn billed(ledger: &Ledger) -> Vec<String> {
    let calls = ledger.calls.iter();
    calls.flat_map(|call| call.pictures.clone()).collect()
}

fn digests(names: &[&str]) -> BTreeSet<String> {
    let digests = names
        .iter()
        .map(|name| Digest::of(&bytes(name)).to_string());
    digests.collect()
}

#[test]
fn each_dialect_is_shown_the_pictures_as_they_are_and_a_rerun_asks_nothing() {
    for (dialect, provider, model) in [
        (Dialect::OpenAi, "openai", "gpt-4o-mini"),
        (Dialect::Anthropic, "anthropic", "claude-haiku-4-5"),
        (Dialect::Gemini, "gemini", "gemini-2.5-flash"),
    ] {
        let simulator = simulator(dialect);
        let scene = scene(provider, model, simulator.base_url(), "");
        let summary = scene.run(&[]).ended(0).summary();
        assert_eq!(summary.complete(), 4, "{provider}");
        let seen: BTreeSet<String> = billed(&simulator.ledger()).into_iter().collect();
        assert_eq!(seen, digests(&NAMES), "{provider}");
        assert_eq!(simulator.totals().billed, 4, "{provider}");
        scene.run(&[]).ended(0);
        fs::write(scene.path("photos/chair.png"), bytes("chair-blue.png")).unwrap();
        scene.run(&[]).ended(0);
        let ledger = simulator.ledger();
        assert_eq!(ledger.billed(), 5, "{provider}");
        let last = billed(&ledger).pop().unwrap();
        assert!(digests(&["chair-blue.png"]).contains(&last), "{provider}");
    }
}

#[test]
fn a_model_that_takes_no_pictures_is_named_and_asked_once_for_each_record() {
    let simulator = simulator(Dialect::OpenAi);
    let scene = scene("openai", "text-only", simulator.base_url(), "");
    let ran = scene.run(&[]).ended(3);
    for said in [
        "bad-request",
        "openai/text-only refuses a question with pictures: ",
        "image_url is only supported by certain models",
        "name a model that does",
    ] {
        assert!(ran.stdout.contains(said), "{said}\n{}", ran.stdout);
    }
    assert_eq!(simulator.totals().billed, 0);
    assert!(simulator.totals().requests <= 4);
}

#[test]
fn questions_with_pictures_are_in_no_batch_and_a_person_is_told() {
    let simulator = simulator(Dialect::OpenAi);
    let scene = scene("openai", "gpt-4o-mini", simulator.base_url(), "");
    let plan = scene.host(&["plan"]).ended(0).stdout;
    assert!(!plan.contains("--mode batch"), "{plan}");
    let ran = scene.run(&["--mode", "batch"]).ended(0);
    assert_eq!(ran.summary().complete(), 4);
    let notes = ran.notes();
    let told = notes.iter().filter(|note| note.contains("not in batches"));
    assert_eq!(told.count(), 1, "{notes:?}");
    let ledger = simulator.ledger();
    assert!(ledger.calls.iter().all(|call| call.batch.is_none()));
}

#[test]
fn nothing_is_paid_for_twice_after_a_kill() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(30),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = scene(
        "openai",
        "gpt-4o-mini",
        simulator.base_url(),
        "[limits]\nconcurrency = 1\n",
    );
    let mut child = scene.start(&[]);
    until("an answer", || simulator.totals().billed >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    until("the end of what was under way", || {
        simulator.totals().in_flight == 0
    });
    scene.run(&[]).ended(0);
    assert_eq!(scene.content().len(), 4);
    // Only what was under way at the kill may have been asked again.
    let ledger = simulator.ledger();
    assert!(ledger.billed_again() <= 1, "{ledger:?}");
    let seen: BTreeSet<String> = billed(&ledger).into_iter().collect();
    assert_eq!(seen, digests(&NAMES));
}

/// A server of pictures that counts what it is asked for.
struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
    chair: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, chair) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Mutex::new(bytes("chair.png"))),
        );
        let (count, served) = (Arc::clone(&asked), Arc::clone(&chair));
        thread::spawn(move || {
            for connection in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                answer(connection.unwrap(), &served.lock().unwrap());
            }
        });
        Server { port, asked, chair }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }
}

fn answer(mut connection: TcpStream, chair: &[u8]) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let path = String::from_utf8_lossy(&head);
    let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut say = |status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        let _ = connection.write_all(&[head.as_bytes(), body].concat());
    };
    match path.split('?').next().unwrap_or_default() {
        "/chair.png" => say("200 OK", "content-type: text/plain\r\n", chair),
        "/moved.png" => say("302 Found", "location: /chair.png\r\n", b""),
        "/page.png" => say(
            "200 OK",
            "content-type: image/png\r\n",
            b"<html>No picture.</html>",
        ),
        "/large.png" => say("200 OK", "", &vec![0; 21 << 20]),
        _ => say("404 Not Found", "", b"no"),
    }
}

#[test]
fn a_picture_at_an_address_is_fetched_once_and_a_404_costs_its_record_alone() {
    let (simulator, server) = (simulator(Dialect::OpenAi), Server::start());
    let scene = scene("openai", "gpt-4o-mini", simulator.base_url(), "");
    let rows: String = [
        "chair.png?token=secret",
        "moved.png",
        "gone.png",
        "page.png",
        "large.png",
    ]
    .iter()
    .map(|path| {
        let id = path.split('.').next().unwrap();
        format!("{id},{id},furniture,{}\n", server.url(path))
    })
    .collect();
    scene.write("products.csv", &format!("id,name,category,photo\n{rows}"));
    let plan = scene.host(&["plan"]).ended(0).stdout;
    assert!(plan.contains("alt-text"), "{plan}");
    assert_eq!(
        server.asked.load(Ordering::SeqCst),
        0,
        "a plan fetches nothing"
    );
    let ran = scene.run(&[]).ended(3);
    let summary = ran.summary();
    assert_eq!((summary.count("made"), summary.count("failed")), (2, 3));
    for said in [
        "the server answers 404 Not Found; check the address",
        "page.png is no picture that models look at",
        "it has more than 20971520 bytes; make the picture smaller",
    ] {
        assert!(ran.stdout.contains(said), "{said}\n{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("secret"), "{}", ran.stdout);
    assert_eq!(simulator.totals().billed, 2);

    // Other bytes at the same address change nothing, and are not even asked for.
    *server.chair.lock().unwrap() = bytes("chair-blue.png");
    let before = server.asked.load(Ordering::SeqCst);
    fs::remove_dir_all(scene.path("content")).unwrap();
    let summary = scene.run(&["--record", "chair"]).ended(0).summary();
    assert_eq!((summary.count("made"), simulator.totals().billed), (1, 2));
    assert_eq!(server.asked.load(Ordering::SeqCst), before);

    let prune = ["store", "prune", "--older-than", "0s", "--json"];
    let pruned = scene.host(&prune).ended(0).stdout;
    assert!(pruned.contains("\"pictures\":"), "{pruned}");
    assert_eq!(
        fs::read_dir(scene.path(".batchgen/images"))
            .unwrap()
            .count(),
        0
    );

    // Another address is another picture.
    scene.replace("products.csv", "token=secret", "token=other");
    let summary = scene.run(&["--record", "chair"]).ended(0).summary();
    assert_eq!((summary.count("made"), simulator.totals().billed), (1, 3));
}

#[test]
fn a_picture_in_the_own_network_is_fetched_only_where_a_person_says_so() {
    let (simulator, server) = (simulator(Dialect::OpenAi), Server::start());
    let scene = scene("openai", "gpt-4o-mini", simulator.base_url(), "");
    let row = format!("chair,chair,furniture,{}\n", server.url("chair.png"));
    scene.write("products.csv", &format!("id,name,category,photo\n{row}"));
    scene.host(&["trust"]).ended(0);
    let scene = scene
        .with("BATCHGEN_TRUST", "")
        .with("BATCHGEN_MODEL", "offline");
    let ran = scene.run(&[]).ended(3);
    let said = "127.0.0.1 is in a network of this machine's own";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}
