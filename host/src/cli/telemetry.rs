//! Spans and metrics for a collector. Where they go is said by the environment alone: a project cannot choose it.

use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::Span;

use super::display::Display;
use super::numbers::counted;
use ::telemetry::{Identity, Lost, Telemetry};
use gateway::lane::Observer;
use watch::Readings;

static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();

/// Begins to send, if the environment names a collector. A command never fails because of it.
pub(super) fn start(display: &Display) -> Option<&'static Telemetry> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let identity = Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: format!(
            "{}-{}",
            std::process::id(),
            now.unwrap_or_default().as_millis()
        ),
    };
    match Telemetry::start(&|name| std::env::var(name).ok(), &identity) {
        Ok(None) => None,
        Ok(Some(telemetry)) => Some(TELEMETRY.get_or_init(|| telemetry)),
        Err(error) => {
            display.print(&format!(
                "warning: no spans and metrics are sent: {error}\nhint: see docs/how-to/telemetry.md"
            ));
            None
        }
    }
}

/// The same observer, with which calls are measured where metrics are sent.
pub(super) fn observing(observer: Arc<dyn Observer>) -> Arc<dyn Observer> {
    match TELEMETRY.get() {
        Some(telemetry) => telemetry.observing(observer),
        None => observer,
    }
}

/// A run begins with this span, or a worker's part in the run whose `trace` it was given. What workers of it are to be given.
pub(super) fn begin(span: &Span, trace: Option<&str>) -> Option<String> {
    TELEMETRY.get()?.begin(span, trace)
}

/// Sends the metrics of a run, where any are sent.
pub(super) fn measure(run: Readings) {
    if let Some(telemetry) = TELEMETRY.get() {
        telemetry.measure(run);
    }
}

/// Sends what there still is, and says what did not arrive.
pub(super) fn finish(display: &Display) {
    if let Some(lost) = TELEMETRY.get().and_then(Telemetry::finish) {
        display.print(&words(&lost));
    }
}

fn words(lost: &Lost) -> String {
    let (spans, all) = lost.spans;
    let what = match (spans, lost.metrics) {
        (0, _) => "the last metrics".to_owned(),
        (_, 0) => format!("{spans} of {}", counted(all, "span")),
        (_, _) => format!("{spans} of {} and the last metrics", counted(all, "span")),
    };
    let cause = lost
        .cause
        .as_deref()
        .unwrap_or("there were more than could be sent");
    format!(
        "warning: {what} did not reach the collector: {cause}\n\
         hint: all else is done; OTEL_EXPORTER_OTLP_ENDPOINT says where they go"
    )
}
