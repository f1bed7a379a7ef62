//! The spans of a run on several machines: each process sends its own, and they belong together.

use super::farm::Farm;
use crate::collector::Collector;
use crate::received::{hexadecimal, named, spans, words};
use rustix::process::Signal;

#[test]
fn the_tasks_of_a_worker_belong_to_the_run_of_its_coordinator() {
    let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let [of_run, of_worker] = [Collector::start(), Collector::start()];
    let farm = Farm::new(1, 1);
    let farm = Farm {
        coordinator: farm.coordinator.with(variable, &of_run.url),
        workers: farm.workers.with(variable, &of_worker.url),
        ..farm
    };
    let run = farm.run();
    let worker = farm.worker("one");
    let summary = run.ended().ended(0).summary();
    worker.signal(Signal::TERM);
    let worker = worker.ended().ended(0);
    assert!(!worker.stderr.contains("collector"), "{}", worker.stderr);

    let (here, _) = spans(&of_run);
    let (run, _) = named(&here, "run")[0];
    assert!(named(&here, "task").is_empty() && named(&here, "chat").is_empty());

    let (there, _) = spans(&of_worker);
    let work = named(&there, "work");
    let [(work, about)] = &work[..] else {
        panic!("one part: {}", work.len())
    };
    assert_eq!(about["batchgen.worker"], "one");
    assert_eq!(
        (&work.trace_id, &work.parent_span_id),
        (&run.trace_id, &run.span_id)
    );
    let tasks = named(&there, "task");
    let made = summary.made();
    let made: u64 = made.iter().map(|name| summary.of(name, "made")).sum();
    assert_eq!(tasks.len() as u64, made);
    for (task, _) in &tasks {
        assert_eq!(task.links[0].span_id, work.span_id);
    }
    let chats = named(&there, "chat");
    assert_eq!(chats.len() as u64, summary.calls("calls"));
    for (chat, _) in &chats {
        assert!(
            tasks
                .iter()
                .any(|(task, _)| task.span_id == chat.parent_span_id)
        );
    }
    let session = hexadecimal(&run.trace_id);
    for span in here.iter().chain(&there) {
        assert_eq!(words(&span.attributes)["session.id"], session);
    }
}

#[test]
fn a_worker_sends_nothing_unless_its_own_environment_says_where() {
    let of_run = Collector::start();
    let farm = Farm::new(1, 1);
    let farm = Farm {
        coordinator: farm
            .coordinator
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", &of_run.url),
        ..farm
    };
    let run = farm.run();
    let _worker = farm.worker("one");
    run.ended().ended(0);
    let (here, _) = spans(&of_run);
    assert_eq!(named(&here, "run").len(), 1);
    assert!(named(&here, "work").is_empty() && named(&here, "chat").is_empty());
}
