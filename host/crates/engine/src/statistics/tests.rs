use super::*;

fn two() -> Statistics {
    Statistics::new(
        &["frontmatter".to_owned(), "text".to_owned()],
        &[("metal".to_owned(), 3), ("wood".to_owned(), 1)],
    )
}

#[test]
fn success_is_of_what_was_begun() {
    let mut statistics = two();
    let now = Duration::from_secs(1);
    statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
    statistics.task_ended(now, "metal", "text", TaskEnd::Failed);
    statistics.record_ended(Duration::from_secs(1), "metal", RecordEnd::Incomplete);
    statistics.record_ended(Duration::from_secs(2), "wood", RecordEnd::Complete);
    let view = statistics.view(Duration::from_secs(2));
    assert_eq!((view.records, view.done, view.complete), (4, 2, 1));
    assert_eq!(view.success_percent, Some(50.0));
    let totals = view.totals();
    assert_eq!((totals.made, totals.failed, totals.not_begun), (1, 1, 0));
    assert_eq!(view.eta_seconds, Some(6.0));
    assert_eq!(view.records_per_hour, 3600.0);
}

#[test]
fn blocked_is_not_failed_and_no_part_of_success() {
    let mut statistics = two();
    assert_eq!(statistics.view(Duration::ZERO).success_percent, None);
    let now = Duration::from_secs(1);
    statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Failed);
    statistics.task_ended(now, "metal", "text", TaskEnd::Blocked);
    let view = statistics.view(now);
    assert_eq!(view.success_percent, Some(0.0));
    assert_eq!((view.totals().failed, view.totals().not_begun), (1, 1));
}

#[test]
fn records_outside_a_sample_have_no_task() {
    let mut statistics = two();
    statistics.not_sampled("metal", "text", 2);
    statistics.not_sampled("wood", "text", 1);
    let second = Duration::from_secs(1);
    for _ in 0..3 {
        statistics.task_ended(second, "metal", "frontmatter", TaskEnd::Made);
    }
    statistics.task_ended(second, "wood", "frontmatter", TaskEnd::Made);
    let view = statistics.view(second);
    assert_eq!((view.tasks, view.tasks_done), (5, 4));
    let [frontmatter, text] = &view.components[..] else {
        panic!("two components");
    };
    assert_eq!((frontmatter.tasks(4), text.tasks(4)), (4, 1));
    let heat = statistics.detail(second).heat;
    let [metal, wood] = &heat[..] else {
        panic!("two categories");
    };
    assert_eq!(metal.tasks(&metal.cells[1]), 1);
    assert_eq!(
        (wood.tasks(&wood.cells[0]), wood.tasks(&wood.cells[1])),
        (1, 0)
    );
}

#[test]
fn the_estimate_follows_recent_pace() {
    let mut statistics = Statistics::new(&[], &[("metal".to_owned(), 1000)]);
    for second in 0..600 {
        statistics.record_ended(Duration::from_secs(second), "metal", RecordEnd::Complete);
    }
    let fast = statistics.view(Duration::from_secs(600));
    assert!(
        (fast.eta_seconds.unwrap() - 400.0).abs() < 10.0,
        "{:?}",
        fast.eta_seconds
    );
    let stalled = statistics.view(Duration::from_secs(700));
    assert_eq!(stalled.eta_seconds, None);
    assert_eq!(stalled.records_per_hour, 0.0);
}

