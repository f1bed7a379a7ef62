//! What a run shows while it runs: one block that is redrawn on a terminal, a line now and then elsewhere, events as
//! JSON Lines on request. All show the numbers of `engine::statistics`.

mod block;
pub(super) mod events;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::display::Display;
use engine::statistics::{BatchView, View, WorkerView};
use engine::{Again, Event, Meter, resident_memory};
use gateway::Gateway;
use gateway::found::unix_time;
use gateway::lane_view::{LaneView, longest_wait};
use plan::causes::Causes;
use store::Store;
use types::class::FailureClass;

/// How often the block is redrawn.
const REDRAW: Duration = Duration::from_millis(200);
/// Away from a terminal, one line for so many records.
const EVERY: u64 = 10;
/// And no more often than this: what is fast need not be told of record by record.
const APART: Duration = Duration::from_millis(500);
/// And no less often than this, while something moves.
const AT_LEAST: Duration = Duration::from_secs(30);
/// When nothing has moved for so long, it is said what is waited for.
const STILL: Duration = Duration::from_secs(30);
/// Causes of one class and component of which the first is told as it happens; the summary counts them all.
const TOLD: usize = 5;
/// Classes and components of which any is.
const GROUPS: usize = 20;
/// Characters of a cause that is shown in one line; `batchgen failures` has the rest.
const CAUSE: usize = 200;

