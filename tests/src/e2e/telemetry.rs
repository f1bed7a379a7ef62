//! Spans and metrics of a run, as a collector gets them; and that no collector can do a run any harm.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::batches;
use crate::collector::{Answer, Collector};
use crate::received::{hexadecimal, histogram, metrics, named, spans, value};
use crate::scene::{Ran, Scene};
use simulator::{BatchScript, Config, Fault, FaultKind, Simulator, When};

const RUN: [&str; 4] = ["--record", "oak", "--component", "metatags"];

fn scene(simulator: &Simulator, collector: &str) -> Scene {
    let scene = Scene::new()
        .asking(simulator)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector);
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    scene
}

/// The warning that a collector was not reached, which stands there once.
fn told(ran: &Ran) -> &str {
    let mut lines = ran.stderr.lines();
    let mut warnings = lines
        .by_ref()
        .filter(|line| line.contains("did not reach the collector"));
    let warning = warnings.next().unwrap_or_else(|| panic!("{}", ran.stderr));
    assert_eq!(warnings.next(), None);
    warning
}

#[test]
fn a_run_its_tasks_their_executions_and_calls_are_spans_by_the_conventions() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    let scene = scene(&simulator, &collector.url)
        .with("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=wood")
        .with(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        );
    let ran = scene.run(&RUN).ended(0);
    let sent = collector.sent("/v1/traces");
    let has = |line: &str| sent[0].headers.iter().any(|header| header == line);
    assert!(
        has("content-type: application/x-protobuf"),
        "{:?}",
        sent[0].headers
    );
    assert!(has("x-tenant: wood"), "{:?}", sent[0].headers);

    let (spans, sender) = spans(&collector);
    assert_eq!(sender["service.name"], "batchgen");
    assert_eq!(sender["deployment.environment.name"], "test");
    assert!(sender.contains_key("service.instance.id"), "{sender:?}");

    let [(run, about)] = &named(&spans, "run")[..] else {
        panic!("one run")
    };
    assert_eq!(about["batchgen.outcome"], "done");
    assert_eq!(about["batchgen.exit_code"], "0");

    let session = hexadecimal(&run.trace_id);
    for span in &spans {
        let about = crate::received::words(&span.attributes);
        assert_eq!(about["session.id"], session, "{}", span.name);
    }

    let tasks = named(&spans, "task");
    assert_eq!(tasks[0].0.name, "task frontmatter");
    let names: Vec<&str> = tasks
        .iter()
        .map(|(_, about)| about["batchgen.component"].as_str())
        .collect();
    assert_eq!(names, ["frontmatter", "metatags"]);
    for (task, about) in &tasks {
        assert_eq!(about["batchgen.record"], "oak");
        assert_eq!(about["batchgen.outcome"], "made");
        assert!(task.parent_span_id.is_empty(), "a trace of its own");
        assert_ne!(task.trace_id, run.trace_id);
        assert_eq!(task.links[0].span_id, run.span_id);
    }
    let within = |span: &Span| {
        let task = tasks
            .iter()
            .find(|(task, _)| task.span_id == span.parent_span_id);
        task.is_some_and(|(task, _)| task.trace_id == span.trace_id)
    };
    let executions = named(&spans, "execution");
    assert!(executions.len() >= 3, "{}", executions.len());
    assert!(executions.iter().all(|(span, _)| within(span)));

    let calls = named(&spans, "chat sim");
    let summary = ran.summary();
    assert_eq!(calls.len() as u64, summary.calls("calls"));
    let (mut input, mut output) = (0, 0);
    for (call, about) in &calls {
        assert!(within(call));
        assert_eq!(call.kind, 3, "a client");
        for (name, value) in [
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", "sim"),
            ("gen_ai.response.model", "sim"),
            ("gen_ai.response.finish_reasons", "[\"stop\"]"),
        ] {
            assert_eq!(about[name], value, "{about:?}");
        }
        for name in ["gen_ai.usage.input_tokens", "gen_ai.request.max_tokens"] {
            let mut attributes = call.attributes.iter();
            let attribute = attributes.find(|attribute| attribute.key == name).unwrap();
            let value = attribute.value.clone().unwrap().value.unwrap();
            assert!(matches!(value, Value::IntValue(_)), "{name}: {value:?}");
        }
        assert!(about["gen_ai.usage.cost"].parse::<f64>().unwrap() > 0.0);
        input += about["gen_ai.usage.input_tokens"].parse::<u64>().unwrap();
        output += about["gen_ai.usage.output_tokens"].parse::<u64>().unwrap();
        let has_text = about
            .keys()
            .any(|name| name.contains("messages") || name.contains("instructions"));
        assert!(!has_text, "{about:?}");
    }
    assert_eq!(input, summary.calls("input_tokens"));
    assert_eq!(output, summary.calls("output_tokens"));
    assert!(!ran.stderr.contains("collector"), "{}", ran.stderr);
}

