//! Spans and metrics by way of a real collector, Rotel, which reads them, gathers them and sends them on. Where it cannot be had,
//! `cargo xtask test` leaves this out and says so.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::collector::Collector;
use crate::ports;
use crate::received::{metrics, named, spans, value};
use crate::scene::{Ran, Scene, root, until};
use simulator::{Config, Latency, Simulator};

/// Becomes the program that the package has among its modules.
const START: &str =
    "import os, rotel, sys; os.execv(rotel.__path__[0] + '/rotel-agent', ['rotel', *sys.argv[1:]])";

/// A collector that sends all that it takes to another one, and ends with the test.
struct Rotel {
    child: Child,
    url: String,
    behind: Collector,
}

impl Rotel {
    fn start(more: &[&str]) -> Rotel {
        let free = || format!("127.0.0.1:{}", ports::free());
        let behind = Collector::start();
        let (http, grpc) = (free(), free());
        let child = Command::new(root().join("target/rotel/bin/python"))
            .args(["-c", START, "start"])
            .args(["--otlp-http-endpoint", &http])
            .args(["--otlp-grpc-endpoint", &grpc])
            .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http"])
            .args(["--otlp-exporter-endpoint", &behind.url])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Rotel, which `cargo xtask test` installs");
        until("Rotel", || TcpStream::connect(&http).is_ok());
        Rotel {
            child,
            url: format!("http://{http}"),
            behind,
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Rotel {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A run whose calls take this many milliseconds, and which sends what it has ten times a second.
fn scene(latency: u64, collector: &str) -> (Simulator, Scene) {
    let simulator = Simulator::start(Config {
        latency: Latency {
            first_token: Duration::from_millis(latency),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new()
        .asking(&simulator)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .with("OTEL_BSP_SCHEDULE_DELAY", "100")
        .with("OTEL_METRIC_EXPORT_INTERVAL", "100");
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    (simulator, scene)
}

const RUN: [&str; 4] = ["--record", "oak", "--component", "metatags"];

#[test]
fn a_real_collector_takes_all_spans_and_metrics_and_sends_them_on() {
    let rotel = Rotel::start(&[]);
    let (_simulator, scene) = scene(0, &rotel.url);
    let ran = scene.run(&RUN).ended(0);
    assert!(!ran.stderr.contains("collector"), "{}", ran.stderr);
    let calls = ran.summary().calls("calls");

    let mut all = Vec::new();
    until("the span of the run", || {
        all = spans(&rotel.behind).0;
        !named(&all, "run").is_empty()
    });
    let (_, sender) = spans(&rotel.behind);
    assert_eq!(sender["service.name"], "batchgen");
    let (run, _) = named(&all, "run")[0];
    let tasks = named(&all, "task");
    assert_eq!(tasks.len(), 2);
    for (task, about) in &tasks {
        assert_eq!(about["batchgen.record"], "oak");
        assert_eq!(task.links[0].span_id, run.span_id);
    }
    assert!(named(&all, "execution").len() >= 3);
    let chats = named(&all, "chat sim");
    assert_eq!(chats.len() as u64, calls);
    for (chat, about) in &chats {
        assert!(
            tasks
                .iter()
                .any(|(task, _)| task.span_id == chat.parent_span_id)
        );
        assert_eq!(about["gen_ai.operation.name"], "chat");
        assert_eq!(about["gen_ai.provider.name"], "openai");
        assert_eq!(about["gen_ai.response.model"], "sim");
        for tokens in ["input_tokens", "output_tokens"] {
            let number = &about[&format!("gen_ai.usage.{tokens}")];
            assert!(number.parse::<u64>().unwrap() > 0, "{tokens}: {number}");
        }
    }

    until("the last metrics", || {
        let sent = rotel.behind.sent("/v1/metrics");
        !sent.is_empty() && value(&metrics(&rotel.behind), "batchgen.calls", ("", "")) > 0.0
    });
    let metrics = metrics(&rotel.behind);
    let made = value(&metrics, "batchgen.tasks_ended", ("outcome", "made"));
    assert_eq!(made, 2.0);
    assert!(metrics.contains_key("gen_ai.client.token.usage"));
    assert!(metrics.contains_key("gen_ai.client.operation.duration"));
}

#[test]
fn a_real_collector_that_is_killed_costs_the_run_nothing_but_a_warning() {
    let mut rotel = Rotel::start(&[]);
    let (_simulator, scene) = scene(100, &rotel.url);
    let run = scene.start(&["--category", "wood"]);
    until("the first spans", || !spans(&rotel.behind).0.is_empty());
    rotel.kill();
    let ran = Ran::from(run.wait_with_output().unwrap()).ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    let warnings = ran
        .stderr
        .lines()
        .filter(|line| line.contains("did not reach the collector"));
    assert_eq!(warnings.count(), 1, "{}", ran.stderr);

    let (_simulator, alone) = self::scene(0, "");
    alone.run(&["--category", "wood"]).ended(0);
    assert_eq!(scene.content(), alone.content());
}

#[test]
fn what_a_real_collector_refuses_is_told_and_the_rest_arrives() {
    let rotel = Rotel::start(&["--otlp-receiver-traces-disabled"]);
    let (_simulator, scene) = scene(0, &rotel.url);
    let ran = scene.run(&RUN).ended(0);
    assert!(
        ran.stderr.contains("answered with HTTP 404"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("last metrics"), "{}", ran.stderr);
    until("metrics", || !rotel.behind.sent("/v1/metrics").is_empty());
    assert!(rotel.behind.sent("/v1/traces").is_empty());
}
