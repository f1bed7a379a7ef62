//! What a run shows while it runs: one block that is redrawn on a terminal, a line every ten records
//! elsewhere, events as JSON Lines on request. All show the numbers of `core::statistics`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::core::statistics::{CallCount, View, percent};
use crate::llm::gateway::Gateway;
use crate::llm::lane::LaneView;
use crate::run::{Again, Event, Meter, resident_memory};

/// How often the block is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// Away from a terminal, one line for so many records.
const EVERY: u64 = 10;
/// And no more often than this: what is fast need not be told of record by record.
const APART: Duration = Duration::from_millis(500);
/// When nothing has moved for so long, it is said what is waited for.
const STILL: Duration = Duration::from_secs(30);
/// Failures that are shown one by one; the summary counts them all.
const SHOWN: u64 = 50;

/// Standard error, shared by messages, log lines and the progress block.
#[derive(Clone, Debug)]
pub(super) struct Display {
    block: MultiProgress,
    terminal: bool,
}

impl Display {
    /// A display; the block is drawn only on a terminal.
    pub fn new(terminal: bool) -> Display {
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Display {
            block: MultiProgress::with_draw_target(target),
            terminal,
        }
    }

    /// Prints a line above the block.
    pub fn print(&self, text: &str) {
        // A closed standard error is no reason to stop working.
        self.block.suspend(|| {
            let _ = writeln!(io::stderr(), "{text}");
        });
    }
}