#[test]
fn metrics_say_what_the_page_says_and_count_calls_by_the_conventions() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    let ran = scene(&simulator, &collector.url).run(&RUN).ended(0);
    let summary = ran.summary();
    let metrics = metrics(&collector);
    let all = ("", "");
    assert_eq!(value(&metrics, "batchgen.records", all), 1.0);
    assert_eq!(value(&metrics, "batchgen.running", all), 0.0);
    assert_eq!(metrics["batchgen.elapsed"].unit, "s");
    let made = value(&metrics, "batchgen.tasks_ended", ("outcome", "made"));
    assert_eq!(made, 2.0);
    let calls = summary.calls("calls");
    assert_eq!(value(&metrics, "batchgen.calls", all), calls as f64);
    assert!(value(&metrics, "batchgen.cost_dollars", all) > 0.0);

    let usage = |kind| {
        histogram(
            &metrics,
            "gen_ai.client.token.usage",
            ("gen_ai.token.type", kind),
        )
    };
    assert_eq!(
        usage("input"),
        (summary.calls("input_tokens") as f64, calls)
    );
    assert_eq!(
        usage("output"),
        (summary.calls("output_tokens") as f64, calls)
    );
    let model = ("gen_ai.request.model", "sim");
    let (seconds, count) = histogram(&metrics, "gen_ai.client.operation.duration", model);
    assert_eq!(count, calls);
    assert!(seconds > 0.0);
    assert_eq!(metrics["gen_ai.client.operation.duration"].unit, "s");
}

#[test]
fn what_fails_says_why_and_repeats_no_text_unless_it_is_asked_for() {
    for with_texts in ["false", "true"] {
        let simulator = Simulator::start(Config {
            faults: vec![Fault {
                kind: FaultKind::Unprocessable,
                when: When::Probability(1.0),
            }],
            ..Config::default()
        })
        .unwrap();
        let collector = Collector::start();
        let content = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let scene = scene(&simulator, &collector.url).with(content, with_texts);
        scene.run(&RUN).ended(3);
        let (spans, _) = spans(&collector);
        let chats = named(&spans, "chat sim");
        let tasks = named(&spans, "task frontmatter");
        for (span, about) in chats.iter().chain(&tasks) {
            let status = span.status.clone().unwrap();
            assert_eq!(status.code, 2, "{about:?}");
            assert!(!status.message.is_empty(), "{about:?}");
            if with_texts == "false" || span.name.starts_with("task") {
                assert_eq!(status.message, about["error.type"]);
            }
        }
        assert!(!chats.is_empty() && !tasks.is_empty());
    }
}