#[test]
fn a_limit_that_is_used_up_counts_for_the_estimate() {
    let mut statistics = Statistics::new(&[], &[("metal".to_owned(), 400)]);
    for record in 0..100 {
        statistics.record_ended(
            Duration::from_millis(record * 100),
            "metal",
            RecordEnd::Complete,
        );
    }
    let view = statistics.view(Duration::from_secs(10));
    let at_once = view.eta_seconds.unwrap();
    assert!((at_once - 30.0).abs() < 1.0, "{at_once}");
    // A hundred a minute are allowed: three more minutes, and what is left of this one.
    let held_up = view.held_up(Duration::from_secs(50)).eta_seconds.unwrap();
    assert!((held_up - 230.0).abs() < 6.0, "{held_up}");
    let mut done = Statistics::new(&[], &[("metal".to_owned(), 1)]);
    done.record_ended(Duration::ZERO, "metal", RecordEnd::Complete);
    let done = done.view(Duration::from_secs(1));
    assert_eq!(done.held_up(Duration::from_secs(9)).eta_seconds, Some(0.0));
    let unknown = Statistics::new(&[], &[]).view(Duration::from_secs(1));
    assert_eq!(
        unknown.eta_seconds, None,
        "nobody has looked at the records yet"
    );
}

#[test]
fn the_cost_to_come_is_that_of_tasks_like_them() {
    let mut statistics = two();
    let now = Duration::from_secs(1);
    let call = CallEnd {
        input_tokens: 10,
        output_tokens: 5,
        micros: Some(100),
        ..CallEnd::default()
    };
    statistics.call_ended(now, "text", call);
    statistics.call_ended(now, "text", call);
    assert_eq!(statistics.view(now).projected_cost_micros, None);
    statistics.attempt_ended("text", 1, 100);
    statistics.task_ended(now, "metal", "text", TaskEnd::Made);
    assert_eq!(statistics.view(now).projected_cost_micros, None);
    statistics.attempt_ended("frontmatter", 0, 0);
    statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
    // What a task under way has cost so far is part of what it is expected to cost.
    assert_eq!(statistics.view(now).projected_cost_micros, Some(400));
    // One that was kept cost nothing, so half of those to come are expected to cost nothing.
    statistics.task_ended(now, "metal", "text", TaskEnd::Kept);
    let view = statistics.view(now);
    assert_eq!(view.projected_cost_micros, Some(200));
    let text = &view.components[1];
    assert_eq!((text.calls, text.tokens, text.cost_micros), (2, 30, 200));
    let heat = statistics.detail(now).heat;
    let cell = heat[0].cells[1];
    assert_eq!((cell.made, cell.kept, cell.failed), (1, 1, 0));
}

#[test]
fn time_left_is_told_before_the_first_record_ends() {
    let mut statistics = two();
    statistics.task_ended(
        Duration::from_secs(2),
        "metal",
        "frontmatter",
        TaskEnd::Made,
    );
    let view = statistics.view(Duration::from_secs(2));
    assert_eq!((view.tasks, view.tasks_done), (8, 1));
    assert_eq!(view.eta_seconds, Some(14.0));
    // Each text takes two calls of two seconds, and six more tasks are nothing beside that.
    for call in [2, 4] {
        let now = Duration::from_secs(call);
        statistics.call_ended(now, "text", CallEnd::default());
    }
    let now = Duration::from_secs(4);
    statistics.attempt_ended("text", 2, 0);
    statistics.task_ended(now, "metal", "text", TaskEnd::Made);
    assert_eq!(statistics.view(now).eta_seconds, Some(12.0));
}

#[test]
fn a_million_tasks_take_no_more_memory_than_a_thousand() {
    let sizes = [1_000_u64, 1_000_000].map(|tasks| {
        let mut statistics = Statistics::new(&["text".to_owned()], &[("metal".to_owned(), tasks)]);
        for number in 0..tasks {
            let now = Duration::from_millis(number * 5);
            statistics.task_ended(now, "metal", "text", TaskEnd::Made);
            statistics.record_ended(now, "metal", RecordEnd::Complete);
            statistics.artifact_made("oak", "text", false);
        }
        let now = Duration::from_millis(tasks * 5);
        let detail = statistics.detail(now);
        assert_eq!(statistics.view(now).tasks_done, tasks);
        detail.series.tasks_per_second.len() + detail.artifacts.len()
    });
    assert!(sizes.iter().all(|size| *size < 300), "{sizes:?}");
}
