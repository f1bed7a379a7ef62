//! What a collector is sent, as OpenTelemetry's own library for Python reads it. Where that cannot be had, `cargo xtask test` leaves
//! this out and says so.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::collector::{Collector, Sent};
use crate::scene::{Scene, root};
use simulator::{Config, Simulator};

/// Reads a request of the kind that its first argument names, and prints it as JSON.
const READ: &str = "
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
kind = {'traces': trace_service_pb2.ExportTraceServiceRequest, 'metrics': metrics_service_pb2.ExportMetricsServiceRequest}
request = kind[sys.argv[1]]()
request.ParseFromString(open(sys.argv[2], 'rb').read())
print(MessageToJson(request))
";

fn read(scene: &Scene, kind: &str, sent: &Sent) -> Value {
    let file = scene.path(kind);
    fs::write(&file, &sent.body).unwrap();
    let output = Command::new(root().join("target/otlp/bin/python"))
        .args(["-c", READ, kind])
        .arg(&file)
        .output()
        .expect("Python, which `cargo xtask test` installs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of a list of things.
fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|thing| thing["name"].as_str().unwrap()).collect()
}

#[test]
fn spans_and_metrics_are_what_the_library_of_others_reads() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    let scene = Scene::new()
        .asking(&simulator)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    scene
        .run(&["--record", "oak", "--component", "frontmatter"])
        .ended(0);
    let spans = read(&scene, "traces", &collector.sent("/v1/traces")[0]);
    let spans = &spans["resourceSpans"][0]["scopeSpans"][0]["spans"];
    let named = names(spans);
    for name in ["execution", "run", "task frontmatter"] {
        assert!(named.contains(&name), "{named:?}");
    }
    let task = spans
        .as_array()
        .unwrap()
        .iter()
        .find(|span| span["name"] == "task frontmatter")
        .unwrap();
    assert_eq!(task["links"].as_array().unwrap().len(), 1);

    let metrics = read(&scene, "metrics", &collector.sent("/v1/metrics")[0]);
    let metrics = &metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let named = names(metrics);
    for name in [
        "batchgen.records",
        "batchgen.tasks_ended",
        "batchgen.elapsed",
    ] {
        assert!(named.contains(&name), "{named:?}");
    }
}