#[test]
fn each_step_of_a_batch_and_each_of_its_answers_is_a_span() {
    let simulator = batches::simulator(BatchScript::default());
    let collector = Collector::start();
    let scene = batches::scene(&simulator).with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let ran = scene.host(&["run", "--json", "--mode", "batch"]).ended(0);
    let (spans, _) = spans(&collector);
    let (run, _) = named(&spans, "run")[0];
    let steps = named(&spans, "batch");
    for step in ["upload", "create", "look", "collect"] {
        let name = format!("batch {step}");
        assert!(steps.iter().any(|(span, _)| span.name == name), "{name}");
    }
    let (created, about) = &named(&spans, "batch create")[0];
    assert_eq!(created.parent_span_id, run.span_id);
    assert_eq!(about["batchgen.questions"], batches::RECORDS.to_string());
    assert!(!about["batchgen.id"].is_empty());
    let (collected, of_collected) = &named(&spans, "batch collect")[0];
    assert_eq!(collected.trace_id, run.trace_id);
    assert_eq!(of_collected["batchgen.id"], about["batchgen.id"]);

    let chats = named(&spans, "chat sim");
    assert_eq!(chats.len(), batches::RECORDS);
    let mut dollars = 0.0;
    for (chat, of_chat) in &chats {
        assert!(chat.parent_span_id.is_empty(), "a trace of its own");
        assert_eq!(chat.links[0].span_id, collected.span_id);
        assert_eq!(of_chat["batchgen.batch"], about["batchgen.batch"]);
        assert_eq!(of_chat["batchgen.component"], "summary");
        assert_eq!(of_chat["gen_ai.response.model"], "sim");
        dollars += of_chat["gen_ai.usage.cost"].parse::<f64>().unwrap();
    }
    let micros = (dollars * 1e6).round() as u64;
    assert_eq!(micros, scene.query(batches::COST));

    let metrics = metrics(&collector);
    let of_input = ("gen_ai.token.type", "input");
    let (tokens, count) = histogram(&metrics, "gen_ai.client.token.usage", of_input);
    assert_eq!(count, batches::RECORDS as u64);
    assert_eq!(tokens, ran.summary().calls("input_tokens") as f64);
    // How long a batch takes is not how long a call takes.
    assert!(!metrics.contains_key("gen_ai.client.operation.duration"));
}

#[test]
fn texts_are_sent_only_where_that_is_asked_for() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    scene(&simulator, &collector.url)
        .with("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        .run(&RUN)
        .ended(0);
    let (spans, _) = spans(&collector);
    let calls = named(&spans, "chat sim");
    let (_, about) = &calls[0];
    let read = |name: &str| -> serde_json::Value { serde_json::from_str(&about[name]).unwrap() };
    let asked = read("gen_ai.input.messages");
    assert_eq!(asked[0]["role"], "user");
    assert!(asked[0]["parts"][0]["content"].is_string(), "{asked}");
    let said = read("gen_ai.output.messages");
    assert_eq!(said[0]["finish_reason"], "stop");
    assert!(!said[0]["parts"][0]["content"].as_str().unwrap().is_empty());
    assert_eq!(read("gen_ai.system_instructions")[0]["type"], "text");
}

#[test]
fn what_is_not_wanted_is_not_sent() {
    let simulator = Simulator::start(Config::default()).unwrap();
    for (name, value, has_spans, has_metrics) in [
        ("OTEL_SDK_DISABLED", "true", false, false),
        ("OTEL_TRACES_EXPORTER", "none", false, true),
        ("OTEL_METRICS_EXPORTER", "none", true, false),
        ("OTEL_TRACES_SAMPLER", "always_off", false, true),
    ] {
        let collector = Collector::start();
        let scene = scene(&simulator, &collector.url).with(name, value);
        scene.run(&RUN).ended(0);
        let sent = |path| !collector.sent(path).is_empty();
        assert_eq!(
            (sent("/v1/traces"), sent("/v1/metrics")),
            (has_spans, has_metrics),
            "{name}"
        );
    }
    // Where both go their own ways, the paths are as they are told.
    let collector = Collector::start();
    let scene = Scene::new().asking(&simulator).with(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        &format!("{}/spans", collector.url),
    );
    scene.run(&RUN).ended(0);
    assert!(!collector.sent("/spans").is_empty());
    assert!(collector.sent("/v1/metrics").is_empty());
}

