//! Spans on their way: counted, under names that belong to this program or to OpenTelemetry, and without what a screen obeys.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use super::carrier::Counts;
use types::shown::harmless;

/// What the names of attributes begin with that OpenTelemetry has. All others are of this program.
const KNOWN: [&str; 2] = ["gen_ai.", "error."];
/// A list by the conventions.
const REASONS: &str = "gen_ai.response.finish_reasons";

/// Counts spans that are to be sent.
#[derive(Debug)]
pub(super) struct Counting<P> {
    processor: P,
    counts: Arc<Counts>,
}

impl<P> Counting<P> {
    pub fn new(processor: P, counts: Arc<Counts>) -> Counting<P> {
        Counting { processor, counts }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counting<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
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
    SpanData {
        attributes: attributes.collect(),
        name: harmless(&span.name).into_owned().into(),
        ..span
    }
}