/// The task that shows progress.
pub(super) struct Progress {
    task: JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

/// How progress is shown.
enum Manner {
    /// The block of a terminal.
    Block(ProgressBar),
    Lines,
    Json,
}

struct Shower {
    display: Display,
    meter: Arc<Meter>,
    gateway: Arc<Gateway<Store>>,
    noun: String,
    manner: Manner,
    ended: u64,
    failures: BTreeMap<(FailureClass, String), Causes>,
    /// When a line of progress was printed last.
    said: Option<Instant>,
    start: Instant,
    /// Calls and records when something last moved, and when that was.
    moved: (u64, u64, Instant),
}

impl Progress {
    /// Starts showing.
    pub fn start(
        display: Display,
        meter: Arc<Meter>,
        gateway: Arc<Gateway<Store>>,
        events: UnboundedReceiver<Event>,
        noun: String,
        json: bool,
    ) -> Progress {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let manner = if json {
            Manner::Json
        } else if display.screen().is_some() && !display.is_quiet() {
            let bar = display.add(ProgressBar::no_length());
            let style = ProgressStyle::with_template("{msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            Manner::Block(bar)
        } else {
            Manner::Lines
        };
        let now = Instant::now();
        let shower = Shower {
            display,
            meter,
            gateway,
            noun,
            manner,
            ended: 0,
            failures: BTreeMap::new(),
            said: None,
            start: now,
            moved: (0, 0, now),
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
        if let Manner::Block(bar) = &self.manner {
            bar.finish_and_clear();
        }
    }

    fn look(&self) -> (View, Vec<LaneView>) {
        let lanes = self.gateway.view();
        let view = self.meter.view().held_up(longest_wait(&lanes));
        (view, lanes)
    }

    fn redraw(&self) {
        if let (Manner::Block(bar), Some(screen)) = (&self.manner, self.display.screen()) {
            let (view, lanes) = self.look();
            // The run has not looked yet at what there is to do.
            if view.components.is_empty() {
                return;
            }
            bar.set_message(block::block(
                &view,
                &self.meter.failure_kinds(),
                &lanes,
                resident_memory(),
                &self.noun,
                screen,
            ));
        }
    }

    /// Says how far it is when that was not said for long, and what every lane waits for when nothing moves.
    fn watch(&mut self) {
        let view = self.meter.view();
        let (calls, done, since) = self.moved;
        if (calls, done) != (view.calls.calls, view.done) {
            self.moved = (view.calls.calls, view.done, Instant::now());
            if self.said.unwrap_or(self.start).elapsed() >= AT_LEAST {
                self.tell_progress();
            }
        } else if since.elapsed() >= STILL {
            self.moved.2 = Instant::now();
            for lane in self.gateway.view() {
                if lane.in_flight + lane.waiting + lane.backing_off == 0 {
                    continue;
                }
                let words = format!("waiting: {}", lane_line(&lane));
                match &self.manner {
                    Manner::Json => events::waiting(&lane, &words),
                    Manner::Lines => self.display.note(&words),
                    // The block shows it.
                    Manner::Block(_) => {}
                }
            }
        }
    }

    fn tell_progress(&mut self) {
        self.said = Some(Instant::now());
        let (view, lanes) = self.look();
        // A rerun with nothing to do says so once, at its end.
        let totals = view.totals();
        if totals.made + totals.failed + totals.not_begun + view.calls.calls == 0 {
            return;
        }
        match &self.manner {
            Manner::Block(_) => {}
            Manner::Lines => {
                let line = parts::line(&view, &lanes, resident_memory(), &self.noun);
                self.display.note(&line);
            }
            Manner::Json => events::progress(&view, &lanes, resident_memory()),
        }
    }

    fn show(&mut self, event: Event) {
        if matches!(self.manner, Manner::Json) {
            events::happened(&event);
        }
        match event {
            Event::RecordEnded => {
                self.ended += 1;
                let due = self.ended.is_multiple_of(EVERY)
                    && self.said.is_none_or(|said| said.elapsed() >= APART);
                if due {
                    self.tell_progress();
                }
            }
            _ if matches!(self.manner, Manner::Json) => {}
            Event::TaskFailed {
                record,
                component,
                class,
                cause,
                again,
            } => {
                if !self.is_first_of_its_kind(class, &record, &component, &cause) {
                    return;
                }
                let what = match again {
                    Again::Soon => "tried again at the end",
                    Again::Rerun => class.advice(),
                    Again::Retry => "as before, left as it is; `batchgen retry` runs it again",
                };
                let cause = one_line(&cause);
                self.display
                    .note(&format!("{record} {component}: {class}: {cause} ({what})"));
            }
            // The summary counts them.
            Event::Held { .. } => {}
            Event::Edited { path } => self.display.note(&format!(
                "{path} is not as batchgen wrote it, and is kept (`batchgen accept` adopts it, --overwrite-edited replaces it)"
            )),
            Event::Note(text) => self.display.note(&text),
        }
    }
}

impl Shower {
    /// Whether a failure is told as it happens: the first of a kind is, and the others are counted. A terminal's block
    /// shows them all the time, and a quiet run at its end.
    fn is_first_of_its_kind(
        &mut self,
        class: FailureClass,
        record: &str,
        component: &str,
        cause: &str,
    ) -> bool {
        if !matches!(self.manner, Manner::Lines) {
            return false;
        }
        let groups = self.failures.len();
        let group = (class, component.to_owned());
        if groups >= GROUPS && !self.failures.contains_key(&group) {
            return false;
        }
        let causes = self.failures.entry(group).or_default();
        let known = causes.len();
        causes.add(record, cause);
        causes.len() > known && known < TOLD
    }
}

/// How a batch stands, in one line.
pub(super) fn batch_line(batch: &BatchView) -> String {
    parts::words(parts::batch(batch, unix_time()))
}

/// How a worker stands, in one line.
pub(super) fn worker_line(worker: &WorkerView) -> String {
    parts::words(parts::worker(worker))
}

/// What a lane is doing, in one line.
pub(super) fn lane_line(lane: &LaneView) -> String {
    parts::words(parts::lane(lane))
}

/// A cause as one line that is not too long.
fn one_line(cause: &str) -> String {
    let words: Vec<&str> = cause.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= CAUSE {
        return line;
    }
    let short: String = line.chars().take(CAUSE).collect();
    format!("{short}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_one_line_that_is_not_too_long() {
        assert_eq!(one_line("a\n  b"), "a b");
        assert_eq!(one_line(&"x".repeat(500)).chars().count(), CAUSE + 1);
    }
}
