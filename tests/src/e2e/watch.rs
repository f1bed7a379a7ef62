//! Who watches a run sees it from another process, by HTTP while it lasts, and afterwards.

use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::scene::{KEY, Scene, until};
use crate::watched::{Viewing, Watched};
use crate::web::Web;
use simulator::{Config, Fault, FaultKind, Latency, Simulator, When};

/// Answers that take a while, and none on titanium.
fn simulator(milliseconds: u64) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(milliseconds),
            answer: Duration::ZERO,
        },
        faults: vec![Fault {
            kind: FaultKind::ContentFilterFinish,
            when: When::Containing("\"Titanium\"".to_owned()),
        }],
        ..Config::default()
    })
    .unwrap()
}

/// Four requests at once, so that a run lasts until it is stopped.
fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .asking(simulator)
        .with("BATCHGEN_CONCURRENCY", "4");
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    scene
}

fn interrupt(run: &mut Watched) {
    kill_process(Pid::from_child(run.child()), Signal::INT).unwrap();
}

fn status(scene: &Scene) -> Value {
    let ran = scene.host(&["status", "--json"]).ended(0);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_run_is_seen_by_http_while_it_lasts_and_its_server_ends_with_it() {
    let simulator = simulator(500);
    let scene = scene(&simulator);
    let mut run = Watched::start(&scene, &[]);
    let web = Web::new();

    let page = web.get(&run.page);
    assert_eq!(page.status, 200);
    let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-type"), "text/html; charset=utf-8");

    let mut left = 3;
    let events = web.events(&run.at("events"), |_| {
        left -= 1;
        left > 0
    });
    let [first, .., last] = &events[..] else {
        panic!("three events")
    };
    let elapsed = |event: &Value| event["progress"]["elapsed_seconds"].as_f64().unwrap();
    assert!(elapsed(first) < elapsed(last));
    assert_eq!(first["state"], "running");
    assert_eq!(last["progress"]["records"], 109);

    until("artifacts", || {
        let status = web.json(&run.at("status.json"));
        status["detail"]["artifacts"].as_array().unwrap().len() > 2
    });
    let metrics = web.get(&run.at("metrics"));
    let value = |name: &str| -> f64 {
        let line = metrics.body.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", metrics.body));
        line[name.len()..].trim().parse().unwrap()
    };
    assert_eq!(value("batchgen_records "), 109.0);
    assert!(value("batchgen_tasks_ended_total{component=\"table\",outcome=\"made\"}") > 0.0);
    assert!(value("batchgen_tokens_total{direction=\"in\"}") > 0.0);
    assert_eq!(value("batchgen_lane_up{lane=\"openai/sim\"}"), 1.0);
    assert_eq!(
        value("batchgen_lane_limit{lane=\"openai/sim\",limit=\"requests/minute\"}"),
        1e6
    );

    let told = scene.host(&["status"]).ended(0).stdout;
    assert!(told.starts_with("running\n"), "{told}");
    assert!(told.contains(&format!("dashboard {}", run.page)), "{told}");
    assert!(told.contains("breaker closed"), "{told}");
    let process = status(&scene)["run"]["process"].as_u64();
    assert_eq!(process, Some(run.child().id().into()));

    let page = run.page.clone();
    let mut is_interrupted = false;
    let events = web.events(&run.at("events"), |_| {
        if !is_interrupted {
            interrupt(&mut run);
            is_interrupted = true;
        }
        true
    });
    assert_eq!(events.last().unwrap()["state"], "ended");
    run.end().ended(130);
    assert!(web.ask(Method::GET, &page, &[], None).is_none());
    let status = status(&scene);
    assert_eq!(status["state"], "ended");
    assert_eq!(status["end"]["kind"], "interrupted");
    assert_eq!(status["end"]["exit_code"], 130);
}

#[test]
fn nobody_gets_anything_who_is_no_page_of_its_own() {
    let simulator = simulator(2000);
    let scene = scene(&simulator);
    let run = Watched::start(&scene, &[]);
    let web = Web::new();
    let ask = |method: Method, path: &str, header: (&str, &str)| {
        let reply = web.ask(method, &run.at(path), &[header], None).unwrap();
        assert!(
            reply.headers.contains_key("content-security-policy"),
            "{path}"
        );
        reply.status
    };
    let port = run.page.trim_end_matches('/').rsplit(':').next().unwrap();
    for path in [
        "",
        "events",
        "status.json",
        "metrics",
        "task?record=oak&component=text",
        "tasks",
        "runs",
        "run?id=x",
    ] {
        let get = |name: &str, value: &str| ask(Method::GET, path, (name, value));
        assert_eq!(get("host", "evil.example"), 403, "{path}");
        assert_eq!(get("host", &format!("evil.example:{port}")), 403, "{path}");
        assert_eq!(get("origin", "http://evil.example"), 403, "{path}");
        assert_eq!(get("origin", "null"), 403, "{path}");
        assert_eq!(ask(Method::POST, path, ("accept", "*/*")), 405, "{path}");
    }
    let own = ("origin", run.page.trim_end_matches('/'));
    assert_eq!(ask(Method::GET, "metrics", own), 200);
    let local = format!("localhost:{port}");
    assert_eq!(ask(Method::GET, "", ("host", &local)), 200);
}

#[test]
fn a_failure_is_told_with_what_was_asked_and_answered() {
    let simulator = simulator(0);
    let scene = scene(&simulator);
    // The other material is waited for, so that the server is there to be asked.
    let hold = Fault {
        kind: FaultKind::HangInBody,
        when: When::Containing("\"Iron\"".to_owned()),
    };
    let filter = Fault {
        kind: FaultKind::ContentFilterFinish,
        when: When::Containing("\"Titanium\"".to_owned()),
    };
    simulator.set_faults(vec![hold, filter]);
    let run = Watched::start(&scene, &["--record", "titanium", "--record", "iron"]);
    let web = Web::new();
    until("a failure", || {
        let status = web.json(&run.at("status.json"));
        status["detail"]["failures"][0]["class"] == "content-filter"
    });
    let address = run.at("task?record=titanium&component=frontmatter");
    let mut task = Value::Null;
    until("its checkpoint", || {
        let reply = web.get(&address);
        task = serde_json::from_str(&reply.body).unwrap_or_default();
        reply.status == 200
    });
    assert_eq!(task["outcome"], "failed");
    assert_eq!(task["class"], "content-filter");
    assert!(!task["advice"].as_str().unwrap().is_empty());
    let exchange = &task["exchanges"][0];
    let asked = exchange["question"].to_string();
    assert!(asked.contains("Titanium"), "{asked}");
    assert_eq!(exchange["answer"]["role"], "content filtered");

    let unknown = web.get(&run.at("task?record=../../etc/passwd&component=text"));
    assert_eq!(unknown.status, 404);
}

#[test]
fn status_tells_how_the_last_run_ended_also_when_it_was_killed() {
    let simulator = simulator(200);
    let scene = scene(&simulator);
    let nothing = scene.host(&["status"]).ended(2);
    assert!(
        nothing.stderr.contains("hint: `batchgen run` starts a run"),
        "{}",
        nothing.stderr
    );
    let mut child = scene.start(&[]);
    until("a status", || {
        scene.path(".batchgen/state.db.status.json").exists()
    });
    assert_eq!(status(&scene)["state"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(status(&scene)["state"], "killed");
    let told = scene.host(&["status"]).ended(0).stdout;
    assert!(told.starts_with("killed: "), "{told}");

    simulator.set_faults(Vec::new());
    scene
        .run(&["--record", "oak", "--component", "tags"])
        .ended(0);
    let ended = status(&scene);
    assert_eq!(
        (&ended["state"], &ended["end"]["kind"]),
        (&Value::from("ended"), &Value::from("done"))
    );
}

#[test]
fn a_report_is_one_file_that_asks_nobody_for_anything() {
    let simulator = simulator(0);
    let scene = scene(&simulator);
    let mut wanted = vec!["--component", "metatags"];
    for record in ["titanium", "iron", "oak"] {
        wanted.extend(["--record", record]);
    }
    scene.run(&wanted).ended(3);
    let told = scene.host(&["report"]).ended(0).stderr;
    assert!(told.contains("the report is in report.html"), "{told}");
    let html = scene.read("report.html");
    assert!(html.contains("http-equiv=\"Content-Security-Policy\""));
    for outside in [" src=", "href=\"page", "href=\"uplot", "connect-src"] {
        assert!(!html.contains(outside), "{outside}");
    }
    let json = scene.host(&["report", "--json"]).ended(0).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["end"]["kind"], "partial");

    let markdown = scene.host(&["report", "--markdown"]).ended(0).stdout;
    insta::with_settings!({filters => vec![
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]"),
        (r"\| elapsed \| \d+ s", "| elapsed | [..] s"),
        (r"peak memory \| \d+ MB", "peak memory | [..] MB"),
    ]}, {
        insta::assert_snapshot!(markdown);
    });
}

#[test]
fn runs_that_have_ended_are_shown_with_their_tasks_and_calls() {
    let simulator = simulator(20);
    let scene = scene(&simulator);
    scene.host(&["view"]).ended(2);
    scene
        .run(&["--record", "oak", "--component", "tags"])
        .ended(0);
    scene
        .run(&[
            "--record",
            "titanium",
            "--record",
            "iron",
            "--component",
            "text",
        ])
        .ended(3);
    let view = Viewing::start(&scene);
    let web = Web::new();
    let get = |path: &str| web.json(&format!("{}{path}", view.page));

    let newest = get("status.json");
    assert_eq!(newest["end"]["kind"], "partial");
    assert_eq!(newest["headline"]["tone"], "bad");
    assert_eq!(newest["run"]["models"][0], "openai/sim");
    let command = newest["run"]["command"].as_str().unwrap();
    assert!(
        command.starts_with("batchgen run --json --record titanium"),
        "{command}"
    );

    let runs = get("runs");
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0]["run"], newest["run"]);
    let first = get(&format!("run?id={}", runs[1]["id"].as_str().unwrap()));
    assert_eq!(first["end"]["kind"], "done");
    assert_eq!(first["progress"]["records"], 1);

    let found = get("tasks?outcome=failed");
    let records: Vec<&str> = found["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["record"].as_str().unwrap())
        .collect();
    assert_eq!(
        (records, &found["more"]),
        (vec!["titanium"], &Value::from(false))
    );
    let found = get("tasks?text=OA&component=tags&sort=newest");
    assert_eq!(found["tasks"][0]["record"], "oak");

    let task = get("task?record=iron&component=text");
    assert_eq!(task["rendered"][0]["tag"], "h1", "{task}");
    let call = &task["exchanges"][0]["call"];
    assert_eq!(call["lane"], "openai/sim");
    assert!(call["milliseconds"].as_u64().unwrap() >= 20, "{call}");
    assert!(call["cost_micros"].as_u64().unwrap() > 0, "{call}");

    for (path, code) in [
        ("run?id=../../etc/passwd", 404),
        ("run?id=", 404),
        ("task?record=x&component=text", 404),
    ] {
        assert_eq!(
            web.get(&format!("{}{path}", view.page)).status,
            code,
            "{path}"
        );
    }
    // Another process may run meanwhile, and is seen.
    scene
        .run(&["--record", "granite", "--component", "tags"])
        .ended(0);
    until("the newest run", || {
        get("status.json")["end"]["kind"] == "done"
    });
    assert_eq!(get("runs").as_array().unwrap().len(), 3);
}