impl Write for Display {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The task that shows progress.
pub(super) struct Progress {
    task: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

struct Shower {
    display: Display,
    meter: Arc<Meter>,
    gateway: Arc<Gateway>,
    noun: String,
    json: bool,
    bar: Option<ProgressBar>,
    ended: u64,
    failures: u64,
    /// When a line of progress was printed last.
    said: Option<Instant>,
    /// Calls and records when something last moved, and when that was.
    moved: (u64, u64, Instant),
}

impl Progress {
    /// Starts showing.
    pub fn start(
        display: Display,
        meter: Arc<Meter>,
        gateway: Arc<Gateway>,
        events: UnboundedReceiver<Event>,
        noun: String,
        json: bool,
    ) -> Progress {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let bar = (display.terminal && !json).then(|| {
            let bar = display.block.add(ProgressBar::no_length());
            bar.set_style(
                ProgressStyle::with_template("{msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let shower = Shower {
            display,
            meter,
            gateway,
            noun,
            json,
            bar,
            ended: 0,
            failures: 0,
            said: None,
            moved: (0, 0, Instant::now()),
        };
        Progress {
            task: tokio::spawn(shower.work(events, stopped)),
            stop,
        }
    }

    /// Shows what is left and stops.
    pub async fn finish(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

impl Shower {
    async fn work(
        mut self,
        mut events: UnboundedReceiver<Event>,
        mut stopped: tokio::sync::oneshot::Receiver<()>,
    ) {
        let mut tick = interval(REDRAW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.show(event),
                    None => break,
                },
                _ = &mut stopped => break,
                _ = tick.tick() => {
                    self.redraw();
                    self.watch();
                }
            }
        }
        while let Ok(event) = events.try_recv() {
            self.show(event);
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn redraw(&self) {
        if let Some(bar) = &self.bar {
            let view = self.meter.view();
            bar.set_message(block(
                &view,
                &self.gateway.view(),
                resident_memory(),
                &self.noun,
            ));
        }
    }

    /// Says what every lane waits for when nothing has moved for a while.
    fn watch(&mut self) {
        let view = self.meter.view();
        let (calls, done, since) = self.moved;
        if (calls, done) != (view.calls.calls, view.done) {
            self.moved = (view.calls.calls, view.done, Instant::now());
        } else if since.elapsed() >= STILL {
            self.moved.2 = Instant::now();
            for lane in self.gateway.view() {
                if lane.in_flight + lane.waiting + lane.backing_off > 0 {
                    self.message("waiting", &lane_line(&lane));
                }
            }
        }
    }

    fn show(&mut self, event: Event) {
        match event {
            Event::RecordEnded => {
                self.ended += 1;
                if self.bar.is_none()
                    && self.ended.is_multiple_of(EVERY)
                    && self.said.is_none_or(|said| said.elapsed() >= APART)
                {
                    self.said = Some(Instant::now());
                    let view = self.meter.view();
                    // A rerun with nothing to do says so once, at its end.
                    if matches!(view.totals(), (0, _, 0)) {
                        return;
                    }
                    if self.json {
                        emit(&json!({"event": "progress", "progress": view}));
                    } else {
                        let line = line(&view, &self.gateway.view(), resident_memory(), &self.noun);
                        self.display.print(&line);
                    }
                }
            }
            Event::TaskFailed { record, component, class, cause, again } => {
                if self.json {
                    emit(&json!({"event": "failure", "record": record, "component": component,
                        "class": class.as_str(), "cause": cause, "tried_again": again == Again::Soon, "failed_before": again == Again::Retry}));
                    return;
                }
                self.failures += 1;
                if self.failures > SHOWN {
                    return;
                }
                let later = match again {
                    Again::Soon => " (tried again at the end)",
                    Again::Rerun => "",
                    Again::Retry => " (as before, left as it is; `host retry` runs it again)",
                };
                self.display.print(&format!("{record} {component}: {class}: {cause}{later}"));
                if self.failures == SHOWN {
                    self.display.print("more failures are counted, and no longer shown one by one");
                }
            }
            Event::Edited { path } => self.message(
                "edited",
                &format!("{path} is not as batchgen wrote it, and is kept (`host accept` adopts it, --overwrite-edited replaces it)"),
            ),
            Event::Note(text) => self.message("note", &text),
        }
    }

    fn message(&self, kind: &str, text: &str) {
        if self.json {
            emit(&json!({"event": kind, "message": text}));
        } else {
            self.display.print(text);
        }
    }
}

/// Prints one JSON line on standard output.
pub(super) fn emit(value: &serde_json::Value) {
    // A reader that went away is no reason to stop working.
    let _ = writeln!(io::stdout(), "{value}");
}

/// The block for a terminal.
fn block(view: &View, lanes: &[LaneView], memory: Option<u64>, noun: &str) -> String {
    const WIDTH: u64 = 30;
    let filled = (WIDTH * view.done).checked_div(view.records).unwrap_or(0);
    let bar: String = (0..WIDTH)
        .map(|cell| if cell < filled { '█' } else { '░' })
        .collect();
    let mut lines = parts(view, lanes, memory, noun);
    if let Some(first) = lines.first_mut() {
        *first = format!("{bar} {first}");
    }
    let categories = view.categories.iter().map(|count| {
        let text = format!("{} {}/{}", count.category, count.complete, count.total);
        with_losses(text, count.incomplete, "incomplete")
    });
    lines.push(categories.collect::<Vec<_>>().join("  "));
    let components = view.components.iter().map(|count| {
        let text = format!(
            "{} {}",
            count.component,
            count.made + count.kept + count.edited
        );
        with_losses(text, count.lost(), "failed")
    });
    lines.push(components.collect::<Vec<_>>().join("  "));
    lines.join("\n")
}

fn with_losses(text: String, losses: u64, word: &str) -> String {
    if losses == 0 {
        text
    } else {
        format!("{text} ({losses} {word})")
    }
}

/// The line for logs.
fn line(view: &View, lanes: &[LaneView], memory: Option<u64>, noun: &str) -> String {
    parts(view, lanes, memory, noun).join(", ")
}

/// Where the run stands, what came of it, how fast it is, what it uses.
fn parts(view: &View, lanes: &[LaneView], memory: Option<u64>, noun: &str) -> Vec<String> {
    let (made, kept, failed) = view.totals();
    let eta = view
        .eta_seconds
        .map_or_else(|| "unknown".to_owned(), duration);
    let mut parts = vec![format!(
        "{}/{} {noun} ({:.0} %), {} elapsed, eta {eta}",
        view.done,
        view.records,
        percent(view.done, view.records.max(1)),
        duration(view.elapsed_seconds),
    )];
    let mut result = format!(
        "success {:.0} %, components made {made}, kept {kept}, failed {failed}",
        view.success_percent
    );
    if view.parked_tasks > 0 {
        let _ = write!(result, ", {} to try again", view.parked_tasks);
    }
    parts.push(result);
    let mut pace = format!(
        "tokens {} ({}/s), {} {noun}/h",
        count(view.calls.input_tokens + view.calls.output_tokens),
        count(view.tokens_per_second as u64),
        count(view.records_per_hour as u64)
    );
    if let Some(bytes) = memory {
        let _ = write!(pace, ", memory {} MB", bytes / 1_000_000);
    }
    if let Some(cost) = cost(&view.calls) {
        let _ = write!(pace, ", {cost}");
    }
    parts.push(pace);
    parts.extend(lanes.iter().map(lane_line));
    parts
}

/// What a lane is doing, and what it waits for until when.
pub(super) fn lane_line(lane: &LaneView) -> String {
    let mut text = format!("{}: {} in flight", lane.model, lane.in_flight);
    if lane.allowed < u64::MAX {
        let _ = write!(text, " of {}", lane.allowed);
    }
    for (used, most, what) in &lane.limits {
        let _ = write!(text, ", {}/{} {what}", count(*used), count(*most));
    }
    if let Some(down) = &lane.down {
        let _ = write!(text, ", {down}");
    }
    if let Some(wait) = &lane.wait {
        let _ = write!(text, ", {} wait for {}", lane.waiting, wait.reason);
        if let Some(left) = wait.left {
            let _ = write!(text, ", {} left", duration(left.as_secs_f64().ceil()));
        }
    }
    if let Some(next) = lane.next_try {
        let next = duration(next.as_secs_f64().ceil());
        let _ = write!(text, ", {} failed, tried again in {next}", lane.backing_off);
    }
    text
}

/// What calls cost, as far as prices are known; `None` if nothing was asked for money.
pub(super) fn cost(calls: &CallCount) -> Option<String> {
    let known = calls.cost_micros > 0;
    let text = dollars(calls.cost_micros);
    match (known, calls.unpriced) {
        (false, _) => None,
        (true, 0) => Some(text),
        (true, unpriced) => Some(format!("{text} and {unpriced} calls of unknown price")),
    }
}

/// Millionths of a dollar as people write them.
pub(super) fn dollars(micros: u64) -> String {
    let dollars = micros as f64 / 1e6;
    if dollars >= 10.0 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.4}")
    }
}

/// `1:05` or `2:01:05`.
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number that fits: `950`, `12.3k`, `4.56M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.2}M", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::statistics::{CallEnd, RecordEnd, Statistics, TaskEnd};
    use crate::llm::lane::Wait;

    fn view() -> View {
        let mut statistics = Statistics::new(
            &["frontmatter".to_owned(), "text".to_owned()],
            &[("metal".to_owned(), 34), ("wood".to_owned(), 20)],
        );
        for second in 1..=12 {
            let now = Duration::from_secs(second);
            statistics.task_ended(now, "metal", "frontmatter", TaskEnd::Made);
            statistics.task_ended(
                now,
                "metal",
                "text",
                if second == 5 {
                    TaskEnd::Failed
                } else {
                    TaskEnd::Made
                },
            );
            let end = if second == 5 {
                RecordEnd::Incomplete
            } else {
                RecordEnd::Complete
            };
            statistics.record_ended(now, "metal", end);
            statistics.call_ended(
                now,
                "text",
                CallEnd {
                    input_tokens: 1200,
                    output_tokens: 800,
                    micros: Some(660),
                    again: second == 3,
                },
            );
        }
        statistics.tasks_parked(2);
        statistics.view(Duration::from_secs(12))
    }

    fn lanes() -> Vec<LaneView> {
        vec![LaneView {
            model: "openai/gpt-4o-mini".to_owned(),
            in_flight: 8,
            allowed: 8,
            waiting: 40,
            wait: Some(Wait {
                reason: "room within 30 requests per minute".to_owned(),
                left: Some(Duration::from_millis(11_200)),
            }),
            backing_off: 2,
            next_try: Some(Duration::from_millis(400)),
            limits: vec![(30, 30, "requests/minute".to_owned())],
            breaker: Default::default(),
            down: None,
        }]
    }

    #[test]
    fn the_block_says_all_there_is_to_say() {
        insta::assert_snapshot!(block(&view(), &lanes(), Some(45_000_000), "materials"), @r"
        ██████░░░░░░░░░░░░░░░░░░░░░░░░ 12/54 materials (22 %), 0:12 elapsed, eta 0:42
        success 92 %, components made 23, kept 0, failed 1, 2 to try again
        tokens 24.0k (2000/s), 3600 materials/h, memory 45 MB, $0.0079
        openai/gpt-4o-mini: 8 in flight of 8, 30/30 requests/minute, 40 wait for room within 30 requests per minute, 0:12 left, 2 failed, tried again in 0:01
        metal 11/34 (1 incomplete)  wood 0/20
        frontmatter 12  text 11 (1 failed)
        ");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (duration(65.4), duration(7265.0)),
            ("1:05".to_owned(), "2:01:05".to_owned())
        );
        assert_eq!(
            [count(950), count(12_345), count(4_560_000)],
            ["950", "12.3k", "4.56M"]
        );
    }
}
