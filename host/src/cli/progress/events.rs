//! What `--json` prints while a run goes on: one object a line, each with the kind of event and the time.
//! `docs/events.schema.json` describes them, and a test holds every one against it.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::cli::display::emit;
use engine::statistics::View;
use engine::{Again, Event};
use gateway::lane::LaneView;

/// Prints an event; `value` must be an object.
pub(in crate::cli) fn event(kind: &str, value: Value) {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut event = json!({"event": kind, "time": time});
    if let (Some(event), Value::Object(value)) = (event.as_object_mut(), value) {
        event.extend(value);
    }
    emit(&event);
}

/// How far the run is.
pub(super) fn progress(view: &View, lanes: &[LaneView], memory: Option<u64>) {
    event(
        "progress",
        json!({"progress": view, "lanes": lanes, "memory_bytes": memory}),
    );
}

/// What happened; a record that ended is told by progress.
pub(super) fn happened(happened: &Event) {
    match happened {
        Event::RecordEnded => {}
        Event::TaskFailed {
            record,
            component,
            class,
            cause,
            again,
        } => event(
            "failure",
            json!({
                "record": record,
                "component": component,
                "class": class.as_str(),
                "cause": cause,
                "advice": class.advice(),
                "tried_again": *again == Again::Soon,
                "failed_before": *again == Again::Retry,
            }),
        ),
        Event::Held {
            record,
            component,
            cause,
        } => event(
            "held",
            json!({"record": record, "component": component, "cause": cause}),
        ),
        Event::Edited { path } => event("edited", json!({"path": path})),
        Event::Note(text) => event("note", json!({"message": text})),
    }
}

/// Nothing has moved for a while; this is what a lane waits for.
pub(super) fn waiting(lane: &LaneView, message: &str) {
    event("waiting", json!({"message": message, "lane": lane}));
}
