//! The one thing about a run that somebody should know first: what holds it back, or what needs a hand.

use super::snapshot::{EndKind, Headline, Snapshot, State, Tone};
use engine::statistics::{FailureKind, View};
use gateway::lane_view::{BreakerView, LaneView};

/// A kind of failures that so many tasks have needs a hand while the run goes on.
const MANY: u64 = 20;

/// The headline of a run at one moment.
pub(super) fn headline(snapshot: &Snapshot) -> Headline {
    match snapshot.state {
        State::Running => running(snapshot),
        State::Killed => Headline {
            tone: Tone::Bad,
            text: "The process of this run is gone, and did not end in order.".to_owned(),
            hint: Some("The same command resumes it; no answer is paid for twice.".to_owned()),
        },
        State::Ended => ended(snapshot),
    }
}

fn running(snapshot: &Snapshot) -> Headline {
    let view = &snapshot.progress;
    let lanes = &snapshot.lanes;
    if let Some(headline) = lanes.iter().find_map(|lane| down(lane, lanes)) {
        return headline;
    }
    let kinds = snapshot.detail.failure_kinds.iter();
    let worst = kinds
        .filter(|kind| kind.tried_again == 0)
        .max_by_key(|kind| kind.count);
    let is_bad = view.success_percent.is_some_and(|percent| percent < 50.0);
    if let Some(kind) = worst.filter(|kind| is_bad && kind.count >= MANY) {
        return alike(kind);
    }
    if let Some(headline) = lanes.iter().find_map(waits) {
        return headline;
    }
    if let Some(headline) = batches(view) {
        return headline;
    }
    let in_flight: u64 = lanes.iter().map(|lane| lane.in_flight).sum();
    Headline {
        tone: Tone::Good,
        text: match in_flight {
            0 => "Nothing holds the run back.".to_owned(),
            1 => "1 call is being answered; nothing holds the run back.".to_owned(),
            some => format!("{some} calls are being answered; nothing holds the run back."),
        },
        hint: None,
    }
}

/// Batches that need a hand, or that everything waits for.
fn batches(view: &View) -> Option<Headline> {
    let held = view.batches.iter().find_map(|batch| {
        let note = batch.note.as_ref()?;
        Some((&batch.name, note))
    });
    if let Some((name, note)) = held {
        return Some(Headline {
            tone: Tone::Waits,
            text: format!("Batch {name}: {note}."),
            hint: None,
        });
    }
    let questions: u64 = view.batches.iter().map(|batch| batch.questions).sum();
    (view.waiting_tasks > 0 && questions > 0).then(|| Headline {
        tone: Tone::Waits,
        text: match view.batches.len() {
            1 => format!("A batch of {questions} questions is being answered."),
            many => format!("{many} batches of {questions} questions are being answered."),
        },
        hint: Some(
            "They cost half, and may take a day; the run may be stopped meanwhile.".to_owned(),
        ),
    })
}

/// Whether another endpoint of the same model can be asked.
fn has_others(lane: &LaneView, lanes: &[LaneView]) -> bool {
    let model = |lane: &LaneView| {
        lane.model
            .rsplit_once('@')
            .map(|(model, _)| model.to_owned())
    };
    model(lane).is_some()
        && lanes
            .iter()
            .any(|other| model(other) == model(lane) && other.breaker == BreakerView::Closed)
}

/// A lane that nothing can be had from, or not now.
fn down(lane: &LaneView, lanes: &[LaneView]) -> Option<Headline> {
    let model = &lane.model;
    if lane.breaker != BreakerView::Closed && has_others(lane, lanes) {
        let what = match lane.breaker {
            BreakerView::Stopped => "cannot be asked any more",
            _ => "does not answer",
        };
        return Some(Headline {
            tone: Tone::Waits,
            text: format!("{model} {what}; its questions go to the other endpoints."),
            hint: lane.down.clone(),
        });
    }
    let why = lane
        .down
        .as_ref()
        .map(|why| format!(" ({why})"))
        .unwrap_or_default();
    match lane.breaker {
        BreakerView::Closed => None,
        BreakerView::Stopped => Some(Headline {
            tone: Tone::Bad,
            text: format!("{model} cannot be asked any more{why}."),
            hint: Some(
                "Check key, credit and the name of the model, then run the same command again."
                    .to_owned(),
            ),
        }),
        BreakerView::Open | BreakerView::HalfOpen => Some(Headline {
            tone: Tone::Waits,
            text: format!("{model} does not answer{why}; calls wait until it does."),
            hint: None,
        }),
    }
}

fn alike(kind: &FailureKind) -> Headline {
    Headline {
        tone: Tone::Bad,
        text: format!(
            "{} tasks of {} failed for one cause: {}.",
            kind.count,
            kind.component,
            kind.cause.trim_end_matches('.')
        ),
        hint: Some(sentence(&kind.advice)),
    }
}

