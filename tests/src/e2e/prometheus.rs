//! The metrics and the dashboard with a real Prometheus. Where it is not installed, `cargo xtask test` leaves this out and says so.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Url;
use serde_json::Value;

use crate::ports;
use crate::scene::{Scene, root, until};
use crate::watched::Watched;
use crate::web::Web;
use simulator::{Config, Fault, FaultKind, Latency, Simulator, When};

/// A Prometheus that scrapes one run, and ends with the test.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    fn scraping(page: &str, folder: &Path) -> Prometheus {
        let address = format!("127.0.0.1:{}", ports::free());
        let target = page.trim_start_matches("http://").trim_end_matches('/');
        let settings = folder.join("prometheus.yml");
        let text = format!(
            "scrape_configs:\n  - job_name: batchgen\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n    \
             static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        fs::write(&settings, text).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("tsdb").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus, which `cargo xtask test` installs");
        until("Prometheus", || TcpStream::connect(&address).is_ok());
        Prometheus {
            child,
            url: format!("http://{address}"),
        }
    }

    /// How many series a query finds; nothing while it cannot be asked.
    fn finds(&self, web: &Web, query: &str) -> Option<usize> {
        let url = format!("{}/api/v1/query", self.url);
        let url = Url::parse_with_params(&url, [("query", query)]).unwrap();
        let reply = web.get(url.as_str());
        let answer: Value = serde_json::from_str(&reply.body).ok()?;
        assert_ne!(answer["errorType"], "bad_data", "{query}: {answer}");
        Some(answer["data"]["result"].as_array()?.len())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All queries of the dashboard, as Grafana asks them of one run.
fn queries() -> Vec<String> {
    let dashboard = fs::read_to_string(root().join("docs/grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    let filled = |query: &str| {
        query
            .replace("$job", "batchgen")
            .replace("$instance", ".*")
            .replace("$__rate_interval", "1m")
    };
    expressions.map(filled).collect()
}

/// A run that lasts until it is stopped, and of which some tasks fail.
fn run() -> (Simulator, Scene, Watched) {
    let simulator = Simulator::start(Config {
        latency: Latency {
            first_token: Duration::from_millis(400),
            answer: Duration::ZERO,
        },
        faults: vec![Fault {
            kind: FaultKind::ContentFilterFinish,
            when: When::Containing("\"Titanium\"".to_owned()),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new()
        .asking(&simulator)
        .with("BATCHGEN_CONCURRENCY", "4");
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    let run = Watched::start(&scene, &["--max-cost", "5"]);
    (simulator, scene, run)
}

#[test]
fn every_query_of_the_dashboard_finds_something_in_what_prometheus_scrapes() {
    let (_simulator, scene, run) = run();
    let prometheus = Prometheus::scraping(&run.page, &scene.path(""));
    let web = Web::new();
    let queries = queries();
    assert!(queries.len() > 15, "{queries:#?}");
    let mut left = queries.clone();
    until("an answer to every query", || {
        left.retain(|query| prometheus.finds(&web, query).is_none_or(|found| found == 0));
        left.is_empty()
    });
    // What is asked of is what there is.
    let metrics = web.get(&run.at("metrics")).body;
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<&str> = names.filter_map(|line| line.split(' ').next()).collect();
    for query in &queries {
        let words = query.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        for word in words.filter(|word| word.starts_with("batchgen_")) {
            assert!(names.contains(&word), "{word} of {query}");
        }
    }
}

#[test]
fn promtool_finds_no_fault_with_the_metrics() {
    let (_simulator, _scene, run) = run();
    let web = Web::new();
    let mut metrics = String::new();
    until("calls", || {
        metrics = web.get(&run.at("metrics")).body;
        metrics.contains("outcome=\"made\"} 1")
    });
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, which comes with Prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