#[test]
fn a_collector_that_takes_nothing_is_told_once_and_changes_nothing() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let elsewhere = Collector::start();
    let redirect = format!("location: {}/v1/traces\r\n", elsewhere.url);
    for (status, head, cause) in [
        ("400 Bad Request", "", "answered with HTTP 400"),
        ("401 Unauthorized", "", "answered with HTTP 401"),
        ("500 Internal Server Error", "", "answered with HTTP 500"),
        (
            "503 Service Unavailable",
            "retry-after: 3600\r\n",
            "answered with HTTP 503",
        ),
        (
            "307 Temporary Redirect",
            redirect.as_str(),
            "answered with HTTP 307",
        ),
    ] {
        let collector = Collector::answering(Answer::Status(status, head.to_owned()));
        let scene = scene(&simulator, &collector.url);
        let ran = scene.run(&RUN).ended(0);
        assert_eq!(ran.summary().complete(), 1, "{status}");
        let told = told(&ran);
        assert!(
            told.contains(cause) && told.contains("the last metrics"),
            "{told}"
        );
        let (all, _) = spans(&collector);
        assert!(
            told.contains(&format!("{0} of {0} spans", all.len())),
            "{told}"
        );
    }
    assert!(
        elsewhere.sent("/v1/traces").is_empty(),
        "a redirection was followed"
    );

    let nobody = "http://127.0.0.1:1";
    let ran = scene(&simulator, nobody).run(&RUN).ended(0);
    assert!(
        told(&ran).contains("127.0.0.1:1 cannot be reached"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_collector_that_says_nothing_does_not_hold_up_the_end_of_a_run() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::answering(Answer::Silence);
    let ran = scene(&simulator, &collector.url).run(&RUN).ended(0);
    let told = told(&ran);
    assert!(told.contains("longer than 5 s"), "{told}");
    assert!(told.contains("and the last metrics"), "{told}");
    assert!(!collector.sent("/v1/traces").is_empty());
}

#[test]
fn spans_that_find_no_room_are_dropped_and_counted() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::answering(Answer::Silence);
    let scene = scene(&simulator, &collector.url)
        .with("OTEL_BSP_MAX_QUEUE_SIZE", "2")
        .with("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1");
    let ran = scene.run(&["--category", "wood"]).ended(0);
    let told = told(&ran);
    let numbers: Vec<u64> = told
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers[0] == numbers[1] && numbers[0] > 50, "{told}");
}

#[test]
fn a_setting_that_is_wrong_is_told_and_the_run_goes_on() {
    let simulator = Simulator::start(Config::default()).unwrap();
    for (name, value, cause) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector:4318",
            "OTEL_EXPORTER_OTLP_ENDPOINT is no address",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "only http/protobuf is spoken",
        ),
    ] {
        let scene = scene(&simulator, "http://127.0.0.1:1").with(name, value);
        let ran = scene.run(&RUN).ended(0);
        assert!(ran.stderr.contains(cause), "{}", ran.stderr);
    }
}

#[test]
fn a_project_does_not_choose_where_spans_and_metrics_go() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    let scene = Scene::new().asking(&simulator);
    scene.configure(
        "[provider.mine]\npreset = \"openai\"\napi-key-env = \"OTEL_EXPORTER_OTLP_ENDPOINT\"\n",
    );
    scene.write(
        ".env",
        &format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT={0}\nOTEL_EXPORTER_OTLP_TRACES_ENDPOINT={0}/v1/traces\n",
            collector.url
        ),
    );
    let ran = scene.run(&RUN).ended(0);
    assert!(
        ran.stderr
            .contains("sets OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which is ignored"),
        "{}",
        ran.stderr
    );
    assert!(collector.sent("/v1/traces").is_empty());
    assert!(collector.sent("/v1/metrics").is_empty());
}