/// A lane whose calls wait for their turn, or to be tried again.
fn waits(lane: &LaneView) -> Option<Headline> {
    if let Some(wait) = lane.wait.as_ref().filter(|_| lane.waiting > 0) {
        let calls = if lane.waiting == 1 {
            "1 call waits"
        } else {
            "calls wait"
        };
        let calls = if lane.waiting == 1 {
            calls.to_owned()
        } else {
            format!("{} {calls}", lane.waiting)
        };
        let left = wait.left.map(|left| left.as_secs_f64().ceil() as u64);
        let left = match left {
            None | Some(0) => String::new(),
            Some(seconds) => format!(", {}:{:02} left", seconds / 60, seconds % 60),
        };
        return Some(Headline {
            tone: Tone::Waits,
            text: format!("{calls} for {}{left}.", wait.reason),
            hint: wait.advice.clone(),
        });
    }
    let next = lane.next_try?;
    let calls = match lane.backing_off {
        1 => "1 call failed and is tried".to_owned(),
        some => format!("{some} calls failed and are tried"),
    };
    Some(Headline {
        tone: Tone::Waits,
        text: format!(
            "{calls} again, the first in {} s.",
            next.as_secs_f64().ceil()
        ),
        hint: None,
    })
}

fn ended(snapshot: &Snapshot) -> Headline {
    let view = &snapshot.progress;
    let records = &snapshot.run.records;
    let kind = snapshot.end.as_ref().map_or(EndKind::Done, |end| end.kind);
    let cause = snapshot.end.as_ref().and_then(|end| end.cause.clone());
    let because = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    let (tone, text, hint) = match kind {
        EndKind::Done => (
            Tone::Good,
            format!("All {} {records} are complete.", view.records),
            held(view.totals().held),
        ),
        EndKind::Partial => {
            let missing = view.records - view.complete;
            let kinds = &snapshot.detail.failure_kinds;
            let worst = kinds.iter().max_by_key(|kind| kind.count);
            let cause = worst.map(|kind| {
                format!(
                    ", most often for this: {}",
                    kind.cause.trim_end_matches('.')
                )
            });
            (
                Tone::Bad,
                format!(
                    "{missing} of {} {records} are not complete{}.",
                    view.records,
                    cause.unwrap_or_default()
                ),
                worst.map(|kind| sentence(&kind.advice)),
            )
        }
        EndKind::Budget => (
            Tone::Waits,
            "The run has spent what it may.".to_owned(),
            Some("The same command with a larger budget resumes it.".to_owned()),
        ),
        EndKind::Frozen => (
            Tone::Waits,
            "The run was let ask nothing, and there is something to ask.".to_owned(),
            Some("A run that may ask makes what is missing.".to_owned()),
        ),
        EndKind::Provider => (
            Tone::Bad,
            format!("The provider cannot go on{because}."),
            Some("When that is put right, the same command resumes the run.".to_owned()),
        ),
        EndKind::Waiting => (
            Tone::Waits,
            "The run has ended, and answers come with batches.".to_owned(),
            Some("The same command collects them, some time later.".to_owned()),
        ),
        EndKind::Interrupted => (
            Tone::Waits,
            "The run was interrupted.".to_owned(),
            Some("The same command resumes it; no answer is paid for twice.".to_owned()),
        ),
        EndKind::Failed => (
            Tone::Bad,
            format!("The run was stopped by an error{because}."),
            Some("The same command resumes it.".to_owned()),
        ),
    };
    Headline { tone, text, hint }
}

/// What is to be done about files that a gate holds.
fn held(files: u64) -> Option<String> {
    let files = match files {
        0 => return None,
        1 => "1 file is".to_owned(),
        many => format!("{many} files are"),
    };
    Some(format!(
        "{files} held by a gate: `batchgen review --page` shows why, and lets you decide."
    ))
}

/// Advice as a sentence of its own.
fn sentence(advice: &str) -> String {
    let mut letters = advice.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string());
    format!(
        "{}{}.",
        first.unwrap_or_default(),
        letters.as_str().trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_a_sentence() {
        assert_eq!(
            sentence("add what the record lacks"),
            "Add what the record lacks."
        );
        assert_eq!(sentence(""), ".");
    }
    #[test]
    fn one_of_several_endpoints_that_is_down_holds_nothing_back() {
        let lane = |name: &str, breaker| LaneView {
            model: name.to_owned(),
            in_flight: 0,
            allowed: 8,
            waiting: 0,
            wait: None,
            backing_off: 0,
            next_try: None,
            limits: Vec::new(),
            breaker,
            down: Some("down: refused".to_owned()),
            held: None,
        };
        let (gone, there) = (
            lane("gpus/m@a", BreakerView::Open),
            lane("gpus/m@b", BreakerView::Closed),
        );
        let said = |lanes: &[LaneView]| down(&gone, lanes).unwrap().text;
        assert_eq!(
            said(&[gone.clone(), there]),
            "gpus/m@a does not answer; its questions go to the other endpoints."
        );
        assert!(said(std::slice::from_ref(&gone)).ends_with("calls wait until it does."));
    }
}
