//! Spans on their way: counted, under names that belong to this program or to OpenTelemetry, and without what a screen obeys.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use opentelemetry::trace::{Span as _, Status};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use super::carrier::Counts;
use types::shown::harmless;

/// What the names of attributes begin with that OpenTelemetry has. All others are of this program.
const KNOWN: [&str; 3] = ["gen_ai.", "error.", "session."];
/// A list by the conventions.
const REASONS: &str = "gen_ai.response.finish_reasons";

/// The run whose spans begin, by the trace of its own span.
pub(super) type Session = Arc<RwLock<Option<Arc<str>>>>;

/// An attribute by which all spans of a run are found together, though each task is a trace of its own.
pub(super) fn of_session(session: Arc<str>) -> KeyValue {
    KeyValue::new("session.id", StringValue::from(session))
}

/// Counts spans that are to be sent, and says of which run they are.
#[derive(Debug)]
pub(super) struct Counting<P> {
    processor: P,
    counts: Arc<Counts>,
    session: Session,
}

impl<P> Counting<P> {
    pub fn new(processor: P, counts: Arc<Counts>, session: Session) -> Counting<P> {
        Counting {
            processor,
            counts,
            session,
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counting<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        let session = self.session.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*session {
            span.set_attribute(of_session(Arc::clone(session)));
        }
        drop(session);
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.counts.add_span();
            self.processor.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}

/// Counts spans that arrive.
#[derive(Debug)]
pub(super) struct Counted<E> {
    exporter: E,
    counts: Arc<Counts>,
}

impl<E> Counted<E> {
    pub fn new(exporter: E, counts: Arc<Counts>) -> Counted<E> {
        Counted { exporter, counts }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.counts.is_hopeless() {
            return Err(OTelSdkError::InternalFailure(
                "spans before these did not arrive".to_owned(),
            ));
        }
        let number = batch.len();
        let batch = batch.into_iter().map(adapted).collect();
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => self.counts.spans_arrived(number),
            Err(_) => self.counts.spans_lost(),
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// A span as it is sent.
fn adapted(span: SpanData) -> SpanData {
    let attributes = span.attributes.into_iter().map(|attribute| {
        let name = attribute.key.as_str();
        let is_known = KNOWN.iter().any(|begin| name.starts_with(begin));
        let key = match is_known {
            true => attribute.key.clone(),
            false => format!("batchgen.{name}").into(),
        };
        let value = match attribute.value {
            Value::String(text) => {
                let text: StringValue = harmless(text.as_str()).into_owned().into();
                match name {
                    REASONS => Value::Array(Array::String(vec![text])),
                    _ => Value::String(text),
                }
            }
            other => other,
        };
        KeyValue::new(key, value)
    });
    let status = match span.status {
        Status::Error { description } => Status::error(harmless(&description).into_owned()),
        other => other,
    };
    SpanData {
        attributes: attributes.collect(),
        status,
        name: harmless(&span.name).into_owned().into(),
        ..span
    }
}
